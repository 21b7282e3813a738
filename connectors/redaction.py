"""How secrets are kept out of every log line and error: known values and known shapes are masked before text leaves."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
_SHAPES = (
    re.compile(r"(?i)((?:authorization|x-cybozu-api-token|x-cybozu-authorization|cookie|set-cookie)['\"]?\s*[:=]\s*)([^\r\n]+)"),
    re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"),
    re.compile(r"(?i)([?&](?:access_token|tempauth|sig|client_secret|password|token|key)=)[^&\s\"']+"),
    re.compile(r"(?i)(https?://[^/\s:@]+:)[^/\s@]+(?=@)"),
)


class Redactor:
    """Masks given secrets, their base64 and percent-encoded forms, and anything shaped like a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) < 4:  # masking every "a" would destroy the text and protect nothing
                continue
            forms |= {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        for shape in _SHAPES:
            text = shape.sub(lambda found: found.group(1) + MASK, text)
        return text


class RedactingFilter(logging.Filter):
    """Puts every record of a logger through a redactor, arguments and exception text included."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redact = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redact(record.getMessage())
        record.args = ()
        return True
