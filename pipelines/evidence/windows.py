"""Maintenance windows of sources: on record before they begin, in project.yaml or by a person's signed decision. Excused, shown, never green.

That a window was on record in time says its own row, whose clock may have been set back. So it must be proven: a seal was made behind that row
before the window began, or two approvers signed for the same window, who may leave a red day out as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipelines.due import Maintenance
from pipelines.evidence.calendar import Calendar, bounds
from pipelines.evidence.chain import ChainRow, Entry, instant_text
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.decisions import RECORDER, Signatures, terms_of
from pipelines.evidence.history import Signed
from pipelines.evidence.places import Places
from pipelines.evidence.reasons import reason
from pipelines.evidence.seals import MaintenanceWindow

VERDICT = "window"
#: From the hour of the nightly seal on, until that is surely made.
_SEALED_WITHIN = timedelta(hours=1)


def window_entry(
    subject: str, starts_at: datetime, ends_at: datetime, why: str, environment: Environment, clock: ClockKind, now: datetime
) -> Entry:
    """A window of project.yaml, put on record at ``now``. ``subject`` is a system or a stream."""
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=subject,
        finished_at=now,
        verdict=VERDICT,
        reasons=(
            reason("decision.window", starts_at=instant_text(starts_at), ends_at=instant_text(ends_at)),
            reason("decision.why", why=why),
        ),
        actor=RECORDER,
    )


def unrecorded(declared: Iterable[Maintenance], rows: Iterable[ChainRow], timezone: str) -> list[tuple[str, datetime, datetime, str]]:
    """Those windows of project.yaml (system or stream, start, end in UTC, why) that no row tells of yet."""
    known = {(row.entry.subject, *_span(row)) for row in rows if row.entry.verdict == VERDICT and row.entry.kind == "decision"}
    zone = ZoneInfo(timezone)

    def instant(given: datetime) -> datetime:
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)

    found = [(each.of, instant(each.from_), instant(each.until), each.why) for each in declared]
    return [each for each in found if (each[0], instant_text(each[1]), instant_text(each[2])) not in known]


def declares_window(row: ChainRow) -> bool:
    """Whether a row is about a window at all."""
    return row.entry.kind == "decision" and row.entry.verdict in (VERDICT, "excuse")


def windows_of(
    rows: Iterable[ChainRow],
    calendar: Calendar,
    signed: Signed,
    places: Places,
    sealed: Sequence[tuple[int, datetime]] = (),
    approvers: Collection[str] = (),
) -> tuple[MaintenanceWindow, ...]:
    """The windows the chain knows, one for each stream they cover. A row stands where it stands: behind the seal of a day it was not written
    before that day had closed, whatever time it names. ``sealed`` are seal rows' numbers and the instants at which they were made;
    ``approvers`` those of whom two prove a window by their word."""
    listed = [row for row in rows if declares_window(row)]
    found: list[MaintenanceWindow] = []
    for row in listed:
        entry = row.entry
        own = entry.verdict == VERDICT and entry.actor == RECORDER
        if entry.finished_at is None or not (own or (entry.verdict == "excuse" and signed(row))):
            continue
        starts, ends = _span(row)
        if not starts:
            continue
        why = terms_of(entry, "decision.why") or {}
        begins = datetime.fromisoformat(starts)
        declared_at = max(entry.finished_at, *_not_before(places.sealed_before(row.seq), calendar))
        proven = any(seq > row.seq and at <= begins for seq, at in sealed) or bool(seconds(row, listed, signed, approvers))
        for stream in _covered(entry.subject, [plan.stream for plan in calendar.streams]):
            told = str(why.get("why", ""))
            found.append(
                MaintenanceWindow(stream, begins, datetime.fromisoformat(ends), declared_at, str(entry.actor), told, proven=proven)
            )
    return tuple(found)


def approvers_of(signatures: Signatures) -> frozenset[str]:
    """The approvers whom the chain knows at its end."""
    return frozenset(holder.person for holder in signatures.holders.values() if "approver" in holder.roles)


def seconds(own: ChainRow, rows: Iterable[ChainRow], signed: Signed, approvers: Collection[str]) -> tuple[str, ...]:
    """The other approvers who signed, before it began, for the very window that an approver's row is about."""
    if own.entry.actor not in approvers:
        return ()
    return tuple(
        str(row.entry.actor)
        for row in rows
        if row.entry.verdict == own.entry.verdict == "excuse"
        and (row.entry.subject, *_span(row)) == (own.entry.subject, *_span(own))
        and row.entry.actor != own.entry.actor
        and row.entry.actor in approvers
        and signed(row)
        and row.entry.finished_at is not None
        and instant_text(row.entry.finished_at) <= _span(row)[0]
    )


def begins_before_seal(row: ChainRow, now: datetime, timezone: str, seal_hour: int) -> bool:
    """Whether the window that ``row`` is about begins before the next nightly seal, which would prove that it was on record by then."""
    local = now.astimezone(ZoneInfo(timezone))
    night = local.replace(hour=seal_hour, minute=0, second=0, microsecond=0) + _SEALED_WITHIN
    if night <= local:
        night += timedelta(days=1)
    starts = _span(row)[0]
    return bool(starts) and datetime.fromisoformat(starts) < night


def _not_before(sealed: date | None, calendar: Calendar) -> list[datetime]:
    return [datetime.min.replace(tzinfo=UTC)] + (
        [] if sealed is None else [bounds(sealed, calendar.timezone, calendar.close_hour).closes_at]
    )


def _covered(subject: str, streams: Sequence[str]) -> list[str]:
    return [stream for stream in streams if stream == subject or stream.split("/")[0] == subject]


def _span(row: ChainRow) -> tuple[str, str]:
    told = terms_of(row.entry, "decision.window") or {}
    return str(told.get("starts_at", "")), str(told.get("ends_at", ""))
