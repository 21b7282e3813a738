"""The keys an authority signs tokens with (JWKS), kept for a day and looked up anew, not too often, when an unknown one is named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.errors import FixConfiguration, FortnightError, SourceUnavailable
from pipelines.serving.reasons import AnswerWithheld, Reason

if TYPE_CHECKING:
    from connectors.transport import TransportOptions

Fetch = Callable[[], Mapping[str, Any]]


class Keys:
    """Signing keys by their ``kid``. ``fetch`` gives the key set (RFC 7517). Safe to share between threads.

    A name that is not among them is looked up at the authority once, and not again within ``pause``: who sends made-up names costs it nothing.
    Keys older than ``kept`` are not believed.
    """

    def __init__(self, fetch: Fetch, *, kept: timedelta = timedelta(hours=24), pause: timedelta = timedelta(seconds=60)) -> None:
        self._fetch, self._kept, self._pause = fetch, kept, pause
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._failure = ""

    def get(self, kid: str, now: datetime) -> Any:
        """The public key. Raises AnswerWithheld: ``bad_token`` for a name nobody has, ``keys_unknown`` where the authority does not answer."""
        with self._lock:
            fresh = self._read_at is not None and now - self._read_at < self._kept
            if not fresh or kid not in self._keys:
                self._refresh(now)
                fresh = self._read_at is not None and now - self._read_at < self._kept
            if fresh and kid in self._keys:
                return self._keys[kid]
            if self._failure or not fresh:
                raise AnswerWithheld(Reason.KEYS_UNKNOWN, retry_after=self._pause.total_seconds(), what=self._failure or "no answer")
            raise AnswerWithheld(Reason.BAD_TOKEN, why="kid")

    def _refresh(self, now: datetime) -> None:
        if self._tried_at is not None and timedelta() <= now - self._tried_at < self._pause:
            return
        self._tried_at = now
        try:
            found = self._fetch()
        except FortnightError as error:
            self._failure = type(error).__name__
            return
        self._keys, self._read_at, self._failure = signing_keys(found), now, ""


def signing_keys(found: Mapping[str, Any]) -> dict[str, Any]:
    """The RSA keys of a set that are meant for signatures; others are left out."""
    import jwt

    keys: dict[str, Any] = {}
    for one in found.get("keys", []):
        if one.get("kty") == "RSA" and one.get("use", "sig") == "sig" and one.get("alg", "RS256") == "RS256" and one.get("kid"):
            try:
                keys[str(one["kid"])] = jwt.PyJWK(one, "RS256").key
            except (jwt.InvalidKeyError, jwt.PyJWKError, ValueError):
                continue
    return keys


def from_authority(authority: str, tenant: str, issuer: str, options: TransportOptions) -> Fetch:
    """Reads the tenant's OpenID configuration, then the key set it names. The configuration must speak for ``issuer``, and both over TLS."""

    def fetch() -> Mapping[str, Any]:
        import json

        from connectors.transport import Transport

        base = f"{authority}/{tenant}/v2.0/"
        if urlsplit(base).scheme != "https":
            raise FixConfiguration("serving.authority_not_https", authority=authority)
        transport = Transport(base, options=options)

        def read(url: str) -> Mapping[str, Any]:
            reply = transport.send("GET", url)
            try:
                body: object = json.loads(reply.content) if reply.status_code == 200 else None
            except ValueError:
                body = None
            if not isinstance(body, dict):
                raise SourceUnavailable(
                    "source.unavailable", host=urlsplit(url).netloc or authority, reason=f"HTTP {reply.status_code}", attempts=1
                )
            return body

        configuration = read(".well-known/openid-configuration")
        where = str(configuration.get("jwks_uri", ""))
        if configuration.get("issuer") != issuer or urlsplit(where).scheme != "https":
            raise FixConfiguration("serving.other_issuer", issuer=issuer, found=str(configuration.get("issuer")))
        return read(where)

    return fetch
