"""What of a driveItem we read, and the row of the contract it becomes. Source: Microsoft Graph v1.0, driveItem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from connectors.sharepoint.decode import instant, person
from connectors.sharepoint.rows import MisfitError
from connectors.sharepoint.tree import Kind, Node, Paths

#: Asked of every feed and listing of a drive.
SELECT = "id,name,size,file,folder,package,root,deleted,parentReference,eTag,createdDateTime,lastModifiedDateTime,lastModifiedBy,webUrl,sharepointIds"
#: Enough to tell files from folders.
SELECT_KIND = "id,name,file,folder,package,root,deleted,parentReference"


class _Reference(msgspec.Struct):
    id: str | None = None


class _Ids(msgspec.Struct):
    listItemId: str | None = None


class Item(msgspec.Struct):
    """Facets are present or absent; their insides do not matter but for ``file``."""

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
    def kind(self) -> Kind:
        if self.package is not None and self.root is None:
            return "package"
        return "folder" if self.folder is not None or self.root is not None else "file"

    @property
    def list_item(self) -> str:
        return (self.sharepointIds.listItemId or "") if self.sharepointIds is not None else ""

    def node(self) -> Node:
        """Its place in the tree; which scope holds for it is not known yet."""
        parent = (self.parentReference.id or "") if self.parentReference is not None and self.root is None else ""
        return Node(parent, "" if self.root is not None or self.kind == "file" else self.name, self.list_item, self.kind)


def read(body: bytes) -> Item:
    return msgspec.json.decode(body, type=Item)


def is_older(folder: Item, than: str | None) -> bool:
    """Whether a folder was made before the instant ``than``, or may have been."""
    try:
        made = instant(folder.createdDateTime)
    except MisfitError:
        made = None
    return made is None or than is None or made <= datetime.fromisoformat(than)


def values(item: Item, paths: Paths) -> dict[str, Any]:
    """The row of a file, by source code. Raises MisfitError."""
    file = item.file or {}
    hashes = cast("Mapping[str, Any]", file.get("hashes") or {})
    parent = item.node().parent
    return {
        "item_id": item.id, "name": item.name, "path": f"{paths.of(parent)}/{item.name}", "media_type": file.get("mimeType"),
        "size": item.size, "quick_xor_hash": hashes.get("quickXorHash"), "etag": item.eTag,
        "created_at": instant(item.createdDateTime), "modified_at": instant(item.lastModifiedDateTime),
        "modified_by": person(item.lastModifiedBy), "web_url": item.webUrl, "list_item_id": item.list_item or None,
    }  # fmt: skip
