"""A run's streams share the directory and what belongs to a whole site; a list's own rights are each stream's to ask."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sharepoint_world import TENANT, Table, tenant
from test_sharepoint_access import API, GUID, ITEMS, LIST, SITE, SITE_USERS, USERS, assignment, member

from connectors.access import Access, Member
from connectors.readings import Readings
from connectors.sharepoint.access import read_access
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.scopes import read_scopes

AT = datetime(2026, 11, 21, tzinfo=UTC)
TARO = f"user:entra:{TENANT}/u-taro"
OUTER, INNER = f"{GUID}1", f"{GUID}2"
ITEM = f"{LIST}/items/GetById(1)/RoleAssignments"
MEMBERS = f"/v1.0/groups/{OUTER}/members"


def entra(id: str) -> dict[str, Any]:
    return member(f"c:0t.c|tenant|{id}", 4, 7)


def world() -> tuple[Tenant, Table, Table]:
    """A site where an Entra group with a group in it reads everything, and a site group one item."""
    graph = Table({
        "/v1.0/users": USERS,
        MEMBERS: {"value": [{"@odata.type": "#microsoft.graph.group", "id": INNER, "displayName": "内"}]},
        f"/v1.0/groups/{INNER}/members": {"value": [{"@odata.type": "#microsoft.graph.user", "id": "U-SAKURA"}]},
    })  # fmt: skip
    rest = Table({
        API: {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
        LIST: {"Id": "L1", "Title": "文書", "HasUniqueRoleAssignments": False, "ReadSecurity": 1},
        ITEMS: {"value": [{"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/文書/a", "HasUniqueRoleAssignments": True}]},
        f"{API}/RoleAssignments": {"value": [assignment(entra(OUTER))]},
        ITEM: {"value": [assignment(member("品質の閲覧者", 8, 4))]},
        f"{API}/siteGroups/GetById(4)/Users": {"value": [entra(INNER)]},
        f"{API}/siteUsers": {"value": []},
        SITE_USERS: {"value": []},
    })  # fmt: skip
    whole = tenant(graph, rest)
    return replace(whole, readings=Readings(lambda: AT)), graph, rest


def access(of: Tenant) -> Access:
    return read_access(of, SITE, read_scopes(of.rest, SITE, "L1", of.readings))


def asked(*tables: Table) -> Counter[str]:
    return Counter(request.url.path for table in tables for request in table.asked)


def test_the_second_stream_of_a_site_is_told_the_same_and_asks_only_for_its_own_list() -> None:
    whole, graph, rest = world()
    first = access(whole)
    assert {scope.level: scope.resolved for scope in first.scopes} == {"web": True, "item": True}
    assert Member(f"group:entra:{TENANT}/{OUTER}", f"group:entra:{TENANT}/{INNER}") in first.members
    before = asked(graph, rest)
    assert access(whole) == first
    assert set((asked(graph, rest) - before).keys()) == {LIST, ITEMS, ITEM}


def test_a_stream_is_told_only_of_groups_that_it_names_whatever_others_named_before() -> None:
    whole, _, rest = world()
    access(whole)
    rest[ITEM] = rest[f"{API}/siteGroups/GetById(4)/Users"] = {"value": []}
    another, _, other_rest = world()
    other_rest[ITEM] = other_rest[f"{API}/siteGroups/GetById(4)/Users"] = {"value": []}
    assert access(whole).members == access(another).members


def test_rights_of_an_item_are_asked_each_time() -> None:
    whole, _, rest = world()
    assert next(one for one in access(whole).scopes if one.level == "item").principals
    rest[ITEM] = {"value": []}
    assert next(one for one in access(whole).scopes if one.level == "item").principals == ()


def test_another_run_reads_anew_and_so_does_a_connector_outside_of_one() -> None:
    whole, graph, _ = world()
    access(whole)
    graph[MEMBERS] = {"value": [{"@odata.type": "#microsoft.graph.user", "id": "U-TARO"}]}
    edge = Member(f"group:entra:{TENANT}/{OUTER}", TARO)
    assert edge not in access(whole).members
    assert edge in access(replace(whole, readings=Readings(lambda: AT))).members
    assert edge in access(replace(whole, readings=Readings())).members
