"""Requests and answers in Graph's manner: the ask, errors in Graph's shape, ``$select`` and pages. Knows nothing of sites."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, Response


@dataclass(frozen=True)
class Ask:
    """One Graph request. ``path`` is decoded and starts below ``/v1.0``; ``base`` is scheme and host as the client wrote them."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    base: str
    body: bytes = b""
    #: The claims of its token, once they are known.
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def app(self) -> str:
        return str(self.claims.get("appid", ""))

    @cached_property
    def select(self) -> list[str]:
        return [name.strip() for name in self.query.get("$select", "").split(",") if name.strip()]

    @cached_property
    def prefer(self) -> set[str]:
        return {part.strip().split("=")[0].lower() for part in self.headers.get("prefer", "").split(",")}

    def top(self, default: int, most: int) -> int:
        """``$top``, at most ``most``; raises GraphError for what is no positive number."""
        raw = self.query.get("$top", str(default))
        if not raw.isdigit() or int(raw) < 1:
            raise GraphError(400, "invalidRequest", f"Invalid value for $top: {raw}")
        return min(int(raw), most)

    def link(self, path: str, **changes: str) -> str:
        """An absolute address on the host the client used, with this ask's options kept and ``changes`` put in."""
        kept = {key: value for key, value in self.query.items() if key in ("$top", "$select", "$expand", "$filter")}
        return f"{self.base}/v1.0{quote(path, safe='/!,:()')}?{urlencode({**kept, **changes}, quote_via=quote, safe='$')}"


class GraphError(Exception):
    """A refusal in Graph's words."""

    def __init__(self, status: int, code: str, message: str, *, inner: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner, self.headers = status, code, message, inner, headers or {}


def answer(ask: Ask, payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON with Graph's identifying headers."""
    marks = {"request-id": str(uuid.uuid4()), "client-request-id": ask.headers.get("client-request-id", str(uuid.uuid4()))}
    return JSONResponse(payload, status_code=status, headers={**marks, "x-ms-ags-diagnostic": "{}", **(headers or {})})


def refusal(ask: Ask, error: GraphError) -> Response:
    """The error object of Graph with its inner error."""
    request, now = str(uuid.uuid4()), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    inner = {"date": now, "request-id": request, "client-request-id": ask.headers.get("client-request-id", request)}
    if error.inner:
        inner["code"] = error.inner
    payload = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return answer(ask, payload, error.status, {"request-id": request, **error.headers})


def chosen(item: dict[str, Any], select: list[str]) -> dict[str, Any]:
    """``$select`` applied: annotations stay, as in Graph."""
    if not select:
        return item
    names = {"@microsoft.graph.downloadUrl" if name == "content.downloadUrl" else name for name in select}
    always = {key for key in item if key.startswith("@") and key != "@microsoft.graph.downloadUrl"}
    return {key: value for key, value in item.items() if key in names | always}


def page(ask: Ask, rows: list[Any], *, default: int = 200, most: int = 1000) -> dict[str, Any]:
    """A collection page by ``$top`` and ``$skiptoken``; the address of the next one is absolute and opaque."""
    top = ask.top(default, most)
    token = ask.query.get("$skiptoken", "0")
    if not re.fullmatch(r"\d+", token):
        raise GraphError(400, "invalidRequest", "The $skiptoken cannot be read.")
    start = int(token)
    found: dict[str, Any] = {"value": [chosen(row, ask.select) for row in rows[start : start + top]]}
    if start + top < len(rows):
        found["@odata.nextLink"] = ask.link(ask.path, **{"$skiptoken": str(start + top)})
    return found


@lru_cache(maxsize=1 << 12)
def stamp(moment: datetime) -> str:
    """An instant as Graph writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
