"""The identity endpoint of a machine in Azure and an empty store in one, in a process of its own: the libraries hold the interpreter while they wait."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.request import urlopen

#: Path and headers, names in lower case, of one request.
Asked = tuple[str, dict[str, str]]


class Machine:
    """Where it listens, and what it was asked so far."""

    def __init__(self, port: int) -> None:
        self.port = port

    def asked(self) -> list[Asked]:
        with urlopen(f"http://127.0.0.1:{self.port}/--asked", timeout=30) as reply:
            return [(path, headers) for path, headers in json.load(reply)]


@contextmanager
def machine() -> Generator[Machine]:
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Machine(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[Asked]] = []

    def do_GET(self) -> None:
        if self.path == "/--asked":
            return self._answer(json.dumps(_Handler.asked))
        _Handler.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.startswith("/identity"):
            return self._answer(
                json.dumps({"access_token": "issued-here", "expires_on": "4102444800", "resource": "x", "token_type": "Bearer"})
            )
        if "comp=list" not in self.path:
            return self._answer("<?xml version='1.0' encoding='utf-8'?><Error><Code>BlobNotFound</Code></Error>", 404)
        self._answer("<?xml version='1.0' encoding='utf-8'?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>")

    def _answer(self, text: str, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
