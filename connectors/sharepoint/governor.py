"""One governor for an app in a tenant: threads and processes wait here for units, for pauses, and for a share of the line.

Satisfies ``connectors.gate.Gate``. Rules: "Avoid getting throttled in SharePoint Online" (resource units, Retry-After, RateLimit headers).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

import httpx

from connectors.errors import SourceUnavailable
from connectors.messages import told
from connectors.shared_state import SharedState
from connectors.sharepoint.config import Config
from connectors.sharepoint.marks import Marks
from connectors.sharepoint.prices import units
from connectors.transport import TransportOptions

_log = logging.getLogger("fortnight.sharepoint")
#: Share of the day's limit from which it is said aloud.
_PLANNED = 0.8
#: Graph's own header tells from here on how much of a limit is used.
_NEAR = 0.8
#: What downloads read before they look at the line again, in seconds of it.
_LUMP = 0.05
#: States of governors without a folder, for as long as one of them lives.
_in_memory: WeakValueDictionary[tuple[str, str], SharedState[Marks]] = WeakValueDictionary()
_finding = threading.Lock()


class Governor:
    """``clock`` gives seconds since the epoch; processes that share a file share its machine's clock."""

    def __init__(
        self,
        config: Config,
        options: TransportOptions,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises FixConfiguration when ``options.state`` can't be made."""
        self.limits = config.limits
        self._tenant, self._app = config.tenant, config.app
        self._host = urlsplit(config.host).netloc
        self._zone = UTC if config.timezone is None else ZoneInfo(config.timezone)
        self._max_wait = options.max_wait
        self._clock, self._sleep = clock, sleep
        self._shared = _shared(config, options)
        self._line = threading.Lock()
        self._unpaid = 0

    def enter(self, method: str, url: str) -> None:
        """Returns when the request's units are reserved and may be used. Raises SourceUnavailable with the hour where that is too far off."""
        self.admit(units(method, url))

    def admit(self, price: int) -> None:
        """As ``enter``, for a request of this price; one that costs nothing waits for pauses only."""
        due: float | None = None
        while True:
            with self._shared.changing() as marks:
                now = self._clock()
                marks.tidy(now)
                # Units are taken once the pause is over: what waits behind it must not fill the minute after it beforehand.
                if due is None and marks.not_before <= now:
                    due = self._take(marks, price, now)
                wait = max(marks.not_before, due or 0.0) - now
            if wait <= 0:
                return
            if wait > self._max_wait:
                raise SourceUnavailable(
                    "sharepoint.paused", retry_after=wait, host=self._host, until=self._hour(now + wait), **self._who
                )  # fmt: skip
            # And then look again: the pause may have been made longer meanwhile.
            self._sleep(wait)

    def heard(self, response: httpx.Response) -> None:
        """Slow down, all of us, where a reply says that a limit is near."""
        advice = _advice(response, 60 / self.limits.minute)
        if advice is None:
            return
        each, seconds = advice
        with self._shared.changing() as marks:
            now = self._clock()
            if math.isinf(each):
                marks.hold(seconds, now, self.limits.minute)
            else:
                marks.slow(each, seconds, now)

    def hold(self, seconds: float) -> None:
        """Nobody of this app sends to this tenant for so long."""
        with self._shared.changing() as marks:
            marks.hold(seconds, self._clock(), self.limits.minute)

    def received(self, size: int) -> None:
        """Bytes of a download have come: waits until they are through at the bandwidth set, which all downloads share."""
        bandwidth = self.limits.bandwidth
        if bandwidth is None:
            return
        with self._line:
            self._unpaid += size
            if self._unpaid < bandwidth * _LUMP:
                return
            lump, self._unpaid = self._unpaid, 0
        with self._shared.changing() as marks:
            now = self._clock()
            wait = marks.receive(lump, now, bandwidth) - now
        self._sleep(wait)

    def used(self) -> int:
        """Units of the last 24 hours."""
        with self._shared.changing() as marks:
            marks.tidy(self._clock())
            return marks.used()

    def _take(self, marks: Marks, price: int, now: float) -> float:
        before, limit = marks.used(), self.limits.day
        free = marks.room_at(price, limit) if price else None
        if free is not None:
            raise SourceUnavailable(
                "sharepoint.units_spent", retry_after=free - now, used=before, limit=limit, until=self._hour(free), **self._who
            )
        if before < _PLANNED * limit <= before + price:
            _log.warning("%s", told("sharepoint.units_planned", used=before + price, limit=limit, **self._who))
        return marks.take(price, now, self.limits.minute)

    @property
    def _who(self) -> dict[str, str]:
        return {"tenant": self._tenant, "client_id": self._app}

    def _hour(self, instant: float) -> str:
        """The minute that is not before this instant, where the tenant's people are."""
        return f"{datetime.fromtimestamp(math.ceil(instant / 60) * 60, self._zone):%Y-%m-%d %H:%M %Z}"


def _shared(config: Config, options: TransportOptions) -> SharedState[Marks]:
    key = (config.tenant.lower(), config.app.lower())
    # The resource id of a managed identity is a path.
    name = f"sharepoint-{key[0]}-{key[1].replace('/', '_')}"
    if options.state is not None:
        return SharedState(Marks, options.state, name)
    with _finding:
        found = _in_memory.get(key)
        if found is None:
            found = _in_memory[key] = SharedState(Marks, None, name)
        return found


def _advice(response: httpx.Response, own: float) -> tuple[float, float] | None:
    """The pace a reply asks for: seconds for each unit (infinite: none at all), and for how long. ``own`` is ours as it is.

    SharePoint sends RateLimit headers from 80 % of a minute's limit on, Graph a percentage of its own; neither is promised.
    """
    remaining = _number(response.headers.get("RateLimit-Remaining", ""))
    seconds = _number(response.headers.get("RateLimit-Reset", ""))
    if remaining is not None and seconds is not None:
        return (seconds / remaining if remaining else math.inf), seconds
    used = _number(response.headers.get("x-ms-throttle-limit-percentage", ""))
    if used is not None and used >= _NEAR:
        return own * min(10.0, (1 - _NEAR) / max(1 - used, 0.01)), 60.0
    return None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if text.isascii() and 0 <= found < 1e9 else None
