"""Faults of the wire, as every sandbox server has them: how long one lasts, and an answer that breaks off."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(eq=False, kw_only=True)
class Spell:
    """After ``skip`` requests, ``count`` of them suffer; without a count all do, until it is healed."""

    count: int | None = None
    skip: int = 0

    def strikes(self) -> bool:
        """Whether this request suffers; counts it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is None:
            return True
        self.count -= 1
        return self.count >= 0

    @property
    def spent(self) -> bool:
        return self.count is not None and self.count <= 0


class Unfinished(Response):
    """An answer that breaks off: ``size`` bytes are promised, ``body`` is all that comes, and the connection is cut."""

    def __init__(self, body: bytes, size: int, headers: dict[str, str] | None = None, status: int = 200) -> None:
        super().__init__(body, status, headers=headers or {"Content-Type": "application/json;charset=UTF-8"})
        self.headers["content-length"] = str(size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # Never the last message: the server closes the connection when the app returns with the body unfinished.
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
