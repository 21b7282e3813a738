"""Which streams are clearly documents, and the ``document:`` and ``content:`` blocks proposed for them. In doubt, none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.protocol import LiveField
from expectations.contract import ContentSpec, DocumentSpec, FieldSpec

#: kintone's keys of an attached file → the names that files have in our tables.
FILE_NAMES: Mapping[str, str] = {"fileKey": "ref", "name": "name", "contentType": "media_type", "size": "size"}
#: What a row has when it is a file of its own (a library).
_FILE_ROW = ("item_id", "name", "media_type", "size")
#: Vendor types of a field that holds running text.
_PROSE = frozenset({"RICH_TEXT", "MULTI_LINE_TEXT", "note"})
_LINE = frozenset({"SINGLE_LINE_TEXT", "text"})


def content_of(live: Sequence[LiveField], fields: Mapping[str, FieldSpec]) -> ContentSpec | None:
    """The files behind a row: the row itself in a library, the first attachment field in an app."""
    sources = {field.source for field in live}
    if sources >= set(_FILE_ROW):
        ref, name, media_type, size = (fields[source].name for source in _FILE_ROW)
        return ContentSpec(kind="file", ref=ref, name=name, media_type=media_type, size=size)
    attached = next((field for field in live if field.vendor_type == "FILE"), None)
    return ContentSpec(kind="list", ref=fields[attached.source].name) if attached else None


def document_of(live: Sequence[LiveField], fields: Mapping[str, FieldSpec]) -> DocumentSpec | None:
    """How a row reads as a document: a file, a page, or a record with rich text or attachments and a line to call it by."""
    by_source = {field.source: field for field in live}
    url = next((fields[source].name for source in ("web_url", "webUrl") if source in fields), None)
    if set(by_source) >= set(_FILE_ROW):
        return DocumentSpec(title=fields["name"].name, url=url, files=True)
    if {"title", "html"} <= set(by_source):
        return DocumentSpec(title=fields["title"].name, html=(fields["html"].name,), url=url)
    html = [field for field in live if _is_html(field)]
    attached = any(field.vendor_type == "FILE" for field in live)
    title = _title(live)
    if title is None or not (html or attached):
        return None
    body = [field for field in live if field.vendor_type in _PROSE and field is not title]
    return DocumentSpec(
        title=fields[title.source].name,
        body=tuple(fields[field.source].name for field in body),
        html=tuple(fields[field.source].name for field in html),
        url=url,
        files=attached,
    )


def _title(live: Sequence[LiveField]) -> LiveField | None:
    """The first required line of text that is not a number or code of its own (those are unique)."""
    lines = [field for field in live if field.vendor_type in _LINE and field.required]
    return next((field for field in lines if not field.facets.get("unique")), None)


def _is_html(field: LiveField) -> bool:
    return field.vendor_type == "RICH_TEXT" or (
        field.vendor_type == "note" and str(field.facets.get("format", "")).lower() in ("richtext", "html")
    )
