"""What a hostile or broken kintone, and unlucky moments, must not do to a pull: each case here once did."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from conformance.live import write_contract, write_yaml
from kintone_world import NOW, World, answered, cell, connector, default_fields, field_of, order, stream

from connectors.access import UNRESOLVED
from connectors.errors import AnswerIsNo, BrokenReply, FixConfiguration, FortnightError, SourceUnavailable
from connectors.kintone.budget import Budget, BudgetPolicy
from connectors.kintone.pace import Pace
from connectors.protocol import OP, SCOPE, Column, Stream, Window
from connectors.transport import TransportOptions
from pipelines.clock import FixedClock
from pipelines.landing.quarantine import held_now
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

BOOKS = "books/parts"
AT = datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
TITLE = Column("title", "件名", pa.string())


def replying(path: str, body: bytes | str) -> Callable[[httpx.Request, World], httpx.Response | None]:
    content = body if isinstance(body, bytes) else body.encode()

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        if not request.url.path.endswith(path):
            return None
        return httpx.Response(200, content=content, headers={"Content-Type": "application/json", "Date": NOW})

    return before


def read_all(world: World, one: Stream | None = None, **config: Any) -> list[dict[str, Any]]:
    one = one or stream(TITLE)
    opened = connector(world, **config)
    opened.describe(one)
    opened.access(one)
    return [row for page in opened.pull(one, Window()) for row in page.rows.to_pylist()]


DEEP = '{"x":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize("body", [DEEP, b'{"x":"\xff\xfe"}', "[]", "null", '{"x":NaN}'], ids=["deep", "no-utf8", "list", "null", "nan"])
@pytest.mark.parametrize("path", ["apps.json", "fields.json", "layout.json", "/app/acl.json", "users.json", "records.json"])
def test_a_body_that_is_no_such_json_ends_in_a_named_error_and_no_traceback(path: str, body: str | bytes) -> None:
    with pytest.raises(BrokenReply):
        read_all(World(records=[order(1)], before=replying(path, body)))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("apps.json", '{"apps":null}'),
        ("apps.json", '{"apps":[1]}'),
        ("apps.json", '{"apps":[{"appId":"../../12"}]}'),
        ("apps.json", '{"apps":[{"appId":true}]}'),
        ("fields.json", '{"properties":{"a":1},"revision":"1"}'),
        ("fields.json", '{"properties":{"a":{"type":"SUBTABLE","fields":3}},"revision":"1"}'),
        ("fields.json", '{"properties":{"a":{"type":"DROP_DOWN","options":{"x":{"index":"q"}}}},"revision":"1"}'),
        ("settings.json", '{"numberPrecision":{"digits":"99","decimalPlaces":"100"}}'),
        ("/app/acl.json", '{"rights":[1]}'),
        ("/app/acl.json", '{"rights":[{"entity":3}]}'),
        ("/record/acl.json", '{"rights":[{"filterCond":5,"entities":3}]}'),
        ("/field/acl.json", '{"rights":[{"code":"件名","entities":[3]}]}'),
        ("users.json", '{"users":[1]}'),
        ("groups.json", '{"groups":[null]}'),
        ("organizations.json", '{"organizations":[7]}'),
        ("layout.json", '{"layout":[{"type":"GROUP","layout":3}]}'),
    ],
)
def test_a_reply_of_another_shape_ends_in_a_named_error_and_no_traceback(path: str, body: str) -> None:
    with pytest.raises(BrokenReply):
        read_all(World(records=[order(1)], before=replying(path, body)))


@pytest.mark.parametrize("total", ["²", "9" * 5_000, "-4", "１"])
def test_a_count_that_is_no_number_is_refused(total: str) -> None:
    body = json.dumps({"records": [{"$id": {"value": "1"}}], "totalCount": total})
    with pytest.raises(BrokenReply):
        read_all(World(records=[order(1)], before=replying("records.json", body)))


@pytest.mark.parametrize("number", [-5, 0, 2**63, 10**30])
def test_an_id_that_no_record_can_have_is_refused(number: int) -> None:
    with pytest.raises(BrokenReply):
        read_all(World(records=[order(number)]))


@pytest.mark.parametrize("running", ["²", "9" * 400, "9" * 5_000, "-1", "1e9", "NaN", ""])
def test_a_load_that_is_no_number_changes_no_pace(running: str) -> None:
    pace = Pace(4, 50, lambda _: pytest.fail("no pause"))
    pace.heard(running)
    assert pace.width == 4


def test_a_duration_longer_than_any_number_of_minutes_is_held_and_the_others_come() -> None:
    fields = default_fields() | {"時間": {**field_of("CALC", "時間"), "format": "HOUR_MINUTE"}}
    texts = ["9" * 30 + ":00", "25:01", "9" * 5_000 + ":00"]
    records = [order(at, 時間=cell("CALC", text)) for at, text in enumerate(texts, 1)]
    assert [row["m"] for row in read_all(World(records=records, fields=fields), stream(Column("m", "時間", pa.int64())))] == [1501]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("users.json", {"users": [{"code": f"u{at}", "valid": True} for at in range(100)]}),
        ("apps.json", {"apps": [{"appId": str(at), "code": "ORDERS"} for at in range(100)]}),
    ],
)
def test_a_list_whose_full_page_comes_again_and_again_ends(path: str, body: Any) -> None:
    world = World(records=[order(1)], before=replying(path, json.dumps(body)))
    with pytest.raises(BrokenReply):
        read_all(world)
    assert len(world.asked) < 20


COMMENTS = Stream(
    "kintone",
    "orders-comments",
    {"app_code": "ORDERS", "app_id": 12, "part": "comments"},
    ("record_id", "comment_id"),
    (
        Column("record_id", "$id", pa.int64(), True),
        Column("comment_id", "comment_id", pa.int64(), True),
        Column("text", "text", pa.string()),
    ),
)
ONE_COMMENT = {"id": "1", "text": "t", "createdAt": "2026-11-01T00:00:00Z", "creator": {"code": "sato", "name": "佐藤"}, "mentions": []}


def test_comments_that_always_have_older_ones_end() -> None:
    body = json.dumps({"comments": [ONE_COMMENT], "older": True})
    world = World(records=[order(1)], before=replying("comments.json", body))
    with pytest.raises(BrokenReply):
        read_all(world, COMMENTS)
    assert len(world.asked) < 30


@pytest.mark.parametrize(
    "change", [{"id": "-1"}, {"id": "9" * 30}, {"mentions": [4]}, {"creator": None}, {"createdAt": "9999-99-01T00:00:00Z"}]
)
def test_a_comment_of_another_shape_ends_in_a_named_error(change: dict[str, Any]) -> None:
    body = json.dumps({"comments": [ONE_COMMENT | change], "older": False})
    with pytest.raises(BrokenReply):
        read_all(World(records=[order(1)], before=replying("comments.json", body)), COMMENTS)


def test_a_table_stream_may_call_a_column_of_its_record_record_id() -> None:
    fields = default_fields() | {"明細": {**field_of("SUBTABLE", "明細"), "fields": {"品": field_of("SINGLE_LINE_TEXT", "品")}}}
    row = {"id": "7", "value": {"品": cell("SINGLE_LINE_TEXT", "ねじ")}}
    world = World(records=[order(1, 明細=cell("SUBTABLE", [row]))], fields=fields)
    columns = (
        Column("番号", "$id", pa.int64(), True),
        Column("row_id", "$row_id", pa.int64(), True),
        Column("record_id", "件名", pa.string()),
    )
    table = Stream("kintone", "rows", {"app_code": "ORDERS", "app_id": 12, "table": "明細"}, ("番号", "row_id"), columns)
    assert [(row["番号"], row["row_id"], row["record_id"]) for row in read_all(world, table)] == [(1, 7, "件名1")]


def test_an_inner_field_asked_for_twice_is_the_contract_s_mistake() -> None:
    fields = default_fields() | {"明細": {**field_of("SUBTABLE", "明細"), "fields": {"品": field_of("SINGLE_LINE_TEXT", "品")}}}
    both = (Column("a", "品", pa.string()), Column("b", "品", pa.string()))
    kind = pa.list_(pa.struct([("a", pa.string()), ("b", pa.string())]))
    with pytest.raises(FixConfiguration) as caught:
        read_all(World(records=[], fields=fields), stream(Column("t", "明細", kind, children=both)))
    assert caught.value.code == "kintone.column_twice"


# --- what is said -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["message", "id", "code", "errors", "header"])
def test_a_server_that_says_back_what_it_was_sent_puts_no_secret_and_no_control_character_into_an_error(place: str) -> None:
    secret = "token-secret-1"
    body: dict[str, Any] = {"code": "CB_XX99", "id": "x", "message": "no"}
    body[place] = {"q": {"messages": [secret]}} if place == "errors" else f"{secret}\x1b[2J\r\n" + "y" * 100_000

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        if not request.url.path.endswith("records.json"):
            return None
        if place == "header":
            return answered({"records": []}, **{"X-Cybozu-Warning": secret})
        return answered(body, 400)

    with pytest.raises(FortnightError) as caught:
        read_all(World(records=[order(1)], before=before))
    for lang in ("ja", "en"):
        said = caught.value.say(lang)
        assert secret not in said and "\x1b" not in said and len(said) < 3_000
    assert not any(secret in str(value) for value in caught.value.params.values())


# --- calls ------------------------------------------------------------------------------------------------------------------


def test_workers_that_ask_at_once_make_no_call_beyond_the_limit() -> None:
    budget = Budget(BudgetPolicy(daily=10, hard=0.5), "sakura.cybozu.example", None)
    for _ in range(3):
        budget.count("12", AT)
    with budget.call("12", AT), budget.call("12", AT), pytest.raises(SourceUnavailable), budget.call("12", AT):
        pytest.fail("a third call would be the sixth")
    with budget.call("12", AT) as call:
        call.counted(AT, again=False)
        with budget.call("12", AT):
            assert budget.spent("12", AT).used == 4


def test_a_call_is_not_tried_again_when_its_first_try_was_the_last_of_the_day() -> None:
    world = World(before=lambda request, _: answered({"code": "GAIA_TO04"}, 429) if request.url.path.endswith("records.json") else None)
    opened = connector(world, budget={"daily": 3, "hard": 1.0})
    with pytest.raises(SourceUnavailable) as caught:
        opened.count(stream())
    assert caught.value.code == "kintone.budget_spent"
    assert sum(request.url.path.endswith("records.json") for request in world.asked) == 1


def test_a_new_process_makes_no_counted_call_once_the_day_is_used_up(tmp_path: Path) -> None:
    options = TransportOptions(state=tmp_path)
    world = World(records=[order(1)])
    budget = Budget(BudgetPolicy(daily=5, hard=1.0), "sakura.cybozu.example", tmp_path)
    for _ in range(5):
        budget.count("12", AT)
    with pytest.raises(SourceUnavailable):
        connector(world, login=False, options=options, budget={"daily": 5, "hard": 1.0}).describe(stream())
    assert [request.url.path for request in world.asked] == ["/k/v1/apps.json"], "the lists of apps are free, and have a date"


def test_clocks_that_differ_by_a_second_at_nine_do_not_begin_the_count_anew() -> None:
    budget = Budget(BudgetPolicy(daily=10, hard=0.5), "sakura.cybozu.example", None)
    nine = datetime(2026, 11, 21, tzinfo=UTC)
    for at in (nine, nine, nine - timedelta(seconds=1), nine):
        budget.count("12", at)
    assert budget.spent("12", nine).used == 4


@pytest.mark.parametrize("text", ['{"day":"2026-11-21","used":-100000}', '{"day":"2026-11-21","used":1,"office":-1}', '{"used":1e400}'])
def test_a_poisoned_count_stops(tmp_path: Path, text: str) -> None:
    budget = Budget(BudgetPolicy(), "sakura.cybozu.example", tmp_path)
    budget.count("12", AT)
    next(tmp_path.glob("*.json")).write_text(text, encoding="utf-8")
    with pytest.raises(FixConfiguration):
        budget.admit("12", AT)


# --- rights -----------------------------------------------------------------------------------------------------------------

SECRET_RULES = [
    {"filterCond": '機密 in ("はい")', "entities": [{"entity": {"type": "USER", "code": "suzuki"}, "viewable": True}]},
    {"filterCond": "", "entities": [{"entity": {"type": "GROUP", "code": "everyone"}, "viewable": True}]},
]


def secret_world() -> World:
    fields = default_fields() | {"機密": field_of("SINGLE_LINE_TEXT", "機密")}
    records = [order(at, 機密=cell("SINGLE_LINE_TEXT", "はい" if at == 3 else "いいえ")) for at in range(1, 6)]
    world = World(records=records, fields=fields, record_acl=SECRET_RULES)
    world.conditions["機密 in"] = lambda record: record["機密"]["value"] == "はい"
    return world


def is_list_by_rule(request: httpx.Request) -> bool:
    query = request.url.params.get("query", "")
    return "機密 in" in query and "order by" in query


def last_states(world: World) -> dict[int, tuple[str, str]]:
    return {row["record_id"]: (row["title"], row[SCOPE]) for row in read_all(world) if row[OP] == "upsert"}


def test_a_record_made_public_while_it_is_read_does_not_show_its_secret_text_to_its_new_readers() -> None:
    world = secret_world()

    def before(request: httpx.Request, here: World) -> httpx.Response | None:
        if is_list_by_rule(request):
            here.before = None
            here.records[2] = order(
                3,
                revision=2,
                updated="2026-11-21T00:00:00Z",
                件名=cell("SINGLE_LINE_TEXT", "公開"),
                機密=cell("SINGLE_LINE_TEXT", "いいえ"),
            )
        return None

    world.before = before
    title, scope = last_states(world)[3]
    assert (title, ":2@" in scope) == ("公開", True)


def test_a_record_that_is_saved_between_all_requests_is_nobody_s_until_the_next_pull() -> None:
    world = secret_world()
    turn = [1]

    def before(request: httpx.Request, here: World) -> httpx.Response | None:
        if is_list_by_rule(request):
            turn[0] += 1
            title, secret = cell("SINGLE_LINE_TEXT", f"版{turn[0]}"), cell("SINGLE_LINE_TEXT", "はい" if turn[0] % 2 else "いいえ")
            here.records[2] = order(3, revision=turn[0], updated="2026-11-21T00:00:00Z", 件名=title, 機密=secret)
        return None

    world.before = before
    states = last_states(world)
    assert states[3][1] == UNRESOLVED and ":2@" in states[4][1]
    assert turn[0] < 10


# --- the pull ---------------------------------------------------------------------------------------------------------------


def project_of(folder: Path, key: list[str], *fields: dict[str, Any]) -> Project:
    system = {"kind": "kintone", "base_url": "https://books.example"}
    write_yaml(folder / "project.yaml", {"name": "books", "environment": "staging", "systems": {"books": system}})
    contract = {
        "stream": BOOKS,
        "version": 1,
        "source": {"app_code": "ORDERS", "app_id": 12},
        "key": key,
        "cursor": {"field": "更新日時", "lookback": "PT5M", "deletes": "count-then-bisect"},
        "fields": [
            {"name": "record_id", "source": "$id", "type": "int64", "required": True},
            {"name": "更新日時", "source": "更新日時", "type": "timestamp[us, UTC]"},
            {"name": "件名", "source": "件名", "type": "string", "required": True},
            *fields,
        ],
    }
    write_contract(load(folder), contract)
    return load(folder)


def pulled(project: Project, world: World, *, minutes: int = 0, **config: Any) -> Result:
    return pull(project, Request(BOOKS), FixedClock(AT + timedelta(minutes=minutes)), connector=connector(world, **config))


def live(project: Project) -> dict[str, Any]:
    rows = Warehouse(project.root).current(BOOKS)
    assert rows is not None
    return dict(zip(rows["_key"].to_pylist(), rows["件名"].to_pylist(), strict=True))


def waiting(project: Project) -> list[str]:
    return [row.key for row in held_now(Warehouse(project.root), BOOKS)]


def titled(at: int, title: str, number: str, **more: Any) -> dict[str, Any]:
    return order(at, 件名=cell("SINGLE_LINE_TEXT", title), 数=cell("NUMBER", number), **more)


NUMBERED = default_fields() | {"数": field_of("NUMBER", "数")}
NUMBER = {"name": "数", "source": "数", "type": "decimal128(16, 4)"}


@pytest.mark.parametrize("key", [["record_id"], ["件名"], ["件名", "record_id"]])
def test_a_row_that_no_longer_fits_is_held_and_its_old_state_goes_whatever_the_key_is(tmp_path: Path, key: list[str]) -> None:
    project = project_of(tmp_path, key, NUMBER)
    world = World(records=[titled(at, f"K{at}", "1") for at in range(1, 6)], fields=NUMBERED)
    assert pulled(project, world).error is None
    world.records[1] = titled(2, "K2", "1e400", revision=2, updated="2026-11-21T00:10:00Z")
    for minutes in (11, 12):
        result = pulled(project, world, minutes=minutes)
        assert result.error is None
        assert "K2" not in live(project).values() and len(live(project)) == 4
        assert len(waiting(project)) == result.counts["quarantined"] == 1
    world.records[1] = titled(2, "K2", "7", revision=3, updated="2026-11-21T00:13:00Z")
    assert pulled(project, world, minutes=14).error is None
    assert sorted(live(project).values()) == ["K1", "K2", "K3", "K4", "K5"] and waiting(project) == []


def test_a_held_row_is_not_taken_for_the_row_whose_key_looks_like_its_number(tmp_path: Path) -> None:
    project = project_of(tmp_path, ["件名"], NUMBER)
    world = World(records=[titled(at, str(6 - at), "1e400" if at == 2 else "1") for at in range(1, 6)], fields=NUMBERED)
    assert pulled(project, world).error is None
    assert sorted(live(project)) == ["1", "2", "3", "5"] and waiting(project) == ["4"]


def test_rows_hidden_because_our_own_login_left_a_group_are_not_deleted_while_rights_are_carried_on(tmp_path: Path) -> None:
    project = project_of(tmp_path, ["record_id"])
    world = World(records=[order(at) for at in range(1, 41)], users={"service": True, "sato": True}, groups={"hr": ["service"]})
    assert pulled(project, world, tokens=False).error is None
    world.groups["hr"] = []
    del world.records[:3]
    result = pulled(project, world, minutes=20, tokens=False)
    assert isinstance(result.error, AnswerIsNo) and result.error.code == "pull.vanished_with_rights"
    assert len(live(project)) == 40


def test_rows_deleted_while_rights_stand_are_deleted_though_rights_are_carried_on(tmp_path: Path) -> None:
    project = project_of(tmp_path, ["record_id"])
    world = World(records=[order(at) for at in range(1, 41)], users={"service": True, "sato": True}, groups={"hr": ["service"]})
    assert pulled(project, world, tokens=False).error is None
    del world.records[:3]
    assert pulled(project, world, minutes=20, tokens=False).error is None
    assert len(live(project)) == 37


def test_a_clock_that_ran_ahead_for_one_pull_loses_no_row(tmp_path: Path) -> None:
    project = project_of(tmp_path, ["record_id"])
    world = World(records=[order(at) for at in range(1, 6)])

    def dated(date: str) -> Callable[[httpx.Request, World], httpx.Response]:
        def before(request: httpx.Request, here: World) -> httpx.Response:
            now, here.before = here.before, None
            answer = here.handle(request)
            here.before = now
            answer.headers["Date"] = date
            return answer

        return before

    world.before = dated("Sun, 21 Nov 2027 00:00:30 GMT")
    assert pulled(project, world).error is None
    world.records[1] = order(2, revision=2, updated="2026-11-21T00:10:00Z", 件名=cell("SINGLE_LINE_TEXT", "新しい件名"))
    world.before = dated("Sat, 21 Nov 2026 00:20:30 GMT")
    assert pulled(project, world, minutes=20).error is None
    assert live(project)["2"] == "新しい件名"


def test_the_budget_of_a_poisoned_day_is_of_that_day_alone(tmp_path: Path) -> None:
    options = replace(TransportOptions(), state=tmp_path)
    world = World(records=[order(1)])
    assert connector(world, options=options).count(stream()) == 1
    file = next(tmp_path.glob("*.json"))
    file.write_text('{"day":"2099-01-01","used":999999999,"office":0}', encoding="utf-8")
    assert connector(world, options=options).count(stream()) == 1
