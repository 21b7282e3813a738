"""The SOAP wire: fetches the contract, sends requests, and gives a reply only when it is whole and the application says that all is well."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from connectors.certificate import ClientCertificate
from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, SourceUnavailable
from connectors.redaction import Redactor
from connectors.soap.address import Origin, origin, within
from connectors.soap.arriving import Arriving, named, received
from connectors.soap.aside import Aside
from connectors.soap.bundle import MAX_DOCUMENT, Bundle
from connectors.soap.components import Contract, Operation
from connectors.soap.config import Config
from connectors.soap.decode import IncompleteXml, Reply, Sink
from connectors.soap.events import MAX_TEXT
from connectors.soap.headers import with_headers
from connectors.soap.oauth import ClientCredentials
from connectors.soap.pace import Pace
from connectors.soap.plan import compile_plan
from connectors.soap.redact import masked
from connectors.soap.request import Requests, merged, with_credentials
from connectors.soap.schema import operation as operation_of
from connectors.soap.security import ACTION_HEADER, WireSecurity
from connectors.soap.served import Served
from connectors.soap.session import PLACE, Held, Session, carried, header
from connectors.soap.sources import Faults, Header, Ok
from connectors.soap.steps import Plan
from connectors.soap.store import Store
from connectors.soap.template import envelope, values_of
from connectors.soap.verdict import Terms, judge
from connectors.timed import TooSlow
from connectors.transport import Again, Transport, TransportOptions, busy_or_broken

_log = logging.getLogger("fortnight.soap")
#: A reply that is cut is asked for again: reading changes nothing at the source.
ATTEMPTS = 3
MAX_REPLY = 2 * 1024**3
_SAID = 200


class _NotKnown(AccessRefused):
    """HTTP 401: the server does not know who asks, or does not any more."""


@dataclass(frozen=True)
class _How:
    """What one request asks, and how its reply is read: ``sink`` makes a fresh receiver for each attempt."""

    operation: Operation
    body: str | None
    plan: Plan
    sink: Callable[[], Sink]
    aside: Aside | None


class SoapClient:
    """One endpoint. ``handler`` replaces the sockets in tests."""

    def __init__(
        self,
        config: Config,
        options: TransportOptions,
        handler: httpx.BaseTransport | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``pace`` is shared by all services of a system. ``clock`` is in seconds, from any beginning."""
        self.config = config
        self.readings = options.readings
        self._options = replace(options, read_timeout=config.wait_seconds, reply_time=config.reply_seconds)
        self._handler = handler
        self._clock = clock
        self._redact = Redactor(config.auth.secrets())
        tokens = config.auth.oauth2 and ClientCredentials(config.auth.oauth2, self._posted, clock, self._redact.learn)
        self._auth = WireSecurity(config.auth, scheme=tokens)
        if config.auth.certificate is not None:
            shown = ClientCertificate(config.auth.certificate.file, config.auth.certificate.password.get_secret_value())
            self._options = replace(self._options, client_certificate=shown)
        if config.auth.ntlm is not None:
            # A login by NTLM holds for one connection: there must be one only.
            self._options = replace(self._options, concurrency=1)
        self._session = Session(config.auth.login, self._begun) if config.auth.login is not None else None
        self._trusted = {origin(config.wsdl), origin(config.endpoint or config.wsdl)}
        self._transports: dict[tuple[Origin, bool], Transport] = {}
        self._opening = threading.Lock()
        self._requests: tuple[Bundle, Requests] | None = None
        self._pace = pace or Pace(config.budget)
        folder = config.bundle_dir or (options.state / "soap" if options.state is not None else None)
        self._served = Served(config, Store(folder) if folder is not None else None, self._get, lambda: self.server_time)

    def transport(self, url: str | None = None) -> Transport:
        """The transport for a URL's origin (the WSDL's when none is given)."""
        url = url or self.config.wsdl
        # Hosts that only serve schemas are told nothing of who asks.
        return self._to(url, origin(url) in self._trusted)

    def _to(self, url: str, asking: bool) -> Transport:
        """The transport for a URL's origin; ``asking`` says who asks."""
        with self._opening:
            if (key := (origin(url), asking)) not in self._transports:
                parts = urlsplit(url)
                self._transports[key] = Transport(
                    f"{parts.scheme}://{parts.netloc}",
                    options=self._options if key[0] in self._trusted else replace(self._options, client_certificate=None),
                    auth=self._auth if asking else None,
                    secrets=self._redact,
                    handler=self._handler,
                    clock=self._clock,
                )
            return self._transports[key]

    def _posted(self, url: str, form: bytes, headers: Mapping[str, str]) -> httpx.Response:
        with self._in_time(urlsplit(url).path, url):
            return self._to(url, False).send("POST", url, content=form, headers=headers, idempotent=True)

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()

    @property
    def sandbox(self) -> bool:
        return any(transport.sandbox for transport in self._transports.values())

    @property
    def server_time(self) -> datetime | None:
        times = [transport.server_time for transport in self._transports.values() if transport.server_time]
        return min(times) if times else None

    @property
    def tells_no_time(self) -> bool:
        """Whether it answered, and no answer had a ``Date``."""
        return self.server_time is None and any(transport.calls for transport in self._transports.values())

    def contract(self, *, refresh: bool = False) -> Contract:
        """The contract, as ``Served.contract`` gives it."""
        return self._served.contract(refresh=refresh)

    def latest(self) -> Contract:
        """The contract, as ``Served.latest`` gives it."""
        return self._served.latest()

    def endpoint(self, operation: Operation) -> str:
        """Where requests go: the configured endpoint, else the WSDL's, which must be on the WSDL's own origin."""
        if self.config.endpoint:
            return self.config.endpoint
        parts = urlsplit(operation.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin(operation.endpoint) != origin(self.config.wsdl):
            # Credentials must not follow an address that only the document names.
            raise FixConfiguration("soap.endpoint_elsewhere", wsdl=self.config.wsdl, endpoint=operation.endpoint or "-")
        return operation.endpoint

    def call(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        plan: Plan,
        sink: Callable[[], Sink],
        *,
        ok: Ok | None = None,
        message: str | None = None,
        row_count: str | None = None,
        faults: Faults | None = None,
        headers: Sequence[Header] = (),
        body: str | None = None,
        aside: Aside | None = None,
    ) -> Reply:
        """One exchange. ``sink`` makes a fresh receiver of raw rows for each attempt; what it received counts only once this returns.
        ``aside`` is where large values lie, for as long as the caller keeps it; without one, values beyond a text's limit are refused.

        Raises AccessRefused, AddressUnknown, SourceUnavailable, BrokenReply, and SourceError for an application error inside the reply.
        """
        given = with_credentials(self.config.auth, arguments)
        blocks = [(one.namespace, one.name, one.values) for one in headers]
        how = _How(operation, body, plan, sink, aside)
        if self._session is None:
            reply, url = self._asked(how, given, blocks, None)
        else:
            reply, url = self._in_session(self._session, how, given, blocks, ok)
        judge(reply, Terms(operation.name, urlsplit(url).netloc, self._shown, ok, message, row_count, faults, plan.rows))
        return reply

    def _in_session(
        self, session: Session, how: _How, given: Mapping[str, Any], blocks: Sequence[tuple[str, str, Any]], ok: Ok | None
    ) -> tuple[Reply, str]:
        """The reply to a request, sent once more in a new session where the server says that the one it had is over."""
        held = session.current()
        try:
            reply, url = self._asked(how, given, blocks, held)
            if not session.is_over(reply, ok):
                return reply, url
        except _NotKnown:
            # There was a session: what else the request shows for itself was good when that was begun.
            pass
        return self._asked(how, given, blocks, session.renewed(held))

    def prepare(self, operation: Operation, arguments: Mapping[str, Any], headers: Sequence[Header] = (), body: str | None = None) -> None:
        """Make a request and send nothing. Raises FixConfiguration for one that the WSDL refuses. What a session would add is left open."""
        if self._session is None:
            blocks = [(one.namespace, one.name, one.values) for one in headers]
            self._made(operation, with_credentials(self.config.auth, arguments), blocks, body, {})

    def begin(self) -> bool:
        """Begin the session that the project declares, if none is going on: proof of its credentials. False where none is declared."""
        if self._session is not None:
            self._session.current()
        return self._session is not None

    def _begun(self) -> Held:
        """A new session, as the project's ``login`` says. Raises AccessRefused, and FixConfiguration for an address that is not listed."""
        login = self.config.auth.login
        assert login is not None
        contract = self.contract()
        called = operation_of(contract, login.operation, self.config.wsdl)
        how = _How(called, login.body, compile_plan(contract, called, rows=None, scalars=login.paths), lambda: lambda _: None, None)
        given = merged({}, {path: secret.get_secret_value() for path, secret in login.arguments.items()})
        reply, url = self._asked(how, given, (), None)
        host = urlsplit(url).netloc
        judge(reply, Terms(called.name, host, self._shown, login.ok, login.message))
        token = reply.scalars.get(login.token) if login.token else self.transport(url).cookie(login.name)
        if not token:
            raise AccessRefused("soap.no_session", operation=called.name, host=host, path=login.token or login.name)
        self._redact.learn((token,))
        address = (reply.scalars.get(login.endpoint) or "").strip() or None
        if address is not None:
            if not within(address, url, login.hosts):
                raise FixConfiguration("soap.session_elsewhere", operation=called.name, host=host, endpoint=self._shown(address))
            self._trusted.add(origin(address))
        if login.as_ == "cookie" and (login.token or address is not None):
            self.transport(address or url).keep_cookie(login.name, token)
        return Held(token, address)

    def _asked(self, how: _How, given: Mapping[str, Any], blocks: Sequence[tuple[str, str, Any]], held: Held | None) -> tuple[Reply, str]:
        """The whole reply to a request inside of a session, not judged yet, and where it came from."""
        operation, login = how.operation, self.config.auth.login
        url = self.endpoint(operation)
        if login is not None and held is not None:
            given = carried(login, held, self.contract(), operation, given)
            blocks = (*blocks, *header(login, held))
            url = held.address or url
        content, sent = self._made(operation, given, blocks, how.body, {PLACE: held.token} if held else {})
        if action := self._addressing(operation):
            sent[ACTION_HEADER] = action
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s", operation.name, self._redact(masked(content, self.config.auth.paths()).decode()))
        with ExitStack() as stack, self._in_time(operation.name, url):
            kept = how.aside if how.aside is not None else stack.enter_context(Aside(MAX_TEXT))
            return self._answer(url, content, sent, how, kept), url

    def _made(
        self,
        operation: Operation,
        given: Mapping[str, Any],
        blocks: Sequence[tuple[str, str, Any]],
        body: str | None,
        places: Mapping[str, str],
    ) -> tuple[bytes, dict[str, str]]:
        """The envelope and its HTTP headers; ``places`` are further values for a body written by hand."""
        if body is None:
            content, sent = self._zeep().envelope(operation, given)
        else:
            content, sent = envelope(operation, body, {**values_of(given), **places})
        return with_headers(content, blocks), sent

    def _answer(self, url: str, content: bytes, headers: Mapping[str, str], how: _How, aside: Aside) -> Reply:
        """The whole reply to a request, asked for again where it was cut."""
        for attempt in range(1, ATTEMPTS + 1):
            self._pace.take()
            aside.clear()
            try:
                return self._exchange(url, content, headers, how, aside)
            except IncompleteXml as error:
                if attempt == ATTEMPTS:
                    raise BrokenReply(
                        "soap.incomplete", operation=how.operation.name, host=urlsplit(url).netloc, attempts=attempt, why=str(error)
                    ) from error
            except SourceUnavailable as error:
                if error.code != "source.cut" or attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    @contextmanager
    def _in_time(self, what: str, url: str) -> Generator[None]:
        """Says of a reply that took too long which setting would have waited for it."""
        host = urlsplit(url).netloc
        try:
            yield
        except TooSlow as error:
            raise SourceUnavailable("soap.too_slow", operation=what, host=host, seconds=f"{error.seconds:g}") from error
        except SourceUnavailable as error:
            if not isinstance(error.__cause__, httpx.ReadTimeout):
                raise
            raise SourceUnavailable("soap.silent", operation=what, host=host, seconds=f"{self.config.wait_seconds:g}") from error

    def _zeep(self) -> Requests:
        bundle, contract = self._served.both()
        if self._requests is None or self._requests[0] is not bundle:
            self._requests = bundle, Requests(bundle, contract)
        return self._requests[1]

    def _addressing(self, operation: Operation) -> str:
        """The wsa:Action to send, empty for none."""
        if self.config.addressing == "always":
            return operation.addressing or operation.action or operation.name
        return operation.addressing if self.config.addressing == "contract" else ""

    def _exchange(self, url: str, content: bytes, headers: Mapping[str, str], how: _How, aside: Aside) -> Reply:
        host, operation = urlsplit(url).netloc, how.operation

        def classify(response: httpx.Response) -> Again | None:
            return self._classify(response, operation.name, host)

        # Read as it arrives: what is typed waits on disk (``staging``), so a large reply costs neither memory nor a second pass.
        with self.transport(url).stream("POST", url, content=content, headers=headers, classify=classify) as response:
            status, media_type, charset = response.status_code, _media_type(response), response.charset_encoding
            arriving = Arriving(response.iter_bytes(256 * 1024), MAX_REPLY)
            with named(operation.name, host, status):
                head = arriving.peek(512).lstrip().lower()
                if "html" in media_type or head.startswith((b"<!doctype html", b"<html")):
                    raise BrokenReply("soap.html", operation=operation.name, host=host, status=status)
                xml = head.startswith((b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff"))
                if status >= 400 and not xml and media_type != "multipart/related":
                    raise BrokenReply("soap.http_status", operation=operation.name, host=host, status=status)
                encoded, content_type = operation.use == "encoded", response.headers.get("Content-Type", "")
                reply = received(arriving, how.plan, how.sink, aside, content_type=content_type, charset=charset, encoded=encoded)
            if status >= 400 and reply.fault is None:
                raise BrokenReply("soap.http_status", operation=operation.name, host=host, status=status)
            return reply

    def _shown(self, text: str | None) -> str:
        """Text of the server, fit for an error message: masked, on one line, short."""
        flat = " ".join(self._redact(text or "-").split())
        return flat if len(flat) <= _SAID else flat[:_SAID] + "…"

    def _classify(self, response: httpx.Response, operation: str, host: str) -> Again | None:
        if response.status_code == 401:
            raise _NotKnown("soap.refused", host=host, what=operation, status=response.status_code)
        if response.status_code in (403, 407):
            raise AccessRefused("soap.refused", host=host, what=operation, status=response.status_code)
        if response.is_redirect:
            raise FixConfiguration("soap.redirected", host=host, what=operation, status=response.status_code)
        if response.status_code in (404, 405, 410) and "xml" not in _media_type(response):
            raise AddressUnknown("soap.not_there", host=host, what=operation, status=response.status_code)
        return busy_or_broken(response)

    def _get(self, url: str) -> tuple[bytes, str]:
        host = urlsplit(url).netloc
        what = urlsplit(url).path + ("?" + urlsplit(url).query if urlsplit(url).query else "")
        content = bytearray()
        transport = self.transport(url)
        with self._in_time(what, url), transport.stream("GET", url, classify=lambda reply: self._classify(reply, what, host)) as response:
            if response.status_code != 200:
                raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why=f"the server answers HTTP {response.status_code}")
            if "html" in _media_type(response):
                raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why="the server answers with a web page, perhaps a login form")
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_DOCUMENT:
                    raise FixConfiguration("soap.contract_too_large", wsdl=url, limit=f"{MAX_DOCUMENT} bytes in one document")
            return bytes(content), _media_type(response)


def _media_type(response: httpx.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
