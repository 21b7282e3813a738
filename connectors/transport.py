"""The one HTTP stack of all connectors: timeouts, retry with jitter and Retry-After, per-host concurrency, redaction, request ids.

Retry rules: RFC 9110 §10.2.3 (Retry-After as seconds or HTTP-date), exponential backoff with full jitter otherwise.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from connectors.certificate import ClientCertificate
from connectors.errors import BrokenReply, FixConfiguration, SourceUnavailable
from connectors.gate import Gate
from connectors.messages import Said, sentence, told
from connectors.readings import Readings
from connectors.redaction import RedactingFilter, Redactor
from connectors.timed import timed
from connectors.trust import is_tls, trust

#: The header by which a sandbox server marks its answers; evidence from such an endpoint never counts in production.
SANDBOX_HEADER = "X-Fortnight-Sandbox"
_log = logging.getLogger("fortnight.transport")
# httpx logs whole URLs, pre-authenticated download links included; what is worth a line is logged here, redacted.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)
# httpx logs every URL at INFO, query and all: download links carry their credential there.
logging.getLogger("httpx").addFilter(RedactingFilter(Redactor()))
#: Longer waits than this are all the same: nobody is still waiting.
_FOREVER = 1e9
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_of(url: str) -> str:
    """Scheme, host and port alone: a URL may carry credentials, and these three stand in messages and records."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@cache
def product() -> str:
    """What we call ourselves: the name and the version of the installed package (RFC 9110 §10.1.5)."""
    return f"fortnight/{metadata.version('fortnight')}"


@dataclass(frozen=True)
class TransportOptions:
    """Seconds for all times. ``concurrency`` is how many requests may be under way at one host at once; ``attempts`` counts the first try.

    ``budget`` is how many requests one host gets in the life of a transport, retries included: a walk without an end ends there.
    ``largest_reply`` is in bytes, for replies that are read whole. ``read_timeout`` is the longest silence, before the first byte and between
    any two; ``reply_time`` is how long a reply may take from its headers on (``timed.TooSlow`` after that), without an end where there is none.
    ``client_certificate`` is shown to hosts that ask for one. ``state`` is a folder for what must outlive the process (calls counted
    against a daily quota); without one it is kept in memory. ``readings`` is what the streams of one run share; it is for one connector.
    """

    ca_file: Path | None = None
    user_agent: str = field(default_factory=product)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    reply_time: float | None = None
    attempts: int = 5
    max_wait: float = 60.0
    concurrency: int = 4
    budget: int = 1_000_000
    largest_reply: int = 256 * 1024 * 1024
    client_certificate: ClientCertificate | None = None
    state: Path | None = None
    readings: Readings = field(default_factory=Readings, compare=False)


@dataclass(frozen=True)
class Again:
    """The reply means: try again. ``after`` in seconds where the source named it. ``cause`` is a silence that went on too long.

    ``shared``: not this request alone has to wait, but all that go to the source (429 and 503 speak of the client, not of an address).
    """

    reason: str
    after: float | None = None
    shared: bool = False
    cause: httpx.TimeoutException | None = None


Classify = Callable[[httpx.Response], Again | None]


def retry_after(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Seconds the source asks to wait: the larger of Retry-After and RateLimit-Reset, or None when it says nothing readable.

    An HTTP-date is measured against the reply's own ``Date`` where it has one: the source's clock need not be ours. ``now`` stands in for ours.
    """
    waits: list[float] = []
    raw = response.headers.get("Retry-After", "").strip()
    if _is_count(raw):
        waits.append(float(raw))
    elif (then := _instant(raw)) is not None:
        here = _instant(response.headers.get("Date", "")) or now or datetime.now(UTC)
        waits.append(max(0.0, (then - here).total_seconds()))
    reset = response.headers.get("RateLimit-Reset", "").strip()
    if _is_count(reset) and response.status_code in (429, 503):
        waits.append(float(reset))
    return min(_FOREVER, max(waits)) if waits else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _instant(text: str) -> datetime | None:
    """An HTTP-date as aware UTC, or None. ``-0000`` ("zone unknown") is taken as UTC, which is what HTTP-dates are in."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def busy_or_broken(response: httpx.Response) -> Again | None:
    """The default verdict: 429 and the gateway statuses mean again; everything else is the caller's to read."""
    if response.status_code in (408, 429, 502, 503, 504):
        return Again(f"HTTP {response.status_code}", retry_after(response), shared=response.status_code in (429, 503))
    return None


def backoff(attempt: int, most: float, rng: random.Random) -> float:
    """Seconds to wait after this attempt (the first is 1) where the source named none: exponential with full jitter, capped."""
    return rng.uniform(0, min(most, 0.25 * 2**attempt))


class Transport:
    """One source host. Safe to use from several threads; holds at most ``options.concurrency`` requests under way at once."""

    def __init__(
        self,
        base_url: str,
        *,
        options: TransportOptions | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        secrets: Iterable[str] | Redactor = (),
        classify: Classify | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
        handler: httpx.BaseTransport | None = None,
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``secrets`` are never shown; a redactor may learn more of them later. ``handler`` replaces the sockets (tests of the retry rules).

        Raises FixConfiguration for an unusable URL or CA file.
        """
        self.options = options or TransportOptions()
        self._redact = secrets if isinstance(secrets, Redactor) else Redactor(secrets)
        try:
            parts = urlsplit(base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and bool(httpx.URL(base_url).host)
        except (ValueError, httpx.InvalidURL) as error:
            raise FixConfiguration("transport.bad_url", url=self._redact(base_url)) from error
        if not usable:
            raise FixConfiguration("transport.bad_url", url=self._redact(base_url))
        self.host = parts.netloc.rpartition("@")[2]
        self.endpoint = origin_of(base_url)
        self.sandbox = False
        self.server_time: datetime | None = None
        #: When that was heard, on this machine's monotonic clock.
        self.heard_at = 0.0
        self.calls = 0
        self._left = self.options.budget
        self._spending = threading.Lock()
        self._classify = classify or busy_or_broken
        self._sleep = sleep
        self._rng = rng or random.Random()
        self.gate = gate
        self._slots = threading.BoundedSemaphore(self.options.concurrency)
        self._client = httpx.Client(
            base_url=base_url,
            headers={"User-Agent": self.options.user_agent, **(headers or {})},
            auth=auth,
            timeout=httpx.Timeout(self.options.read_timeout, connect=self.options.connect_timeout),
            limits=httpx.Limits(max_connections=self.options.concurrency, max_keepalive_connections=self.options.concurrency),
            verify=trust(self.options.ca_file, self.options.client_certificate) if parts.scheme == "https" and handler is None else True,
            follow_redirects=False,
            transport=handler,
            event_hooks={
                "request": [] if gate is None else [lambda sent: gate.enter(sent.method, str(sent.url))],
                "response": [
                    *([] if gate is None else [gate.heard]),
                    *([] if self.options.reply_time is None else [timed(self.options.reply_time, clock)]),
                ],
            },
        )

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        classify: Classify | None = None,
    ) -> httpx.Response:
        """One exchange, body read, retried while that is safe and may help.

        Raises SourceUnavailable after the last attempt, FixConfiguration when TLS or the host name can't work, BrokenReply
        for a body without measure, and what ``classify`` raises.
        """
        retriable = method.upper() in _IDEMPOTENT if idempotent is None else idempotent
        for attempt in range(1, self.options.attempts + 1):
            outcome: httpx.Response | Again
            self._spend()
            with self._slots:
                try:
                    request = self._client.build_request(
                        method, url, params=params, json=json, content=content, headers=self._with_id(headers)
                    )
                    outcome = self._judge(self._whole(request), classify)
                except httpx.RequestError as error:
                    outcome = self._failed(error)
                except UnicodeEncodeError as error:
                    raise FixConfiguration("transport.bad_header", host=self.host) from error
                if isinstance(outcome, httpx.Response):
                    return outcome
                pause = self._pause(outcome, attempt)
            self._wait(outcome, pause, attempt, method, url, retriable)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _whole(self, request: httpx.Request) -> httpx.Response:
        """The reply with its body, which may not be larger than ``options.largest_reply``. Raises BrokenReply."""
        response = self._client.send(request, stream=True)
        try:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_bytes():
                size += len(part)
                if size > self.options.largest_reply:
                    raise BrokenReply("transport.too_large", host=self.host, limit=self.options.largest_reply)
                parts.append(part)
        finally:
            response.close()
        # The body is decoded by now; what said how it was packed would have it decoded again.
        packed = ("content-encoding", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in response.headers.raw if name.lower().decode("latin-1") not in packed]
        return httpx.Response(response.status_code, headers=headers, content=b"".join(parts), request=request)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        classify: Classify | None = None,
        follow: bool = False,
    ) -> Generator[httpx.Response]:
        """A reply whose body is read by the caller. Retried only until the first byte of a good answer.

        ``follow`` follows redirects; httpx drops Authorization when the origin changes.
        """
        for attempt in range(1, self.options.attempts + 1):
            self._spend()
            self._slots.acquire()
            try:
                outcome: httpx.Response | Again
                try:
                    request = self._client.build_request(
                        method, url, params=params, json=json, content=content, headers=self._with_id(headers)
                    )
                    response = self._client.send(request, stream=True, follow_redirects=follow)
                except httpx.RequestError as error:
                    outcome = self._failed(error)
                except UnicodeEncodeError as error:
                    raise FixConfiguration("transport.bad_header", host=self.host) from error
                else:
                    try:
                        try:
                            outcome = self._judge(response, classify)
                        except httpx.RequestError as error:  # a body that a verdict had to read broke off
                            outcome = self._failed(error)
                        if isinstance(outcome, httpx.Response):
                            try:
                                yield outcome
                            except httpx.RequestError as error:
                                raise SourceUnavailable("source.cut", host=self.host, reason=self._redact(_why(error))) from error
                            return
                    finally:
                        response.close()
                pause = self._pause(outcome, attempt)
            finally:
                self._slots.release()
            self._wait(outcome, pause, attempt, method, url, retriable=True)

    def wait(self, again: Again, attempt: int, method: str, url: str) -> None:
        """After an attempt that was answered and yet is to be made again (parts of a batch): the pause before the next one.

        Raises SourceUnavailable after the last attempt, and for a pause longer than ``options.max_wait``.
        """
        self._wait(again, self._pause(again, attempt), attempt, method, url, retriable=True)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that this host set, the newest where it set several."""
        values = [one.value for one in self._client.cookies.jar if one.name == name]
        return values[-1] if values else None

    def keep_cookie(self, name: str, value: str) -> None:
        """Send a cookie from now on, in place of what this host set under its name."""
        jar = self._client.cookies.jar
        for one in [one for one in jar if one.name == name]:
            jar.clear(one.domain, one.path, one.name)
        self._client.cookies.set(name, value)

    def close(self) -> None:
        self._client.close()

    def _spend(self) -> None:
        """Take one request from the budget. Raises SourceUnavailable when none is left."""
        with self._spending:
            if self._left < 1:
                raise SourceUnavailable("transport.budget", host=self.host, budget=self.options.budget)
            self._left -= 1

    def _with_id(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {"client-request-id": str(uuid.uuid4()), **(headers or {})}

    def _judge(self, response: httpx.Response, classify: Classify | None) -> httpx.Response | Again:
        self.calls += 1
        if response.headers.get(SANDBOX_HEADER):
            self.sandbox = True
        date = response.headers.get("Date")
        if date:
            self.server_time = _instant(date) or self.server_time
            self.heard_at = time.monotonic()
            if _instant(date) is None:
                _log.warning("%s", told("transport.bad_date", host=self.host))
        return (classify or self._classify)(response) or response

    def _failed(self, error: httpx.RequestError) -> Again:
        self.calls += 1
        reason = self._redact(_why(error))
        if is_tls(error):
            raise FixConfiguration("transport.tls", host=self.host, reason=reason) from error
        if isinstance(error, httpx.UnsupportedProtocol):
            raise FixConfiguration("transport.bad_url", url=self._redact(str(self._client.base_url))) from error
        if isinstance(error, httpx.LocalProtocolError):
            # What cannot be sent is nearly always a credential with a line break in it; its text must not show.
            raise FixConfiguration("transport.bad_header", host=self.host) from None
        return Again(reason, cause=error if isinstance(error, httpx.TimeoutException) else None)

    def _pause(self, again: Again, attempt: int) -> float:
        """Seconds until the next attempt. Where the pause is everybody's the gate holds it, even if we do not try again ourselves."""
        pause = again.after if again.after is not None else backoff(attempt, self.options.max_wait, self._rng)
        if again.shared and self.gate is not None:
            self.gate.hold(pause)
        return pause

    def _wait(self, again: Again, pause: float, attempt: int, method: str, url: str, retriable: bool) -> None:
        last = attempt >= self.options.attempts or not retriable
        too_long = again.after is not None and again.after > self.options.max_wait
        if last or too_long:
            raise SourceUnavailable(
                "source.unavailable", host=self.host, reason=again.reason, attempts=attempt, retry_after=again.after
            ) from again.cause
        facts = {"method": method, "path": urlsplit(url).path, "host": self.host, "reason": again.reason}
        facts |= {"attempt": attempt, "seconds": f"{pause:.2f}"}
        _log.warning("%s", Said(lambda lang: self._redact(sentence("transport.again", facts, lang)), "transport.again"))
        if not (again.shared and self.gate is not None):
            self._sleep(pause)


def _why(error: httpx.RequestError) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name
