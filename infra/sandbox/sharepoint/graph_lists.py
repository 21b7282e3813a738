"""Graph's lists: columns, list items with their fields, items/delta, and modern pages with their canvas."""

from __future__ import annotations

import html
import re
from typing import Any

from infra.sandbox.company.people import stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import feed
from infra.sandbox.sharepoint.answers import Ask, GraphError, chosen, page, stamp
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.graph_items import identity, site_id
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World

_FIELDS = re.compile(r"fields(?:\(\$?select=([^)]*)\))?", re.IGNORECASE)
_CONTENT_TYPES = {
    "file": ("0x0101", "ドキュメント"),
    "folder": ("0x0120", "フォルダー"),
    "page": ("0x0101009D1CB255DA76424F860D91F20E6C4118", "サイトのページ"),
}


class Lists:
    """List and page endpoints over one world."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings

    def listing(self, site: Site, key: str) -> Listing:
        """By id or by title; raises GraphError 404."""
        found = next((one for one in site.lists if key.lower() in (one.guid, one.title.lower(), one.url_name.lower())), None)
        if found is None:
            raise GraphError(404, "itemNotFound", "The specified list was not found.")
        return found

    def list_(self, listing: Listing) -> dict[str, Any]:
        modified = stamp(listing.feed[-1][1])
        return {
            "@odata.etag": f'"{listing.guid},{len(listing.feed)}"',
            "id": listing.guid,
            "name": listing.url_name,
            "displayName": listing.title,
            "description": "",
            "createdDateTime": stamp(listing.site.created),
            "lastModifiedDateTime": modified,
            "eTag": f'"{listing.guid},{len(listing.feed)}"',
            "webUrl": self._url(listing),
            "parentReference": {"siteId": site_id(listing.site)},
            "list": {"contentTypesEnabled": False, "hidden": False, "template": listing.template},
        }

    def _url(self, listing: Listing) -> str:
        folder = "" if listing.template != "genericList" else "Lists/"
        return f"{self._settings.https_url}/sites/{listing.site.key}/{folder}{listing.url_name}"

    def columns(self, listing: Listing, ask: Ask) -> dict[str, Any]:
        title = {
            "id": stable_id("column", f"{listing.guid}:Title"),
            "name": "Title",
            "displayName": "タイトル",
            "hidden": False,
            "indexed": False,
            "readOnly": False,
            "required": False,
            "enforceUniqueValues": False,
            "columnGroup": "_Hidden",
            "description": "",
            "text": {"allowMultipleLines": False, "appendChangesToExistingText": False, "linesForEditing": 0, "maxLength": 255},
        }
        own = listing.columns or [title]
        return page(ask, [*own, *(_system(listing, name, shown, facet) for name, shown, facet in _SYSTEM)])

    def item(self, listing: Listing, entry: Entry, ask: Ask) -> dict[str, Any]:
        """A listItem; ``fields`` only with ``$expand=fields`` or ``fields($select=…)``."""
        code, kind = _CONTENT_TYPES.get(entry.kind, ("0x01", "アイテム"))
        found: dict[str, Any] = {
            "@odata.etag": entry.etag,
            "id": str(entry.number),
            "eTag": entry.etag,
            "createdDateTime": stamp(entry.created),
            "lastModifiedDateTime": stamp(entry.modified),
            "createdBy": identity(entry.author),
            "lastModifiedBy": identity(entry.editor),
            "webUrl": "/".join([self._url(listing), *listing.path(entry)])
            if entry.kind != "row"
            else f"{self._url(listing)}/{entry.number}_.000",
            "parentReference": {"siteId": site_id(listing.site), "id": entry.parent},
            "contentType": {"id": code, "name": kind},
            "sharepointIds": {"listId": listing.guid, "listItemId": str(entry.number), "listItemUniqueId": entry.guid},
        }
        expanded = _FIELDS.search(ask.query.get("$expand", ""))
        if expanded:
            found["fields"] = self.fields(listing, entry, [name.strip() for name in (expanded.group(1) or "").split(",") if name.strip()])
        return found

    def fields(self, listing: Listing, entry: Entry, select: list[str]) -> dict[str, Any]:
        """Column values as Graph gives them; absent cells are absent keys."""
        found: dict[str, Any] = {
            "@odata.etag": entry.etag,
            **entry.fields,
            "id": str(entry.number),
            "ContentType": _CONTENT_TYPES.get(entry.kind, ("", "アイテム"))[1],
            "Created": stamp(entry.created),
            "Modified": stamp(entry.modified),
            "AuthorLookupId": self._person(listing.site, entry.author),
            "EditorLookupId": self._person(listing.site, entry.editor),
            "_UIVersionString": entry.label,
            "Attachments": False,
        }
        if entry.kind != "row":
            found |= {"FileLeafRef": entry.name, "Title": entry.document.title if entry.document else entry.name}
            if entry.stored is not None:
                found["FileSizeDisplay"] = str(entry.stored.size)
        return chosen(found, [*select, *(f"{name}@odata.type" for name in select)] if select else [])

    def _person(self, site: Site, login: str) -> str:
        return next((str(one.number) for one in site.principals.values() if (one.kind, one.key) == ("user", login)), "1073741823")

    def items(self, listing: Listing, ask: Ask) -> dict[str, Any]:
        if "$filter" in ask.query:
            raise GraphError(400, "invalidRequest", "The sandbox keeps no index to filter on; page by id instead.")
        top, after = ask.top(200, 5000), re.search(r"p_ID=(\d+)", ask.query.get("$skiptoken", ""))
        rest = listing.after(int(after.group(1)) if after else 0, top + 1)
        found: dict[str, Any] = {"value": [chosen(self.item(listing, entry, ask), self._select(ask)) for entry in rest[:top]]}
        if len(rest) > top:
            found["@odata.nextLink"] = ask.link(ask.path, **{"$skiptoken": f"Paged=TRUE&p_ID={rest[top - 1].number}"})
        return found

    def _select(self, ask: Ask) -> list[str]:
        return [*ask.select, "fields"] if ask.select else []

    def delta(self, listing: Listing, ask: Ask) -> dict[str, Any]:
        """One page of ``/lists/{l}/items/delta``; the list's root is no item of it."""
        path = f"/sites/{site_id(listing.site)}/lists/{listing.guid}/items/delta"
        round_ = feed.read(self._world, listing, ask, path)
        shown: list[dict[str, Any]] = []
        for entry in round_.entries:
            if entry.deleted:
                shown.append(
                    {"id": str(entry.number), "deleted": {"state": "deleted"}, "parentReference": {"siteId": site_id(listing.site)}}
                )
            elif entry.kind != "root":
                shown.append(self.item(listing, entry, ask))
        return {
            "@odata.context": f"{ask.base}/v1.0/$metadata#Collection(listItem)",
            **round_.link,
            "value": [chosen(one, [*self._select(ask), "deleted"] if ask.select else []) for one in shown],
        }

    def pages(self, site: Site, ask: Ask) -> dict[str, Any]:
        """Modern pages; the canvas only with ``$expand=canvasLayout``."""
        listing = next(one for one in site.lists if one.template == "webPageLibrary")
        return page(ask, [self.page(listing, entry, ask) for entry in listing.living()])

    def page_entry(self, site: Site, guid: str) -> tuple[Listing, Entry]:
        listing = next(one for one in site.lists if one.template == "webPageLibrary")
        entry = next((one for one in listing.living() if one.guid == guid.lower()), None)
        if entry is None:
            raise GraphError(404, "itemNotFound", "The page was not found.")
        return listing, entry

    def page(self, listing: Listing, entry: Entry, ask: Ask) -> dict[str, Any]:
        assert entry.document is not None
        found: dict[str, Any] = {
            "@odata.type": "#microsoft.graph.sitePage",
            "@odata.etag": entry.etag,
            "eTag": entry.etag,
            "id": entry.guid,
            "name": entry.name,
            "title": entry.document.title,
            "description": "",
            "webUrl": f"{self._url(listing)}/{entry.name}",
            "pageLayout": "article",
            "promotionKind": "page",
            "showComments": True,
            "createdDateTime": stamp(entry.created),
            "createdBy": identity(entry.author),
            "lastModifiedDateTime": stamp(entry.modified),
            "lastModifiedBy": identity(entry.editor),
            "parentReference": {"siteId": site_id(listing.site)},
            "publishingState": {"level": "checkout" if entry.checked_out else entry.level, "versionId": entry.label},
        }
        if "canvaslayout" in ask.query.get("$expand", "").lower():
            found["canvasLayout"] = canvas(entry.document)
        return found


_SYSTEM: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Modified", "更新日時", {"dateTime": {"displayAs": "default", "format": "dateTime"}}),
    ("Created", "登録日時", {"dateTime": {"displayAs": "default", "format": "dateTime"}}),
    (
        "Author",
        "登録者",
        {"personOrGroup": {"allowMultipleSelection": False, "chooseFromType": "peopleAndGroups", "displayAs": "nameWithPresence"}},
    ),
    (
        "Editor",
        "更新者",
        {"personOrGroup": {"allowMultipleSelection": False, "chooseFromType": "peopleAndGroups", "displayAs": "nameWithPresence"}},
    ),
)


def _system(listing: Listing, name: str, shown: str, facet: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": stable_id("column", f"{listing.guid}:{name}"),
        "name": name,
        "displayName": shown,
        "hidden": False,
        "indexed": False,
        "readOnly": True,
        "required": False,
        "enforceUniqueValues": False,
        "columnGroup": "_Hidden",
        "description": "",
        **facet,
    }


def canvas(document: Document) -> dict[str, Any]:
    """canvasLayout of a page: one text web part a section, the last section in the vertical column when there are three."""
    parts = [
        {
            "@odata.type": "#microsoft.graph.textWebPart",
            "id": stable_id("web part", f"{document.path}:{number}"),
            "innerHtml": f"<h3>{html.escape(section.heading)}</h3>" + "".join(f"<p>{html.escape(text)}</p>" for text in section.paragraphs),
        }
        for number, section in enumerate(document.sections)
    ]
    side = parts[2:]
    sections = [
        {"layout": "oneColumn", "id": str(number), "emphasis": "none", "columns": [{"id": "1", "width": 12, "webparts": [part]}]}
        for number, part in enumerate(parts[:2], 1)
    ]
    return {"horizontalSections": sections, **({"verticalSection": {"emphasis": "none", "webparts": side}} if side else {})}
