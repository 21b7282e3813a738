"""``kill -9`` on a real pull of kintone, before any of its requests and after any of its files: the next one ends as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conformance.live import ORIGIN, without_our_variables
from houses import without_rules
from kintone_house import House, Target, house, target
from soaking import rounds

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SLICE", "20261121"))
#: ``fortnight`` itself, Great Expectations left out: it takes most of a command's time and writes nothing.
QUICK = """
from unittest.mock import patch
from pipelines.cli.main import main
from pipelines.pull.outcome import Check
passed = lambda *_, **__: Check("values", True, "critical", "not judged here")
with patch.multiple("pipelines.pull.run", schema_check=passed, values_check=passed, bands_check=passed):
    main()
"""
#: Four pages. About how many requests and files a pull of it takes: some points lie behind its end, and then it was not killed.
RECORDS, REQUESTS, FILES = 1_600, 24, 24


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("killed") / "house", ORIGIN) as made, without_rules():
        yield made


class Duel:
    """A project whose pulls are real commands that get killed, and its twin over the same app that is left in peace."""

    def __init__(self, folder: Path, home: House, *, quick: bool) -> None:
        self.program = ["-c", QUICK] if quick else ["-m", "pipelines.cli"]
        app = home.app(RECORDS)
        self.app, self.killed = app, target(folder / "killed", app)
        self.twin = self.killed.anew(folder / "twin", app)
        self.struck = 0

    def close(self) -> None:
        self.killed.close()
        self.twin.close()

    def command(self) -> subprocess.Popen[str]:
        words = [sys.executable, *self.program, "pull", Target.stream, "--json", "--project", str(self.killed.folder)]
        return subprocess.Popen(words, cwd=ROOT, env=without_our_variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_before_request(self, number: int) -> None:
        child = self.command()
        self.app.house.during(number, child.kill)
        self._ended(child, lambda: False)
        self.app.house.quiet()

    def kill_after_file(self, number: int) -> None:
        there = self._files() + number
        child = self.command()
        self._ended(child, lambda: self._files() >= there)

    def _ended(self, child: subprocess.Popen[str], enough: Callable[[], bool]) -> None:
        with child:
            try:
                while child.poll() is None and not enough():
                    time.sleep(0.005)
            finally:
                child.kill()
        self.struck += child.returncode == -signal.SIGKILL

    def _files(self) -> int:
        return sum(len(names) for _, _, names in os.walk(self.killed.project.root))

    def finish(self) -> None:
        with self.command() as child:
            out, err = child.communicate()
        assert child.returncode == 0, err
        assert json.loads(out)["outcome"] == "succeeded"

    def lived_through(self, rng: random.Random, kills: int) -> None:
        """So many kills of one pull, at random points; nobody ever sees half of it, and the command run again ends like the twin's pull."""
        before = self.killed.rows()
        assert self.twin.pull().error is None
        wanted = self.twin.rows()
        assert wanted == self.twin.wanted()
        for _ in range(kills):
            if rng.random() < 0.5:
                self.kill_before_request(rng.randint(1, REQUESTS))
            else:
                self.kill_after_file(rng.randint(1, FILES))
            assert self.killed.rows() in (before, wanted)
        self.finish()
        assert self.killed.rows() == wanted
        assert self.killed.tombstones() == self.twin.tombstones()
        assert self._history(self.killed) == self._history(self.twin), "history holds each state once"

    def _history(self, one: Target) -> list[tuple[str, str, str]]:
        rows = one.warehouse.read("landing", one.stream)
        assert rows is not None
        return sorted(tuple(row.values()) for row in rows.select(["_key", "_op", "_row_hash"]).to_pylist())  # type: ignore[misc]

    def move_on(self, rng: random.Random) -> None:
        """What people do between two pulls."""
        self.app.house.later(minutes=rng.randint(0, 9))
        ids = self.app.ids()
        self.app.update(rng.sample(ids, 40), 件名=f"変更{rng.random()}")
        self.app.delete(rng.sample(ids, 5))
        self.app.insert(*({"件名": f"新規{number}"} for number in range(30)))


def duel(folder: Path, home: House, seed: int, kills: tuple[int, ...], *, quick: bool = False) -> None:
    rng = random.Random(seed)
    both = Duel(folder, home, quick=quick)
    try:
        for count in kills:
            both.lived_through(rng, count)
            both.move_on(rng)
        assert both.struck, "the kills came in time"
    finally:
        both.close()


def test_a_pull_killed_at_three_random_points_ends_like_one_that_was_left_in_peace(tmp_path: Path, home: House) -> None:
    duel(tmp_path, home, SEED, (2, 1), quick=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(rounds(10)))
def test_pulls_killed_at_fifty_random_points_end_like_ones_that_were_left_in_peace(tmp_path: Path, home: House, seed: int) -> None:
    duel(tmp_path, home, SEED + seed, (3, 2))
