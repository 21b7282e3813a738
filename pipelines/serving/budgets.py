"""How much one caller may ask: by the minute, at once, and by the day's cost. Counted in this process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving_block import Budgets

_MINUTE = timedelta(minutes=1)
#: Callers remembered at once; those that ask nothing are forgotten first.
MOST = 10_000


@dataclass
class _Spent:
    times: deque[datetime] = field(default_factory=deque[datetime])
    running: int = 0
    day: date | None = None
    jpy: float = 0.0


class Meter:
    """Counts by caller. A refused request is not counted, so a client that waits as told is let in again. The day is the project's."""

    def __init__(self, budgets: Budgets, timezone: str) -> None:
        self._budgets, self._zone = budgets, ZoneInfo(timezone)
        self._lock = threading.Lock()
        self._spent: dict[str, _Spent] = {}

    @contextmanager
    def spending(self, caller: str, cost_jpy: float, now: datetime) -> Generator[None]:
        """One request under way. Raises AnswerWithheld (``too_many``, ``too_many_at_once``, ``budget_spent``), each with its wait."""
        with self._lock:
            spent = self._of(caller)
            self._admit(spent, cost_jpy, now)
            spent.times.append(now)
            spent.running += 1
            spent.jpy += cost_jpy
        try:
            yield
        finally:
            with self._lock:
                spent.running -= 1

    def _admit(self, spent: _Spent, cost_jpy: float, now: datetime) -> None:
        limits = self._budgets
        while spent.times and spent.times[0] <= now - _MINUTE:
            spent.times.popleft()
        if len(spent.times) >= limits.per_minute:
            wait = max(1.0, (spent.times[0] + _MINUTE - now).total_seconds())
            raise AnswerWithheld(Reason.TOO_MANY, retry_after=wait, limit=limits.per_minute, seconds=round(wait))
        if spent.running >= limits.concurrent:
            raise AnswerWithheld(Reason.TOO_MANY_AT_ONCE, retry_after=1, limit=limits.concurrent)
        local = now.astimezone(self._zone)
        if spent.day != local.date():
            spent.day, spent.jpy = local.date(), 0.0
        if limits.daily_jpy and spent.jpy + cost_jpy > limits.daily_jpy:
            midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), self._zone)
            wait = max(1.0, (midnight - local).total_seconds())
            raise AnswerWithheld(Reason.BUDGET_SPENT, retry_after=wait, limit=f"{limits.daily_jpy:g}", seconds=round(wait))

    def _of(self, caller: str) -> _Spent:
        if caller not in self._spent and len(self._spent) >= MOST:
            # Callers with money spent or requests under way keep their count; only a full house of those grows.
            for name in [name for name, spent in self._spent.items() if not spent.running and not spent.jpy][: MOST // 2]:
                del self._spent[name]
        return self._spent.setdefault(caller, _Spent())
