"""The oracle of SharePoint's rights, one rule of SharePoint after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.sandbox.company.people import PEOPLE
from infra.sandbox.sharepoint.content.shelf import Shelf
from infra.sandbox.sharepoint.effective import may_read, permissions
from infra.sandbox.sharepoint.world import FULL_CONTROL, LIMITED_ACCESS, LISTING, READ, ROLES, Entry, Listing, Principal, Site, World

AT = datetime(2026, 4, 1, tzinfo=UTC)
MISAKI, REN, AOI = (person.login for person in PEOPLE[6:9])
GUEST = next(person.login for person in PEOPLE if person.guest)


@dataclass
class Small:
    """One site, one library, one folder with one file in it. Principals get their numbers in the order they come."""

    world: World
    site: Site
    library: Listing
    folder: Entry
    file: Entry

    def principal(self, kind: str, key: str = "", *, members: tuple[int, ...] = (), admin: bool = False) -> int:
        number = len(self.site.principals) + 1
        self.site.principals[number] = Principal(number, kind, key, key or kind, list(members), admin)
        return number

    def grant(self, key: str, *pairs: tuple[int, int]) -> None:
        """Break inheritance at a securable; ``pairs`` are principal and role."""
        self.site.grants[key] = {number: {role} for number, role in pairs}

    def readers(self) -> set[str]:
        return {person.login for person in PEOPLE if may_read(self.world, person.login, self.library, self.file)}


@pytest.fixture
def small(tmp_path: Path) -> Small:
    world = World(Shelf(tmp_path), 1)
    site = world.sites["q"] = Site("q", "品質", "c", "w", AT)
    library = Listing("11111111-0000-0000-0000-000000000000", "文書", "文書", "documentLibrary", site)
    site.lists.append(library)
    root = world.add(library, None, "root", "root", AT, MISAKI)
    folder = world.add(library, root, "規程", "folder", AT, MISAKI)
    file = world.add(library, folder, "手順.docx", "file", AT, MISAKI)
    site.grants["web"] = {}
    return Small(world, site, library, folder, file)


def test_nobody_reads_where_nothing_is_granted(small: Small) -> None:
    assert small.readers() == set()


def test_the_nearest_unique_object_decides_alone_however_public_what_lies_above_it(small: Small) -> None:
    everybody, misaki, ren = small.principal("eeeu"), small.principal("user", MISAKI), small.principal("user", REN)
    small.grant("web", (everybody, READ))
    assert MISAKI in small.readers() and GUEST not in small.readers()
    small.grant(small.library.guid, (misaki, READ), (ren, READ))
    assert small.readers() == {MISAKI, REN}
    small.grant(small.folder.guid, (ren, READ))
    assert small.readers() == {REN}
    small.grant(small.file.guid)
    assert small.readers() == set()


def test_limited_access_lets_pass_through_and_shows_nothing(small: Small) -> None:
    small.grant("web", (small.principal("user", MISAKI), LIMITED_ACCESS))
    assert small.readers() == set()


def test_a_level_that_shows_the_list_and_opens_nothing_reads_nothing(small: Small) -> None:
    misaki = small.principal("user", MISAKI)
    small.grant("web", (misaki, LISTING))
    assert small.readers() == set()
    _, low = permissions(small.world, MISAKI, small.site, small.library, small.file)
    assert low & 0x1 and not low & 0x20


def test_everyone_holds_guests_where_the_tenant_says_so_and_everyone_except_external_users_never(small: Small) -> None:
    staff = {person.login for person in PEOPLE if not person.guest}
    inner = small.principal("eeeu")
    small.grant("web", (small.principal("site", members=(inner,)), READ))
    assert small.readers() == staff
    small.grant("web", (small.principal("everyone"), READ))
    assert small.readers() == staff
    small.world.guests_hold_everyone = True
    assert small.readers() == staff | {GUEST}


def test_entra_groups_are_followed_to_the_end_round_circles_and_into_nothing(small: Small) -> None:
    small.world.groups |= {"a": ([MISAKI], ["b"]), "b": ([REN], ["c", "gone"]), "c": ([AOI], ["a"])}
    small.grant("web", (small.principal("entra", "b"), READ))
    assert small.readers() == {MISAKI, REN, AOI}
    small.world.groups["b"][1].remove("c")
    assert small.readers() == {REN}
    del small.world.groups["b"]
    assert small.readers() == set()


def test_a_site_admin_reads_everything_with_every_right(small: Small) -> None:
    small.grant(small.file.guid)
    small.principal("user", MISAKI, admin=True)
    assert small.readers() == {MISAKI}
    assert permissions(small.world, MISAKI, small.site, small.library, small.file) == ROLES[FULL_CONTROL][2:]


def test_grants_add_up_over_every_way_they_reach_somebody(small: Small) -> None:
    misaki = small.principal("user", MISAKI)
    group = small.principal("site", members=(misaki,))
    small.grant("web", (misaki, LISTING), (group, READ))
    high, low = permissions(small.world, MISAKI, small.site)
    assert (high, low) == (ROLES[LISTING][2] | ROLES[READ][2], ROLES[LISTING][3] | ROLES[READ][3])
