"""What a reply of kintone means: good, try again, or one of our errors. Decided by kintone's ``code`` first, by the status second.

Cybozu publishes no catalogue of codes; these were observed on real domains. Older domains answer 520 where newer ones answer 400
to 404, so a known code outweighs any status. Message texts follow the caller's language and are never matched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx
import msgspec

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FortnightError
from connectors.kintone.shapes import UNREADABLE
from connectors.redaction import Redactor
from connectors.transport import Again, Classify, retry_after

#: 429s for concurrency and cursors, and the codes whose text says "database busy, try later".
RETRIED = frozenset({"GAIA_TO04", "GAIA_TM12", "GAIA_DA02", "GAIA_LT01", "GAIA_RE18"})

_MEANING: dict[str, tuple[type[FortnightError], str]] = {
    "CB_AU01": (AccessRefused, "kintone.login_refused"),
    "CB_WA01": (AccessRefused, "kintone.login_refused"),
    "CB_TW02": (AccessRefused, "kintone.two_factor"),
    "CB_NO02": (AccessRefused, "kintone.no_privilege"),
    "GAIA_IA02": (AccessRefused, "kintone.token_refused"),
    "GAIA_NO01": (AccessRefused, "kintone.token_lacks_right"),
    "GAIA_AP01": (AddressUnknown, "kintone.app_gone"),
    "GAIA_IL23": (AddressUnknown, "kintone.guest_path"),
    "GAIA_IL25": (AddressUnknown, "kintone.guest_path"),
    "GAIA_RE01": (AddressUnknown, "kintone.record_unknown"),
    "GAIA_BL01": (AddressUnknown, "kintone.file_unknown"),
    "GAIA_IQ03": (BrokenReply, "kintone.query_refused"),
    "GAIA_IQ07": (BrokenReply, "kintone.query_refused"),
    "GAIA_IQ10": (BrokenReply, "kintone.query_refused"),
    "GAIA_IQ11": (BrokenReply, "kintone.query_refused"),
    "GAIA_IR02": (BrokenReply, "kintone.query_refused"),
    "GAIA_IL42": (BrokenReply, "kintone.query_refused"),
    "CB_VA01": (BrokenReply, "kintone.query_refused"),
}


#: A server's own words beyond this are cut.
_LONGEST_WORDS = 500
_redact = Redactor()


@dataclass(frozen=True)
class Asked:
    """What was asked, for the words of an error. ``redact`` takes out secrets: a server may say back what it was sent."""

    host: str
    resource: str
    app: str = "-"
    redact: Callable[[str], str] = _redact

    def quoted(self, said: object) -> str:
        """What the server said, fit for a message: without secrets, without control characters, and short."""
        # Cut a second time only behind the redaction: half a secret would not be known for one.
        text = self.redact(str(said)[: 4 * _LONGEST_WORDS])[:_LONGEST_WORDS]
        return "".join(one if one.isprintable() else " " for one in text)


def is_json(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower() == "application/json"


def judge_json(asked: Asked) -> Classify:
    """For calls that must answer with JSON. A body that is not JSON comes from something before kintone, whatever its status."""

    def judge(response: httpx.Response) -> Again | None:
        if response.is_success and is_json(response):
            warning = response.headers.get("X-Cybozu-Warning")
            if warning:
                # 200 with a silently shortened list ("Filter aborted because of too many search results").
                raise BrokenReply("kintone.partial_result", host=asked.host, app=asked.app, warning=asked.quoted(warning))
            return None
        return _trouble(response, asked)

    return judge


def judge_file(asked: Asked) -> Classify:
    """For file downloads: any media type is good, and the body is read only where it must explain an error."""

    def judge(response: httpx.Response) -> Again | None:
        return None if response.is_success else _trouble(response, asked)

    return judge


def judge_nothing(kept: Callable[[str], None], redact: Callable[[str], str]) -> Classify:
    """For a call made only to see that kintone answers: any JSON reply will do, its error code (or empty) is handed to ``kept``."""

    def judge(response: httpx.Response) -> Again | None:
        if is_json(response) and response.status_code < 500:
            kept("" if response.is_success else str(_error_body(response).get("code", "")))
            return None
        return _trouble(response, Asked(host=response.request.url.netloc.decode(), resource=response.request.url.path, redact=redact))

    return judge


def _trouble(response: httpx.Response, asked: Asked) -> Again | None:
    status = response.status_code
    where: dict[str, object] = {"host": asked.host, "resource": asked.resource, "app": asked.app, "status": status}
    if response.is_redirect:
        raise AccessRefused("kintone.redirected", **where)
    if not is_json(response):
        if status == 429 or status >= 500:
            return Again(f"HTTP {status}, not JSON: maintenance or overload", retry_after(response))
        raise BrokenReply("kintone.not_json", media_type=asked.quoted(response.headers.get("Content-Type", "none")), **where)
    body = _error_body(response)
    code = str(body.get("code", "")) or response.headers.get("X-Cybozu-Error", "")
    where.update(error_code=asked.quoted(code) or "-", error_id=asked.quoted(body.get("id", "-")), message=asked.quoted(_words(body)))
    if code in RETRIED:
        return Again(f"HTTP {status} {code}", retry_after(response))
    if code in _MEANING:
        kind, message_code = _MEANING[code]
        raise kind(message_code, **where)
    if code.startswith("GAIA_IQ"):
        raise BrokenReply("kintone.query_refused", **where)
    if status == 429 or (status >= 500 and (status != 520 or not code)):
        return Again(f"HTTP {status}", retry_after(response))
    if status in (401, 403):
        raise AccessRefused("kintone.no_privilege", **where)
    raise BrokenReply("kintone.request_refused", **where)


def _error_body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(response.read())
    except UNREADABLE:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _words(body: dict[str, Any]) -> str:
    """kintone's own sentence with the first detail of its ``errors``, for a person to read."""
    said = str(body.get("message", "-"))
    errors = body.get("errors")
    if isinstance(errors, dict):
        for path, detail in cast("dict[str, Any]", errors).items():
            messages = cast("dict[str, Any]", detail).get("messages") if isinstance(detail, dict) else None
            if isinstance(messages, list) and messages:
                return f"{said} ({path}: {cast('list[Any]', messages)[0]})"
    return said
