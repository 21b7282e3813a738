"""The state of the sandbox's SharePoint: sites, lists, entries, grants and the change feeds. No protocol, no opinion on who may read."""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from infra.sandbox.company.people import TENANT_ID, Group, group, stable_id
from infra.sandbox.sharepoint.changes import ADD, DELETE, MOVE_INTO, RENAME, RESTORE, UPDATE, ChangeLog
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.shelf import Shelf, Stored
from infra.sandbox.sharepoint.entry import Entry, Link, Version

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

    ``kind``: ``user`` (``key`` = login), ``entra`` (``key`` = group code), ``m365`` and ``m365-owners`` (the members and the owners of a
    Microsoft 365 group, ``key`` = group code), ``eeeu``, ``everyone`` (guests only where the tenant says so), or ``site`` (a SharePoint group, whose ``members`` are
    principal numbers). Numbers mean nothing outside their site collection.
    """

    number: int
    kind: str
    key: str
    title: str
    members: list[int] = field(default_factory=list)
    site_admin: bool = False


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
    #: 1 for everybody sees all items, 2 for their own only; and whether it keeps drafts that only those see who may edit.
    read_security: int = 1
    drafts: bool = False
    #: Folder id → ids of what was ever put into it, and item number → id; kept by ``put``.
    _inside: dict[str, dict[str, None]] = field(default_factory=dict)
    _numbers: dict[int, str] = field(default_factory=dict)

    def put(self, entry: Entry, parent: str) -> None:
        """Into the list, or into another of its folders."""
        self._inside.get(entry.parent, {}).pop(entry.id, None)
        entry.parent = parent
        self.entries[entry.id] = entry
        self._inside.setdefault(parent, {})[entry.id] = None
        self._numbers[entry.number] = entry.id

    @property
    def root(self) -> Entry:
        return self.entries[self._numbers[0]]

    @cached_property
    def drive_id(self) -> str:
        packed = b"".join(uuid.UUID(guid).bytes_le for guid in (self.site.collection, self.site.web, self.guid))
        return "b!" + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def living(self) -> Iterator[Entry]:
        """Entries that are not deleted, the root left out, by number: they came in that order."""
        return (entry for entry in self.entries.values() if not entry.deleted and entry.kind != "root")

    def children(self, parent: Entry) -> list[Entry]:
        """What is in a folder now, by number."""
        inside = (self.entries[key] for key in self._inside.get(parent.id, ()))
        return sorted((entry for entry in inside if not entry.deleted), key=lambda one: one.number)

    def size(self, entry: Entry) -> int:
        """Bytes of a file, or of all files in a folder."""
        if entry.stored is not None:
            return entry.stored.size
        return sum(self.size(child) for child in self.children(entry))

    def child_count(self, entry: Entry) -> int:
        return len(self.children(entry))

    def after(self, number: int, most: int) -> list[Entry]:
        """The next living entries by number, at most so many."""
        return [entry for entry in self.living() if entry.number > number][:most]

    def count(self) -> int:
        """How many entries live."""
        return sum(1 for _ in self.living())

    def pending(self, place: Callable[[Entry], int], after: int, start: int, most: int) -> list[Entry]:
        """At most so many entries whose place in the feed lies after one, in order; what was gone before ``start`` is left out."""
        return sorted((one for one in self.entries.values() if place(one) > after and not 0 < one.deleted <= start), key=place)[:most]

    def named(self, key: str) -> Entry | None:
        """An entry by its id or unique id that the world does not know by them."""
        return None

    def path(self, entry: Entry) -> list[str]:
        """Names from below the list's root down to the entry."""
        names: list[str] = []
        while entry.kind != "root":
            names.append(entry.name)
            entry = self.entries[entry.parent]
        return names[::-1]

    def by_number(self, number: int) -> Entry | None:
        entry = self.entries.get(self._numbers.get(number, ""))
        return None if entry is None or entry.deleted or entry.kind == "root" else entry

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
    #: ``open``, ``archived`` (423 to everybody) or ``refused`` (403 to the app).
    status: str = "open"
    #: What it granted to the app, where the app's role is Sites.Selected: read, write, manage, fullcontrol, or nothing.
    app_role: str = ""
    lists: list[Listing] = field(default_factory=list)
    principals: dict[int, Principal] = field(default_factory=dict)
    grants: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    #: Rights of their own that entries in the recycle bin had: they come back with the entry.
    recycled: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)

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
        #: Groups that control verbs made, the owners of the Microsoft 365 ones among all, and those whose members are hidden.
        self.made: dict[str, Group] = {}
        self.owners: dict[str, list[str]] = {}
        self.hidden: set[str] = set()
        #: Logins of people that were deleted from the directory.
        self.gone: set[str] = set()
        self.lock = threading.RLock()
        self.epoch = 0
        #: How often the Location of an expired delta token answers 410 itself.
        self.gone_again = 0
        self.day = 0
        #: How Graph shows inheritance on permissions: ``object``, ``absent`` or ``full``; real tenants differ.
        self.inherited_from = "object"
        #: Whether Graph lets an app of selected sites ask what a site granted it; its documentation names full control of all sites only.
        self.tells_grants = True
        #: Whether the feed names what lies in a folder that is deleted or restored; a tenant may name the folder alone.
        self.tells_inside = True
        #: The tenant's ShowEveryoneClaim: whether guests hold "Everyone". Off since 2018 unless an administrator turned it on.
        self.guests_hold_everyone = False
        #: Links that will end by themselves.
        self.expiring: list[tuple[datetime, Listing, Entry, Link]] = []
        #: Whoever is to be told of each change in a list, and whether it is one of rights alone.
        self.tell: Callable[[Listing, bool], None] = lambda _, __: None
        self._position = 0
        self._by_key: dict[str, tuple[Listing, Entry]] = {}

    def group(self, code: str) -> Group:
        """What the directory knows of a group besides its members."""
        return self.made.get(code) or group(code)

    def listings(self) -> Iterator[Listing]:
        for site in self.sites.values():
            yield from site.lists

    def drive(self, drive_id: str) -> Listing | None:
        return next((one for one in self.listings() if one.drive_id == drive_id and one.template == "documentLibrary"), None)

    def entry(self, key: str) -> tuple[Listing, Entry] | None:
        """The living entry with this drive item id or unique id."""
        found = self._by_key.get(key)
        if found is None:
            found = next(((listing, entry) for listing in self.listings() if (entry := listing.named(key))), None)
        return None if found is None or found[1].deleted else found

    def reserve(self, listing: Listing, count: int, at: datetime) -> None:
        """So many places in a list's feed, for entries that nobody adds one by one."""
        self._position += count
        listing.feed.append((self._position, at))

    @contextmanager
    def told_alone(self) -> Iterator[None]:
        """Meanwhile the feed names a folder that is deleted or restored, and nothing that lies in it."""
        before, self.tells_inside = self.tells_inside, False
        try:
            yield
        finally:
            self.tells_inside = before

    @property
    def next_position(self) -> int:
        """The place that the next change will have in its feed."""
        return self._position + 1

    def touch(self, listing: Listing, entry: Entry, at: datetime) -> None:
        """To the end of the list's feed, for a change of more than rights."""
        self._moved(listing, entry, at)
        entry.told = entry.changed
        self.tell(listing, False)

    def _moved(self, listing: Listing, entry: Entry, at: datetime) -> None:
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
        created: datetime | None = None,
    ) -> Entry:
        """A new entry. Its ids follow from the list and its number, so that the same history gives the same ids.

        ``created``: when it was made, for what came here from elsewhere.
        """
        if kind != "root":
            listing.last_number += 1
        number = listing.last_number if kind != "root" else 0
        guid = stable_id("entry", f"{listing.guid}:{number}")
        digest = base64.b32encode(hashlib.sha256(f"{self.seed}:{guid}".encode()).digest()[:20]).decode()
        entry = Entry(
            f"01{digest}",
            guid,
            number,
            "",
            name,
            kind,
            created or at,
            at,
            who,
            who,
            document=document,
            stored=stored,
            fields=fields or {},
        )
        listing.put(entry, parent.id if parent else "")
        self._by_key[entry.id] = self._by_key[entry.guid] = (listing, entry)
        self.touch(listing, entry, at)
        if kind != "root":
            self.log(listing, entry, ADD, at)
        return entry

    def edit(self, listing: Listing, entry: Entry, document: Document, at: datetime, who: str) -> None:
        """New content for a file."""
        self._keep(entry)
        entry.document = document
        (entry.stored,) = self.shelf.store([document])
        entry.content_version += 1
        self._changed(listing, entry, at, who, UPDATE)

    def edit_fields(self, listing: Listing, entry: Entry, fields: dict[str, Any], at: datetime, who: str) -> None:
        """Other values in some columns; None empties a cell."""
        self._keep(entry)
        entry.fields = {name: value for name, value in {**entry.fields, **fields}.items() if value is not None}
        self._changed(listing, entry, at, who, UPDATE)

    def rename(self, listing: Listing, entry: Entry, name: str, at: datetime, who: str) -> None:
        entry.former_name, entry.name = entry.name, name
        self._changed(listing, entry, at, who, RENAME)

    def move(self, listing: Listing, entry: Entry, parent: Entry, at: datetime, who: str) -> None:
        """Into another folder of the same library; the id stays."""
        listing.put(entry, parent.id)
        self._changed(listing, entry, at, who, MOVE_INTO)

    def delete(self, listing: Listing, entry: Entry, at: datetime, along: Entry | None = None) -> None:
        """Into the recycle bin with all below it, the deepest first, as the feed reports it. ``along``: what it is deleted with."""
        for child in listing.children(entry):
            self.delete(listing, child, at, along or entry)
        if along is None or self.tells_inside:
            self.touch(listing, entry, at)
        entry.deleted, entry.deleted_with = self._position, (along or entry).id
        if entry.guid in listing.site.grants:
            listing.site.recycled[entry.guid] = listing.site.grants.pop(entry.guid)
        self.log(listing, entry, DELETE, at)

    def restore(self, listing: Listing, entry: Entry, at: datetime) -> None:
        """Out of the recycle bin, where it was, with its id, its rights and all that was deleted along with it."""
        for one in [entry, *(other for other in listing.entries.values() if other.deleted_with == entry.id and other is not entry)]:
            one.deleted, one.deleted_with = 0, ""
            if one is entry or self.tells_inside:
                self.touch(listing, one, at)
            if one.guid in listing.site.recycled:
                listing.site.grants[one.guid] = listing.site.recycled.pop(one.guid)
            self.log(listing, one, RESTORE, at)

    def sharing_changed(self, listing: Listing, entry: Entry, at: datetime) -> None:
        """A permission-only change: new place in the feed, same content, same eTag."""
        self._moved(listing, entry, at)
        entry.sharing_changed = entry.changed
        self.tell(listing, True)

    def log(self, listing: Listing, entry: Entry, what: int, at: datetime) -> None:
        """A line about an item in its site's change log."""
        where = {"ItemId": entry.number, "ListId": listing.guid, "UniqueId": entry.guid, "WebId": listing.site.web}
        listing.site.log.add("Item", what, at, where)

    def _keep(self, entry: Entry) -> None:
        entry.history.append(Version(entry.version, entry.modified, entry.editor, entry.stored, dict(entry.fields)))

    def _changed(self, listing: Listing, entry: Entry, at: datetime, who: str, what: int) -> None:
        entry.version += 1
        entry.modified, entry.editor = at, who
        self.touch(listing, entry, at)
        self.log(listing, entry, what, at)


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
