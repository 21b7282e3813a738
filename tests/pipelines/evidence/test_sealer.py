"""The sealer: each closed day once, in order, whole; and the ledger holds what was witnessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.evidence import ledger as ledger_room
from pipelines.evidence.claims import ClaimStore
from pipelines.evidence.errors import ClockAhead, ClockWentBack, HeadMoved, LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.memory import SealMemory
from pipelines.evidence.sealer import AT_ONCE, asked_for, seal_closed_days, seal_of, unsealed_days
from pipelines.evidence.seals import Seal
from pipelines.evidence.witness import Runless, Witnessed

from .worlds import DATE, PRODUCTION, SLOT, STREAM, at, calendar, claim, run_of, witnessed_days

ONE = timedelta(days=1)


class Project:
    """A ledger and a claim store on disk, and the sealer over them."""

    def __init__(self, root: Path) -> None:
        self.ledger = Ledger(str(root / "ledger"))
        self.claims = ClaimStore(str(root / "claims"))
        self.witnessed = Witnessed()
        self.calendar = calendar()

    def live(self, *days: int, streams: tuple[str, ...] = (STREAM,)) -> None:
        claims, seen = witnessed_days([DATE + n * ONE for n in days], streams)
        for each in claims:
            self.claims.append(each)
        old = self.witnessed
        self.witnessed = Witnessed(old.ticks + seen.ticks, old.runs + seen.runs, old.checks + seen.checks)

    def seal(self, morning_of: int, **changes) -> tuple[Seal, ...]:
        return seal_closed_days(
            self.ledger,
            self.claims,
            self.witnessed,
            changes.get("calendar", self.calendar),
            PRODUCTION,
            at(DATE + morning_of * ONE, minute=changes.get("minute", 10)),
            "wall",
            changes.get("memory"),
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def verdicts(seals: tuple[Seal, ...]) -> list[tuple[int, str]]:
    return [((seal.day - DATE).days, seal.verdict) for seal in seals]


def test_days_are_sealed_in_order_one_commit_each_behind_the_calendar(project: Project):
    project.live(0, 2)
    assert verdicts(project.seal(3)) == [(0, "green"), (1, "missing"), (2, "green")]
    appended = [step for step in DeltaTable(project.ledger.location).history() if step["operation"] == "WRITE"]
    assert len(appended) == 4
    assert [row.entry.kind for row in project.ledger.read()] == ["decision", "evidence", "seal", "seal", "evidence", "seal"]
    assert project.ledger.verify().ok


def test_a_day_that_is_not_closed_is_left_alone(project: Project):
    project.live(0)
    assert project.seal(0) == ()
    assert project.ledger.head().seq == 0


def test_sealing_twice_changes_nothing(project: Project):
    project.live(0)
    project.seal(1)
    head = project.ledger.head()
    assert project.seal(1) == ()
    assert project.ledger.head() == head


def test_a_sealed_day_is_never_judged_again(project: Project):
    project.seal(1)
    project.live(0)
    assert project.seal(1) == ()
    assert [seal_of(row).verdict for row in project.ledger.read(kinds=("seal",))] == ["missing"]


def test_a_clock_that_went_back_seals_nothing(project: Project):
    project.live(0, 1)
    project.seal(2)
    with pytest.raises(ClockWentBack):
        project.seal(1)


def test_a_second_sealer_that_lost_the_race_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.live(0)
    real = project.claims.read

    def slow(**narrowed):
        monkeypatch.setattr(project.claims, "read", real)
        project.seal(1)
        return real(**narrowed)

    monkeypatch.setattr(project.claims, "read", slow)
    with pytest.raises(HeadMoved):
        project.seal(1, minute=11)
    assert len(project.ledger.read(kinds=("seal",))) == 1


def test_the_same_seal_twice_is_written_once(project: Project, monkeypatch: pytest.MonkeyPatch):
    """The commit went through and its answer was lost: the second attempt finds the day whole."""
    project.live(0)
    real, lost = project.ledger.append, []

    def answer_lost(entries, after=None):
        entries = tuple(entries)
        head = real(entries, after=after)
        lost.append(head)
        return real(entries, after=after)

    monkeypatch.setattr(project.ledger, "append", answer_lost)
    assert verdicts(project.seal(1)) == [(0, "green")]
    assert lost and len(project.ledger.read(kinds=("seal",))) == 1 and project.ledger.verify().ok


class Killed(BaseException):
    """The process ends here: no handler of the product sees it."""


@pytest.mark.parametrize("at_step", ["before the commit", "behind the data, before the commit", "behind the commit"])
def test_a_sealer_killed_anywhere_leaves_the_day_whole_or_not_at_all(project: Project, monkeypatch: pytest.MonkeyPatch, at_step: str):
    """Claims stand, calendar stands, and the day's own commit is the one that is killed."""
    project.live(0)
    real = ledger_room.write_deltalake

    def killed(table: DeltaTable, rows: pa.Table, **options: Any) -> None:
        if "seal" not in rows["kind"].to_pylist():
            return real(table, rows, **options)
        if at_step == "behind the commit":
            real(table, rows, **options)
        elif at_step == "behind the data, before the commit":
            pq.write_table(rows, Path(project.ledger.location) / "part-00000-of-nobody.parquet")
        raise Killed

    monkeypatch.setattr(ledger_room, "write_deltalake", killed)
    with pytest.raises(Killed):
        project.seal(1)
    monkeypatch.setattr(ledger_room, "write_deltalake", real)
    kinds = [row.entry.kind for row in project.ledger.read()]
    assert kinds in (["decision"], ["decision", "evidence", "seal"]), "no evidence without its seal"
    project.ledger = Ledger(project.ledger.location)
    project.seal(1, minute=40)
    assert [row.entry.kind for row in project.ledger.read()] == ["decision", "evidence", "seal"]
    assert [seal_of(row).verdict for row in project.ledger.read(kinds=("seal",))] == ["green"]
    assert project.ledger.verify().ok


def test_an_instance_restored_from_last_weeks_backup_takes_no_sealed_day_and_makes_none_green(project: Project):
    project.live(*range(7))
    project.seal(3)
    sealed = project.ledger.head()
    first = DATE + 3 * ONE
    old = project.witnessed
    # Dagster's storage is a week old again: it knows neither the ticks nor the runs of the days that wait for their seal.
    project.witnessed = Witnessed(
        tuple(tick for tick in old.ticks if tick.at < at(first)),
        tuple(run for run in old.runs if run.started_at and run.started_at < at(first)),
        (),
    )
    assert verdicts(project.seal(7)) == [(day, "missing") for day in range(3, 7)]
    assert project.ledger.now().hashes([sealed.seq]) == {sealed.seq: sealed.hash}
    told = {each.code for row in project.ledger.read(kinds=("evidence",), since=first) for each in row.entry.reasons if row.entry.day}
    assert told == {"seal.run_unknown"}, "why none of these pulls counts"


def test_a_seal_comes_back_from_the_ledger_without_its_evidence(project: Project):
    project.live(0)
    (made,) = project.seal(1)
    (row,) = project.ledger.read(kinds=("seal",))
    assert seal_of(row) == replace(made, evidence=())


def test_the_evidence_row_keeps_what_was_witnessed(project: Project):
    project.live(0)
    project.seal(1)
    (row,) = project.ledger.read(kinds=("evidence",))
    entry = row.entry
    assert (entry.verdict, entry.trigger, entry.tick) == ("counted", "schedule", "schedule:orders_daily@2026-11-15T20:00:00Z")
    assert entry.balance is not None and entry.balance.exact and entry.checks


def test_a_forged_claim_stands_in_the_ledger_as_a_finding(project: Project):
    forged = claim(run_id="run-forged")
    project.claims.append(forged)
    project.witnessed = Witnessed((), (run_of(forged),), ())
    assert verdicts(project.seal(1)) == [(0, "missing")]
    (finding,) = project.ledger.read(kinds=("finding",))
    assert (finding.entry.run_id, finding.entry.reasons[0].code) == ("run-forged", "seal.not_in_tick")
    (evidence,) = project.ledger.read(kinds=("evidence",))
    assert evidence.entry.verdict == "not_counted"


def test_freshness_is_measured_across_sealed_days_and_red_ones(project: Project):
    plan = replace(project.calendar.streams[0], freshness=timedelta(hours=25))
    project.calendar = replace(project.calendar, streams=(plan,))
    project.live(0, 2)
    project.seal(1)
    project.seal(2)
    (third,) = project.seal(3)
    assert (third.verdict, third.reasons[0].code, third.reasons[0].params["gap_hours"]) == ("red", "seal.stale", 48.0)


def test_a_stream_that_joins_late_is_judged_from_the_first_unsealed_day(project: Project):
    project.live(0, 1)
    project.live(0, 1, streams=("erp/items",))
    project.seal(1)
    both = calendar(streams=(STREAM, "erp/items"))
    assert {(seal.stream, seal.day) for seal in project.seal(2, calendar=both)} == {(STREAM, DATE + ONE), ("erp/items", DATE + ONE)}


def test_the_unsealed_days_say_how_far_back_ticks_must_reach(project: Project):
    assert [day.date for day in unsealed_days(project.ledger, project.calendar, at(DATE + 3 * ONE), "production")] == [
        DATE + n * ONE for n in range(3)
    ]


def test_what_another_environment_sealed_seals_nothing_here(project: Project):
    project.live(0, 1)
    staging = replace(PRODUCTION, environment="staging")
    seal_closed_days(project.ledger, project.claims, project.witnessed, project.calendar, staging, at(DATE + 2 * ONE), "wall")
    assert verdicts(project.seal(morning_of=2)) == [(0, "green"), (1, "green")]
    assert project.ledger.last_seal("staging") != project.ledger.last_seal("production")


def test_a_clock_that_is_far_ahead_seals_a_year_only_where_a_person_names_the_day(project: Project):
    month = unsealed_days(project.ledger, project.calendar, at(DATE + AT_ONCE * ONE), "production")
    asked_for(month, None)
    year = unsealed_days(project.ledger, project.calendar, at(DATE + 397 * ONE), "production")
    with pytest.raises(ClockAhead, match=r"397 days from 2026-11-16 to 2027-12-17 .* --through 2027-12-17"):
        asked_for(year, None)
    asked_for(year, year[-1].date)
    with pytest.raises(ClockAhead, match="The last closed day without a seal is 2027-12-17, not 2026-11-17"):
        asked_for(year, DATE + ONE)


def test_a_flood_of_posts_is_told_by_its_count(project: Project):
    project.live(0)
    flood = tuple(Runless("check", STREAM, "values", SLOT + timedelta(seconds=n)) for n in range(600))
    project.witnessed = replace(project.witnessed, runless=(*flood, Runless("check", STREAM, "drift", SLOT)))
    assert verdicts(project.seal(morning_of=1)) == [(0, "green")]
    findings = [row.entry.reasons[0] for row in project.ledger.read(kinds=("finding",))]
    (rest,) = (each for each in findings if each.code == "seal.runless_events")
    assert rest.params["count"] + sum(each.code == "seal.runless_event" for each in findings) == 601
    assert len(findings) < 30


def test_a_machine_that_seals_knows_its_own_seals_and_no_others(project: Project, tmp_path: Path):
    memory = SealMemory(tmp_path / "home" / "sealed.json")
    project.live(0, 1)
    project.seal(morning_of=1, memory=memory)
    memory.hold(*newest(project))
    forged = [row.entry for row in project.ledger.read(kinds=("seal",))]
    project.ledger.append([replace(entry, day=DATE + ONE, verdict="green") for entry in forged])
    with pytest.raises(LedgerBroken, match=r"not written by the sealer of this machine.*sealed\.json"):
        memory.hold(*newest(project))
    memory.path.unlink()
    memory.hold(*newest(project))


def test_a_crash_between_noting_a_seal_and_writing_it_makes_nobody_a_stranger(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    memory = SealMemory(tmp_path / "sealed.json")
    project.live(0, 1)
    project.seal(morning_of=1, memory=memory)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Ledger, "append", killed)
        project.seal(morning_of=2, memory=memory)
    memory.about_to_write("what another try came to")
    memory.hold(*newest(project))
    project.seal(morning_of=2, memory=memory)
    memory.hold(*newest(project))


def test_a_memory_that_cannot_be_read_takes_nobodys_word(project: Project, tmp_path: Path):
    memory = SealMemory(tmp_path / "sealed.json")
    project.live(0)
    project.seal(morning_of=1, memory=memory)
    memory.path.write_text("{")
    with pytest.raises(LedgerBroken):
        memory.hold(*newest(project))


def newest(project: Project) -> tuple[int, str]:
    row = project.ledger.last_seal()
    assert row is not None
    return row.seq, row.hash


def killed(*told: object, **named: object) -> None:
    raise Killed


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lived=st.sets(st.integers(0, 3)), mornings=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_however_often_the_sealer_runs_the_seals_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, lived: set[int], mornings: list[int]
):
    project = Project(tmp_path_factory.mktemp("project"))
    project.live(*sorted(lived))
    for morning in [*sorted(mornings), 4, 4]:
        project.seal(morning)
    sealed = [seal_of(row) for row in project.ledger.read(kinds=("seal",))]
    assert verdicts(tuple(sealed)) == [(n, "green" if n in lived else "missing") for n in range(4)]
    assert project.ledger.verify().ok
