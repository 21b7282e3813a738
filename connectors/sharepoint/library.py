"""Document libraries: the drive's delta applied to the tree of the last pull, one row per file that changed.

A row leaves when its file came in the feed, when its path moved because a folder above it did, or when its scope is another than before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import pyarrow as pa

from connectors.errors import AddressUnknown, BrokenReply
from connectors.pages import page_schema
from connectors.protocol import UNRESOLVED, Cursor, Known, Page, Stream, Window
from connectors.sharepoint.client import Api
from connectors.sharepoint.decode import instant
from connectors.sharepoint.feed import Spool, settle
from connectors.sharepoint.items import SELECT, SELECT_KIND, is_older, read, values
from connectors.sharepoint.places import Place
from connectors.sharepoint.rows import PAGE_ROWS, MisfitError, Rows, emit, inside
from connectors.sharepoint.scopes import ScopeMap, Standing, digest
from connectors.sharepoint.tree import Node, Tree

#: Up to so many items that the feed names are asked one by one for role assignments of their own; beyond, the whole list is.
FEW = 100
#: What makes a drive's feed name items whose sharing changed, too (Microsoft Graph, driveItem: delta, and the scan guidance for apps).
PREFER = "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges, hierarchicalsharing"
#: Of the cursor's shape. Another one's tree is not to be had any more, and everything is read once.
_VERSION = 2


class Scopes(Protocol):
    """Where the items of one list point at: as read for this pull's rights, read now, and one by one."""

    def just_read(self) -> ScopeMap | None: ...
    def whole(self) -> ScopeMap: ...
    def standing(self, item: str) -> Standing | None: ...


def file_ids(graph: Api, place: Place) -> Iterator[str]:
    """Ids of all live files, as the source lists them now, each once."""
    with Spool() as spool:
        settle(graph, _delta_url(place, SELECT_KIND), None, spool)
        for id, body in spool.items():
            if body is not None and read(body).kind != "folder":
                yield id


def pull_library(
    graph: Api, place: Place, scopes: Scopes, note: Mapping[str, str], stream: Stream, window: Window, cursor: Cursor | None, known: Known | None
) -> Iterator[Page]:  # fmt: skip
    """See ``Connector.pull``. ``note`` is where the library was found, for the cursor."""
    state: Mapping[str, Any] = cursor.state if cursor is not None and cursor.state.get("v") == _VERSION else {}
    start = state.get("start")
    if start is not None and known is None:
        # A feed goes on from a tree: without one everything is read.
        state, start = {}, None
    with Spool() as spool:
        settled = settle(graph, _delta_url(place), start, spool, PREFER)
        same_feed = "to" in state and _nothing_since(graph, place, state["to"])
        read_map = scopes.just_read() if not settled.complete else None
        end = {"v": _VERSION, "start": settled.link, "at": _now(graph), "place": dict(note)}
        if not settled.complete and read_map is None and not state.get("by_item") and "after" not in state and _only_root(spool):
            kept = {name: state[name] for name in ("files", "default", "by_item")}
            yield Rows(stream).page(Cursor({**end, **kept}), int(state["files"]))
            return
        held = known.kept() if known is not None and start is not None else None
        if held is None and not settled.complete:
            # The memory is not to be had: see above.
            state = {}
            spool.clear()
            settled = settle(graph, _delta_url(place), None, spool, PREFER)
            end["start"] = settled.link
        before = Tree.load(held)
        now, named = _applied(graph, place, before, spool, complete=settled.complete, last=state.get("at"))
        settling = _settled(now, named, state, scopes, read_map, complete=settled.complete)
        by_path = _moved(before, now, spool)
        again = {id for ids in by_path.values() for id in ids}
        table = known.whole(again) if known is not None and again else None
        ours = set(table.column("_key").to_pylist()) if table is not None else set[str]()
        for parent, ids in by_path.items():
            if missing := ids - ours:
                spool.put(_children(graph, place, parent, missing))
        paths, total = now.paths(), now.rows
        windowed = start is None and not window.full

        def add(rows: Rows, id: str, body: bytes | None) -> None:
            if body is None:
                was = before.nodes.get(id)
                rows.remove({"item_id": id}, was.scope if was else UNRESOLVED)
                return
            item = read(body)
            try:
                if windowed and not inside(window, instant(item.lastModifiedDateTime)):
                    return
                row = values(item, paths)
            except MisfitError as misfit:
                rows.reject(id, "modified_at", str(misfit), body)
                return
            rows.add(id, row, version=item.eTag or "", scope=now.nodes[id].scope, raw=body)

        @cache
        def print_now() -> str:
            return digest((id, node.scope) for id, node in now.nodes.items())

        def middle(id: str) -> Cursor:
            going = {name: state.get(name) for name in ("start", "at", "files", "default", "by_item")}
            return Cursor({"v": _VERSION, **going, "to": settled.link, "after": id, "scopes": print_now()})

        # A pull that was cut goes on behind its last id only if neither feed nor scopes moved since; else its rows leave again.
        after = state["after"] if same_feed and state.get("scopes") == print_now() else ""
        if table is not None and ours:
            yield from _once_more(stream, table, now, middle(after), total)
        yield from emit(
            stream, spool, add=add, after=after, middle=middle, total=total,
            end=Cursor({**end, "files": total, "default": settling.default, "by_item": settling.by_item}),
            kept=now.changes(before, anew=settled.complete), anew=settled.complete, restated=settling.restated,
        )  # fmt: skip


def _now(graph: Api) -> str | None:
    at = graph.transport.server_time
    return at.isoformat() if at else None


def _delta_url(place: Place, select: str = SELECT) -> str:
    return f"drives/{place.id}/root/delta?$select={select}"


def _nothing_since(graph: Api, place: Place, link: str) -> bool:
    """Whether the feed has nothing new behind ``link``; the root alone, which some answers repeat, is nothing."""
    with Spool() as later:
        settled = settle(graph, _delta_url(place), link, later, PREFER)
        return not settled.complete and _only_root(later)


def _only_root(spool: Spool) -> bool:
    return all(body is not None and read(body).root is not None for _, body in spool.items())


@dataclass(frozen=True)
class _Settling:
    """``restated`` are the own scopes of items that the feed named: their assignments may be why."""

    default: str
    by_item: bool
    restated: frozenset[str]


def _settled(
    now: Tree, named: Collection[str], state: Mapping[str, Any], scopes: Scopes, read_map: ScopeMap | None, *, complete: bool
) -> _Settling:
    """Give every item of the tree its scope.

    A whole reading knows all; one made before the feed, or the tree itself, knows all but what the feed named since: sharing an item, or
    moving it, names it there. Such items are asked one by one while they are few.
    """
    if complete or bool(state.get("by_item")) or len(named) > FEW:
        read_map, named = scopes.whole(), ()
    news: dict[str, str] = {}
    for id in named:
        node = now.nodes.get(id)
        if node is not None and node.parent:
            standing = scopes.standing(node.list_item) if node.list_item else None
            news[node.list_item] = UNRESOLVED if standing is None else standing.own

    def own(node: Node) -> str:
        known = node.own if read_map is None else read_map.own_of(node.list_item)
        return news.get(node.list_item, known) if news else known

    default = read_map.default if read_map is not None else str(state.get("default", UNRESOLVED))
    now.settle(own, default)
    # After a whole reading any scope may be why it was made.
    restated = set(news.values()) if named or read_map is None else set(read_map.own.values())
    by_item = read_map.by_item if read_map is not None else False
    return _Settling(default, by_item, frozenset(restated - {"", UNRESOLVED}))


def _applied(graph: Api, place: Place, before: Tree, spool: Spool, *, complete: bool, last: str | None) -> tuple[Tree, set[str]]:
    """The tree after the feed, and the ids that the feed or a listing named. The spool keeps the rows that changed, and gets a deletion for
    every file that went with its folder.

    ``last`` is when the feed before this one was read, by the source's clock.
    """
    now = Tree() if complete else before.copy()
    not_rows: list[str] = []
    deleted: set[str] = set()
    back: list[str] = []
    named: set[str] = set()
    for id, body in spool.items():
        if body is None:
            deleted.add(id)
            gone = now.nodes.pop(id, None)
            if gone is None or not gone.is_row:
                not_rows.append(id)
            continue
        item, was = read(body), before.nodes.get(id)
        # A folder that was not there and is older than the last feed was restored, or came from elsewhere: then the feed need not name what
        # lies in it. Of a folder made since then, it names everything that was put there.
        if not complete and was is None and item.kind == "folder" and item.root is None and is_older(item, last):
            back.append(id)
        if not complete:
            named.add(id)
        now.nodes[id] = item.node() if was is None else item.node()._replace(own=was.own)
        if item.kind == "folder":
            not_rows.append(id)
    spool.drop(not_rows)
    walked = _walked(graph, place, before, now, spool, back)
    deleted -= walked
    _find_missing_folders(graph, place, now, deleted)
    paths = now.paths()
    lost = [id for id, node in now.nodes.items() if paths.of(node.parent if node.kind == "file" else id) is None]
    for id in lost:
        del now.nodes[id]
    spool.drop(lost)
    spool.put((id, None) for id, node in before.nodes.items() if node.is_row and id not in now.nodes)
    # Of what a feed lists whole, everything is named, and nobody asks.
    return now, set() if complete else named | walked | (now.nodes.keys() - before.nodes.keys())


def _walked(graph: Api, place: Place, before: Tree, now: Tree, spool: Spool, folders: list[str]) -> set[str]:
    """Put all that lies in ``folders`` into tree and spool, down to the last folder that was not known. Returns the ids found there."""
    found: set[str] = set()
    todo = list(folders)
    while todo:
        rows: list[tuple[str, bytes]] = []
        parent = todo.pop()
        for id, body in _children(graph, place, parent):
            item = read(body)
            if item.kind != "folder" or (id not in found and id not in before.nodes):
                now.nodes[id] = item.node()._replace(parent=parent)
                todo += [id] if item.kind == "folder" else []
            if item.kind != "folder":
                rows.append((id, body))
            found.add(id)
        spool.put(rows)
    return found


def _find_missing_folders(graph: Api, place: Place, now: Tree, deleted: set[str]) -> None:
    """Ask for folders that files lie in but no feed ever named. Deleted ones stay missing: what lies in them is gone with them."""
    while True:
        paths, folders = now.paths(), now.folders()
        files = {node.parent for node in now.nodes.values() if node.kind == "file"}
        lost = {_top(folders, parent) for parent in files if paths.of(parent) is None} - deleted
        if not lost:
            return
        for id in lost:
            try:
                body = graph.response(f"drives/{place.id}/items/{id}", params={"$select": SELECT}).content
            except AddressUnknown:
                deleted.add(id)
            else:
                now.nodes[id] = read(body).node()


def _top(folders: Mapping[str, Node], folder: str) -> str:
    """The first folder above (or at) ``folder`` that the tree does not know."""
    seen: set[str] = set()
    while folder in folders and folder not in seen:
        seen.add(folder)
        folder = folders[folder].parent
    if not folder or folder in seen:
        raise BrokenReply("sharepoint.tree_broken", item=folder or "an item without a parent")
    return folder


def _moved(before: Tree, now: Tree, spool: Spool) -> dict[str, set[str]]:
    """Files the feed did not name whose path or scope is another than before, by the folder they lie in."""
    old, new = before.paths(), now.paths()
    found: dict[str, set[str]] = {}
    for id, node in now.nodes.items():
        was = before.nodes.get(id)
        if not node.is_row or was is None or id in spool:
            continue
        if was.scope != node.scope or was.name != node.name or old.of(was.parent) != new.of(node.parent):
            found.setdefault(node.parent, set()).add(id)
    return found


def _once_more(stream: Stream, table: pa.Table, now: Tree, cursor: Cursor, total: int) -> Iterator[Page]:
    """Rows that we hold and that only moved: as they are, with today's path and scope."""
    paths = now.paths()
    for batch in table.to_batches(max_chunksize=PAGE_ROWS):
        nodes = [now.nodes[id] for id in batch.column("_key").to_pylist()]
        arrays: list[pa.Array[Any]] = []
        for column in stream.columns:
            array = batch.column(column.name)
            if column.source == "path":
                names = [str(path).rpartition("/")[2] for path in array.to_pylist()]
                array = pa.array([f"{paths.of(node.parent)}/{name}" for node, name in zip(nodes, names, strict=True)], column.type)
            arrays.append(array)
        marks = [pa.array(["upsert"] * len(nodes)), batch.column("_source_version"), pa.array([node.scope for node in nodes])]
        yield Page(pa.RecordBatch.from_arrays([*arrays, *marks], schema=page_schema(stream.columns)), cursor, len(nodes), (), total)


def _children(graph: Api, place: Place, parent: str, ids: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """What lies in a folder now, or of it the wanted files. One that left meanwhile comes with the next feed."""
    try:
        for child in graph.values(f"drives/{place.id}/items/{parent}/children", params={"$select": SELECT, "$top": "200"}):
            if ids is None or child["id"] in ids:
                yield str(child["id"]), json.dumps(child).encode()
    except AddressUnknown:
        return
