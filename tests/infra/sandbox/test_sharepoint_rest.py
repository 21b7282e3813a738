"""The SharePoint sandbox's REST side and its rights: role assignments, groups, two dialects, and who may read what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sharepoint_talk import Server, serving, token_of

from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.sharepoint.graph_items import login_name


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


def _rest(server: Server, site: str, path: str, **options: Any) -> Any:
    headers = {"Accept": "application/json;odata=nometadata"}
    response = server.get(f"{server.settings.https_url}/sites/{site}/_api/{path}", headers=headers, **options)
    assert response.status_code == 200, response.text
    return response.json()


def test_rest_refuses_a_token_that_was_got_with_the_secret(server: Server) -> None:
    response = server.get(f"{server.told['site_urls'][0]}/_api/web", how="secret")
    assert response.status_code == 401
    assert "app only" in response.text


def test_office365_reads_role_assignments_with_a_certificate_token(server: Server) -> None:
    from office365.runtime.auth.token_response import TokenResponse
    from office365.sharepoint.client_context import ClientContext

    token = token_of(server, "certificate")
    url = server.told["site_urls"][0]
    context = ClientContext(url).with_access_token(lambda: TokenResponse(access_token=token, token_type="Bearer"))
    assignments = context.web.role_assignments.expand(["Member", "RoleDefinitionBindings"]).get().execute_query()
    titles = {
        one.member.properties["Title"]: {role.properties["RoleTypeKind"] for role in one.role_definition_bindings} for one in assignments
    }
    assert titles["品質ポータル 閲覧者"] == {2}
    assert titles["外部 太郎"] == {1}


def test_site_group_numbers_mean_different_groups_in_the_two_sites(server: Server) -> None:
    titles = [_rest(server, site, "web/sitegroups(6)?$expand=Users") for site in ("quality", "jinji")]
    assert [one["Title"] for one in titles] == ["監査チーム", "2015年度プロジェクト共有"]
    logins = [user["LoginName"] for user in titles[1]["Users"]]
    assert any(login.startswith("c:0-.f|rolemanager|spo-grid-all-users/") for login in logins)


def test_items_page_by_skiptoken_and_say_who_has_rights_of_its_own(server: Server) -> None:
    lists = {one["Title"]: one["Id"] for one in _rest(server, "jinji", "web/lists")["value"]}
    path = f"web/lists(guid'{lists['規程と通知']}')/items"
    page = _rest(server, "jinji", f"{path}?$select=Id,FileRef,HasUniqueRoleAssignments,Editor/Title&$expand=Editor&$top=20")
    rows = page["value"]
    while "odata.nextLink" in page:
        page = server.get(page["odata.nextLink"], headers={"Accept": "application/json;odata=nometadata"}).json()
        rows += page["value"]
    unique = {row["FileRef"]: row["Id"] for row in rows if row["HasUniqueRoleAssignments"]}
    assert {f"/sites/jinji/規程と通知/{name}" for name in ("評価", "役員", "2015年度共有")} <= set(unique)
    below = next(row["Id"] for row in rows if row["FileRef"].startswith("/sites/jinji/規程と通知/評価/"))
    owner = _rest(server, "jinji", f"{path}({below})/FirstUniqueAncestorSecurableObject")
    assert owner["Id"] == unique["/sites/jinji/規程と通知/評価"]
    assert _rest(server, "jinji", f"{path}({below})/HasUniqueRoleAssignments") == {"value": False}


def test_verbose_and_nometadata_are_two_dialects_of_one_answer(server: Server) -> None:
    url = f"{server.told['site_urls'][1]}/_api/web/siteusers?$filter=IsSiteAdmin eq true"
    verbose = server.get(url, headers={"Accept": "application/json;odata=verbose"}).json()["d"]["results"]
    plain = server.get(url, headers={"Accept": "application/json;odata=nometadata"}).json()["value"]
    assert [one["Title"] for one in verbose] == [one["Title"] for one in plain] == ["池田 陸"]
    assert verbose[0]["__metadata"]["type"] == "SP.User"


def test_effective_permissions_say_of_every_person_on_a_folder_what_the_truth_says(server: Server) -> None:
    lists = {one["Title"]: one["Id"] for one in _rest(server, "quality", "web/lists")["value"]}
    (row,) = server.control("effective", items=["品質規程/監査結果"])["items"]
    for someone in PEOPLE:
        asked = json.dumps(login_name("user", someone.login))[1:-1]
        path = f"web/lists(guid'{lists['品質規程']}')/items({row['list_item_id']})/GetUserEffectivePermissions(@u)"
        found = _rest(server, "quality", path, params={"@u": f"'{asked}'"})
        assert bool(int(found["Low"]) & 0x20) == (someone.login in row["readers"])


def test_the_truth_is_that_everybody_but_the_guest_reads_the_folder_of_2015(server: Server) -> None:
    (row,) = server.control("effective", items=["規程と通知/2015年度共有/賞与計算書_共有用.xlsx"])["items"]
    assert set(row["readers"]) == {someone.login for someone in PEOPLE if not someone.guest}


def test_leaving_a_nested_group_ends_access_without_touching_a_document(server: Server) -> None:
    login = person("aoi.kobayashi").login
    drive = server.drive("quality", "品質規程")
    _, link = server.round(f"/v1.0/drives/{drive}/root/delta")
    path = "品質規程/監査結果/内部監査報告_製造部.docx"
    assert login in server.control("effective", items=[path])["items"][0]["readers"]
    server.control("membership", group="quality-members", remove=[login])
    assert login not in server.control("effective", items=[path])["items"][0]["readers"]
    assert server.round(link)[0] == []
    server.control("membership", group="quality-members", add=[login])
