from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sharepoint_world import HOST, TENANT, Table, api, tenant

from connectors.access import Access, Scope
from connectors.errors import AddressUnknown
from connectors.sharepoint.access import read_access
from connectors.sharepoint.claims import Claim, read_claim
from connectors.sharepoint.places import Site
from connectors.sharepoint.scopes import read_scopes
from connectors.sharepoint.site_users import object_ids

SITE = Site("/sites/quality", "h,C0,w", "c0", "品質")
#: As the library asks for the web and the list, and as httpx asks for the list's items.
API = "/sites/quality/_api/Web"
LIST = f"{API}/lists/GetById('L1')"
SITE_USERS = "/sites/quality/_api/web/siteusers"
ITEMS = "/sites/quality/_api/web/lists(guid'L1')/items"
GUID = "aaaaaaaa-0000-0000-0000-00000000000"
SAKURA, TARO = f"user:entra:{TENANT}/u-sakura", f"user:entra:{TENANT}/u-taro"
USERS = {"value": [
    {"id": "U-SAKURA", "userPrincipalName": "sakura@q.example", "mail": "sakura@q.example", "displayName": "山田 さくら", "userType": "Member"},
    {"id": "U-TARO", "userPrincipalName": "taro_partner.example#EXT#@q.example", "mail": "taro@partner.example", "displayName": "外部 太郎", "userType": "Guest", "externalUserState": "Accepted"},
]}  # fmt: skip


_NUMBERS = itertools.count(1000)


def member(login: str, kind: int = 1, number: int = 5) -> dict[str, Any]:
    return {"LoginName": login, "PrincipalType": kind, "Id": number, "Title": login}


def assignment(who: dict[str, Any], kind: int = 2, **more: Any) -> dict[str, Any]:
    return {"PrincipalId": next(_NUMBERS), "Member": who, "RoleDefinitionBindings": [{"RoleTypeKind": kind, **more}]}


def person(upn: str) -> dict[str, Any]:
    return member(f"i:0#.f|membership|{upn}")


def read(*assignments: dict[str, Any], graph: Any = None, guests_hold_everyone: Any = False, **rest: Any) -> Access:
    side = Table({
        API: {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
        LIST: {"Id": "L1", "Title": "文書", "HasUniqueRoleAssignments": False, "ReadSecurity": 1},
        ITEMS: {"value": [{"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/文書/a", "HasUniqueRoleAssignments": False}]},
        f"{API}/RoleAssignments": {"value": list(assignments)},
        f"{API}/siteUsers": {"value": []},
        SITE_USERS: {"value": []},
        **rest,
    })  # fmt: skip
    whole = tenant(Table({"/v1.0/users": USERS, **(graph or {})}), side, guests_hold_everyone=guests_hold_everyone)
    return read_access(whole, SITE, read_scopes(whole.rest, SITE, "L1"))


def only(access: Access) -> Scope:
    (scope,) = access.scopes
    return scope


def test_a_person_with_a_reading_role_stands_on_the_scope() -> None:
    assert only(read(assignment(person("Sakura@q.example")))) == Scope("sharepoint:c0:web", "品質", (SAKURA,), level="web")


@pytest.mark.parametrize("kind", [1, 9])
def test_limited_access_grants_nothing(kind: int) -> None:
    assert only(read(assignment(person("sakura@q.example"), kind))).principals == ()


def test_a_level_of_ones_own_is_judged_by_its_mask() -> None:
    reads = assignment(person("sakura@q.example"), 0, BasePermissions={"High": "0", "Low": str(0x1 | 0x20 | 0x40)})
    looks = assignment(person("taro_partner.example#ext#@q.example"), 0, BasePermissions={"High": "0", "Low": str(0x1)})
    assert only(read(reads, looks)).principals == (SAKURA,)


def test_a_level_that_cannot_be_judged_makes_the_scope_unresolved() -> None:
    scope = only(read(assignment(person("sakura@q.example")), assignment(person("taro_partner.example#ext#@q.example"), 0)))
    assert not scope.resolved and scope.principals == () and "mask" in scope.reason


def test_an_item_deleted_since_it_was_listed_lets_nobody_in_and_closes_nothing_else() -> None:
    listed = {"value": [{"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/文書/a", "HasUniqueRoleAssignments": True}]}
    web, gone = read(assignment(person("sakura@q.example")), **{ITEMS: listed}).scopes[::-1]
    assert web.principals == (SAKURA,) and web.resolved
    assert gone.id.endswith(":item:g1") and not gone.resolved and gone.principals == ()


def test_a_site_that_has_no_assignments_to_show_is_not_taken_for_one_that_lets_nobody_in() -> None:
    with pytest.raises(AddressUnknown):
        read(**{f"{API}/RoleAssignments": (404, {}, {"error": {"code": "itemNotFound"}})})


def test_an_unknown_kind_of_principal_makes_the_scope_unresolved() -> None:
    scope = only(read(assignment(person("sakura@q.example")), assignment(member("c:0+.w|s-1-5-21"))))
    assert (scope.resolved, scope.principals) == (False, ()) and "s-1-5-21" in scope.reason


def test_somebody_who_left_the_directory_grants_nobody_and_hides_nothing() -> None:
    assert only(read(assignment(person("gone@q.example")), assignment(person("sakura@q.example")))).principals == (SAKURA,)


def at_the_site(*people: tuple[int, str | None]) -> dict[str, Any]:
    """The site's own user list: numbers with the object ids that it met."""
    return {SITE_USERS: {"value": [{"Id": number, "AadObjectId": None if oid is None else {"NameId": oid}} for number, oid in people]}}


@pytest.mark.parametrize(("oid", "reads"), [("U-SAKURA", True), (None, True), ("u-the-one-who-left", False)])
def test_whoever_was_given_the_login_of_somebody_who_left_has_nothing_of_theirs(oid: str | None, reads: bool) -> None:
    direct = read(assignment(person("sakura@q.example")), **at_the_site((5, oid)))
    assert only(direct).principals == ((SAKURA,) if reads else ()) and only(direct).resolved
    assert [grant.kind for grant in direct.grants] == ["user" if reads else "orphan"]
    users = {f"{API}/siteGroups/GetById(7)/Users": {"value": [person("sakura@q.example")]}}
    grouped = read(assignment(member("品質 閲覧者", 8, 7)), **users, **at_the_site((5, oid)))
    assert [edge.member for edge in grouped.members if edge.group == "spgroup:c0:7"] == ([SAKURA] if reads else [])
    admins = {f"{API}/siteUsers": {"value": [{**person("sakura@q.example"), "IsSiteAdmin": True}]}}
    assert only(read(**admins, **at_the_site((5, oid)))).principals == ((SAKURA,) if reads else ())


def test_a_sites_user_list_is_read_to_its_end_though_no_page_names_the_next() -> None:
    told = [{"Id": number, "AadObjectId": {"NameId": f"U-{number}"}} for number in range(2500)]

    def answer(request: httpx.Request) -> httpx.Response:
        skip, top = (int(request.url.params[name]) for name in ("$skip", "$top"))
        return httpx.Response(200, json={"value": told[skip : skip + top]})

    assert object_ids(api(Table({SITE_USERS: answer}), HOST), SITE) == {number: f"u-{number}" for number in range(2500)}


def test_sharing_link_groups_and_limited_access_groups_never_count() -> None:
    links = [member("SharingLinks.x.OrganizationView.y", 8), member("Limited Access System Group For List z", 8)]
    scope = only(read(*(assignment(one) for one in links)))
    assert scope.resolved and scope.principals == ()


def test_everyone_except_guests_is_the_tenants_members_and_guests_are_none_of_them() -> None:
    access = read(assignment(member(f"c:0-.f|rolemanager|spo-grid-all-users/{TENANT}", 4)))
    assert only(access).principals == (f"members:{TENANT}",)
    assert {edge.member for edge in access.members if edge.group == f"members:{TENANT}"} == {SAKURA}


def test_everyone_is_the_tenants_members_as_guests_do_not_hold_that_claim() -> None:
    access = read(assignment(member("c:0(.s|true", 4)))
    assert only(access).principals == (f"members:{TENANT}",)
    assert [(grant.kind, grant.login) for grant in access.grants] == [("everyone", "c:0(.s|true")], "and is told as what it is"


def test_everyone_includes_guests_where_the_tenant_gives_them_the_claim() -> None:
    access = read(assignment(member("c:0(.s|true", 4)), guests_hold_everyone=True)
    assert only(access).principals == ("everyone:sharepoint",)
    assert {edge.member for edge in access.members if edge.group == "everyone:sharepoint"} == {SAKURA, TARO}


def test_all_users_of_another_tenant_are_unresolved() -> None:
    assert not only(read(assignment(member("c:0-.f|rolemanager|spo-grid-all-users/other", 4)))).resolved


def test_site_groups_are_told_by_collection_and_their_members_become_edges() -> None:
    users = {
        f"{API}/siteGroups/GetById(5)/Users": {
            "value": [person("sakura@q.example"), member(f"c:0-.f|rolemanager|spo-grid-all-users/{TENANT}", 4, 9)]
        }
    }
    access = read(assignment(member("品質 閲覧者", 8)), **users)
    assert only(access).principals == ("spgroup:c0:5",)
    assert {edge.member for edge in access.members if edge.group == "spgroup:c0:5"} == {SAKURA, f"members:{TENANT}"}


def test_nested_entra_groups_are_followed_and_a_circle_ends() -> None:
    graph = Table({
        f"/v1.0/groups/{GUID}1/members": {"value": [{"@odata.type": "#microsoft.graph.group", "id": f"{GUID}2"}]},
        f"/v1.0/groups/{GUID}2/members": {"value": [
            {"@odata.type": "#microsoft.graph.user", "id": "U-SAKURA"}, {"@odata.type": "#microsoft.graph.group", "id": f"{GUID}1"}]},
    })  # fmt: skip
    access = read(assignment(member(f"c:0t.c|tenant|{GUID}1", 4)), graph=graph)
    outer, inner = f"group:entra:{TENANT}/{GUID}1", f"group:entra:{TENANT}/{GUID}2"
    assert only(access).principals == (outer,)
    assert {(edge.group, edge.member) for edge in access.members} >= {(outer, inner), (inner, SAKURA)}


def test_a_group_with_hidden_members_makes_the_scope_unresolved() -> None:
    graph = Table({f"/v1.0/groups/{GUID}1/members": (403, {}, {"error": {"code": "Authorization_RequestDenied"}})})
    scope = only(read(assignment(member(f"c:0t.c|tenant|{GUID}1", 4)), graph=graph))
    assert not scope.resolved and "Authorization_RequestDenied" in scope.reason


def test_site_admins_stand_on_every_scope_of_the_site() -> None:
    admins = {f"{API}/siteUsers": {"value": [{**person("sakura@q.example"), "IsSiteAdmin": True}]}}
    assert only(read(**admins)).principals == (SAKURA,)


def items(*rows: tuple[int, str, bool]) -> dict[str, Any]:
    return {ITEMS: {"value": [
        {"Id": id, "UniqueId": f"G{id}", "FileRef": f"/sites/quality/文書/{path}", "HasUniqueRoleAssignments": unique, "AuthorId": id} for id, path, unique in rows]}}  # fmt: skip


def test_the_nearest_object_of_its_own_above_an_item_is_its_scope() -> None:
    rest = Table({
        API: {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
        LIST: {"Id": "L1", "Title": "文書", "HasUniqueRoleAssignments": True, "ReadSecurity": 1},
        # The folder comes after what lies in it, as an item that was moved into it does.
        **items((1, "人事/評価/a", False), (2, "人事/b", True), (3, "c", False), (4, "人事", True), (5, "人事/評価", False)),
    })  # fmt: skip
    scopes = read_scopes(tenant(Table(), rest).rest, SITE, "L1")
    assert scopes.items == {
        "1": "sharepoint:c0:item:g4", "2": "sharepoint:c0:item:g2", "3": "sharepoint:c0:list:l1",
        "4": "sharepoint:c0:item:g4", "5": "sharepoint:c0:item:g4",
    }  # fmt: skip
    assert scopes.of_unique("{G1}") == "sharepoint:c0:item:g4" and scopes.of("99") == "unresolved"


def test_own_items_only_narrows_each_item_to_its_author_while_the_list_lets_them_in() -> None:
    own = {
        LIST: {"Id": "L1", "Title": "相談", "HasUniqueRoleAssignments": False, "ReadSecurity": 2},
        **items((1, "a", False), (2, "b", False)),
    }
    authors = {f"{API}/getUserById(1)": person("sakura@q.example"), f"{API}/getUserById(2)": person("taro_partner.example#ext#@q.example")}
    access = read(assignment(member(f"c:0-.f|rolemanager|spo-grid-all-users/{TENANT}", 4)), **own, **authors)
    told = {scope.id: scope.principals for scope in access.scopes}
    assert told["sharepoint:c0:web/author:1"] == (SAKURA,)
    assert told["sharepoint:c0:web/author:2"] == ()  # a guest is not among those the list lets in


def moderated(visibility: int, *assignments: dict[str, Any]) -> Access:
    rows = [
        {"Id": 1, "FileRef": "/x/a", "HasUniqueRoleAssignments": False, "OData__UIVersionString": "2.0"},
        {"Id": 2, "FileRef": "/x/b", "HasUniqueRoleAssignments": False, "OData__UIVersionString": "2.1"},
    ]
    about = {
        "Id": "L1",
        "Title": "規程",
        "HasUniqueRoleAssignments": False,
        "EnableMinorVersions": True,
        "DraftVersionVisibility": visibility,
    }
    return read(*assignments, **{LIST: about, ITEMS: {"value": rows}})


def mask(*bits: int) -> dict[str, Any]:
    return {"BasePermissions": {"High": "0", "Low": str(0x1 | 0x20 | sum(bits))}}


@pytest.mark.parametrize(("visibility", "sees"), [(1, {SAKURA, TARO}), (2, {TARO})])
def test_drafts_are_for_those_who_may_edit_or_where_the_list_says_so_approve(visibility: int, sees: set[str]) -> None:
    editor = assignment(person("sakura@q.example"), 3, **mask(0x4))
    approver = assignment(person("taro_partner.example#ext#@q.example"), 0, **mask(0x4, 0x10))
    reader = assignment(member(f"c:0-.f|rolemanager|spo-grid-all-users/{TENANT}", 4), 2, **mask())
    found = {scope.id: scope for scope in moderated(visibility, editor, approver, reader).scopes}
    assert set(found["sharepoint:c0:web/draft"].principals) == sees
    assert set(found["sharepoint:c0:web"].principals) == {SAKURA, TARO, f"members:{TENANT}"}


def test_a_level_that_may_or_may_not_edit_makes_drafts_unresolved_and_nothing_else() -> None:
    found = {scope.id: scope for scope in moderated(1, assignment(person("sakura@q.example"), 2)).scopes}
    assert found["sharepoint:c0:web"].principals == (SAKURA,)
    assert not found["sharepoint:c0:web/draft"].resolved and "mask" in found["sharepoint:c0:web/draft"].reason


@pytest.mark.parametrize(
    ("version", "by", "scope"), [("0.1", 7, "unresolved"), ("1.0", 7, "sharepoint:c0:web"), ("0.1", None, "sharepoint:c0:web")]
)
def test_a_file_that_was_never_checked_in_is_nobodys(version: str, by: int | None, scope: str) -> None:
    row = {"Id": 1, "FileRef": "/x/a", "HasUniqueRoleAssignments": False, "OData__UIVersionString": version, "CheckoutUserId": by}
    library = {"Id": "L1", "Title": "図面", "BaseType": 1, "HasUniqueRoleAssignments": False}
    rest = Table({API: {"Id": "w", "Title": "q", "HasUniqueRoleAssignments": True}, LIST: library, ITEMS: {"value": [row]}})
    assert read_scopes(tenant(Table(), rest).rest, SITE, "L1").items == {"1": scope}


def test_every_role_is_told_as_a_grant_with_whom_it_stands_for_and_whether_it_reads() -> None:
    group = {f"{API}/siteGroups/GetById(9)/Users": {"value": [person("sakura@q.example"), {**person("gone@q.example"), "Id": 6}]}}
    access = read(
        assignment(member("閲覧者", 8, 9), 2, Name="閲覧"),
        assignment(person("taro_partner.example#ext#@q.example"), 1, Name="制限付きアクセス"),
        **group,
        **{f"{API}/siteUsers": {"value": [{**person("sakura@q.example"), "IsSiteAdmin": True}]}},
    )
    told = {(grant.at, grant.principal, grant.kind, grant.role, grant.via, grant.reads) for grant in access.grants}
    assert told == {
        ("sharepoint:c0:web", "spgroup:c0:9", "sitegroup", "閲覧", "direct", True),
        ("sharepoint:c0:web", TARO, "user", "制限付きアクセス", "direct", False),
        ("spgroup:c0:9", SAKURA, "user", "member", "group", True),
        ("spgroup:c0:9", "", "orphan", "member", "group", False),
        ("sharepoint:c0", SAKURA, "user", "site admin", "admin", True),
    }
    assert access.names == {"spgroup:c0:9": "閲覧者"}


SHARED = {
    ITEMS: {"value": [{"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/文書/a", "FSObjType": 0, "HasUniqueRoleAssignments": True}]},
}
LINK_GROUP = member("SharingLinks.g1.OrganizationView.0f0f", 8, 9)
PERMISSIONS = "/v1.0/sites/h,C0,w/lists/L1/items/1/driveItem/permissions"


def shared(graph: Table | None = None, library: bool = True) -> Access:
    side = Table({
        API: {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
        LIST: {"Id": "L1", "Title": "文書", "BaseType": 1, "HasUniqueRoleAssignments": False, "ReadSecurity": 1},
        f"{API}/RoleAssignments": {"value": []},
        f"{LIST}/items/GetById(1)/RoleAssignments": {"value": [assignment(LINK_GROUP)]},
        f"{API}/siteUsers": {"value": []},
        **SHARED,
    })  # fmt: skip
    whole = tenant(Table({"/v1.0/users": USERS, **(graph or {})}), side)
    return read_access(whole, SITE, read_scopes(whole.rest, SITE, "L1"), library=library)


@pytest.mark.parametrize("inherited", [{}, {"inheritedFrom": {}}, {"inheritedFrom": {"driveId": "d", "id": "i"}}])
def test_a_link_is_told_with_its_end_and_whom_it_reached_and_lets_nobody_find_anything(inherited: dict[str, Any]) -> None:
    row = {
        "id": "p1", "roles": ["read"], "shareId": "u!SECRET", "hasPassword": True, "expirationDateTime": "2027-01-31T00:00:00Z",
        "link": {"scope": "organization", "type": "view", "webUrl": "https://h/:b:/s/SECRET"},
        "grantedToIdentitiesV2": [{"user": {"id": "U-TARO", "displayName": "外部 太郎", "email": "taro@partner.example"}}], **inherited,
    }  # fmt: skip
    access = shared(
        Table({PERMISSIONS: {"value": [row, {"id": "p2", "roles": ["read"], "link": {"scope": "existingAccess", "type": "view"}}]}})
    )
    link, reached = sorted((grant for grant in access.grants if grant.via == "link"), key=lambda grant: grant.kind)
    assert (link.kind, link.principal, link.reads, reached.principal, reached.reads) == ("link", "", False, TARO, False)
    assert link.link == reached.link and link.link is not None
    assert (link.link.scope, link.link.type, link.link.password) == ("organization", "view", True)
    assert link.link.expires == datetime(2027, 1, 31, tzinfo=UTC)
    assert all(scope.principals == () for scope in access.scopes), "a link makes nothing findable"
    assert "SECRET" not in repr(access)


def test_a_link_without_an_end_says_never_and_not_year_one() -> None:
    row = {
        "id": "p1",
        "roles": ["write"],
        "shareId": "u!x",
        "expirationDateTime": "0001-01-01T00:00:00Z",
        "link": {"scope": "organization", "type": "view"},
    }
    (grant,) = (grant for grant in shared(Table({PERMISSIONS: {"value": [row]}})).grants if grant.via == "link")
    assert grant.link is not None and (grant.link.expires, grant.link.password) == (None, False)


def test_what_graph_will_not_tell_of_a_link_its_hidden_group_does() -> None:
    (grant,) = (grant for grant in shared().grants if grant.via == "link")
    assert grant.link is not None and (grant.link.scope, grant.link.type, grant.link.password) == ("organization", "view", None)
    assert "0f0f" not in repr(grant)


def test_without_a_certificate_everything_is_unresolved_and_says_why() -> None:
    whole = tenant(Table({"/v1.0/users": USERS}))
    access = read_access(whole, SITE, read_scopes(None, SITE, "L1"))
    assert only(access).id == "unresolved" and not only(access).resolved and "certificate" in only(access).reason
    assert {account.mail for account in access.accounts} == {"sakura@q.example", "taro@partner.example"}


@pytest.mark.parametrize(
    ("login", "claim"),
    [("i:0#.f|membership|A@b.example", Claim("user", "a@b.example")), (f"c:0t.c|tenant|{GUID}1", Claim("group", f"{GUID}1")),
     (f"c:0o.c|federateddirectoryclaimprovider|{GUID}1", Claim("group", f"{GUID}1")),
     (f"c:0o.c|federateddirectoryclaimprovider|{GUID}1_o", Claim("owners", f"{GUID}1")), ("c:0(.s|true", Claim("everyone", "c:0(.s|true")),
     ("SHAREPOINT\\system", Claim("nobody", "sharepoint\\system")), ("i:0i.t|ms.sp.ext|x@y", Claim("nobody", "i:0i.t|ms.sp.ext|x@y"))],
)  # fmt: skip
def test_login_names_are_read_as_what_they_stand_for(login: str, claim: Claim) -> None:
    assert read_claim(login, 1, 7) == claim
