"""The live schema: fixed for libraries and pages, from column definitions for lists; Arrow types, facets that drift, fingerprint.

Source: Microsoft Graph v1.0, columnDefinition: exactly one facet says what a column is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from connectors.protocol import LiveField, Schema
from connectors.sharepoint.client import Json

INSTANT = pa.timestamp("us", tz="UTC")
#: How many digits after the point Graph's words mean. ``automatic`` promises nothing, so it stays a float.
_PLACES = {"none": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
#: Columns every list has that say nothing a record would.
_FURNITURE = frozenset(
    {"ContentType", "Attachments", "Edit", "DocIcon", "LinkTitle", "LinkTitleNoMenu", "LinkFilename", "ComplianceAssetId"}
)
_FACETS = (
    "text", "choice", "number", "currency", "boolean", "dateTime", "lookup", "personOrGroup", "hyperlinkOrPicture", "calculated", "term",
    "geolocation", "thumbnail", "contentApprovalStatus",
)  # fmt: skip


def _plain(source: str, label: str, type: pa.DataType, *, required: bool = False, vendor: str = "text") -> LiveField:
    return LiveField(source, label, type, vendor, required, {}, (), source)


#: One row per file. ``path`` starts at the library's root, with a slash; ``size`` is in bytes; instants are UTC. ``publication`` is
#: ``published``, ``draft`` or ``checkout``.
LIBRARY = (
    _plain("item_id", "Item id", pa.string(), required=True, vendor="id"),
    _plain("name", "Name", pa.string(), required=True),
    _plain("path", "Path", pa.string(), required=True),
    _plain("media_type", "Media type", pa.string()),
    _plain("size", "Size", pa.int64(), required=True, vendor="number"),
    _plain("quick_xor_hash", "QuickXorHash", pa.string()),
    _plain("etag", "ETag", pa.string(), required=True),
    _plain("created_at", "Created", INSTANT, vendor="dateTime"),
    _plain("modified_at", "Modified", INSTANT, required=True, vendor="dateTime"),
    _plain("modified_by", "Modified by", pa.string(), vendor="user"),
    _plain("web_url", "Address", pa.string()),
    _plain("list_item_id", "List item id", pa.string()),
    _plain("publication", "Publication", pa.string()),
)
#: One row per modern page. ``html`` and ``text`` join the page's text web parts in reading order; null where the page cannot be rendered.
PAGES = (
    _plain("page_id", "Page id", pa.string(), required=True, vendor="id"),
    _plain("name", "Name", pa.string(), required=True),
    _plain("title", "Title", pa.string()),
    _plain("html", "HTML", pa.string(), vendor="note"),
    _plain("text", "Text", pa.string(), vendor="note"),
    _plain("web_url", "Address", pa.string()),
    _plain("created_at", "Created", INSTANT, vendor="dateTime"),
    _plain("modified_at", "Modified", INSTANT, required=True, vendor="dateTime"),
)
#: What every list item has beside its columns.
_LIST_ITEM = (
    _plain("id", "ID", pa.int64(), required=True, vendor="id"),
    _plain("createdDateTime", "Created", INSTANT, vendor="dateTime"),
    _plain("lastModifiedDateTime", "Modified", INSTANT, required=True, vendor="dateTime"),
    _plain("lastModifiedBy", "Modified by", pa.string(), vendor="user"),
    _plain("webUrl", "Address", pa.string()),
)


def list_fields(columns: Iterable[Json]) -> tuple[LiveField, ...]:
    """The fields of a list: the item's own, then its visible columns in the source's order. Read-only columns only when calculated."""
    own = [
        _column(one)
        for one in columns
        if not one.get("hidden") and one.get("name") not in _FURNITURE and (not one.get("readOnly") or "calculated" in one)
    ]
    return (*_LIST_ITEM, *own)


def schema(fields: tuple[LiveField, ...], identity: Mapping[str, str]) -> Schema:
    """A Schema with its fingerprint. SharePoint keeps no version of a list's settings, so ``revision`` is the empty string."""
    return Schema(fields, fingerprint(fields), "", identity)


def fingerprint(fields: Iterable[LiveField]) -> str:
    """``sha256:…`` over names, types, required and facets in order of name: ids, labels and the order of columns do not count."""

    def shown(field: LiveField) -> dict[str, Any]:
        facets = {key: list(value) if isinstance(value, tuple) else value for key, value in sorted(field.facets.items())}
        return {
            "source": field.source, "type": str(field.type), "vendor": field.vendor_type, "required": field.required, "facets": facets,
            "children": [shown(child) for child in field.children],
        }  # fmt: skip

    text = json.dumps([shown(field) for field in sorted(fields, key=lambda one: one.source)], ensure_ascii=False, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _column(column: Json) -> LiveField:
    facet = next((name for name in _FACETS if name in column), "")
    detail: Json = column.get(facet) or {}
    vendor, type, facets, children = _typed(facet, detail, str(column.get("type", "")))
    if column.get("enforceUniqueValues"):
        facets["unique"] = True
    if column.get("indexed"):
        facets["indexed"] = True
    return LiveField(
        source=str(column["name"]), label=str(column.get("displayName") or column["name"]), type=type, vendor_type=vendor,
        required=bool(column.get("required")), facets=facets, children=children, id=str(column.get("id", "")),
    )  # fmt: skip


Facets = dict[str, str | int | bool | tuple[str, ...]]
_Typed = tuple[str, pa.DataType, Facets, tuple[LiveField, ...]]


def _typed(facet: str, detail: Json, said: str) -> _Typed:
    match facet:
        case "text":
            if detail.get("allowMultipleLines") or said == "note":
                return "note", pa.string(), {"format": str(detail.get("textType", "plain"))}, ()
            return "text", pa.string(), _some(detail, "maxLength"), ()
        case "choice":
            facets: Facets = {"options": tuple(str(one) for one in detail.get("choices") or ()), "open": bool(detail.get("allowTextEntry"))}
            many = said == "multichoice" or detail.get("displayAs") == "checkBoxes"
            return ("multichoice", pa.list_(pa.string()), facets, ()) if many else ("choice", pa.string(), facets, ())
        case "number":
            places = _PLACES.get(str(detail.get("decimalPlaces", "automatic")))
            type = pa.float64() if places is None else pa.decimal128(18, places)
            return "number", type, _some(detail, "minimum", "maximum", "min", "max", "displayAs"), ()
        case "currency":
            return "currency", pa.decimal128(19, 4), _some(detail, "locale"), ()
        case "boolean":
            return "boolean", pa.bool_(), {}, ()
        case "dateTime":
            only = detail.get("format") == "dateOnly"
            return "dateTime", pa.date32() if only else INSTANT, {"format": "dateOnly" if only else "dateTime"}, ()
        case "lookup":
            facets = _some(detail, "columnName")
            if detail.get("allowMultipleValues"):
                children = (_plain("LookupId", "id", pa.int64(), vendor="id"), _plain("LookupValue", "value", pa.string()))
                return "multilookup", _list_of(children), facets, children
            return "lookup", pa.int64(), facets, ()
        case "personOrGroup":
            if detail.get("allowMultipleSelection"):
                children = (
                    _plain("LookupId", "id", pa.int64(), vendor="id"), _plain("LookupValue", "name", pa.string()),
                    _plain("Email", "mail", pa.string()),
                )  # fmt: skip
                return "multiuser", _list_of(children), _some(detail, "chooseFromType"), children
            return "user", pa.int64(), _some(detail, "chooseFromType"), ()
        case "hyperlinkOrPicture":
            children = (_plain("Url", "url", pa.string()), _plain("Description", "description", pa.string()))
            return "url", _struct(children), {}, children
        case "term":
            children = (
                _plain("Label", "label", pa.string()), _plain("TermGuid", "term_guid", pa.string(), vendor="id"),
                _plain("WssId", "wss_id", pa.int64(), vendor="id"),
            )  # fmt: skip
            many = bool(detail.get("allowMultipleValues")) or said == "multiterm"
            return ("multiterm", _list_of(children), {}, children) if many else ("term", _struct(children), {}, children)
        case "calculated":
            output = str(detail.get("outputType", "text"))
            types: dict[str, pa.DataType] = {
                "number": pa.float64(), "currency": pa.decimal128(19, 4), "boolean": pa.bool_(),
                "dateTime": pa.date32() if detail.get("format") == "dateOnly" else INSTANT,
            }  # fmt: skip
            return "calculated", types.get(output, pa.string()), {"output": output, "formula": str(detail.get("formula", ""))}, ()
        case "geolocation" | "thumbnail" | "contentApprovalStatus":
            return facet, pa.string(), {}, ()
        case _:
            return (said if said == "location" else "unknown"), pa.string(), {}, ()


def _some(detail: Json, *names: str) -> Facets:
    return {name: detail[name] if isinstance(detail[name], int) else str(detail[name]) for name in names if detail.get(name) is not None}


def _struct(children: tuple[LiveField, ...]) -> pa.DataType:
    return pa.struct([pa.field(child.label, child.type) for child in children])


def _list_of(children: tuple[LiveField, ...]) -> pa.DataType:
    return pa.list_(_struct(children))
