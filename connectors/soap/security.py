"""Security on the wire: makes each request's credentials anew, just before it leaves, so that no try repeats a nonce or an old timestamp.

It stands where httpx asks for authentication: a retry passes here again. Order: WS-Addressing, application headers, TokenPassport, and
last WS-Security, which signs what stands before it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.soap import wsse
from connectors.soap.auth import Auth, TokenPassport
from connectors.soap.headers import header_of, put
from connectors.soap.ntlm import NtlmAuth

ACTION_HEADER = "X-Fortnight-Wsa-Action"
_ADDRESSING = "http://www.w3.org/2005/08/addressing"
_ANONYMOUS = f"{_ADDRESSING}/anonymous"


def _wall() -> datetime:
    # What a server checks a token against is the wire's own time, not the simulated one.
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True)
class Fresh:
    """Where times (aware UTC), nonces (bytes of the asked length) and message ids come from; tests fix them."""

    now: Callable[[], datetime] = _wall
    nonce: Callable[[int], bytes] = secrets.token_bytes


class WireSecurity(httpx.Auth):
    """Signs and stamps envelopes, and hands the request on to the HTTP scheme. Requests without an envelope only pass the latter."""

    requires_request_body = True

    def __init__(self, auth: Auth, fresh: Fresh | None = None, scheme: httpx.Auth | None = None) -> None:
        """``scheme`` stands in place of the HTTP scheme that ``auth`` holds ready."""
        self._auth = auth
        self._fresh = fresh or Fresh()
        self._http = scheme or _http_scheme(auth)
        # Read once: a PFX costs some tenths of a second to open.
        self._signer = wsse.Signer.open(auth.signature) if auth.signature is not None else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        action = request.headers.pop(ACTION_HEADER, "")
        if request.method == "POST" and (action or self.touches_envelope):
            request = self._stamped(request, action)
        if self._http is None:
            yield request
        else:
            yield from self._http.auth_flow(request)

    @property
    def touches_envelope(self) -> bool:
        auth = self._auth
        return bool(auth.headers or auth.token_passport or auth.username_token or self._signer)

    def _stamped(self, request: httpx.Request, action: str) -> httpx.Request:
        content = self.envelope(request.content, action, str(request.url))
        headers = [
            (key, value) for key, value in request.headers.multi_items() if key.lower() not in ("content-length", "transfer-encoding")
        ]
        return httpx.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)

    def envelope(self, content: bytes, action: str, to: str) -> bytes:
        """The envelope with everything that proves who asks."""
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

        root: Any = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        soap, header = root.tag[1:].partition("}")[0], header_of(root)
        if action:
            for name, text in (("Action", action), ("MessageID", f"urn:uuid:{self._uuid()}"), ("To", to)):
                put(header, _ADDRESSING, name, text)
            put(put(header, _ADDRESSING, "ReplyTo"), _ADDRESSING, "Address", _ANONYMOUS)
        for one in self._auth.headers:
            put(header, one.namespace, one.name, {name: value.get_secret_value() for name, value in one.values.items()})
        if self._auth.token_passport is not None:
            _passport(header, self._auth.token_passport, self._fresh)
        token = self._auth.username_token
        if token is not None or self._signer is not None:
            wsse.secure(root, soap, token, self._signer, now=self._fresh.now(), nonce=self._fresh.nonce(16))
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)

    def _uuid(self) -> str:
        text = bytearray(self._fresh.nonce(16))
        text[6], text[8] = text[6] & 0x0F | 0x40, text[8] & 0x3F | 0x80
        plain = text.hex()
        return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def passport_signature(passport: TokenPassport, nonce: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over account, consumer key, token, nonce and timestamp joined by ``&`` (NetSuite's TokenPassportSignature)."""
    base = "&".join((passport.account, passport.consumer_key.get_secret_value(), passport.token.get_secret_value(), nonce, timestamp))
    key = f"{passport.consumer_secret.get_secret_value()}&{passport.token_secret.get_secret_value()}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()


def _passport(header: Any, passport: TokenPassport, fresh: Fresh) -> None:
    core = f"urn:core_{passport.version}.platform.webservices.netsuite.com"
    nonce, timestamp = fresh.nonce(16).hex(), str(int(fresh.now().timestamp()))
    made = put(header, f"urn:messages_{passport.version}.platform.webservices.netsuite.com", "tokenPassport")
    for name, text in (
        ("account", passport.account),
        ("consumerKey", passport.consumer_key.get_secret_value()),
        ("token", passport.token.get_secret_value()),
        ("nonce", nonce),
        ("timestamp", timestamp),
    ):
        put(made, core, name, text)
    put(made, core, "signature", passport_signature(passport, nonce, timestamp)).set("algorithm", "HMAC-SHA256")


def _http_scheme(auth: Auth) -> httpx.Auth | None:
    if auth.basic is not None:
        return httpx.BasicAuth(auth.basic.user.get_secret_value(), auth.basic.password.get_secret_value())
    if auth.digest is not None:
        return httpx.DigestAuth(auth.digest.user.get_secret_value(), auth.digest.password.get_secret_value())
    if auth.ntlm is not None:
        return NtlmAuth(auth.ntlm)
    return _Bearer(auth.bearer.get_secret_value()) if auth.bearer is not None else None


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
