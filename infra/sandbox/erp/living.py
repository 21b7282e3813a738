"""How the ERP's data keep up with the sandbox's clock: day by day, whatever asks first, the same for one jump and for many."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from infra.sandbox.clock import JST, SandboxClock


@dataclass(frozen=True)
class Calendar:
    """Business days counted from the clock's origin. Day 0 is the origin's JST date; day -1 the day before."""

    origin: datetime

    def day(self, number: int) -> date:
        return self.origin.astimezone(JST).date() + timedelta(days=number)

    def midnight(self, number: int) -> datetime:
        """The night batch that posts the business of day ``number - 1``: 00:00 JST as UTC."""
        return datetime.combine(self.day(number), time(), JST).astimezone(UTC)

    def at(self, number: int, minutes: int) -> datetime:
        return self.midnight(number) + timedelta(minutes=minutes)


class LivingStore(ABC):
    """Tables, and the days they have lived. Every reader holds ``lock`` and calls ``catch_up`` first."""

    def __init__(self, seed: int, clock: SandboxClock) -> None:
        self._seed, self._clock, self._lived = seed, clock, 0
        self._calendar = Calendar(clock.origin)
        self.lock = threading.RLock()

    def catch_up(self) -> int:
        """Live every day the clock has reached and this store has not; returns how many days were added."""
        added = 0
        with self.lock:
            while self._lived < self._clock.days_lived():
                self._lived += 1
                added += 1
                self._live(self._lived)
        return added

    @abstractmethod
    def _live(self, number: int) -> None:
        """What the night batch at 00:00 JST of day ``number`` posts (1 is the first after the origin)."""
