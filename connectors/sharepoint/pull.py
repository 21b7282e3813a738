"""Pulling a stream of any kind: each has its feed, all share one rule, that a cursor in the middle goes on exactly where it stopped.

The last page's cursor holds what the next day starts from; it is handed back with ``Window(since=…)``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa

from connectors.access import UNRESOLVED
from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Cursor, Known, LiveField, Page, Stream, Window
from connectors.sharepoint.addresses import Addresses, StreamScopes
from connectors.sharepoint.client import Tenant, parsed
from connectors.sharepoint.config import SourceSpec
from connectors.sharepoint.library import file_ids, pull_library
from connectors.sharepoint.pages import list_pages, page_values, read_pages
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.records import item_ids, pull_list, reread_list
from connectors.sharepoint.rows import PAGE_ROWS, MisfitError, Rows, inside
from connectors.sharepoint.schema import LIBRARY, PAGES, list_fields
from connectors.sharepoint.terms import Terms

#: SharePoint's time zone numbers for the zones sites of our users are in; others are named in the project file.
_ZONES = {
    2: "Europe/London", 3: "Europe/Paris", 4: "Europe/Berlin", 10: "America/New_York", 11: "America/Chicago", 12: "America/Denver",
    13: "America/Los_Angeles", 20: "Asia/Tokyo", 21: "Asia/Singapore", 23: "Asia/Kolkata", 45: "Asia/Shanghai", 72: "Asia/Seoul",
    75: "Asia/Taipei", 76: "Australia/Sydney", 93: "UTC",
}  # fmt: skip


def spec_of(stream: Stream) -> SourceSpec:
    """The stream's ``source`` block, judged. Raises FixConfiguration with the first thing wrong in it."""
    from pydantic import ValidationError

    try:
        return SourceSpec.model_validate(dict(stream.source))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "source"
        raise FixConfiguration("sharepoint.source_invalid", stream=stream.id, where=where, reason=first["msg"]) from error


def live_fields(tenant: Tenant, place: Place | None, spec: SourceSpec) -> tuple[LiveField, ...]:
    """The fields of a stream as they are now."""
    if spec.kind == "library":
        return LIBRARY
    if place is None:
        return PAGES
    return list_fields(tenant.graph.values(f"sites/{place.site.id}/lists/{place.list_id}/columns"))


def pull(at: Addresses, stream: Stream, window: Window, cursor: Cursor | None, known: Known | None) -> Iterator[Page]:
    """See ``Connector.pull``. Raises AddressUnknown for a place or column that is not there, before anything is yielded.

    With a cursor of an earlier pull's last page the window's bounds do not matter: the feed says what changed since.
    """
    tenant, spec = at.tenant, spec_of(stream)
    site = at.site(spec)
    if spec.kind == "pages":
        _known_columns(stream, PAGES)
        yield from _pull_pages(at, site, spec, stream, window, cursor)
        return
    place = at.place(spec)
    fields = at.just_described(spec) or live_fields(tenant, place, spec)
    _known_columns(stream, fields)

    scopes, note = StreamScopes(at, spec), at.note(spec)
    if spec.kind == "library":
        yield from pull_library(tenant.graph, place, scopes, note, stream, window, cursor, known)
    else:
        zone = at.zone(site, _zone) if _has_days(stream, fields) else None
        terms = Terms(tenant.rest, site)
        for page in pull_list(tenant.graph, place, scopes, note, fields, zone, terms, stream, window, cursor, known):
            yield terms.noted(page)


def reread(at: Addresses, stream: Stream, ids: Sequence[str]) -> Iterator[Page]:
    """Items of a list by their ids: see ``capabilities.Rereads``."""
    tenant, spec = at.tenant, spec_of(stream)
    site, place = at.site(spec), at.place(spec)
    fields = at.just_described(spec) or live_fields(tenant, place, spec)
    _known_columns(stream, fields)
    terms = Terms(tenant.rest, site)
    for page in reread_list(
        tenant.graph, place, StreamScopes(at, spec), fields, at.zone(site, _zone) if _has_days(stream, fields) else None, terms, stream, ids
    ):
        yield terms.noted(page)


def keys(at: Addresses, stream: Stream) -> Iterator[pa.RecordBatch]:
    """The key column of every live row, in slices, each row once."""
    key = [column for column in stream.columns if column.name in stream.key]
    whole = spec_of(stream).kind == "list"
    ids: list[Any] = []
    for id in _ids(at, stream):
        ids.append(int(id) if whole else id)
        if len(ids) == PAGE_ROWS:
            yield _key_batch(ids, key)
            ids = []
    if ids:
        yield _key_batch(ids, key)


def count(at: Addresses, stream: Stream) -> int:
    """Live rows by the source's own listing: Graph offers no exact count for drives, lists or pages, so its answer is walked."""
    return sum(1 for _ in _ids(at, stream))


def _ids(at: Addresses, stream: Stream) -> Iterator[str]:
    graph, spec = at.tenant.graph, spec_of(stream)
    if spec.kind == "pages":
        yield from (str(page["id"]) for page in list_pages(graph, at.site(spec)))
    elif spec.kind == "library":
        yield from file_ids(graph, at.place(spec))
    else:
        yield from item_ids(graph, at.place(spec))


def _key_batch(ids: Sequence[Any], key: Sequence[Any]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(ids, type=column.type) for column in key], names=[column.name for column in key])


def _pull_pages(at: Addresses, site: Site, spec: SourceSpec, stream: Stream, window: Window, cursor: Cursor | None) -> Iterator[Page]:
    """Pages have no delta: the listing is compared with what left before (``known``: id → version and scope), so any cursor resumes.

    A layout the source cannot render gives a row with metadata and null text, which the contract may refuse.
    """
    known: dict[str, list[str]] = (
        {id: list(one) for id, one in cast("Mapping[str, Sequence[str]]", cursor.state["known"]).items()} if cursor else {}
    )
    windowed = cursor is None or bool(cursor.state.get("windowed"))
    listed = {str(meta["id"]): meta for meta in list_pages(at.tenant.graph, site)}
    versions = {id: str(meta.get("eTag") or meta.get("lastModifiedDateTime") or "") for id, meta in listed.items()}
    quiet = bool(known) and versions == {id: version for id, (version, _) in known.items()}
    read_map = at.just_read(spec)
    # Rights that are carried on, and not a page that moved: every page is under the scope it was under.
    scopes = None if quiet and read_map is None else read_map if quiet and read_map is not None else StreamScopes(at, spec).whole()
    rows = Rows(stream)

    def here() -> Cursor:
        return Cursor({"v": 1, "known": {id: list(one) for id, one in known.items()}, "windowed": windowed})

    marks = {id: [version, scopes.of_unique(id) if scopes is not None else known[id][1]] for id, version in versions.items()}
    for id, page in read_pages(at.tenant.graph, site, [id for id, mark in marks.items() if known.get(id) != mark]):
        if page is None:
            continue
        version, scope = marks[id]
        raw = json.dumps(page, ensure_ascii=False).encode()
        try:
            values = page_values(page)
            if not windowed or inside(window, values["modified_at"]):
                rows.add(id, values, version=version, scope=scope, raw=raw)
        except MisfitError as misfit:
            rows.reject(id, (("modified_at", str(misfit)),), raw, version=version)
        known[id] = marks[id]
        if len(rows) >= PAGE_ROWS:
            yield rows.page(here(), len(listed))
            rows = Rows(stream)
    for id in sorted(known.keys() - listed.keys()):
        rows.remove({"page_id": id}, known.pop(id)[1] or UNRESOLVED)
    windowed = False
    yield rows.page(here(), len(listed))


def _known_columns(stream: Stream, fields: Sequence[LiveField]) -> None:
    """A column the source no longer has would read as null in every row; that is never let through."""
    there = {field.source for field in fields}
    for column in stream.columns:
        if column.source not in there:
            raise AddressUnknown("sharepoint.column_unknown", stream=stream.id, column=column.source, candidates=", ".join(sorted(there)))


def _has_days(stream: Stream, fields: Sequence[LiveField]) -> bool:
    wanted = {column.source for column in stream.columns}
    return any(field.source in wanted and pa.types.is_date(field.type) for field in fields)


def _zone(tenant: Tenant, site: Site) -> ZoneInfo:
    """The site's time zone: what the project file says, else what the site says. Raises FixConfiguration where neither is known."""
    if tenant.config.timezone is not None:
        return ZoneInfo(tenant.config.timezone)
    said = "nothing without a certificate"
    if tenant.rest is not None:
        api = f"{site.path.lstrip('/')}/_api".lstrip("/")
        response = tenant.rest.response(f"{api}/web/regionalsettings/timezone", params={"$select": "Id,Description"}, also={404})
        zone = parsed(response) if response.status_code < 400 else {}
        if zone.get("Id") in _ZONES:
            return ZoneInfo(_ZONES[zone["Id"]])
        said = f"{zone.get('Id', 'no zone')} {zone.get('Description', '')}".strip()
    raise FixConfiguration("sharepoint.timezone_unknown", site=site.path or "/", said=said)
