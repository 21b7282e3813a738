"""How control verbs name things in the world, and the row of facts they tell of an item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.sandbox.sharepoint.answers import stamp
from infra.sandbox.sharepoint.world import Entry, Listing, World, scope_of


def row(listing: Listing, entry: Entry) -> dict[str, Any]:
    """The truth about one item."""
    return {
        "site": listing.site.key,
        "list": listing.title,
        "list_id": listing.guid,
        "drive_id": listing.drive_id,
        "id": entry.id,
        "unique_id": entry.guid,
        "list_item_id": entry.number,
        "kind": entry.kind,
        "path": "/".join([listing.title, *listing.path(entry)]),
        "size": entry.stored.size if entry.stored else 0,
        "quick_xor": entry.stored.quick_xor if entry.stored else "",
        "etag": entry.etag,
        "modified": stamp(entry.modified),
        "unique": entry.guid in listing.site.grants,
        "scope": scope_of(listing, entry),
    }


def asked(world: World, wanted: list[str] | None) -> Iterator[tuple[Listing, Entry]]:
    """The items of these names; all of them for None."""
    if wanted is None:
        yield from ((listing, entry) for listing in world.listings() for entry in listing.living())
        return
    for key in wanted:
        yield found(world, key)


def found(world: World, key: str) -> tuple[Listing, Entry]:
    """By drive item id, unique id, or path from the list's title on; raises KeyError."""
    direct = world.entry(key)
    if direct is not None:
        return direct
    title, *names = key.split("/")
    for listing in world.listings():
        entry = listing.find(names) if names and listing.title == title else None
        if entry is not None:
            return listing, entry
    raise KeyError(f"no item {key}")


def listing_of(world: World, title: str, site: str = "") -> Listing:
    """A list by its title or id, in this site if one is named; raises KeyError."""
    for listing in world.listings():
        if title in (listing.title, listing.guid) and site in ("", listing.site.key):
            return listing
    raise KeyError(f"no list {title}")
