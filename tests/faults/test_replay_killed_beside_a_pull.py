"""``kill -9`` on a replay at a chosen write, while pulls of the same stream knock again and again: each held row lands once, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conformance.live import without_our_variables
from soaking import share

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "pull"))
from scripted import STREAM, Chosen, Row, Source, held, names, project_of, run
from test_killed_at_every_write import WRITES, dying_at, told

from pipelines.clock import WallClock
from pipelines.project import Project, load
from pipelines.pull.replay import Replayed, replay

HELD = (7, 9, 11)
#: Writes of the replay at which it dies: those a short run tries, and about how many there are.
FEW, ALL = (3,), range(14)
#: What a pull may say that another one stands in the way of.
BUSY = {"landing.busy", "landing.published_meanwhile"}


def rows(*bad: int) -> dict[int, Row]:
    return {number: Row(f"部品{number}", bad=number in bad) for number in range(1, 26)}


def again(project: Project, source: Source) -> Replayed:
    return replay(project, STREAM, (), WallClock(), connector=source)


def landed(project: Project) -> list[tuple[str, str, str]]:
    """Every row of the history, without the number of its published record: how often a quiet pull publishes is nobody's loss."""
    found: list[tuple[str, str, str]] = told(project)["history"]
    return found


def killed_at(folder: Path, write: int) -> subprocess.Popen[bytes]:
    """A process that replays all held rows and kills itself, for good, before its ``write``-th write."""
    script = f"import sys; sys.path[:0] = {sys.path!r}; import test_replay_killed_beside_a_pull as t; t.die({str(folder)!r}, {write})"
    child = subprocess.Popen([sys.executable, "-c", script], env=without_our_variables(), stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"begins\n"
    return child


def die(folder: str, write: int) -> None:
    done = 0

    def counted(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done == write:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return real(*args, **kwargs)

        return call

    for owner, name in WRITES:
        setattr(owner, name, counted(getattr(owner, name)))
    project = load(Path(folder))
    print("begins", flush=True)
    # A pull may be on its way: then a replay says so, and is tried again.
    while (found := again(project, Chosen(rows()))).result is not None and not found.result.succeeded:
        time.sleep(0.02)


def lived_through(folder: Path, writes: tuple[int, ...]) -> int:
    """How many of the replays died."""
    project = project_of(folder / "killed")
    twin = project_of(folder / "peaceful")
    for one in (project, twin):
        assert run(one, Chosen(rows(*HELD))).succeeded
    before = names(project)
    assert again(twin, Chosen(rows())).landed == tuple(sorted(map(str, HELD)))
    wanted, struck = names(twin), 0
    for write in writes:
        child, source = killed_at(project.folder, write), Chosen(rows())
        try:
            while child.poll() is None:
                # A quiet pull: nothing at the source moved since, and what is held is none of its business.
                result = run(project, source)
                assert result.succeeded or (result.error is not None and result.error.code in BUSY), result.error
                assert names(project) in (before, wanted)
        finally:
            child.kill()
            child.communicate()
        struck += child.returncode == -signal.SIGKILL
        assert child.returncode in (0, -signal.SIGKILL, 1)
        # Who comes after a dead process is let in, and finds what was published, whole.
        assert run(project, source).succeeded
        assert (names(project), held(project)) in ((before, ["11", "7", "9"]), (wanted, []))
    again(project, Chosen(rows()))
    assert (names(project), held(project)) == (wanted, [])
    assert landed(project) == landed(twin), "each held row is in the history once"
    return struck


def test_a_replay_killed_while_pulls_of_its_stream_run_lands_each_held_row_once(tmp_path: Path) -> None:
    assert lived_through(tmp_path, FEW) == len(FEW)


@pytest.mark.soak
def test_a_replay_killed_at_each_of_its_writes_lands_each_held_row_once(tmp_path: Path) -> None:
    project = project_of(tmp_path / "counted")
    assert run(project, Chosen(rows(*HELD))).succeeded
    with dying_at(10_000, after=False) as writes:
        again(project, Chosen(rows()))
    assert len(writes) <= len(ALL), "every write of a replay is among those that are tried"
    for write in share(list(ALL)):
        died = lived_through(tmp_path / str(write), (write,))
        assert died or write >= len(writes), "a replay that makes so many writes dies at each of them"
