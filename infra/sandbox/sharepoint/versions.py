"""Earlier versions of files and of list items, as Graph tells them: the newest first, the current one among them."""

from __future__ import annotations

from typing import Any

from infra.sandbox.sharepoint.answers import Ask, page, stamp
from infra.sandbox.sharepoint.graph_items import identity
from infra.sandbox.sharepoint.world import Entry, Version


def _all(entry: Entry) -> list[Version]:
    now = Version(entry.version, entry.modified, entry.editor, entry.stored, entry.fields)
    return [now, *reversed(entry.history)]


def _about(entry: Entry, version: Version) -> dict[str, Any]:
    label = entry.label if version.number == entry.version else f"{version.number}.0"
    return {"id": label, "lastModifiedDateTime": stamp(version.modified), "lastModifiedBy": identity(version.editor)}


def of_file(entry: Entry, ask: Ask) -> dict[str, Any]:
    """driveItemVersions with their sizes. A rename or a move makes none."""
    return page(ask, [{**_about(entry, one), "size": one.stored.size if one.stored else 0} for one in _all(entry)])


def of_item(entry: Entry, ask: Ask) -> dict[str, Any]:
    """listItemVersions; their fields with ``$expand=fields``."""
    rows = [_about(entry, one) | ({"fields": {**one.fields, "id": str(entry.number)}} if _expanded(ask) else {}) for one in _all(entry)]
    return page(ask, rows)


def _expanded(ask: Ask) -> bool:
    return "fields" in ask.query.get("$expand", "").lower()
