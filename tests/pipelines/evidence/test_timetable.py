"""The calendar in the chain: what was written down before a day began judges it, whatever the project file says afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evidence.calendar import Cadence, Calendar, ClosedDays, StreamPlan
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, link
from pipelines.evidence.claims import ClaimStore
from pipelines.evidence.errors import CalendarError
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.places import Places, places_of
from pipelines.evidence.sealer import seal_closed_days
from pipelines.evidence.seals import Seal
from pipelines.evidence.timetable import record, recorded
from pipelines.evidence.witness import Witnessed

from .worlds import DATE, PRODUCTION, STREAM, TOKYO, at, witnessed_days

ONE = timedelta(days=1)
OTHER = "erp/items"


def plan(*closed: date, years: tuple[int, ...] = (2026,), hour: int = 5, streams: tuple[str, ...] = (STREAM,), **changes) -> Calendar:
    """A calendar of Japanese business days with these days closed."""
    made = tuple(StreamPlan(stream, Cadence(hour, 0, "jp_business"), DATE) for stream in streams)
    return replace(Calendar(TOKYO, made, 24, ClosedDays(years, frozenset(closed))), **changes)


class Project:
    def __init__(self, root: Path) -> None:
        self.ledger, self.claims = Ledger(str(root / "ledger")), ClaimStore(str(root / "claims"))
        self.seen = Witnessed()

    def live(self, *days: int, streams: tuple[str, ...] = (STREAM,)) -> None:
        claims, self.seen = witnessed_days([DATE + n * ONE for n in days], streams)
        for each in claims:
            self.claims.append(each)

    def note(self, calendar: Calendar, day: int, hour: int = 6) -> bool:
        """What every build does: put the calendar of the project file into the chain."""
        return record(self.ledger, calendar, "production", "wall", at(DATE + day * ONE, hour))

    def seal(self, morning_of: int, calendar: Calendar) -> list[str]:
        return [seal.verdict for seal in self.seals(morning_of, calendar)]

    def seals(self, morning_of: int, calendar: Calendar) -> tuple[Seal, ...]:
        return seal_closed_days(self.ledger, self.claims, self.seen, calendar, PRODUCTION, at(DATE + morning_of * ONE), "wall")

    def findings(self) -> list[tuple[date | None, str]]:
        return [(row.entry.day, row.entry.reasons[0].code) for row in self.ledger.read(kinds=("finding",))]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_failed_day_is_not_made_a_holiday_afterwards_and_the_attempt_stands_on_record(project: Project):
    project.live(0)
    assert project.seal(1, plan()) == ["green"]
    assert project.seal(2, plan(DATE + ONE)) == ["missing"]
    assert project.findings() == [(DATE + ONE, "seal.calendar_changed_late")]


def test_a_failed_slot_is_not_moved_to_an_hour_that_ran_afterwards(project: Project):
    project.seal(1, plan())
    project.live(1)
    assert project.seal(2, plan(hour=4)) == ["green"], "judged by the slot that was due, which was met"
    assert project.findings() == [(DATE + ONE, "seal.calendar_changed_late")]


def test_a_day_is_not_cut_short_by_another_time_zone_or_closing_hour(project: Project):
    project.seal(1, plan())
    project.live(1)
    (seal,) = project.seals(2, plan(close_hour=3, hour=1))
    assert seal.verdict == "green"


def test_a_holiday_written_down_before_it_began_is_excused(project: Project):
    project.seal(1, plan())
    assert project.note(plan(DATE + 2 * ONE), 1)
    assert project.seal(2, plan(DATE + 2 * ONE)) == ["missing"]
    assert project.seal(3, plan(DATE + 2 * ONE)) == ["excused"]
    assert project.findings() == []


def test_a_holiday_written_down_on_the_day_itself_comes_too_late(project: Project):
    project.seal(1, plan())
    project.note(plan(DATE + ONE), 1, hour=0)
    assert project.seal(2, plan(DATE + ONE)) == ["missing"]


def test_the_first_calendar_written_down_holds_from_the_beginning(project: Project):
    assert project.seal(2, plan(DATE)) == ["excused", "missing"]


def test_a_row_dated_back_holds_no_earlier_than_its_place_in_the_chain(project: Project):
    project.seal(1, plan())
    project.seal(2, plan())
    project.ledger.push([replace(row.entry, finished_at=at(DATE)) for row in _rows_of(plan(DATE + 2 * ONE))])
    assert project.seal(3, plan(DATE + 2 * ONE)) == ["missing"]


def test_a_calendar_that_names_a_zone_further_west_does_not_hold_a_day_earlier(project: Project):
    project.seal(1, plan())
    project.note(plan(DATE + 2 * ONE, timezone="Pacific/Pago_Pago"), 2, hour=0)
    (_, late) = recorded(project.ledger.read(), "production", places_of(project.ledger.read()))
    assert late.holds_from == DATE + 3 * ONE


def test_a_stream_that_joins_is_due_under_the_first_calendar_that_names_it(project: Project):
    project.seal(1, plan())
    project.live(1, streams=(STREAM, OTHER))
    assert project.seal(2, plan(streams=(STREAM, OTHER))) == ["green", "green"]


def test_a_year_nobody_had_frozen_waits_for_its_holidays_and_then_takes_the_first_that_were_given(project: Project):
    thursday, friday = date(2026, 12, 31), date(2027, 1, 1)
    ahead = (thursday - DATE).days
    old = plan(*(DATE + n * ONE for n in range(ahead + 1)))
    project.note(old, 0)
    with pytest.raises(CalendarError):
        project.seal(ahead + 2, old)
    new = replace(old, closed=ClosedDays((2026, 2027), frozenset({friday, thursday})))
    assert project.seal(ahead + 3, new)[-2:] == ["excused", "excused"], "new year's day, and a Saturday"
    assert project.ledger.verify().ok


def test_the_same_calendar_is_written_once_and_one_of_another_environment_counts_for_nothing(project: Project):
    assert project.note(plan(), 0)
    assert not project.note(plan(), 1)
    assert recorded(project.ledger.read(), "sandbox", Places()) == ()
    assert len(recorded(project.ledger.read(), "production", places_of(project.ledger.read()))) == 1


@given(edits=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 23), st.sets(st.integers(0, 6))), max_size=5))
def test_no_edit_changes_what_a_day_owes_once_it_has_begun(tmp_path_factory: pytest.TempPathFactory, edits):
    known: list[tuple[int, set[int]]] = [(-1, set())]
    rows: list[Entry] = [row.entry for row in _rows_of(plan())]
    for day, hour, closed in sorted(edits, key=lambda each: each[:2]):
        (row,) = _rows_of(plan(*(DATE + n * ONE for n in closed)))
        rows.append(replace(row.entry, finished_at=at(DATE + day * ONE, hour)))
        known.append((day, closed))
    said = recorded(link(rows, GENESIS), "production", places_of(link(rows, GENESIS)))
    for day in range(7):
        before = [closed for written, closed in known if written < day][-1]
        held = [each for each in said if each.holds_from <= DATE + day * ONE]
        frozen = (held[-1] if held else said[0]).closed
        assert frozen is not None and {(each - DATE).days for each in frozen.days} == before


def _rows_of(calendar: Calendar) -> tuple[ChainRow, ...]:
    """The row a calendar is written as, dated long before."""

    class Kept:
        entries: tuple[Entry, ...] = ()

        def read(self, **narrowed) -> tuple[ChainRow, ...]:
            return ()

        def push(self, entries) -> None:
            self.entries = tuple(entries)

    kept = Kept()
    record(kept, calendar, "production", "wall", at(DATE - 5 * ONE))  # type: ignore[arg-type]
    return link(kept.entries, GENESIS)
