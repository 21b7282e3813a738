"""The wire: JSON over Microsoft Graph and SharePoint REST, their paging, throttling and errors. Knows no streams."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, SourceError, SourceUnavailable
from connectors.gate import Gate
from connectors.readings import Readings
from connectors.sharepoint.auth import Bearer, Tokens
from connectors.sharepoint.config import Config
from connectors.sharepoint.governor import Governor
from connectors.transport import Again, Transport, TransportOptions, retry_after

Json = Mapping[str, Any]
#: Graph asks for retries on these; 500 (generalException) is transient on SharePoint and no call here harms by coming twice.
_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 509})


def classify(response: httpx.Response) -> Again | None:
    """Throttled or broken for now → again. SharePoint's list view threshold is also a 500 and never heals by waiting."""
    if response.status_code not in _AGAIN:
        return None
    if response.status_code == 500 and response.is_closed and b"SPQueryThrottledException" in response.content:
        return None
    return Again(f"HTTP {response.status_code}", retry_after(response), shared=response.status_code in (429, 503))


class Api:
    """One of the tenant's two JSON interfaces. ``base`` is its root URL (``…/v1.0`` or ``https://contoso.sharepoint.com``)."""

    def __init__(
        self,
        base: str,
        resource: str,
        tokens: Tokens,
        options: TransportOptions,
        *,
        accept: str,
        handler: httpx.BaseTransport | None = None,
        gate: Gate | None = None,
    ) -> None:
        """``handler`` replaces the sockets, for tests."""
        self.resource = resource
        self._base = base
        self._origin = _origin(base)
        self.transport = Transport(
            base + "/",
            options=options,
            headers={"Accept": accept},
            auth=Bearer(tokens, resource),
            classify=classify,
            handler=handler,
            gate=gate,
        )

    def response(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, also: Container[int] = ()
    ) -> httpx.Response:
        """A GET whose status is below 400 or in ``also``; any other status is raised as the error it means."""
        response = self.transport.send("GET", url, params=params, headers=headers)
        if response.status_code < 400 or response.status_code in also:
            return response
        raise refusal(response)

    def sent(
        self, method: str, url: str, body: Json | None = None, *, headers: Mapping[str, str] | None = None, also: Container[int] = ()
    ) -> httpx.Response:
        """A request that changes something and does no harm when it arrives twice. Status as with ``response``."""
        response = self.transport.send(method, url, json=body, headers=headers, idempotent=True)
        if response.status_code < 400 or response.status_code in also:
            return response
        raise refusal(response)

    def json(self, url: str, *, params: Mapping[str, str] | None = None) -> Json:
        """The JSON object at ``url``. Raises as ``response`` does, and BrokenReply when the body is not an object."""
        return parsed(self.response(url, params=params))

    def values(self, url: str, *, params: Mapping[str, str] | None = None) -> Iterator[Json]:
        """Every element of a paged collection. Never ends early: a page that names itself as the next one is a BrokenReply."""
        yield from self.listed(self.json(url, params=params))

    def listed(self, first: Json) -> Iterator[Json]:
        """Every element of a paged collection whose first page is here. Raises as ``values`` does."""
        seen: set[str] = set()
        body = first
        while True:
            value = body.get("value")
            if not isinstance(value, list):
                raise BrokenReply("sharepoint.not_json", host=self._origin, what="a collection without value")
            yield from cast("list[Json]", value)
            following = body.get("@odata.nextLink") or body.get("odata.nextLink")
            if following is None:
                return
            link = self.inner(str(following))
            if link in seen:
                raise BrokenReply("sharepoint.paging_loop", host=self._origin)
            seen.add(link)
            body = self.json(link)

    def inner(self, link: str) -> str:
        """A link out of a reply as path and query, to be asked at our own origin.

        A link to another origin is a BrokenReply, so that no token is ever sent there; what we store survives a changed port.
        """
        parts = urlsplit(link)
        if parts.netloc and f"{parts.scheme}://{parts.netloc}".lower() != self._origin.lower():
            raise BrokenReply("sharepoint.foreign_link", host=self._origin, other=parts.netloc)
        return f"{self._origin}{parts.path}{'?' + parts.query if parts.query else ''}"

    def address(self, url: str) -> str:
        """The absolute address of what is named relative to this API's root."""
        return f"{self._base}/{url}"

    def relative(self, link: str) -> str:
        """What of an inner link a cursor may keep: path and query."""
        return link.removeprefix(self._origin)

    def absolute(self, link: str) -> str:
        """The inverse of ``relative``."""
        return f"{self._origin}{link}" if link.startswith("/") else link

    def close(self) -> None:
        self.transport.close()


@dataclass(frozen=True)
class Tenant:
    """The two interfaces of one tenant. ``rest`` is None without a certificate: SharePoint refuses app tokens bought with a secret.

    ``governor`` is the gate of both, and of whatever else is asked of the tenant; None in tests of the wire. ``readings`` is what the streams
    of a run share.
    """

    system: str
    config: Config
    tokens: Tokens
    graph: Api
    rest: Api | None
    governor: Governor | None = None
    readings: Readings = field(default_factory=Readings)

    def id(self) -> str:
        """The tenant's GUID, from the token: the project file may name the tenant by its domain."""
        found = str(self.tokens.claims(self.graph.resource).get("tid") or self.config.tenant)
        return found.lower()


def connect_tenant(system: str, config: Config, options: TransportOptions) -> Tenant:
    """Nothing is asked yet. ``options`` as the system's ``limits`` want them (``user_agent``)."""
    governor = Governor(config, options)
    tokens = Tokens(config, options, governor)
    graph = Api(f"{config.graph}/v1.0", config.graph, tokens, options, accept="application/json", gate=governor)
    if not tokens.by_certificate:
        return Tenant(system, config, tokens, graph, None, governor, readings=options.readings)
    # nometadata is a third of the size of the verbose dialect, and pages with odata.nextLink.
    rest = Api(config.host, config.host, tokens, options, accept="application/json;odata=nometadata", gate=governor)
    return Tenant(system, config, tokens, graph, rest, governor, readings=options.readings)


def parsed(response: httpx.Response) -> Json:
    """The reply's JSON object, or BrokenReply."""
    try:
        body: object = json.loads(response.content)
    except ValueError as error:
        raise BrokenReply(
            "sharepoint.not_json", host=_origin(str(response.url)), what=response.headers.get("Content-Type", "no type")
        ) from error
    if not isinstance(body, dict):
        raise BrokenReply("sharepoint.not_json", host=_origin(str(response.url)), what=type(body).__name__)
    return cast("Json", body)


def error_code(response: httpx.Response, part: str = "code") -> str:
    """The vendor's own code (or, by ``part``, message) out of a Graph or REST error body; empty where the body is HTML or nothing."""
    try:
        body: object = json.loads(response.content)
    except (ValueError, httpx.ResponseNotRead):
        return ""
    if not isinstance(body, dict):
        return ""
    found = cast("Json", body)
    error = found.get("error") or found.get("odata.error")
    return str(cast("Json", error).get(part, "")) if isinstance(error, dict) else str(error or "")


def refusal(response: httpx.Response) -> SourceError:
    """The error a status above 399 means. The URL is shown without its query, which may hold delta tokens."""
    path = urlsplit(str(response.url)).path
    told: dict[str, Any] = {
        "host": _origin(str(response.url)),
        "path": path,
        "status": response.status_code,
        "error_code": error_code(response),
    }
    match response.status_code:
        case 401:
            return AccessRefused("sharepoint.token_refused", **told)
        case 403:
            return AccessRefused("sharepoint.forbidden", **told)
        case 404:
            return AddressUnknown("sharepoint.not_found", **told)
        case 423:
            return AccessRefused("sharepoint.locked", **told)
        case status if status in _AGAIN:
            return SourceUnavailable("sharepoint.busy", **told)
        case _:
            return BrokenReply("sharepoint.unexpected_status", **told)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
