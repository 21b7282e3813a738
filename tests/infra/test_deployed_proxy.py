"""The proxy of the deployment files, run as it is by a real nginx: what it lets through, to whom, and what it refuses."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from certificates import written
from faults.object_store import free_port

CONF = Path(__file__).resolve().parents[2] / "infra" / "deploy" / "nginx" / "fortnight.conf"
#: Where each service is in compose's network, and what a login is here: one cookie.
SERVICES = {"webserver": 3000, "webserver-readonly": 3000, "oauth2-proxy": 4180, "serve": 8765}
SIGNED_IN = {"Cookie": "signed=in"}


@dataclass
class Proxy:
    ca: Path
    ports: dict[int, int]
    #: What reached a service, as its name and the path.
    came: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def asked(self, port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> httpx.Response:
        """``path`` goes out as it is written: no client's tidying hides what a sly one could send."""
        url = httpx.URL(f"https://127.0.0.1:{self.ports[port]}").copy_with(raw_path=path.encode())
        return httpx.request(method, url, headers=headers, verify=str(self.ca), trust_env=False)


def service(name: str, proxy: Proxy) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            proxy.came.append((name, self.path))
            known = name != "oauth2-proxy" or "signed=in" in self.headers.get("Cookie", "")
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if (nginx := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")) is None:
        pytest.skip("no nginx on this machine")
    home = tmp_path_factory.mktemp("nginx")
    written(home)
    made = Proxy(home / "ca.pem", {port: free_port() for port in (443, 8443, 9443)})
    text = CONF.read_text(encoding="utf-8")
    for port, here in made.ports.items():
        text = text.replace(f"listen {port} ssl", f"listen 127.0.0.1:{here} ssl")
    text = re.sub(r"/etc/nginx/tls/server\.(crt|key)", str(home / "server.pem"), text)
    servers = {name: service(name, made) for name in SERVICES}
    for name, port in SERVICES.items():
        text = text.replace(f"http://{name}:{port}", f"http://127.0.0.1:{servers[name].server_address[1]}")
    paths = " ".join(f"{name}_temp_path {home};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    around = f"daemon off; pid {home}/pid; error_log {home}/error.log; events {{}} http {{ access_log off; {paths}\n{text}\n}}"
    (home / "nginx.conf").write_text(around, encoding="utf-8")
    running = subprocess.Popen([nginx, "-c", str(home / "nginx.conf"), "-p", str(home), "-e", str(home / "error.log")])
    try:
        for _ in range(200):
            try:
                made.asked(9443, "/")
                break
            except httpx.TransportError:
                assert running.poll() is None, (home / "error.log").read_text(encoding="utf-8")
                time.sleep(0.05)
        yield made
    finally:
        running.terminate()
        running.wait(timeout=20)
        for server in servers.values():
            server.shutdown()
            server.server_close()


@pytest.fixture(autouse=True)
def nothing_came_yet(proxy: Proxy) -> None:
    proxy.came.clear()


@pytest.mark.parametrize("port", [443, 8443])
@pytest.mark.parametrize(
    "path",
    [
        "/report_asset_check/a/b",
        "/REPORT_asset_materialization/x",
        "//report_asset_observation/x",
        "/%72eport_asset_check/a",
        "/a/../report_x",
    ],
)
def test_nobody_writes_a_check_result_through_the_proxy_not_even_signed_in(proxy: Proxy, port: int, path: str) -> None:
    assert proxy.asked(port, path, "POST", SIGNED_IN).status_code == 403
    assert proxy.came == []


@pytest.mark.parametrize(("port", "name"), [(443, "webserver"), (8443, "webserver-readonly")])
def test_pages_are_shown_to_who_has_signed_in_and_to_nobody_else(proxy: Proxy, port: int, name: str) -> None:
    proxy.asked(port, "/graphql", "POST")
    assert (name, "/graphql") not in proxy.came
    proxy.came.clear()
    assert proxy.asked(port, "/assets/report_asset", headers=SIGNED_IN).status_code == 200
    assert (name, "/assets/report_asset") in proxy.came


def test_who_only_reads_is_sent_to_sign_in_where_a_login_is(proxy: Proxy) -> None:
    sent = proxy.asked(8443, "/")
    assert (sent.status_code, sent.headers["location"]) == (302, "https://127.0.0.1/oauth2/sign_in")


def test_agents_and_webhooks_reach_what_serves_and_nothing_else_and_no_metrics(proxy: Proxy) -> None:
    assert proxy.asked(9443, "/hooks/sharepoint?validationToken=x", "POST").status_code == 200
    assert proxy.asked(9443, "/metrics").status_code == 403
    assert proxy.came == [("serve", "/hooks/sharepoint?validationToken=x")]
