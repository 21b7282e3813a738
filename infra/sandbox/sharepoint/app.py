"""The SharePoint sandbox's composition root: one app that is authority, Graph, SharePoint REST and download host at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.company.people import TENANT_ID
from infra.sandbox.host import Receive, Scope, Send, control_routes
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import control, founding, managed
from infra.sandbox.sharepoint.answers import Ask, GraphError, refusal
from infra.sandbox.sharepoint.authority import CLIENT_ID, MANAGED_ID, Authority, credentials
from infra.sandbox.sharepoint.graph import Graph
from infra.sandbox.sharepoint.mishaps import Mishaps
from infra.sandbox.sharepoint.rest import Rest
from infra.sandbox.sharepoint.subscriptions import Subscriptions
from infra.sandbox.sharepoint.throttle import Meter


def describe(settings: Settings) -> dict[str, Any]:
    """What a client needs to be told. ``certificate`` is a PEM file with private key and certificate; all secrets live in ``settings.state``."""
    kept = credentials(settings.state)
    return {
        "authority": f"{settings.https_url}/{TENANT_ID}",
        "graph": settings.https_url,
        "site_urls": [f"{settings.https_url}/sites/{key}" for key in (founding.QUALITY, founding.HR)],
        "tenant": TENANT_ID,
        "client_id": CLIENT_ID,
        "client_secret": kept.client_secret,
        "certificate": str(kept.certificate),
        "managed_identity": {
            "client_id": MANAGED_ID,
            "endpoint": f"{settings.http_url}/msi/token",
            "header": kept.identity_header,
            "imds": settings.http_url,
        },
    }


def build(settings: Settings) -> Starlette:
    """The whole server. The first call for a seed makes the files (some seconds); later ones find them in ``settings.state``."""
    world = founding.found(settings.clock.origin, settings.seed, settings.state)
    authority = Authority(settings)
    mishaps = Mishaps(authority.revoke)
    meter = Meter(settings.clock)
    subscriptions = Subscriptions(world, settings)
    graph, rest = Graph(world, authority, settings, mishaps.take, subscriptions, meter), Rest(world, authority, settings, meter)

    async def ask_of(request: Request, path: str) -> Ask:
        base = f"{request.url.scheme}://{request.headers['host']}"
        return Ask(request.method, path, dict(request.query_params), request.headers, base, await request.body())

    async def on_graph(request: Request) -> Response:
        return await asyncio.to_thread(graph.handle, await ask_of(request, f"/{request.path_params['path']}"))

    async def on_rest(request: Request) -> Response:
        ask = await ask_of(request, request.scope["path"])
        return await asyncio.to_thread(rest.handle, request.path_params["site"], request.path_params["path"], ask)

    async def on_download(request: Request) -> Response:
        return await asyncio.to_thread(graph.download, await ask_of(request, request.scope["path"]))

    everything = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            *control_routes(settings, control.verbs(world, authority, settings, mishaps, meter, subscriptions)),
            *_authority_routes(authority),
            Route("/v1.0/{path:path}", on_graph, methods=everything),
            Route("/sites/{site}/_api/{path:path}", on_rest, methods=everything),
            Route("/sites/{site}/_layouts/15/download.aspx", on_download),
        ],
        middleware=[Middleware(_Faulty, mishaps=mishaps)],
    )


def _authority_routes(authority: Authority) -> list[Route]:
    def base(request: Request) -> str:
        return f"{request.url.scheme}://{request.headers['host']}"

    def configuration(request: Request) -> Response:
        return JSONResponse(authority.openid_configuration(base(request), request.path_params["tenant"]))

    def discovery(request: Request) -> Response:
        return JSONResponse(authority.instance_discovery(base(request)))

    def keys(_: Request) -> Response:
        return JSONResponse(authority.keys())

    def token(version: int) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
            endpoint = f"{base(request)}{request.scope['path']}"
            return authority.token(request.path_params["tenant"], form, request.headers.get("authorization", ""), endpoint, version=version)

        return answer

    def managed_identity(request: Request) -> Response:
        answer = managed.app_service if request.scope["path"].startswith("/msi/") else managed.imds
        return answer(authority, request.query_params, request.headers)

    return [
        Route("/msi/token", managed_identity),
        Route("/metadata/identity/oauth2/token", managed_identity),
        Route("/common/discovery/instance", discovery),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", configuration),
        Route("/{tenant}/.well-known/openid-configuration", configuration),
        Route("/{tenant}/discovery/v2.0/keys", keys),
        Route("/{tenant}/oauth2/v2.0/token", token(2), methods=["POST"]),
        Route("/{tenant}/oauth2/token", token(1), methods=["POST"]),
    ]


class _Faulty:
    """Plays waiting faults on Graph, REST and downloads. A batch as a whole is spared: its parts are throttled one by one."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], mishaps: Mishaps) -> None:
        self._app, self._mishaps = app, mishaps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        meant = scope["type"] == "http" and path.startswith(("/v1.0/", "/sites/")) and path != "/v1.0/$batch"
        fault = self._mishaps.take(path) if meant else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        status, retry_after = fault
        if status == 0:
            # Announce more than is sent: the server closes the connection, and the client sees it break off.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        request = Request(scope)
        ask = Ask(str(scope["method"]), path, {}, request.headers, "")
        code = "activityLimitReached" if status == 429 else "serviceNotAvailable"
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        await refusal(ask, GraphError(status, code, "The request has been throttled.", headers=headers))(scope, receive, send)
