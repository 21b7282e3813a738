"""Tokens for Graph and SharePoint REST by client credentials (msal), and the httpx auth that carries them."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.gate import Gate
from connectors.sharepoint.config import Config
from connectors.sharepoint.session import session
from connectors.transport import TransportOptions

if TYPE_CHECKING:
    import requests

#: Hosts whose authority msal knows; any other needs instance discovery switched off, or msal asks the public cloud about it.
_MICROSOFT = re.compile(
    r"(^|\.)(login\.microsoftonline\.(com|us)|login\.microsoft\.com|login\.windows\.net|sts\.windows\.net|login\.chinacloudapi\.cn"
    r"|login\.partner\.microsoftonline\.cn|login\.usgovcloudapi\.net|login\.sovcloud-identity\.(fr|de|sg))$"
)
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
        self._app: Any = None
        self._session: requests.Session | None = None

    @property
    def by_certificate(self) -> bool:
        """Whether the app proves itself with a certificate: SharePoint REST accepts nothing less."""
        return self._config.certificate is not None

    def get(self, resource: str, claims: str | None = None) -> str:
        """A bearer token for ``resource`` (a base URL). ``claims`` answers a claims challenge and passes the cache by.

        Raises AccessRefused with the AADSTS number, FixConfiguration for an unreadable certificate or bad TLS, SourceUnavailable.
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
            self._application().remove_tokens_for_client()
            return self._acquire(resource)

    def _acquire(self, resource: str, claims: str | None = None) -> str:
        import requests

        try:
            app = self._application()
            result = cast("Mapping[str, Any]", app.acquire_token_for_client([f"{resource}/.default"], claims_challenge=claims))
        except requests.exceptions.SSLError as error:
            raise FixConfiguration("transport.tls", host=self._host, reason=type(error).__name__) from error
        except requests.exceptions.RequestException as error:
            raise SourceUnavailable(
                "source.unavailable", host=self._host, reason=type(error).__name__, attempts=1, retry_after=None
            ) from error
        except ValueError as error:  # msal raises it for an authority it cannot use and for a key it cannot read
            raise FixConfiguration("sharepoint.authority_unusable", authority=self._config.login, reason=_first_line(str(error))) from error
        token = result.get("access_token")
        if not isinstance(token, str):
            raise self._refused(result)
        return token

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
        if self._session is not None:
            self._session.close()

    @property
    def _host(self) -> str:
        return urlsplit(self._config.login).netloc

    def _application(self) -> Any:
        if self._app is None:
            import msal

            self._session = session(self._options, self._gate)
            self._app = msal.ConfidentialClientApplication(
                self._config.client_id,
                client_credential=self._credential(),
                authority=self._config.login,
                instance_discovery=None if _MICROSOFT.search(urlsplit(self._config.login).hostname or "") else False,
                http_client=self._session,
            )
        return self._app

    def _credential(self) -> str | dict[str, str]:
        path = self._config.certificate
        if path is None:
            assert self._config.client_secret is not None  # Config refuses to exist without either
            return self._config.client_secret.get_secret_value()
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise FixConfiguration("sharepoint.certificate_unreadable", path=path.name, reason=type(error).__name__) from error
        key = re.search(r"-----BEGIN (?:\w+ )*PRIVATE KEY-----.+?-----END (?:\w+ )*PRIVATE KEY-----", text, re.S)
        certificate = re.search(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.S)
        if key is None or certificate is None:
            missing = "private key" if key is None else "certificate"
            raise FixConfiguration("sharepoint.certificate_unreadable", path=path.name, reason=f"no {missing} in it")
        # Without a thumbprint msal signs PS256 and sends x5t#S256, which is what Entra asks for today.
        return {"private_key": key.group(), "public_certificate": certificate.group()}

    def _refused(self, result: Mapping[str, Any]) -> AccessRefused | SourceUnavailable:
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
