"""``kill -9`` on a real ``fortnight pull`` at random moments, then the same command again: as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.live import ORIGIN, project_for, rows_by_key, with_contract, without_our_variables
from soaking import rounds

from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull

ROOT = Path(__file__).resolve().parents[2]
STREAM = "kintone/defects"
SEED = int(os.environ.get("SLICE", "20261121"))
#: About how many files each of the two pulls makes under the storage root, from its lock to its claim.
FILES = (24, 9)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "sandbox"
    process.up(folder, origin=ORIGIN, base_port=0, only=("kintone",))
    yield folder
    process.down(folder)


def command(project: Project) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "pull", STREAM, "--json", "--project", str(project.folder)]


def files(project: Project) -> int:
    return sum(len(names) for _, _, names in os.walk(project.root))


def kill_when(project: Project, written: int) -> bool:
    """Start the command and kill it when so many more files exist than before. False when it was done before that."""
    started_with = files(project)
    child = subprocess.Popen(command(project), cwd=ROOT, env=without_our_variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while child.poll() is None and files(project) < started_with + written:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    return child.returncode == -signal.SIGKILL


def finish(project: Project) -> None:
    done = subprocess.run(command(project), cwd=ROOT, env=without_our_variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "succeeded"


def lived_through(tmp_path: Path, home: Path, seed: int, kills: int) -> None:
    """A first pull and one of changes, each killed ``kills`` times before it may end; a twin that is left in peace shows what must come."""
    rng = random.Random(seed)
    project = with_contract(project_for(tmp_path / "killed", home), STREAM)
    twin = with_contract(project_for(tmp_path / "peaceful", home), STREAM)
    struck = 0
    for made in FILES:
        before = rows_by_key(project, STREAM)
        assert pull(twin, Request(STREAM), WallClock()).error is None
        wanted = rows_by_key(twin, STREAM)
        for _ in range(kills):
            struck += kill_when(project, rng.randrange(1, made))
            assert rows_by_key(project, STREAM) in (before, wanted)
        finish(project)
        assert rows_by_key(project, STREAM) == wanted
        mine, theirs = (Warehouse(one.root).read("landing", STREAM) for one in (project, twin))
        assert mine is not None and theirs is not None
        assert sorted(mine["_row_hash"].to_pylist()) == sorted(theirs["_row_hash"].to_pylist()), "history holds each state once"
        process.advance(home, 1)
    assert struck, "the kills came in time"


def test_pulls_killed_once_each_end_like_ones_that_were_left_in_peace(tmp_path: Path, home: Path) -> None:
    lived_through(tmp_path, home, SEED, kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(rounds(25)))
def test_pulls_killed_many_times_end_like_ones_that_were_left_in_peace(tmp_path: Path, home: Path, seed: int) -> None:
    lived_through(tmp_path, home, SEED + seed, kills=4)
