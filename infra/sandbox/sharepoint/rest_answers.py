"""Requests and answers in SharePoint REST's manner: refusals, ``$select``, pages, and the JSON dialects. Knows no entity."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from infra.sandbox.sharepoint.answers import Ask
from infra.sandbox.sharepoint.world import Site, World


class RestError(Exception):
    """A refusal: status, SharePoint's code (number, exception), sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Collection(list[dict[str, Any]]):
    """Entities with the address of the next page, if there is one."""

    following = ""


class Asked:
    """One request about one site: what of it an answer depends on."""

    def __init__(self, world: World, site: Site, ask: Ask, https_url: str) -> None:
        self._world, self._site, self._ask = world, site, ask
        self._api = f"{ask.base}/sites/{site.key}/_api"
        self._web_url = f"{https_url}/sites/{site.key}"
        self._expand = {part.strip().lower() for part in ask.query.get("$expand", "").split(",") if part.strip()}
        self._select = [part.strip() for part in ask.query.get("$select", "").split(",") if part.strip()]

    def _unknown(self, name: str) -> Any:
        raise RestError(404, "-1, Microsoft.SharePoint.Client.ResourceNotFoundException", f"Cannot find resource for the request {name}.")

    def _meta(self, kind: str, place: str) -> dict[str, str]:
        return {"id": f"{self._api}/{place}", "uri": f"{self._api}/{place}", "type": kind}

    def _selected(self, entity: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
        names = {part.split("/")[0] for part in self._select}
        if names and "*" not in names:
            return {key: value for key, value in entity.items() if key in names or key == "__metadata"}
        return {key: value for key, value in entity.items() if key not in optional or key in names}

    def _page(self, rows: list[Any], make: Callable[[Any], dict[str, Any]]) -> Collection:
        """``$top`` and ``$skip`` over what has no natural key."""
        skip, top = self._whole("$skip", 0), self._whole("$top", 100)
        found = Collection(make(row) for row in rows[skip : skip + top])
        if skip + top < len(rows):
            found.following = self._next(**{"$skip": str(skip + top)})
        return found

    def _whole(self, name: str, default: int) -> int:
        raw = self._ask.query.get(name, str(default))
        if not raw.isdigit():
            raise RestError(400, "-1, Microsoft.SharePoint.Client.InvalidClientQueryException", f"The query option {name} is not valid.")
        return int(raw)

    def _next(self, **changes: str) -> str:
        query = {key: value for key, value in self._ask.query.items() if key not in ("$skip", "$skiptoken")}
        return f"{self._ask.base}{quote(self._ask.path)}?{urlencode({**query, **changes}, quote_via=quote, safe='$')}"


def dialect(accept: str) -> str:
    """verbose, minimalmetadata or nometadata, by the Accept header. JSON without a word about metadata is minimal; full is not spoken here."""
    asked = accept.replace(" ", "").lower()
    return next((kind for kind in ("verbose", "nometadata") if f"odata={kind}" in asked), "minimalmetadata")


def in_dialect(payload: Any, kind: str, api: str) -> Any:
    """The payload as this dialect has it; ``api`` is the address of the site's ``_api``."""
    if kind == "verbose":
        return _verbose(payload)
    return _plain(payload) if kind == "nometadata" else _minimal(payload, api)


def headers(kind: str) -> dict[str, str]:
    """What every answer carries."""
    return {"SPRequestGuid": str(uuid.uuid4()), "SPRequestDuration": "5", "Content-Type": f"application/json;odata={kind};charset=utf-8"}


def _verbose(payload: Any) -> dict[str, Any]:
    if isinstance(payload, Collection):
        found: dict[str, Any] = {"results": [_nested(one) for one in payload]}
        if payload.following:
            found["__next"] = payload.following
        return {"d": found}
    return {"d": _nested(payload)}


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return {"results": [_nested(one) for one in value]}
    return {key.lstrip("!"): _nested(one) for key, one in value.items()} if isinstance(value, dict) else value


def _plain(payload: Any) -> Any:
    if isinstance(payload, Collection):
        found: dict[str, Any] = {"value": [_bare(one) for one in payload]}
        if payload.following:
            found["odata.nextLink"] = payload.following
        return found
    # A property or a function's result comes under its name in verbose JSON (marked with "!"), without it here.
    if isinstance(payload, dict) and len(payload) == 1 and next(iter(payload)).startswith("!"):
        value = _bare(next(iter(payload.values())))
        return value if isinstance(value, dict) else {"value": value}
    return _bare(payload)


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return {key: _bare(one) for key, one in value.items() if key != "__metadata"} if isinstance(value, dict) else value


def _minimal(payload: Any, api: str) -> Any:
    """OData 3's minimal metadata: what the whole is, and of each entity its type, where it is, and its tag."""
    metadata = f"{api}/$metadata"
    if isinstance(payload, Collection):
        kind = payload[0].get("__metadata", {}).get("type", "") if payload else ""
        found: dict[str, Any] = {"odata.metadata": f"{metadata}#{kind}", "value": [_annotated(one, api) for one in payload]}
        if payload.following:
            found["odata.nextLink"] = payload.following
        return found
    if isinstance(payload, dict) and len(payload) == 1 and next(iter(payload)).startswith("!"):
        (value,) = payload.values()
        if isinstance(value, dict):
            return {"odata.metadata": f"{metadata}#{value.get('__metadata', {}).get('type', '')}", **_annotated(value, api)}
        return {"odata.metadata": f"{metadata}#Edm.{'Boolean' if isinstance(value, bool) else 'String'}", "value": value}
    return {"odata.metadata": f"{metadata}#{payload.get('__metadata', {}).get('type', '')}/@Element", **_annotated(payload, api)}


def _annotated(value: Any, api: str) -> Any:
    if isinstance(value, list):
        return [_annotated(one, api) for one in value]
    if not isinstance(value, dict):
        return value
    about = value.get("__metadata", {})
    marks = {"odata.type": about.get("type"), "odata.id": about.get("id"), "odata.etag": about.get("etag")}
    if "uri" in about:
        marks["odata.editLink"] = str(about["uri"]).removeprefix(f"{api}/")
    found: dict[str, Any] = {key: one for key, one in marks.items() if one}
    for key, one in value.items():
        if isinstance(one, dict) and "__deferred" in one:
            found[f"{key}@odata.navigationLinkUrl"] = str(one["__deferred"]["uri"]).removeprefix(f"{api}/")
        elif key != "__metadata":
            found[key] = _annotated(one, api)
    return found
