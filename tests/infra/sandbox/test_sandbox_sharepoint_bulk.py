"""A library of very many items answers like any other: every item once, whatever was changed since, and nothing by a walk over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sharepoint_talk import Server, serving

from infra.sandbox.sharepoint import bulk
from infra.sandbox.sharepoint.bulk import ASSIGNMENTS, BOX, LIBRARY, is_folder, item_guid, item_id, name_of, number_of, parent_of
from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash

COUNT = 5_030
PREFER = {"Prefer": "hierarchicalsharing, deltashowsharingchanges", "deltaExcludeParent": "1"}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


@pytest.fixture
def made(server: Server) -> dict[str, Any]:
    return server.control("bulk", items=COUNT)


def everything(server: Server, made: dict[str, Any], top: int = 1000) -> tuple[dict[str, dict[str, Any]], str]:
    """The drive by one full round (last occurrence of an id), and where to go on from."""
    entries, url = [], f"/v1.0/drives/{made['drive_id']}/root/delta?$top={top}"
    while True:
        page = server.get(url, headers=PREFER).json()
        entries += page["value"]
        if "@odata.deltaLink" in page:
            living = {one["id"]: one for one in entries if "root" not in one}
            return {key: one for key, one in living.items() if "deleted" not in one}, page["@odata.deltaLink"]
        url = page["@odata.nextLink"]


def flags(server: Server, made: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Every item by REST, by its number."""
    url = f"{made['site_url']}/_api/web/lists(guid'{made['list_id']}')/items?$select=Id,UniqueId,FileRef,HasUniqueRoleAssignments&$top=2000"
    found: dict[int, dict[str, Any]] = {}
    while url:
        page = server.get(url, headers={"Accept": "application/json;odata=nometadata"}).json()
        found |= {one["Id"]: one for one in page["value"]}
        url = page.get("odata.nextLink", "")
    return found


@pytest.mark.parametrize("number", [1, 2, 101, 999_999, 1_000_000])
def test_ids_look_like_no_other_and_lead_back_to_their_number(number: int) -> None:
    assert number_of(item_id(number)) == number_of(item_guid(number)) == number
    assert len(item_id(number)) == 34 and item_id(number).isalnum() and item_id(number) != item_id(number + 1)
    assert number_of("01NOT-AN-ID") == 0


def test_every_item_lies_in_a_folder_made_before_it_or_in_the_root() -> None:
    for number in range(1, 30_000):
        parent = parent_of(number)
        assert parent < number and (parent == 0 or is_folder(parent))
    assert sum(bulk.is_unique(number) for number in range(1, 100_001)) == 2_000


def test_a_full_round_holds_every_item_once_under_its_folder_with_its_name(server: Server, made: dict[str, Any]) -> None:
    found, link = everything(server, made)
    assert set(found) == {item_id(number) for number in range(1, COUNT + 1)}
    root = server.get(f"/v1.0/drives/{made['drive_id']}/root").json()["id"]
    for number in range(1, COUNT + 1):
        one = found[item_id(number)]
        assert one["name"] == name_of(number) and ("folder" in one) is is_folder(number)
        assert one["parentReference"]["id"] == (item_id(parent_of(number)) if parent_of(number) else root)
    assert server.get(link, headers=PREFER).json()["value"] == []


def test_an_item_told_in_a_page_is_the_item_told_by_itself_and_its_content_is_true(server: Server, made: dict[str, Any]) -> None:
    found, _ = everything(server, made)
    for number in (2, 51, 101, 4_077, COUNT):
        alone = server.get(f"/v1.0/drives/{made['drive_id']}/items/{item_id(number)}", headers=PREFER).json()
        told = found[item_id(number)]
        assert all(alone[key] == value for key, value in told.items() if key != "parentReference")
        assert alone["webUrl"].endswith(f"/{name_of(number)}")
    file = server.get(f"/v1.0/drives/{made['drive_id']}/items/{item_id(4_077)}").json()
    data = server.client.get(file["@microsoft.graph.downloadUrl"]).content
    assert (len(data), quick_xor_hash(data)) == (file["size"], file["file"]["hashes"]["quickXorHash"])


def test_two_of_a_hundred_have_rights_of_their_own_and_both_sides_say_the_same(server: Server, made: dict[str, Any]) -> None:
    found, _ = everything(server, made)
    by_rest = flags(server, made)
    unique = {number for number, row in by_rest.items() if row["HasUniqueRoleAssignments"]}
    assert len(by_rest) == COUNT and len(unique) == made["unique"] and abs(len(unique) - COUNT / 50) <= 2
    assert {item_id(number) for number in unique} == {key for key, one in found.items() if "shared" in one}
    for number in sorted(unique)[:3]:
        path = f"{made['site_url']}/_api/web/lists(guid'{made['list_id']}')/items({number})/RoleAssignments"
        rows = server.get(path, headers={"Accept": "application/json;odata=nometadata"}).json()["value"]
        assert len(rows) == ASSIGNMENTS
    assert by_rest[3]["FileRef"] == f"/sites/bulk/{LIBRARY}/{name_of(1)}/{name_of(3)}"


def test_what_is_changed_added_moved_and_deleted_is_told_and_the_whole_holds_it_once(server: Server, made: dict[str, Any]) -> None:
    _, link = everything(server, made)
    server.control("rename", item=item_id(7), name="改名.pdf")
    server.control("move", item=item_id(8), to=f"{LIBRARY}/{name_of(BOX + 1)}")
    deleted = [item_id(BOX * 20 + 1 + at) for at in range(100)]
    server.control("delete", item=deleted[0])
    fresh = server.control("create", path=f"{LIBRARY}/{name_of(1)}/新規.html")["id"]
    told = {one["id"]: one for one in server.get(f"{link}&$top=1000", headers=PREFER).json()["value"]}
    assert {key for key, one in told.items() if "deleted" in one} == set(deleted)
    assert set(told) - set(deleted) == {item_id(7), item_id(8), fresh}
    whole, _ = everything(server, made, top=400)
    assert set(whole) == {item_id(number) for number in range(1, COUNT + 1)} - set(deleted) | {fresh}
    assert whole[item_id(7)]["name"] == "改名.pdf" and whole[item_id(8)]["parentReference"]["id"] == item_id(BOX + 1)
    assert {row["Id"] for row in flags(server, made).values()} == {number_of(key) for key in set(whole) - {fresh}} | {COUNT + 1}
    children = server.get(f"/v1.0/drives/{made['drive_id']}/items/{item_id(BOX + 1)}/children").json()["value"]
    assert item_id(8) in {one["id"] for one in children} and len(children) == 99 + 10 + 1
    assert server.control("truth", site="bulk", count_only=True)["counts"][LIBRARY] == sum("file" in one for one in whole.values())
    server.control("restore", item=deleted[0])
    assert set(deleted) <= set(everything(server, made)[0])


def test_access_is_evaluated_for_an_item_of_it_as_for_any_other(server: Server, made: dict[str, Any]) -> None:
    inherits, own = (server.control("effective", items=[item_id(number)])["items"][0] for number in (20, 51))
    assert inherits["readers"] and (inherits["unique"], own["unique"]) == (False, True)
    server.control("break_inheritance", item=item_id(20), copy=False)
    assert set(server.control("effective", items=[item_id(20)])["items"][0]["readers"]) < set(inherits["readers"])


def test_the_company_lives_on_beside_it_as_if_it_were_not_there(server: Server, made: dict[str, Any]) -> None:
    _, link = everything(server, made)
    server.control("advance", days=1)
    assert server.get(link, headers=PREFER).json()["value"] == []
    assert server.control("truth", site="quality", count_only=True)["day"] == 1


def test_a_second_one_or_one_too_large_is_refused(server: Server, made: dict[str, Any]) -> None:
    url = f"{server.settings.https_url}/_sandbox/bulk"
    for body, why in (({"items": 10}, "already"), ({"items": 2_000_000}, "1000000")):
        assert why in server.client.post(url, json=body, headers={"X-Sandbox-Admin": "open-sesame"}).json()["error"]
