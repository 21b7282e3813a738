"""Sub-tables and comments as streams of their own: what belongs to a record comes with it, is replaced with it, and goes with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import EVERYONE, World, answered, cell, connector, field_of, order, refused, stream

from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone import comments as module
from connectors.kintone.parts import Tally
from connectors.protocol import Column, Cursor, Page, Stream, Window

SINCE = Window(since=datetime(2026, 11, 20, tzinfo=UTC))
LATER = "2026-11-20T09:00:00Z"


def row(number: int, name: str, count: str) -> dict[str, Any]:
    return {"id": str(number), "value": {"品名": cell("SINGLE_LINE_TEXT", name), "数量": cell("NUMBER", count)}}


def orders(*tables: list[dict[str, Any]]) -> World:
    world = World(records=[order(at, 明細=cell("SUBTABLE", rows)) for at, rows in enumerate(tables, 1)])
    world.fields["明細"] = field_of(
        "SUBTABLE", "明細", fields={"品名": field_of("SINGLE_LINE_TEXT", "品名"), "数量": field_of("NUMBER", "数量")}
    )
    return world


def lines(**options: Any) -> Stream:
    columns = (
        Column("record_id", "$id", pa.int64(), True),
        Column("row_id", "$row_id", pa.int64(), True),
        Column("place", "$row", pa.int64(), True),
        Column("updated_at", "更新日時", pa.timestamp("us", "UTC")),
        Column("item", "品名", pa.string()),
        Column("quantity", "数量", pa.decimal128(16, 4)),
    )
    source = {"app_code": "ORDERS", "app_id": 12, "table": "明細"}
    return Stream("kintone", "order-lines", source, ("record_id", "row_id"), columns, "updated_at", **options)


def talk(**options: Any) -> Stream:
    columns = (
        Column("record_id", "$id", pa.int64(), True),
        Column("comment_id", "comment_id", pa.int64(), True),
        Column("text", "text", pa.string()),
        Column("created_at", "created_at", pa.timestamp("us", "UTC"), True),
        Column("creator", "creator", pa.struct([("code", pa.string()), ("name", pa.string())])),
        Column("mentions", "mentions", pa.list_(pa.struct([("code", pa.string()), ("type", pa.string())]))),
    )
    source = {"app_code": "ORDERS", "app_id": 12, "part": "comments"}
    return Stream("kintone", "order-comments", source, ("record_id", "comment_id"), columns, "created_at", **options)


def comment(number: int, text: str = "確認しました", by: str = "sato") -> dict[str, Any]:
    creator = {"code": by, "name": by}
    return {
        "id": str(number),
        "text": text,
        "createdAt": "2026-11-19T01:02:03Z",
        "creator": creator,
        "mentions": [{"code": "ito", "type": "USER"}],
    }


@dataclass
class Target:
    """What a pipeline would hold: parts by key, what was rejected, and the cursor of the last pull."""

    world: World
    stream: Stream
    held: dict[tuple[int, int], dict[str, Any]]
    rejected: dict[str, str]
    cursor: dict[str, Any] | None = None
    total: int | None = None

    @property
    def count(self) -> int:
        return len(self.held) + len(self.rejected)

    def rows(self) -> pa.Table:
        first, second = self.stream.key
        keys = [*self.held, *((json.loads(key)[0], None) for key in self.rejected)]
        names = {first: pa.array([key[0] for key in keys], pa.int64()), second: pa.array([key[1] for key in keys], pa.int64())}
        return pa.table({**names, "_source_version": pa.array(["1"] * len(keys), pa.string())})

    def pull(self, window: Window = Window()) -> list[Page]:  # noqa: B008  (frozen)
        options = {"last_cursor": self.cursor} if self.cursor else {}
        told = replace(self.stream, options=options)
        opened = connector(self.world)
        opened.describe(told)
        pages = list(opened.pull(told, window, None, None if window.full else self))
        if window.full:
            self.held.clear()
            self.rejected.clear()
        self.total = None
        for page in pages:
            for one in page.rows.to_pylist():
                key = one[self.stream.key[0]], one[self.stream.key[1]]
                if one["_op"] == "delete":
                    self.held.pop(key, None)
                    if key[1] is None:
                        self.rejected.pop(f"[{key[0]},null]", None)
                else:
                    self.held[key] = one
            for reject in page.rejects:
                self.rejected[reject.key] = reject.reason
            self.total = page.total if page.total is not None else self.total
        self.cursor = dict(pages[-1].cursor.state)
        return pages


def target(world: World, of: Stream) -> Target:
    found = Target(world, of, {}, {})
    found.pull()
    return found


def test_a_table_comes_row_by_row_in_its_order_with_the_records_scope_and_revision() -> None:
    world = orders([row(12, "軸", "3"), row(7, "箱", "1.5")], [], [row(20, "", "")])
    found = target(world, lines())
    assert [(one["record_id"], one["row_id"], one["place"], one["item"]) for one in found.held.values()] == [
        (1, 12, 1, "軸"),
        (1, 7, 2, "箱"),
        (3, 20, 1, None),
    ]
    assert str(found.held[1, 7]["quantity"]) == "1.5000" and found.held[1, 7]["_source_version"] == "1"
    assert {one["_scope"] for one in found.held.values()} == {connector(world).access(lines()).scopes[0].id}
    assert found.total == 3 == connector(world).count(lines())


def test_a_table_written_again_without_row_ids_shows_the_new_rows_and_no_old_one() -> None:
    world = orders([row(1, "軸", "3"), row(2, "箱", "1")], [row(3, "軸", "9")])
    found = target(world, lines())
    world.records[0] = order(1, revision=2, updated=LATER, 明細=cell("SUBTABLE", [row(4, "軸", "3"), row(5, "箱", "2")]))
    found.pull(SINCE)
    assert sorted(found.held) == [(1, 4), (1, 5), (2, 3)]
    assert found.total == found.count == 3


def test_a_record_whose_table_was_emptied_and_one_that_is_gone_leave_no_rows_behind() -> None:
    world = orders([row(1, "軸", "3")], [row(2, "箱", "1")], [row(3, "軸", "9")])
    found = target(world, lines())
    world.records[0] = order(1, revision=2, updated=LATER, 明細=cell("SUBTABLE", []))
    del world.records[1]
    found.pull(SINCE)
    assert sorted(found.held) == [(3, 3)] and found.total == 1


def test_a_record_that_came_for_one_that_went_hides_nothing() -> None:
    world = orders([row(1, "軸", "3")], [row(2, "箱", "1")])
    found = target(world, lines())
    del world.records[0]
    world.records.append(order(3, updated=LATER, 明細=cell("SUBTABLE", [row(8, "板", "1")])))
    found.pull(SINCE)
    assert sorted(found.held) == [(2, 2), (3, 8)] and found.total == 2


def test_a_record_read_twice_in_one_pull_keeps_only_what_came_last() -> None:
    ids = pa.array([1, 2], pa.int64())
    tally = Tally(above=0)
    assert tally.take(ids, pa.array([1, 1, 2], pa.int64()), pa.array([10, 11, 20], pa.int64())) is None
    assert tally.take(pa.array([5], pa.int64()), pa.array([5], pa.int64()), pa.array([50], pa.int64())) is None
    stale = tally.take(pa.array([1], pa.int64()), pa.array([1], pa.int64()), pa.array([11], pa.int64()))
    assert stale is not None and stale.to_pydict() == {"parent": [1], "part": [10]}
    assert sorted(zip(*tally.seen.to_pydict().values(), strict=True)) == [(1, 11), (2, 20), (5, 50)]


def test_a_quiet_window_lists_nothing_and_deletes_nothing() -> None:
    world = orders([row(1, "軸", "3")])
    found = target(world, lines())
    world.asked.clear()
    found.pull(SINCE)
    assert sorted(found.held) == [(1, 1)] and found.total == 1
    assert not [query for query in world.queries() if "order by $id asc" in query and "更新日時" not in query and "> 1 " not in query]


def test_a_record_that_cannot_be_typed_is_held_whole_and_released_when_it_is_mended() -> None:
    world = orders([row(1, "軸", "3")], [row(2, "箱", "1")])
    found = target(world, lines())
    world.records[0] = order(1, revision=2, updated=LATER, 明細=cell("SUBTABLE", [row(1, "軸", "1e400")]))
    found.pull(SINCE)
    assert sorted(found.held) == [(2, 2)] and list(found.rejected) == ["[1,null]"] and found.total == found.count == 2
    world.records[0] = order(1, revision=3, updated=LATER, 明細=cell("SUBTABLE", [row(1, "軸", "2e400")]))
    found.pull(SINCE)
    assert list(found.rejected) == ["[1,null]"] and found.total == found.count == 2, "held again, and once"
    world.records[0] = order(1, revision=4, updated="2026-11-20T10:00:00Z", 明細=cell("SUBTABLE", [row(9, "軸", "4")]))
    found.pull(SINCE)
    assert sorted(found.held) == [(1, 9), (2, 2)] and found.rejected == {} and found.total == 2


def test_without_a_memory_a_window_gives_what_changed_and_no_total() -> None:
    world = orders([row(1, "軸", "3")])
    pages = list(connector(world).pull(lines(), SINCE))
    assert all(page.total is None for page in pages)
    assert [batch.to_pydict() for batch in connector(world).keys(lines()) if batch.num_rows] == [
        {"record_id": [1], "row_id": [1], "_source_version": ["1"]}
    ]


def test_the_schema_of_a_table_is_its_rows_and_a_table_that_is_gone_has_none() -> None:
    world = orders([row(1, "軸", "3")])
    assert [one.source for one in connector(world).describe(lines()).fields] == ["$id", "$row_id", "$row", "更新日時", "品名", "数量"]
    world.fields.pop("明細")
    assert connector(world).describe(lines()).fields == ()
    with pytest.raises(FixConfiguration) as wrong:
        list(connector(world).pull(lines(), Window()))
    assert wrong.value.code == "kintone.no_table"


def test_a_change_elsewhere_in_the_form_does_not_have_the_parts_read_anew() -> None:
    world = orders([row(1, "軸", "3")])
    before = [connector(world).describe(of()).fingerprint for of in (lines, talk)]
    world.fields["備考"] = field_of("MULTI_LINE_TEXT", "備考")
    assert [connector(world).describe(of()).fingerprint for of in (lines, talk)] == before
    world.fields["明細"]["fields"]["数量"] = field_of("SINGLE_LINE_TEXT", "数量")
    assert [connector(world).describe(of()).fingerprint == one for of, one in zip((lines, talk), before, strict=True)] == [False, True]


def test_a_restricted_table_restricts_every_column_of_its_rows_and_not_the_records_own() -> None:
    world = orders([row(1, "軸", "3")])
    world.groups = {"quality": ["sato"]}
    entities = [{"entity": {"type": "GROUP", "code": "quality"}, "accessibility": "READ", "includeSubs": False}]
    world.field_acl = [{"code": "明細", "entities": entities}]
    assert set(connector(world).access(lines()).restricted) == {"row_id", "place", "item", "quantity"}


@pytest.mark.parametrize("of", [lines, talk])
def test_a_key_that_is_not_record_and_part_is_refused(of: Any) -> None:
    with pytest.raises(FixConfiguration) as wrong:
        list(connector(orders([])).pull(replace(of(), key=("record_id",)), Window()))
    assert wrong.value.code == "kintone.part_key"


def discussed() -> World:
    world = orders([], [], [])
    world.comments = {
        "1": [comment(number, f"{number} 件目") for number in range(23, 0, -1)],
        "3": [comment(1, "承知しました", by="suzuki")],
    }
    return world


def test_comments_come_ten_at_a_time_with_everything_they_say() -> None:
    world = discussed()
    found = target(world, talk())
    assert sorted(found.held) == [*((1, number) for number in range(1, 24)), (3, 1)]
    one = found.held[3, 1]
    assert (one["text"], one["creator"], one["mentions"]) == (
        "承知しました",
        {"code": "suzuki", "name": "suzuki"},
        [{"code": "ito", "type": "USER"}],
    )
    assert one["created_at"] == datetime(2026, 11, 19, 1, 2, 3, tzinfo=UTC)
    asked = [dict(request.url.params) for request in world.asked if request.url.path.endswith("comments.json")]
    assert len(asked) == 5 and {one["order"] for one in asked} == {"desc"}
    assert found.total == 24 == connector(world).count(talk())


def test_comments_are_for_whoever_may_read_the_record() -> None:
    world = discussed()
    world.fields["担当者"] = field_of("USER_SELECT", "担当者")
    for record in world.records:
        record["担当者"] = cell("USER_SELECT", [{"code": "sato", "name": "佐藤"}])
    entities = [
        {"entity": {"type": "FIELD_ENTITY", "code": "担当者"}, "viewable": True, "includeSubs": False},
        {"entity": EVERYONE, "viewable": False},
    ]
    world.record_acl = [{"filterCond": "", "entities": entities}]
    scopes = {one["_scope"] for one in target(world, talk()).held.values()}
    (found,) = connector(world).scopes(talk(), scopes)
    assert found.principals == ("user:kintone:sato",)


def test_a_comment_on_a_record_that_did_not_change_comes_when_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROLLING", 2)
    world = discussed()
    found = target(world, talk())
    world.comments["3"].insert(0, comment(2))
    world.comments["2"] = [comment(5)]
    found.pull(SINCE)
    assert (2, 5) in found.held and (3, 2) not in found.held, "records 1 and 2 had their turn"
    found.pull(SINCE)
    assert (3, 2) in found.held and found.total == len(found.held) == 26
    found.pull(SINCE)
    assert found.total == 26, "the turn begins again at the first record"


def test_a_comment_deleted_goes_with_its_records_turn_and_all_of_a_deleted_record_at_once() -> None:
    world = discussed()
    found = target(world, talk())
    del world.comments["1"][3]
    del world.records[2]
    found.pull(SINCE)
    assert len(found.held) == 22 == found.total and not [key for key in found.held if key[0] == 3]


def test_a_changed_record_is_read_whatever_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROLLING", 1)
    world = discussed()
    found = target(world, talk())
    world.records[2] = order(3, revision=2, updated=LATER, 明細=cell("SUBTABLE", []))
    world.comments["3"].insert(0, comment(2))
    found.pull(SINCE)
    assert (3, 2) in found.held


def test_counting_first_spares_the_pull_the_records_without_comments() -> None:
    world = discussed()
    opened = connector(world)
    opened.describe(talk())
    assert opened.count(talk()) == 24
    world.asked.clear()
    assert sum(page.source_rows for page in opened.pull(talk(), Window())) == 24
    asked = [request.url.params["record"] for request in world.asked if request.url.path.endswith("comments.json")]
    assert set(asked) == {"1", "3"}


def test_a_record_that_goes_while_its_comments_are_read_has_none() -> None:
    world = discussed()

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        gone = request.url.path.endswith("comments.json") and request.url.params["record"] == "1"
        return refused("GAIA_RE01", 404) if gone else None

    world.before = before
    assert sorted(target(world, talk()).held) == [(3, 1)]


def test_half_an_answer_about_comments_stops_the_pull() -> None:
    world = discussed()
    world.before = lambda request, _: answered({"older": False}) if request.url.path.endswith("comments.json") else None
    with pytest.raises(BrokenReply):
        target(world, talk())


def test_comments_are_offered_only_where_asked_for_and_switched_on_and_say_what_they_cost() -> None:
    world = discussed()
    assert [offer.name for offer in connector(world).discover()] == ["orders"]
    assert [offer.name for offer in connector(world, comments=True).discover()] == ["orders"]
    world.before = lambda request, world: (
        answered({"numberPrecision": world.precision, "enableComments": True, "revision": "7"})
        if request.url.path.endswith("settings.json")
        else None
    )
    _, offer = connector(world, comments=True).discover()
    assert (offer.name, offer.key, offer.source["part"], offer.rows) == ("orders-comments", ("$id", "comment_id"), "comments", None)
    assert "at least 3 API calls" in offer.notes[0]
    world.records = [order(at, 明細=cell("SUBTABLE", [])) for at in range(1, 61)]
    _, dear = connector(world, comments=True, budget={"daily": 60, "office_hours": None}).discover()
    assert "source.condition" in dear.notes[1]


def test_a_resumed_pull_of_parts_goes_on_after_the_page() -> None:
    world = orders(*[[row(at, "軸", "1")] for at in range(1, 701)])
    pages = list(connector(world).pull(lines(), Window()))
    whole = [one["row_id"] for page in pages for one in page.rows.to_pylist()]
    rest = list(connector(world).pull(lines(), Window(), Cursor(pages[0].cursor.state)))
    assert [one["row_id"] for page in rest for one in page.rows.to_pylist()] == whole[pages[0].rows.num_rows :]


def test_a_plain_stream_of_the_app_is_as_it_was() -> None:
    assert [one.source for one in connector(discussed()).describe(stream()).fields] == ["$id", "$revision", "更新日時", "件名", "明細"]


def test_a_glimpse_of_parts_is_one_of_their_records_for_two_counted_calls_and_moves_with_settings_and_number() -> None:
    world = orders([row(1, "軸", "3")], [row(2, "箱", "1")])
    world.comments = {"1": [comment(1)], "2": [comment(2)]}
    opened = connector(world)
    assert opened.glimpse(lines()) == opened.glimpse(talk()) == "7:2"
    paths = [request.url.path.rsplit("/", 1)[1] for request in world.asked]
    assert paths == ["apps.json", "records.json", "fields.json"] * 2
    world.revision += 1
    assert opened.glimpse(lines()) == "8:2"
    del world.records[0]
    assert opened.glimpse(talk()) == "8:1"
