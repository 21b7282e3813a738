"""The calendar: what is due when, in the project's own time."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipelines.evidence.calendar import Cadence, Calendar, ClosedDays, StreamPlan, bounds, closed_days, closed_until, due_slots, slots_of
from pipelines.evidence.errors import CalendarError

from .worlds import TOKYO, at

BUSINESS = Cadence(5, days="jp_business")


def test_a_daily_slot_is_due_every_day_at_its_civil_hour():
    assert due_slots(Cadence(5, 30), date(2026, 11, 21), TOKYO) == (datetime(2026, 11, 20, 20, 30, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), False),
        (date(2026, 11, 23), False),
        (date(2026, 5, 6), False),
        (date(2026, 9, 22), False),
        (date(2026, 12, 30), False),
        (date(2026, 12, 28), True),
    ],
    ids=["a Friday", "a Saturday", "labour thanksgiving", "a substitute holiday", "a day between two holidays", "company day", "a Monday"],
)
def test_business_days_are_the_japanese_ones_and_the_companys(day: date, due: bool):
    closed = closed_days([2026], company=[date(2026, 12, 30)])
    assert bool(due_slots(BUSINESS, day, TOKYO, closed)) is due


def test_a_year_nobody_froze_is_refused_not_guessed():
    with pytest.raises(CalendarError) as refused:
        due_slots(BUSINESS, date(2027, 1, 4), TOKYO, closed_days([2026]))
    assert "2027" in str(refused.value)
    with pytest.raises(CalendarError):
        due_slots(BUSINESS, date(2026, 1, 5), TOKYO)


def test_the_frozen_list_decides_whatever_the_holidays_package_says():
    frozen = ClosedDays((2026,), frozenset())
    assert due_slots(BUSINESS, date(2026, 11, 23), TOKYO, frozen)


def test_a_day_holds_its_civil_hours():
    day = bounds(date(2026, 11, 16), TOKYO)
    assert (day.opens_at, day.closes_at) == (datetime(2026, 11, 15, 15, tzinfo=UTC), datetime(2026, 11, 16, 15, tzinfo=UTC))
    assert bounds(date(2026, 11, 16), TOKYO, 22).closes_at == datetime(2026, 11, 16, 13, tzinfo=UTC)


@pytest.mark.parametrize("hour", [0, 25])
def test_a_closing_hour_outside_the_day_is_refused(hour: int):
    with pytest.raises(CalendarError):
        bounds(date(2026, 11, 16), TOKYO, hour)


def test_a_slot_after_the_closing_hour_is_refused():
    plan = StreamPlan("erp/items", Cadence(23), date(2026, 11, 16))
    calendar = Calendar(TOKYO, (plan,), close_hour=22)
    with pytest.raises(CalendarError):
        slots_of(plan, bounds(date(2026, 11, 16), TOKYO, 22), calendar)


def test_a_day_is_closed_from_its_closing_instant_on():
    calendar = Calendar(TOKYO, (), close_hour=22)
    today = date(2026, 11, 16)
    assert closed_until(calendar, at(today, 21, 59)) == date(2026, 11, 15)
    assert closed_until(calendar, at(today, 22, 0)) == today
    assert closed_until(Calendar(TOKYO, ()), at(today, 0, 0)) == date(2026, 11, 15)
