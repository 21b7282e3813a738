"""NTLM over HTTP: three messages that log a *connection* in, not a request. Windows' own scheme, asked for by Dynamics NAV and IIS.

Sources: [MS-NTHT] (NTLM over HTTP), [MS-NLMP] (the messages, made by pyspnego), RFC 4559 (Negotiate), RFC 5929 §4.1 (the binding to TLS).

One connection at a time goes to such a host (``SoapClient`` sees to that), and each answer tells on which one it came, so a login is known
to hold as long as answers come on the connection it was made on. The first two legs carry no body, as browsers do it: an envelope is sent
to who has challenged us, and it is not sent twice. Only where a login should still hold and does not, the envelope has gone out in vain.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import httpx

from connectors.errors import AccessRefused, BrokenReply, SourceUnavailable
from connectors.soap.auth import Ntlm

if TYPE_CHECKING:
    from spnego import ContextProxy
    from spnego.channel_bindings import GssChannelBindings

#: A connection that is lost between the legs costs one of these.
_TRIES = 3
_BODY_HEADERS = frozenset({"content-length", "transfer-encoding"})
_TOKEN = re.compile(r"(?:^|,)\s*(?P<scheme>[A-Za-z][\w.+-]*)(?:\s+(?P<token>[A-Za-z0-9+/]+={0,2}))?(?=\s*(?:,|$))")
_QUOTED = re.compile(r"\"(?:[^\"\\\\]|\\\\.)*\"")
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][\w.+-]*)(?=\s+[^=\s]|\s*(?:,|$))")


@dataclass
class _Origin:
    """What is known of one host: the scheme it asks for, and the connection that is logged in."""

    scheme: str = ""
    connection: object | None = None


class NtlmAuth(httpx.Auth):
    """Logs connections in as one user. Raises AccessRefused where the server takes no NTLM, BrokenReply for what is no NTLM message, and
    SourceUnavailable where no connection lasts for a whole login. A wrong password is a 401 at the end, as with any scheme.
    """

    requires_request_body = True

    def __init__(self, login: Ntlm) -> None:
        self._login = login
        self._origins: dict[tuple[str, str, int | None], _Origin] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url = request.url
        origin = self._origins.setdefault((url.scheme, url.host, url.port), _Origin())
        # Whatever goes wrong from here on, the next request begins anew.
        known, origin.connection = origin.connection, None
        if not request.content or (known is not None and _lives(known)):
            response = yield request
            if response.status_code != 401:
                origin.connection = known if _connection(response) is known else None
                return
            origin.scheme = _offered(response)
        elif not origin.scheme:
            response = yield _leg(request)
            if response.status_code != 401:
                # This server asks nobody who they are.
                yield request
                return
            origin.scheme = _offered(response)
        yield from self._log_in(request, origin)

    def _log_in(self, request: httpx.Request, origin: _Origin) -> Generator[httpx.Request, httpx.Response, None]:
        for _ in range(_TRIES):
            login = _Login(self._login, origin.scheme, request.url.host)
            challenge = yield _leg(request, login.first())
            if challenge.status_code != 401:
                # The connection is still logged in, or needs no login.
                if request.content:
                    response = yield request
                    origin.connection = _connection(response) if response.status_code != 401 else None
                return
            token = _token(challenge, origin.scheme)
            if token is None:
                origin.scheme = _offered(challenge)
                return
            response = yield _copy(request, login.answer(token, challenge), request.content)
            if response.status_code != 401:
                login.confirm(response)
                origin.connection = _connection(response)
                return
            if _connection(response) is _connection(challenge):
                return
            origin.scheme = _offered(response)
        raise SourceUnavailable("soap.ntlm_unsteady", host=request.url.host, attempts=_TRIES)


class _Login:
    """One login under way."""

    def __init__(self, login: Ntlm, scheme: str, host: str) -> None:
        self._scheme, self._host = scheme, host
        self._context = _context(login, scheme, host)

    def first(self) -> str:
        """The first message, as an Authorization header."""
        return self._header(self._step(None, None))

    def answer(self, token: str, challenge: httpx.Response) -> str:
        """The answer to the server's challenge, bound to the connection it came on."""
        return self._header(self._step(token, _bindings(challenge)))

    def confirm(self, response: httpx.Response) -> None:
        """SPNEGO ends with the server's own proof, where it sends one."""
        token = _token(response, self._scheme)
        if token is not None and not self._context.complete:
            self._step(token, None)

    def _header(self, token: bytes | None) -> str:
        return f"{self._scheme} {base64.b64encode(token or b'').decode()}"

    def _step(self, token: str | None, bindings: GssChannelBindings | None) -> bytes | None:
        from spnego.exceptions import SpnegoError

        try:
            given = None if token is None else base64.b64decode(token, validate=True)
            return self._context.step(given, channel_bindings=bindings)
        except (SpnegoError, ValueError, struct.error, LookupError, OverflowError, TypeError, AttributeError) as error:
            # Whatever pyspnego trips over in a message that a server made. The message itself must not be said.
            raise BrokenReply("soap.ntlm_broken", host=self._host, scheme=self._scheme, why=type(error).__name__) from None


def _context(login: Ntlm, scheme: str, host: str) -> ContextProxy:
    import spnego

    # At debug level it logs every token.
    logging.getLogger("spnego").setLevel(logging.WARNING)
    user, password = login.account, login.password.get_secret_value()
    if scheme == "NTLM":
        return spnego.client(user, password, hostname=host, service="HTTP", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    return spnego.client(user, password, hostname=host, service="HTTP", options=spnego.NegotiateOptions.use_negotiate)


def _bindings(response: httpx.Response) -> GssChannelBindings | None:
    """``tls-server-end-point``: the hash of the certificate that the connection's server showed. None without TLS."""
    stream = response.extensions.get("network_stream")
    tls: Any = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = cast("bytes | None", tls.getpeercert(True)) if tls is not None else None
    if not certificate:
        return None
    from spnego.channel_bindings import GssChannelBindings

    return GssChannelBindings(application_data=b"tls-server-end-point:" + _digest(certificate))


def _digest(certificate: bytes) -> bytes:
    """By the hash of the certificate's own signature; SHA-256 where that is MD5, SHA-1 or none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_der_x509_certificate

    try:
        algorithm = load_der_x509_certificate(certificate).signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    name = "sha256" if algorithm is None or algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate).digest()


def _connection(response: httpx.Response) -> object | None:
    """What stands for the connection an answer came on: the same object as long as it is the same connection."""
    return response.extensions.get("network_stream")


def _lives(connection: Any) -> bool:
    """Whether the server has left an idle connection alone: bytes to read, or none any more, mean that it closed it."""
    return not connection.get_extra_info("is_readable")


def _offered(response: httpx.Response) -> str:
    """The scheme to log in by. Raises AccessRefused when the server offers neither."""
    schemes = {scheme.lower(): scheme for line in _challenges(response) for scheme in _SCHEME.findall(line)}
    for scheme in ("NTLM", "Negotiate"):
        if scheme.lower() in schemes:
            return scheme
    offered = ", ".join(sorted(schemes.values())) or "-"
    raise AccessRefused("soap.ntlm_not_offered", host=response.request.url.host, offered=offered[:80])


def _token(response: httpx.Response, scheme: str) -> str | None:
    """The message that the server sent under this scheme, in base64."""
    for line in _challenges(response):
        for found in _TOKEN.finditer(line):
            if found["scheme"].lower() == scheme.lower() and found["token"]:
                return found["token"]
    return None


def _challenges(response: httpx.Response) -> list[str]:
    return [_QUOTED.sub('""', line) for line in response.headers.get_list("WWW-Authenticate")]


def _leg(request: httpx.Request, authorization: str | None = None) -> httpx.Request:
    return _copy(request, authorization, b"")


def _copy(request: httpx.Request, authorization: str | None, content: bytes) -> httpx.Request:
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in _BODY_HEADERS]
    if authorization is not None:
        headers.append(("Authorization", authorization))
    return httpx.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)
