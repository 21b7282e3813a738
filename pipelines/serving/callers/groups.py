"""Groups of people whose tokens name too many: asked of the directory with our own token, kept for minutes, never guessed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.errors import FortnightError
from pipelines.serving.reasons import AnswerWithheld, Reason

#: People whose groups are remembered at once.
MOST = 10_000


class Groups:
    """By object id, the groups' principals. ``kept`` is how long a membership that was taken away may still count (10 minutes at most)."""

    def __init__(self, ask: Callable[[str], frozenset[str]], *, kept: timedelta = timedelta(minutes=5)) -> None:
        if not timedelta() < kept <= timedelta(minutes=10):
            raise ValueError("memberships are kept for ten minutes at most")
        self._ask, self._kept = ask, kept
        self._lock = threading.Lock()
        self._found: dict[str, tuple[datetime, frozenset[str]]] = {}

    def of(self, oid: str, now: datetime) -> frozenset[str]:
        """Raises AnswerWithheld (``groups_unknown``) where the directory does not say; an answer past its time is not used instead."""
        with self._lock:
            found = self._found.get(oid)
        if found is not None and timedelta() <= now - found[0] < self._kept:
            return found[1]
        try:
            groups = self._ask(oid)
        except FortnightError as error:
            raise AnswerWithheld(Reason.GROUPS_UNKNOWN, retry_after=30, what=type(error).__name__) from error
        with self._lock:
            if len(self._found) >= MOST:
                self._found.clear()
            self._found[oid] = (now, groups)
        return groups
