"""Document libraries: the drive's delta applied to the tree of the last pull, one row per file that changed.

A row leaves when its file came in the feed, when its path moved because a folder above it did, or when its scope is another than before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from connectors.errors import AddressUnknown, BrokenReply
from connectors.protocol import UNRESOLVED, Cursor, Page, Stream, Window
from connectors.sharepoint.client import Api
from connectors.sharepoint.decode import instant, person
from connectors.sharepoint.feed import Spool, settle
from connectors.sharepoint.places import Place
from connectors.sharepoint.rows import MisfitError, Rows, emit, inside
from connectors.sharepoint.scopes import ScopeMap
from connectors.sharepoint.tree import File, Folder, Paths, Tree

_SELECT = "id,name,size,file,folder,package,root,deleted,parentReference,eTag,createdDateTime,lastModifiedDateTime,lastModifiedBy,webUrl,sharepointIds"


class _Reference(msgspec.Struct):
    id: str | None = None


class _Ids(msgspec.Struct):
    listItemId: str | None = None


class _Item(msgspec.Struct):
    """What of a driveItem we read. Facets are present or absent; their insides do not matter but for ``file``."""

    id: str
    name: str = ""
    parentReference: _Reference | None = None
    sharepointIds: _Ids | None = None
    file: Mapping[str, Any] | None = None
    folder: Mapping[str, Any] | None = None
    package: Mapping[str, Any] | None = None
    root: Mapping[str, Any] | None = None
    size: int | None = None
    eTag: str | None = None
    createdDateTime: str | None = None
    lastModifiedDateTime: str | None = None
    lastModifiedBy: Mapping[str, Any] | None = None
    webUrl: str | None = None

    @property
    def is_row(self) -> bool:
        """Files, and packages such as OneNote notebooks, which are one thing to their readers."""
        return self.root is None and (self.folder is None or self.package is not None)

    @property
    def holds(self) -> bool:
        return self.folder is not None or self.package is not None or self.root is not None

    @property
    def parent(self) -> str:
        return (self.parentReference.id or "") if self.parentReference is not None else ""

    @property
    def list_item(self) -> str:
        return (self.sharepointIds.listItemId or "") if self.sharepointIds is not None else ""


def file_ids(graph: Api, place: Place) -> Iterator[str]:
    """Ids of all live files, as the source lists them now, each once."""
    with Spool() as spool:
        settle(graph, _delta_url(place, "id,name,file,folder,package,root,deleted,parentReference"), None, spool)
        for id, body in spool.items():
            if body is not None and msgspec.json.decode(body, type=_Item).is_row:
                yield id


def pull_library(
    graph: Api, place: Place, read_scopes: Callable[[bool], ScopeMap], stream: Stream, window: Window, cursor: Cursor | None
) -> Iterator[Page]:
    """See ``Connector.pull``. ``read_scopes`` is asked after the feed, and told whether that brought nothing: the map has to know every item
    the feed named."""
    state: Mapping[str, Any] = cursor.state if cursor is not None else {}
    start, word = state.get("start"), state.get("tree")
    with Spool() as spool:
        settled = settle(graph, _delta_url(place), start, spool)
        same_feed = "to" in state and _nothing_since(graph, place, state["to"])
        scopes = read_scopes(not settled.complete and _only_root(spool))
        read_at = graph.transport.server_time
        before = Tree.load(word)
        now = _applied(graph, place, before, spool, scopes, complete=settled.complete, last=state.get("at"))
        for parent, ids in _moved(before, now, spool).items():
            spool.put(_children(graph, place, parent, ids))
        paths, digest = now.paths(), scopes.digest()
        windowed = start is None and not window.full

        def add(rows: Rows, id: str, body: bytes | None) -> None:
            if body is None:
                known = before.files.get(id)
                rows.remove({"item_id": id}, known.scope if known else UNRESOLVED)
                return
            item = msgspec.json.decode(body, type=_Item)
            try:
                if windowed and not inside(window, instant(item.lastModifiedDateTime)):
                    return
                values = _values(item, paths)
            except MisfitError as misfit:
                rows.reject(id, "modified_at", str(misfit), body)
                return
            rows.add(id, values, version=item.eTag or "", scope=now.files[id].scope, raw=body)

        yield from emit(
            stream, spool, add=add,
            # A pull that was cut goes on behind its last id only if neither feed nor scopes moved since; else its rows leave again.
            after=state["after"] if same_feed and state.get("scopes") == digest else "",
            middle=lambda id: Cursor(
                {"v": 1, "start": start, "at": state.get("at"), "tree": word, "to": settled.link, "after": id, "scopes": digest}
            ),
            end=Cursor({"v": 1, "start": settled.link, "at": read_at.isoformat() if read_at else None, "tree": now.dump()}),
            total=len(now.files),
        )  # fmt: skip


def _delta_url(place: Place, select: str = _SELECT) -> str:
    return f"drives/{place.id}/root/delta?$select={select}"


def _nothing_since(graph: Api, place: Place, link: str) -> bool:
    """Whether the feed has nothing new behind ``link``; the root alone, which some answers repeat, is nothing."""
    with Spool() as later:
        settled = settle(graph, _delta_url(place), link, later)
        return not settled.complete and _only_root(later)


def _only_root(spool: Spool) -> bool:
    return all(body is not None and msgspec.json.decode(body, type=_Item).root is not None for _, body in spool.items())


def _applied(graph: Api, place: Place, before: Tree, spool: Spool, scopes: ScopeMap, *, complete: bool, last: str | None) -> Tree:
    """The tree after the feed. The spool keeps the rows that changed, and gets a deletion for every file that went with its folder.

    ``last`` is when the feed before this one was read, by the source's clock.
    """
    now = Tree() if complete else before.copy()
    not_rows: list[str] = []
    deleted: set[str] = set()
    back: list[str] = []
    for id, body in spool.items():
        if body is None:
            deleted.add(id)
            now.folders.pop(id, None)
            if now.files.pop(id, None) is None:
                not_rows.append(id)
            continue
        item = msgspec.json.decode(body, type=_Item)
        if not complete and id not in before.folders and _was_there(item, last):
            back.append(id)
        if item.holds:
            now.folders[id] = Folder("" if item.root is not None else item.parent, item.name)
        if item.is_row:
            now.files[id] = File(item.parent, item.list_item, "")
        else:
            not_rows.append(id)
    spool.drop(not_rows)
    deleted -= _walked(graph, place, before, now, spool, back)
    _find_missing_folders(graph, place, now, deleted)
    paths = now.paths()
    orphans = [id for id, file in now.files.items() if paths.of(file.parent) is None]
    for id in orphans:
        del now.files[id]
    spool.drop(orphans)
    spool.put((id, None) for id in before.files if id not in now.files)
    now.folders = {id: folder for id, folder in now.folders.items() if paths.of(id) is not None}
    now.files = {id: file._replace(scope=scopes.of(file.list_item)) for id, file in now.files.items()}
    return now


def _was_there(folder: _Item, last: str | None) -> bool:
    """Whether a folder we do not know is older than the last feed: restored, or come from elsewhere, and then the feed need not name what
    lies in it. Of a folder made since then, it names everything that was put there."""
    if folder.folder is None or folder.root is not None or folder.package is not None:
        return False
    try:
        made = instant(folder.createdDateTime)
    except MisfitError:
        made = None
    return made is None or last is None or made <= datetime.fromisoformat(last)


def _walked(graph: Api, place: Place, before: Tree, now: Tree, spool: Spool, folders: list[str]) -> set[str]:
    """Put all that lies in ``folders`` into tree and spool, down to the last folder that was not known. Returns the ids found there."""
    found: set[str] = set()
    todo = list(folders)
    while todo:
        rows: list[tuple[str, bytes]] = []
        parent = todo.pop()
        for id, body in _children(graph, place, parent):
            item = msgspec.json.decode(body, type=_Item)
            if item.holds and id not in found and id not in before.folders:
                now.folders[id] = Folder(parent, item.name)
                todo += [id] if item.package is None else []
            if item.is_row:
                now.files[id] = File(parent, item.list_item, "")
                rows.append((id, body))
            found.add(id)
        spool.put(rows)
    return found


def _find_missing_folders(graph: Api, place: Place, now: Tree, deleted: set[str]) -> None:
    """Ask for folders that files lie in but no feed ever named. Deleted ones stay missing: what lies in them is gone with them."""
    while True:
        paths = now.paths()
        lost = {_top(now, parent) for parent in {file.parent for file in now.files.values()} if paths.of(parent) is None} - deleted
        if not lost:
            return
        for id in lost:
            try:
                body = graph.response(f"drives/{place.id}/items/{id}", params={"$select": _SELECT}).content
            except AddressUnknown:
                deleted.add(id)
            else:
                item = msgspec.json.decode(body, type=_Item)
                now.folders[id] = Folder("" if item.root is not None else item.parent, item.name)


def _top(now: Tree, folder: str) -> str:
    """The first folder above (or at) ``folder`` that the tree does not know."""
    seen: set[str] = set()
    while folder in now.folders and folder not in seen:
        seen.add(folder)
        folder = now.folders[folder].parent
    if not folder or folder in seen:
        raise BrokenReply("sharepoint.tree_broken", item=folder or "an item without a parent")
    return folder


def _moved(before: Tree, now: Tree, spool: Spool) -> dict[str, set[str]]:
    """Files the feed did not name whose path or scope is another than before, by the folder they lie in."""
    old, new = before.paths(), now.paths()
    found: dict[str, set[str]] = {}
    for id, file in now.files.items():
        was = before.files.get(id)
        if was is not None and (was.scope != file.scope or old.of(was.parent) != new.of(file.parent)) and id not in spool:
            found.setdefault(file.parent, set()).add(id)
    return found


def _children(graph: Api, place: Place, parent: str, ids: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """What lies in a folder now, or of it the wanted files. One that left meanwhile comes with the next feed."""
    try:
        for child in graph.values(f"drives/{place.id}/items/{parent}/children", params={"$select": _SELECT, "$top": "200"}):
            if ids is None or child["id"] in ids:
                yield str(child["id"]), json.dumps(child).encode()
    except AddressUnknown:
        return


def _values(item: _Item, paths: Paths) -> dict[str, Any]:
    file = item.file or {}
    hashes = cast("Mapping[str, Any]", file.get("hashes") or {})
    return {
        "item_id": item.id, "name": item.name, "path": f"{paths.of(item.parent)}/{item.name}", "media_type": file.get("mimeType"),
        "size": item.size, "quick_xor_hash": hashes.get("quickXorHash"), "etag": item.eTag,
        "created_at": instant(item.createdDateTime), "modified_at": instant(item.lastModifiedDateTime),
        "modified_by": person(item.lastModifiedBy), "web_url": item.webUrl, "list_item_id": item.list_item or None,
    }  # fmt: skip
