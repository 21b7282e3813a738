"""A feed applied to the tree of the last pull: what stayed, what came, and what has to be asked for because no feed names it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from connectors.errors import AddressUnknown, BrokenReply
from connectors.sharepoint.changes import Changes
from connectors.sharepoint.client import Api, Json
from connectors.sharepoint.feed import UNREADABLE
from connectors.sharepoint.items import SELECT, is_older
from connectors.sharepoint.places import Place
from connectors.sharepoint.tree import Folder, Mask, Places, Tree


@dataclass(frozen=True)
class Applied:
    """``now`` has first the items of ``before`` at the places ``stayed``, then those of the feed at the places ``came``.

    ``named`` are the ids that the feed or a listing named, where not everything was.
    """

    now: Tree
    stayed: Places
    came: Places
    named: frozenset[str] = frozenset()

    def only(self, which: Mask) -> Applied:
        if which.all():
            return self
        first = len(self.stayed)
        return replace(self, now=self.now.chosen(which), stayed=self.stayed[which[:first]], came=self.came[which[first:]])


def apply(graph: Api, place: Place, before: Tree, changes: Changes, *, complete: bool, last: str | None) -> Applied:
    """The tree after the feed, its scopes not settled. ``changes`` gets what had to be asked for.

    ``last`` is when the feed before this one was read, by the source's clock.
    """
    walked = set[str]() if complete else _walked(graph, place, before, changes, _back(before, changes, last))
    deleted = set(changes.deleted()) - walked
    found = _with_missing_folders(graph, place, before, changes, deleted, complete=complete)
    # Of what a feed lists whole, everything is named, and nobody asks.
    named = frozenset[str]() if complete else frozenset(walked.union(changes.live().tree.keys.to_pylist()))
    return replace(found.only(found.now.in_its_place), named=named)


def children(graph: Api, place: Place, parent: str, ids: Collection[str] | None = None) -> Iterator[Json]:
    """What lies in a folder now, or of it the wanted files. One that left meanwhile comes with the next feed."""
    try:
        for child in graph.values(f"drives/{place.id}/items/{parent}/children", params={"$select": SELECT, "$top": "200"}):
            if ids is None or child["id"] in ids:
                yield {**child, "parentReference": {"id": parent}}
    except AddressUnknown:
        return


def put(graph: Api, changes: Changes, items: Sequence[Mapping[str, Any]]) -> None:
    """Items of a listing into the changes. Raises BrokenReply."""
    try:
        changes.put(items)
    except UNREADABLE as error:
        raise BrokenReply("sharepoint.not_json", host=graph.transport.endpoint, what=str(error)) from error


def _joined(before: Tree, changes: Changes, *, complete: bool) -> Applied:
    came, fresh = changes.live()
    if complete or not len(before):
        return Applied(fresh, np.zeros(0, np.int64), came)
    stays = ~before.among([*fresh.keys.to_pylist(), *changes.deleted()])
    return Applied(before.chosen(stays).followed_by(fresh.with_own_of(before)), np.flatnonzero(stays), came)


def _back(before: Tree, changes: Changes, last: str | None) -> list[str]:
    """Folders that were not there and are older than the last feed: they were restored, or came from elsewhere, and then the feed need not
    name what lies in them. Of a folder made since then, it names everything that was put there."""
    return [
        id
        for id, folder in changes.live().tree.folders.items()
        if folder.kind == "folder" and folder.parent and id not in before.folders and is_older(changes.made.get(id), last)
    ]


def _walked(graph: Api, place: Place, before: Tree, changes: Changes, folders: list[str]) -> set[str]:
    """Put all that lies in ``folders`` into the changes, down to the last folder that was not known. Returns the ids found there."""
    found: set[str] = set()
    todo = list(folders)
    while todo:
        rows: list[Mapping[str, Any]] = []
        for child in children(graph, place, todo.pop()):
            id = str(child["id"])
            holds = child.get("package") is None and child.get("folder") is not None
            if not holds or (id not in found and id not in before.folders):
                rows.append(child)
                todo += [id] if holds else []
            found.add(id)
        put(graph, changes, rows)
    return found


def _with_missing_folders(graph: Api, place: Place, before: Tree, changes: Changes, deleted: Collection[str], *, complete: bool) -> Applied:
    """Ask for folders that rows lie in but no feed ever named. Deleted ones stay missing: what lies in them is gone with them."""
    asked = set(deleted)
    while True:
        found = _joined(before, changes, complete=complete)
        tree = found.now
        lost = {_top(tree.folders, parent) for parent in tree.parents_of_rows if tree.paths.of(parent) is None} - asked
        if not lost:
            return found
        asked |= lost
        for id in sorted(lost):
            with contextlib.suppress(AddressUnknown):
                put(graph, changes, [{**graph.json(f"drives/{place.id}/items/{id}", params={"$select": SELECT}), "id": id}])


def _top(folders: Mapping[str, Folder], folder: str) -> str:
    """The first folder above (or at) ``folder`` that the tree does not know."""
    seen: set[str] = set()
    while folder in folders and folder not in seen:
        seen.add(folder)
        folder = folders[folder].parent
    if not folder or folder in seen:
        raise BrokenReply("sharepoint.tree_broken", item=folder or "an item without a parent")
    return folder
