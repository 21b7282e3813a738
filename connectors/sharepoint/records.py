"""Lists: the items' delta with their columns, one row per item that changed, or whose scope is another than before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connectors.errors import AddressUnknown
from connectors.protocol import UNRESOLVED, Cursor, LiveField, Page, Stream, Window
from connectors.sharepoint.client import Api
from connectors.sharepoint.decode import instant, list_row, readers
from connectors.sharepoint.feed import Settled, Spool, settle
from connectors.sharepoint.places import Place
from connectors.sharepoint.rows import MisfitError, Rows, emit, inside
from connectors.sharepoint.scopes import ScopeMap

#: Up to so many items whose scope changed are read one by one; beyond, the whole list is read again.
_FEW = 100
#: Content types whose id starts so are folders.
_FOLDER = "0x0120"


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
    graph: Api, place: Place, read_scopes: Callable[[bool], ScopeMap], fields: tuple[LiveField, ...], zone: ZoneInfo | None,
    stream: Stream, window: Window, cursor: Cursor | None,
) -> Iterator[Page]:  # fmt: skip
    """See ``Connector.pull``. ``zone`` is the site's, by which date-only columns become the date its people see; ``read_scopes`` is asked
    after the feed, and told whether that brought nothing."""
    state: Mapping[str, Any] = cursor.state if cursor is not None else {}
    start = state.get("start")
    before = _loaded(state.get("known"))
    reading = readers(fields, zone)
    with Spool() as spool:
        settled = settle(graph, _delta_url(place), start, spool)
        same_feed = "to" in state and _nothing_since(graph, place, state["to"])
        scopes = read_scopes(not settled.complete and next(spool.items(), None) is None)
        settled, now = _applied(graph, place, before, spool, scopes, settled)
        digest = scopes.digest()
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
                rows.reject(id, "lastModifiedDateTime", str(misfit), body)
                return
            values, trouble = list_row(item, reading, stream.columns)
            if trouble is not None:
                rows.reject(id, *trouble, body)
            else:
                rows.add(id, values, version=str(item.get("eTag") or item.get("@odata.etag") or ""), scope=now[id], raw=body)

        yield from emit(
            stream, spool, add=add, after=state["after"] if same_feed and state.get("scopes") == digest else "",
            middle=lambda id: Cursor({"v": 1, "start": start, "known": state.get("known"), "to": settled.link, "after": id, "scopes": digest}),
            end=Cursor({"v": 1, "start": settled.link, "known": _dumped(now)}), total=len(now),
        )  # fmt: skip


def _delta_url(place: Place) -> str:
    return f"{place.items_url}/delta?$expand=fields"


def _nothing_since(graph: Api, place: Place, link: str) -> bool:
    with Spool() as later:
        settled = settle(graph, _delta_url(place), link, later)
        return not settled.complete and next(later.items(), None) is None


def _applied(
    graph: Api, place: Place, before: Mapping[str, str], spool: Spool, scopes: ScopeMap, settled: Settled
) -> tuple[Settled, dict[str, str]]:
    """The items there are now with their scopes. The spool keeps changed rows, known deletions, and rows whose scope changed."""
    now = _listed(before, spool, scopes, complete=settled.complete)
    moved = [id for id, scope in now.items() if before.get(id, scope) != scope and id not in spool]
    if len(moved) > _FEW:
        spool.clear()
        settled = settle(graph, _delta_url(place), None, spool)
        return settled, _listed(before, spool, scopes, complete=True)
    spool.put(_again(graph, place, moved))
    return settled, now


def _listed(before: Mapping[str, str], spool: Spool, scopes: ScopeMap, *, complete: bool) -> dict[str, str]:
    now = {} if complete else {id: scopes.of(id) for id in before}
    not_rows: list[str] = []
    for id, body in spool.items():
        if body is None:
            now.pop(id, None)
            if id not in before:
                not_rows.append(id)
        elif msgspec.json.decode(body, type=_Head).is_row:
            now[id] = scopes.of(id)
        else:
            not_rows.append(id)
    spool.drop(not_rows)
    spool.put((id, None) for id in before if id not in now)
    return now


def _again(graph: Api, place: Place, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for id in ids:
        try:
            yield id, graph.response(f"{place.items_url}/{id}", params={"$expand": "fields"}).content
        except AddressUnknown:
            continue  # it left meanwhile; the next feed says so


def _dumped(known: Mapping[str, str]) -> dict[str, Any]:
    """Items and scopes small enough for a cursor: ids as ranges, the commonest scope once, the others by item."""
    common = Counter(known.values()).most_common(1)
    default = common[0][0] if common else UNRESOLVED
    numbers = sorted(int(id) for id in known)
    cuts = [at for at, (left, right) in enumerate(pairwise(numbers), start=1) if right != left + 1]
    runs = [numbers[low:high] for low, high in zip([0, *cuts], [*cuts, len(numbers)], strict=True)] if numbers else []
    return {
        "ids": [[run[0], run[-1]] for run in runs], "default": default,
        "special": {id: scope for id, scope in known.items() if scope != default},
    }  # fmt: skip


def _loaded(held: Mapping[str, Any] | None) -> dict[str, str]:
    if held is None:
        return {}
    special: Mapping[str, str] = held["special"]
    return {str(id): special.get(str(id), held["default"]) for low, high in held["ids"] for id in range(low, high + 1)}
