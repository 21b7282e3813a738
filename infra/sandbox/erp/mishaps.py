"""What can go wrong on purpose between the ERP and its readers: which request meets which mishap, and for how long."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from infra.sandbox.faults import Spell

#: Kind → what it does.
KINDS = {
    "503": "text with a Retry-After of so many seconds",
    "truncate": "a reply whose bytes end early",
    "html200": "a login page with status 200",
    "fault500": "a Fault of the server's",
    "fault200": "the same with status 200",
    "empty200": "nothing",
    "slow": "an answer after a wait",
    "drip": "an answer that comes a few bytes at a time",
    "drop": "a connection closed in mid-body",
    "shift_jis": "a reply declared and written in Shift_JIS, with the characters that part the code pages",
    "bomb": "a reply with a DOCTYPE whose entities grow to ten thousand million characters",
    "wrong_count": "a count that is one too high",
    "app_error": "the service's own database error, inside a 200",
    "ignore_filter": "every row, whatever filter was sent",
    "same_page": "the first page again, whatever page was asked for",
    "shift_rows": "pages after the first begin one row early: one row twice, the last one never",
    "lost_part": "a multipart reply without the part that its root refers to",
}
_ON = ("service", "wsdl", "any")


@dataclass(eq=False, kw_only=True)
class Mishap(Spell):
    """``service`` is whom it befalls; ``on`` is ``service`` (POST), ``wsdl`` (GET) or ``any``.

    A reply is cut after ``bytes``, or at the fraction ``at``. ``seconds`` is the wait of ``slow`` and between two pieces of ``drip``, of
    ``bytes`` each.
    """

    kind: str
    service: str
    on: str = "service"
    at: float = 0.5
    seconds: float = 3.0
    bytes: int | None = None

    def cut_at(self, size: int) -> int:
        """How many bytes of a body still arrive; always at least one is missing."""
        return max(0, min(int(size * self.at) if self.bytes is None else self.bytes, size - 1))


class Mishaps:
    """The queue of mishaps still to come, oldest first; one request meets at most one."""

    def __init__(self) -> None:
        self._waiting: list[Mishap] = []
        self._lock = threading.Lock()

    def add(self, mishap: Mishap) -> Mishap:
        """Raises ValueError for a mishap that cannot be."""
        count_is_wrong = mishap.count is not None and mishap.count < 1
        if mishap.kind not in KINDS or mishap.on not in _ON or count_is_wrong or mishap.skip < 0 or not 0 <= mishap.at <= 1:
            raise ValueError(f"a fault is {{kind: {'|'.join(KINDS)}, count >= 1, after >= 0, on: {'|'.join(_ON)}, at: 0 to 1}}")
        with self._lock:
            self._waiting.append(mishap)
        return mishap

    def heal(self) -> int:
        """Forget all that are waiting; returns how many there were."""
        with self._lock:
            waiting, self._waiting = len(self._waiting), []
        return waiting

    def lift(self, mishap: Mishap) -> bool:
        """Forget this one; False when it has ended by itself."""
        with self._lock:
            found = mishap in self._waiting
            if found:
                self._waiting.remove(mishap)
        return found

    def take(self, service: str, where: str) -> Mishap | None:
        """The mishap this request meets, if any; ``where`` is ``service`` or ``wsdl``."""
        with self._lock:
            for mishap in self._waiting:
                if mishap.service == service and mishap.on in (where, "any"):
                    struck = mishap.strikes()
                    if mishap.spent:
                        self._waiting.remove(mishap)
                    return mishap if struck else None
        return None


def asked(body: dict[str, Any], service: str) -> Mishap:
    """The mishap a control verb describes: ``kind``, ``count`` (default 1), ``after`` (requests let through first), ``on``, ``at``, ``seconds``, ``bytes``."""
    return Mishap(
        kind=str(body.get("kind", "")),
        service=service,
        count=int(body.get("count", 1)),
        skip=int(body.get("after", 0)),
        on=str(body.get("on", "service")),
        at=float(body.get("at", 0.5)),
        seconds=float(body.get("seconds", 1.0 if body.get("kind") == "503" else 3.0)),
        bytes=None if body.get("bytes") is None else int(body["bytes"]),
    )
