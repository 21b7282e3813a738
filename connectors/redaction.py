"""How secrets are kept out of every log line and error: known values and known shapes are masked before text leaves."""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

MASK = "***"
#: So many secrets that pass are known at once.
_PASSING = 128
_SHAPES = (
    re.compile(
        r"(?i)((?:authorization|x-cybozu-api-token|x-cybozu-authorization|cookie|set-cookie)(?:['\"]?\s*[:=]|['\"]\s*,)\s*)([^\r\n]+)"
    ),
    re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"),
    re.compile(r"(?i)\b((?:ntlm|negotiate)\s+)[A-Za-z0-9+/]{40,}=*"),
    re.compile(r"(TlRMTVNT)[A-Za-z0-9+/=]{8,}"),
    re.compile(r"(?i)([?&](?:sig|password|token|key)=)[^&\s\"']+"),
    re.compile(r"(?i)(\b(?:access_token|refresh_token|client_assertion|client_secret|tempauth)=)[^&\s\"']+"),
    re.compile(r"(?i)([\"'](?:access_token|refresh_token|client_assertion|client_secret|password)[\"']\s*:\s*[\"'])[^\"']+"),
    re.compile(r"(?i)(<(?:\w+:)?password\b[^>]*>)[^<]+"),
    re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"\b(eyJ)[\w-]{10,}\.[\w-]{10,}\.[\w-]*"),
)


class Redactor:
    """Masks given secrets, the forms they take in URLs, JSON, XML and base64, and anything shaped like a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._learning = threading.Lock()
        self._lasting: set[str] = set()
        self._passing: deque[frozenset[str]] = deque(maxlen=_PASSING)
        self._forms: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Masks these too from now on: a session's token is a secret that nobody knew before."""
        forms = _forms(secrets)
        with self._learning:
            self._lasting |= forms
            self._order()

    def learn_passing(self, secrets: Iterable[str]) -> None:
        """Masks these until so many others have come that nobody speaks of them any more: links that are good for one file and some minutes."""
        forms = frozenset(_forms(secrets))
        with self._learning:
            self._passing.append(forms)
            self._order()

    def _order(self) -> None:
        self._forms = sorted(self._lasting.union(*self._passing), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        for shape in _SHAPES:
            text = shape.sub(lambda found: found.group(1) + MASK, text)
        return text


def _forms(secrets: Iterable[str]) -> set[str]:
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) < 4:  # masking every "a" would destroy the text and protect nothing
            continue
        forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escape(secret)}
        forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        forms |= {base64.b64encode(secret.encode()).decode(), base64.urlsafe_b64encode(secret.encode()).decode()}
        forms.update(_inside_base64(secret.encode()))
    return forms


def _inside_base64(secret: bytes) -> Iterator[str]:
    """What of a secret shows in the base64 of a longer text such as ``user:secret``: at each of the three places it may begin in a group."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret).decode()
        end = len(text) - (0, 3, 2)[(before + len(secret)) % 3]
        middle = text[(0, 2, 3)[before] : end]
        if len(middle) >= 6:
            yield middle
            yield middle.replace("+", "-").replace("/", "_")


class RedactingFilter(logging.Filter):
    """Puts every record of a logger through a redactor, arguments and exception text included."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redact = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        return True
