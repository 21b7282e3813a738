"""Bearer tokens by client credentials (RFC 6749 §4.4): fetched when one is first needed, again before it runs out, and once when a server
answers 401 all the same.

Over httpx and not MSAL: MSAL speaks to Microsoft's own authorities, whose addresses it finds out by itself, and a SOAP system's token may
come from any server (Keycloak, Oracle IDCS, an ERP's own). What is left of the flow without that is one form and one JSON object.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from connectors.errors import AccessRefused, BrokenReply
from connectors.soap.auth import OAuth2

#: So many seconds before its end a token is not used any more, or a tenth of its life where that is less: a request takes time to arrive.
_EARLY = 60.0
#: RFC 6749 appendix A.12, without the space that ends a token in a header (RFC 6750 §2.1).
_TOKEN = re.compile(r"[\x21-\x7e]+")
#: Posts a form (URL, content, headers) and gives the reply, whole.
Post = Callable[[str, bytes, Mapping[str, str]], httpx.Response]


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    until: float


class ClientCredentials(httpx.Auth):
    """Puts the token of one client into each request. Safe to use from several threads: they share it."""

    def __init__(self, spec: OAuth2, post: Post, clock: Callable[[], float], learn: Callable[[Iterable[str]], None]) -> None:
        """``clock`` is in seconds, from any beginning; ``learn`` is told each token before it is used, so that it shows nowhere."""
        self._spec, self._post, self._clock, self._learn = spec, post, clock, learn
        self._token: _Token | None = None
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._good()
        request.headers["Authorization"] = f"Bearer {token.text}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {self._good(refused=token).text}"
            yield request

    def _good(self, refused: _Token | None = None) -> _Token:
        """A token that is not about to run out and is not the one that was refused."""
        with self._lock:
            held = self._token
            if held is None or held is refused or self._clock() >= held.until:
                self._token = held = self._fetched()
            return held

    def _fetched(self) -> _Token:
        spec, host = self._spec, urlsplit(self._spec.token_url).netloc
        form = {"grant_type": "client_credentials", **({"scope": spec.scope} if spec.scope else {})}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        client = (spec.client_id, spec.client_secret.get_secret_value())
        if spec.secret_in == "body":
            form |= {"client_id": client[0], "client_secret": client[1]}
        else:
            # RFC 6749 §2.3.1: each is form-encoded before the two are joined.
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(map(quote_plus, client)).encode()).decode()
        began = self._clock()
        response = self._post(spec.token_url, urlencode(form).encode(), headers)
        said = _object(response)
        text = said.get("access_token")
        if (
            response.status_code == 200
            and isinstance(text, str)
            and _TOKEN.fullmatch(text)
            and str(said.get("token_type", "")).lower() == "bearer"
        ):
            self._learn((text,))
            return _Token(text, began + _life(said.get("expires_in")))
        if response.status_code in (400, 401, 403):
            # RFC 6749 §5.2: the code is one word of a few; what else stands there may repeat what was sent.
            raise AccessRefused("soap.token_refused", host=host, status=response.status_code, reason=_word(said.get("error")))
        raise BrokenReply("soap.token_broken", host=host, status=response.status_code)


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _life(stated: Any) -> float:
    """For how many seconds a token is used. Where the server does not say (RFC 6749 §5.1 lets it), until one is refused."""
    try:
        seconds = float(stated)
    except (TypeError, ValueError, OverflowError):
        return float("inf")
    return seconds - min(_EARLY, seconds / 10)


def _word(value: Any) -> str:
    text = str(value or "-")
    return text if text.isascii() and text.replace("_", "").isalnum() and len(text) <= 40 else "-"
