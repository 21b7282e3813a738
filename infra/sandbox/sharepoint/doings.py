"""What people do with content: create, edit, move, rename, delete to the recycle bin, restore. ``sharing`` has what they do with rights."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.sandbox.sharepoint.content.document import Document, Section
from infra.sandbox.sharepoint.world import Entry, Listing, World

_KINDS = {"documentLibrary": ("file", "folder", "package"), "webPageLibrary": ("page",), "genericList": ("row",)}
_FORMATS = ("docx", "xlsx", "pptx", "pdf", "html")


def create(
    world: World, listing: Listing, parent: Entry, name: str, kind: str, at: datetime, who: str, *, text: str = "", fields: dict[str, Any],
    empty: bool = False,
) -> Entry:  # fmt: skip
    """A new file (``empty``: of no bytes), folder, page, row or notebook (package). ValueError for a name that is taken, a kind the list does not hold, or a format nobody makes."""
    if kind not in _KINDS[listing.template]:
        raise ValueError(f"{listing.title} holds {' and '.join(f'{one}s' for one in _KINDS[listing.template])}, no {kind}")
    if kind in ("folder", "row", "package"):
        _free(listing, parent, name, kind)
        values = {"Title": name, **fields} if kind == "row" else fields
        return world.add(listing, parent, name, kind, at, who, fields=values)
    extension = name.rpartition(".")[2]
    if kind == "file" and extension not in _FORMATS:
        raise ValueError(f"a file's name ends in one of {', '.join(_FORMATS)}")
    _free(listing, parent, name, kind)
    start = listing.title if kind == "file" else listing.site.key
    path = "/".join([start, *listing.path(parent), name])
    title = name.rpartition(".")[0]
    document = Document(path, title, (Section(title, (text or f"{title}です。",)),))
    (stored,) = [world.shelf.empty(extension)] if empty else world.shelf.store([document])
    values = {"Title": title, **fields} if kind == "page" else fields
    return world.add(listing, parent, name, kind, at, who, document=document, stored=stored, fields=values)


def edit(world: World, listing: Listing, entry: Entry, at: datetime, who: str, *, text: str = "", fields: dict[str, Any]) -> None:
    """Another revision of a file or page, or other values in columns; None empties a cell. Columns alone change no content."""
    if entry.document is not None and (text or not fields):
        revision = entry.content_version + 1
        world.edit(listing, entry, entry.document.revised(revision, text or f"第{revision}版に改めました。"), at, who)
    elif not fields:
        raise ValueError(f"a {entry.kind} has no content to edit; name fields")
    if fields:
        world.edit_fields(listing, entry, fields, at, who)


def rename(world: World, listing: Listing, entry: Entry, name: str, at: datetime, who: str) -> None:
    """The id stays; below a folder nothing changes but the paths."""
    if name.lower() != entry.name.lower():
        _free(listing, listing.entries[entry.parent], name, entry.kind)
    world.rename(listing, entry, name, at, who)


def move(world: World, listing: Listing, entry: Entry, there: Listing, parent: Entry, at: datetime, who: str) -> Entry:
    """Into another folder. Within the library the id stays; in another one the item is new, under its new parent's rights, and gone here."""
    if parent.kind not in ("folder", "root"):
        raise ValueError("an item is moved into a folder")
    above = parent
    while above.kind != "root":
        if above is entry:
            raise ValueError("a folder cannot be moved into itself")
        above = there.entries[above.parent]
    if parent.id == entry.parent:
        raise ValueError("the item is in that folder already")
    _free(there, parent, entry.name, entry.kind)
    if there is listing:
        world.move(listing, entry, parent, at, who)
        return entry
    if there.template != listing.template:
        raise ValueError("an item is moved between libraries only")
    made = _copied(world, listing, entry, there, parent, at, who)
    world.delete(listing, entry, at)
    # What was moved away lies in no recycle bin.
    for gone in [one for one in listing.entries.values() if one.deleted_with == entry.id]:
        gone.deleted_with = ""
        listing.site.recycled.pop(gone.guid, None)
    return made


def _copied(world: World, listing: Listing, entry: Entry, there: Listing, parent: Entry, at: datetime, who: str) -> Entry:
    made = world.add(
        there,
        parent,
        entry.name,
        entry.kind,
        at,
        entry.author,
        document=entry.document,
        stored=entry.stored,
        fields=entry.fields,
        created=entry.created,
    )
    made.editor = who
    for child in listing.children(entry):
        _copied(world, listing, child, there, made, at, who)
    return made


def delete(world: World, listing: Listing, entry: Entry, at: datetime) -> None:
    """Into the recycle bin, with all that is below."""
    world.delete(listing, entry, at)


def restore(world: World, listing: Listing, entry: Entry, at: datetime) -> None:
    """Out of the recycle bin. ValueError for what is not in it by itself, whose folder is gone, or whose name is taken meanwhile."""
    if entry.deleted_with != entry.id:
        raise ValueError("that is not in the recycle bin, or went there with its folder: restore the folder")
    parent = listing.entries[entry.parent]
    if parent.deleted:
        raise ValueError("the folder it was in is gone; restore that first")
    _free(listing, parent, entry.name, entry.kind)
    world.restore(listing, entry, at)


def binned(world: World, key: str) -> tuple[Listing, Entry]:
    """What lies in a recycle bin by itself, by id, unique id, or path from the list's title on; the last one deleted, if there are several."""
    found = [
        (entry.deleted, listing, entry)
        for listing in world.listings()
        for entry in listing.entries.values()
        if entry.deleted
        and entry.deleted_with == entry.id
        and key in (entry.id, entry.guid, "/".join([listing.title, *listing.path(entry)]))
    ]
    if not found:
        raise ValueError(f"no recycle bin holds {key}")
    _, listing, entry = max(found, key=lambda one: one[0])
    return listing, entry


def _free(listing: Listing, parent: Entry, name: str, kind: str) -> None:
    # Rows of a list may bear one title; files and folders may not, whatever their case.
    if kind != "row" and any(child.name.lower() == name.lower() for child in listing.children(parent)):
        raise ValueError(f"there is a {name} in that folder already")
