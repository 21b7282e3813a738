"""From which day a stream owes its slots, and what the sealer says and does while no such day has closed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from conformance.live import write_yaml
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.clock import FixedClock, WallClock
from pipelines.defs.instance import instance_of
from pipelines.defs.seal import seal_project
from pipelines.evidence.claims import Claim
from pipelines.evidence.plan import calendar_of, claims_of, first_days, not_yet, standing
from pipelines.project import Project, load

from .worlds import DATE, MINUTE, STREAM, at, claim

ONE = timedelta(days=1)
INDEX = "support"
OTHER = "kintone/faq"
CONTRACT = {"version": 1, "source": {}, "key": ["id"], "fields": [{"name": "id", "source": "id", "type": "int64", "required": True}]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.example"}}
    indexes = {INDEX: {"streams": [STREAM, OTHER]}}
    write_yaml(tmp_path / "project.yaml", {"name": "x", "environment": "staging", "systems": systems, "indexes": indexes})
    for stream in (STREAM, OTHER):
        write_yaml(tmp_path / "contracts" / f"{stream}.yaml", {"stream": stream} | CONTRACT)
    return load(tmp_path)


def by_hand(number: int, of: date, hour: int = 14, stream: str = STREAM) -> Claim:
    """The claim of a pull that a person started on day ``number`` for the partition ``of``."""
    started = at(DATE + number * ONE, hour)
    made = claim(run_id=f"{stream}-{number}-{of}", stream=stream, environment="staging", day=of, trigger="manual")
    return replace(made, slot=None, started_at=started, finished_at=started + MINUTE)


def sealed(project: Project, morning_of: int) -> list[tuple[str, int, str]]:
    with instance_of(project) as instance:
        seals = seal_project(project, instance, FixedClock(at(DATE + morning_of * ONE), "wall"))
    return [(seal.stream, (seal.day - DATE).days, seal.verdict) for seal in seals]


def test_a_backfill_of_a_past_day_does_not_make_that_day_owed(project: Project) -> None:
    claims_of(project).append(by_hand(0, DATE))
    claims_of(project).append(by_hand(0, DATE - ONE))
    assert first_days(project) == {STREAM: DATE}
    assert sealed(project, 0) == []
    assert sealed(project, 1) == [(STREAM, 0, "missing")]


def test_the_first_day_is_the_projects_civil_day_of_the_start(project: Project) -> None:
    claims_of(project).append(by_hand(0, DATE - 9 * ONE, hour=0))
    assert first_days(project) == {STREAM: DATE}, "ten past midnight in Tokyo is the day before in UTC"


@pytest.mark.parametrize("order", list(itertools.permutations((-1, -20, 0))))
def test_the_order_of_backfills_and_of_seals_between_them_changes_nothing(project: Project, order: tuple[int, ...]) -> None:
    for of in order:
        claims_of(project).append(by_hand(0, DATE + of * ONE))
        assert sealed(project, 0) == []
    claims_of(project).append(by_hand(1, DATE - 3 * ONE, stream=OTHER))
    assert sealed(project, 1) == [(STREAM, 0, "missing")]
    assert sealed(project, 2) == [(OTHER, 1, "missing"), (STREAM, 1, "missing")]


def test_while_the_first_day_is_open_it_is_named_with_the_instant_it_closes(project: Project) -> None:
    now = at(DATE, 15)
    assert [each.code for each in (not_yet(project, now),) if each] == ["gate.nothing_pulled"]
    claims_of(project).append(by_hand(0, DATE))
    waiting = not_yet(project, now)
    assert waiting is not None
    expected = f"no day to seal yet: the first day of {STREAM}, 2026-11-16, closes at 2026-11-17 00:00 (Asia/Tokyo)"
    assert waiting.say("en") == expected
    assert "2026-11-17 00:00" in waiting.say("ja")
    assert not_yet(project, at(DATE + ONE)) is None
    assert len(calendar_of(project, now).streams) == 2


def test_gate_status_shows_no_day_that_nobody_owed(project: Project) -> None:
    claims_of(project).append(by_hand(0, DATE))
    sealed(project, 0)
    state = standing(project, INDEX, at(DATE, 15))
    assert [each.days for each in state.streams] == [(), ()]
    codes = [each.code for each in state.reasons]
    assert codes.count("gate.no_sealed_day") == 2
    assert not {"gate.streak_short", "gate.day_not_sealed"} & set(codes)


@pytest.mark.parametrize(
    ("lang", "says", "never"), [("en", "no day to seal yet", "sealed already"), ("ja", "封印する日はまだありません", "封印済み")]
)
def test_sealing_with_no_day_to_seal_says_so(project: Project, monkeypatch: pytest.MonkeyPatch, lang: str, says: str, never: str) -> None:
    monkeypatch.setattr(WallClock, "now", lambda _: at(DATE, 15))

    def said() -> str:
        done = CliRunner().invoke(app, ["gate", "seal", "--lang", lang, "--project", str(project.folder)])
        assert done.exit_code == 0, done.output
        return done.output

    first = said()
    assert says in first
    assert never not in first
    claims_of(project).append(by_hand(0, DATE))
    second = said()
    assert says in second
    assert STREAM in second
    assert never not in second
