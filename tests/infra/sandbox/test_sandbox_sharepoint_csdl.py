"""Every answer of the sandbox's Graph is what Microsoft's own description (CSDL) says, wherever the description leads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from csdl import Csdl, Typed
from csdl_judge import Judge
from csdl_walk import Asking
from sharepoint_talk import Server, serving

DESCRIPTION = Path(__file__).resolve().parents[4] / "shared" / "data" / "vendor-specs" / "msgraph-v1.0-metadata.xml.gz"
pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"the description of Graph is not at {DESCRIPTION}")
SHARING = {"Prefer": "hierarchicalsharing, deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"}
#: Where a walk along the description must at least have come: type and what was asked of it.
REACHED = {
    "sites": {"site/drives", "site/drive", "site/lists", "site/pages", "site/sites", "site/permissions", "list/items", "list/columns"},
    "items": {"drive/root", "driveItem/children", "driveItem/permissions", "driveItem/listItem", "driveItem/delta", "listItem/delta"},
    "fields": {"listItem/fields", "listItem/driveItem", "list/drive", "baseSitePage/microsoft.graph.sitePage"},
    "people": {
        "group/members",
        "group/transitiveMembers",
        "user/memberOf",
        "user/transitiveMemberOf",
        "directoryObject/microsoft.graph.user",
    },
}


@pytest.fixture(scope="module")
def csdl() -> Csdl:
    return Csdl.read(DESCRIPTION)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


@pytest.fixture(scope="module")
def asking(server: Server, csdl: Csdl) -> Asking:
    return Asking(server, csdl)


@pytest.fixture(scope="module")
def reached(asking: Asking) -> set[str]:
    return asking.walk()


@pytest.mark.parametrize("area", sorted(REACHED))
def test_every_answer_that_the_description_leads_to_is_as_described(reached: set[str], area: str) -> None:
    assert REACHED[area] - reached == set()


def test_what_is_addressed_by_host_and_path_is_as_described(asking: Asking) -> None:
    drive = asking.server.drive("quality", "製品マニュアル")
    for path in (
        "/sites/root",
        "/sites/localhost:/sites/quality",
        "/sites/localhost:/sites/quality:/drives",
        "/sites/localhost:/sites/quality:/lists/測定機器台帳",
        f"/drives/{drive}/root:/共通",
        f"/drives/{drive}/root:/共通:/children",
        f"/drives/{drive}/root:/共通/製品共通_安全上の注意.pdf:/permissions",
        f"/drives/{drive.replace('!', '%21')}/items/root/children",
        f"/drives/{drive}/root/delta()",
    ):
        assert asking.get(path) is not None, path


def test_what_is_selected_or_expanded_is_as_described(asking: Asking) -> None:
    site = "/sites/localhost:/sites/quality:"
    drive = asking.server.drive("quality", "品質規程")
    ids = "sharepointIds,id,name,size,file,folder,content.downloadUrl,shared,parentReference"
    items, _ = asking.pages(f"/drives/{drive}/root/delta?$select={ids}&$top=20")
    assert any("sharepointIds" in one and "@microsoft.graph.downloadUrl" in one for one in items)
    for name in ("測定機器台帳", "是正処置一覧", "サイトのページ", "品質規程"):
        rows, _ = asking.pages(f"{site}/lists/{name}/items?$expand=fields&$top=9")
        assert rows and all("fields" in row for row in rows)
        rows, _ = asking.pages(f"{site}/lists/{name}/items/delta?$expand=fields($select=Title,Modified)&$select=id&$top=9")
        assert rows
    pages, _ = asking.pages(f"{site}/pages/microsoft.graph.sitePage?$expand=canvasLayout&$top=3")
    assert pages and all(page["canvasLayout"]["horizontalSections"] for page in pages)
    assert any("verticalSection" in page["canvasLayout"] for page in pages)


def test_people_that_are_filtered_or_cast_are_as_described(asking: Asking) -> None:
    (someone,) = asking.pages("/users?$filter=userType eq 'Guest'")[0]
    assert asking.get(f"/users/{quote(someone['userPrincipalName'])}") is not None
    groups, _ = asking.pages("/groups?$top=3")
    below = [asking.pages(f"/groups/{one['id']}/transitiveMembers/microsoft.graph.user?$top=2")[0] for one in groups]
    assert any(below)


@pytest.mark.parametrize("mode", ["object", "absent", "full"])
def test_permissions_are_as_described_in_each_way_of_telling_inheritance(asking: Asking, mode: str) -> None:
    asking.server.control("inherited_from", mode=mode)
    try:
        seen = [
            row
            for site, library in (("quality", "製品マニュアル"), ("quality", "品質規程"), ("jinji", "規程と通知"))
            for item in asking.pages(f"/drives/{asking.server.drive(site, library)}/root/delta")[0]
            for row in asking.pages(f"/drives/{item['parentReference']['driveId']}/items/{item['id']}/permissions")[0]
        ]
    finally:
        asking.server.control("inherited_from", mode="object")
    assert (
        any("link" in row for row in seen)
        and {bool(row.get("inheritedFrom")) for row in seen if "inheritedFrom" in row}
        == {
            "object": {False},
            "absent": set(),
            "full": {True},
        }[mode]
    )


def test_changes_are_as_described_whoever_asks_and_however_old_the_token_is(asking: Asking) -> None:
    server = asking.server
    library, listing = server.drive("jinji", "規程と通知"), "/sites/localhost:/sites/quality:/lists/是正処置一覧/items"
    _, link = asking.pages(f"/drives/{library}/root/delta?token=latest")
    _, rows_link = asking.pages(f"{listing}/delta?token=latest")
    for item in ("規程と通知/旅費/海外出張の手引き.docx", "規程と通知/2015年度共有"):
        server.control("grant", item=item, login="rin.kimura")
    for headers in ({}, SHARING, {"deltaexcludeparent": "1"}):
        changed, _ = asking.pages(link, **headers)
        assert any("@microsoft.graph.sharedChanged" in one for one in changed) == (headers is SHARING)
    removed: list[dict[str, Any]] = []
    while not removed:
        server.control("advance", days=1)
        (entries, link), (rows, rows_link) = asking.pages(link, **SHARING), asking.pages(rows_link)
        removed = [one for one in entries if "deleted" in one]
        assert rows is not None
    server.control("expire_tokens")
    for old in (link, rows_link):
        gone = server.get(old)
        assert gone.status_code == 410
        asking.judged(old, gone.status_code, gone.json())
        assert asking.pages(gone.headers["location"])[1]


def test_each_part_of_a_batch_is_as_described(asking: Asking) -> None:
    site = "/sites/localhost:/sites/quality:"
    urls = [
        site,
        f"{site}/drives",
        "/groups?$top=2",
        f"{site}/lists/測定機器台帳/items?$expand=fields&$top=2",
        "/sites/nowhere",
        "/users/nobody",
    ]
    asked = [{"id": str(at), "method": "GET", "url": url} for at, url in enumerate(urls)]
    answer = asking.server.get("/v1.0/$batch", method="POST", json={"requests": asked})
    assert answer.status_code == 200 and set(answer.json()) == {"responses"}
    parts = {part["id"]: part for part in answer.json()["responses"]}
    assert [parts[str(at)]["status"] for at in range(len(urls))] == [200, 200, 200, 200, 404, 404]
    for at, url in enumerate(urls):
        asking.judged(url, parts[str(at)]["status"], parts[str(at)]["body"])


def test_refusals_have_the_shape_that_the_documents_give_them(asking: Asking) -> None:
    server = asking.server
    plain = server.client.get(f"{asking.base}/v1.0/sites/root")
    posted = server.get("/v1.0/sites/root", method="POST", json={})
    server.control("fault", kind="429", count=1, retry_after=1)
    throttled = server.get("/v1.0/sites/root")
    assert (plain.status_code, posted.status_code, throttled.status_code) == (401, 405, 429)
    for answer in (plain, posted, throttled):
        asking.judged("/sites/root", answer.status_code, answer.json())


ITEM = {"id": "01A", "name": "a.pdf", "size": 3, "createdDateTime": "2026-01-01T00:00:00Z", "file": {"hashes": {"quickXorHash": "AA=="}}}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"nmae": "a"}, "has no such property"),
        ({"size": "3"}, "no Edm.Int64"),
        ({"size": True}, "no Edm.Int64"),
        ({"size": 2**63}, "no Edm.Int64"),
        ({"createdDateTime": "2026-01-01T00:00:00"}, "no Edm.DateTimeOffset"),
        ({"createdDateTime": "2026-02-30T00:00:00Z"}, "no Edm.DateTimeOffset"),
        ({"id": None}, "null where the description allows none"),
        ({"file": {"hashes": "AA=="}}, "no microsoft.graph.hashes"),
        ({"children": {"id": "01B"}}, "no list"),
        ({"children": [None]}, "null where"),
        ({"children": [{"name": "b"}]}, "an entity without id"),
        ({"@odata.type": "#microsoft.graph.listItem"}, "is no microsoft.graph.driveItem"),
        ({"@odata.etag": 1}, "no etag"),
        ({"file": {"@odata.etag": "1"}}, "carries no such annotation"),
        ({"@microsoft.graph.sharedChanged": True}, "and not 'True'"),
        ({"@odata.editLink": "x"}, "carries no such annotation"),
        ({"name@odata.type": "Edm.String"}, "already says the type"),
        ({"publication": {"level": "x", "checkedOutBy": {"user": {"title": "x"}}}}, "microsoft.graph.identity has no such property"),
        ({"shared": {"scope": 1}}, "no Edm.String"),
        ({"permissions": [{"id": "1", "link": {"scope": "users", "webUrl": 1}}]}, "no Edm.String"),
        ({"listItem": {"id": "1", "contentType": {"id": "1"}, "fields": {"id": "1", "x": ["a"]}}}, "said to be None"),
        ({"listItem": {"id": "1", "fields": {"id": "1", "x": None}}}, "an empty cell is left out"),
        ({"retentionLabel": {"id": "1", "retentionSettings": {"behaviorDuringRetentionPeriod": "keep"}}}, "no member of"),
    ],
)
def test_an_answer_that_is_not_as_described_is_found(csdl: Csdl, change: dict[str, Any], found: str) -> None:
    type_ = Typed("microsoft.graph.driveItem")
    assert Judge(csdl).entity(ITEM, type_, whole=True) == []
    assert any(found in one for one in Judge(csdl).entity(json.loads(json.dumps({**ITEM, **change})), type_, whole=True))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"value": {}}, "a list named value"),
        ({"values": []}, "not of a page"),
        ({"@odata.deltaLink": "/relative"}, "not an absolute address"),
        ({"@odata.nextLink": "https://here/v1.0/drives/a/root/delta?token=1"}, "one of the two links, not with 2"),
        ({"@odata.context": "https://here/v1.0/$metadata#Collection(listItem)"}, "does not name"),
        ({"value": [{"name": "a"}]}, "an entity without id"),
    ],
)
def test_a_page_that_is_not_as_described_is_found(csdl: Csdl, change: dict[str, Any], found: str) -> None:
    type_ = csdl.answers("/drives/a/root/delta")
    assert type_ == Typed("microsoft.graph.driveItem", True)
    page = {"value": [ITEM], "@odata.deltaLink": "https://here/v1.0/drives/a/root/delta?token=2"}
    held = {"base": "https://here", "whole": True, "changes": True}
    assert Judge(csdl).page(page, type_, **held) == []
    assert any(found in one for one in Judge(csdl).page({**page, **change}, type_, **held))


def test_a_tenant_that_has_everything_rare_is_as_described(csdl: Csdl, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("rare")) as server:
        file = "品質規程/検査/受入検査規程.docx"
        server.control("m365_group", code="project-x", name="企画X", members=["hiroto.hayashi"], owners=["riku.ikeda"])
        server.control("m365_group", code="secret", members=["rin.kimura"], hidden=True)
        for who in ("project-x", "owners:project-x", "everyone", "secret"):
            server.control("grant", item=file, who=who)
        server.control("create", path="製品マニュアル/共通/議事メモ", kind="package")
        for scope in ("anonymous", "organization", "users", "existingAccess"):
            made = server.control("create", path=f"製品マニュアル/共通/共有_{scope}.html")
            logins = ["rin.kimura"] if scope == "users" else []
            server.control("share", item=made["id"], scope=scope, logins=logins, expires="2026-12-01T00:00:00+00:00")
        row = server.control("create", path="是正処置一覧/版", fields={"Memo": "一"})
        server.control("edit", item=row["id"], fields={"Memo": "二"})
        server.control("edit", item=file, text="改訂した。")
        server.control("draft", item="品質規程/検査")
        server.control("check_out", item=file, login="ren.nakamura")
        server.control("infect", item="品質規程/監査結果/製品安全会議_議事要旨.pdf")
        server.control("delete_principal", login="misaki.sato")
        server.control("delete_principal", group="engineering-all")
        asking = Asking(server, csdl)
        assert {"driveItem/versions", "listItem/versions", "group/owners"} <= asking.walk()
        drives = [server.drive(site, name) for site, name in (("quality", "製品マニュアル"), ("quality", "品質規程"))]
        items = [one for drive in drives for one in asking.pages(f"/drives/{drive}/root/delta", **SHARING)[0]]
        assert all(any(facet in one for one in items) for facet in ("package", "malware", "publication", "shared"))
        links = [
            row["link"]["scope"]
            for one in items
            for row in asking.pages(f"/drives/{one['parentReference']['driveId']}/items/{one['id']}/permissions")[0]
            if "link" in row
        ]
        assert {"anonymous", "organization", "users", "existingAccess"} <= set(links)
