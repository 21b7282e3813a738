"""The tiny ERP behind the sandbox's Windows authentication, on real sockets, with a wire in front of it that a test can cut."""

from __future__ import annotations

import base64
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from soap_fake import EMPTY, SCHEMA, WSDL, part, reply

from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.transport import TransportOptions
from infra.sandbox.erp.ntlm import Door, accounts

ROWS = [part("A"), part("B"), part("C")]


@dataclass(frozen=True)
class Leg:
    """One request as it came: its connection by number, NTLM's message (0 for none), the bytes of its body, the status it got."""

    connection: int
    message: int
    size: int
    status: int


@dataclass
class Erp:
    """Serves contract and rows, a page of one row at a time. ``legs`` are all requests; ``bodies`` those that passed the door."""

    legs: list[Leg] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    url: str = ""
    ca: Path | None = None
    door: Any = None
    #: Called when a request has passed the door, before it is answered.
    meanwhile: Callable[[], None] = lambda: None
    #: Whether this answer (its status, its NTLM message) shall end its connection.
    close: Callable[[int, int], bool] = lambda status, message: False
    _seen: dict[Any, int] = field(default_factory=dict)

    async def behind(self, scope: Any, receive: Any, send: Any) -> None:
        """The application behind the door."""
        content = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            content += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["method"] == "GET":
            text = SCHEMA if b"xsd=" in scope["query_string"] else WSDL.replace("https://erp.example", self.url)
            body = text.encode()
        else:
            self.bodies.append(content.decode())
            at = len(self.bodies) - 1
            self.meanwhile()
            body = reply(ROWS[at]) if at < len(ROWS) else EMPTY
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml"), _length(body)]})
        await send({"type": "http.response.body", "body": body})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        connection = self._seen.setdefault(tuple(scope["client"]), len(self._seen))
        said = message_of(headers.get(b"authorization", b""))

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.legs.append(Leg(connection, said, int(headers.get(b"content-length", b"0")), message["status"]))
                answered = max((message_of(value) for name, value in message["headers"] if name == b"www-authenticate"), default=0)
                if self.close(message["status"], answered):
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self.door(scope, receive, noted)

    def connector(
        self, login: dict[str, Any], attempts: int = 1, url: str = "", auth: dict[str, Any] | None = None, **config: Any
    ) -> SoapConnector:
        made: dict[str, Any] = {"wsdl": f"{url or self.url}/ws/Parts?wsdl", "auth": {"ntlm": login, **(auth or {})}, **config}
        if url:
            made["endpoint"] = f"{url}/ws/Parts"
        return SoapConnector("erp", Config.model_validate(made), TransportOptions(ca_file=self.ca, attempts=attempts))


def message_of(authorization: bytes) -> int:
    """The number of the NTLM message in a header, inside SPNEGO too; 0 where there is none."""
    try:
        token = base64.b64decode(authorization.partition(b" ")[2], validate=True)
    except ValueError:
        return 0
    _, found, rest = token.partition(b"NTLMSSP\0")
    return rest[0] if found else 0


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


@contextmanager
def windows(home: Path, known: list[tuple[str, str, str]], tls: tuple[Path, Path] | None = None, **door: Any) -> Iterator[Erp]:
    """The ERP while it is served, with these (domain, user, password) as its accounts. ``tls`` is certificate and key, in PEM."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NTLM_USER_FILE", "LM_COMPAT_LEVEL"):
            patch.setenv(name, os.environ.get(name, ""))
        accounts(home / "accounts", known)
        erp = Erp(ca=tls[0] if tls else None)
        erp.door = Door(erp.behind, **door)
        with served(erp, tls) as port:
            erp.url = f"https://localhost:{port}" if tls else f"http://localhost:{port}"
            yield erp


@contextmanager
def served(app: Any, tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """An ASGI application on a port of loopback."""
    more: dict[str, Any] = {"ssl_certfile": str(tls[0]), "ssl_keyfile": str(tls[1])} if tls else {}
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", timeout_keep_alive=60, timeout_graceful_shutdown=1, **more
        )
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Who comes before the server has begun waits, and is not refused.
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def wire(port: int, cut: Callable[[bytes], bool]) -> Iterator[int]:
    """A port that passes everything on to another; a connection is cut, both ways at once, after an answer of which ``cut`` says so."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ends: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if answers and cut(data):
                    break
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            open_ends.extend((client, server))
            threading.Thread(target=pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, True), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()
        for end in open_ends:
            end.close()
