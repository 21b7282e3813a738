"""The one clock. Domain code is handed one and reads time nowhere else."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

ClockKind = Literal["wall", "simulated"]


class Clock(Protocol):
    """``now()`` is aware UTC; ``kind`` says whether what it stamps can ever count as evidence in production."""

    @property
    def kind(self) -> ClockKind: ...

    def now(self) -> datetime: ...


class WallClock:
    """The machine's clock."""

    kind: ClockKind = "wall"

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still: tests, and days lived by script."""

    at: datetime
    kind: ClockKind = "simulated"

    def now(self) -> datetime:
        return self.at.astimezone(UTC)


class SimulatedClock:
    """A clock that runs on from wherever it was put, second by second, and is only ever put forward."""

    kind: ClockKind = "simulated"

    def __init__(self, at: datetime) -> None:
        self._at, self._since = at.astimezone(UTC), time.monotonic()

    def now(self) -> datetime:
        # A monotonic second is the same inside and outside of a travelled process; the wall's is not.
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    def move_to(self, at: datetime) -> datetime:
        """Put the clock forward to ``at`` (aware); where it is later already, nothing moves. Returns what it shows now."""
        now = self.now()
        if at > now:
            self._at, self._since = at.astimezone(UTC), time.monotonic()
        return self.now()
