"""How the SharePoint tests talk to the sandbox's server: a real socket pair, msal for tokens, httpx for the rest."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msal
import pytest
import uvicorn

from infra.sandbox import ca
from infra.sandbox.clock import SandboxClock
from infra.sandbox.host import MarkedApp
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint.app import build, describe

ADMIN = "open-sesame"


@dataclass
class Server:
    """One running server, with the calls the tests make."""

    settings: Settings
    told: dict[str, Any]
    client: httpx.Client

    def token(self, how: str = "certificate", scope: str | None = None, **changes: Any) -> dict[str, Any]:
        credential: Any = self.told["client_secret"]
        if how == "certificate":
            pem = Path(self.told["certificate"]).read_text()
            at = pem.index("-----BEGIN CERTIFICATE")
            credential = {"private_key": pem[:at], "public_certificate": pem[at:]}
        app = msal.ConfidentialClientApplication(
            self.told["client_id"],
            client_credential=changes.get("credential", credential),
            authority=self.told["authority"],
            instance_discovery=False,
            verify=str(self.settings.ca_file),
        )
        return app.acquire_token_for_client([scope or f"{self.told['graph']}/.default"], claims_challenge=changes.get("claims"))

    def get(self, path: str, *, how: str = "certificate", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token_of(self, how)}", **options.pop("headers", {})}
        url = path if path.startswith("http") else self.told["graph"] + path
        return self.client.request(options.pop("method", "GET"), url, headers=headers, **options)

    def control(self, verb: str, **body: Any) -> dict[str, Any]:
        response = self.client.post(f"{self.settings.https_url}/_sandbox/{verb}", json=body, headers={"X-Sandbox-Admin": ADMIN})
        assert response.status_code == 200, response.text
        return response.json()

    def drive(self, site: str, name: str) -> str:
        drives = self.get(f"/v1.0/sites/localhost:/sites/{site}:/drives").json()["value"]
        return next(drive["id"] for drive in drives if drive["name"] == name)

    def round(self, url: str) -> tuple[list[dict[str, Any]], str]:
        """All entries of a delta round as they came, and its deltaLink."""
        entries: list[dict[str, Any]] = []
        while True:
            page = self.get(url).json()
            entries += page["value"]
            if "@odata.deltaLink" in page:
                return entries, page["@odata.deltaLink"]
            url = page["@odata.nextLink"]


_TOKENS: dict[tuple[int, str], str] = {}


def token_of(server: Server, how: str) -> str:
    """An access token, asked for once per server and way."""
    key = (server.settings.https_port, how)
    if key not in _TOKENS:
        _TOKENS[key] = server.token(how)["access_token"]
    return _TOKENS[key]


@contextmanager
def serving(state: Path) -> Iterator[Server]:
    """A server over ``state``; files already made there are used again."""
    certificates = ca.ensure(state / "ca")
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    http_port, https_port = (one.getsockname()[1] for one in sockets)
    clock = SandboxClock(datetime(2026, 4, 1, 3, tzinfo=UTC))
    settings = Settings(clock, http_port, https_port, state / "own", certificates.ca_file, ADMIN)
    common: dict[str, Any] = {"log_level": "critical", "lifespan": "off", "access_log": False, "date_header": False}
    app = MarkedApp(build(settings), settings.clock)
    tls: dict[str, Any] = {"ssl_certfile": str(certificates.cert_file), "ssl_keyfile": str(certificates.key_file)}
    running = [
        uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=1, **common)),
        uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=1, **common, **tls)),
    ]
    threads = [threading.Thread(target=one.run, kwargs={"sockets": [own]}) for one, own in zip(running, sockets, strict=True)]
    for thread in threads:
        thread.start()
    while not all(one.started for one in running):
        time.sleep(0.01)
    # requests (in msal and office365) lets these win over its own verify; loopback never goes through a proxy.
    patch = pytest.MonkeyPatch()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        patch.setenv(name, str(certificates.ca_file))
    patch.setenv("NO_PROXY", "localhost,127.0.0.1")
    client = httpx.Client(verify=ssl.create_default_context(cafile=str(certificates.ca_file)))
    try:
        with client:
            yield Server(settings, describe(settings), client)
    finally:
        patch.undo()
        for one in running:
            one.should_exit = True
        for thread in threads:
            thread.join()
