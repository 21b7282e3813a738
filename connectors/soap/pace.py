"""Keeps one system's requests below its vendor's limit: so many calls in any stretch of so many seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from connectors.soap.config import Budget


class Pace:
    """Safe to use from several threads. ``clock`` and ``sleep`` are in seconds; without a budget nothing ever waits."""

    def __init__(
        self, budget: Budget | None, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._sent: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until one more request may leave, and count it."""
        if self._budget is None:
            return
        with self._lock:
            while True:
                now = self._clock()
                while self._sent and now - self._sent[0] >= self._budget.seconds:
                    self._sent.popleft()
                if len(self._sent) < self._budget.calls:
                    self._sent.append(now)
                    return
                self._sleep(self._sent[0] + self._budget.seconds - now)
