"""What an owner does to a list's columns. No item is touched by it, so no delta tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from infra.sandbox.company.people import stable_id
from infra.sandbox.sharepoint.changes import ADD, DELETE, UPDATE
from infra.sandbox.sharepoint.world import Listing


def column_of(listing: Listing, name: str) -> dict[str, Any]:
    """A business column by its internal or its shown name. ValueError when there is none."""
    for column in listing.columns:
        if name in (column["name"], column["displayName"]):
            return column
    shown = ", ".join(column["displayName"] for column in listing.columns)
    raise ValueError(f"the list {listing.title} has no column {name!r}; there are: {shown}" if shown else f"{listing.title} has no columns")


def rename(listing: Listing, column: dict[str, Any], shown: str, at: datetime) -> None:
    """Another shown name; the internal one and the id stay for ever."""
    if any(shown in (other["name"], other["displayName"]) for other in listing.columns):
        raise ValueError(f"there is a column {shown} already")
    column["displayName"] = shown
    _log(listing, column, UPDATE, at)


def recreate(listing: Listing, column: dict[str, Any], at: datetime) -> Callable[[], None]:
    """Deleted and made again under the same names: another id, and every value is gone. Returns what puts the old one back."""
    place, name = listing.columns.index(column), column["name"]
    fresh = {**column, "id": stable_id("column", f"{column['id']}:again")}
    listing.columns[place] = fresh
    lost: dict[str, dict[str, Any]] = {}
    for entry in listing.entries.values():
        kept = {key: value for key, value in entry.fields.items() if key not in (name, f"{name}LookupId", f"{name}@odata.type")}
        lost[entry.id] = {key: value for key, value in entry.fields.items() if key not in kept}
        entry.fields = kept
    _log(listing, column, DELETE, at)
    _log(listing, fresh, ADD, at)

    def undo() -> None:
        listing.columns[listing.columns.index(fresh)] = column
        for key, values in lost.items():
            listing.entries[key].fields = {**values, **listing.entries[key].fields}
        _log(listing, fresh, DELETE, at)
        _log(listing, column, ADD, at)

    return undo


def _log(listing: Listing, column: dict[str, Any], what: int, at: datetime) -> None:
    listing.site.log.add("Field", what, at, {"FieldId": str(column["id"]), "WebId": listing.site.web})
