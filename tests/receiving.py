"""A receiver of webhooks on https, as a sandbox calls one: its manners a test chooses, and what came it keeps."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from houses import serving
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from infra.sandbox import ca
from infra.sandbox.settings import Settings


@dataclass
class Receiver:
    """A receiver on https whose manners a test chooses. ``status`` is what it says to notices."""

    url: str = ""
    manners: str = "good"
    status: int = 202
    came: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    proved: list[str] = field(default_factory=list[str])
    heard: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        token = request.query_params.get("validationToken")
        if token is None:
            self.came += json.loads(await request.body())["value"]
            answer = Response(status_code=self.status)
            self.heard.release()
        else:
            self.proved.append(scope["path"])
            said = {"encoded": token.replace(" ", "%20")}.get(self.manners, token)
            kind = "text/html" if self.manners == "html" else "text/plain"
            answer = PlainTextResponse(said, 202 if self.manners == "202" else 200, media_type=kind)
        await answer(scope, receive, send)

    def notice(self) -> dict[str, Any]:
        assert self.heard.acquire(timeout=20), "no notice came"
        return self.came[-1]


@contextmanager
def on_https(app: Any, settings: Settings) -> Generator[str]:
    """The application on a free port of loopback, with a certificate that this sandbox trusts; its address."""
    trusted = ca.ensure(settings.ca_file.parent)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        with serving(app, listening, ssl_certfile=str(trusted.cert_file), ssl_keyfile=str(trusted.key_file)):
            yield f"https://localhost:{listening.getsockname()[1]}"


@contextmanager
def receiving(settings: Settings) -> Generator[Receiver]:
    made = Receiver()
    with on_https(made, settings) as url:
        made.url = f"{url}/hook"
        yield made
