"""A library of very many items that takes no room: each is a function of its number until somebody looks at it by name or changes it.

A hundred numbers are a box: one folder and 99 files in it; ten boxes lie in the root, and ten in each box above them. Two of a hundred items
have rights of their own: a file in every box, and in three boxes of four a second one, in the fourth the folder. Contents repeat with a prime
period, and are real: what a download brings has the size and the hash that were told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from infra.sandbox.company.people import GROUPS, PEOPLE, stable_id
from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash
from infra.sandbox.sharepoint.content.shelf import Stored
from infra.sandbox.sharepoint.entry import Entry
from infra.sandbox.sharepoint.principals import MEMBERS, OWNERS, VISITORS, entra, user
from infra.sandbox.sharepoint.world import EDIT, FULL_CONTROL, READ, Listing, Principal, Site, World

SITE, LIBRARY = "bulk", "大量文書"
MOST_ITEMS = 1_000_000
BOX, BRANCHES, PERIOD = 100, 10, 997
#: Role assignments of each item that has its own.
ASSIGNMENTS = 8
_KINDS = ("検査成績書", "作業指示書", "図面控え", "不適合報告", "出荷記録")
_EXTENSIONS = ("pdf", "docx", "xlsx")
#: An id is the number times an odd constant, in 128 bits: unlike its neighbours to the eye and to a compressor, and turned back by the inverse.
_BITS = 1 << 128
_ID_STEP, _GUID_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835, 0xD1B54A32D192ED03A7C15F39CC0605CF
_ID_BACK, _GUID_BACK = pow(_ID_STEP, -1, _BITS), pow(_GUID_STEP, -1, _BITS)
#: Drive item ids are written without the digits that look like letters.
_LETTERS, _DIGITS = str.maketrans("0189", "WXYZ"), str.maketrans("WXYZ", "0189")


@dataclass(frozen=True)
class _Kept(Stored):
    data: bytes

    def read(self) -> bytes:
        return self.data


@lru_cache(maxsize=1 << 14)
def item_id(number: int) -> str:
    return "01" + f"{number * _ID_STEP % _BITS:032X}".translate(_LETTERS)


@lru_cache(maxsize=1 << 14)
def item_guid(number: int) -> str:
    digits = f"{number * _GUID_STEP % _BITS:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def number_of(key: str) -> int:
    """The number whose id or unique id this would be; it may be of no item at all."""
    try:
        if len(key) == 34:
            return int(key[2:].translate(_DIGITS), 16) * _ID_BACK % _BITS
        return int(key.replace("-", ""), 16) * _GUID_BACK % _BITS
    except ValueError:
        return 0


def parent_of(number: int) -> int:
    """The number of the folder an item lies in; 0 for the root."""
    box, place = divmod(number - 1, BOX)
    if place:
        return box * BOX + 1
    return 0 if box < BRANCHES else (box // BRANCHES) * BOX + 1


def is_folder(number: int) -> bool:
    return (number - 1) % BOX == 0


def is_unique(number: int) -> bool:
    box, place = divmod(number - 1, BOX)
    return place == 50 or place == (0 if box % 4 == 0 else 76)


def name_of(number: int) -> str:
    if is_folder(number):
        return f"箱{(number - 1) // BOX:05d}"
    return f"{_KINDS[number % len(_KINDS)]}_{number:07d}.{_EXTENSIONS[number % len(_EXTENSIONS)]}"


class _Entries(dict[str, Entry]):
    """The entries that somebody looked at by id, changed or added; any other is made when it is asked for."""

    def __init__(self, count: int, make: Callable[[int], Entry]) -> None:
        super().__init__()
        self._count, self._make = count, make

    def __missing__(self, key: str) -> Entry:
        number = number_of(key)
        if not 1 <= number <= self._count or item_id(number) != key:
            raise KeyError(key)
        entry = self[key] = self._make(number)
        return entry

    def get(self, key: str, default: object = None) -> Entry | None:  # type: ignore[override]
        try:
            return self[key]
        except KeyError:
            return None

    def values(self) -> Iterator[Entry]:  # type: ignore[override]
        """All of them; those that nobody has looked at are made for the moment only."""
        own = [one for one in super().values() if not 1 <= one.number <= self._count]
        yield from (one for one in own if one.kind == "root")
        yield from (self.peek(number) for number in range(1, self._count + 1))
        yield from (one for one in own if one.kind != "root")

    def peek(self, number: int) -> Entry:
        """An entry by its number, to be read and not to be changed."""
        return super().get(item_id(number)) or self._make(number)

    @property
    def known(self) -> list[Entry]:
        return list(super().values())


class BulkListing(Listing):
    """A library of ``count`` items. Their places in the feed are ``first`` and those that follow it."""

    def __init__(self, site: Site, count: int, made: datetime, first: int) -> None:
        super().__init__(stable_id("list", f"{site.key}:{LIBRARY}"), LIBRARY, LIBRARY, "documentLibrary", site)
        self.bulk, self.first = count, first
        self._entries = _Entries(count, self._make)
        self.entries = self._entries
        self.last_number = count
        self._staff = [one.login for one in PEOPLE if not one.guest]
        self._times = [made - timedelta(days=1 + 7 * at % 900, minutes=at) for at in range(PERIOD)]
        self._contents = [_content(at) for at in range(PERIOD)]
        self._paths: dict[str, list[str]] = {}

    def _make(self, number: int) -> Entry:
        guid, parent, folder = item_guid(number), parent_of(number), is_folder(number)
        at, who = self._times[number % PERIOD], self._staff[number % len(self._staff)]
        place = self.first + number - 1
        return Entry(
            item_id(number),
            guid,
            number,
            item_id(parent) if parent else self.root.id,
            name_of(number),
            "folder" if folder else "file",
            at,
            at,
            who,
            who,
            stored=None if folder else self._contents[number % PERIOD],
            changed=place,
            told=place,
        )

    def named(self, key: str) -> Entry | None:
        number = number_of(key)
        if not 1 <= number <= self.bulk or key not in (item_id(number), item_guid(number)):
            return None
        return self.entries[item_id(number)]

    def by_number(self, number: int) -> Entry | None:
        if not 1 <= number <= self.bulk:
            return super().by_number(number)
        entry = self.entries[item_id(number)]
        return None if entry.deleted else entry

    def children(self, parent: Entry) -> list[Entry]:
        number, folder = parent.number, parent.kind == "root" or parent.number <= self.bulk
        inside = {one.id: one for one in super().children(parent)}
        if folder:
            # Whoever asks for them may change them: they are kept from now on.
            for one in (self.entries[item_id(below)] for below in _below(number, self.bulk)):
                if one.parent == parent.id and not one.deleted:
                    inside[one.id] = one
        return sorted(inside.values(), key=lambda one: one.number)

    def path(self, entry: Entry) -> list[str]:
        if self.changed_since_made or entry.kind != "file":
            return super().path(entry)
        if entry.parent not in self._paths:
            self._paths[entry.parent] = super().path(self.entries[entry.parent])
        return [*self._paths[entry.parent], entry.name]

    @property
    def changed_since_made(self) -> bool:
        """Whether anything happened in the library at all."""
        return bool(self.feed) and self.feed[-1][0] > self.first + self.bulk - 1

    def living(self) -> Iterator[Entry]:
        return (one for one in self.entries.values() if not one.deleted and one.kind != "root")

    def after(self, number: int, most: int) -> list[Entry]:
        found = [one for one in map(self._entries.peek, range(number + 1, min(number + most, self.bulk) + 1)) if not one.deleted]
        if len(found) == most:
            return found
        return [one for one in self._beyond(number, found) if not one.deleted and one.kind != "root"][:most]

    def _beyond(self, number: int, found: list[Entry]) -> Iterator[Entry]:
        """``found`` and what follows it, where entries were deleted or added."""
        yield from found
        last = max(found[-1].number if found else 0, number)
        yield from (self._entries.peek(one) for one in range(last + 1, self.bulk + 1))
        yield from sorted((one for one in self._entries.known if one.number > max(self.bulk, number)), key=lambda one: one.number)

    def pending(self, place: Callable[[Entry], int], after: int, start: int, most: int) -> list[Entry]:
        known = [one for one in self._entries.known if place(one) > after and not 0 < one.deleted <= start]
        end = self.first + self.bulk
        known.sort(key=place)
        found = [one for one in known if place(one) < self.first]
        at = max(after + 1, self.first)
        while at < end and len(found) < most:
            one = self._entries.peek(at - self.first + 1)
            # Whoever was changed since stands further on, or is gone.
            if place(one) == at and not 0 < one.deleted <= start:
                found.append(one)
            at += 1
        return [*found, *(one for one in known if place(one) >= end)][:most]

    def size(self, entry: Entry) -> int:
        """The root's is not told: nobody adds up so many."""
        if entry.kind == "folder" and not self.changed_since_made:
            return sum(self._contents[number % PERIOD].size for number in _below(entry.number, self.bulk) if not is_folder(number))
        return 0 if entry.kind == "root" else super().size(entry)

    def child_count(self, entry: Entry) -> int:
        return super().child_count(entry) if self.changed_since_made else sum(1 for _ in _below(entry.number, self.bulk))

    def count(self) -> int:
        gone = sum(1 for one in self._entries.known if one.deleted and one.number <= self.bulk)
        return self.bulk - gone + sum(1 for one in self._entries.known if one.number > self.bulk and not one.deleted)


def _below(folder: int, count: int) -> Iterator[int]:
    """Numbers of what lies in a folder, 0 being the root, as it was made."""
    if folder == 0:
        boxes = range(BRANCHES)
    elif is_folder(folder):
        box = (folder - 1) // BOX
        yield from range(folder + 1, min(folder + BOX, count + 1))
        boxes = range(max(box * BRANCHES, BRANCHES), (box + 1) * BRANCHES)
    else:
        return
    yield from (box * BOX + 1 for box in boxes if box * BOX + 1 <= count)


def _content(at: int) -> Stored:
    data = f"{_KINDS[at % len(_KINDS)]} {at:03d}\n".encode() * (1 + at % 40)
    return _Kept(Path(), len(data), quick_xor_hash(data), data)


def add(world: World, count: int, at: datetime) -> BulkListing:
    """A site of its own with one library of so many items. ValueError for a number it cannot hold, or when there is one already."""
    if not 1 <= count <= MOST_ITEMS:
        raise ValueError(f"a bulk library holds 1 to {MOST_ITEMS} items, not {count}")
    if SITE in world.sites:
        raise ValueError(f"there is a site {SITE} already")
    site = Site(SITE, "大量文書サイト", stable_id("site collection", SITE), stable_id("web", SITE), at)
    for number, name in ((OWNERS, "所有者"), (VISITORS, "閲覧者"), (MEMBERS, "メンバー")):
        site.principals[number] = Principal(number, "site", name, f"{site.title} {name}")
    groups = [entra(site, one.code).number for one in GROUPS]
    staff = [user(site, one.login).number for one in PEOPLE]
    site.principals[OWNERS].members, site.principals[VISITORS].members = staff[:1], groups[:3]
    site.principals[MEMBERS].members = groups[3:4]
    base = {OWNERS: {FULL_CONTROL}, VISITORS: {READ}, MEMBERS: {EDIT}}
    site.grants["web"] = dict(base)
    listing = BulkListing(site, count, at, world.next_position + 1)
    pages = Listing(stable_id("list", f"{SITE}:pages"), "サイトのページ", "SitePages", "webPageLibrary", site)
    site.lists = [listing, pages]
    world.sites[SITE] = site
    listing.last_number = 0
    world.add(listing, None, "root", "root", at, PEOPLE[0].login)
    listing.last_number = count
    world.reserve(listing, count, at)
    world.add(pages, None, "root", "root", at, PEOPLE[0].login)
    for number in range(1, count + 1):
        if is_unique(number):
            few = [groups[number // 50 % len(groups)], *(staff[(number // 50 * 7 + at_) % len(staff)] for at_ in range(ASSIGNMENTS - 4))]
            site.grants[item_guid(number)] = {**base, **{one: {READ} for one in few}}
    return listing
