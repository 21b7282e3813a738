"""Only live data: what no pull of ours wrote is named with place, time and writer, refused, and kept for a person to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from stored import NAMES, START, STREAM, batch, pulled, record, told

from connectors.errors import AnswerIsNo
from pipelines.landing.provenance import strays, vouch, vouch_rows
from pipelines.landing.rows import landed_schema
from pipelines.landing.upkeep import restore
from pipelines.landing.warehouse import Warehouse

SCHEMA = landed_schema(NAMES)


def by_hand(root: Path, table: str = "current", *, pull: int = 9) -> None:
    """What somebody with a notebook does."""
    write_deltalake(str(root / table / STREAM), pa.Table.from_batches([batch({666: "手書き"}, pull)]), mode="append")


@pytest.mark.parametrize("table", ["landing", "current"])
def test_a_commit_by_hand_above_what_is_published_is_named_and_stops_the_next_pull(tmp_path: Path, table: str) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    by_hand(tmp_path, table)
    with pytest.raises(AnswerIsNo) as refused:
        pulled(tmp_path, 2, batch({2: "渡邊"}, 2))
    said = refused.value.say()
    assert refused.value.code == "landing.foreign_commit"
    assert f"{table}/{STREAM}" in said and "version 1" in said and "WRITE by delta-rs" in said and "tables restore" in said
    found = Warehouse(str(tmp_path)).open(table, STREAM)
    assert found is not None and 666 in found.to_pyarrow_table()["id"].to_pylist(), "it is kept for a person to look at"


def test_what_was_written_by_hand_is_put_back_on_demand_and_stays_readable_at_its_version(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    by_hand(tmp_path)
    restore(Warehouse(str(tmp_path)), STREAM, START, to=None, why="")
    warehouse = pulled(tmp_path, 2, batch({2: "渡邊"}, 2))
    assert told(warehouse) == {1: "櫻井", 2: "渡邊"}
    assert 666 in DeltaTable(str(tmp_path / "current" / STREAM), version=1).to_pyarrow_table()["id"].to_pylist()


def test_a_commit_by_hand_in_the_middle_of_a_pull_is_not_published_with_it(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    warehouse = Warehouse(str(tmp_path))
    with warehouse.writing(STREAM, "p2"), pytest.raises(AnswerIsNo) as refused:
        warehouse.merge("current", STREAM, [batch({2: "渡邊"}, 2)], SCHEMA)
        by_hand(tmp_path)
        warehouse.publish(record(warehouse))
    assert refused.value.code == "landing.foreign_commit" and told(Warehouse(str(tmp_path))) == {1: "櫻井"}


def test_a_table_made_by_hand_before_the_first_pull_is_not_thrown_away(tmp_path: Path) -> None:
    by_hand(tmp_path)
    with pytest.raises(AnswerIsNo, match="not Fortnight's"):
        pulled(tmp_path, 1, batch({1: "櫻井"}))
    assert (tmp_path / "current" / STREAM / "_delta_log").is_dir()


def test_what_a_dead_pull_of_ours_left_is_cleared_away_without_a_word(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    dead = Warehouse(str(tmp_path))
    with dead.writing(STREAM, "dead"):
        dead.merge("current", STREAM, [batch({2: "途中"}, 2)], SCHEMA)
    assert told(pulled(tmp_path, 3, batch({3: "新"}, 3))) == {1: "櫻井", 3: "新"}


def unsigned(root: Path) -> None:
    """As a project looks that was pulled before commits and records were signed."""
    for path in root.glob(f"published/{STREAM}/*.json"):
        told_then = json.loads(path.read_text())
        for name in ("signed", "restored", "why"):
            told_then.pop(name)
        path.write_text(json.dumps(told_then))
    for path in root.glob("*/kintone/orders/_delta_log/*.json"):
        path.write_text(path.read_text().replace('"fortnight":', '"other":'))


def test_a_project_from_before_commits_were_signed_goes_on_and_its_dead_pull_is_cleared_away(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    by_hand(tmp_path)
    unsigned(tmp_path)
    warehouse = pulled(tmp_path, 2, batch({2: "渡邊"}, 2))
    assert told(warehouse) == {1: "櫻井", 2: "渡邊"}
    newest = warehouse.published(STREAM)
    assert newest is not None and newest.signed
    vouch(warehouse.store, newest, lambda table: warehouse.folder(table, STREAM))
    by_hand(tmp_path)
    with pytest.raises(AnswerIsNo, match="not Fortnight's"):
        pulled(tmp_path, 3, batch({3: "新"}, 3))


def vouched(root: Path) -> None:
    warehouse = Warehouse(str(root))
    newest = warehouse.published(STREAM)
    assert newest is not None
    vouch(warehouse.store, newest, lambda table: warehouse.folder(table, STREAM))
    rows = warehouse.read("current", STREAM)
    assert rows is not None
    vouch_rows(warehouse.store, newest, rows)


def test_rows_of_every_pull_that_was_published_are_vouched_for(tmp_path: Path) -> None:
    for number in range(1, 4):
        pulled(tmp_path, number, batch({number: "行"}, number))
    vouched(tmp_path)


def test_a_record_written_by_hand_over_a_table_put_back_by_hand_is_found_out(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    pulled(tmp_path, 2, batch({1: "渡邊"}, 2))
    DeltaTable(str(tmp_path / "current" / STREAM)).restore(0)
    second = json.loads((tmp_path / "published" / STREAM / "00000002.json").read_text())
    forged = second | {"number": 3, "tables": second["tables"] | {"current": 2}}
    (tmp_path / "published" / STREAM / "00000003.json").write_text(json.dumps(forged))
    with pytest.raises(AnswerIsNo) as refused:
        vouched(tmp_path)
    assert refused.value.code == "landing.unvouched_record"


def test_a_record_written_by_hand_over_a_commit_by_hand_is_found_out(tmp_path: Path) -> None:
    pulled(tmp_path, 1, batch({1: "櫻井"}))
    by_hand(tmp_path)
    first = json.loads((tmp_path / "published" / STREAM / "00000001.json").read_text())
    forged = first | {"number": 2, "pull_id": "p9", "tables": first["tables"] | {"current": 1}}
    (tmp_path / "published" / STREAM / "00000002.json").write_text(json.dumps(forged))
    with pytest.raises(AnswerIsNo) as refused:
        vouched(tmp_path)
    assert refused.value.code == "landing.unvouched_record" and "version 1" in refused.value.say()
    (tmp_path / "published" / STREAM / "00000002.json").write_text(json.dumps(forged | {"signed": False}))
    with pytest.raises(AnswerIsNo, match="unsigned"):
        vouched(tmp_path)


def test_rows_that_no_published_pull_brought_are_counted_and_named(tmp_path: Path) -> None:
    warehouse = pulled(tmp_path, 1, batch({1: "櫻井"}), batch({666: "誰", 667: "誰"}, 9))
    newest, rows = warehouse.published(STREAM), warehouse.read("current", STREAM)
    assert newest is not None and rows is not None
    with pytest.raises(AnswerIsNo) as refused:
        vouch_rows(warehouse.store, newest, rows)
    assert (refused.value.params["count"], refused.value.params["pulls"], refused.value.params["key"]) == (2, "p9", "666")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("notes.csv", "a,b", "landing.foreign_record"),
        ("00000009.json", None, "landing.foreign_number"),
        ("00000002.json", "{", "landing.record_unreadable"),
        ("00000002.json", None, "landing.record_unreadable"),
    ],
)
def test_a_file_that_is_no_record_of_a_pull_is_named_and_nothing_is_read_through_it(
    tmp_path: Path, name: str, content: str | None, code: str
) -> None:
    warehouse = pulled(tmp_path, 1, batch({1: "櫻井"}))
    folder = tmp_path / "published" / STREAM
    (folder / name).write_text(content if content is not None else (folder / "00000001.json").read_text())
    with pytest.raises(AnswerIsNo) as refused:
        warehouse.published(STREAM)
    assert refused.value.code == code


def test_a_file_put_beside_the_data_is_named_with_its_time_and_read_by_nobody(tmp_path: Path) -> None:
    warehouse = pulled(tmp_path, 1, batch({1: "櫻井"}))
    assert strays(warehouse.store, f"current/{STREAM}") == []
    (tmp_path / "current" / STREAM / "export.csv").write_text("666,手書き")
    (tmp_path / "current" / STREAM / "more").mkdir()
    (tmp_path / "current" / STREAM / "more" / "rows.parquet").write_bytes(b"PAR1")
    found = strays(warehouse.store, f"current/{STREAM}")
    assert [place for place, _ in found] == [f"current/{STREAM}/export.csv", f"current/{STREAM}/more/rows.parquet"]
    assert told(warehouse) == {1: "櫻井"}


def test_of_two_pulls_at_once_without_a_lock_at_most_one_shows_and_none_shows_half(tmp_path: Path) -> None:
    """As on an object store: each order of the steps of two pulls, of which one begins in the middle of the other."""
    for began in range(4):
        root = tmp_path / str(began)
        pulled(root, 1, batch({1: "始"}))
        one, two = Warehouse(str(root)), Warehouse(str(root))
        one.by, two.by = "p2", "p3"

        def steps(warehouse: Warehouse, pull: int) -> list[object]:
            rows = [batch({1: f"取{pull}", pull: "新"}, pull)]
            return [
                lambda: warehouse.discard_unpublished(STREAM),
                lambda: warehouse.merge("current", STREAM, rows, SCHEMA),
                lambda: warehouse.append("landing", STREAM, rows, SCHEMA),
                lambda: warehouse.publish(record(warehouse, number=2)),
            ]

        first, second = steps(one, 2), steps(two, 3)
        refused = 0
        for step in [*first[:began], *second, *first[began:]]:
            try:
                step()  # type: ignore[operator]
            except AnswerIsNo as error:
                assert error.code in ("landing.published_meanwhile", "landing.foreign_commit"), error
                refused += 1
        after = told(Warehouse(str(root)))
        assert after in ({1: "始"}, {1: "取2", 2: "新"}, {1: "取3", 3: "新"}), began
        assert refused, began
        warehouse = pulled(root, 4, batch({1: "終"}, 4))
        assert told(warehouse)[1] == "終"
