"""A table that stands open is opened again as soon as its log on disk is another, and never moves under a reader of a version."""

from __future__ import annotations

import shutil
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.landing import handles
from pipelines.landing.warehouse import Warehouse

STREAM = "kintone/orders"


def append(place: str, *values: int) -> None:
    write_deltalake(place, pa.table({"id": list(values)}), mode="append")


def ids(table: DeltaTable | None) -> list[int]:
    assert table is not None
    return sorted(table.to_pyarrow_table()["id"].to_pylist())


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(str(tmp_path))
    append(made.uri("scopes", STREAM), 1)
    append(made.uri("scopes", STREAM), 2)
    return made


def test_a_version_that_stands_open_is_not_opened_again(warehouse: Warehouse):
    assert warehouse.open("scopes", STREAM, 1) is warehouse.open("scopes", STREAM, 1)


def test_a_version_is_read_as_that_version_whatever_stands_open(warehouse: Warehouse):
    with warehouse.writing(STREAM):
        assert ids(warehouse.open("scopes", STREAM)) == [1, 2]
        assert ids(warehouse.open("scopes", STREAM, 0)) == [1]
        assert ids(warehouse.open("scopes", STREAM)) == [1, 2]


def test_who_does_not_write_opens_what_is_now_each_time(warehouse: Warehouse):
    before = warehouse.open("scopes", STREAM)
    append(warehouse.uri("scopes", STREAM), 3)
    assert ids(warehouse.open("scopes", STREAM)) == [1, 2, 3]
    assert ids(before) == [1, 2], "no handle moves under a thread that reads it"


def test_the_writer_sees_what_another_process_wrote_meanwhile(warehouse: Warehouse):
    with warehouse.writing(STREAM):
        warehouse.open("scopes", STREAM)
        append(warehouse.uri("scopes", STREAM), 3)
        assert ids(warehouse.open("scopes", STREAM)) == [1, 2, 3]


def test_a_version_stays_what_it_was_when_the_writer_goes_on(warehouse: Warehouse):
    with warehouse.writing(STREAM):
        warehouse.open("scopes", STREAM, 1)
        assert warehouse.replace("scopes", STREAM, pa.table({"id": [9]}))
        assert ids(warehouse.open("scopes", STREAM, 1)) == [1, 2]
        assert ids(warehouse.open("scopes", STREAM)) == [9]


@pytest.mark.parametrize("version", [1, None])
def test_a_log_that_was_cut_short_is_found(warehouse: Warehouse, version: int | None):
    with warehouse.writing(STREAM):
        warehouse.open("scopes", STREAM, version)
        (Path(warehouse.uri("scopes", STREAM)) / "_delta_log" / f"{1:020d}.json").unlink()
        if version is None:
            assert ids(warehouse.open("scopes", STREAM)) == [1]
        else:
            with pytest.raises(deltalake.exceptions.DeltaError):
                warehouse.open("scopes", STREAM, version)


@pytest.mark.parametrize("version", [1, None])
def test_a_table_made_anew_under_the_same_name_and_version_is_another_table(warehouse: Warehouse, version: int | None):
    place = warehouse.uri("scopes", STREAM)
    with warehouse.writing(STREAM):
        warehouse.open("scopes", STREAM, version)
        shutil.rmtree(place)
        assert version is not None or warehouse.open("scopes", STREAM) is None
        append(place, 7)
        append(place, 8)
        assert ids(warehouse.open("scopes", STREAM, version)) == [7, 8]


def test_a_commit_that_was_put_in_the_place_of_another_is_found(warehouse: Warehouse, tmp_path: Path):
    other = str(tmp_path / "other")
    shutil.copytree(warehouse.uri("scopes", STREAM), other)
    (Path(other) / "_delta_log" / f"{1:020d}.json").unlink()
    append(other, 5)
    warehouse.open("scopes", STREAM, 1)
    shutil.copytree(other, warehouse.uri("scopes", STREAM), dirs_exist_ok=True)
    assert ids(warehouse.open("scopes", STREAM, 1)) == [1, 5]


def test_a_damaged_log_is_not_taken_for_one_that_already_holds_the_rows(warehouse: Warehouse):
    rows = pa.table({"id": [9]})
    warehouse.replace("scopes", STREAM, rows)
    assert warehouse.holds("scopes", STREAM, rows) and not warehouse.replace("scopes", STREAM, rows)
    newest = max((Path(warehouse.uri("scopes", STREAM)) / "_delta_log").glob("*.json"))
    newest.write_text("{", encoding="utf-8")
    assert not warehouse.holds("scopes", STREAM, rows)
    with pytest.raises(deltalake.exceptions.DeltaError):
        warehouse.replace("scopes", STREAM, rows)


def test_a_table_somebody_wrote_to_by_hand_is_opened_to_be_asked(warehouse: Warehouse):
    rows = pa.table({"id": [9]})
    warehouse.replace("scopes", STREAM, rows)
    append(warehouse.uri("scopes", STREAM), 10)
    assert not warehouse.holds("scopes", STREAM, rows)


def test_only_so_many_tables_stand_open(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(handles, "_MOST", 2)
    for name in ("members", "accounts"):
        append(warehouse.uri(name, STREAM), 1)
    first = warehouse.open("scopes", STREAM, 1)
    others = [warehouse.open(name, STREAM, 0) for name in ("members", "accounts")]
    assert [warehouse.open(name, STREAM, 0) for name in ("members", "accounts")] == others
    assert warehouse.open("scopes", STREAM, 1) is not first
