"""What SharePoint's tests share: a Graph and a REST side that answer from a table, and how a running sandbox is reached."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pyarrow as pa

from connectors.protocol import Column, LiveField, Stream
from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.client import Api, Tenant
from connectors.sharepoint.config import Config
from connectors.sharepoint.scopes import ScopeMap, Securable, Standing
from connectors.transport import TransportOptions
from infra.sandbox import process
from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import TENANT_ID
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint.answers import Ask
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.graph import Graph
from infra.sandbox.sharepoint.rest import Rest
from infra.sandbox.sharepoint.subscriptions import Subscriptions
from infra.sandbox.sharepoint.world import World

GRAPH = "https://graph.example"
HOST = "https://contoso.sharepoint.example"
TENANT = "11111111-2222-3333-4444-555555555555"


def columns_of(fields: tuple[LiveField, ...]) -> tuple[Column, ...]:
    """A contract that takes every field under the source's own name."""
    return tuple(
        Column(
            one.source, one.source, one.type, one.required, tuple(Column(inner.label, inner.source, inner.type) for inner in one.children)
        )
        for one in fields
    )


def stream_of(source: Mapping[str, Any], fields: tuple[LiveField, ...], key: str) -> Stream:
    return Stream("sharepoint", "tested", source, (key,), columns_of(fields))


def rows_of(pages: list[Any]) -> list[dict[str, Any]]:
    """All rows of some pages, in order."""
    return pa.Table.from_batches([page.rows for page in pages]).to_pylist()


@dataclass
class Told:
    """Scopes as a test says they are: ``read`` whether this pull has just read them for its rights. ``asked`` are items asked for alone, and
    ``folders`` where those lie."""

    map: ScopeMap
    read: bool = True
    wholes: int = 0
    asked: list[str] = field(default_factory=list[str])
    folders: Mapping[str, str] = field(default_factory=dict[str, str])

    def just_read(self) -> ScopeMap | None:
        return self.map if self.read else None

    def whole(self) -> ScopeMap:
        self.wholes += 1
        return self.map

    def standing(self, item: str) -> Standing | None:
        self.asked.append(item)
        return (
            None if item not in self.map.items else Standing(self.map.own.get(item, ""), self.folders.get(item, ""), False, Securable(item))
        )


class FakeTokens:
    """Tokens by resource, numbered by how often they were renewed."""

    by_certificate = True

    def __init__(self) -> None:
        self.renewed = 0

    def get(self, resource: str, claims: str | None = None) -> str:
        return f"token-{self.renewed}-for-{resource}{'-' + claims if claims else ''}"

    def renew(self, resource: str, refused: str) -> str:
        if refused == self.get(resource):
            self.renewed += 1
        return self.get(resource)

    def claims(self, resource: str) -> Mapping[str, Any]:
        return {"tid": TENANT, "roles": ["Sites.FullControl.All"]}

    def close(self) -> None:
        return None


Answer = Mapping[str, Any] | tuple[int, Mapping[str, str], Any] | Callable[[httpx.Request], httpx.Response]


def verbose(value: Any) -> Any:
    """A body in OData's verbose dialect: collections under ``results``, the next page's link as ``__next``."""
    if isinstance(value, list):
        return {"results": [verbose(one) for one in value]}
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("value"), list):
        found = verbose(value["value"])
        return found | {"__next": value["odata.nextLink"]} if "odata.nextLink" in value else found
    return {name: verbose(one) for name, one in value.items()}


class Table(dict[str, Answer]):
    """Answers by path and query, in the dialect that was asked for; what is not in it is a 404. ``asked`` keeps every request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked: list[httpx.Request] = []
        #: How many parts each batch had.
        self.batches: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/$batch"):
            return self._batch(request)
        self.asked.append(request)
        target = request.url.raw_path.decode()
        answer = self.get(httpx.URL(target).raw_path.decode()) or self.get(target.split("?")[0])
        if answer is None:
            return httpx.Response(404, json={"error": {"code": "itemNotFound", "message": "not there"}})
        if callable(answer):
            return answer(request)
        if isinstance(answer, tuple):
            status, headers, body = answer
            return httpx.Response(status, headers=headers, content=json.dumps(body))
        plain = dict(answer)
        return httpx.Response(200, json={"d": verbose(plain)} if "odata=verbose" in request.headers["Accept"] else plain)

    def _batch(self, request: httpx.Request) -> httpx.Response:
        """Each part is one that was asked; the last one is answered first."""
        self.batches.append(len(json.loads(request.content)["requests"]))
        parts: list[dict[str, Any]] = []
        for part in json.loads(request.content)["requests"]:
            reply = self(httpx.Request(part["method"], f"{GRAPH}/v1.0{part['url']}", headers=request.headers))
            parts.insert(0, {"id": part["id"], "status": reply.status_code, "headers": dict(reply.headers), "body": reply.json()})
        return httpx.Response(200, json={"responses": parts})


def api(table: Table, base: str = GRAPH) -> Api:
    root = f"{base}/v1.0" if base == GRAPH else base
    options = TransportOptions(attempts=2, max_wait=0.01)
    return Api(root, base, cast("Tokens", FakeTokens()), options, accept="application/json", handler=httpx.MockTransport(table))


def tenant(graph: Table, rest: Table | None = None, **said: Any) -> Tenant:
    config = Config(tenant=TENANT, client_id="app", client_secret="s3cret-value", host=HOST, graph=GRAPH, sites=("/sites/quality",), **said)  # pyright: ignore[reportArgumentType]
    return Tenant("sharepoint", config, cast("Tokens", FakeTokens()), api(graph), None if rest is None else api(rest, HOST))


class _Trusting:
    """In the authority's place: every token is good, and bought with a certificate."""

    def claims(self, authorization: str, audiences: Sequence[str]) -> Mapping[str, Any]:
        return {"appidacr": "2"}


class _TheirTokens(FakeTokens):
    def claims(self, resource: str) -> Mapping[str, Any]:
        return {"tid": TENANT_ID, "roles": ["Sites.FullControl.All"]}


def served(world: World, home: Path) -> Tenant:
    """A tenant that holds a sandbox's world, asked in this process: its Graph and its REST, without sockets and authority."""
    clock = SandboxClock(datetime.now(UTC))
    settings = Settings(clock=clock, http_port=80, https_port=443, state=home, ca_file=home / "none", admin_token="of-this-test")
    trusting = cast("Authority", _Trusting())
    graph = Graph(world, trusting, settings, lambda path: None, Subscriptions(world, settings))
    rest = Rest(world, trusting, settings)

    def handled(request: httpx.Request) -> httpx.Response:
        base, path = f"{request.url.scheme}://{request.url.netloc.decode()}", request.url.path
        ask = Ask(request.method, path.removeprefix("/v1.0"), dict(request.url.params), request.headers, base, request.content)
        if path.startswith("/v1.0/"):
            answer = graph.handle(ask)
        else:
            site, _, below = path.removeprefix("/sites/").partition("/_api/")
            answer = rest.handle(site, below, ask)
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=bytes(answer.body))

    config = Config(
        tenant=TENANT_ID, client_id="app", client_secret="s3cret-value", host=HOST, graph=GRAPH, sites=("/sites/quality",),  # pyright: ignore[reportArgumentType]
        guests_hold_everyone=world.guests_hold_everyone,
    )  # fmt: skip
    tokens, options = cast("Tokens", _TheirTokens()), TransportOptions(attempts=1)
    sides = [
        Api(base, resource, tokens, options, accept=accept, handler=httpx.MockTransport(handled))
        for base, resource, accept in (
            (f"{GRAPH}/v1.0", GRAPH, "application/json"),
            (HOST, HOST, "application/json;odata=nometadata"),
        )
    ]
    return Tenant("sharepoint", config, tokens, *sides)


def config_of(home: Path, **changes: Any) -> Config:
    told = process.describe(home)["sharepoint"]
    said: dict[str, Any] = {
        "tenant": told["tenant"], "client_id": told["client_id"], "certificate": told["certificate"], "authority": told["authority"],
        "graph": told["graph"], "host": told["site_urls"][0].split("/sites/")[0], "timezone": "Asia/Tokyo", "limits": {"units_per_minute": 600_000, "company": "Sakura Seiki"},
        "sites": ["/sites/" + url.split("/sites/")[1] for url in told["site_urls"]],
    }  # fmt: skip
    return Config(**{**said, **changes})


def options_of(home: Path, **changes: Any) -> TransportOptions:
    return TransportOptions(ca_file=home / "ca" / "ca.pem", max_wait=2, **changes)
