"""Channels that tests send to: a web server that notes what it is posted, and a mail server small enough to read."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Posts:
    """What came by HTTP. ``status`` is what the server answers."""

    url: str = ""
    status: int = 202
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def web_server() -> Iterator[Posts]:
    posts = Posts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            posts.headers.append(dict(self.headers))
            self.send_response(posts.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    posts.url = f"http://127.0.0.1:{server.server_port}/hook/kagi-himitsu"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield posts
    server.shutdown()
    server.server_close()


@dataclass
class Mails:
    """What came by SMTP, and whether each letter came through TLS."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


@contextmanager
def mail_server(context: ssl.SSLContext | None) -> Iterator[Mails]:
    """One letter a connection. With a context it offers STARTTLS (RFC 3207)."""
    mails = Mails()
    listener = socket.create_server(("127.0.0.1", 0))
    mails.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                _speak(line, context, mails)

    threading.Thread(target=serve, daemon=True).start()
    yield mails
    listener.close()


def _speak(line: socket.socket, context: ssl.SSLContext | None, mails: Mails) -> None:
    secure = False
    reader = line.makefile("rb")
    line.sendall(b"220 test\r\n")
    while said := reader.readline():
        verb = said.split()[0].upper() if said.split() else b""
        if verb == b"EHLO":
            line.sendall(b"250-test\r\n250 STARTTLS\r\n" if context and not secure else b"250 test\r\n")
        elif verb == b"STARTTLS" and context:
            line.sendall(b"220 go on\r\n")
            line, secure = context.wrap_socket(line, server_side=True), True
            reader = line.makefile("rb")
        elif verb == b"DATA":
            line.sendall(b"354 go on\r\n")
            letter = b""
            while (part := reader.readline()) != b".\r\n":
                letter += part
            found = message_from_bytes(letter, policy=policy.default)
            assert isinstance(found, EmailMessage)
            mails.letters.append(found)
            mails.encrypted.append(secure)
            line.sendall(b"250 taken\r\n")
        elif verb == b"QUIT":
            line.sendall(b"221 bye\r\n")
            return
        else:
            line.sendall(b"250 ok\r\n")
