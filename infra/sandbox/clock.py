"""The sandbox's own clock: wall time moved by an offset that only ``advance`` changes. Data carries its time; TLS and tokens never do."""

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
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Sandbox time, aware UTC."""
        return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> datetime:
        """Move forward; raises ValueError for a step back, because the sources' own clocks never do that."""
        if by < timedelta(0):
            raise ValueError("the sandbox clock only moves forward")
        with self._lock:
            self._offset += by
        return self.now()

    def days_lived(self) -> int:
        """Whole JST days between the origin and now: how many days of business have been added to the base data."""
        return (self.now().astimezone(JST).date() - self.origin.astimezone(JST).date()).days
