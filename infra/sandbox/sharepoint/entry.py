"""One item of a list or library, with its links and its earlier versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.shelf import Stored


@dataclass(frozen=True)
class Link:
    """A sharing link on one entry; its hidden site group is principal ``group``, and holds whoever has used the link or was named in it.

    ``scope``: anonymous, organization, users or existingAccess (which grants nothing). ``expires``: None for never.
    """

    share_id: str
    scope: str
    type: str
    group: int
    expires: datetime | None = None


@dataclass(frozen=True)
class Version:
    """What an entry was before its last change: its version number, who made it when, and the file of that time."""

    number: int
    modified: datetime
    editor: str
    stored: Stored | None
    fields: dict[str, Any]


@dataclass
class Entry:
    """A list item: ``kind`` is root, folder, file, page, row or package (a OneNote notebook). ``changed`` and ``deleted`` are positions in the list's feed.

    ``told`` is the position of its last change that was more than a change of rights; ``deleted_with`` the id of the entry whose deletion
    took it along. ``level``: published or draft; ``checked_out``: the login that alone sees a file never checked in.
    """

    id: str
    guid: str
    number: int
    parent: str
    name: str
    kind: str
    created: datetime
    modified: datetime
    author: str
    editor: str
    document: Document | None = None
    stored: Stored | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    content_version: int = 1
    changed: int = 0
    deleted: int = 0
    sharing_changed: int = 0
    former_name: str = ""
    told: int = 0
    deleted_with: str = ""
    level: str = "published"
    checked_out: str = ""
    malware: str = ""
    links: list[Link] = field(default_factory=list)
    history: list[Version] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return f'"{{{self.guid.upper()}}},{self.version}"'

    @property
    def label(self) -> str:
        """Its version as people see it: a whole number when it is published."""
        return "0.1" if self.checked_out else f"{self.version}.0" if self.level == "published" else f"{self.version - 1}.1"

    @property
    def ctag(self) -> str:
        return f'"c:{{{self.guid.upper()}}},{self.content_version}"'
