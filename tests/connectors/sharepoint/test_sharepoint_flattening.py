"""Who may read, flattened to scopes and principals, against a naive evaluator that was written from SharePoint's rules alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sharepoint_world import served

from connectors.access import Access, principal
from connectors.sharepoint.access import read_access
from connectors.sharepoint.places import Site as Place
from connectors.sharepoint.scopes import read_scopes
from infra.sandbox.company.people import GROUPS, PEOPLE, TENANT_ID
from infra.sandbox.sharepoint import effective
from infra.sandbox.sharepoint.content.shelf import Shelf
from infra.sandbox.sharepoint.world import LIMITED_ACCESS, LISTING, READ, ROLES, Listing, Principal, Site, World

AT = datetime(2026, 4, 1, tzinfo=UTC)
GUEST = next(person.login for person in PEOPLE if person.guest)
#: A few people, so that groups meet; the guest is one of them. Of the groups, the fifth is a deleted one that grants still name.
LOGINS = [GUEST, *[person.login for person in PEOPLE if not person.guest][:7]]
CODES = [group.code for group in GROUPS][:5]
LIVING = CODES[:4]


@dataclass
class Told:
    """A world to draw: members and nested groups by code; principals; grants by the place where inheritance is broken."""

    groups: dict[str, tuple[list[str], list[str]]]
    principals: list[Principal]
    grants: dict[str, dict[int, set[int]]]
    guests_hold_everyone: bool = False


@st.composite
def worlds(draw: st.DrawFn) -> Told:
    groups = {
        code: (draw(st.lists(st.sampled_from(LOGINS), max_size=3, unique=True)), draw(st.lists(st.sampled_from(CODES), max_size=2, unique=True)))
        for code in LIVING
    }  # fmt: skip
    basic = (
        [("user", login) for login in LOGINS[:5]]
        + [("entra", code) for code in CODES]
        + [("eeeu", f"spo-grid-all-users/{TENANT_ID}"), ("everyone", "")]
    )
    principals = [
        Principal(number, kind, key, key or kind, site_admin=kind != "everyone" and draw(st.integers(0, 11)) == 0)
        for number, (kind, key) in enumerate(basic, start=10)
    ]
    numbers = [one.number for one in principals]
    for number in (3, 4, 5):
        principals.append(
            Principal(
                number, "site", f"group {number}", f"グループ {number}", draw(st.lists(st.sampled_from(numbers), max_size=3, unique=True))
            )
        )
    every = st.sampled_from([one.number for one in principals])
    grant = st.dictionaries(every, st.sets(st.sampled_from(list(ROLES)), min_size=1, max_size=2), max_size=4)
    broken = [where for where in ("list", "A", "A/B", "A/B/c", "A/d", "e") if draw(st.booleans())]
    return Told(groups, principals, {where: draw(grant) for where in ["web", *broken]}, draw(st.booleans()))


def built(told: Told, folder: Path) -> tuple[World, Listing]:
    """One library: folder A with folder B in it, a file in each, and one at the top."""
    world = World(Shelf(folder), 1)
    world.guests_hold_everyone = told.guests_hold_everyone
    world.groups = {code: (list(members), list(nested)) for code, (members, nested) in told.groups.items()}
    site = world.sites["quality"] = Site("quality", "品質", "c0", "w", AT)
    site.principals = {one.number: one for one in told.principals}
    library = Listing("11111111-2222-3333-4444-555555555555", "文書", "文書", "documentLibrary", site)
    site.lists.append(library)
    places = {"": world.add(library, None, "root", "root", AT, LOGINS[1])}
    for path in ("A", "A/B", "A/B/c", "A/d", "e"):
        above, _, name = path.rpartition("/")
        places[path] = world.add(library, places[above], name, "folder" if name.isupper() else "file", AT, LOGINS[1])
    keys = {"web": "web", "list": library.guid} | {path: entry.guid for path, entry in places.items() if path}
    site.grants = {keys[where]: grants for where, grants in told.grants.items()}
    return world, library


def flattened(world: World, library: Listing, home: Path) -> tuple[Access, Callable[[int], str]]:
    """Access as the connector reads it, and the scope of an item by its number."""
    tenant, site = served(world, home), Place("/sites/quality", "h,c0,w", "c0", "品質")
    scopes = read_scopes(tenant.rest, site, library.guid)
    return read_access(tenant, site, scopes), lambda number: scopes.of(str(number))


def reach(access: Access, login: str) -> set[str]:
    """Everything a person acts under: their own principal and every group that holds one they act under."""
    found = {principal("user", "entra", f"{TENANT_ID}/{next(one.entra_id for one in PEOPLE if one.login == login)}")}
    while more := {edge.group for edge in access.members if edge.member in found} - found:
        found |= more
    return found


def agree(told: Told, home: Path) -> dict[str, set[str]]:
    """Readers by path, the same from both sides for every person of the company."""
    world, library = built(told, home)
    access, scope_of = flattened(world, library, home)
    principals = {scope.id: set(scope.principals) for scope in access.scopes}
    assert all(scope.resolved for scope in access.scopes), access.scopes
    own = {person.login: reach(access, person.login) for person in PEOPLE}
    readers: dict[str, set[str]] = {}
    for entry in library.living():
        ours = {login for login, acting in own.items() if acting & principals[scope_of(entry.number)]}
        theirs = {login for login in own if effective.may_read(world, login, library, entry)}
        path = "/".join(library.path(entry))
        assert ours == theirs, path
        readers[path] = theirs
    return readers


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(told=worlds())
def test_whatever_is_granted_to_whom_wherever_the_flattened_scopes_reach_whom_the_source_lets_in(tmp_path: Path, told: Told) -> None:
    agree(told, tmp_path)


def test_a_file_two_folders_below_a_unique_one_is_read_by_those_of_that_folder_and_not_of_the_public_site(tmp_path: Path) -> None:
    people = [Principal(10, "user", LOGINS[1], "x"), Principal(11, "eeeu", f"spo-grid-all-users/{TENANT_ID}", "all")]
    readers = agree(Told(dict.fromkeys(LIVING, ([], [])), people, {"web": {11: {READ}}, "A": {10: {READ}}}), tmp_path)
    assert readers["A/B/c"] == readers["A/B"] == readers["A/d"] == {LOGINS[1]} and len(readers["e"]) == len(PEOPLE) - 1


def test_groups_that_hold_one_another_and_one_that_is_gone_are_flattened_as_the_source_reads_them(tmp_path: Path) -> None:
    one, two, three = LIVING[:3]
    groups = {one: ([LOGINS[1]], [two]), two: ([LOGINS[2]], [three, CODES[4]]), three: ([LOGINS[3]], [one]), LIVING[3]: ([], [])}
    told = Told(groups, [Principal(10, "entra", two, two), Principal(11, "entra", CODES[4], "gone")], {"web": {10: {READ}, 11: {READ}}})
    assert agree(told, tmp_path)["e"] == {LOGINS[1], LOGINS[2], LOGINS[3]}


@pytest.mark.parametrize("role", [LIMITED_ACCESS, LISTING])
def test_a_level_that_opens_nothing_lets_in_nobody_from_either_side(tmp_path: Path, role: int) -> None:
    told = Told(dict.fromkeys(LIVING, ([], [])), [Principal(10, "user", LOGINS[1], "x")], {"web": {10: {role}}})
    assert agree(told, tmp_path)["e"] == set()


def test_who_redeemed_a_sharing_link_may_open_the_file_at_the_source_and_still_finds_it_nowhere(tmp_path: Path) -> None:
    """The one difference that is meant: a link is for who was given it, and makes nothing findable."""
    link = Principal(7, "site", "link", "SharingLinks.0a.Flexible.0b", [10])
    told = Told(dict.fromkeys(LIVING, ([], [])), [Principal(10, "user", LOGINS[1], "x"), link], {"web": {}, "e": {7: {READ}}})
    world, library = built(told, tmp_path)
    access, scope_of = flattened(world, library, tmp_path)
    file = library.find(["e"])
    assert file is not None and effective.may_read(world, LOGINS[1], library, file)
    (scope,) = (scope for scope in access.scopes if scope.id == scope_of(file.number))
    assert scope.resolved and scope.principals == ()
