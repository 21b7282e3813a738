"""Upkeep: compaction and vacuum change no row and take nothing that is named, and going back is a new record."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake
import obstore
import pytest
from deltalake.table import TableAlterer, TableOptimizer
from stored import START, STREAM, batch, gone, pulled, told

from connectors.errors import AnswerIsNo
from pipelines.landing import upkeep
from pipelines.landing.files import Files
from pipelines.landing.snapshot import Snapshot
from pipelines.landing.upkeep import compact, restore, vacuum
from pipelines.landing.warehouse import Warehouse


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull fills a file with four kilobytes; compaction wants ten, and three smaller ones are many."""
    from pipelines.landing import rewrite

    monkeypatch.setattr(rewrite, "SIZE", 4000)
    monkeypatch.setattr(upkeep, "SIZE", 10_000)
    monkeypatch.setattr(upkeep, "_SORTED", 8000)
    monkeypatch.setattr(upkeep, "_MANY", 2)


def lived(root: Path, pulls: int = 8) -> Warehouse:
    for pull in range(1, pulls + 1):
        rows = {one: f"取{pull}" for one in range(pull * 30, pull * 30 + 40)}
        batches = [batch(rows, pull), *([gone(pull * 30 - 20, pull=pull)] if pull > 1 else [])]
        pulled(root, pull, *batches, cursor={"at": pull}, watermark=(START + timedelta(days=pull)).isoformat(), counts={"live": pull})
    return Warehouse(str(root))


def seen(warehouse: Warehouse) -> dict[str, Any]:
    rows, history = warehouse.read("current", STREAM), warehouse.read("landing", STREAM)
    assert rows is not None and history is not None
    return {
        "current": sorted(map(str, rows.to_pylist())),
        "history": sorted(map(str, history.to_pylist())),
        "live": warehouse.live_count(STREAM),
    }


def test_compaction_leaves_every_row_and_fewer_files_in_the_order_of_their_keys(tmp_path: Path, tiny: None) -> None:
    warehouse = lived(tmp_path)
    before, number = seen(warehouse), warehouse.published(STREAM)
    found = compact(Warehouse(str(tmp_path)), STREAM, START + timedelta(days=20))
    assert number is not None and found.published == number.number + 1
    assert all(now <= then for then, now in found.tables.values()) and found.tables["current"][1] < found.tables["current"][0]
    assert seen(warehouse) == before
    table = warehouse.open("current", STREAM)
    assert table is not None
    live = sorted((file.low or "", file.high or "") for file in Files(table).all if file.kind == "upsert")
    assert len(live) > 1 and all(left[1] < right[0] for left, right in itertools.pairwise(live))
    assert compact(Warehouse(str(tmp_path)), STREAM, START + timedelta(days=21)).published is None, "the second time nothing is worth it"
    assert told(pulled(tmp_path, 30, batch({1: "後"}, 30)))[1] == "後"


def test_vacuum_takes_what_nothing_names_and_nothing_that_a_record_within_retention_or_a_release_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_UNDER_WAY", 0)
    warehouse = lived(tmp_path)
    records = [upkeep.read_record(warehouse.store, STREAM, number) for number in range(1, 9)]
    rows = [sorted(map(str, (Snapshot(warehouse, one).live() or pytest.fail()).to_pylist())) for one in records]
    released = records[1].tables["current"]
    at = START + timedelta(days=9)
    found = vacuum(Warehouse(str(tmp_path)), STREAM, at, 3, {"current": {released}})
    assert found.deleted["current"] > 0
    kept = {one.number for one in records if one.tables["current"] in found.kept["current"]}
    assert kept == {2, 5, 6, 7, 8}, "the last three days, the one that held when they began, and the release's"
    for one, then in zip(records, rows, strict=True):
        if one.number in kept:
            assert sorted(map(str, (Snapshot(warehouse, one).live() or pytest.fail()).to_pylist())) == then
    with pytest.raises(AnswerIsNo) as refused:
        restore(Warehouse(str(tmp_path)), STREAM, at, to=1, why="probe")
    assert refused.value.code == "tables.version_gone"
    assert told(pulled(tmp_path, 30, batch({1: "後"}, 30)))[1] == "後"


def test_a_file_of_a_pull_under_way_is_not_vacuumed(tmp_path: Path) -> None:
    warehouse = lived(tmp_path, 2)
    young = tmp_path / "current" / STREAM / "part-00000-young.parquet"
    young.write_bytes(b"PAR1")
    vacuum(warehouse, STREAM, START + timedelta(days=9), 1, {})
    assert young.exists()


def test_going_back_is_a_new_record_with_the_old_rows_and_the_newest_rights(tmp_path: Path) -> None:
    import pyarrow as pa

    lived(tmp_path, 3)
    warehouse = Warehouse(str(tmp_path))
    with warehouse.writing(STREAM, "p4"):
        warehouse.replace("scopes", STREAM, pa.table({"scope": ["s"], "principals": [["user:kept"]]}))
        warehouse.merge("current", STREAM, [batch({1: "四"}, 4)], batch({1: "四"}, 4).schema)
        warehouse.publish(upkeep._renewed(warehouse.published(STREAM), warehouse, START))  # type: ignore[arg-type]
    third = Snapshot(warehouse, upkeep.read_record(warehouse.store, STREAM, 3)).live()
    assert third is not None
    after = restore(Warehouse(str(tmp_path)), STREAM, START + timedelta(days=9), to=2, why="取り違え")
    second = Snapshot(warehouse, upkeep.read_record(warehouse.store, STREAM, 2)).live()
    now = Snapshot(warehouse, after).live()
    assert now is not None and second is not None and sorted(map(str, now.to_pylist())) == sorted(map(str, second.to_pylist()))
    assert (after.number, after.restored, after.why, after.cursor, after.view) == (5, 2, "取り違え", {"at": 2}, "")
    scopes = warehouse.read("scopes", STREAM)
    assert scopes is not None and scopes["principals"].to_pylist() == [["user:kept"]]
    history = warehouse.read("landing", STREAM)
    assert history is not None and "p3" in history["_pull_id"].to_pylist(), "what was landed since stays in the history"
    again = Snapshot(warehouse, upkeep.read_record(warehouse.store, STREAM, 3)).live()
    assert again is not None and again.equals(third), "the record that was gone back from can be read as it was"
    assert told(pulled(tmp_path, 9, batch({1: "後"}, 9)))[1] == "後"


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def dying(write: int) -> Generator[list[str]]:
    """Dead from the ``write``-th write on."""
    places: list[tuple[Any, str]] = [
        (deltalake, "write_deltalake"),
        (deltalake.DeltaTable, "restore"),
        (deltalake.DeltaTable, "vacuum"),
        (deltalake.DeltaTable, "create_write_transaction"),
        (TableAlterer, "set_table_properties"),
        (TableOptimizer, "compact"),
        (obstore, "put"),
    ]
    done: list[str] = []
    kept = [(owner, name, getattr(owner, name)) for owner, name in places]

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(done) >= write:
                raise Killed
            done.append(name)
            return real(*args, **kwargs)

        return call

    for owner, name, real in kept:
        setattr(owner, name, counted(name, real))
    try:
        yield done
    finally:
        for owner, name, real in kept:
            setattr(owner, name, real)


DEEDS: dict[str, Callable[[Warehouse], object]] = {
    "compact": lambda warehouse: compact(warehouse, STREAM, START + timedelta(days=20)),
    "vacuum": lambda warehouse: vacuum(warehouse, STREAM, START + timedelta(days=20), 3, {}),
    "restore": lambda warehouse: restore(warehouse, STREAM, START + timedelta(days=20), to=2, why="probe"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_upkeep_killed_between_any_two_writes_leaves_what_was_or_what_is_wanted_and_the_next_pull_goes_on(
    tmp_path: Path, tiny: None, deed: str
) -> None:
    lived(tmp_path / "whole", 5)
    before = seen(Warehouse(str(tmp_path / "whole")))
    with dying(10_000) as writes:
        DEEDS[deed](Warehouse(str(tmp_path / "whole")))
    wanted = seen(Warehouse(str(tmp_path / "whole")))
    assert len(writes) >= {"compact": 3, "vacuum": 1, "restore": 2}[deed], writes
    for write in range(len(writes)):
        root = tmp_path / str(write)
        lived(root, 5)
        with dying(write), pytest.raises(Killed):
            DEEDS[deed](Warehouse(str(root)))
        found = Warehouse(str(root))
        shown = seen(found)
        assert {**shown, "live": 0} in ({**before, "live": 0}, {**wanted, "live": 0}), f"killed before write {write} ({writes[write]})"
        after = told(pulled(root, 30, batch({1: "後"}, 30)))
        assert after[1] == "後" and len(after) == found.live_count(STREAM)
