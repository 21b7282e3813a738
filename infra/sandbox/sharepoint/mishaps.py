"""Faults of the wire that wait for the tenant's callers: 429, 503, a dropped connection, a token taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from infra.sandbox.faults import Spell

KINDS = ("429", "503", "drop", "revoke")


@dataclass(eq=False, kw_only=True)
class Mishap(Spell):
    """``path``: only requests whose path contains it, whatever the case, as SharePoint reads it. ``retry_after``: seconds, 0 for unsaid."""

    kind: str
    path: str = ""
    retry_after: int = 0


class Mishaps:
    """What waits to happen. With ``revoke`` every access token given out so far ends right before a request is answered."""

    def __init__(self, revoke: Callable[[], None]) -> None:
        self._revoke = revoke
        self._lock = threading.Lock()
        self._waiting: list[Mishap] = []

    def add(self, kind: str, *, count: int = 1, skip: int = 0, path: str = "", retry_after: int = 0) -> Mishap:
        """ValueError for a kind there is not."""
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(KINDS)}")
        mishap = Mishap(kind=kind, count=count, skip=skip, path=path.lower(), retry_after=retry_after)
        with self._lock:
            self._waiting.append(mishap)
        return mishap

    def lift(self, mishap: Mishap) -> bool:
        """Take one away; False when it was over already."""
        with self._lock:
            if mishap not in self._waiting:
                return False
            self._waiting.remove(mishap)
            return True

    def clear(self) -> int:
        """Take all away; how many of them no request had fully met."""
        with self._lock:
            unmet = len(self._waiting)
            self._waiting.clear()
        return unmet

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, path: str) -> tuple[int, int] | None:
        """(status, Retry-After) of the fault this request meets, status 0 for a dropped connection; None when there is none."""
        with self._lock:
            for mishap in list(self._waiting):
                if mishap.path not in path.lower() or not mishap.strikes():
                    continue
                if mishap.spent:
                    self._waiting.remove(mishap)
                if mishap.kind == "revoke":
                    self._revoke()
                    return None
                return (0 if mishap.kind == "drop" else int(mishap.kind)), mishap.retry_after
        return None
