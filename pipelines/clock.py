"""The one clock. Domain code is handed one and reads time nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
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
