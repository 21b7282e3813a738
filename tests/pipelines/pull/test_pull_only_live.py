"""A pull over tables that somebody else wrote to: it says so, publishes nothing, and goes on once a person has looked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import write_deltalake
from scripted import STREAM, Row, Source, names, project_of, run

from pipelines.landing.upkeep import restore
from pipelines.landing.warehouse import Warehouse


@pytest.mark.parametrize("table", ["landing", "current", "scopes"])
@pytest.mark.parametrize("when", ["before the pull", "while it reads"])
def test_a_commit_by_hand_stops_the_pull_by_name_until_a_person_has_looked(tmp_path: Path, table: str, when: str) -> None:
    project, source = project_of(tmp_path), Source({number: Row(f"部品{number}") for number in range(1, 4)})
    assert run(project, source).succeeded
    before = names(project)

    def by_hand() -> None:
        rows = Warehouse(project.root).read(table, STREAM)
        assert rows is not None
        write_deltalake(str(Path(project.root) / table / STREAM), rows.slice(0, 1), mode="append")

    source.later()
    source.put(2, name="改")
    if when == "before the pull":
        by_hand()
    else:
        source.before_pull = by_hand
    result = run(project, source)
    assert result.error is not None and result.error.code == "landing.foreign_commit", result.error
    assert f"{table}/{STREAM}" in result.error.say() and names(project) == before
    source.before_pull = lambda: None
    again = run(project, source)
    assert again.error is not None and again.error.code == "landing.foreign_commit", "it is not forgotten by the next pull"
    restore(Warehouse(project.root), STREAM, datetime(2026, 6, 2, tzinfo=UTC), to=None, why="")
    assert run(project, source).succeeded and names(project) == before | {2: "改"}


def test_after_going_back_the_next_pull_brings_what_was_taken_back(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Source({number: Row(f"部品{number}") for number in range(1, 4)})
    assert run(project, source).succeeded
    source.later()
    source.put(2, name="改")
    source.put(9, name="新")
    del source.rows[1]
    assert run(project, source).succeeded
    then = names(project)
    record = restore(Warehouse(project.root), STREAM, datetime(2026, 6, 2, tzinfo=UTC), to=1, why="probe")
    assert record.number == 3 and names(project) == {1: "部品1", 2: "部品2", 3: "部品3"}
    source.later()
    result = run(project, source)
    assert result.succeeded and names(project) == then
