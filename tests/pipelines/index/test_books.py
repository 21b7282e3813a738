"""The books of a day: ids at the source, with us, and in what was built of them; what differs is named, and what nobody can list is not green."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pull"))
from conformance.live import write_yaml
from scripted import STREAM, Row, Source, project_of, run

from connectors.errors import AnswerIsNo, CannotSay
from connectors.protocol import Stream
from expectations.balance import Ids, balance_ids
from pipelines.clock import WallClock
from pipelines.index.books import Books, books, books_check
from pipelines.index.build import build_candidate
from pipelines.index.inputs import stream_inputs
from pipelines.index.parse import Parser
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

from .world import NOW, Hashed


def house(folder: Path) -> tuple[Project, Source]:
    """Six rows of which one is held back, pulled, with an index over them."""
    project = project_of(folder, document={"title": "名前", "body": ["名前"]})
    told: dict[str, Any] = {"name": "books", "environment": "staging", "indexes": {"parts": {"streams": [STREAM]}}}
    write_yaml(folder / "project.yaml", told | {"systems": {"books": {"kind": "kintone", "base_url": "https://books.example"}}})
    source = Source({number: Row(f"部品{number}") for number in range(1, 6)} | {6: Row(bad=True)})
    project = load(project.folder)
    assert run(project, source).succeeded
    return project, source


def built(project: Project) -> None:
    with Parser() as parser:
        build_candidate(project.root, "parts", stream_inputs(project, "parts", Warehouse(project.root)), Hashed(), now=NOW, parser=parser)


def kept(project: Project, source: Source, settle: Callable[[], object] | None = None) -> Books:
    return books(project, STREAM, WallClock(), connector=source, settle=settle)


def test_books_of_a_quiet_stream_balance_with_what_is_held_back_and_list_the_source_once(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    built(project)
    source.listed = 0
    found = kept(project, source)
    assert found.balanced and source.listed == 1
    assert (found.ids.ours.count, found.ids.quarantined) == (6, 1)
    (index,) = found.indexes
    assert (index.candidate, index.rows, index.textless, index.foreign.count) == (1, 5, 0, 0)
    assert books_check(found).passed and books_check(found).numbers["source"] == 6


def test_what_differs_is_named_by_id_though_the_counts_agree(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    del source.rows[3]
    source.rows[70] = Row("新")
    found = kept(project, source)
    assert (found.ids.lost.ids, found.ids.left.ids) == (("70",), ("3",)) and found.ids.source and found.ids.source.count == 6
    check = books_check(found)
    assert (check.passed, check.severity) == (False, "critical")
    assert {(row["where"], row["id"]) for row in check.rows} == {("source", "70"), ("current", "3")}


def test_what_only_came_and_went_since_the_pull_is_settled_by_another_one(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    del source.rows[3]
    source.later()
    source.put(70, name="新")
    assert kept(project, source, lambda: run(project, source)).balanced


def test_of_many_differences_some_are_named_and_all_are_counted(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    source.rows |= {number: Row("新") for number in range(100, 400)}
    found = kept(project, source)
    assert (len(found.ids.lost.ids), found.ids.lost.count) == (50, 300)


def test_a_source_that_cannot_list_its_rows_is_unverified_and_not_green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, source = house(tmp_path)

    def keys(stream: Stream) -> Iterator[pa.RecordBatch]:
        raise CannotSay("tables.nothing_published", stream=stream.id)

    monkeypatch.setattr(source, "keys", keys)
    found = kept(project, source)
    check = books_check(found)
    assert not found.ids.verified and not found.balanced and not check.passed
    assert (check.severity, check.rows) == ("warning", ()) and "UNVERIFIED" in check.summary


def test_what_nothing_of_ours_vouches_for_is_in_the_books_and_in_no_index(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    root = Path(project.root)
    (root / "current" / STREAM / "export.csv").write_text("7,手書き")
    found = kept(project, source)
    assert not found.balanced and any("export.csv" in one for one in found.wrong)
    (root / "current" / STREAM / "export.csv").unlink()

    # Rows by hand, and a record by hand that makes them visible.
    table = Warehouse(project.root).read("current", STREAM)
    newest = Warehouse(project.root).published(STREAM)
    assert table is not None and newest is not None
    forged = table.slice(0, 1).set_column(table.schema.get_field_index("_key"), "_key", pa.array(["666"]))
    forged = forged.set_column(forged.schema.get_field_index("_pull_id"), "_pull_id", pa.array(["by-hand"]))
    write_deltalake(str(root / "current" / STREAM), forged, mode="append")
    tables = {**newest.tables, "current": newest.tables["current"] + 1}
    record = newest.model_copy(update={"number": 2, "tables": tables})
    (root / "published" / STREAM / "00000002.json").write_text(record.model_dump_json())
    with pytest.raises(AnswerIsNo) as refused:
        stream_inputs(project, "parts", Warehouse(project.root))
    assert refused.value.code == "landing.unvouched_record"
    found = kept(project, source)
    assert found.ids.left.ids == ("666",) and any("666" in one or "version" in one for one in found.wrong)


def test_rows_of_a_candidate_that_were_in_none_of_its_inputs_are_named(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    (real,) = stream_inputs(project, "parts", Warehouse(project.root))
    foreign = real.rows.slice(0, 1)
    foreign = foreign.set_column(foreign.schema.get_field_index("_key"), "_key", pa.array(["666"]))
    with Parser() as parser:
        rows = pa.concat_tables([real.rows, foreign])
        build_candidate(project.root, "parts", [replace(real, rows=rows)], Hashed(), now=NOW, parser=parser)
    (index,) = kept(project, source).indexes
    assert index.foreign.ids == (f"{STREAM}#666",)


def test_the_doctor_names_what_lies_in_the_storage_and_is_nobodys(tmp_path: Path) -> None:
    from pipelines.cli.doctor import Finding, stored

    project, _ = house(tmp_path)
    assert stored(project) == []
    root = Path(project.root)
    (root / "current" / STREAM / "export.csv").write_text("7,手書き")
    (root / "blobs" / "ab").mkdir(parents=True)
    (root / "blobs" / "ab" / "図面.pdf").write_bytes(b"%PDF")
    write_deltalake(str(root / "landing" / STREAM), Warehouse(project.root).read("landing", STREAM), mode="append")  # type: ignore[arg-type]
    found = stored(project)
    assert all(isinstance(one, Finding) and not one.ok and one.exit == 1 for one in found)
    said = "\n".join(str(one.found) for one in found)
    assert len(found) == 3 and "export.csv" in said and "図面.pdf" in said and "not Fortnight's" in said


_ids = st.sets(st.text(max_size=3), max_size=12)


@given(_ids, _ids, st.sets(st.text(max_size=3), max_size=3))
def test_books_balance_exactly_where_the_sets_do(source: set[str], live: set[str], held: set[str]) -> None:
    found = balance_ids(lambda: source, lambda: live, sorted(held))
    assert found.balanced == (source == live | held)
    assert set(found.lost.ids) == source - live - held and set(found.left.ids) == (live | held) - source


@given(st.lists(st.text(max_size=3)))
def test_a_sketch_knows_no_order_and_counts_each_id_once(ids: list[str]) -> None:
    assert Ids(ids).sketch == Ids([*reversed(ids), *ids]).sketch
