"""How many requests go at once: the hundred of a domain belong to everybody, so ours shrink while others need them."""

from __future__ import annotations

import fcntl
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from connectors.errors import FixConfiguration

#: Replies of a calm domain before one more request may be under way.
_CALM = 10
_LONGEST_PAUSE = 5.0
#: How often a process looks for a place that another one gave back.
_LOOK = 0.005


class Places:
    """The ``most`` requests that all processes of this machine may have under way at one domain: a file for each, locked while it is taken.

    The kernel unlocks the files of a process that dies, so no place is ever lost. Without a folder each process has all places for itself.
    """

    def __init__(self, folder: Path | None, host: str, most: int, sleep: Callable[[float], None]) -> None:
        stem = re.sub(r"[^\w.-]", "_", f"kintone-{host}", flags=re.ASCII)
        self._files = [] if folder is None else [folder / f"{stem}-place-{number}.lock" for number in range(1, most + 1)]
        self._sleep = sleep

    @contextmanager
    def taken(self) -> Generator[None]:
        """One place; waits until there is one. Raises FixConfiguration when the files can't be made."""
        if not self._files:
            yield
            return
        while (file := self._free()) is None:
            self._sleep(_LOOK)
        with file:
            yield

    def _free(self) -> TextIOWrapper | None:
        for path in self._files:
            try:
                file = path.open("w", encoding="ascii")
            except OSError as error:
                raise FixConfiguration("kintone.budget_folder", path=path, reason=error.strerror or "") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return file
        return None


class Pace:
    """A width between 1 and ``most``, within the ``places`` that other processes leave. Safe to use from several threads."""

    def __init__(self, most: int, yield_above: int, sleep: Callable[[float], None], places: Places | None = None) -> None:
        self.width = self._most = most
        self._places = places or Places(None, "", most, sleep)
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
            with self._places.taken():
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
