"""A loopback proxy that lets a chosen answer of an HTTP server through up to a chosen byte, and then cuts the connection."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

#: How the end of a body is told: by its length, by chunks, or by nothing but the end of the connection.
Framing = Literal["length", "chunked", "close"]
Place = Literal["nothing", "status line", "head", "whole head", "body", "character", "last byte"]


@dataclass(frozen=True)
class Cut:
    """The answers numbered ``first`` and on, ``times`` of them, break off at ``place``; ``share`` (0 to 1) says where within it."""

    first: int
    times: int
    place: Place
    share: float
    framing: Framing
    reset: bool

    def strikes(self, number: int) -> bool:
        return self.first <= number < self.first + self.times

    def of(self, head: bytes, body: bytes) -> bytes:
        """What of this answer still arrives."""
        head, wire = framed(head, body, self.framing)
        match self.place:
            case "nothing":
                return b""
            case "status line":
                return head[: 1 + int(self.share * head.index(b"\r\n"))]
            case "head":
                return head[: int(self.share * (len(head) - 1))]
            case "whole head":
                return head
            case "last byte":
                # Of chunks the very last bytes are only their end; the last byte of the page itself goes with them.
                return (head + wire)[: len(head) + wire.rindex(body[-1:])]
            case "body":
                return head + wire[: int(self.share * (len(wire) - 1))]
            case "character":
                start = int(self.share * len(wire))
                inside = [at for at in (*range(start, len(wire)), *range(start)) if wire[at] >= 0xC0][:1]
                return head + wire[: (inside[0] + 1) if inside else len(wire) // 2]


def framed(head: bytes, body: bytes, framing: Framing) -> tuple[bytes, bytes]:
    """An answer told anew in another framing: its head and what follows on the wire."""
    if framing == "length":
        return head, body
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith((b"content-length", b"connection"))]
    if framing == "close":
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n", body
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n", chunks + b"0\r\n\r\n"


class Cutter:
    """The proxy: ``cut`` says what it does to the answers from now on, ``answered`` counts them since then."""

    def __init__(self, upstream: tuple[str, int], port: int) -> None:
        self.upstream, self.url = upstream, f"http://localhost:{port}"
        self._cut: Cut | None = None
        self.answered = self.struck = 0
        self._lock = threading.Lock()

    def cut(self, cut: Cut | None) -> None:
        with self._lock:
            self._cut, self.answered, self.struck = cut, 0, 0

    def due(self) -> Cut | None:
        with self._lock:
            self.answered += 1
            if self._cut is None or not self._cut.strikes(self.answered):
                return None
            self.struck += 1
            return self._cut


class _Proxied(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        cutter = cast(Any, self.server).cutter
        client = cast(socket.socket, self.request)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.create_connection(cutter.upstream) as upstream, client.makefile("rb") as asked, upstream.makefile("rb") as answers:
            while request := _message(asked):
                upstream.sendall(b"".join(request))
                answer = _message(answers)
                if answer is None:
                    return
                cut = cutter.due()
                if cut is None:
                    client.sendall(b"".join(answer))
                    if len(answer[1]) < _length(answer[0]):  # the server itself broke off
                        return
                    continue
                client.sendall(cut.of(*answer))
                if cut.reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return


def _message(source: Any) -> tuple[bytes, bytes] | None:
    """One request or answer with its body; None at the end of the connection. Both sides here tell lengths."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = source.readline()
        if not line:
            return None
        head += line
    return head, source.read(_length(head))


def _length(head: bytes) -> int:
    return next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what is played here."""


@contextmanager
def cutter(port: int) -> Iterator[Cutter]:
    """A proxy on a free port before the server on ``port``, both on loopback."""
    with _Server(("127.0.0.1", 0), _Proxied) as server:
        made = Cutter(("127.0.0.1", port), int(server.server_address[1]))
        cast(Any, server).cutter = made
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="cutter")
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(30)
