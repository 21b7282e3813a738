"""Local object stores for tests: a real S3 server in a process of its own, and a proxy before it that refuses on demand."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

#: Where the environment names an S3-compatible store; the values open nothing anywhere.
LOCAL = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def s3_server() -> Generator[int]:
    """The port of a local S3 server (moto) that lives as long as this; skips where it is not installed."""
    beside = Path(sys.executable).with_name("moto_server")
    command = str(beside) if beside.exists() else shutil.which("moto_server")
    if command is None:
        pytest.skip("no local S3 server (moto) is installed")
    port = free_port()
    server = subprocess.Popen([command, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if server.poll() is not None:
                pytest.fail("the local S3 server did not start")
            try:
                urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        urlopen(Request(f"http://127.0.0.1:{port}/lake", method="PUT"), timeout=30).close()
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


class Proxy:
    """Stands before a store, in a process of its own: the libraries hold the interpreter while they wait for an answer."""

    def __init__(self, store: int) -> None:
        self._process = subprocess.Popen([sys.executable, __file__, str(store)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def refuse(self, method: str, part: str) -> None:
        """From now on answer 503 to every request of this method (``*``: any) whose path holds ``part``."""
        self._ask("POST", f"/--refuse?{method}?{part}")

    def relent(self) -> int:
        """Pass everything on again. Returns how many requests were refused."""
        return int(self._ask("POST", "/--relent"))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def _ask(self, method: str, path: str) -> str:
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=b""), timeout=30) as reply:
            return str(reply.read().decode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = 0
    refusing: tuple[str, str] | None = None
    refused = 0

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/--refuse"):
            _, method, part = self.path.split("?")
            _Handler.refusing, _Handler.refused = (method, part), 0
            return self._answer(200, b"", {})
        if self.path.startswith("/--relent"):
            _Handler.refusing = None
            return self._answer(200, str(_Handler.refused).encode(), {})
        if _Handler.refusing is not None and _Handler.refusing[0] in ("*", self.command) and _Handler.refusing[1] in self.path:
            _Handler.refused += 1
            return self._answer(503, b"", {})
        upstream = http.client.HTTPConnection("127.0.0.1", _Handler.store, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        reply = upstream.getresponse()
        # One spelling of each name: the length that a HEAD tells must not stand beside that of the body it does not have.
        named = {name.title(): value for name, value in reply.getheaders()}
        ours = ("Transfer-Encoding", "Connection", "Keep-Alive", "Server", "Date")
        headers = {name: value for name, value in named.items() if name not in ours}
        self._answer(reply.status, reply.read(), headers)
        upstream.close()

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    _Handler.store = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
