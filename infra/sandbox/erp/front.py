"""What the ERP's three services have in common at their doors: documents, the service itself, mishaps, and an address that may move."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from infra.sandbox.erp import replies
from infra.sandbox.erp.living import LivingStore
from infra.sandbox.erp.mishaps import Mishap, Mishaps
from infra.sandbox.erp.replies import Reply

_MAX_REQUEST = 1_000_000
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:]+\](:[0-9]+)?")
_ACTION = re.compile(r'action="?([^";]*)')


@dataclass(frozen=True)
class Incoming:
    """A request to a service: its bytes, its media type, and the action that the header (1.1) or the media type (1.2) names, or empty."""

    body: bytes
    media_type: str
    action: str


class Service(ABC):
    """One SOAP service. What its contract says now is its ``store``'s affair; who may call it, and under which action, may change here."""

    name: ClassVar[str]
    path: ClassVar[str]
    #: The entity whose contract changes where a break does not say which.
    evolving: ClassVar[str]
    #: Further paths of the same service, each behind a door of its own.
    doors: ClassVar[tuple[str, ...]] = ()

    def __init__(self, store: LivingStore, mishaps: Mishaps) -> None:
        self.store = store
        self._mishaps = mishaps
        self.moved = False
        #: What stands behind every SOAPAction since they were changed.
        self.action_suffix = ""
        #: What stands behind the password since it was changed.
        self.password_suffix = ""

    @property
    def moved_path(self) -> str:
        """Where the service is found once it has moved."""
        return self.path.replace("/erp/", "/erp/v2/", 1)

    def refused(self, request: Request) -> Response | None:
        """The answer to a caller whom HTTP already turns away; here nobody."""
        return None

    @abstractmethod
    def document(self, asked: dict[str, str], here: str, service: str) -> tuple[bytes, str] | None:
        """A document of the contract and its media type. ``asked`` is the query with lower-case names; ``here`` and ``service`` are addresses."""

    @abstractmethod
    def answer(self, incoming: Incoming, mishap: Mishap | None) -> Reply:
        """The answer to a request, Faults included. Runs in a thread."""

    @abstractmethod
    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"entity", "count_only"?}``: the rows as they are sent now. ValueError for an entity there is not."""

    @abstractmethod
    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        """One change of the contract; returns it with its defaults."""

    @abstractmethod
    def withdraw(self, change: dict[str, Any]) -> None:
        """Take back one change that ``evolve`` returned."""

    @abstractmethod
    def elements(self) -> list[str]:
        """The names of the evolving entity's elements as they are now."""

    def routes(self) -> list[Route]:
        found: list[Route] = []
        for path in (self.path, self.moved_path, *self.doors):
            found += [Route(path, self._documents, methods=["GET"]), Route(path, self._serve, methods=["POST"])]
        return found

    def _here(self, request: Request) -> bool:
        return request.url.path in ((self.moved_path,) if self.moved else (self.path, *self.doors))

    async def _documents(self, request: Request) -> Response:
        if request.url.path == self.moved_path and not self.moved:
            return replies.page(replies.MOVED_PAGE, 404)
        if (no := self.refused(request)) is not None:
            return no
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            return PlainTextResponse("bad Host header", 400)
        here = f"{request.url.scheme}://{host}{request.url.path}"
        service = f"{request.url.scheme}://{_other(host)}{self.moved_path}" if self.moved else here
        asked = {key.lower(): value for key, value in request.query_params.items()}
        found = await asyncio.to_thread(self.document, asked, here, service)
        if found is None:
            return PlainTextResponse("no such document; ask for ?wsdl", 404)
        mishap = self._mishaps.take(self.name, "wsdl")
        if mishap and mishap.kind == "slow":
            await asyncio.sleep(mishap.seconds)
        return replies.instead(mishap) or replies.sent(self._mangled(replies.reply(*found), mishap), mishap)

    async def _serve(self, request: Request) -> Response:
        if not self._here(request):
            return replies.page(replies.MOVED_PAGE, 404)
        if (no := self.refused(request)) is not None:
            return no
        body = await request.body()
        if len(body) > _MAX_REQUEST:
            return PlainTextResponse("request too large", 413)
        mishap = self._mishaps.take(self.name, "service")
        if mishap and mishap.kind == "slow":
            await asyncio.sleep(mishap.seconds)
        if (other := replies.instead(mishap)) is not None:
            return other
        media_type = request.headers.get("content-type", "")
        named = _ACTION.search(media_type)
        action = request.headers.get("soapaction", "").strip().strip('"') or (named.group(1) if named else "")
        answer = await asyncio.to_thread(self.answer, Incoming(body, media_type, action), mishap)
        return replies.sent(answer, mishap)

    def _mangled(self, document: Reply, mishap: Mishap | None) -> Reply:
        """A Fault in the place of a document, where the mishap is one."""
        if mishap and mishap.kind in ("fault500", "fault200"):
            return self.answer(Incoming(b"", "", ""), mishap)
        return document


def _other(host: str) -> str:
    """Another name for this machine, on the same port."""
    name, colon, port = host.partition(":")
    return ("127.0.0.1" if name == "localhost" else "localhost") + colon + port
