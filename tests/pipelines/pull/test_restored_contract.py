"""Going back to rows that were published under an earlier version of the contract, and pulling on under the newest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import ACCEPTED, write_contract
from scripted import START, STREAM, Row, Source, held, names, project_of, run

from connectors.protocol import Cursor, Known, LiveField, Page, Schema, Stream, Window
from pipelines.landing.upkeep import restore
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

NOTE = {"name": "備考", "source": "note", "type": "string"}


@dataclass
class Noted(Source):
    """Its rows have a note, which who asks for the column gets."""

    def describe(self, stream: Stream) -> Schema:
        found = super().describe(stream)
        return replace(found, fields=(*found.fields, LiveField("note", "備考", pa.string(), "TEXT")))

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        for page in super().pull(stream, window, cursor, known):
            at = next((at for at, column in enumerate(stream.columns) if column.source == "note"), None)
            if at is None:
                yield page
                continue
            notes = pa.array([f"注{number}" for number in page.rows["id"].to_pylist()], pa.string())
            columns, fields = list(page.rows.columns), list(page.rows.schema)
            columns.insert(at, notes)
            fields.insert(at, pa.field("備考", pa.string()))
            yield replace(page, rows=pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


def versioned(project: Project, version: int, *more: dict[str, Any]) -> Project:
    told = project.contract(STREAM).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    fields = [one for one in told["fields"] if one["name"] != "備考"]
    write_contract(project, {**told, "version": version, "fields": [*fields, *more], "accepted": ACCEPTED})
    return load(project.folder)


def notes(project: Project) -> dict[int, str | None]:
    rows = Warehouse(project.root).current(STREAM)
    assert rows is not None
    if "備考" not in rows.column_names:
        return {}
    return dict(zip(rows["id"].to_pylist(), rows["備考"].to_pylist(), strict=True))


@pytest.fixture
def world(tmp_path: Path) -> tuple[Project, Noted]:
    """Published as 1 under the first version, and as 2 under the second, which has one more column; a row was saved and one held between."""
    first = project_of(tmp_path / "project")
    source = Noted({number: Row(f"部品{number}") for number in range(1, 13)})
    assert run(first, source).succeeded
    source.later()
    source.put(3, name="改")
    source.put(8, bad=True)
    second = versioned(first, 2, NOTE)
    assert run(second, source).succeeded and notes(second)[3] == "注3" and held(second) == ["8"]
    return second, source


def test_rows_of_an_earlier_version_come_back_as_they_were_promised_then(world: tuple[Project, Noted]) -> None:
    project, _ = world
    after = restore(Warehouse(project.root), STREAM, START + timedelta(days=1), to=1, why="取り違え")
    assert (after.number, after.contract_version, after.restored) == (3, 1, 1)
    assert names(project)[3] == "部品3" and names(project)[8] == "部品8" and held(project) == []
    assert not any(notes(project).values())


def test_the_next_pull_reads_everything_under_the_newest_version_and_loses_no_row(world: tuple[Project, Noted]) -> None:
    project, source = world
    restore(Warehouse(project.root), STREAM, START + timedelta(days=1), to=1, why="取り違え")
    source.asked.clear()
    result = run(project, source)
    assert result.succeeded, result.error
    assert [window.full for window in source.asked] == [True], "what was read under another version is compared anew"
    assert result.balance is not None and (result.balance.source, result.balance.landed, result.balance.quarantined) == (12, 11, 1)
    assert notes(project) == {number: f"注{number}" for number in range(1, 13) if number != 8} and names(project)[3] == "改"
    record = Warehouse(project.root).published(STREAM)
    assert record is not None and record.contract_version == 2


def test_the_contract_does_not_go_back_with_the_rows(world: tuple[Project, Noted]) -> None:
    project, source = world
    restore(Warehouse(project.root), STREAM, START + timedelta(days=1), to=1, why="取り違え")
    error = run(versioned(project, 1), source).error
    assert error is not None and error.code == "contract.older"
    assert names(project)[3] == "部品3"
