"""The sandbox's own clock: wall time moved by an offset, or standing still where it was put. Data carries its time; TLS and tokens never do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


class SandboxClock:
    """Time as the sandbox company lives it.

    ``origin`` is the instant the company's base data are dated back from; ``now()`` starts there and runs on with wall time.
    """

    def __init__(self, origin: datetime | None = None) -> None:
        wall = datetime.now(UTC)
        self.origin = (origin or wall).astimezone(UTC).replace(microsecond=0)
        self._offset = self.origin - wall
        self._held: datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Sandbox time, aware UTC."""
        held = self._held
        return datetime.now(UTC) + self._offset if held is None else held

    def advance(self, by: timedelta) -> datetime:
        """Move forward; raises ValueError for a step back, because the sources' own clocks never do that."""
        if by < timedelta(0):
            raise ValueError("the sandbox clock only moves forward")
        with self._lock:
            if self._held is None:
                self._offset += by
            else:
                self._held += by
        return self.now()

    def stand_at(self, at: datetime) -> datetime:
        """Stand still at ``at`` (aware) until it is told otherwise; where it is later already, at that instant. Returns what it shows."""
        with self._lock:
            self._held = max(self.now(), at.astimezone(UTC))
        return self.now()

    def run_on(self) -> datetime:
        """Run on with wall time from where it stands."""
        with self._lock:
            if self._held is not None:
                self._offset, self._held = self._held - datetime.now(UTC), None
        return self.now()

    def days_lived(self) -> int:
        """Whole JST days between the origin and now: how many days of business have been added to the base data."""
        return (self.now().astimezone(JST).date() - self.origin.astimezone(JST).date()).days
