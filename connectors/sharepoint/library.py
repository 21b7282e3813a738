"""Document libraries: the drive's delta applied to the tree of the last pull, one row per file that changed.

A row leaves when its file came in the feed, when its path moved because a folder above it did, or when its scope is another than before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from connectors.access import UNRESOLVED
from connectors.protocol import Cursor, Known, Page, Stream, Window
from connectors.sharepoint.applied import Applied, apply, children, put
from connectors.sharepoint.changes import Changes
from connectors.sharepoint.client import Api
from connectors.sharepoint.feed import settle
from connectors.sharepoint.items import SELECT, SELECT_KIND
from connectors.sharepoint.leaving import Leaving, once_more, takes_as_it_is
from connectors.sharepoint.places import Place
from connectors.sharepoint.rows import Rows, ended
from connectors.sharepoint.scopes import ScopeMap, Standing
from connectors.sharepoint.tree import Places, Tree

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
    with Changes() as changes:
        settle(graph, _delta_url(place, SELECT_KIND), None, changes)
        tree = changes.live().tree
        yield from tree.keys.filter(pa.array(tree.is_row)).to_pylist()


def pull_library(
    graph: Api, place: Place, scopes: Scopes, note: Mapping[str, str], stream: Stream, window: Window, cursor: Cursor | None, known: Known | None
) -> Iterator[Page]:  # fmt: skip
    """See ``Connector.pull``. ``note`` is where the library was found, for the cursor."""
    state: Mapping[str, Any] = cursor.state if cursor is not None and cursor.state.get("v") == _VERSION else {}
    start = state.get("start")
    if start is not None and known is None:
        # A feed goes on from a tree: without one everything is read.
        state, start = {}, None
    with Changes(raw=not takes_as_it_is(stream)) as changes:
        settled = settle(graph, _delta_url(place), start, changes, PREFER)
        same_feed = "to" in state and _nothing_since(graph, place, state["to"])
        read_map = scopes.just_read() if not settled.complete else None
        end = {"v": _VERSION, "start": settled.link, "at": _now(graph), "place": dict(note)}
        if not settled.complete and read_map is None and not state.get("by_item") and "after" not in state and _only_root(changes):
            kept = {name: state[name] for name in ("files", "default", "by_item")}
            yield Rows(stream).page(Cursor({**end, **kept}), int(state["files"]))
            return
        held = known.kept() if known is not None and start is not None else None
        if held is None and not settled.complete:
            # The memory is not to be had: see above.
            state = {}
            changes.clear()
            settled = settle(graph, _delta_url(place), None, changes, PREFER)
            end["start"] = settled.link
        before = Tree.load(held)
        applied = apply(graph, place, before, changes, complete=settled.complete, last=state.get("at"))
        settling = _settled(applied, state, scopes, read_map, complete=settled.complete, anew=bool(stream.options.get("rights_anew")))
        now, total = settling.now, settling.now.rows
        moved = _moved(before, applied, now)
        table = known.whole(moved) if known is not None and moved else None
        ours = set(table.column("_key").to_pylist()) if table is not None else set[str]()
        mark = changes.size
        for parent in {parent: None for id, parent in moved.items() if id not in ours}:
            put(graph, changes, list(children(graph, place, parent, moved.keys() - ours)))
        inside = window if start is None else Window()
        leaving = Leaving(stream, changes, now, *_standing(applied, changes, now, mark), _gone(before, now), inside)

        @cache
        def print_now() -> str:
            return _print(now, leaving)

        def middle(after: int) -> Cursor:
            going = {name: state.get(name) for name in ("start", "at", "files", "default", "by_item")}
            return Cursor({"v": _VERSION, **going, "to": settled.link, "after": after, "scopes": print_now()})

        # A pull that was cut goes on behind its last row only if neither feed nor scopes moved since; else its rows leave again.
        after = int(state["after"]) if same_feed and state.get("scopes") == print_now() else 0
        if table is not None and ours:
            yield from once_more(stream, table, now, middle(after), total)
        yield from ended(
            stream, leaving.pages(after, middle, total),
            Cursor({**end, "files": total, "default": settling.default, "by_item": settling.by_item}),
            total=total, kept=now.kept(before, anew=settled.complete), anew=settled.complete, restated=settling.restated,
        )  # fmt: skip


def _now(graph: Api) -> str | None:
    at = graph.transport.server_time
    return at.isoformat() if at else None


def _delta_url(place: Place, select: str = SELECT) -> str:
    return f"drives/{place.id}/root/delta?$select={select}"


def _nothing_since(graph: Api, place: Place, link: str) -> bool:
    """Whether the feed has nothing new behind ``link``; the root alone, which some answers repeat, is nothing."""
    with Changes() as later:
        settled = settle(graph, _delta_url(place), link, later, PREFER)
        return not settled.complete and _only_root(later)


def _only_root(changes: Changes) -> bool:
    return (
        not changes.deleted() and all(not folder.parent for folder in changes.live().tree.folders.values()) and not changes.live().tree.rows
    )


@dataclass(frozen=True)
class _Settling:
    """The tree with every item's scope. ``restated`` are the own scopes of items that the feed named: their assignments may be why."""

    now: Tree
    default: str
    by_item: bool
    restated: frozenset[str]


def _settled(
    applied: Applied, state: Mapping[str, Any], scopes: Scopes, read_map: ScopeMap | None, *, complete: bool, anew: bool
) -> _Settling:
    """Give every item of the tree its scope.

    A whole reading knows all; one made before the feed, or the tree itself, knows all but what the feed named since: sharing an item, or
    moving it, names it there. Such items are asked one by one while they are few.
    """
    now, named = applied.now, applied.named
    announced = anew and (read_map is not None or "start" not in state)
    if complete or bool(state.get("by_item")) or len(named) > FEW:
        read_map, named = scopes.whole(), frozenset[str]()
    news: dict[str, str] = {}
    few = now.chosen(now.among(named)) if named else now
    for item, parent in zip(few.texts("list_item"), few.texts("parent"), strict=True) if named else ():
        if parent:
            standing = scopes.standing(item) if item else None
            news[item] = UNRESOLVED if standing is None else standing.own
    if read_map is not None:
        own = [news[item] if item in news else read_map.own_of(item) for item in now.texts("list_item")]
    else:
        own = [news.get(item, known) for item, known in zip(now.texts("list_item"), now.texts("own"), strict=True)] if news else None
    default = read_map.default if read_map is not None else str(state.get("default", UNRESOLVED))
    # After a whole reading any scope may be why it was made, unless it was made for rights that were read with it.
    restated = set(news.values()) if named or read_map is None or announced else set(read_map.own.values())
    by_item = read_map.by_item if read_map is not None else False
    return _Settling(now.settled(own, default), default, by_item, frozenset(restated - {"", UNRESOLVED}))


def _moved(before: Tree, applied: Applied, now: Tree) -> dict[str, str]:
    """Files the feed did not name whose path or scope is another than before, each with the folder it lies in."""
    moved = now.moved(before, applied.stayed)
    return dict(zip(moved.texts("_key"), moved.texts("parent"), strict=True))


def _standing(applied: Applied, changes: Changes, now: Tree, mark: int) -> tuple[Places, Places]:
    """Where in the changes the rows lie that leave, and where in the tree: what came with the feed, and what was fetched since ``mark``."""
    first = len(applied.stayed)
    at = first + np.flatnonzero(now.is_row[first:])
    places = applied.came[at - first]
    if changes.size > mark:
        live, fetched = changes.live()
        late = live >= mark
        places = np.concatenate([places, live[late]])
        at = np.concatenate([at, now.find(fetched.keys.filter(pa.array(late)))])
    return places, at


def _gone(before: Tree, now: Tree) -> Tree:
    """The rows that there were and are not any more."""
    return before.chosen(before.is_row & ~before.among(now.keys))


def _print(now: Tree, leaving: Leaving) -> str:
    """A hash of what leaves, in its order, and of which item points where, by which a resumed pull knows that nothing moved meanwhile."""
    made = hashlib.sha256(leaving.print())
    for key, scope in zip(now.texts("_key"), now.texts("scope"), strict=True):
        made.update(f"{key} {scope}\n".encode())
    return made.hexdigest()
