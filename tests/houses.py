"""What the houses of the sources share: a clock that stands still, a server of this process alone, and what happens between two requests."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import uvicorn

from infra.sandbox.clock import SandboxClock
from pipelines.pull import run
from pipelines.pull.outcome import Check

#: Marks what a test does by itself, so that it is no request of the client's.
BY_HAND = "x-by-hand"


class StandingClock(SandboxClock):
    """The sandbox's clock without the wall: it shows the origin plus what it was advanced by."""

    def __init__(self, origin: datetime) -> None:
        super().__init__(origin)
        self._shown = self.origin

    def now(self) -> datetime:
        return self._shown

    def advance(self, by: timedelta) -> datetime:
        self._shown += by
        return self._shown


class Between:
    """Something is planned to happen just before one of a client's requests is answered."""

    def __init__(self) -> None:
        self._planned: tuple[int, Callable[[], None]] | None = None

    def during(self, request: int, happening: Callable[[], None]) -> None:
        """``happening`` takes place just before the so-many-th request of a client is answered, counted from 1 and from now."""
        self._planned = (request, happening)

    def quiet(self) -> bool:
        """Nothing is planned any more. Returns whether what was planned took place."""
        took_place, self._planned = self._planned is None, None
        return took_place

    def arrives(self) -> Callable[[], None] | None:
        """A client's request came: what is to happen before it is answered."""
        if self._planned is None:
            return None
        left, happening = self._planned
        self._planned = None if left <= 1 else (left - 1, happening)
        return happening if left <= 1 else None


class Watched:
    """The server's application, which lets happen between two requests what its house has planned."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.house: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name for name, _ in scope.get("headers", ())}
        if self.house is not None and not scope["path"].startswith("/_sandbox/") and BY_HAND.encode() not in headers:
            happening = self.house.arrives()
            if happening is not None:
                await asyncio.to_thread(happening)
        await self.app(scope, receive, send)


@contextmanager
def serving(app: Any, listening: socket.socket, **tls: str) -> Iterator[None]:
    """The application on a socket, until the block ends."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            **tls,
        )  # type: ignore[arg-type]
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="house")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server died while it started"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def without_rules() -> Iterator[None]:
    """The contract's rules not judged and no claims written: both have tests of their own and take most of a small pull's time."""

    def nothing_judged(name: str) -> Callable[..., Check]:
        return lambda *_, **__: Check(name, True, "critical", "not judged here")

    judges = {f"{name}_check": nothing_judged(name) for name in ("schema", "values", "bands")}
    with patch.multiple(run, claim=lambda *_: None, **judges):
        yield


@contextmanager
def without_waiting() -> Iterator[None]:
    """Every wait before another attempt is drawn at random; here it is always the shortest, none."""
    with patch.object(random.Random, "uniform", lambda _, low, high: min(low, high)):
        yield
