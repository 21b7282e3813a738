"""The calendar as the chain knows it: written down before a day begins, in force from the next one. What is edited afterwards judges nothing.

A day that failed must not become a holiday by an edit of the project file. So the sealer judges each day under the calendar that stood
in the chain before that day began; the first calendar ever written down also holds for the days before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from pipelines.evidence.calendar import DAY, Cadence, Calendar, ClosedDays, Day, StreamPlan, bounds, slots_of
from pipelines.evidence.chain import ChainRow, Entry, Kind, canonical, fingerprint, instant_text
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.errors import CalendarError, LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.places import Places
from pipelines.evidence.reasons import Reason, reason

#: Subject and verdict of the rows this module writes and reads; ``RECORDER`` is their actor.
SUBJECT, VERDICT, RECORDER = "calendar", "calendar", "sealer"
#: The kinds of rows ``recorded`` needs.
KINDS: tuple[Kind, ...] = ("decision",)


@dataclass(frozen=True)
class Recorded:
    """One calendar of the chain: what it says, and the first civil day it holds for. ``cadences`` are by stream."""

    holds_from: date
    timezone: str
    close_hour: int
    closed: ClosedDays | None
    cadences: tuple[tuple[str, Cadence], ...]
    fingerprint: str

    def cadence(self, stream: str) -> Cadence | None:
        return dict(self.cadences).get(stream)

    def knows(self, stream: str, day: date) -> bool:
        """Whether it says if ``stream`` is due on ``day``: it names the stream, and the year's closed days where they count."""
        cadence = self.cadence(stream)
        return cadence is not None and (cadence.days == "daily" or (self.closed is not None and day.year in self.closed.years))


def terms(calendar: Calendar) -> dict[str, Any]:
    """All of a calendar that decides whether a slot is due, as JSON types."""
    closed = calendar.closed
    return {
        "timezone": calendar.timezone,
        "close_hour": calendar.close_hour,
        "closed": None if closed is None else {"years": sorted(closed.years), "days": sorted(day.isoformat() for day in closed.days)},
        "cadences": {plan.stream: _told(plan.cadence) for plan in calendar.streams},
    }


def record(ledger: Ledger, calendar: Calendar, environment: Environment, clock: ClockKind, now: datetime) -> bool:
    """Write the calendar into the chain where the newest one there says something else. Returns whether a row was written."""
    known = recorded(ledger.read(kinds=KINDS), environment, Places())
    own = terms(calendar)
    if not calendar.streams or (known and known[-1].fingerprint == fingerprint(own)):
        return False
    ledger.push(
        [
            Entry(
                kind="decision",
                environment=environment,
                clock=clock,
                subject=SUBJECT,
                finished_at=now,
                verdict=VERDICT,
                reasons=(reason("calendar.recorded", fingerprint=fingerprint(own), terms=canonical(own).decode()),),
                actor=RECORDER,
            )
        ]
    )
    return True


def recorded(rows: Iterable[ChainRow], environment: Environment, places: Places) -> tuple[Recorded, ...]:
    """The calendars of an environment in chain order, out of its decision rows.

    A row holds from the first day that begins after it was written. Its own date could be set back, so its place counts too: a row
    written before day D began stands before the seal of the day before D.
    """
    found: list[Recorded] = []
    for row in rows:
        entry = row.entry
        if (entry.environment, entry.kind, entry.subject, entry.verdict) == (environment, "decision", SUBJECT, VERDICT):
            found.append(_recorded(row, places.sealed_before(row.seq), found[-1].timezone if found else None))
    return tuple(found)


def day_of(known: Sequence[Recorded], calendar: Calendar, day: date) -> Day:
    """The civil ``day`` as it opened and closed under the calendar in force on it."""
    said = _for_day(known, day)
    return bounds(day, said.timezone, said.close_hour) if said else bounds(day, calendar.timezone, calendar.close_hour)


def due_of(known: Sequence[Recorded], calendar: Calendar, plan: StreamPlan, day: Day) -> tuple[datetime, ...]:
    """The slots (UTC) that ``plan``'s stream owed on ``day``, under the calendar in force on it. Raises CalendarError as ``slots_of`` does.

    A stream nobody had named before the day, or a year whose closed days nobody had frozen, takes the first record that does: what was
    never said cannot have been changed. Without any record the calendar is its own first one.
    """
    whole, said = _for_day(known, day.date), _for_stream(known, plan.stream, day.date)
    if whole is None or said is None:
        return slots_of(plan, day, calendar)
    then = replace(calendar, timezone=whole.timezone, close_hour=whole.close_hour, closed=said.closed)
    return slots_of(replace(plan, cadence=said.cadence(plan.stream) or plan.cadence), day, then)


def changed_after(known: Sequence[Recorded], calendar: Calendar, plan: StreamPlan, day: Day, due: Sequence[datetime]) -> Reason | None:
    """What to put on record where the project's calendar of today would have made another ``day`` of it than ``due``."""
    try:
        now_due = slots_of(plan, day_of((), calendar, day.date), calendar)
    except CalendarError as error:
        return reason("seal.calendar_changed_late", in_force=_slots(due), edited=error.code)
    return (
        None if not known or tuple(due) == now_due else reason("seal.calendar_changed_late", in_force=_slots(due), edited=_slots(now_due))
    )


def _told(cadence: Cadence) -> list[Any]:
    plain: list[Any] = [cadence.hour, cadence.minute, cadence.days]
    return [*plain, [list(each) for each in cadence.more], list(cadence.weekdays)] if cadence.more or cadence.weekdays else plain


def _cadence(told: Sequence[Any]) -> Cadence:
    hour, minute, days, *rest = told
    more, weekdays = rest or ((), ())
    known = cast(Literal["daily", "jp_business"], days)
    return Cadence(int(hour), int(minute), known, tuple((int(at), int(past)) for at, past in more), tuple(int(day) for day in weekdays))


def is_working_day(known: Sequence[Recorded], day: date) -> bool:
    """Monday to Friday and not closed, by the calendar in force on ``day``; closed days that nobody froze are not known here."""
    said = _for_day(known, day)
    return day.weekday() < 5 and (said is None or said.closed is None or day not in said.closed.days)


def _slots(due: Sequence[datetime]) -> str:
    return ", ".join(instant_text(slot) for slot in due) or "no slot"


def _for_day(known: Sequence[Recorded], day: date) -> Recorded | None:
    return next((each for each in reversed(known) if each.holds_from <= day), known[0] if known else None)


def _for_stream(known: Sequence[Recorded], stream: str, day: date) -> Recorded | None:
    before = [each for each in known if each.holds_from <= day and each.cadence(stream) is not None]
    if before and before[-1].knows(stream, day):
        return before[-1]
    later = known if not before else known[known.index(before[-1]) :]
    return next((each for each in later if each.knows(stream, day)), before[-1] if before else None)


def _recorded(row: ChainRow, sealed: date | None, timezone_before: str | None) -> Recorded:
    written = row.entry.finished_at
    said = next((each.params for each in row.entry.reasons if each.code == "calendar.recorded"), None)
    if written is None or said is None:
        raise LedgerBroken("ledger.broken", seq=row.seq, why="a calendar row without a calendar")
    own = cast(dict[str, Any], json.loads(str(said["terms"])))
    # A calendar must not bring its own day forward by naming another zone.
    zones = {str(own["timezone"]), timezone_before or str(own["timezone"])}
    holds_from = max(written.astimezone(ZoneInfo(zone)).date() for zone in zones) + DAY
    if sealed is not None:
        holds_from = max(holds_from, sealed + 2 * DAY)
    closed = own["closed"]
    return Recorded(
        holds_from,
        str(own["timezone"]),
        int(own["close_hour"]),
        None if closed is None else ClosedDays(tuple(closed["years"]), frozenset(date.fromisoformat(day) for day in closed["days"])),
        tuple((stream, _cadence(told)) for stream, told in own["cadences"].items()),
        fingerprint(own),
    )
