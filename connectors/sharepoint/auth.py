"""App-only tokens for Graph and SharePoint REST, what a refusal of them means, and the httpx auth that carries them."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Generator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.gate import Gate
from connectors.sharepoint.config import Config
from connectors.sharepoint.issuer import Issuer, open_issuer
from connectors.transport import TransportOptions

#: What the token endpoint's AADSTS number means for the person who has to mend it.
_AADSTS = {
    7000215: "sharepoint.secret_wrong",
    7000222: "sharepoint.secret_expired",
    700027: "sharepoint.certificate_refused",
    7000214: "sharepoint.certificate_refused",
    700016: "sharepoint.app_unknown",
    90002: "sharepoint.tenant_unknown",
    900023: "sharepoint.tenant_unknown",
}


class Tokens:
    """App-only tokens per resource, cached by msal. Threads may share one; the first use reads the certificate and the authority."""

    def __init__(self, config: Config, options: TransportOptions, gate: Gate | None = None) -> None:
        self._config = config
        self._options = options
        self._gate = gate
        self._lock = threading.Lock()
        self._issuer: Issuer | None = None

    @property
    def by_certificate(self) -> bool:
        """Whether a certificate stands behind the tokens, the app's or the platform's: SharePoint REST accepts nothing less."""
        return self._config.certificate is not None or self._config.managed_identity is not None

    def get(self, resource: str, claims: str | None = None) -> str:
        """A bearer token for ``resource`` (a base URL). ``claims`` answers a claims challenge and passes the cache by.

        Raises AccessRefused with the AADSTS number, FixConfiguration for an unusable certificate or bad TLS, SourceUnavailable.
        """
        with self._lock:
            return self._acquire(resource, claims)

    def renew(self, resource: str, refused: str) -> str:
        """A token for ``resource`` in place of ``refused``, which the resource no longer takes although it has not run out.

        Asks the authority only where no other thread has done so since. Raises as ``get`` does.
        """
        with self._lock:
            token = self._acquire(resource)
            if token != refused:
                return token
            assert self._issuer is not None  # it gave the token
            self._issuer.forget()
            return self._acquire(resource)

    def claims(self, resource: str) -> Mapping[str, Any]:
        """The payload of the token for ``resource`` (``tid``, ``roles``, …), read and not verified: the resource does that."""
        parts = self.get(resource).split(".")
        if len(parts) != 3:
            return {}
        try:
            return cast("Mapping[str, Any]", json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))))
        except ValueError:
            return {}

    def close(self) -> None:
        if self._issuer is not None:
            self._issuer.close()

    def _acquire(self, resource: str, claims: str | None = None) -> str:
        import requests

        try:
            if self._issuer is None:
                self._issuer = open_issuer(self._config, self._options, self._gate)
            result = self._issuer.acquire(resource, claims)
        except requests.exceptions.SSLError as error:
            raise FixConfiguration("transport.tls", host=self._host, reason=type(error).__name__) from error
        except requests.exceptions.RequestException as error:
            # Whoever has no identity to ask for hears nothing at all, so the remedy is another one.
            code = "source.unavailable" if self._config.managed_identity is None else "sharepoint.identity_silent"
            raise SourceUnavailable(code, host=self._host, reason=type(error).__name__, attempts=1, retry_after=None) from error
        except ValueError as error:  # msal raises it for an authority it cannot use, and for an answer that is no JSON
            if self._config.managed_identity is not None:
                raise FixConfiguration("sharepoint.identity_unusable", host=self._host, reason=_first_line(str(error))) from error
            raise FixConfiguration("sharepoint.authority_unusable", authority=self._config.login, reason=_first_line(str(error))) from error
        token = result.get("access_token")
        if not isinstance(token, str):
            raise self._refused(result)
        return token

    @property
    def _host(self) -> str:
        return urlsplit(self._config.login).netloc if self._issuer is None else self._issuer.host

    def _refused(self, result: Mapping[str, Any]) -> AccessRefused | SourceUnavailable:
        if self._config.managed_identity is not None:
            reason = _first_line(str(result.get("error_description") or result.get("error", "")))
            return AccessRefused("sharepoint.identity_refused", host=self._host, identity=self._config.app, reason=reason)
        codes = [int(code) for code in cast("list[Any]", result.get("error_codes") or []) if str(code).isdigit()]
        if not codes:
            codes = [int(found) for found in re.findall(r"AADSTS(\d+)", str(result.get("error_description", "")))]
        shown = f"AADSTS{codes[0]}" if codes else str(result.get("error", "no code"))
        if not codes and result.get("error") in ("temporarily_unavailable", "server_error"):
            return SourceUnavailable("source.unavailable", host=self._host, reason=shown, attempts=1, retry_after=None)
        message = next((_AADSTS[code] for code in codes if code in _AADSTS), "sharepoint.login_refused")
        return AccessRefused(message, host=self._host, tenant=self._config.tenant, client_id=self._config.client_id, error_code=shown)


class Bearer(httpx.Auth):
    """Puts the token on each request, and answers one 401 with a fresh one: by the claims it asks for, where it does, else anew.

    A token may be revoked, or run out by the resource's clock and not yet by ours. A second 401 is the caller's to read.
    """

    def __init__(self, tokens: Tokens, resource: str) -> None:
        self._tokens = tokens
        self._resource = resource

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._tokens.get(self._resource)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code != 401:
            return
        challenge = re.search(r'claims="([^"]+)"', response.headers.get("WWW-Authenticate", ""))
        if challenge is not None:
            token = self._tokens.get(self._resource, _plain(challenge.group(1)))
        else:
            token = self._tokens.renew(self._resource, token)
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _plain(claims: str) -> str:
    """Claims stand in the header as base64 of JSON; msal wants the JSON itself."""
    try:
        text = base64.b64decode(claims + "=" * (-len(claims) % 4)).decode()
        json.loads(text)
    except ValueError:
        return claims
    return text


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "no reason given"
