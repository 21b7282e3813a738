"""The calendar: which slots a stream owes on a civil day, and when that day opens and closes. Pure functions; the project freezes its holidays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pipelines.evidence.errors import CalendarError

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cadence:
    """When a stream is due: at ``hour:minute`` of the project's time zone and at each of ``more`` (hour, minute), every day or on Japanese
    business days; ``weekdays`` (0 is Monday) narrows that further where it is not empty."""

    hour: int
    minute: int = 0
    days: Literal["daily", "jp_business"] = "daily"
    more: tuple[tuple[int, int], ...] = ()
    weekdays: tuple[int, ...] = ()

    @property
    def times(self) -> tuple[time, ...]:
        """Each time of a due day, earliest first."""
        return tuple(sorted({time(hour, minute) for hour, minute in ((self.hour, self.minute), *self.more)}))


@dataclass(frozen=True)
class ClosedDays:
    """Days without business, frozen into the project, and the years that list was made for."""

    years: tuple[int, ...]
    days: frozenset[date]


@dataclass(frozen=True)
class Day:
    """A civil date of the project with the instants (UTC) at which it opens and closes; a day holds ``opens_at <= t < closes_at``."""

    date: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True)
class StreamPlan:
    """What one stream owes: its cadence, the first day it is due, the longest gap allowed between good pulls, and the checks that
    must stand in every run beside those the claim names."""

    stream: str
    cadence: Cadence
    starts: date
    freshness: timedelta | None = None
    required_checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """The project's calendar. ``close_hour`` (1 to 24) is the hour of the same civil day at which it closes; 24 is midnight."""

    timezone: str
    streams: tuple[StreamPlan, ...]
    close_hour: int = 24
    closed: ClosedDays | None = None


def closed_days(years: Iterable[int], company: Iterable[date] = ()) -> ClosedDays:
    """Japanese public holidays (substitute holidays included) of ``years`` and the company's own days: run once, then kept in the project.

    Later releases of the holidays package must not change days that were already judged, hence frozen.
    """
    from holidays import country_holidays  # a large package that no code location needs at load

    wanted = tuple(sorted(set(years)))
    return ClosedDays(wanted, frozenset(country_holidays("JP", years=wanted)) | frozenset(company))


def is_business_day(day: date, closed: ClosedDays | None) -> bool:
    """Monday to Friday and not closed. A year nobody froze raises CalendarError: an unknown holiday must not read as a working day."""
    if closed is None or day.year not in closed.years:
        raise CalendarError("calendar.not_frozen", year=day.year)
    return day.weekday() < 5 and day not in closed.days


def due_slots(cadence: Cadence, day: date, tz: str, closed: ClosedDays | None = None) -> tuple[datetime, ...]:
    """The instants (UTC) at which ``cadence`` owes a pull on the civil ``day`` of ``tz``; none on a closed day."""
    if cadence.weekdays and day.weekday() not in cadence.weekdays:
        return ()
    if cadence.days == "jp_business" and not is_business_day(day, closed):
        return ()
    zone = ZoneInfo(tz)
    # Where clocks go forward two times may fall on one instant.
    return tuple(sorted({datetime.combine(day, at, tzinfo=zone).astimezone(UTC) for at in cadence.times}))


def bounds(day: date, tz: str, close_hour: int = 24) -> Day:
    """The civil ``day`` with its opening and closing instants in UTC."""
    if not 1 <= close_hour <= 24:
        raise CalendarError("calendar.close_hour", close_hour=close_hour)
    zone = ZoneInfo(tz)
    closing = datetime.combine(day + DAY, time(), tzinfo=zone) if close_hour == 24 else datetime.combine(day, time(close_hour), tzinfo=zone)
    return Day(day, datetime.combine(day, time(), tzinfo=zone).astimezone(UTC), closing.astimezone(UTC))


def slots_of(plan: StreamPlan, day: Day, calendar: Calendar) -> tuple[datetime, ...]:
    """The due slots of one stream on ``day``. A slot that the closing hour would make impossible raises CalendarError."""
    slots = due_slots(plan.cadence, day.date, calendar.timezone, calendar.closed)
    for slot in slots:
        if slot >= day.closes_at:
            raise CalendarError("calendar.slot_after_close", stream=plan.stream, close_hour=calendar.close_hour)
    return slots


def closed_until(calendar: Calendar, now: datetime) -> date:
    """The last civil date that is closed at ``now`` (aware)."""
    today = now.astimezone(ZoneInfo(calendar.timezone)).date()
    return today if now >= bounds(today, calendar.timezone, calendar.close_hour).closes_at else today - DAY
