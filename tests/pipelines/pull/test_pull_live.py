"""A pull against the real sandbox, over sockets: what is published is what the source holds, no more, no less, and each fact once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Set
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ACCEPTED, ORIGIN, erp_truth, kintone_truth, project_for, rows_by_key, text_of, with_contract, write_contract

from connectors.errors import AccessRefused, AddressUnknown, AnswerIsNo, ContractBroken, FixConfiguration
from expectations.reading import read_contract
from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.evidence.plan import claims_of
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

KINTONE = ("customers", "faq", "defects", "orders")
ERP = {"items": "items", "suppliers": "suppliers", "purchase-orders": "purchase_orders", "stock-movements": "stock_movements"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One kintone and one ERP for this module, which it may change: every test leaves them as it wants to find them."""
    folder = tmp_path_factory.mktemp("live")
    process.up(folder, origin=ORIGIN, base_port=0, only=("kintone", "erp"))
    yield folder
    process.down(folder)


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Project:
    return project_for(tmp_path / "project", home)


def done(project: Project, stream: str, **request: Any) -> Result:
    result = pull(project, Request(stream, **request), WallClock())
    assert result.error is None, result.error
    return result


def refused(project: Project, stream: str) -> Result:
    """A pull that must not succeed. What was published before still is, and nothing else."""
    before = Warehouse(project.root).published(stream)
    result = pull(project, Request(stream), WallClock())
    assert result.error is not None and result.published is None
    assert Warehouse(project.root).published(stream) == before
    return result


# --- the whole table, against the truth -----------------------------------------------------------------------------------------


def as_kintone_says(cell: dict[str, Any]) -> Any:
    """A cell of kintone's JSON, reduced to what can be compared: no empty texts, no trailing zeros, entities by code."""
    kind, value = cell["type"], cell["value"]
    if kind == "SUBTABLE":
        return [{"id": row["id"]} | {code: as_kintone_says(one) for code, one in row["value"].items()} for row in value]
    if kind in ("NUMBER", "CALC"):
        return text_of(Decimal(value)) if value else None
    if kind in ("CREATOR", "MODIFIER"):
        return value["code"]
    if kind in ("USER_SELECT", "ORGANIZATION_SELECT", "GROUP_SELECT", "STATUS_ASSIGNEE"):
        return [one["code"] for one in value]
    if kind in ("CHECK_BOX", "MULTI_SELECT", "CATEGORY"):
        return sorted(value)  # kintone promises no order among choices; ours must not change because theirs did
    if kind == "FILE":
        return [(one["fileKey"], one["size"]) for one in value]
    return value if value != "" else None


def as_we_say(value: Any) -> Any:
    """A published value, reduced the same way."""
    if isinstance(value, dict):
        if "fileKey" in value:
            return (value["fileKey"], str(value["size"]))
        return value["code"] if set(value) == {"code", "name"} else {name: as_we_say(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_we_say(one) for one in value]
    return text_of(value) if value != "" else None


def assert_kintone_is_whole(project: Project, home: Path, stream: str, cells_of: Set[str] | None = None) -> None:
    """All rows by key and revision, and every cell (of the rows in ``cells_of`` where that is given)."""
    contract = project.contract(stream)
    ours, theirs = rows_by_key(project, stream), kintone_truth(home, str(contract.source["app_code"]))
    assert {key: str(row["revision"]) for key, row in ours.items()} == {key: record["$revision"]["value"] for key, record in theirs.items()}
    for key in theirs if cells_of is None else cells_of:
        for field in contract.fields:
            assert as_we_say(ours[key][field.name]) == as_kintone_says(theirs[key][field.source]), (stream, key, field.source)


def as_erp_says(value: Any) -> Any:
    """A value of the ERP's truth: lists of one-key dicts flattened, texts as they are."""
    if isinstance(value, dict):
        return {name: as_erp_says(one) for name, one in value.items()}
    return [as_erp_says(one) for one in value] if isinstance(value, list) else value


def same(ours: Any, theirs: Any) -> bool:
    """One of our typed values against the text (or JSON value) the ERP holds. Types decide how the text is read, never our decoder."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(same(one, theirs.get(name)) for name, one in ours.items())
    if isinstance(ours, list):
        rows = theirs if isinstance(theirs, list) else next(iter(theirs.values())) if theirs else []
        return len(ours) == len(rows) and all(same(one, other) for one, other in zip(ours, rows, strict=True))
    if ours is None or theirs is None:
        return ours is None and theirs in (None, "")
    if isinstance(ours, Decimal):
        return ours == Decimal(str(theirs))
    if isinstance(ours, datetime):
        then = datetime.fromisoformat(str(theirs).replace("Z", "+00:00"))
        return ours == then
    if isinstance(ours, bytes):
        return ours == base64.b64decode(str(theirs))
    if isinstance(ours, time):
        return ours.isoformat() == theirs
    if isinstance(ours, bool):
        return theirs in (ours, "true" if ours else "false")
    if isinstance(ours, int | float):
        return ours == type(ours)(theirs)
    return text_of(ours) == theirs


def assert_erp_is_whole(project: Project, home: Path, stream: str, entity: str) -> None:
    contract = project.contract(stream)
    key_source = next(field.source for field in contract.fields if field.name == contract.key[0])
    ours, theirs = rows_by_key(project, stream), {str(row[key_source]): row for row in erp_truth(home, entity)}
    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        for field in contract.fields:
            assert same(ours[key][field.name], row.get(field.source.split("/")[0])), (stream, key, field.source, ours[key][field.name])


@pytest.mark.parametrize("name", KINTONE)
def test_a_kintone_app_is_published_cell_by_cell_as_the_source_holds_it(project: Project, home: Path, name: str) -> None:
    project = with_contract(project, f"kintone/{name}")
    result = done(project, f"kintone/{name}")
    assert_kintone_is_whole(project, home, f"kintone/{name}")
    assert result.balance is not None and result.balance.balanced
    assert result.sandbox and result.endpoint.startswith("https://localhost:"), "evidence must know that this was a sandbox"


@pytest.mark.parametrize("name", ["items", "suppliers", "purchase-orders", "stock-movements"])
def test_an_erp_entity_is_published_value_by_value_as_the_source_holds_it(project: Project, home: Path, name: str) -> None:
    project = with_contract(project, f"erp/{name}")
    result = done(project, f"erp/{name}")
    assert_erp_is_whole(project, home, f"erp/{name}", ERP[name])
    assert result.sandbox and result.endpoint.startswith("https://localhost:")


# --- going on -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["kintone/faq", "erp/suppliers"])
def test_a_second_pull_of_an_unchanged_source_commits_to_no_table(project: Project, stream: str) -> None:
    project = with_contract(project, stream)
    first = done(project, stream)
    for request in ({}, {"full": True}):
        again = done(project, stream, **request)
        assert dict(again.versions) == dict(first.versions)
        assert (again.counts["changed"], again.counts["deleted"]) == (0, 0)
    assert again.published == 3, "each pull is on record all the same"


def test_a_day_later_the_pull_reads_little_and_brings_exactly_what_changed(project: Project, home: Path) -> None:
    streams = ("kintone/orders", "kintone/defects", "kintone/faq", "erp/items", "erp/purchase-orders")
    for stream in streams:
        project = with_contract(project, stream)
        done(project, stream)
    before = {stream: rows_by_key(project, stream) for stream in streams}
    process.advance(home, 1)
    for stream in streams:
        result = done(project, stream)
        after = rows_by_key(project, stream)
        changed = {key for key, row in after.items() if before[stream].get(key) != row}
        system, name = stream.split("/")
        if system == "kintone":
            assert_kintone_is_whole(project, home, stream, cells_of=changed)
        else:
            assert_erp_is_whole(project, home, stream, ERP[name])
        assert result.counts["changed"] == len(changed)
        assert result.counts["deleted"] == len(before[stream].keys() - after.keys())
        assert result.counts["read"] <= len(changed) + 300, "the cost of a day does not grow with the table"


def test_a_record_that_was_deleted_becomes_a_tombstone_and_stays_in_history(project: Project, home: Path) -> None:
    project = with_contract(project, "kintone/orders")
    done(project, "kintone/orders")
    before = rows_by_key(project, "kintone/orders")
    process.advance(home, 1)
    result = done(project, "kintone/orders")
    gone = before.keys() - rows_by_key(project, "kintone/orders").keys()
    assert gone and result.counts["deleted"] == len(gone)
    warehouse = Warehouse(project.root)
    current, landing = warehouse.read("current", "kintone/orders"), warehouse.read("landing", "kintone/orders")
    assert current is not None and landing is not None
    states = dict(zip(current["_key"].to_pylist(), current["_op"].to_pylist(), strict=True))
    assert {states[key] for key in gone} == {"delete"}
    history = list(zip(landing["_key"].to_pylist(), landing["_op"].to_pylist(), strict=True))
    for key in gone:
        assert (key, "upsert") in history and (key, "delete") in history


# --- stopping -------------------------------------------------------------------------------------------------------------------


def test_a_renamed_field_stops_the_pull_before_a_row_is_written(tmp_path: Path) -> None:
    home = tmp_path / "own"
    process.up(home, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        project = with_contract(project_for(tmp_path / "project", home), "kintone/defects")
        done(project, "kintone/defects")
        versions = Warehouse(project.root).versions("kintone/defects")
        process.control(home, "rename_field", {"app": "DEFECTS", "code": "不良数", "new_code": "不適合数"}, server="kintone")
        process.advance(home, 1)
        result = refused(project, "kintone/defects")
        assert isinstance(result.error, ContractBroken) and result.outcome == "stopped" and result.error.exit_code == 1
        assert "不良数" in str(result.error)
        assert Warehouse(project.root).versions("kintone/defects") == versions, "not a row was written"
        claims = claims_of(project).read(stream="kintone/defects")
        assert [claim.outcome for claim in claims] == ["succeeded", "stopped"]
        assert claims[1].error == "pull.drift" and claims[1].drift_waiting == 1
        assert claims[0].endpoint == claims[1].endpoint and claims[1].endpoint.sandbox
    finally:
        process.down(home)


def test_an_added_field_is_reported_and_another_number_of_the_app_waits_for_the_contract_to_name_it(tmp_path: Path) -> None:
    home = tmp_path / "own"
    process.up(home, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        project = with_contract(project_for(tmp_path / "project", home), "kintone/faq")
        done(project, "kintone/faq")
        process.control(home, "add_field", {"app": "FAQ", "code": "備考欄", "type": "SINGLE_LINE_TEXT"}, server="kintone")
        result = done(project, "kintone/faq")
        drift = next(check for check in result.checks if check.name == "drift")
        assert drift.passed and "備考欄" in drift.summary
        process.control(home, "renumber_app", {"app": "FAQ", "new_id": 913}, server="kintone")
        said = refused(project, "kintone/faq").error
        assert said is not None and "913" in said.say("en") and "913" in said.say("ja")
        project = with_contract(project, "kintone/faq", version=2, accepted=ACCEPTED, source={"app_code": "FAQ", "app_id": 913})
        done(project, "kintone/faq")
        assert_kintone_is_whole(project, home, "kintone/faq")
    finally:
        process.down(home)


def test_a_critical_rule_that_fails_publishes_nothing_and_says_which(project: Project) -> None:
    rule = {"expect": "expect_column_values_to_be_in_set", "column": "公開範囲", "value_set": ["社内"], "severity": "critical"}
    project = with_contract(project, "kintone/faq", expectations=[rule])
    result = refused(project, "kintone/faq")
    assert isinstance(result.error, AnswerIsNo) and result.error.code == "pull.check_failed"
    assert "values" in str(result.error)
    assert Warehouse(project.root).versions("kintone/faq") == {}
    assert [(claim.outcome, claim.error) for claim in claims_of(project).read()] == [("failed", "pull.check_failed")]
    project = with_contract(project, "kintone/faq", expectations=[rule | {"severity": "warning"}])
    assert not next(check for check in done(project, "kintone/faq").checks if check.name == "values").passed


def test_a_rule_that_fails_on_the_second_pull_leaves_the_first_one_published(project: Project) -> None:
    project = with_contract(project, "kintone/faq")
    done(project, "kintone/faq")
    rows = rows_by_key(project, "kintone/faq")
    stricter = {"expect": "expect_column_value_lengths_to_be_between", "column": "質問", "max_value": 3}
    project = with_contract(project, "kintone/faq", version=2, accepted=ACCEPTED, expectations=[stricter])
    error = refused(project, "kintone/faq").error
    assert error is not None and error.code == "pull.check_failed"
    assert rows_by_key(project, "kintone/faq") == rows


def test_a_rule_that_cannot_be_judged_is_a_configuration_error(project: Project) -> None:
    project = with_contract(project, "kintone/faq", expectations=[{"expect": "expect_column_values_to_be_nice", "column": "質問"}])
    with pytest.raises(FixConfiguration) as error:
        pull(project, Request("kintone/faq"), WallClock())
    assert error.value.code == "contract.unknown_rule" and "expect_column_values_to_be_nice" in str(error.value)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"app_code": "NOWHERE"}, AddressUnknown),
        ({"app_id": 4242}, AddressUnknown | AccessRefused),
        ({"condition": "作成日時 = TODAY()"}, FixConfiguration),
    ],
)
def test_an_address_that_is_not_there_publishes_nothing(project: Project, source: dict[str, Any], kind: Any) -> None:
    stream = "kintone/faq"
    project = with_contract(project, stream)
    good = project.contract(stream).source
    address = {"app_code": good["app_code"]} | source if "condition" in source else source
    project = with_contract(project, stream, source=address)
    result = refused(project, stream)
    assert isinstance(result.error, kind)


def test_a_changed_contract_reads_everything_anew(project: Project) -> None:
    project = with_contract(project, "kintone/faq")
    done(project, "kintone/faq")
    contract = read_contract(project.folder / "contracts" / "kintone" / "faq.yaml")
    fewer = [field for field in contract.model_dump(mode="json")["fields"] if field["source"] != "キーワード"]
    project = with_contract(project, "kintone/faq", version=2, accepted=ACCEPTED, fields=fewer, exclude=["キーワード"])
    result = done(project, "kintone/faq")
    assert result.counts["read"] == result.counts["changed"] == len(rows_by_key(project, "kintone/faq"))
    assert "キーワード" not in next(iter(rows_by_key(project, "kintone/faq").values()))


def test_a_window_in_the_past_replays_its_rows_and_moves_no_watermark(project: Project) -> None:
    from connectors.protocol import Window

    project = with_contract(project, "kintone/defects")
    window = Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))
    first = done(project, "kintone/defects", window=window)
    assert first.counts["live"] == first.counts["read"] == 120, "without a base the first pull is whole, whatever was asked"
    watermark = Warehouse(project.root).published("kintone/defects").watermark  # type: ignore[union-attr]
    again = done(project, "kintone/defects", window=window)
    assert 0 < again.counts["read"] < 120 and again.counts["changed"] == 0
    assert Warehouse(project.root).published("kintone/defects").watermark == watermark  # type: ignore[union-attr]


def test_a_window_in_the_past_balances_though_the_source_has_grown_since(project: Project, home: Path) -> None:
    from connectors.protocol import Window

    project = with_contract(project, "kintone/orders")
    done(project, "kintone/orders")
    process.advance(home, 1)
    result = done(project, "kintone/orders", window=Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC)))
    assert result.balance is not None and result.balance.excluded > 0, "the new orders are named, not forgotten"
    done(project, "kintone/orders")
    assert rows_by_key(project, "kintone/orders").keys() == kintone_truth(home, "ORDERS").keys()


def test_two_systems_keep_their_own_books(project: Project) -> None:
    for stream in ("kintone/customers", "erp/suppliers"):
        project = with_contract(project, stream)
        done(project, stream)
    project = replace(load(project.folder))
    assert {claim.stream for claim in claims_of(project).read()} == {"kintone/customers", "erp/suppliers"}
    assert len({claim.endpoint.fingerprint for claim in claims_of(project).read()}) == 2


def test_a_contract_of_another_shape_is_written_and_read_back(project: Project) -> None:
    project = with_contract(project, "erp/items")
    contract = project.contract("erp/items")
    path = write_contract(project, contract.model_dump(mode="json", by_alias=True))
    assert read_contract(path).fingerprint() == contract.fingerprint()
