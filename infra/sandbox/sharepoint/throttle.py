"""What SharePoint Online counts and when it says no: resource units per app and minute, RateLimit headers, 429.

https://learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online
The meter always counts; it refuses nothing until a limit is set, because the sandbox's own tests and demo are faster than any tenant allows.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.sandbox.clock import SandboxClock

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
#: Licences of a tenant, up to → units a minute and a day for one app.
TIERS = ((1_000, 1_250, 1_200_000), (5_000, 2_500, 2_400_000), (15_000, 3_750, 3_600_000), (50_000, 5_000, 4_800_000))
LARGEST = (6_250, 6_000_000)
#: From this share of the minute's units on, answers say how many are left.
TELLING = 0.8
PERMISSIONS, MANY, ONE = 5, 2, 1

_SINGLE = re.compile(
    r"^/(?:sites/(?!getAllSites)[^/]+(?:/lists/[^/]+(?:/items/\d+)?|/drive|/pages/(?!microsoft)[^/]+(?:/microsoft\.graph\.sitePage)?)?"
    r"|drives/[^/]+(?:/root|/items/[^/]+|/root:/[^:]+|/items/[^/]+:/[^:]+)?:?|users/[^/]+|groups/[^/]+)(?:/(?:listItem|driveItem|fields))?$"
)
_COLLECTIONS = ("lists", "items", "users", "siteusers", "sitegroups", "roledefinitions", "getchanges", "roleassignments")


def graph_units(method: str, path: str, *, token: bool) -> int:
    """The price of one Graph request; ``token``: whether a delta goes on from a place in its feed."""
    tail = path.rstrip("/").rpartition("/")[2].partition("(")[0]
    if tail == "permissions":
        return PERMISSIONS
    if method not in ("GET", "HEAD"):
        return MANY
    if tail.endswith("delta"):
        return ONE if token else MANY
    if tail == "content":
        # It only leads to the download, which is counted where it happens.
        return 0
    return ONE if _SINGLE.match(path) else MANY


def rest_units(way: list[tuple[str, str]]) -> int:
    """The price of one REST request, by its segments and their arguments. None is published: the dearer reading of Graph's list is taken.

    Who may do what is an operation on permissions, one entity or value is a single query, and anything else a collection.
    """
    name, argument = way[-1] if way else ("", "")
    if name in ("roleassignments", "getusereffectivepermissions"):
        return PERMISSIONS
    return MANY if not argument and name in _COLLECTIONS else ONE


@dataclass(frozen=True)
class Limit:
    """Units one app may use."""

    minute: int
    day: int

    @classmethod
    def of(cls, licences: int) -> Limit:
        return cls(*next(((minute, day) for most, minute, day in TIERS if licences <= most), LARGEST))


@dataclass(frozen=True)
class Verdict:
    """Whether a request is let through, and what its answer says about the limit."""

    refused: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class _Used:
    """What an app used in the minute and the day that are running, and since the last look."""

    minute_began: datetime
    day_began: datetime
    minute: int = 0
    day: int = 0
    total: int = 0
    requests: int = 0
    throttled: int = 0
    by_price: dict[int, int] = field(default_factory=dict[int, int])


class Meter:
    """Units by app on the sandbox's clock. A minute begins with its first request; refused requests count like others."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[str, _Used] = {}
        self.limit: Limit | None = None

    def charge(self, app: str, units: int) -> Verdict:
        """Count a request of an app."""
        now = self._clock.now()
        with self._lock:
            used = self._used.setdefault(app, _Used(now, now))
            if now >= used.minute_began + MINUTE:
                used.minute_began, used.minute = now, 0
            if now >= used.day_began + DAY:
                used.day_began, used.day = now, 0
            used.minute, used.day, used.total, used.requests = used.minute + units, used.day + units, used.total + units, used.requests + 1
            used.by_price[units] = used.by_price.get(units, 0) + 1
            verdict = self._judged(used, now)
            used.throttled += verdict.refused
        return verdict

    def _judged(self, used: _Used, now: datetime) -> Verdict:
        if self.limit is None or (used.minute < TELLING * self.limit.minute and used.day <= self.limit.day):
            return Verdict()
        reset = math.ceil((used.minute_began + MINUTE - now).total_seconds())
        headers = {
            "RateLimit-Limit": str(self.limit.minute),
            "RateLimit-Remaining": str(max(self.limit.minute - used.minute, 0)),
            "RateLimit-Reset": str(reset),
        }
        if used.day > self.limit.day:
            # The day's limit has no RateLimit headers of its own; only Retry-After says how long.
            return Verdict(True, {"Retry-After": str(math.ceil((used.day_began + DAY - now).total_seconds()))})
        return Verdict(True, headers | {"Retry-After": str(reset)}) if used.minute > self.limit.minute else Verdict(False, headers)

    def told(self, *, reset: bool = False) -> dict[str, object]:
        """What all apps used since the last reset. A reset forgets the totals, not the minute and the day that are running."""
        with self._lock:
            apps = {
                app: {"units": one.total, "requests": one.requests, "throttled": one.throttled, "minute": one.minute, "day": one.day}
                for app, one in self._used.items()
            }
            prices: dict[str, int] = {}
            for one in self._used.values():
                for price, count in one.by_price.items():
                    prices[str(price)] = prices.get(str(price), 0) + count
            units, requests, throttled = (
                sum(getattr(one, name) for one in self._used.values()) for name in ("total", "requests", "throttled")
            )
            if reset:
                for one in self._used.values():
                    one.total, one.requests, one.throttled, one.by_price = 0, 0, 0, {}
        return {"units": units, "requests": requests, "throttled": throttled, "requests_by_price": prices, "apps": apps}
