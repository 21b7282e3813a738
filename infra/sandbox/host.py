"""How a sandbox server gets onto its sockets: one Starlette app, served over http and https on loopback, with the control endpoint beside it."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.clock import SandboxClock
from infra.sandbox.settings import Settings

#: Every sandbox answer carries this header, by which the product's transport knows that it is not talking to a real system.
SANDBOX_HEADER = "X-Fortnight-Sandbox"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Verb = Callable[[dict[str, Any]], Any]


class MarkedApp:
    """Adds the sandbox header to every response of the app inside it, and a Date (RFC 9110 §6.6.1) in sandbox time where the app set none."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], clock: SandboxClock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.append((SANDBOX_HEADER.lower().encode(), b"1"))
                if not any(name.lower() == b"date" for name, _ in headers):
                    headers.append((b"date", format_datetime(self._clock.now(), usegmt=True).encode()))
            await send(message)

        await self._app(scope, receive, marked)


def control_routes(settings: Settings, verbs: dict[str, Verb]) -> list[Route]:
    """``POST /_sandbox/<verb>`` with a JSON body, guarded by the admin token. ``advance``, ``stand``, ``run_on`` and ``clock`` are always there.

    A verb takes the body as a dict and returns what is JSON; ValueError and KeyError become 400 with the sentence.
    """

    def advance(body: dict[str, Any]) -> dict[str, str]:
        now = settings.clock.advance(timedelta(days=float(body.get("days", 0)), minutes=float(body.get("minutes", 0))))
        if "advanced" in verbs:
            verbs["advanced"](body)
        return {"now": now.isoformat()}

    def stand(body: dict[str, Any]) -> dict[str, str]:
        now = settings.clock.stand_at(datetime.fromisoformat(str(body["at"])))
        if "advanced" in verbs:
            verbs["advanced"](body)
        return {"now": now.isoformat()}

    def run_on(_: dict[str, Any]) -> dict[str, str]:
        return {"now": settings.clock.run_on().isoformat()}

    def clock(_: dict[str, Any]) -> dict[str, str]:
        return {"now": settings.clock.now().isoformat(), "origin": settings.clock.origin.isoformat()}

    own: dict[str, Verb] = {"advance": advance, "stand": stand, "run_on": run_on, "clock": clock}
    table: dict[str, Verb] = {**own, **{k: v for k, v in verbs.items() if k != "advanced"}}

    async def control(request: Request) -> Response:
        if request.headers.get("X-Sandbox-Admin") != settings.admin_token:
            return JSONResponse({"error": "the admin token is missing or wrong"}, status_code=403)
        verb = table.get(request.path_params["verb"])
        if verb is None:
            return JSONResponse({"error": f"no such verb; there are: {', '.join(sorted(table))}"}, status_code=404)
        raw = await request.body()
        body = await request.json() if raw else {}
        try:
            return JSONResponse(await asyncio.to_thread(verb, body))
        except (ValueError, KeyError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return [Route("/_sandbox/{verb}", control, methods=["POST"])]


def serve(app: Starlette, settings: Settings, *, cert_file: Path, key_file: Path) -> None:
    """Serve until SIGTERM or SIGINT. All listeners bind loopback only; a taken port raises OSError before anything is served."""
    marked = MarkedApp(app, settings.clock)
    common: dict[str, Any] = {
        "host": "127.0.0.1",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "lifespan": "off",
        "timeout_keep_alive": 60,
        "timeout_graceful_shutdown": 1,
    }
    tls: dict[str, Any] = {"ssl_certfile": str(cert_file), "ssl_keyfile": str(key_file)}
    listeners = [
        uvicorn.Server(uvicorn.Config(marked, port=settings.http_port, **common)),
        uvicorn.Server(uvicorn.Config(marked, port=settings.https_port, **common, **tls)),
    ]
    if settings.client_port:
        known = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(settings.ca_file)}
        listeners.append(uvicorn.Server(uvicorn.Config(marked, port=settings.client_port, **common, **tls, **known)))

    async def together() -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for one in listeners:
                one.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        # uvicorn would install handlers of its own and re-raise the signal; one place decides here.
        await asyncio.gather(*(one._serve() for one in listeners))  # pyright: ignore[reportPrivateUsage]

    asyncio.run(together())
