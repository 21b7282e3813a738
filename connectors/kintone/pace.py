"""How many requests go at once: the hundred of a domain belong to everybody, so ours shrink while others need them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

#: Replies of a calm domain before one more request may be under way.
_CALM = 10
_LONGEST_PAUSE = 5.0


class Pace:
    """A width between 1 and ``most``. Safe to use from several threads."""

    def __init__(self, most: int, yield_above: int, sleep: Callable[[float], None]) -> None:
        self.width = self._most = most
        self._yield_above, self._sleep = yield_above, sleep
        self._calm = self._under_way = 0
        self._room = threading.Condition()

    @contextmanager
    def slot(self) -> Generator[None]:
        """Room for one request; waits until there is some."""
        with self._room:
            self._room.wait_for(lambda: self._under_way < self.width)
            self._under_way += 1
        try:
            yield
        finally:
            with self._room:
                self._under_way -= 1
                self._room.notify_all()

    def refused(self) -> None:
        """A reply said "later" (429, maintenance): half the width. The pause is the transport's."""
        with self._room:
            self.width, self._calm = max(1, self.width // 2), 0

    def heard(self, running: str) -> None:
        """What a reply's ``X-ConcurrencyLimit-Running`` said (empty: nothing): half the width and a pause while the domain is busy, one
        more after a stretch of calm."""
        if not (running.isascii() and running.isdigit() and len(running) < 10):
            return
        over = int(running) - self._yield_above
        with self._room:
            if over > 0:
                self.width, self._calm = max(1, self.width // 2), 0
            elif self.width < self._most:
                self._calm += 1
                if self._calm >= _CALM:
                    self.width, self._calm = self.width + 1, 0
                    self._room.notify_all()
        if over > 0:
            self._sleep(min(_LONGEST_PAUSE, 0.1 * over))
