"""The SOAP wire: fetches the contract, sends requests, and gives a reply only when it is whole and the application says that all is well."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO, Any, cast
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, SourceError, SourceUnavailable
from connectors.redaction import Redactor
from connectors.soap.bundle import MAX_DOCUMENT, Bundle, fetch
from connectors.soap.components import Contract, Operation
from connectors.soap.config import Config, Ok
from connectors.soap.decode import IncompleteXml, NotSoap, RawRow, Reply, decode
from connectors.soap.plan import Plan
from connectors.soap.request import Requests
from connectors.soap.wsdl import read
from connectors.soap.xmltree import BrokenXml, UnsafeXml
from connectors.transport import Again, Transport, TransportOptions, busy_or_broken

#: A reply that is cut is asked for again: reading changes nothing at the source.
ATTEMPTS = 3
MAX_REPLY = 2 * 1024**3
_IN_MEMORY = 8 * 1024 * 1024
_SAID = 200
_AUTH_FAULT = re.compile(r"auth|security|login|credential|session|accessdenied|permission", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class SoapClient:
    """One endpoint. ``handler`` replaces the sockets in tests."""

    def __init__(self, config: Config, options: TransportOptions, handler: httpx.BaseTransport | None = None) -> None:
        self.config = config
        self._options = options
        self._handler = handler
        basic = config.auth.basic
        self._secrets = [basic.password.get_secret_value()] if basic else []
        self._auth = httpx.BasicAuth(basic.user.get_secret_value(), basic.password.get_secret_value()) if basic else None
        self._redact = Redactor(self._secrets)
        self._transports: dict[tuple[str, str, int], Transport] = {}
        self._bundle: Bundle | None = None
        self._contract: Contract | None = None
        self._requests: Requests | None = None

    def transport(self, url: str | None = None) -> Transport:
        """The transport for a URL's origin (the WSDL's when none is given)."""
        origin = _origin(url or self.config.wsdl)
        if origin not in self._transports:
            parts = urlsplit(url or self.config.wsdl)
            self._transports[origin] = Transport(
                f"{parts.scheme}://{parts.netloc}", options=self._options, auth=self._auth, secrets=self._secrets, handler=self._handler
            )
        return self._transports[origin]

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

    def contract(self, *, refresh: bool = False) -> Contract:
        """The contract as served now (``refresh``) or as this connector first read it."""
        if refresh or self._contract is None:
            bundle = fetch(self.config.wsdl, self._get)
            if self._bundle is None or [d.sha256 for d in bundle.documents] != [d.sha256 for d in self._bundle.documents]:
                self._contract, self._requests = read(bundle), None
                if self.config.bundle_dir is not None:
                    bundle.save(self.config.bundle_dir)
            self._bundle = bundle
        assert self._contract is not None
        return self._contract

    def endpoint(self, operation: Operation) -> str:
        """Where requests go: the configured endpoint, else the WSDL's, which must be on the WSDL's own origin."""
        if self.config.endpoint:
            return self.config.endpoint
        parts = urlsplit(operation.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or _origin(operation.endpoint) != _origin(self.config.wsdl):
            # Credentials must not follow an address that only the document names.
            raise FixConfiguration("soap.endpoint_elsewhere", wsdl=self.config.wsdl, endpoint=operation.endpoint or "-")
        return operation.endpoint

    def call(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        plan: Plan,
        sink: Callable[[], Callable[[list[RawRow]], None]],
        *,
        ok: Ok | None = None,
        message: str | None = None,
        row_count: str | None = None,
    ) -> Reply:
        """One exchange. ``sink`` makes a fresh receiver of raw rows for each attempt; what it received counts only once this returns.

        Raises AccessRefused, AddressUnknown, SourceUnavailable, BrokenReply, and SourceError for an application error inside the reply.
        """
        self.contract()
        if self._requests is None:
            assert self._bundle is not None and self._contract is not None
            self._requests = Requests(self._bundle, self._contract)
        content, headers = self._requests.envelope(operation, arguments)
        url = self.endpoint(operation)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = self._exchange(url, content, headers, operation, plan, sink())
                break
            except IncompleteXml as error:
                if attempt == ATTEMPTS:
                    raise BrokenReply(
                        "soap.incomplete", operation=operation.name, host=urlsplit(url).netloc, attempts=attempt, why=str(error)
                    ) from error
            except SourceUnavailable as error:
                if error.code != "source.cut" or attempt == ATTEMPTS:
                    raise
        else:
            raise AssertionError("unreachable: the last attempt returns or raises")
        self._judge(reply, operation, ok, message, row_count, urlsplit(url).netloc)
        return reply

    def _exchange(
        self, url: str, content: bytes, headers: Mapping[str, str], operation: Operation, plan: Plan, sink: Callable[[list[RawRow]], None]
    ) -> Reply:
        host = urlsplit(url).netloc

        def classify(response: httpx.Response) -> Again | None:
            return self._classify(response, operation.name, host)

        # Spooled first: the connection is free again while we decode, and a slow decoder never runs into the server's timeout.
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            with self.transport(url).stream("POST", url, content=content, headers=headers, classify=classify) as response:
                status, media_type, charset = response.status_code, _media_type(response), response.charset_encoding
                size = 0
                for chunk in response.iter_bytes(256 * 1024):
                    size += len(chunk)
                    if size > MAX_REPLY:
                        raise BrokenReply("soap.reply_too_large", operation=operation.name, host=host, limit=MAX_REPLY)
                    spool.write(chunk)
            spool.seek(0)
            head = spool.read(512).lstrip().lower()
            spool.seek(0)
            if media_type == "multipart/related":
                raise BrokenReply("soap.mtom", operation=operation.name, host=host)
            if "html" in media_type or head.startswith((b"<!doctype html", b"<html")):
                raise BrokenReply("soap.html", operation=operation.name, host=host, status=status)
            if status >= 400 and not head.startswith((b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff")):
                raise BrokenReply("soap.http_status", operation=operation.name, host=host, status=status)
            try:
                reply = decode(cast(IO[bytes], spool), plan, sink, charset=charset)
            except IncompleteXml:
                raise
            except (BrokenXml, UnsafeXml, NotSoap) as error:
                raise BrokenReply("soap.broken", operation=operation.name, host=host, status=status, why=str(error)) from error
            if status >= 400 and reply.fault is None:
                raise BrokenReply("soap.http_status", operation=operation.name, host=host, status=status)
            return reply

    def _judge(self, reply: Reply, operation: Operation, ok: Ok | None, message: str | None, row_count: str | None, host: str) -> None:
        if reply.fault is not None:
            raise self._fault(reply.fault, operation.name, host)
        if ok is not None:
            code = reply.scalars.get(ok.path)
            said = self._shown(reply.scalars.get(message) if message else None)
            if code is None:
                raise BrokenReply("soap.ok_missing", operation=operation.name, host=host, path=ok.path)
            if code in ok.refused:
                raise AccessRefused("soap.refused_inside", operation=operation.name, host=host, result=self._shown(code), said=said)
            if code not in ok.values and code not in ok.empty:
                raise SourceError("soap.not_ok", operation=operation.name, host=host, result=self._shown(code), said=said)
            if code in ok.empty:
                if reply.rows:
                    raise BrokenReply("soap.count_differs", operation=operation.name, host=host, said=0, came=reply.rows)
                return
        if reply.missing:
            raise BrokenReply("soap.broken", operation=operation.name, host=host, status=200, why=f"<{reply.missing[0]}> is missing")
        if row_count:
            said_count = _number(reply.scalars.get(row_count))
            if said_count != reply.rows:
                raise BrokenReply(
                    "soap.count_differs",
                    operation=operation.name,
                    host=host,
                    said="-" if said_count is None else said_count,
                    came=reply.rows,
                )

    def _fault(self, fault: Mapping[str, str], operation: str, host: str) -> SourceError:
        code = (fault.get("code") or "").rpartition(":")[2]
        detail = (fault.get("subcode") or "").rpartition(":")[2]
        shown, said = self._shown("/".join(filter(None, (code, detail)))), self._shown(fault.get("text"))
        if _AUTH_FAULT.search(f"{code} {detail}"):
            return AccessRefused("soap.fault_refused", operation=operation, host=host, fault=shown, said=said)
        # SOAP 1.1 allows codes below Server (Server.Busy): the first part decides.
        if code.split(".")[0] in ("Server", "Receiver"):
            return SourceUnavailable("soap.fault_server", operation=operation, host=host, fault=shown, said=said)
        return BrokenReply("soap.fault", operation=operation, host=host, fault=shown, said=said)

    def _shown(self, text: str | None) -> str:
        """Text of the server, fit for an error message: masked, on one line, short."""
        flat = " ".join(self._redact(text or "-").split())
        return flat if len(flat) <= _SAID else flat[:_SAID] + "…"

    def _classify(self, response: httpx.Response, operation: str, host: str) -> Again | None:
        if response.status_code in (401, 403, 407):
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
        with self.transport(url).stream("GET", url, classify=lambda response: self._classify(response, what, host)) as response:
            if response.status_code != 200:
                raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why=f"the server answers HTTP {response.status_code}")
            if "html" in _media_type(response):
                raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why="the server answers with a web page, perhaps a login form")
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_DOCUMENT:
                    raise FixConfiguration("soap.contract_too_large", wsdl=url, limit=f"{MAX_DOCUMENT} bytes in one document")
            return bytes(content), _media_type(response)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _media_type(response: httpx.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _number(text: str | None) -> int | None:
    """``4``, or the 4 of an arrayType such as ``tns:line[4]``."""
    found = re.fullmatch(r"(\d+)|.*\[(\d+)\]", (text or "").strip(), re.ASCII)
    return int(found.group(1) or found.group(2)) if found else None
