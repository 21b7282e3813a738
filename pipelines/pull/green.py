"""Which pulls teach: those of days that were sealed green, one a day. A day that was not green teaches nothing, whatever its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from expectations.bands import Taught
from pipelines.evidence.archive import MOVED
from pipelines.evidence.claims import Claim
from pipelines.evidence.plan import LEDGER, claims_of, environment_of, ledger_of
from pipelines.evidence.reading import Reading
from pipelines.landing import numbers
from pipelines.landing.handles import Handles
from pipelines.landing.published import open_store
from pipelines.project import Project

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from obstore.store import ObjectStore

#: Civil days back from now that are looked at: two months hold twice the days that can teach.
SPAN = timedelta(days=60)
_NAMES = ("kind", "subject", "day", "verdict", "outcome", "pull_id", "finished_at")


class Green:
    """The green days of a project's streams, read from the ledger once for all pulls that come before it says something else.

    Its numbers teach and are no proof, so the ledger stays open from one pull of a run to the next, as long as its log ends where the handle
    does. For one thread.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._handles = Handles(project.root, open_store(project.root))
        self._read: tuple[object, ...] = ()
        self._days: Mapping[str, Mapping[date, str]] = {}

    def taught(self, store: ObjectStore, stream: str, now: datetime) -> tuple[Taught, ...]:
        """The numbers of the green days before ``now`` (aware), oldest first."""
        days = self.pulls(stream, now)
        found = numbers.of(store, stream, days.values())
        return tuple(Taught(day, found[pull_id]) for day, pull_id in sorted(days.items()) if pull_id in found)

    def pulls(self, stream: str, now: datetime) -> Mapping[date, str]:
        """The pull that stands for each green day: the last of those that counted.

        A stream that was never sealed has nobody to witness for it (pulls by hand, a project without Dagster): there the last pull of a day
        stands for it, where no pull of that day failed a check. With the first seal that ends.
        """
        since = now.astimezone(ZoneInfo(self._project.file.timezone)).date() - SPAN
        table = self._handles.open(LEDGER, moving=True)
        read = (table, table.version() if table is not None else -1, since)
        if self._read != read:
            self._days = {} if table is None else _green(self._rows(table, since))
            self._read = read
        found = self._days.get(stream)
        return _unsealed(self._project, stream, since) if found is None else found

    def _rows(self, table: DeltaTable, since: date) -> list[dict[str, Any]]:
        """What decides, of the seals, evidence and amendments of this project's environment since a day."""
        read = Reading(table, ledger_of(self._project).archive)
        own = pc.field("environment") == environment_of(self._project)
        wanted = own & pc.field("kind").isin(["seal", "evidence", "amendment"]) & (pc.field("day") >= since)
        rows = read.columns(("seq", "schema", *_NAMES), wanted).to_pylist()
        moved = {row["subject"] for row in rows if row["schema"] == MOVED}
        if not moved:
            return rows
        whole = (row.entry for row in read.read(kinds=("evidence",), subjects=moved, since=since))
        told = [{name: getattr(one, name) for name in _NAMES} for one in whole if one.environment == self._project.environment]
        return [row for row in rows if row["kind"] != "evidence" or row["subject"] not in moved] + told


def _green(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Mapping[date, str]]:
    """By stream that was sealed, the pull of each green day. Whoever may amend may take a green day away; of two seals the worse counts."""
    sealed: dict[str, dict[date, bool]] = defaultdict(dict)
    counted: list[Mapping[str, Any]] = []
    taken: set[tuple[str, date]] = set()
    for row in rows:
        stream, day = row["subject"], row["day"]
        if row["kind"] == "seal":
            sealed[stream][day] = sealed[stream].get(day, True) and row["verdict"] == "green"
        elif row["kind"] == "amendment":
            taken |= {(stream, day)} if row["verdict"] == "exclude" else set()
        elif row["verdict"] == "counted" and row["outcome"] == "succeeded" and row["finished_at"] and row["pull_id"]:
            counted.append(row)
    found: dict[str, dict[date, str]] = {stream: {} for stream in sealed}
    for row in sorted(counted, key=lambda row: (row["finished_at"], row["pull_id"])):
        stream, day = row["subject"], row["day"]
        if sealed.get(stream, {}).get(day) and (stream, day) not in taken:
            found[stream][day] = row["pull_id"]
    return found


def _unsealed(project: Project, stream: str, since: date) -> Mapping[date, str]:
    claims = [claim for claim in claims_of(project).read(stream=stream, since=since) if _of_the_day(claim, environment_of(project))]
    # A replay after a day's pull that was outside its bands is judged against none: it makes no good day of it.
    red = {claim.day for claim in claims if not all(check.passed for check in claim.checks)}
    good = [claim for claim in claims if claim.outcome == "succeeded" and claim.day not in red]
    return {claim.day: claim.pull_id for claim in sorted(good, key=lambda claim: (claim.finished_at, claim.pull_id))}


def _of_the_day(claim: Claim, environment: str) -> bool:
    # A backfill reads a window of the past: what it shows is no day of the stream's.
    return claim.environment == environment and claim.trigger != "backfill"
