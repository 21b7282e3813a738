"""The tiny ERP on real sockets: what a test must see byte by byte, by connection, or over TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from soap_fake import SCHEMA, WSDL

from connectors.soap.client import SoapClient
from connectors.soap.config import Config
from connectors.transport import TransportOptions

#: Answers one request; its body is given beside it.
Answer = Callable[["Exchange", bytes], None]
HOST = "https://erp.example"
WSDL_PATH, SCHEMA_PATH = "/ws/Parts?wsdl", "/ws/Parts?xsd=parts.xsd"


class Exchange(BaseHTTPRequestHandler):
    """One connection. ``say`` and ``chunk`` write what ``BaseHTTPRequestHandler`` leaves to be written."""

    protocol_version = "HTTP/1.1"
    server: Erp

    def do_GET(self) -> None:
        self.server.fetched.append(self.path)
        if (special := self.server.on_get) is not None:
            special(self, b"")
            return
        text = self.server.documents.get(self.path)
        self.say((text or "").encode(), status=200 if text else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body.decode()))
        self.server.answer(self, body)

    def say(
        self, content: bytes, *, status: int = 200, kind: str = "text/xml; charset=utf-8", headers: Mapping[str, str] | None = None
    ) -> None:
        self.begin(status, kind, {"Content-Length": str(len(content)), **(headers or {})})
        self.wfile.write(content)

    def begin(self, status: int = 200, kind: str = "text/xml; charset=utf-8", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in (headers or {"Transfer-Encoding": "chunked"}).items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """A piece of a reply that was begun in chunks; an empty one ends it."""
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Erp(ThreadingHTTPServer):
    """``documents`` by path, the address of the WSDL's service put right; ``asked`` holds the requests as path and body."""

    daemon_threads = True

    def __init__(self, answer: Answer, documents: Mapping[str, str], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer = answer
        self.on_get: Answer | None = None
        self.asked: list[tuple[str, str]] = []
        self.fetched: list[str] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        self.documents = {path: text.replace(HOST, self.url) for path, text in documents.items()}
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some of the tests are about."""

    def client(self, options: TransportOptions | None = None, clock: Callable[[], float] | None = None, **config: Any) -> SoapClient:
        made = Config.model_validate({"wsdl": self.url + WSDL_PATH, **config})
        said: dict[str, Any] = {} if clock is None else {"clock": clock}
        return SoapClient(made, options or TransportOptions(attempts=1), **said)


@contextmanager
def erp(answer: Answer, documents: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Erp]:
    server = Erp(answer, {WSDL_PATH: WSDL, SCHEMA_PATH: SCHEMA, **(documents or {})}, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
