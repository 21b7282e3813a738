"""What can go wrong with the ERP on purpose: replies cut, replaced, delayed or falsified a given number of times."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from infra.sandbox.host import Receive, Scope, Send

#: ``503`` text with Retry-After; ``truncate`` a reply whose bytes end early; ``html200`` a login page; ``fault500`` a server-side Fault;
#: ``fault200`` the same with status 200; ``empty200`` nothing; ``slow`` an answer after a wait; ``drop`` a connection closed in mid-body;
#: ``wrong_count`` a RowCount (or Count) one too high; ``app_error`` ResultCode DB_ERROR.
KINDS = ("503", "truncate", "html200", "fault500", "fault200", "empty200", "slow", "drop", "wrong_count", "app_error")
LOGIN_PAGE = "<!DOCTYPE html><html lang=ja><head><title>ログイン</title></head><body><h1>セッションが切れました</h1></body></html>"


@dataclass(frozen=True)
class Mishap:
    """``on`` is ``service`` (POST), ``wsdl`` (GET) or ``any``; ``at`` the fraction of the bytes sent; ``seconds`` the wait of ``slow``."""

    kind: str
    on: str = "service"
    at: float = 0.5
    seconds: float = 3.0


class Mishaps:
    """The queue of mishaps still to come, oldest first; one request meets at most one."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Mishap, int, int]] = []
        self._lock = threading.Lock()

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """``kind``, ``count`` (default 1), ``after`` (requests let through first), ``on``, ``at``, ``seconds``. Raises ValueError."""
        kind, count, after, on = (
            str(body.get("kind", "")),
            int(body.get("count", 1)),
            int(body.get("after", 0)),
            str(body.get("on", "service")),
        )
        if kind not in KINDS or on not in ("service", "wsdl", "any") or count < 1 or after < 0:
            raise ValueError(f"a fault is {{kind: {'|'.join(KINDS)}, count >= 1, after >= 0, on: service|wsdl|any}}")
        mishap = Mishap(kind, on, float(body.get("at", 0.5)), float(body.get("seconds", 3.0)))
        with self._lock:
            self._waiting.append((mishap, after, count))
        return {"kind": kind, "count": count}

    def heal(self) -> int:
        """Forget all that are waiting; returns how many there were."""
        with self._lock:
            waiting, self._waiting = len(self._waiting), []
        return waiting

    def take(self, where: str) -> Mishap | None:
        """The mishap this request meets, if any; ``where`` is ``service`` or ``wsdl``."""
        with self._lock:
            for place, (mishap, after, count) in enumerate(self._waiting):
                if mishap.on not in (where, "any"):
                    continue
                if after:
                    self._waiting[place] = (mishap, after - 1, count)
                    return None
                if count == 1:
                    del self._waiting[place]
                else:
                    self._waiting[place] = (mishap, 0, count - 1)
                return mishap
        return None


class DroppedResponse(Response):
    """Promises the whole body, sends ``at`` of it and hangs up."""

    def __init__(self, whole: Response, at: float) -> None:
        super().__init__(
            bytes(whole.body), whole.status_code, media_type=whole.media_type, headers={"content-type": whole.headers["content-type"]}
        )
        self._at = at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # Never the last message: the server closes the connection when the app returns with the body unfinished.
        await send({"type": "http.response.body", "body": bytes(self.body[: int(len(self.body) * self._at)]), "more_body": True})
