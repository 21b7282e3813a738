"""What people do in the SharePoint sandbox, and what a reader of its feeds, its rights and its change log then sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sharepoint_talk import Server, serving, token_of

from infra.sandbox.sharepoint.answers import Ask
from infra.sandbox.sharepoint.content.shelf import Shelf
from infra.sandbox.sharepoint.rest_answers import RestError
from infra.sandbox.sharepoint.rest_changes import Changes
from infra.sandbox.sharepoint.world import Site, World

PREFER = {"Prefer": "hierarchicalsharing, deltashowsharingchanges"}
SAFETY = "製品マニュアル/共通/製品共通_安全上の注意.pdf"
LOGGED = ("Item", "List", "Web", "Group", "Add", "Update", "DeleteObject", "Rename", "Move", "Restore",
          "RoleAssignmentAdd", "RoleAssignmentDelete", "GroupMembershipAdd", "GroupMembershipDelete")  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


class Feed:
    """A drive's delta feed from now on: each look tells what came since the last one, the last occurrence of an id."""

    def __init__(self, server: Server, title: str = "製品マニュアル", site: str = "quality") -> None:
        self._server, self.drive = server, server.drive(site, title)
        self._link = server.get(f"/v1.0/drives/{self.drive}/root/delta?token=latest").json()["@odata.deltaLink"]

    def told(self) -> dict[str, dict[str, Any]]:
        page = self._server.get(self._link, headers={**PREFER, "deltaExcludeParent": "1"}).json()
        self._link = page["@odata.deltaLink"]
        return {one["id"]: one for one in page["value"]}


def rest(server: Server, path: str, site: str = "quality", **options: Any) -> Any:
    headers = {"Accept": "application/json;odata=nometadata"}
    response = server.get(f"{server.settings.https_url}/sites/{site}/_api/{path}", headers=headers, **options)
    assert response.status_code == 200, response.text
    return response.json()


def changes(server: Server, start: str | None = None, flags: tuple[str, ...] = LOGGED, where: str = "site", **query: Any) -> Any:
    body = dict.fromkeys(flags, True) | query | ({"ChangeTokenStart": {"StringValue": start}} if start else {})
    return server.get(
        f"{server.settings.https_url}/sites/quality/_api/{where}/GetChanges",
        method="POST",
        json={"query": body},
        headers={"Accept": "application/json;odata=nometadata"},
    )


def log_since(server: Server, start: str, *flags: str) -> list[tuple[str, int]]:
    """(which object, type of change) of what the change log tells."""
    key = {"ItemId": "item", "GroupId": "group", "ListId": "list", "WebId": "web"}
    found = changes(server, start, flags or LOGGED).json()["value"]
    return [(next(name for id_, name in key.items() if id_ in one), one["ChangeType"]) for one in found]


def now_token(server: Server, where: str = "site") -> str:
    return rest(server, f"{where}/CurrentChangeToken")["StringValue"]


def assignments(server: Server, item: dict[str, Any]) -> dict[str, set[int]]:
    """Title of each principal on an item → kinds of its roles."""
    path = f"web/lists(guid'{item['list_id']}')/items({item['list_item_id']})/RoleAssignments?$expand=Member,RoleDefinitionBindings"
    rows = rest(server, path)["value"]
    return {row["Member"]["Title"]: {role["RoleTypeKind"] for role in row["RoleDefinitionBindings"]} for row in rows}


def refused(server: Server, verb: str, **body: Any) -> str:
    url = f"{server.settings.https_url}/_sandbox/{verb}"
    response = server.client.post(url, json=body, headers={"X-Sandbox-Admin": "open-sesame"})
    assert response.status_code == 400, response.text
    return response.json()["error"]


# -- content ------------------------------------------------------------------------------------------------------------------


def test_a_file_is_made_edited_renamed_and_each_time_its_tags_say_how_much_changed(server: Server) -> None:
    feed, start = Feed(server), now_token(server)
    made = server.control("create", path="製品マニュアル/共通/点検表.html", text="毎月点検する。", login="ren.nakamura")

    def tags() -> tuple[str, str]:
        item = server.get(f"/v1.0/drives/{feed.drive}/items/{made['id']}").json()
        return item["eTag"], item["cTag"]

    assert feed.told()[made["id"]]["lastModifiedBy"]["user"]["displayName"] == "中村 蓮"
    first = tags()
    server.control("edit", item=made["id"], text="毎週点検する。")
    second = tags()
    assert second[0] != first[0] and second[1] != first[1]
    server.control("rename", item=made["id"], name="週次点検表.html")
    third = tags()
    assert third[0] != second[0] and third[1] == second[1]
    assert feed.told()[made["id"]]["name"] == "週次点検表.html"
    assert log_since(server, start) == [("item", 1), ("item", 2), ("item", 4)]


def test_a_renamed_or_moved_folder_is_told_alone_and_its_files_are_found_below_it(server: Server) -> None:
    server.control("create", path="製品マニュアル/資料", kind="folder")
    inner = server.control("create", path="製品マニュアル/資料/一覧.html")
    feed = Feed(server)
    folder = server.control("rename", item="製品マニュアル/資料", name="資料集")
    assert set(feed.told()) == {folder["id"]}
    server.control("move", item=folder["id"], to="製品マニュアル/共通")
    told = feed.told()
    assert set(told) == {folder["id"]} and "path" not in told[folder["id"]]["parentReference"]
    assert server.get(f"/v1.0/drives/{feed.drive}/root:/共通/資料集/一覧.html").json()["id"] == inner["id"]


def test_a_file_moved_to_another_library_is_gone_here_and_new_there_without_its_own_rights(server: Server) -> None:
    made = server.control("create", path="製品マニュアル/共通/移動.html")
    server.control("grant", item=made["id"], login="rin.kimura")
    here, there = Feed(server), Feed(server, "品質規程")
    moved = server.control("move", item=made["id"], to="品質規程/検査")
    assert moved["id"] != made["id"] and not moved["unique"] and moved["quick_xor"] == made["quick_xor"]
    assert here.told()[made["id"]]["deleted"] == {"state": "deleted"}
    assert there.told()[moved["id"]]["name"] == "移動.html"
    assert "recycle bin" in refused(server, "restore", item=made["id"])


def test_a_restored_folder_comes_back_with_its_ids_its_rights_and_what_it_held_but_not_what_was_deleted_before(server: Server) -> None:
    folder = server.control("create", path="製品マニュアル/復元", kind="folder")
    kept, gone = (server.control("create", path=f"製品マニュアル/復元/{name}.html") for name in ("残す", "先に消す"))
    server.control("grant", item=folder["id"], login="rin.kimura")
    before = assignments(server, folder)
    server.control("delete", item=gone["id"])
    feed, start = Feed(server), now_token(server)
    server.control("delete", item=folder["id"])
    assert {key: "deleted" in one for key, one in feed.told().items()} == {folder["id"]: True, kept["id"]: True}
    assert [one["id"] for one in server.control("recycle_bin", site="quality")["items"]][-2:] == [folder["id"], gone["id"]]
    assert refused(server, "restore", item=gone["id"]).endswith("restore that first")
    server.control("restore", item="製品マニュアル/復元")
    assert set(feed.told()) == {folder["id"], kept["id"]}
    assert assignments(server, folder) == before
    assert log_since(server, start) == [("item", 3), ("item", 3), ("item", 7), ("item", 7)]
    server.control("restore", item=gone["id"])
    assert server.get(f"/v1.0/drives/{feed.drive}/items/{gone['id']}").status_code == 200


def test_rows_are_edited_by_column_and_a_null_empties_the_cell(server: Server) -> None:
    url = f"{server.told['graph']}/v1.0/sites/localhost:/sites/quality:/lists/是正処置一覧/items/delta"
    link = server.get(f"{url}?token=latest&$expand=fields").json()["@odata.deltaLink"]
    made = server.control("create", path="是正処置一覧/止め輪の欠落", fields={"Memo": "暫定"})
    server.control("edit", item=made["id"], fields={"Memo": None, "Title": "止め輪の欠落（改）"})
    (row,) = server.get(link).json()["value"]
    assert row["fields"]["Title"] == "止め輪の欠落（改）" and "Memo" not in row["fields"]
    assert row["eTag"].endswith(',2"')


@pytest.mark.parametrize(
    ("verb", "body", "why"),
    [
        ("create", {"path": "製品マニュアル/共通/製品共通_安全上の注意.PDF"}, "ends in one of"),
        ("rename", {"item": SAFETY, "name": "梱包と輸送の基準.docx"}, "already"),
        ("move", {"item": "製品マニュアル/共通", "to": "製品マニュアル/共通"}, "into itself"),
        ("restore", {"item": SAFETY}, "no recycle bin"),
        ("break_inheritance", {"item": SAFETY}, "already"),
        ("restore_inheritance", {"site": "quality"}, "no rights of its own"),
        ("share", {"item": SAFETY, "scope": "world"}, "anonymous"),
        ("site_group", {"site": "quality", "group": "誰も"}, "閲覧者"),
    ],
)
def test_what_people_cannot_do_is_refused_in_a_sentence(server: Server, verb: str, body: dict[str, Any], why: str) -> None:
    assert why in refused(server, verb, **body)


# -- rights -------------------------------------------------------------------------------------------------------------------


def test_inheritance_is_broken_and_restored_with_the_same_etag_and_told_as_a_change_of_sharing(server: Server) -> None:
    item = server.control("create", path="製品マニュアル/共通/権利.html")
    feed, start = Feed(server), now_token(server)
    for verb, unique in (("break_inheritance", True), ("restore_inheritance", False)):
        after = server.control(verb, item=item["id"])
        told = feed.told()[item["id"]]
        assert (told["@microsoft.graph.sharedChanged"], told["eTag"]) == ("True", item["etag"])
        assert ("shared" in told) is unique is after["unique"]
    assert log_since(server, start, "Item", "RoleAssignmentAdd", "RoleAssignmentDelete") == [("item", 17), ("item", 18)]
    server.control("break_inheritance", item=item["id"], copy=False)
    assert assignments(server, item) == {"品質ポータル 所有者": {5}}


def test_a_right_on_a_list_moves_its_root_and_one_on_the_web_the_roots_that_inherit(server: Server) -> None:
    inheriting, own = Feed(server, "製品マニュアル"), Feed(server, "品質規程")
    start = now_token(server)
    server.control("grant", list="品質規程", who="it-admins", role="read")
    assert not inheriting.told() and [set(one) & {"root"} for one in own.told().values()] == [{"root"}]
    server.control("grant", site="quality", who="it-admins", role="read")
    assert [set(one) & {"root"} for one in inheriting.told().values()] == [{"root"}] and not own.told()
    assert log_since(server, start) == [("list", 11), ("web", 11)]
    server.control("revoke", site="quality", who="it-admins")
    server.control("revoke", list="品質規程", who="it-admins")


@pytest.mark.parametrize(
    ("scope", "hidden", "facet"),
    [("anonymous", "AnonymousView", "anonymous"), ("organization", "OrganizationView", "organization"), ("users", "Flexible", "users")],
)
def test_a_link_breaks_inheritance_hides_a_group_and_stands_in_the_permissions_with_its_end(
    server: Server, scope: str, hidden: str, facet: str
) -> None:
    item = server.control("create", path=f"製品マニュアル/共通/共有_{scope}.html")
    feed = Feed(server)
    until = (server.settings.clock.now() + timedelta(days=7)).replace(microsecond=0)
    logins = ["taro.gaibu"] if scope == "users" else []
    made = server.control("share", item=item["id"], scope=scope, logins=logins, expires=until.isoformat())
    assert made["unique"] and feed.told()[item["id"]]["shared"] == {"scope": facet}
    rows = server.get(f"/v1.0/drives/{feed.drive}/items/{item['id']}/permissions").json()["value"]
    (row,) = [one for one in rows if "link" in one]
    assert (row["link"]["scope"], row["roles"], row["id"]) == (scope, ["read"], made["share_id"])
    assert datetime.fromisoformat(row["expirationDateTime"]) == until
    assert [one["user"]["email"] for one in row["grantedToIdentitiesV2"]] == (["taro.gaibu@partner.example"] if logins else [])
    titles = [title for title in assignments(server, item) if title.startswith("SharingLinks.")]
    assert [title.split(".")[2] for title in titles] == [hidden]
    server.control("unshare", item=item["id"])
    assert not [title for title in assignments(server, item) if title.startswith("SharingLinks.")]
    assert feed.told()[item["id"]]["shared"] == {}


def test_a_link_for_those_who_have_access_grants_nothing_and_breaks_nothing(server: Server) -> None:
    item = server.control("create", path="製品マニュアル/共通/既存.html")
    assert not server.control("share", item=item["id"], scope="existingAccess")["unique"]
    drive = server.drive("quality", "製品マニュアル")
    rows = server.get(f"/v1.0/drives/{drive}/items/{item['id']}/permissions").json()["value"]
    assert [one["roles"] for one in rows if "link" in one] == [[]]


def test_a_link_that_somebody_uses_lets_them_read_until_it_ends_and_no_feed_tells_that_they_used_it(server: Server) -> None:
    folder = server.control("create", path="製品マニュアル/限定", kind="folder")
    inner = server.control("create", path="製品マニュアル/限定/中身.html")
    server.control("break_inheritance", item=folder["id"], copy=False)
    until = server.settings.clock.now() + timedelta(days=1)
    server.control("share", item=folder["id"], scope="organization", expires=until.isoformat())

    def may() -> bool:
        return "rin.kimura@sakura-seiki.example" in server.control("effective", items=[inner["id"]])["items"][0]["readers"]

    assert not may()
    feed, start = Feed(server), now_token(server)
    server.control("redeem", item=folder["id"], login="rin.kimura")
    assert may() and not feed.told() and log_since(server, start) == [("group", 13)]
    server.control("advance", days=1.01)
    assert not may() and folder["id"] in feed.told()


def test_members_of_a_site_group_come_and_go_in_the_change_log_alone(server: Server) -> None:
    feed, start = Feed(server), now_token(server)
    before = rest(server, "web/sitegroups(4)/users")["value"]
    server.control("site_group", site="quality", group="閲覧者", add=["rin.kimura"])
    assert len(rest(server, "web/sitegroups(4)/users")["value"]) == len(before) + 1
    server.control("site_group", site="quality", group=4, remove=["rin.kimura"])
    assert rest(server, "web/sitegroups(4)/users")["value"] == before
    assert not feed.told()
    assert log_since(server, start, "Group", "GroupMembershipAdd", "GroupMembershipDelete") == [("group", 13), ("group", 14)]
    assert log_since(server, start, "Group", "GroupMembershipDelete") == [("group", 14)]
    assert log_since(server, start, "Item", "GroupMembershipDelete") == []


# -- the change log -----------------------------------------------------------------------------------------------------------


def test_the_log_is_read_page_by_page_with_the_last_token_and_a_list_tells_its_own_only(server: Server) -> None:
    start, of_list = now_token(server), now_token(server, "web/lists/getbytitle('品質規程')")
    for number in range(5):
        server.control("create", path=f"製品マニュアル/ページ{number}", kind="folder")
    server.control("create", path="品質規程/一つ", kind="folder")
    seen: list[int] = []
    token = start
    while page := changes(server, token, FetchLimit=2).json()["value"]:
        assert len(page) <= 2
        seen += [one["ItemId"] for one in page]
        token = page[-1]["ChangeToken"]["StringValue"]
    assert len(seen) == 6
    assert len(changes(server, of_list, where="web/lists/getbytitle('品質規程')").json()["value"]) == 1
    assert changes(server, of_list).status_code == 500, "the token of a list is none of the site"
    assert changes(server, "1;1;nonsense").status_code == 400


def test_a_token_older_than_sixty_days_is_an_exception_even_when_nothing_happened(tmp_path: Path) -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    site = Site("q", "品質", "c", "w", at)
    token = Changes(World(Shelf(tmp_path), 1), site, Ask("GET", "", {}, {}, ""), "").current("site", None, at)
    body = json.dumps({"query": {"Item": True, "Add": True, "ChangeTokenStart": token}}).encode()
    asked = Changes(World(Shelf(tmp_path), 1), site, Ask("POST", "", {}, {}, "", body), "")
    assert asked.get("site", None, at + timedelta(days=60)) == []
    with pytest.raises(RestError, match="before the start of the current change log"):
        asked.get("site", None, at + timedelta(days=60, seconds=1))


def test_office365_reads_members_from_the_change_log(server: Server) -> None:
    from office365.runtime.auth.token_response import TokenResponse
    from office365.sharepoint.changes.query import ChangeQuery
    from office365.sharepoint.client_context import ClientContext

    server.control("site_group", site="quality", group="監査チーム", add=["rin.kimura"])
    token = token_of(server, "certificate")
    url = server.told["site_urls"][0]
    context = ClientContext(url).with_access_token(lambda: TokenResponse(access_token=token, token_type="Bearer"))
    query = ChangeQuery()
    query.Group = query.GroupMembershipAdd = True
    found = context.site.get_changes(query).execute_query()
    assert found[len(found) - 1].properties["GroupId"] == 6


def test_a_folder_can_go_and_come_back_with_the_feed_naming_it_alone(server: Server) -> None:
    made = server.control("site", key="alone")
    assert made["path"] == "/sites/alone" and len(made["lists"]) == 4
    feed = Feed(server, "文書", "alone")
    folder = next(one for one in server.control("truth", site="alone")["items"] if one["path"] == "文書/月次")
    server.control("delete", item=folder["unique_id"], alone=True)
    assert {id: "deleted" in one for id, one in feed.told().items()} == {folder["id"]: True}
    server.control("restore", item=folder["id"], alone=True)
    assert feed.told().keys() == {folder["id"]}
    assert sum(one["path"].startswith("文書/月次/") for one in server.control("truth", site="alone")["items"]) == 4
    with pytest.raises(AssertionError, match="already"):
        server.control("site", key="alone")


def test_a_file_can_have_no_bytes(server: Server) -> None:
    made = server.control("create", path="製品マニュアル/共通/空の文書.html", empty=True)
    about = server.get(f"/v1.0/drives/{made['drive_id']}/items/{made['id']}").json()
    assert (made["size"], about["size"], about["file"]["hashes"]["quickXorHash"]) == (0, 0, "A" * 27 + "=")
    assert server.get(f"/v1.0/drives/{made['drive_id']}/items/{made['id']}/content", follow_redirects=True).content == b""
