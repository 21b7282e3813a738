"""The merge: only what changed is read and written, nothing is committed for nothing, and types widen without touching history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import NAMES, STREAM, batch, gone, pulled, record, told

from connectors.errors import AnswerIsNo
from pipelines.landing import merge as merging
from pipelines.landing import rewrite
from pipelines.landing.files import Files
from pipelines.landing.memory import Memory
from pipelines.landing.rows import landed_schema
from pipelines.landing.warehouse import Warehouse

SCHEMA = landed_schema(NAMES)


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> int:
    """Data files of a few kilobytes: what takes ten million rows elsewhere takes a few hundred here."""
    monkeypatch.setattr(rewrite, "SIZE", 6000)
    return 6000


def clustered(folder: Path, files: int, rows: int = 100) -> Warehouse:
    """A current table of so many files, each with its own range of keys."""
    from deltalake import write_deltalake

    warehouse = Warehouse(str(folder))
    for number in range(files):
        ids = range(10_000 + number * rows, 10_000 + (number + 1) * rows)
        if not number:
            warehouse.append("current", STREAM, [batch({one: "古" for one in ids}, 1)], SCHEMA)
        else:
            write_deltalake(warehouse.uri("current", STREAM), pa.Table.from_batches([batch({one: "古" for one in ids}, 1)]), mode="append")
    return warehouse


def names(warehouse: Warehouse) -> dict[int, str]:
    found = warehouse.open("current", STREAM)
    assert found is not None
    return {row["id"]: row["name"] for row in found.to_pyarrow_table().to_pylist() if row["_op"] == "upsert"}


def test_a_change_reads_and_writes_the_files_it_lies_in_and_no_others(tmp_path: Path, small_files: int) -> None:
    small, large = clustered(tmp_path / "small", 5), clustered(tmp_path / "large", 40)
    changes = [batch({one: "新" for one in range(10_110, 10_120)}, 2)]
    few, many = small.merge("current", STREAM, changes, SCHEMA), large.merge("current", STREAM, changes, SCHEMA)
    assert (few.files, many.files) == (5, 40)
    assert (few.looked, few.rewritten, few.written) == (many.looked, many.rewritten, many.written)
    assert many.looked == 1 and many.rewritten == 1
    assert names(large) == {one: "新" if 10_110 <= one < 10_120 else "古" for one in range(10_000, 14_000)}


def test_what_is_held_as_it_comes_commits_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "櫻井", 2: "渡邊"}, 1)], SCHEMA)
    before = warehouse.versions(STREAM)
    merged = warehouse.merge("current", STREAM, [batch({1: "櫻井"}, 2), batch({2: "渡邊"}, 2)], SCHEMA)
    assert (merged.committed, merged.same, warehouse.versions(STREAM)) == (False, 2, before)
    assert warehouse.merge("current", STREAM, [batch({1: "櫻井", 2: "別人"}, 3)], SCHEMA).rows == 1
    assert names(warehouse) == {1: "櫻井", 2: "別人"}


def test_another_scope_alone_is_a_change(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "櫻井"}, 1, scope="wide")], SCHEMA)
    assert warehouse.merge("current", STREAM, [batch({1: "櫻井"}, 2, scope="narrow")], SCHEMA).committed


@pytest.mark.parametrize(
    ("held", "came", "pull", "taken"),
    [
        ("9", "10", 1, True),
        ("10", "9", 1, False),
        ("10", "9", 3, True),
        ("10", "10", 1, True),
        ("b", "a", 1, True),
        (None, "1", 1, True),
    ],
    ids=["newer", "older and read before", "older and read later", "the same version", "no order known", "none before"],
)
def test_an_older_version_that_was_read_before_never_takes_a_newer_ones_place(
    tmp_path: Path, held: str | None, came: str, pull: int, taken: bool
) -> None:
    warehouse = Warehouse(str(tmp_path))
    first = batch({1: "held"}, 2, version=held or "")
    warehouse.merge("current", STREAM, [first], SCHEMA)
    merged = warehouse.merge("current", STREAM, [batch({1: "came"}, pull, version=came)], SCHEMA)
    assert (merged.committed, merged.older) == (taken, int(not taken))
    assert names(warehouse) == {1: "came" if taken else "held"}


SHOPS = pa.schema([("id", pa.string()), ("name", pa.string())])


def shops(rows: Mapping[str, str], pull: int) -> pa.RecordBatch:
    return batch(rows, pull, columns=SHOPS)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["𠮷野家", "辻󠄀", "𪚥", "😀", "\U0010ffff"])
def test_a_key_of_rare_characters_is_found_in_the_file_it_lies_in(tmp_path: Path, key: str) -> None:
    warehouse = Warehouse(str(tmp_path))
    for pull, name in enumerate(("古", "新", "今"), start=1):
        pulled(tmp_path, pull, shops({key: name, "甲": name}, pull), columns=SHOPS)
        assert told(warehouse) == {key: name, "甲": name} and warehouse.live_count(STREAM) == 2
    found = warehouse.open("current", STREAM)
    assert found is not None
    assert max(pa.table(found.get_add_actions(flatten=True))["max._key"].to_pylist()) == max(key, "甲")


def test_bounds_that_an_earlier_version_wrote_as_escapes_hide_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled(tmp_path, 1, shops({"𠮷野家": "古"}, 1), columns=SHOPS)
    with monkeypatch.context() as before:
        escaped = json.dumps
        before.setattr(rewrite.json, "dumps", lambda said, **_: escaped(said))
        pulled(tmp_path, 2, shops({"𠮷野家": "新"}, 2), columns=SHOPS)
    warehouse = pulled(tmp_path, 3, shops({"𠮷野家": "今"}, 3), columns=SHOPS)
    assert told(warehouse) == {"𠮷野家": "今"} and warehouse.live_count(STREAM) == 1


def test_the_log_alone_says_how_many_rows_are_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({one: "a" for one in range(50)}, 1)], SCHEMA)
    warehouse.merge("current", STREAM, [gone(3, 4), batch({60: "b"}, 2)], SCHEMA)
    monkeypatch.setattr(Files, "read", lambda *_: pytest.fail("a data file was read"))
    assert warehouse.live_count(STREAM) == 49


def test_live_rows_are_counted_where_the_log_does_not_tell_them_apart(tmp_path: Path) -> None:
    from deltalake import write_deltalake

    warehouse = Warehouse(str(tmp_path))
    mixed = pa.Table.from_batches([batch({1: "a", 2: "b", 3: "c"}, 1), gone(9)])
    write_deltalake(warehouse.uri("current", STREAM), mixed)
    assert warehouse.live_count(STREAM) == 3
    warehouse.merge("current", STREAM, [gone(2)], SCHEMA)
    assert warehouse.live_count(STREAM) == 2 and names(warehouse) == {1: "a", 3: "c"}


def test_a_look_up_by_key_reads_only_the_files_it_may_lie_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.protocol import Column, Stream

    warehouse = clustered(tmp_path, 12)
    memory = Memory(warehouse, Stream("kintone", "orders", {}, ("id",), (Column("id", "id", pa.int64()),)), record(warehouse))
    read: list[str] = []
    real = Files.read
    monkeypatch.setattr(Files, "read", lambda self, file, columns=None: read.append(file.path) or real(self, file, columns))
    assert set(memory.of(["10305", "11000", "99"])) == {"10305", "11000"}
    assert len(read) == 2


_pages = st.lists(
    st.dictionaries(st.integers(0, 60), st.one_of(st.none(), st.sampled_from(["甲", "乙", "丙"])), min_size=1, max_size=12), max_size=6
)


@given(_pages, st.sampled_from([200, 4000, 10**9]), st.booleans())
def test_any_sequence_of_changes_and_deletions_ends_in_the_last_state_of_every_key(
    tmp_path_factory: pytest.TempPathFactory, pages: list[dict[int, str | None]], size: int, streamed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewrite, "SIZE", size)
        patch.setattr(merging, "AT_ONCE", 0 if streamed else 10**9)
        warehouse = Warehouse(str(tmp_path_factory.mktemp("w")))
        expected: dict[int, str] = {one: "始" for one in range(0, 60, 2)}
        warehouse.merge("current", STREAM, [batch(expected, 0)], SCHEMA)
        dead: set[int] = set()
        for number, page in enumerate(pages, start=1):
            live, deleted = (
                {key: name for key, name in page.items() if name is not None},
                [key for key, name in page.items() if name is None],
            )
            batches = [*([batch(live, number)] if live else []), *([gone(*deleted, pull=number)] if deleted else [])]
            warehouse.merge("current", STREAM, batches, SCHEMA)
            expected = {key: name for key, name in (expected | live).items() if key not in deleted}
            dead = (dead | set(deleted)) - set(live)
        table = warehouse.open("current", STREAM)
        assert table is not None
        rows = table.to_pyarrow_table().to_pylist()
        assert {row["id"]: row["name"] for row in rows if row["_op"] == "upsert"} == expected
        assert sorted(row["_key"] for row in rows) == sorted(str(one) for one in expected.keys() | dead)
        assert warehouse.live_count(STREAM) == len(expected)


def columns(kind: pa.DataType) -> pa.Schema:
    return pa.schema([("id", pa.int64()), ("value", kind)])


WIDER = {
    "int32 to int64": (pa.int32(), pa.int64(), 7, 2**40),
    "int8 to decimal": (pa.int8(), pa.decimal128(12, 2), 7, Decimal("7.25")),
    "decimal to wider": (pa.decimal128(6, 2), pa.decimal128(18, 4), Decimal("1.50"), Decimal("12345678901.0001")),
    "float to double": (pa.float32(), pa.float64(), 0.5, 1e300),
    "integer to text": (pa.int64(), pa.string(), 7, "7-A"),
    "list of one column to two": (
        pa.list_(pa.struct([("a", pa.int64())])),
        pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])),
        [{"a": 1}, {"a": 2}],
        [{"a": 3, "b": "新"}],
    ),
    "struct within a list": (
        pa.list_(pa.struct([("in", pa.struct([("x", pa.int32())]))])),
        pa.list_(pa.struct([("in", pa.struct([("x", pa.int64()), ("y", pa.string())]))])),
        [{"in": {"x": 1}}],
        [{"in": {"x": 2**40, "y": "深"}}],
    ),
}


def padded(value: Any, kind: pa.DataType) -> Any:
    """The value as it looks in another shape."""
    if pa.types.is_list(kind):
        return [padded(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: padded(value.get(field.name), field.type) if value.get(field.name) is not None else None for field in kind}
    return str(value) if pa.types.is_string(kind) else Decimal(value) if pa.types.is_decimal(kind) else value


@pytest.mark.parametrize("name", WIDER)
def test_a_column_that_widens_keeps_its_rows_and_leaves_the_history_untouched(tmp_path: Path, name: str) -> None:
    narrow, wide, old, new = WIDER[name]
    warehouse = pulled(tmp_path, 1, batch({1: old, 2: old}, 1, columns=columns(narrow)), columns=columns(narrow))
    before = {path: path.read_bytes() for path in tmp_path.glob("landing/**/*.parquet")}
    warehouse = pulled(tmp_path, 2, batch({2: new, 3: new}, 2, columns=columns(wide)), columns=columns(wide))
    assert told(warehouse, "value") == {1: padded(old, wide), 2: padded(new, wide), 3: padded(new, wide)}
    history = warehouse.read("landing", STREAM)
    assert history is not None and history["value"].type == wide
    rows = history.sort_by([("_pull_id", "ascending"), ("id", "ascending")])
    assert rows["value"].to_pylist() == [padded(one, wide) for one in (old, old, new, new)]
    assert all(path.read_bytes() == content for path, content in before.items())
    first = warehouse.open("current", STREAM, 0)
    assert first is not None and first.to_pyarrow_table()["value"].to_pylist() == [old, old], "an earlier version stays what it was"


def test_a_new_column_is_a_line_in_the_log_and_touches_no_file_but_those_that_change(tmp_path: Path, small_files: int) -> None:
    warehouse = clustered(tmp_path, 10)
    wide = pa.schema([*NAMES, ("more", pa.string())])
    merged = warehouse.merge("current", STREAM, [batch({10_001: {"name": "新", "more": "列"}}, 2, columns=wide)], landed_schema(wide))
    assert merged.rewritten == 1
    found = warehouse.open("current", STREAM)
    assert found is not None
    rows = {row["id"]: row["more"] for row in found.to_pyarrow_table().to_pylist()}
    assert len(rows) == 1000 and {key: more for key, more in rows.items() if more} == {10_001: "列"}


def test_a_column_the_contract_dropped_keeps_no_old_value_where_a_row_is_written(tmp_path: Path) -> None:
    wide = pa.schema([*NAMES, ("more", pa.string())])
    warehouse = Warehouse(str(tmp_path))
    rows: Mapping[int, dict[str, str]] = {1: {"name": "a", "more": "x"}, 2: {"name": "b", "more": "y"}}
    warehouse.merge("current", STREAM, [batch(rows, 1, columns=wide)], landed_schema(wide))
    warehouse.merge("current", STREAM, [batch({1: "c"}, 2)], SCHEMA)
    found = warehouse.open("current", STREAM)
    assert found is not None
    assert {row["id"]: row["more"] for row in found.to_pyarrow_table().to_pylist()} == {1: None, 2: "y"}


def test_a_held_value_without_a_place_in_the_new_type_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    text, number = columns(pa.string()), columns(pa.int64())
    pulled(tmp_path, 1, batch({1: "甲", 2: "12"}, 1, columns=text), columns=text)
    with pytest.raises(AnswerIsNo) as refused:
        pulled(tmp_path, 2, batch({2: 12}, 2, columns=number), columns=number)
    assert refused.value.code == "landing.cannot_retype"
    assert "value (string → int64)" in refused.value.say("en") and "甲" not in refused.value.say("ja")
    warehouse = Warehouse(str(tmp_path))
    assert told(warehouse, "value") == {1: "甲", 2: "12"}
    # Where everything is read again, the old text is replaced and nothing stands in the way.
    warehouse = pulled(tmp_path, 3, batch({1: 1, 2: 12}, 3, columns=number), columns=number)
    assert told(warehouse, "value") == {1: 1, 2: 12}


def labelled(**labels: str) -> pa.Schema:
    return pa.schema([pa.field("id", pa.int64()), *(pa.field(name, pa.string(), True, {"label": label}) for name, label in labels.items())])


def test_the_labels_of_columns_are_those_of_the_contract_that_wrote_last_however_it_was_written(tmp_path: Path) -> None:
    def labels() -> dict[str, Mapping[bytes, bytes] | None]:
        found = Warehouse(str(tmp_path)).open("current", STREAM)
        assert found is not None
        return {field.name: field.metadata for field in pa.schema(found.schema().to_arrow()) if field.name in ("name", "more")}

    steps: list[tuple[pa.Schema, dict[int, Any]]] = [
        (labelled(name="氏名"), {1: "a", 2: "b"}),
        (labelled(name="名前"), {2: "c"}),
        (labelled(name="名前", more="備考"), {3: {"name": "d", "more": "x"}}),
        (labelled(name="名前", more="摘要"), {3: {"name": "e", "more": "y"}}),
    ]
    for pull, (shape, rows) in enumerate(steps, start=1):
        pulled(tmp_path, pull, batch(rows, pull, columns=shape), columns=shape)
        told_now = {field.name: field.metadata for field in shape if field.name != "id"}
        assert labels() == told_now, pull
    assert told(Warehouse(str(tmp_path))) == {1: "a", 2: "c", 3: "e"}
