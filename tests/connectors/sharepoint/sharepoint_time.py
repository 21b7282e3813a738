"""A clock for what waits: sleeping moves it, and threads that sleep at once do not add up."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from connectors.sharepoint.config import Config
from connectors.sharepoint.governor import Governor
from connectors.transport import TransportOptions

START = 1_795_000_000.0


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
