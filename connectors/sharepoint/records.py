"""Lists: the items' delta with their columns, one row per item that changed, or whose scope is another than before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from connectors.access import UNRESOLVED
from connectors.errors import AddressUnknown
from connectors.pages import page_schema
from connectors.protocol import Cursor, Known, LiveField, Page, Stream, Window
from connectors.sharepoint.client import Api
from connectors.sharepoint.decode import instant, list_row, readers
from connectors.sharepoint.feed import Spool, settle
from connectors.sharepoint.library import FEW, Scopes
from connectors.sharepoint.places import Place
from connectors.sharepoint.rows import PAGE_ROWS, MisfitError, Rows, emit, ended, inside
from connectors.sharepoint.scopes import ScopeMap, digest
from connectors.sharepoint.terms import Terms

#: Content types whose id starts so are folders.
_FOLDER = "0x0120"
_VERSION = 2
_KEPT = pa.schema([(name, pa.string()) for name in ("_key", "_op", "scope")])


class _ContentType(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Head(msgspec.Struct):
    id: str
    contentType: _ContentType | None = None

    @property
    def is_row(self) -> bool:
        return self.contentType is None or not self.contentType.id.startswith(_FOLDER)


def item_ids(graph: Api, place: Place) -> Iterator[str]:
    """Ids of all live items that are not folders, as the source lists them now."""
    for item in graph.values(place.items_url, params={"$select": "id,contentType", "$top": "999"}):
        if msgspec.convert(item, type=_Head).is_row:
            yield str(item["id"])


def pull_list(
    graph: Api, place: Place, scopes: Scopes, note: Mapping[str, str], fields: tuple[LiveField, ...], zone: ZoneInfo | None,
    terms: Terms, stream: Stream, window: Window, cursor: Cursor | None, known: Known | None,
) -> Iterator[Page]:  # fmt: skip
    """See ``Connector.pull``. ``zone`` is the site's, by which date-only columns become the date its people see, and so are ``terms``;
    ``note`` is where the list was found, for the cursor."""
    state: Mapping[str, Any] = cursor.state if cursor is not None and cursor.state.get("v") == _VERSION else {}
    start = state.get("start")
    if start is not None and known is None:
        # A feed goes on from what is known of every item: without it everything is read.
        state, start = {}, None
    reading = readers(fields, zone, terms)
    with Spool() as spool:
        settled = settle(graph, _delta_url(place), start, spool)
        same_feed = "to" in state and _nothing_since(graph, place, state["to"])
        read_map = scopes.just_read() if not settled.complete else None
        quiet = not settled.complete and next(spool.items(), None) is None
        if quiet and read_map is None and not state.get("by_item") and "after" not in state:
            kept = {name: state[name] for name in ("items", "default", "folders", "by_item")}
            end = Cursor({"v": _VERSION, "start": settled.link, "place": dict(note), **kept})
            yield Rows(stream).page(end, int(state["items"]))
            return
        held = known.kept() if known is not None and start is not None else None
        if held is None and not settled.complete:
            state = {}
            spool.clear()
            settled = settle(graph, _delta_url(place), None, spool)
        before = _loaded(held)
        listed = _listed(before, spool, complete=settled.complete)
        settling = _settled(listed, state, scopes, read_map, complete=settled.complete)
        now = settling.items
        again = [id for id, scope in now.items() if before.get(id, scope) != scope and id not in spool]
        table = known.whole(again) if known is not None and again else None
        ours = set(table.column("_key").to_pylist()) if table is not None else set[str]()
        spool.put(_again(graph, place, (id for id in again if id not in ours)))
        windowed = start is None and not window.full

        def add(rows: Rows, id: str, body: bytes | None) -> None:
            if body is None:
                rows.remove({"id": int(id)}, before.get(id, UNRESOLVED))
                return
            item: dict[str, Any] = json.loads(body, parse_float=Decimal)
            try:
                if windowed and not inside(window, instant(item.get("lastModifiedDateTime"))):
                    return
            except MisfitError as misfit:
                rows.reject(id, (("lastModifiedDateTime", str(misfit)),), body, version=_version(item))
                return
            _add(rows, item, reading, scope=now[id], raw=body)

        @cache
        def print_now() -> str:
            return digest(now.items())

        def middle(id: str) -> Cursor:
            going = {name: state.get(name) for name in ("start", "items", "default", "folders", "by_item")}
            return Cursor({"v": _VERSION, **going, "to": settled.link, "after": id, "scopes": print_now()})

        after = state["after"] if same_feed and state.get("scopes") == print_now() else ""
        if table is not None and ours:
            yield from _once_more(stream, table, now, middle(after))
        about = {"default": settling.default, "folders": dict(settling.folders), "by_item": settling.by_item}
        yield from ended(
            stream, emit(stream, spool, add=add, after=after, middle=middle, total=len(now)),
            Cursor({"v": _VERSION, "start": settled.link, "place": dict(note), "items": len(now), **about}),
            total=len(now), kept=_changes(before, now, anew=settled.complete), anew=settled.complete, restated=settling.restated,
        )  # fmt: skip


def reread_list(
    graph: Api, place: Place, scopes: Scopes, fields: tuple[LiveField, ...], zone: ZoneInfo | None,
    terms: Terms, stream: Stream, ids: Iterable[str],
) -> Iterator[Page]:  # fmt: skip
    """These items as they are now; one that is there no more, or is a folder now, does not come. Their scopes are read with all others:
    without a feed nothing tells what moved since the last reading."""
    reading, read_map, rows = readers(fields, zone, terms), scopes.whole(), Rows(stream)
    for id, body in _again(graph, place, ids):
        item: dict[str, Any] = json.loads(body, parse_float=Decimal)
        if msgspec.convert(item, type=_Head).is_row:
            _add(rows, item, reading, scope=read_map.of(id), raw=body)
        if len(rows) >= PAGE_ROWS:
            yield rows.page(Cursor({}))
            rows = Rows(stream)
    yield rows.page(Cursor({}))


def _add(rows: Rows, item: Mapping[str, Any], reading: Mapping[str, Callable[[Any], Any]], *, scope: str, raw: bytes) -> None:
    """One item as a row, or as a reject with all that is wrong in it."""
    values, wrong = list_row(dict(item), reading, rows.stream.columns)
    id, version = str(item["id"]), _version(item)
    if wrong:
        rows.reject(id, wrong, raw, version=version)
    else:
        rows.add(id, values, version=version, scope=scope, raw=raw)


def _version(item: Mapping[str, Any]) -> str:
    return str(item.get("eTag") or item.get("@odata.etag") or "")


def _delta_url(place: Place) -> str:
    return f"{place.items_url}/delta?$expand=fields"


def _nothing_since(graph: Api, place: Place, link: str) -> bool:
    with Spool() as later:
        settled = settle(graph, _delta_url(place), link, later)
        return not settled.complete and next(later.items(), None) is None


@dataclass(frozen=True)
class _Listed:
    """The rows there are (id → scope before, empty for one that is new), and what else the feed named: rows and folders."""

    rows: dict[str, str]
    named: frozenset[str]
    folders: frozenset[str]


def _listed(before: Mapping[str, str], spool: Spool, *, complete: bool) -> _Listed:
    """The items there are now. The spool keeps changed rows and known deletions."""
    now = {} if complete else dict(before)
    not_rows: list[str] = []
    named: set[str] = set()
    folders: set[str] = set()
    for id, body in spool.items():
        if body is None:
            now.pop(id, None)
            # Of what was no row only a folder is of interest: items below it may point elsewhere now.
            if id not in before:
                not_rows.append(id)
                folders.add(id)
        elif msgspec.json.decode(body, type=_Head).is_row:
            now.setdefault(id, "")
            named.add(id)
        else:
            not_rows.append(id)
            folders.add(id)
    spool.drop(not_rows)
    spool.put((id, None) for id in before if id not in now)
    return _Listed(now, frozenset(named), frozenset(folders))


@dataclass(frozen=True)
class _Settling:
    items: Mapping[str, str]
    default: str
    folders: Mapping[str, str]
    by_item: bool
    restated: frozenset[str]


def _settled(listed: _Listed, state: Mapping[str, Any], scopes: Scopes, read_map: ScopeMap | None, *, complete: bool) -> _Settling:
    """Every item's scope. See ``library``: a reading from before the feed serves but for what the feed named. A folder that it named may
    mean any number of items, which only a whole reading tells apart."""
    if complete or state.get("by_item") or listed.folders or len(listed.named) > FEW:
        read_map = scopes.whole()
        restated = {read_map.own_of(id) for id in (*listed.named, *listed.folders)} - {"", UNRESOLVED}
        items = {id: read_map.of(id) for id in listed.rows}
        return _Settling(items, read_map.default, read_map.folders, read_map.by_item, frozenset(restated))
    if read_map is not None:
        items = {id: read_map.of(id) for id in listed.rows}
        default, folders, by_item = read_map.default, read_map.folders, read_map.by_item
    else:
        items = dict(listed.rows)
        default, folders, by_item = str(state.get("default", UNRESOLVED)), dict(state.get("folders") or {}), False
    restated: set[str] = set()
    for id in listed.named:
        standing = scopes.standing(id)
        restated |= {standing.own} - {""} if standing is not None else set()
        items[id] = UNRESOLVED if standing is None else standing.own or _above(standing.folder, folders, default)
    return _Settling(items, default, folders, by_item, frozenset(restated))


def _above(folder: str, folders: Mapping[str, str], default: str) -> str:
    while folder:
        if folder in folders:
            return folders[folder]
        folder = folder.rpartition("/")[0]
    return default


def _once_more(stream: Stream, table: pa.Table, now: Mapping[str, str], cursor: Cursor) -> Iterator[Page]:
    """Rows that we hold and whose scope alone is another now."""
    for batch in table.to_batches(max_chunksize=PAGE_ROWS):
        scopes = [now[id] for id in batch.column("_key").to_pylist()]
        arrays = [batch.column(column.name) for column in stream.columns]
        marks = [pa.array(["upsert"] * len(scopes)), batch.column("_source_version"), pa.array(scopes)]
        yield Page(pa.RecordBatch.from_arrays([*arrays, *marks], schema=page_schema(stream.columns)), cursor, len(scopes), (), len(now))


def _again(graph: Api, place: Place, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for id in ids:
        try:
            yield id, graph.response(f"{place.items_url}/{id}", params={"$expand": "fields"}).content
        except AddressUnknown:
            continue  # it left meanwhile; the next feed says so


def _loaded(kept: pa.Table | None) -> dict[str, str]:
    return {} if kept is None else dict(zip(kept.column("_key").to_pylist(), kept.column("scope").to_pylist(), strict=True))


def _changes(before: Mapping[str, str], now: Mapping[str, str], *, anew: bool) -> Iterator[pa.RecordBatch]:
    gone = [] if anew else [id for id in before if id not in now]
    changed = list(now) if anew else [id for id, scope in now.items() if before.get(id) != scope]
    if gone or changed or anew:
        ids = [*gone, *changed]
        columns = (ids, ["delete"] * len(gone) + ["upsert"] * len(changed), [now.get(id) for id in ids])
        yield pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=_KEPT)
