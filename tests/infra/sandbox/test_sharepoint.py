"""The SharePoint sandbox's authority and Graph on a real socket, asked by real clients: msal, httpx and msgraph-sdk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sharepoint_talk import Server, serving, token_of

from infra.sandbox.company.people import flat_members, group, person
from infra.sandbox.host import SANDBOX_HEADER
from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


# -- the authority ------------------------------------------------------------------------------------------------------------


def test_msal_gets_a_token_with_the_secret_and_with_the_certificate(server: Server) -> None:
    for how in ("secret", "certificate"):
        found = server.token(how)
        assert found.get("token_type") == "Bearer", found


def test_msal_gets_a_token_with_a_certificate_named_by_its_sha1_thumbprint(server: Server) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    pem = Path(server.told["certificate"]).read_text()
    at = pem.index("-----BEGIN CERTIFICATE")
    print_ = x509.load_pem_x509_certificate(pem[at:].encode()).fingerprint(hashes.SHA1()).hex()
    assert "access_token" in server.token(credential={"private_key": pem[:at], "thumbprint": print_})


@pytest.mark.parametrize(("suffix", "code"), [("-wrong", 7000215), ("-expired", 7000222)])
def test_a_wrong_or_expired_secret_is_refused_with_its_aadsts_code(server: Server, suffix: str, code: int) -> None:
    found = server.token(credential=server.told["client_secret"] + suffix)
    assert (found["error"], found["error_codes"]) == ("invalid_client", [code])


def test_a_certificate_nobody_registered_is_refused(server: Server, tmp_path: Path) -> None:
    from infra.sandbox.sharepoint.authority import credentials

    pem = credentials(tmp_path).certificate.read_text()
    at = pem.index("-----BEGIN CERTIFICATE")
    assert server.token(credential={"private_key": pem[:at], "public_certificate": pem[at:]})["error_codes"] == [700027]


def test_the_secret_can_be_let_expire(server: Server) -> None:
    server.control("set_secret_expired")
    try:
        assert server.token("secret")["error_codes"] == [7000222]
    finally:
        server.control("set_secret_expired", expired=False)


# -- Graph --------------------------------------------------------------------------------------------------------------------


def test_a_site_is_found_by_host_and_path_with_and_without_the_port(server: Server) -> None:
    port = server.settings.https_port
    found = [server.get(f"/v1.0/sites/{host}:/sites/quality") for host in ("localhost", f"localhost:{port}")]
    assert [one.json()["displayName"] for one in found] == ["品質ポータル", "品質ポータル"]
    assert found[0].headers[SANDBOX_HEADER] == "1"
    assert server.get(f"/v1.0/sites/{found[0].json()['id']}").json()["webUrl"] == server.told["site_urls"][0]


def test_there_are_at_least_150_documents_and_12_pages(server: Server) -> None:
    rows = [row for site in ("quality", "jinji") for row in server.control("truth", site=site)["items"]]
    assert sum(row["kind"] == "file" for row in rows) >= 150
    assert sum(row["kind"] == "page" for row in rows) >= 12


def test_graph_without_a_token_answers_in_its_own_error_shape(server: Server) -> None:
    response = server.client.get(f"{server.told['graph']}/v1.0/sites/root")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert response.headers["request-id"] == response.json()["error"]["innerError"]["request-id"]


def test_a_full_delta_holds_what_the_truth_holds_and_tells_one_item_twice_over_its_pages(server: Server) -> None:
    drive = server.drive("quality", "製品マニュアル")
    entries, link = server.round(f"/v1.0/drives/{drive.replace('!', '%21')}/root/delta()?$top=30")
    last = {entry["id"]: entry for entry in entries}
    truth = {row["id"]: row for row in server.control("truth", site="quality")["items"] if row["drive_id"] == drive}
    assert {key for key, entry in last.items() if "root" not in entry} == set(truth)
    assert len(entries) > len(last)
    assert all(last[key]["name"] == row["path"].rsplit("/", 1)[-1] for key, row in truth.items())
    assert "cTag" not in entries[0]
    assert link.startswith(server.told["graph"])


def test_a_day_later_the_delta_holds_only_what_changed_and_removed_items_are_marked(server: Server) -> None:
    drives = [server.drive("quality", "製品マニュアル"), server.drive("quality", "品質規程"), server.drive("jinji", "規程と通知")]
    links = {drive: server.get(f"/v1.0/drives/{drive}/root/delta?token=latest").json()["@odata.deltaLink"] for drive in drives}
    changed: list[dict[str, Any]] = []
    for _ in range(12):
        server.control("advance", days=1)
        day: list[dict[str, Any]] = []
        for drive, link in links.items():
            entries, links[drive] = server.round(link)
            day += entries
        assert 3 <= sum("file" in entry for entry in day) <= 6
        changed += day
    assert any(set(entry) == {"id", "parentReference", "deleted"} for entry in changed)
    assert all(server.round(link)[0] == [] for link in links.values())


def test_an_expired_token_is_gone_and_its_location_enumerates_again(server: Server) -> None:
    drive = server.drive("jinji", "規程と通知")
    entries, link = server.round(f"/v1.0/drives/{drive}/root/delta")
    server.control("expire_tokens")
    gone = server.get(link)
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "resyncRequired")
    again, _ = server.round(gone.headers["location"])
    assert {entry["id"] for entry in again} == {entry["id"] for entry in entries}


def test_a_change_of_rights_alone_is_told_to_those_who_ask_for_it(server: Server) -> None:
    drive = server.drive("jinji", "規程と通知")
    _, link = server.round(f"/v1.0/drives/{drive}/root/delta")
    item = server.control("grant", item="規程と通知/旅費/海外出張の手引き.docx", login="rin.kimura")
    page = server.get(link, headers={"Prefer": "hierarchicalsharing, deltashowsharingchanges"}).json()["value"]
    told = {entry["id"]: entry for entry in page}[item["id"]]
    assert told["@microsoft.graph.sharedChanged"] == "True"
    assert told["eTag"] == item["etag"]


def test_a_download_resumes_by_range_and_matches_its_quick_xor_hash(server: Server) -> None:
    drive = server.drive("quality", "品質規程")
    item = server.get(f"/v1.0/drives/{drive}/root:/検査/受入検査規程.docx").json()
    redirect = server.get(f"/v1.0/drives/{drive}/items/{item['id']}/content")
    assert redirect.status_code == 302
    where = redirect.headers["location"]
    assert httpx.URL(where).host == "127.0.0.1"
    assert server.get(where).status_code == 401
    first = server.client.get(where, headers={"Range": "bytes=0-9999"})
    rest = server.client.get(where, headers={"Range": "bytes=10000-"})
    assert (first.status_code, first.headers["content-range"]) == (206, f"bytes 0-9999/{item['size']}")
    assert quick_xor_hash(first.content + rest.content) == item["file"]["hashes"]["quickXorHash"]
    assert server.client.get(where[:-1] + ("0" if where[-1] != "0" else "1")).status_code == 403


def test_permissions_show_the_guest_the_link_and_inheritance_as_an_empty_object(server: Server) -> None:
    drive = server.drive("quality", "製品マニュアル")
    path = f"/v1.0/drives/{drive}/root:/共通"
    guest = server.get(f"{path}/製品共通_安全上の注意.pdf:/permissions").json()["value"]
    assert any(row.get("grantedToV2", {}).get("user", {}).get("email") == "taro.gaibu@partner.example" for row in guest)
    link = server.get(f"{path}/Spare_Parts_Ordering_Guide.html:/permissions").json()["value"]
    assert [row["link"]["scope"] for row in link if "link" in row] == ["organization"]
    inherited = server.get(f"{path}/梱包と輸送の基準.docx:/permissions").json()["value"]
    assert inherited and all(row["inheritedFrom"] == {} for row in inherited)


def test_lists_give_typed_columns_and_fields_and_page_by_item_number(server: Server) -> None:
    site = "/v1.0/sites/localhost:/sites/quality:"
    columns = server.get(f"{site}/lists/是正処置一覧/columns").json()["value"]
    by_name = {column["displayName"]: column for column in columns}
    assert by_name["期限"]["dateTime"]["format"] == "dateOnly"
    seen: list[dict[str, Any]] = []
    url = f"{site}/lists/是正処置一覧/items?$expand=fields&$top=7"
    while url:
        page = server.get(url).json()
        seen += page["value"]
        url = page.get("@odata.nextLink", "")
    assert len(seen) == server.control("truth", site="quality", count_only=True)["counts"]["是正処置一覧"]
    fields = seen[0]["fields"]
    assert fields[by_name["期限"]["name"]].endswith("T15:00:00Z")
    assert isinstance(fields[by_name["影響工程"]["name"]], list)
    assert any(by_name["使用機器"]["name"] + "LookupId" not in row["fields"] for row in seen)


def test_pages_carry_their_text_in_the_canvas(server: Server) -> None:
    pages = server.get("/v1.0/sites/localhost:/sites/quality:/pages/microsoft.graph.sitePage?$expand=canvasLayout").json()["value"]
    page = next(one for one in pages if one["name"] == "校正期限の見方.aspx")
    parts = [part for row in page["canvasLayout"]["horizontalSections"] for column in row["columns"] for part in column["webparts"]]
    assert "シールの色" in parts[0]["innerHtml"]


def test_a_nested_group_shows_everybody_only_transitively(server: Server) -> None:
    board = group("quality-board")
    direct = server.get(f"/v1.0/groups/{board.entra_id}/members").json()["value"]
    below = server.get(f"/v1.0/groups/{board.entra_id}/transitiveMembers/microsoft.graph.user").json()["value"]
    assert group("quality-members").entra_id in {one["id"] for one in direct}
    assert {one["mail"] for one in below} == flat_members("quality-board")
    mine = server.get(f"/v1.0/users/{person('ren.nakamura').entra_id}/transitiveMemberOf").json()["value"]
    assert board.entra_id in {one["id"] for one in mine}


def test_a_batch_answers_each_part_in_another_order_and_throttles_them_one_by_one(server: Server) -> None:
    requests = [{"id": str(n), "method": "GET", "url": "/sites/root" if n else "/sites/nowhere"} for n in range(3)]
    server.control("fault", kind="429", count=1, retry_after=7)
    found = server.get("/v1.0/$batch", method="POST", json={"requests": requests}).json()["responses"]
    assert [(part["id"], part["status"]) for part in found] == [("2", 429), ("1", 200), ("0", 404)]
    assert found[0]["headers"]["Retry-After"] == "7"
    assert server.get("/v1.0/$batch", method="POST", json={"requests": requests * 7}).status_code == 400


@pytest.mark.parametrize("kind", ["429", "503"])
def test_a_fault_answers_so_many_requests_and_then_is_over(server: Server, kind: str) -> None:
    server.control("fault", kind=kind, count=2, retry_after=3)
    answers = [server.get("/v1.0/sites/root") for _ in range(3)]
    assert [one.status_code for one in answers] == [int(kind), int(kind), 200]
    assert answers[0].headers["retry-after"] == "3"


def test_a_dropped_connection_breaks_off_and_heal_clears_what_waits(server: Server) -> None:
    server.control("fault", kind="drop", count=5)
    with pytest.raises(httpx.RemoteProtocolError):
        server.get("/v1.0/sites/root")
    server.control("heal")
    assert server.get("/v1.0/sites/root").status_code == 200


def test_msgraph_sdk_walks_the_delta_over_https(server: Server) -> None:
    from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator, BaseBearerTokenAuthenticationProvider
    from msgraph import GraphServiceClient
    from msgraph.graph_request_adapter import GraphRequestAdapter

    token = token_of(server, "secret")

    class Fixed(AccessTokenProvider):
        async def get_authorization_token(self, uri: str, additional_authentication_context: dict[str, Any] | None = None) -> str:
            return token

        def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
            return AllowedHostsValidator(["localhost"])

    drive = server.drive("quality", "品質規程")

    async def walk() -> tuple[set[str], str | None]:
        async with httpx.AsyncClient(verify=str(server.settings.ca_file)) as client:
            adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Fixed()), client=client)
            adapter.base_url = f"{server.told['graph']}/v1.0"
            builder = GraphServiceClient(request_adapter=adapter).drives.by_drive_id(drive).items.by_drive_item_id("root").delta
            page = await builder.get()
            seen: set[str] = set()
            while page is not None:
                seen |= {item.id or "" for item in page.value or []}
                if not page.odata_next_link:
                    return seen, page.odata_delta_link
                page = await builder.with_url(page.odata_next_link).get()
        return set(), None

    seen, link = asyncio.run(walk())
    entries, _ = server.round(f"/v1.0/drives/{drive}/root/delta")
    assert seen == {entry["id"] for entry in entries}
    assert link is not None
