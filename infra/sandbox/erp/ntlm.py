"""Windows authentication in front of an application: NTLMv2 by pyspnego's acceptor. As with IIS, it is a connection that is logged in.

A connection is known by its two ends (uvicorn gives each request both). The server is not told when one ends, so what is known of it goes
after ``idle`` seconds without a request, and uvicorn's own keep-alive is no longer than that.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spnego
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Where a request's scope says who was logged in, for the application behind the door.
USER = "ntlm.user"
DOMAIN = "SAKURA"
_SCHEMES = {b"ntlm": spnego.NegotiateOptions.use_ntlm, b"negotiate": spnego.NegotiateOptions.use_negotiate}
_MAX_BODY = 1_000_000


def accounts(file: Path, known: Iterable[tuple[str, str, str]]) -> None:
    """Make these (domain, user, password) the accounts of this process, and NTLMv2 the only answer that is taken."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{domain}:{user}:{password}\n" for domain, user, password in known), encoding="utf-8")
    file.chmod(0o600)
    # pyspnego takes both from the environment and from nowhere else.
    os.environ["NTLM_USER_FILE"] = str(file)
    os.environ["LM_COMPAT_LEVEL"] = "5"


def binding_of(certificate: bytes) -> GssChannelBindings:
    """What an answer must be bound to (``tls-server-end-point``, RFC 5929 §4.1) where the server shows this certificate, in PEM."""
    found = load_pem_x509_certificate(certificate)
    algorithm = found.signature_hash_algorithm
    name = "sha256" if algorithm is None or algorithm.name in ("md5", "sha1") else algorithm.name
    return GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.new(name, found.public_bytes(Encoding.DER)).digest())


@dataclass
class _Login:
    """The login of one connection; ``user`` is empty until it is done."""

    context: spnego.ContextProxy | None = None
    user: str = ""
    at: float = 0.0


class Door:
    """Lets requests of connections that are logged in through to ``app``. ``schemes`` are what a challenge offers."""

    def __init__(
        self,
        app: Application,
        *,
        schemes: tuple[str, ...] = ("NTLM", "Negotiate"),
        binding: GssChannelBindings | None = None,
        idle: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._schemes = tuple(scheme.encode() for scheme in schemes)
        self._binding = binding
        self._idle = idle
        self._clock = clock
        self._logins: dict[Any, _Login] = {}

    def forget(self) -> None:
        """Every login, those that are under way too."""
        self._logins.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = (tuple(scope.get("client") or ()), tuple(scope.get("server") or ()))
        login = self._login(connection)
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        token = self._step(login, given) if given else b""
        if token is None or not login.user:
            if token is None:
                self._logins.pop(connection, None)
            await self._challenge(given, token or b"", receive, send)
            return
        answer = [(b"www-authenticate", _header(given, token))] if token else []

        async def proven(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *answer]
            await send(message)

        await self._app({**scope, USER: login.user}, receive, proven)

    def _login(self, connection: Any) -> _Login:
        now = self._clock()
        for old in [key for key, login in self._logins.items() if now - login.at > self._idle]:
            del self._logins[old]
        login = self._logins.setdefault(connection, _Login())
        login.at = now
        return login

    def _step(self, login: _Login, given: bytes) -> bytes | None:
        """What to answer to a message, empty for nothing; None when it was no good."""
        scheme, _, text = given.partition(b" ")
        if scheme.lower() not in (one.lower() for one in self._schemes):
            return None
        if login.context is None or login.user:
            login.context, login.user = (
                spnego.server(protocol=scheme.lower().decode(), options=_SCHEMES[scheme.lower()], channel_bindings=self._binding),
                "",
            )
        try:
            token = login.context.step(base64.b64decode(text, validate=True)) or b""
        except (SpnegoError, ValueError, struct.error):
            return None
        if login.context.complete:
            login.user = login.context.client_principal or ""
        return token

    async def _challenge(self, given: bytes, token: bytes, receive: Receive, send: Send) -> None:
        # The body is read to its end, or the connection could not be used again.
        size, more = 0, True
        while more and size < _MAX_BODY:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        offers = [_header(given, token)] if token else self._schemes
        body = b"401 Unauthorized"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 401, "headers": headers + [(b"www-authenticate", one) for one in offers]})
        await send({"type": "http.response.body", "body": body})


def _header(given: bytes, token: bytes) -> bytes:
    return given.partition(b" ")[0] + b" " + base64.b64encode(token)
