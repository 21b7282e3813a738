"""Disturbances of the wire: what a request may suffer, for how many requests, and what the client then gets to see."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from infra.sandbox.faults import Spell, Unfinished
from infra.sandbox.kintone.errors import CATALOGUE

#: Kind → what it does, for the refusal of an unknown one.
KINDS = {
    "503": "plain text Service Unavailable",
    "502": "the HTML page of an overload or a maintenance",
    "429": "GAIA_TO04",
    "html200": "an HTML page with status 200",
    "text200": "the right body with the content type text/plain",
    "login": "302 to /login",
    "drop": "a connection cut within the first bytes",
    "cut": "a connection cut after `bytes` bytes of the body, or after its `share` (0 to 1)",
    "slow": "`milliseconds` more before every answer",
    "warning": "the header X-Cybozu-Warning on a 200",
    "520": "status 520 on application errors, as old deployments sent them",
    "error": "any error of the catalogue by its `code`",
}
WARNING = "Filter aborted because of too many search results"
_BUSY_PAGE = "<html><head><title>cybozu.com</title></head><body>一時的な高負荷、またはメンテナンスのため、サービスを利用できません。 Temporary overload or maintenance.</body></html>"


@dataclass(eq=False, kw_only=True)
class Fault(Spell):
    """What requests suffer whose path holds ``path``."""

    kind: str
    milliseconds: int = 0
    path: str = ""
    bytes: int | None = None
    share: float | None = None
    code: str = ""

    def meets(self, path: str) -> bool:
        """Whether this request suffers; counts it where its path is meant."""
        return self.path in path and self.strikes()

    def cut_at(self, size: int) -> int:
        """How many bytes of a body still arrive; always at least one is missing."""
        wanted = self.bytes if self.bytes is not None else int(size * (self.share if self.share is not None else 0.5))
        return max(0, min(wanted, size - 1))


def made(body: dict[str, object]) -> Fault:
    """A fault as the control verb describes it. ValueError for what there is not."""
    kind = str(body["kind"])
    if kind not in KINDS:
        raise ValueError(f"no such fault; there are: {', '.join(KINDS)}")
    code = str(body.get("code", "GAIA_DA02"))
    if kind == "error" and code not in CATALOGUE:
        raise ValueError(f"no such error code; there are: {', '.join(CATALOGUE)}")
    count, cut, share = body.get("count"), body.get("bytes"), body.get("share")
    return Fault(
        kind=kind,
        count=None if count is None else int(str(count)),
        skip=int(str(body.get("skip", 0))),
        milliseconds=int(str(body.get("milliseconds", 150))),
        path=str(body.get("path", "")),
        bytes=None if cut is None else int(str(cut)),
        share=None if share is None else float(str(share)),
        code=code,
    )


def instead(kind: str) -> Response | None:
    """The answer that stands in for the real one, for faults that do not even reach the application."""
    if kind == "503":
        return Response("Service Unavailable", 503, media_type="text/plain")
    if kind == "502":
        return Response(_BUSY_PAGE, 502, media_type="text/html")
    if kind == "html200":
        return Response("<html><body>ただいま大変混み合っています。</body></html>", 200, media_type="text/html")
    if kind == "login":
        return Response(b"", 302, headers={"Location": "/login?saml=off"})
    if kind == "drop":
        return Unfinished(b'{"records":[', 100_000)
    return None
