"""The arithmetic of throttling: what one app may take now of a tenant's units, minute and day. Knows no clock, no lock, no HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec

_HOUR = 3_600
_DAY = 86_400
#: How much of a minute's units may go at once, so that a few requests after a rest wait for nothing.
_BURST = 0.1
#: A reply's word on the pace is worth no longer than this; the limit it speaks of is a minute's.
_LONGEST_SLOW = 300.0

Instant = Annotated[float, msgspec.Meta(ge=0)]


class Marks(msgspec.Struct):
    """Instants in seconds since the epoch. ``hours`` holds units by hour since the epoch.

    ``not_before``: nobody sends earlier. ``paid_until``: when the units taken so far would be used up at an even pace. ``slow_*``: the pace
    a reply asked for, one unit every ``slow_each`` seconds. ``line_free``: when the bytes received so far are through at the bandwidth set.
    """

    not_before: Instant = 0.0
    paid_until: Instant = 0.0
    slow_until: Instant = 0.0
    slow_each: Instant = 0.0
    slow_next: Instant = 0.0
    line_free: Instant = 0.0
    hours: dict[int, Annotated[int, msgspec.Meta(ge=0)]] = {}

    def tidy(self, now: float) -> None:
        """Forget hours that no longer count, and marks so far ahead that only a clock which was put back can have made them."""
        for name in ("not_before", "paid_until", "slow_until", "slow_next", "line_free"):
            if getattr(self, name) > now + _DAY:
                setattr(self, name, 0.0)
        this = int(now // _HOUR)
        # An hour counts as long as any of it is less than 24 hours ago.
        self.hours = {hour: used for hour, used in self.hours.items() if this - 24 <= hour <= this}

    def used(self) -> int:
        """Units of the last 24 hours, after ``tidy``."""
        return sum(self.hours.values())

    def room_at(self, price: int, day: int) -> float | None:
        """When so many units of the day will be free again; None where they are now. An empty day has room for anything."""
        used, free = self.used(), None
        for hour in sorted(self.hours):
            if not used or used + price <= day:
                break
            used -= self.hours[hour]
            free = float((hour + 25) * _HOUR)
        return free

    def take(self, price: int, now: float, minute: float) -> float:
        """Reserve units; the instant from which they may be used.

        In any 60 seconds at most ``minute`` of them become usable, as long as no single request costs more than a tenth of that.
        """
        if not price:
            return now
        hour = int(now // _HOUR)
        self.hours[hour] = self.hours.get(hour, 0) + price
        each, burst = _pace(minute)
        self.paid_until = max(self.paid_until, now) + price * each
        due = max(now, self.paid_until - burst)
        if now < self.slow_until:
            start = max(self.slow_next, now)
            due = max(due, min(start, self.slow_until))
            self.slow_next = start + price * self.slow_each
        return due

    def hold(self, seconds: float, now: float, minute: float) -> None:
        """Nobody sends for so long, at most a day; and what waited does not then come all at once."""
        self.not_before = max(self.not_before, now + min(seconds, _DAY))
        self.paid_until = max(self.paid_until, self.not_before + _pace(minute)[1])

    def slow(self, each: float, seconds: float, now: float) -> None:
        """One unit every ``each`` seconds for so long. The newest word counts."""
        self.slow_each, self.slow_until = each, now + min(seconds, _LONGEST_SLOW)
        self.slow_next = min(max(self.slow_next, now), self.slow_until)

    def receive(self, size: int, now: float, bandwidth: int) -> float:
        """Bytes have come; the instant at which they would be through at this bandwidth (bytes a second)."""
        self.line_free = max(self.line_free, now) + size / bandwidth
        return self.line_free


def _pace(minute: float) -> tuple[float, float]:
    """Seconds between two units, and how many seconds' units may go at once. Over any 60 seconds both together make ``minute``."""
    each = 60 / (minute * (1 - _BURST))
    return each, minute * _BURST * each
