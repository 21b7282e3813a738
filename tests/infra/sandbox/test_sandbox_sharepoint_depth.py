"""The rarer things of a SharePoint tenant, each off until a control verb adds it: claims, groups with owners, orphans, drafts, consent."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from sharepoint_talk import Server, serving

from infra.sandbox.company.people import PEOPLE, group, person, stable_id
from infra.sandbox.sharepoint.consent import ROLES

FILE = "製品マニュアル/共通/梱包と輸送の基準.docx"
EVERYBODY = {one.login for one in PEOPLE}
STAFF = {one.login for one in PEOPLE if not one.guest}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tenant of its own for every test: what an administrator does here is not taken back."""
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


def readers(server: Server, item: str = FILE) -> set[str]:
    return set(server.control("effective", items=[item])["items"][0]["readers"])


def item_of(server: Server, path: str = "共通/梱包と輸送の基準.docx", **options: Any) -> httpx.Response:
    return server.get(f"/v1.0/drives/{server.drive('quality', '製品マニュアル')}/root:/{path}", **options)


def rest(server: Server, path: str, *, site: str = "quality", kind: str = "nometadata", token: str = "") -> httpx.Response:
    headers = {"Accept": f"application/json;odata={kind}"}
    url = f"{server.settings.https_url}/sites/{site}/_api/{path}"
    return server.client.get(url, headers=headers | {"Authorization": f"Bearer {token}"}) if token else server.get(url, headers=headers)


# -- principals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "login", "everybody"), [("everyone", "c:0(.s|true", EVERYBODY), ("eeeu", "spo-grid-all-users", STAFF)])
def test_the_two_claims_of_everybody_differ_by_the_guests_where_the_tenant_says_so(
    server: Server, who: str, login: str, everybody: set[str]
) -> None:
    server.control("everyone_claim", guests=True)
    item = server.control("grant", item=FILE, who=who)
    assert readers(server) == everybody
    rows = rest(server, f"web/lists(guid'{item['list_id']}')/items({item['list_item_id']})/RoleAssignments?$expand=Member").json()["value"]
    assert any(login in row["Member"]["LoginName"] for row in rows)


def test_a_microsoft_365_group_is_granted_to_its_members_and_its_owners_apart(server: Server) -> None:
    made = server.control("m365_group", code="project-x", name="企画X", members=["hiroto.hayashi"], owners=["riku.ikeda"])
    about = server.get(f"/v1.0/groups/{made['id']}").json()
    assert about["groupTypes"] == ["Unified"] and about["securityEnabled"] is False
    assert [one["mail"] for one in server.get(f"/v1.0/groups/{made['id']}/owners").json()["value"]] == ["riku.ikeda@sakura-seiki.example"]
    before = readers(server)
    server.control("grant", item=FILE, who="project-x")
    assert readers(server) - before == {person("hiroto.hayashi").login}
    server.control("grant", item=FILE, who="owners:project-x")
    assert readers(server) - before == {person("hiroto.hayashi").login, person("riku.ikeda").login}
    logins = {one["LoginName"] for one in rest(server, "web/siteusers").json()["value"]}
    claim = f"c:0o.c|federateddirectoryclaimprovider|{stable_id('group', 'project-x')}"
    assert {claim, f"{claim}_o"} <= logins


def test_a_group_with_hidden_members_tells_them_to_nobody_without_the_right_to_read_them(server: Server) -> None:
    made = server.control("m365_group", code="secret", members=["rin.kimura"], hidden=True)
    refused = server.get(f"/v1.0/groups/{made['id']}/members")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    server.control("token_roles", roles=[*ROLES, "Member.Read.Hidden"])
    token = server.token()["access_token"]
    told = server.client.get(f"{server.told['graph']}/v1.0/groups/{made['id']}/members", headers={"Authorization": f"Bearer {token}"})
    assert [one["mail"] for one in told.json()["value"]] == ["rin.kimura@sakura-seiki.example"]


def test_a_deleted_person_is_an_orphan_in_the_site_and_nobody_in_the_directory(server: Server) -> None:
    misaki = person("misaki.sato")
    assert misaki.login in readers(server)
    server.control("delete_principal", login=misaki.login)
    assert server.get(f"/v1.0/users/{misaki.entra_id}").status_code == 404
    assert misaki.login not in readers(server)
    assert any(misaki.login in one["LoginName"] for one in rest(server, "web/siteusers").json()["value"])
    board = server.get(f"/v1.0/groups/{group('quality-members').entra_id}/members").json()["value"]
    assert misaki.entra_id not in {one["id"] for one in board}


def test_a_deleted_group_still_stands_in_role_assignments_and_lets_nobody_in(server: Server) -> None:
    engineering = group("engineering-all")
    item = "製品マニュアル/開発中"
    assert person("yuto.inoue").login in readers(server, item)
    server.control("delete_principal", group="engineering-all")
    assert server.get(f"/v1.0/groups/{engineering.entra_id}").status_code == 404
    assert person("yuto.inoue").login not in readers(server, item)
    rows = item_of(server, "開発中:/permissions").json()["value"]
    assert engineering.entra_id in {row.get("grantedToV2", {}).get("group", {}).get("id") for row in rows}


# -- what people see besides what they may ------------------------------------------------------------------------------------


def test_a_list_may_show_everybody_their_own_items_only_though_every_grant_says_more(server: Server) -> None:
    made = server.control("create", path="是正処置一覧/自分の起票", login="ren.nakamura")
    assert len(readers(server, made["id"])) > 5
    server.control("read_security", list="是正処置一覧", value=2)
    assert readers(server, made["id"]) == {person("ren.nakamura").login, person("akari.mori").login}
    assert rest(server, f"web/lists(guid'{made['list_id']}')").json()["ReadSecurity"] == 2
    path = f"web/lists(guid'{made['list_id']}')/items({made['list_item_id']})/GetUserEffectivePermissions(@u)?@u='i:0%23.f|membership|{person('mio.matsumoto').login}'"
    assert int(rest(server, path).json()["Low"]) & 0x21 == 0x21, "the answer does not look at it"


def test_a_draft_is_seen_by_those_who_may_edit_it_until_it_is_published(server: Server) -> None:
    before = readers(server)
    row = server.control("draft", item=FILE)
    assert person("ren.nakamura").login in readers(server) < before
    assert item_of(server).json()["publication"]["level"] == "draft"
    listing = rest(server, f"web/lists(guid'{row['list_id']}')").json()
    assert (listing["EnableMinorVersions"], listing["DraftVersionVisibility"]) == (True, 1)
    item = rest(
        server, f"web/lists(guid'{row['list_id']}')/items({row['list_item_id']})?$select=OData__UIVersionString,OData__ModerationStatus"
    )
    assert item.json() == {"OData__UIVersionString": "1.1", "OData__ModerationStatus": 3}
    server.control("draft", item=FILE, published=True)
    assert readers(server) == before and "publication" not in item_of(server).json()


def test_a_file_never_checked_in_is_its_authors_alone(server: Server) -> None:
    server.control("check_out", item=FILE, login="ren.nakamura")
    assert readers(server) == {person("ren.nakamura").login}
    about = item_of(server).json()["publication"]
    assert (about["level"], about["versionId"], about["checkedOutBy"]["user"]["displayName"]) == ("checkout", "0.1", "中村 蓮")
    server.control("check_out", item=FILE, **{"in": True})
    assert len(readers(server)) > 1


# -- content ------------------------------------------------------------------------------------------------------------------


def test_an_infected_file_has_no_address_and_no_content(server: Server) -> None:
    where = item_of(server).json()["@microsoft.graph.downloadUrl"]
    server.control("infect", item=FILE)
    about = item_of(server).json()
    assert "malware" in about and "@microsoft.graph.downloadUrl" not in about
    refused = item_of(server, "共通/梱包と輸送の基準.docx:/content")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "malwareDetected")
    assert server.client.get(where).status_code == 403, "nor by an address given out before"


def test_a_notebook_is_a_package_with_neither_file_nor_folder_nor_content(server: Server) -> None:
    made = server.control("create", path="製品マニュアル/共通/議事メモ", kind="package")
    about = item_of(server, "共通/議事メモ").json()
    assert about["package"] == {"type": "oneNote"} and not {"file", "folder", "@microsoft.graph.downloadUrl"} & set(about)
    assert item_of(server, "共通/議事メモ:/content").status_code == 400
    entries, _ = server.round(f"/v1.0/drives/{made['drive_id']}/root/delta?$top=1000")
    assert [set(one) & {"package", "folder"} for one in entries if one["id"] == made["id"]] == [{"package"}]


def test_versions_go_back_to_the_first_with_the_size_each_had(server: Server) -> None:
    sizes = [item_of(server).json()["size"]]
    for text in ("短い。", "長い" * 2000):
        server.control("edit", item=FILE, text=text)
        sizes.append(item_of(server).json()["size"])
    told = item_of(server, "共通/梱包と輸送の基準.docx:/versions").json()["value"]
    assert [(one["id"], one["size"]) for one in told] == [("3.0", sizes[2]), ("2.0", sizes[1]), ("1.0", sizes[0])]
    row = server.control("create", path="是正処置一覧/版", fields={"Memo": "一"})
    server.control("edit", item=row["id"], fields={"Memo": "二"})
    path = f"/v1.0/sites/localhost:/sites/quality:/lists/是正処置一覧/items/{row['list_item_id']}/versions?$expand=fields"
    assert [one["fields"]["Memo"] for one in server.get(path).json()["value"]] == ["二", "一"]


# -- consent ------------------------------------------------------------------------------------------------------------------


def with_roles(server: Server, **body: Any) -> dict[str, str]:
    server.control("token_roles", **body)
    return {"Authorization": f"Bearer {server.token()['access_token']}"}


def test_an_app_of_selected_sites_enters_those_by_address_and_finds_none(server: Server) -> None:
    headers = with_roles(server, roles=["Sites.Selected"], sites={"quality": "read"})

    def status(path: str) -> int:
        return server.client.get(f"{server.told['graph']}/v1.0/{path}", headers=headers).status_code

    assert status("sites/localhost:/sites/quality") == 200
    assert status("sites/localhost:/sites/jinji") == 403
    assert status("sites/getAllSites") == 403
    assert status(f"users/{person('rin.kimura').entra_id}") == 403
    assert status("sites/localhost:/sites/quality:/permissions") == 403
    token = headers["Authorization"][7:]
    assert rest(server, "web/lists", token=token).status_code == 200
    assert rest(server, "web/lists", site="jinji", token=token).status_code == 403
    assert rest(server, "web/RoleAssignments", token=token).status_code == 403, "reading is not enough to read rights"
    headers = with_roles(server, roles=["Sites.Selected"], sites={"quality": "fullcontrol"})
    assert rest(server, "web/RoleAssignments", token=headers["Authorization"][7:]).status_code == 200
    grants = f"{server.told['graph']}/v1.0/sites/localhost:/sites/quality:/permissions"
    (granted,) = server.client.get(grants, headers=headers).json()["value"]
    assert "roles" not in granted, "the collection leaves them out"
    assert server.client.get(f"{grants}/{granted['id']}", headers=headers).json()["roles"] == ["fullcontrol"]
    assert server.client.get(f"{grants}/another", headers=headers).status_code == 404
    headers = with_roles(server, roles=["Sites.Selected"], sites={"quality": "fullcontrol"}, told=False)
    assert server.client.get(grants, headers=headers).status_code == 403


def test_an_app_may_have_other_roles_at_one_resource_than_at_another(server: Server) -> None:
    server.control("token_roles", roles=["Sites.Read.All"], at={server.settings.https_url: ["Sites.FullControl.All"]})

    def roles(scope: str) -> list[str]:
        return jwt.decode(server.token(scope=scope)["access_token"], options={"verify_signature": False})["roles"]

    assert roles(f"{server.settings.https_url}/.default") == ["Sites.FullControl.All"]
    assert roles("https://graph.microsoft.com/.default") == ["Sites.Read.All"]


def test_the_effective_mask_of_an_app_is_what_its_role_or_the_site_gives_it(server: Server) -> None:
    def mask(**body: object) -> str:
        token = with_roles(server, **body)["Authorization"][7:]
        return rest(server, "web/EffectiveBasePermissions", token=token).json()["Low"]

    assert mask() == mask(roles=["Sites.Selected"], sites={"quality": "fullcontrol"}) == str(0xFFFFFFFF)
    assert mask(roles=["Sites.Selected"], sites={"quality": "read"}) != str(0xFFFFFFFF)


def test_a_challenge_is_answered_by_a_token_that_was_asked_for_with_its_claims(server: Server) -> None:
    old = {"Authorization": f"Bearer {server.token()['access_token']}"}
    users = f"{server.told['graph']}/v1.0/users"
    asked = server.control("challenge", nonce="1790000000")["claims"]
    refused = server.client.get(users, headers=old)
    assert refused.status_code == 401 and f'claims="{asked}"' in refused.headers["WWW-Authenticate"]
    without = {"Authorization": f"Bearer {server.token()['access_token']}"}
    assert server.client.get(users, headers=without).status_code == 401
    answered = {"Authorization": f"Bearer {server.token(claims=base64.b64decode(asked).decode())['access_token']}"}
    assert server.client.get(users, headers=answered).status_code == 200


def test_without_full_control_the_feed_tells_of_no_change_of_rights_and_of_all_others(server: Server) -> None:
    headers = with_roles(server, roles=["Sites.Read.All"]) | {
        "Prefer": "hierarchicalsharing, deltashowsharingchanges",
        "deltaExcludeParent": "1",
    }
    drive = f"{server.told['graph']}/v1.0/drives/{server.drive('quality', '製品マニュアル')}"
    link = server.client.get(f"{drive}/root/delta?token=latest", headers=headers).json()["@odata.deltaLink"]
    shared, edited = FILE, "製品マニュアル/共通/製品共通_安全上の注意.pdf"
    server.control("grant", item=shared, login="rin.kimura")
    kept = server.control("edit", item=edited)["id"]
    server.control("grant", item=edited, login="rin.kimura")
    page = server.client.get(link, headers=headers).json()
    assert [one["id"] for one in page["value"]] == [kept]
    assert server.client.get(page["@odata.deltaLink"], headers=headers).json()["value"] == []


# -- the identity of the machine ----------------------------------------------------------------------------------------------


def test_msal_gets_a_token_from_an_app_service(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import msal
    import requests

    told = server.told["managed_identity"]
    monkeypatch.setenv("IDENTITY_ENDPOINT", told["endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", told["header"])
    for identity in (msal.SystemAssignedManagedIdentity(), msal.UserAssignedManagedIdentity(client_id=told["client_id"])):
        found = msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(
            resource=server.settings.https_url
        )
        assert rest(server, "web", token=str(found["access_token"])).status_code == 200
    unknown = msal.ManagedIdentityClient(msal.UserAssignedManagedIdentity(client_id="nobody"), http_client=requests.Session())
    assert "error" in unknown.acquire_token_for_client(resource=server.settings.https_url)
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    wrong = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
    assert "error" in wrong.acquire_token_for_client(resource=server.settings.https_url)


def test_msal_gets_a_token_from_the_metadata_service(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import msal
    import requests

    for name in [one for one in os.environ if one.startswith(("IDENTITY_", "MSI_", "IMDS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.told["managed_identity"]["imds"])
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
    found = client.acquire_token_for_client(resource="https://graph.microsoft.com")
    reply = server.client.get(f"{server.told['graph']}/v1.0/sites/root", headers={"Authorization": f"Bearer {found['access_token']}"})
    assert reply.status_code == 200
    place = f"{server.settings.http_url}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x"
    assert server.client.get(place).json()["error_description"] == "Required metadata header not specified"


# -- dialects -----------------------------------------------------------------------------------------------------------------


def test_minimal_metadata_names_types_addresses_and_tags_and_is_what_plain_json_means(server: Server) -> None:
    path = "web/lists/getbytitle('製品マニュアル')/items?$top=2"
    plain, minimal = (rest(server, path, kind=kind).json() for kind in ("nometadata", "minimalmetadata"))
    assert minimal["odata.metadata"].endswith("/sites/quality/_api/$metadata#SP.Data.製品マニュアルItem")
    first = minimal["value"][0]
    assert first["odata.type"] == "SP.Data.製品マニュアルItem" and first["odata.editLink"].startswith("Web/Lists(guid'")
    assert first["odata.id"].endswith(first["odata.editLink"]) and first["odata.etag"].endswith(',1"')
    assert [{key: one for key, one in row.items() if "odata." not in key} for row in minimal["value"]] == plain["value"]
    assert "odata.nextLink" in minimal
    where = f"{server.settings.https_url}/sites/quality/_api/web/Title"
    assert server.get(where, headers={"Accept": "application/json"}).json()["odata.metadata"].endswith("#Edm.String")
    group_ = rest(server, "web/sitegroups(3)", kind="minimalmetadata").json()
    assert group_["Users@odata.navigationLinkUrl"] == "Web/SiteGroups/GetById(3)/Users"
