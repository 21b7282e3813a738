"""Files and folders by their server-relative path, as SharePoint REST gives them: properties, what a folder holds, the bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.sandbox.sharepoint.answers import Ask, stamp
from infra.sandbox.sharepoint.rest_answers import Asked, RestError
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World

BY_PATH = frozenset({f"get{kind}byserverrelative{how}" for kind in ("file", "folder") for how in ("path", "url")})
_NOT_FOUND = "-2147024894, System.IO.FileNotFoundException"


class Files(Asked):
    """``item`` makes the list item behind a file or folder."""

    def __init__(self, world: World, site: Site, ask: Ask, https_url: str, item: Callable[[Listing, Entry], dict[str, Any]]) -> None:
        super().__init__(world, site, ask, https_url)
        self._item = item

    def by_path(self, name: str, path: str, way: list[tuple[str, str]]) -> Any:
        """``web/getFileByServerRelativePath(decodedUrl='/sites/…')`` and its siblings; raises RestError 404 for no such thing."""
        folder = name.startswith("getfolder")
        place, _, below = path.removeprefix(f"/sites/{self._site.key}/").partition("/")
        listing = next((one for one in self._site.lists if one.url_name.lower() == place.lower()), None)
        entry = listing.find([part for part in below.split("/") if part]) if listing else None
        if listing is None or entry is None or folder == (entry.stored is not None):
            raise RestError(404, _NOT_FOUND, f"{'Folder' if folder else 'File'} Not Found.")
        return self.of(listing, entry, way)

    def of(self, listing: Listing, entry: Entry, way: list[tuple[str, str]]) -> Any:
        """A file or folder itself, or what is asked of it."""
        asked = way[0][0] if way else ""
        if not asked:
            return self._selected(self._one(listing, entry))
        if asked == "listitemallfields" and entry.kind != "root":
            return self._item(listing, entry)
        if asked == "$value" and entry.stored is not None:
            return entry.stored.read()
        if asked in ("files", "folders") and entry.stored is None:
            below = [one for one in listing.children(entry) if (one.stored is not None) == (asked == "files")]
            return self._page(below, lambda one: self._selected(self._one(listing, one)))
        return self._unknown(asked)

    def _one(self, listing: Listing, entry: Entry) -> dict[str, Any]:
        place = "/".join(["/sites", self._site.key, listing.url_name, *listing.path(entry)])
        common = {
            "Name": entry.name if entry.kind != "root" else listing.url_name,
            "ServerRelativeUrl": place,
            "UniqueId": entry.guid,
            "Exists": True,
            "TimeCreated": stamp(entry.created),
            "TimeLastModified": stamp(entry.modified),
        }
        if entry.stored is None:
            meta = self._meta("SP.Folder", f"Web/GetFolderByServerRelativePath(decodedurl='{place}')")
            return {"__metadata": meta, **common, "ItemCount": len(listing.children(entry)), "IsWOPIEnabled": False}
        return {
            "__metadata": self._meta("SP.File", f"Web/GetFileByServerRelativePath(decodedurl='{place}')"),
            **common,
            "Length": str(entry.stored.size),
            "ETag": entry.etag,
            "CheckOutType": 2,
            "Level": 1,
            "MajorVersion": entry.version,
            "MinorVersion": 0,
            "UIVersionLabel": f"{entry.version}.0",
            "Title": entry.document.title if entry.document else "",
        }
