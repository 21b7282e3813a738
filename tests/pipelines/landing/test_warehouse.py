"""Landing: what a pull writes shows only by its record, and a killed one leaves the last good state."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AnswerIsNo, BrokenReply
from connectors.keys import key_text
from pipelines.landing.published import Published
from pipelines.landing.rows import Stamp, keys_of, landed_schema, row_hashes, stamped, tombstones
from pipelines.landing.snapshot import snapshot
from pipelines.landing.warehouse import Warehouse

STREAM = "kintone/orders"
COLUMNS = pa.schema([("id", pa.int64()), ("名前", pa.string()), ("金額", pa.decimal128(16, 4))])
SCHEMA = landed_schema(COLUMNS)


def batch(rows: dict[int, str], pull_id: str = "p1", scope: str = "s") -> pa.RecordBatch:
    raw = pa.RecordBatch.from_pylist(
        [
            {"id": key, "名前": name, "金額": Decimal("1.5"), "_op": "upsert", "_source_version": "1", "_scope": scope}
            for key, name in rows.items()
        ],
        schema=pa.schema([*COLUMNS, ("_op", pa.string()), ("_source_version", pa.string()), ("_scope", pa.string())]),
    )
    stamp = Stamp(STREAM, pull_id, datetime(2026, 11, 1, tzinfo=UTC), 1)
    return stamped(raw, SCHEMA, keys_of(raw, ["id"]), row_hashes(raw, COLUMNS.names), stamp)


def gone(keys: list[str]) -> pa.RecordBatch:
    return tombstones(keys, SCHEMA, Stamp(STREAM, "p2", datetime(2026, 11, 2, tzinfo=UTC), 1), {})


def record(warehouse: Warehouse, number: int) -> Published:
    return Published(
        number=number,
        stream=STREAM,
        pull_id=f"p{number}",
        published_at="2026-11-01T00:00:00+00:00",
        contract_version=1,
        contract_fingerprint="c",
        schema_fingerprint="s",
        revision="1",
        tables=warehouse.versions(STREAM),
        counts={},
    )


def names(warehouse: Warehouse) -> dict[int, str]:
    rows = warehouse.current(STREAM)
    return {} if rows is None else dict(zip(rows["id"].to_pylist(), rows["名前"].to_pylist(), strict=True))


def test_rows_written_and_not_published_are_seen_by_nobody(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "櫻井"})], SCHEMA)
    assert warehouse.current(STREAM) is None
    warehouse.publish(record(warehouse, 1))
    assert names(warehouse) == {1: "櫻井"}
    warehouse.merge("current", STREAM, [batch({1: "別人", 2: "髙橋"}, "p2")], SCHEMA)
    assert names(warehouse) == {1: "櫻井"}


def test_what_a_killed_pull_wrote_is_discarded_and_the_next_one_starts_from_the_published_state(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "櫻井"})], SCHEMA)
    warehouse.publish(record(warehouse, 1))
    warehouse.merge("current", STREAM, [batch({1: "途中", 2: "途中"}, "killed")], SCHEMA)
    warehouse.append("landing", STREAM, [batch({1: "途中"}, "killed")], SCHEMA)
    assert warehouse.discard_unpublished(STREAM) == ("landing", "current")
    assert warehouse.discard_unpublished(STREAM) == (), "discarding twice changes nothing"
    warehouse.merge("current", STREAM, [batch({3: "新"}, "p2")], SCHEMA)
    warehouse.publish(record(warehouse, 2))
    assert names(warehouse) == {1: "櫻井", 3: "新"}


def test_a_first_pull_that_was_killed_leaves_no_table(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.append("landing", STREAM, [batch({1: "途中"})], SCHEMA)
    assert warehouse.discard_unpublished(STREAM) == ("landing",)
    assert warehouse.versions(STREAM) == {}


def test_two_pulls_cannot_publish_the_same_number(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.publish(record(warehouse, 1))
    with pytest.raises(AnswerIsNo, match="record 1"):
        warehouse.publish(record(warehouse, 1))


def test_the_tenth_record_is_newer_than_the_ninth(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    for number in range(1, 12):
        warehouse.publish(record(warehouse, number))
    newest = warehouse.published(STREAM)
    assert newest is not None and newest.number == 11


def test_a_log_of_many_days_is_opened_from_a_checkpoint_and_tells_the_same(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    wanted = dict[int, str]()
    for day in range(1, 26):
        wanted[day], wanted[1] = f"𠮷野 {day}", f"一行目 {day}"
        change = batch({1: wanted[1], day: wanted[day]}, f"p{day}")
        warehouse.append("landing", STREAM, [change], SCHEMA)
        warehouse.merge("current", STREAM, [change], SCHEMA)
        warehouse.publish(record(warehouse, day))
    for table, rows in (("current", 25), ("landing", 49)):
        log = tmp_path / table / STREAM / "_delta_log"
        after = max(path.name.split(".")[0] for path in log.glob("*.checkpoint.parquet"))
        assert sum(path.name.split(".")[0] > after for path in log.glob("*.json")) < 10
        found = warehouse.read(table, STREAM)
        assert found is not None and found.num_rows == rows
    assert names(warehouse) == wanted and warehouse.live_count(STREAM) == 25
    # A version from before the checkpoint is read as it was.
    first = warehouse.read_as(Published.model_validate({**record(warehouse, 26).model_dump(), "tables": {"current": 0}}), "current")
    assert first is not None and first.num_rows == 1


def test_one_stream_has_one_writer(tmp_path: Path) -> None:
    with Warehouse(str(tmp_path)).writing(STREAM), pytest.raises(AnswerIsNo, match=STREAM), Warehouse(str(tmp_path)).writing(STREAM):
        pass


def test_a_tombstone_hides_its_row_and_keeps_its_history(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "櫻井", 2: "渡邊"})], SCHEMA)
    warehouse.append("landing", STREAM, [batch({1: "櫻井", 2: "渡邊"})], SCHEMA)
    warehouse.merge("current", STREAM, [gone(["2"])], SCHEMA)
    warehouse.append("landing", STREAM, [gone(["2"])], SCHEMA)
    warehouse.publish(record(warehouse, 1))
    assert names(warehouse) == {1: "櫻井"}
    history = warehouse.read("landing", STREAM)
    assert history is not None and history.num_rows == 3


def test_a_small_table_is_not_rewritten_with_the_same_rows_in_another_order(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    rows = pa.table({"scope": ["a", "b"], "principals": [["user:x"], []]})
    assert warehouse.replace("scopes", STREAM, rows)
    assert not warehouse.replace("scopes", STREAM, rows.take(pa.array([1, 0])))
    assert warehouse.replace("scopes", STREAM, pa.table({"scope": ["a", "b"], "principals": [["user:y"], []]}))


def test_the_same_bytes_are_kept_once_and_come_back_whole(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    (tmp_path / "drawing").write_bytes("図面".encode())
    digest = hashlib.sha256("図面".encode()).hexdigest()
    for _ in range(2):
        warehouse.put_blob(tmp_path / "drawing", digest)
    assert warehouse.blob(digest) == "図面".encode()


@given(st.lists(st.dictionaries(st.integers(0, 8), st.sampled_from(["甲", "乙", "丙"]), max_size=5), max_size=4))
def test_merging_pages_ends_in_the_last_state_of_every_key(tmp_path_factory: pytest.TempPathFactory, pages: list[dict[int, str]]) -> None:
    warehouse = Warehouse(str(tmp_path_factory.mktemp("w")))
    expected: dict[int, str] = {}
    warehouse.merge("current", STREAM, [batch({99: "始"})], SCHEMA)
    for number, page in enumerate(pages):
        expected |= page
        if page:
            warehouse.merge("current", STREAM, [batch(page, f"p{number}")], SCHEMA)
    warehouse.publish(record(warehouse, 1))
    assert names(warehouse) == {99: "始", **expected}


@given(
    st.lists(st.one_of(st.text(max_size=4), st.integers()), min_size=2, max_size=3),
    st.lists(st.one_of(st.text(max_size=4), st.integers()), min_size=2, max_size=3),
)
def test_different_composite_keys_have_different_texts(left: list[object], right: list[object]) -> None:
    assert (key_text(left) == key_text(right)) == (left == right)


def test_the_hash_of_a_row_is_that_of_its_values_not_of_its_page() -> None:
    one, two = batch({1: "櫻井", 2: "渡邊"}), batch({2: "渡邊"}, "other")
    assert one.column("_row_hash")[1] == two.column("_row_hash")[0]
    assert one.column("_row_hash")[0] != one.column("_row_hash")[1]


FLOATS = st.none() | st.floats(allow_nan=True, allow_infinity=True)
NESTED = pa.struct([("a", pa.float64()), ("b", pa.list_(pa.float32()))])


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=2))
def test_numbers_that_are_none_are_told_apart_at_any_depth(pairs: list[tuple[float | None, float | None]]) -> None:
    held = [{"size": {"a": one, "b": [other]}} for one, other in pairs]
    rows = pa.RecordBatch.from_pylist(held, schema=pa.schema([("size", NESTED)]))
    left, right = row_hashes(rows, ["size"])
    # NaN is no equal of itself; its text is.
    said = [str(row) for row in rows.to_pylist()]
    assert (left == right) == (said[0] == said[1])


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_a_part_of_a_key_that_is_no_number_is_not_one_that_is_missing(odd: float) -> None:
    assert len({key_text(["a", odd]), key_text(["a", None]), key_text(["a", str(odd)])}) == 3


def test_a_row_without_its_only_key_is_refused_and_not_called_none() -> None:
    with pytest.raises(BrokenReply) as caught:
        keys_of(pa.record_batch({"id": pa.array(["None", None])}), ["id"])
    assert caught.value.code == "source.key_missing" and "`key`" in caught.value.say("en")


def pulled(warehouse: Warehouse, number: int, rows: dict[int, str]) -> None:
    """One whole pull: landed, published, and tidied up after as every pull is."""
    warehouse.append("landing", STREAM, [batch(rows, f"p{number}")], SCHEMA)
    warehouse.merge("current", STREAM, [batch(rows, f"p{number}")], SCHEMA)
    warehouse.publish(record(warehouse, number))
    warehouse.discard_unpublished(STREAM)


@pytest.mark.parametrize("pulls", [1, 3])
def test_history_whose_records_were_lost_is_not_taken_for_the_leftover_of_a_first_pull(tmp_path: Path, pulls: int) -> None:
    warehouse = Warehouse(str(tmp_path))
    for number in range(1, pulls + 1):
        pulled(warehouse, number, {number: "櫻井"})
    versions = warehouse.versions(STREAM)
    shutil.move(tmp_path / "published", tmp_path / "elsewhere")
    with pytest.raises(AnswerIsNo) as refused:
        warehouse.discard_unpublished(STREAM)
    assert refused.value.code == "landing.records_lost" and warehouse.versions(STREAM) == versions
    shutil.move(tmp_path / "elsewhere", tmp_path / "published")
    assert warehouse.discard_unpublished(STREAM) == () and len(names(warehouse)) == pulls


def test_history_from_before_the_note_was_kept_is_not_deleted_either(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    for number in (1, 2):
        pulled(warehouse, number, {number: "櫻井"})
    (tmp_path / "landing" / STREAM / "_published").unlink()
    shutil.rmtree(tmp_path / "published")
    with pytest.raises(AnswerIsNo, match="Nothing was deleted"):
        warehouse.discard_unpublished(STREAM)
    assert set(warehouse.versions(STREAM)) == {"landing", "current"}


def test_records_cut_short_at_their_end_do_not_quietly_put_the_tables_back(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    for number in (1, 2):
        pulled(warehouse, number, {number: "櫻井"})
    versions = warehouse.versions(STREAM)
    (tmp_path / "published" / STREAM / "00000002.json").unlink()
    with pytest.raises(AnswerIsNo, match="end at 1"):
        warehouse.discard_unpublished(STREAM)
    assert warehouse.versions(STREAM) == versions


def test_a_snapshot_keeps_to_its_record_while_the_next_one_is_published(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    pulled(warehouse, 1, {1: "櫻井"})
    pinned = snapshot(warehouse, STREAM)
    pulled(warehouse, 2, {1: "別人"})
    assert pinned is not None
    rows, history = pinned.live(), pinned.read("landing")
    assert rows is not None and history is not None
    assert (rows["名前"].to_pylist(), history.num_rows) == (["櫻井"], 1)
    assert pinned.read("content") is None, "that pull wrote none"


def test_a_table_the_record_names_and_that_is_gone_is_an_error_and_not_an_empty_table(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    pulled(warehouse, 1, {1: "櫻井"})
    shutil.rmtree(tmp_path / "current")
    pinned = snapshot(warehouse, STREAM)
    assert pinned is not None
    with pytest.raises(AnswerIsNo, match="is gone"):
        pinned.live()


KEPT = pa.schema([("_key", pa.string()), ("_op", pa.string()), ("scope", pa.string())])


def kept(*rows: tuple[str, str, str | None]) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([dict(zip(KEPT.names, row, strict=True)) for row in rows], schema=KEPT)]


def memory(warehouse: Warehouse) -> dict[str, str]:
    found = warehouse.open("memory", STREAM)
    assert found is not None and found.schema().to_arrow().names == ["_key", "scope"]
    return {row["_key"]: row["scope"] for row in found.to_pyarrow_table().to_pylist()}


def test_what_a_connector_keeps_is_changed_row_by_row_and_forgotten_where_it_keeps_anew(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.remember(STREAM, kept(("a", "upsert", "s1"), ("b", "upsert", "s1"), ("x", "delete", None)), KEPT, anew=False)
    assert memory(warehouse) == {"a": "s1", "b": "s1"}
    warehouse.remember(
        STREAM, kept(("b", "delete", None), ("a", "upsert", "s2"), ("c", "upsert", "s3"), ("x", "delete", None)), KEPT, anew=False
    )
    assert memory(warehouse) == {"a": "s2", "c": "s3"}
    warehouse.remember(STREAM, kept(("d", "upsert", "s4")), KEPT, anew=True)
    assert memory(warehouse) == {"d": "s4"}


def test_changes_of_a_memory_of_another_shape_are_refused_and_one_kept_anew_takes_its_place(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    other = pa.schema([*KEPT, ("parent", pa.string())])
    row = [pa.RecordBatch.from_pylist([{"_key": "a", "_op": "upsert", "scope": "s", "parent": "p"}], schema=other)]
    warehouse.remember(STREAM, row, other, anew=False)
    with pytest.raises(AnswerIsNo, match="--full"):
        warehouse.remember(STREAM, kept(("a", "upsert", "s2")), KEPT, anew=False)
    warehouse.remember(STREAM, kept(("a", "upsert", "s2")), KEPT, anew=True)
    assert memory(warehouse) == {"a": "s2"}


def test_a_pull_that_was_never_published_takes_its_memory_with_it(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.append("landing", STREAM, [batch({1: "a"})], SCHEMA)
    warehouse.remember(STREAM, kept(("a", "upsert", "s1")), KEPT, anew=True)
    warehouse.publish(record(warehouse, 1))
    warehouse.remember(STREAM, kept(("a", "delete", None), ("b", "upsert", "s1")), KEPT, anew=False)
    assert warehouse.discard_unpublished(STREAM) == ("memory",)
    assert memory(warehouse) == {"a": "s1"}


@pytest.mark.parametrize("size", [0, 1, 512 * 1024, 3_000_001])
def test_bytes_of_any_size_are_kept_once_and_read_back_as_they_were(tmp_path: Path, size: int) -> None:
    warehouse = Warehouse(str(tmp_path / "data"))
    data = bytes(range(251)) * (size // 251 + 1)
    file = tmp_path / "file"
    file.write_bytes(data[:size])
    digest = hashlib.sha256(data[:size]).hexdigest()
    warehouse.put_blob(file, digest)
    (kept,) = [one for one in (tmp_path / "data" / "blobs").rglob("*") if one.is_file()]
    written = kept.stat().st_mtime_ns
    warehouse.put_blob(file, digest)
    assert warehouse.blob(digest) == data[:size] and kept.stat().st_mtime_ns == written
    assert [one for one in (tmp_path / "data" / "blobs").rglob("*") if one.is_file()] == [kept]
