"""What the log says of a table's files, whatever its columns are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from stored import NAMES, STREAM, batch, gone

from pipelines.landing.files import DataFile, Files
from pipelines.landing.rows import landed_schema
from pipelines.landing.settings import settings
from pipelines.landing.warehouse import Warehouse

WHO = pa.struct([("code", pa.string()), ("name", pa.string())])
DEEP = pa.struct([("品 名", pa.string()), ("a.b", pa.struct([("c,d", pa.list_(pa.int64()))]))])


def columns(*kinds: pa.DataType) -> pa.Schema:
    return pa.schema([*NAMES, *((f"more_{at}", kind) for at, kind in enumerate(kinds))])


def files(warehouse: Warehouse) -> tuple[DataFile, ...]:
    found = warehouse.open("current", STREAM)
    assert found is not None
    return Files(found).all


@pytest.mark.parametrize("kinds", [(), (pa.list_(WHO),), (WHO,), (WHO, WHO), (DEEP,), (pa.struct([("inner", WHO)]), DEEP, pa.list_(DEEP))])
def test_the_log_tells_which_keys_lie_in_a_file_and_whether_they_live(tmp_path: Path, kinds: tuple[pa.DataType, ...]) -> None:
    shape = columns(*kinds)
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "甲", 2: "乙", 3: "丙"}, 1, columns=shape)], landed_schema(shape))
    for pull in range(2, 14):
        warehouse.merge("current", STREAM, [batch({1: f"甲{pull}"}, pull, columns=shape)], landed_schema(shape))
    for pull, one in ((14, 2), (15, 3)):
        warehouse.merge("current", STREAM, [gone(one, pull=pull, columns=shape)], landed_schema(shape))
    told = sorted((file.kind, file.low, file.high, file.rows) for file in files(warehouse))
    assert told == [("delete", "2", "3", 2), ("upsert", "1", "1", 1)], "tombstones lie in one file of their own, day after day"


def test_a_struct_that_joins_later_hides_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "甲"}, 1)], landed_schema(NAMES))
    wide = columns(WHO)
    warehouse.merge(
        "current", STREAM, [batch({2: {"name": "乙", "more_0": {"code": "sato", "name": "佐藤"}}}, 2, columns=wide)], landed_schema(wide)
    )
    assert {file.kind for file in files(warehouse)} == {"upsert"}


def test_a_table_that_was_made_without_is_told_with_its_next_change(tmp_path: Path) -> None:
    shape = columns(WHO)
    warehouse = Warehouse(str(tmp_path))
    warehouse.merge("current", STREAM, [batch({1: "甲"}, 1, columns=shape)], landed_schema(shape))
    found = warehouse.open("current", STREAM)
    assert found is not None
    found.alter.set_table_properties({"delta.dataSkippingStatsColumns": "_key,_op"})
    assert [file.kind for file in files(warehouse)] == [None]
    assert not warehouse.merge("current", STREAM, [batch({1: "甲"}, 2, columns=shape)], landed_schema(shape)).committed
    warehouse.merge("current", STREAM, [batch({1: "乙"}, 3, columns=shape)], landed_schema(shape))
    assert [(file.kind, file.low) for file in files(warehouse)] == [("upsert", "1")]


def test_one_inner_column_of_each_struct_is_named() -> None:
    told = settings(pa.schema([("who", WHO), ("deep", DEEP), ("many", pa.list_(WHO))]))
    assert told["delta.dataSkippingStatsColumns"] == "_key,_op,who.`code`,deep.`品 名`,deep.`a.b`.`c,d`"
