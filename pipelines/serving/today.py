"""Today's access of an index, re-read whenever something new is published: the overlay, who is who, and how old all that is."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connectors.errors import FortnightError
from pipelines.clock import Clock
from pipelines.index.overlay import Overlay
from pipelines.landing.snapshot import Snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.roster import known_roster
from pipelines.serving.callers.accounts import Accounts, accounts_of
from pipelines.serving.callers.identity import Directory, Person, closures
from pipelines.serving.callers.tokens import Caller
from pipelines.serving.desk import directories, newest_access, pinned
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.retrieval import Asker

#: People whose principals are remembered while nothing new is published.
MOST = 10_000
#: A storage that has not confirmed a reading for so long is as good as silent.
SLOW = timedelta(seconds=10)


@dataclass(frozen=True)
class Today:
    """One reading. ``records`` are the numbers it was read at; ``pulled_at`` is when each stream last came in. ``checked_at`` says when storage last
    confirmed that nothing newer is published; ``degraded`` that it could not be asked since, or has not answered yet."""

    records: tuple[tuple[str, int], ...]
    overlay: Overlay
    directories: tuple[Directory, ...]
    accounts: Accounts
    read_at: datetime
    pulled_at: Mapping[str, datetime]
    checked_at: datetime
    degraded: bool = False
    _known: dict[Caller, tuple[Person, Mapping[str, frozenset[str]]]] = field(
        default_factory=dict[Caller, tuple[Person, Mapping[str, frozenset[str]]]], compare=False
    )

    def asker(self, caller: Caller, public: frozenset[str], trace_id: str) -> Asker:
        """The caller with all they may act under. An app without a person gets what is declared public and nothing of anybody's."""
        if caller.app_only:
            return Asker(caller.key, dict.fromkeys(self.pulled_at, public), self.read_at, trace_id, caller.client)
        if caller not in self._known:
            someone = self.accounts.of(caller)
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[caller] = someone, closures(someone, self.directories, caller.now_in)
        someone, reached = self._known[caller]
        return Asker(someone.id, reached, self.read_at, trace_id, caller.client)


class Watch:
    """Keeps today's access of one index. Safe to share between threads: one re-reads, the others go on with what is known."""

    def __init__(self, project: Project, index: str, clock: Clock, refresh: timedelta) -> None:
        self._project, self._index, self._clock, self._refresh = project, index, clock, refresh
        self._lock = threading.Lock()
        self._today: Today | None = None

    def today(self) -> Today:
        """The newest reading. Where storage is silent, or another reads and is not back for ``SLOW``, the last one, marked.

        Its own ages still bound how long it may be used. Raises AnswerWithheld where there is nothing to go on with.
        """
        known, now = self._today, self._clock.now()
        if known is not None and timedelta() <= now - known.checked_at < self._refresh:
            return known
        if not self._lock.acquire(blocking=known is None):
            assert known is not None
            return known if timedelta() <= now - known.checked_at < max(self._refresh, SLOW) else replace(known, degraded=True)
        try:
            if self._today is not known and self._today is not None:
                return self._today
            self._today = self._read(known, now)
            return self._today
        finally:
            self._lock.release()

    def _read(self, known: Today | None, now: datetime) -> Today:
        from deltalake.exceptions import DeltaError
        from obstore.exceptions import BaseError

        try:
            pins = pinned(self._project, self._index, Warehouse(self._project.root))
            records = _records(pins)
            if known is not None and known.records == records:
                return replace(known, checked_at=now, degraded=False)
            found, read_at = directories(self._project, pins)
            overlay = newest_access(self._project, pins, self._index)
        except (FortnightError, OSError, DeltaError, BaseError) as error:
            if known is None:
                raise AnswerWithheld(Reason.UNAVAILABLE, retry_after=30, what=type(error).__name__) from error
            return replace(known, checked_at=now, degraded=True)
        pulled = {pin.stream: datetime.fromisoformat(pin.record.published_at) for pin in pins}
        return Today(records, overlay, found, accounts_of(found), read_at, pulled, now)


def _records(pins: Sequence[Snapshot]) -> tuple[tuple[str, int], ...]:
    """What a reading rests on: the streams' records, and those of their systems' rosters."""
    warehouse = pins[0].warehouse
    rosters = [roster for system in sorted({pin.stream.partition("/")[0] for pin in pins}) if (roster := known_roster(warehouse, system))]
    return tuple((pin.stream, pin.record.number) for pin in (*pins, *rosters))
