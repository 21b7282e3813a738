"""The command that measures does what its flags say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks import __main__ as command

#: A family as they all are: what is asked for in short is decided when it is imported.
FAMILY = """
from benchmarks.measure import Measure, quick

PARTS = ("some",)
SIZE = 1 if quick() else 1_000

def measures(parts=PARTS):
    yield Measure("probe.size", SIZE, None, "", None, None, 1, "", None, "")
"""


@pytest.fixture(autouse=True)
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that tells its size; forgotten afterwards."""
    (tmp_path / "probe.py").write_text(FAMILY, encoding="utf-8")
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    monkeypatch.setattr(command, "FAMILIES", ("probe",))
    # Set first, so that what the command sets and imports is gone after the test.
    monkeypatch.setenv("BENCH_QUICK", "")
    monkeypatch.setitem(sys.modules, "benchmarks.probe", None)
    monkeypatch.delitem(sys.modules, "benchmarks.probe")


@pytest.mark.parametrize("name", ["probe", "probe.some"])
@pytest.mark.parametrize(("flags", "size"), [([], 1_000), (["--quick"], 1)])
def test_quick_is_quick_for_a_family_and_for_a_part_of_it(
    name: str, flags: list[str], size: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", name, "--json", *flags])
    assert command.main() == 0
    assert json.loads(capsys.readouterr().out)["ours"] == size


def test_a_part_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "probe.other"])
    assert command.main() == 2
    assert "probe.other" in capsys.readouterr().err
