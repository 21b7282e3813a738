"""Which pulls teach: those of days that were sealed green, one a day. A day that was not green teaches nothing, whatever its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from expectations.bands import Taught
from pipelines.evidence.claims import Claim
from pipelines.evidence.history import effective_seals
from pipelines.evidence.plan import claims_of, environment_of, ledger_of, own_rows
from pipelines.landing import numbers
from pipelines.project import Project

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: Civil days back from now that are looked at: two months hold twice the days that can teach.
SPAN = timedelta(days=60)


def taught(project: Project, store: ObjectStore, stream: str, now: datetime) -> tuple[Taught, ...]:
    """The numbers of the green days before ``now`` (aware), oldest first."""
    days = green_pulls(project, stream, now)
    found = numbers.of(store, stream, days.values())
    return tuple(Taught(day, found[pull_id]) for day, pull_id in sorted(days.items()) if pull_id in found)


def green_pulls(project: Project, stream: str, now: datetime) -> Mapping[date, str]:
    """The pull that stands for each green day: the last of those that counted.

    A stream that was never sealed has nobody to witness for it (pulls by hand, a project without Dagster): there the last pull of a day
    stands for it, where no pull of that day failed a check. With the first seal that ends.
    """
    since = now.astimezone(ZoneInfo(project.file.timezone)).date() - SPAN
    ledger = ledger_of(project)
    rows = own_rows(project, ledger.read(kinds=("seal", "evidence", "amendment"), subjects=(stream,), since=since))
    seals = effective_seals(rows)
    if not seals:
        return _unsealed(project, stream, since)
    green = {seal.day for seal in seals if seal.verdict == "green"} - {seal.day for seal in seals if seal.verdict != "green"}
    counted = [
        row.entry for row in rows if row.entry.kind == "evidence" and row.entry.verdict == "counted" and row.entry.outcome == "succeeded"
    ]
    last = sorted(
        (entry for entry in counted if entry.day in green and entry.finished_at and entry.pull_id), key=lambda e: (e.finished_at, e.pull_id)
    )
    return {entry.day: entry.pull_id for entry in last if entry.day is not None and entry.pull_id is not None}


def _unsealed(project: Project, stream: str, since: date) -> Mapping[date, str]:
    claims = [claim for claim in claims_of(project).read(stream=stream, since=since) if _of_the_day(claim, environment_of(project))]
    # A replay after a day's pull that was outside its bands is judged against none: it makes no good day of it.
    red = {claim.day for claim in claims if not all(check.passed for check in claim.checks)}
    good = [claim for claim in claims if claim.outcome == "succeeded" and claim.day not in red]
    return {claim.day: claim.pull_id for claim in sorted(good, key=lambda claim: (claim.finished_at, claim.pull_id))}


def _of_the_day(claim: Claim, environment: str) -> bool:
    # A backfill reads a window of the past: what it shows is no day of the stream's.
    return claim.environment == environment and claim.trigger != "backfill"
