"""The state of the sandbox's SharePoint: sites, lists, entries, grants and the change feeds. No protocol, no opinion on who may read."""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.sandbox.company.people import TENANT_ID, stable_id
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.shelf import Shelf, Stored

#: Role definition ids of SharePoint and their RoleTypeKind, name, High and Low permission masks.
ROLES: dict[int, tuple[int, str, int, int]] = {
    1073741829: (5, "フル コントロール", 2147483647, 4294967295),
    1073741830: (6, "編集", 432, 1011030767),
    1073741827: (3, "投稿", 432, 1011028719),
    1073741826: (2, "閲覧", 176, 138612833),
    1073741825: (1, "制限付きアクセス", 48, 134287360),
    1073741930: (0, "一覧のみ", 176, 138612801),
}
#: ``LISTING`` is a level that an administrator made: it shows items in their list and opens none.
FULL_CONTROL, EDIT, CONTRIBUTE, READ, LIMITED_ACCESS, LISTING = ROLES
EVERYONE_LOGIN = "c:0(.s|true"
EEEU_LOGIN = f"c:0-.f|rolemanager|spo-grid-all-users/{TENANT_ID}"


@dataclass
class Principal:
    """A row of the site collection's user information list, or a site group.

    ``kind``: ``user`` (``key`` = login), ``entra`` (``key`` = group code), ``eeeu``, ``everyone`` (guests too), or ``site`` (a SharePoint
    group, whose ``members`` are principal numbers). Numbers mean nothing outside their site collection.
    """

    number: int
    kind: str
    key: str
    title: str
    members: list[int] = field(default_factory=list)
    site_admin: bool = False


@dataclass(frozen=True)
class Link:
    """A sharing link on one entry; its hidden site group is principal ``group``."""

    share_id: str
    scope: str
    type: str
    group: int


@dataclass
class Entry:
    """A list item: ``kind`` is root, folder, file, page or row. ``changed`` and ``deleted`` are positions in the list's feed."""

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
    link: Link | None = None

    @property
    def etag(self) -> str:
        return f'"{{{self.guid.upper()}}},{self.version}"'

    @property
    def ctag(self) -> str:
        return f'"c:{{{self.guid.upper()}}},{self.content_version}"'


@dataclass
class Listing:
    """A list or library. ``template`` as Graph names it; ``columns`` are Graph columnDefinitions of the business columns."""

    guid: str
    title: str
    url_name: str
    template: str
    site: Site
    entries: dict[str, Entry] = field(default_factory=dict)
    columns: list[dict[str, Any]] = field(default_factory=list)
    feed: list[tuple[int, datetime]] = field(default_factory=list)
    last_number: int = 0

    @property
    def root(self) -> Entry:
        return next(entry for entry in self.entries.values() if entry.kind == "root")

    @property
    def drive_id(self) -> str:
        packed = b"".join(uuid.UUID(guid).bytes_le for guid in (self.site.collection, self.site.web, self.guid))
        return "b!" + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def living(self) -> Iterator[Entry]:
        """Entries that are not deleted, the root left out, by number."""
        return (entry for entry in sorted(self.entries.values(), key=lambda one: one.number) if not entry.deleted and entry.kind != "root")

    def children(self, parent: Entry) -> list[Entry]:
        return [entry for entry in self.living() if entry.parent == parent.id]

    def path(self, entry: Entry) -> list[str]:
        """Names from below the list's root down to the entry."""
        names: list[str] = []
        while entry.kind != "root":
            names.append(entry.name)
            entry = self.entries[entry.parent]
        return names[::-1]

    def by_number(self, number: int) -> Entry | None:
        return next((entry for entry in self.living() if entry.number == number), None)

    def find(self, names: list[str]) -> Entry | None:
        """The living entry at a path of names; case does not matter, as in SharePoint."""
        here = self.root
        for name in names:
            below = next((child for child in self.children(here) if child.name.lower() == name.lower()), None)
            if below is None:
                return None
            here = below
        return here


@dataclass
class Site:
    """A site collection with its root web. ``grants``: securable key (``web``, list guid, entry guid) → principal number → role ids;
    a key's presence means that inheritance is broken there."""

    key: str
    title: str
    collection: str
    web: str
    created: datetime
    lists: list[Listing] = field(default_factory=list)
    principals: dict[int, Principal] = field(default_factory=dict)
    grants: dict[str, dict[int, set[int]]] = field(default_factory=dict)

    def principal(self, kind: str, key: str) -> Principal:
        return next(one for one in self.principals.values() if (one.kind, one.key) == (kind, key))

    def listing(self, title: str) -> Listing:
        return next(one for one in self.lists if one.title == title)


class World:
    """All sites with one lock. Every mutation moves the entry to the end of its list's change feed, as delta reports it."""

    def __init__(self, shelf: Shelf, seed: int) -> None:
        self.shelf, self.seed = shelf, seed
        self.sites: dict[str, Site] = {}
        #: Entra groups as they are now; control verbs may change them: code → (member logins, nested codes).
        self.groups: dict[str, tuple[list[str], list[str]]] = {}
        self.lock = threading.RLock()
        self.epoch = 0
        self.day = 0
        #: How Graph shows inheritance on permissions: ``object``, ``absent`` or ``full``; real tenants differ.
        self.inherited_from = "object"
        self._position = 0

    def listings(self) -> Iterator[Listing]:
        for site in self.sites.values():
            yield from site.lists

    def drive(self, drive_id: str) -> Listing | None:
        return next((one for one in self.listings() if one.drive_id == drive_id and one.template == "documentLibrary"), None)

    def entry(self, key: str) -> tuple[Listing, Entry] | None:
        """The living entry with this drive item id or unique id."""
        for listing in self.listings():
            for entry in listing.entries.values():
                if key in (entry.id, entry.guid) and not entry.deleted:
                    return listing, entry
        return None

    def touch(self, listing: Listing, entry: Entry, at: datetime) -> None:
        self._position += 1
        entry.changed = self._position
        listing.feed.append((self._position, at))

    def add(
        self,
        listing: Listing,
        parent: Entry | None,
        name: str,
        kind: str,
        at: datetime,
        who: str,
        *,
        document: Document | None = None,
        stored: Stored | None = None,
        fields: dict[str, Any] | None = None,
    ) -> Entry:
        """A new entry. Its ids follow from the list and its number, so that the same history gives the same ids."""
        if kind != "root":
            listing.last_number += 1
        number = listing.last_number if kind != "root" else 0
        guid = stable_id("entry", f"{listing.guid}:{number}")
        digest = base64.b32encode(hashlib.sha256(f"{self.seed}:{guid}".encode()).digest()[:20]).decode()
        entry = Entry(
            f"01{digest}",
            guid,
            number,
            parent.id if parent else "",
            name,
            kind,
            at,
            at,
            who,
            who,
            document=document,
            stored=stored,
            fields=fields or {},
        )
        listing.entries[entry.id] = entry
        self.touch(listing, entry, at)
        return entry

    def edit(self, listing: Listing, entry: Entry, document: Document, at: datetime, who: str) -> None:
        """New content for a file."""
        entry.document = document
        (entry.stored,) = self.shelf.store([document])
        entry.content_version += 1
        self._changed(listing, entry, at, who)

    def rename(self, listing: Listing, entry: Entry, name: str, at: datetime, who: str) -> None:
        entry.former_name, entry.name = entry.name, name
        self._changed(listing, entry, at, who)

    def move(self, listing: Listing, entry: Entry, parent: Entry, at: datetime, who: str) -> None:
        """Into another folder of the same library; the id stays."""
        entry.parent = parent.id
        self._changed(listing, entry, at, who)

    def delete(self, listing: Listing, entry: Entry, at: datetime) -> None:
        """Delete an entry and all below it, the deepest first, as the feed reports it."""
        for child in listing.children(entry):
            self.delete(listing, child, at)
        self.touch(listing, entry, at)
        entry.deleted = entry.changed
        listing.site.grants.pop(entry.guid, None)

    def sharing_changed(self, listing: Listing, entry: Entry, at: datetime) -> None:
        """A permission-only change: new place in the feed, same content, same eTag."""
        self.touch(listing, entry, at)
        entry.sharing_changed = entry.changed

    def _changed(self, listing: Listing, entry: Entry, at: datetime, who: str) -> None:
        entry.version += 1
        entry.modified, entry.editor = at, who
        self.touch(listing, entry, at)


def securable_chain(listing: Listing, entry: Entry | None) -> list[str]:
    """Keys from the entry up over its folders and the list to the web: where inheritance may be broken."""
    keys: list[str] = []
    while entry is not None and entry.kind != "root":
        keys.append(entry.guid)
        entry = listing.entries[entry.parent]
    return [*keys, listing.guid, "web"]


def scope_of(listing: Listing, entry: Entry | None) -> str:
    """Key of the nearest securable with its own role assignments."""
    return next(key for key in securable_chain(listing, entry) if key in listing.site.grants)
