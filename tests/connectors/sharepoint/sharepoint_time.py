"""A clock for what waits: sleeping moves it, and threads that sleep at once do not add up. And a source that notes when it was asked."""

from __future__ import annotations

import itertools
import threading
from typing import Any, cast

import httpx
from sharepoint_world import GRAPH, FakeTokens

from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.client import Api
from connectors.sharepoint.config import Config
from connectors.sharepoint.governor import Governor
from connectors.transport import TransportOptions

START = 1_795_000_000.0
LONG = TransportOptions(max_wait=120.0)


class Time:
    """Seconds since the epoch. ``slept`` keeps every wait in order. ``number`` keeps the tenants of one test from those of another."""

    _numbers = itertools.count()

    def __init__(self, now: float = START) -> None:
        self.now, self.number = now, next(self._numbers)
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            until = self.now + seconds
        threading.Event().wait(0.001)  # others come to their sleep meanwhile, as they would
        with self._lock:
            self.now = max(self.now, until)


def tenant_config(tenant: str = "contoso", **limits: Any) -> Config:
    said = {"tenant": tenant, "client_id": "app", "client_secret": "s3cret-value", "host": "https://contoso.sharepoint.example"}
    return Config.model_validate(said | {"limits": limits})


def governed(time: Time, tenant: str = "contoso", options: TransportOptions | None = None, **limits: Any) -> Governor:
    """A governor by this clock. Those of one tenant share what they know as long as one of them lives."""
    config = tenant_config(f"{tenant}-{time.number}", **limits)
    return Governor(config, options or TransportOptions(max_wait=120.0), clock=time.clock, sleep=time.sleep)


class Source:
    """A tenant that answers these one after another, the last for ever, and notes when it was asked."""

    def __init__(self, time: Time, *answers: httpx.Response) -> None:
        self.time, self.answers = time, list(answers)
        self.asked: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.asked.append(self.time.now - START)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(answer.status_code, headers=answer.headers, json={"value": []})

    def api(self, gate: Governor, base: str = GRAPH, options: TransportOptions = LONG) -> Api:
        tokens = cast("Tokens", FakeTokens())
        return Api(base, base, tokens, options, accept="application/json", handler=httpx.MockTransport(self), gate=gate)


def said(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})
