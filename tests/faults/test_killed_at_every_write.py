"""A pull that dies before or after any single write to storage, tried at each of them in turn; then the same pull again.

Death is played in the process: from the chosen write on nothing more is written, not even what ``finally`` would do. The real
``kill -9`` is in ``test_kill_dash_nine.py``; this one misses no place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import deltalake
import obstore
import pytest
from deltalake.table import TableAlterer, TableMerger

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "pull"))
from scripted import STREAM, Chosen, Row, Source, held, mended, names, project_of, run

from connectors.access import Scope
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.replay import replay

#: Every way by which a pull changes what is stored.
WRITES: tuple[tuple[Any, str], ...] = (
    (deltalake, "write_deltalake"),
    (deltalake.DeltaTable, "restore"),
    (deltalake.DeltaTable, "create_write_transaction"),
    (TableAlterer, "set_table_description"),
    (TableMerger, "execute"),
    (obstore, "put"),
    (obstore, "delete"),
)


class Killed(BaseException):
    """The process is gone; nobody catches this."""


@contextmanager
def dying_at(write: int, *, after: bool) -> Iterator[list[str]]:
    """Dies before (or just after) the ``write``-th write, counted from 0, and stays dead. Yields what was written."""
    done: list[str] = []
    kept = [(owner, name, getattr(owner, name)) for owner, name in WRITES]

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(done) > write or (len(done) == write and not after):
                raise Killed
            answer = real(*args, **kwargs)
            # What is put where: the record of a pull is not the only thing that is.
            done.append(f"put {str(args[1]).partition('/')[0]}" if name == "put" else name)
            if len(done) > write:
                raise Killed
            return answer

        return call

    for owner, name, real in kept:
        setattr(owner, name, counted(name, real))
    try:
        yield done
    finally:
        for owner, name, real in kept:
            setattr(owner, name, real)


def worlds() -> tuple[Callable[[Source], None], ...]:
    """What happens at the source before each of three pulls: founded; changed in every table; quiet but for one row."""

    def found(source: Source) -> None:
        source.rows = {number: Row(f"部品{number}") for number in range(1, 24)} | {7: Row(bad=True)}

    def change(source: Source) -> None:
        source.later()
        source.put(3, name="改")
        source.put(8, bad=True)
        source.put(99, name="新")
        source.put(7, name="直した", bad=False)
        del source.rows[5]
        source.rights = (*source.rights, Scope("few", "few", ("user:kintone:a",)))
        source.rows[2] = replace(source.rows[2], scope="few")

    def little(source: Source) -> None:
        source.later()
        source.put(1, name="少し")

    return found, change, little


def told(project: Project) -> dict[str, Any]:
    """Everything a reader can see of the stream, without ids and times."""
    warehouse = Warehouse(project.root)
    scopes = warehouse.read("scopes", STREAM)
    landing = warehouse.read("landing", STREAM)
    published = warehouse.published(STREAM)
    return {
        "names": names(project),
        "held": held(project),
        "scopes": sorted(scopes["scope"].to_pylist()) if scopes else [],
        "history": sorted(zip(landing["_key"].to_pylist(), landing["_op"].to_pylist(), landing["_row_hash"].to_pylist(), strict=True))
        if landing
        else [],
        "number": published.number if published else 0,
    }


def lived(folder: Path, pulls: int) -> tuple[Project, Source]:
    """A project after so many undisturbed pulls."""
    project, source = project_of(folder), Source()
    for happen in worlds()[:pulls]:
        happen(source)
        assert run(project, source).succeeded
    return project, source


@pytest.mark.parametrize("pulls", [0, 1, 2], ids=["first pull", "pull that changes every table", "small pull"])
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_a_pull_killed_at_any_write_shows_nothing_and_the_next_one_ends_as_if_it_had_never_been(
    tmp_path: Path, pulls: int, after: bool
) -> None:
    happen = worlds()[pulls]
    reference, source = lived(tmp_path / "reference", pulls)
    before = told(reference)
    happen(source)
    with dying_at(10_000, after=after) as writes:
        assert run(reference, source).succeeded
    wanted = told(reference)
    last = writes.index("put published") if "put published" in writes else len(writes)
    assert len(writes) >= 3, "the place of the record is known"
    for write in range(len(writes)):
        project, source = lived(tmp_path / f"at-{write}", pulls)
        happen(source)
        with dying_at(write, after=after), pytest.raises(Killed):
            run(project, source)
        published = write > last or (write == last and after)
        assert told(project) == (wanted if published else before), f"killed at write {write} ({writes[write]})"
        if not published:
            # Killed once more, now while the first death is being cleared away.
            with dying_at(1, after=after), pytest.raises(Killed):
                run(project, source)
            assert told(project) == before
        result = run(project, source)
        assert result.succeeded, result.error
        now = told(project)
        assert now | {"number": 0} == wanted | {"number": 0}, f"killed at write {write} ({writes[write]})"
        assert now["number"] == wanted["number"] + published


def holding(folder: Path) -> tuple[Project, Chosen]:
    """A project that holds three rows back, of which one fits by now, one is gone, and one is as wrong as it was."""
    project, source = project_of(folder), Chosen({number: Row(f"部品{number}", bad=number in (7, 8, 9)) for number in range(1, 24)})
    assert run(project, source).succeeded
    mended(source, 7)
    del source.rows[8]
    return project, source


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_a_replay_killed_at_any_write_shows_nothing_and_the_next_one_lands_each_row_once(tmp_path: Path, after: bool) -> None:
    def again(project: Project, source: Chosen) -> None:
        replay(project, STREAM, (), WallClock(), connector=source)

    reference, source = holding(tmp_path / "reference")
    before = told(reference)
    with dying_at(10_000, after=after) as writes:
        again(reference, source)
    wanted = told(reference)
    assert wanted["held"] == ["9"] and 7 in wanted["names"] and len(wanted["history"]) == len(before["history"]) + 1
    last = writes.index("put published")
    for write in range(len(writes)):
        project, source = holding(tmp_path / f"at-{write}")
        with dying_at(write, after=after), pytest.raises(Killed):
            again(project, source)
        published = write > last or (write == last and after)
        assert told(project) == (wanted if published else before), f"killed at write {write} ({writes[write]})"
        for _ in range(2):
            again(project, source)
            assert told(project) | {"number": 0} == wanted | {"number": 0}, f"killed at write {write} ({writes[write]})"
