"""office365-rest-python-client over our own transport: what it asks, what it may not hide, and how a refusal comes out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest
from sharepoint_world import HOST, Table, api

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FortnightError, SourceUnavailable
from connectors.sharepoint.client import Json
from connectors.sharepoint.office import entities, entity
from connectors.sharepoint.places import Site
from connectors.transport import TransportOptions

SITE = Site("/sites/品質", "h,C0,w", "c0", "品質")
WEB = "/sites/%E5%93%81%E8%B3%AA/_api/Web"
GROUP = f"{WEB}/siteGroups/GetById(5)/Users"
VERBOSE = "application/json;odata=verbose"


def users(first: int, count: int) -> list[Json]:
    return [
        {"Id": number, "LoginName": f"i:0#.f|membership|u{number}@q.example", "PrincipalType": 1} for number in range(first, first + count)
    ]


def group(table: Table) -> list[int]:
    return [one["Id"] for one in entities(api(table, HOST), SITE, lambda web: web.site_groups.get_by_id(5).users, "Id")]  # pyright: ignore[reportArgumentType]


def test_every_page_of_a_site_group_is_read_and_each_is_asked_in_the_same_dialect() -> None:
    table = Table({
        GROUP: {"value": users(1, 2), "odata.nextLink": f"{HOST}{GROUP}?$skiptoken=2"},
        f"{GROUP}?$skiptoken=2": {"value": users(3, 1)},
    })  # fmt: skip
    assert group(table) == [1, 2, 3]
    assert [(one.method, one.headers["Accept"]) for one in table.asked] == [("GET", VERBOSE)] * 2


def test_a_full_page_that_names_no_next_one_is_not_taken_for_the_end() -> None:
    table = Table({GROUP: {"value": users(1, 100)}, f"{GROUP}?$top=100&$skip=100": {"value": users(101, 3)}})
    assert len(group(table)) == 103


def test_a_source_that_says_the_same_page_again_is_a_broken_reply() -> None:
    with pytest.raises(BrokenReply, match="came back to a page"):
        group(Table({GROUP: {"value": users(1, 100)}}))


def test_a_page_that_names_itself_as_the_next_one_is_a_broken_reply() -> None:
    link = f"{HOST}{GROUP}?$skiptoken=2"
    table = Table(
        {GROUP: {"value": users(1, 1), "odata.nextLink": link}, f"{GROUP}?$skiptoken=2": {"value": users(2, 1), "odata.nextLink": link}}
    )
    with pytest.raises(BrokenReply):
        group(table)
    assert len(table.asked) == 2


def test_a_next_page_at_another_host_is_never_asked_for() -> None:
    table = Table({GROUP: {"value": users(1, 1), "odata.nextLink": "https://elsewhere.example/page2"}})
    with pytest.raises(BrokenReply, match=r"elsewhere\.example"):
        group(table)
    assert len(table.asked) == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"value": []}, {"d": {}}, {"d": {"results": None}}, {"d": {"results": [1]}}, {"d": {"results": [{"Title": "no id"}]}}, {"d": []}, [], None],
)  # fmt: skip
def test_what_is_no_collection_is_never_taken_for_an_empty_one(body: Any) -> None:
    with pytest.raises(BrokenReply):
        group(Table({GROUP: lambda request: httpx.Response(200, json=body)}))


def test_a_login_page_in_place_of_an_answer_is_a_broken_reply() -> None:
    page = httpx.Response(200, text="<html>ログイン</html>", headers={"Content-Type": "text/html"})
    with pytest.raises(BrokenReply, match="text/html"):
        group(Table({GROUP: lambda request: page}))


def test_a_member_of_an_odd_shape_is_a_broken_reply_and_not_a_crash() -> None:
    odd = {"d": {"results": [{"PrincipalId": 1, "Member": {"Id": 1}, "RoleDefinitionBindings": {"results": [7]}}]}}
    table = Table({f"{WEB}/RoleAssignments": lambda request: httpx.Response(200, json=odd)})
    with pytest.raises(BrokenReply, match="cannot be read"):
        list(entities(api(table, HOST), SITE, lambda web: web.role_assignments, "PrincipalId"))


@pytest.mark.parametrize(
    ("status", "error"), [(403, AccessRefused), (404, AddressUnknown), (423, AccessRefused), (400, BrokenReply), (503, SourceUnavailable)]
)
def test_a_refusal_comes_out_as_our_own_error(status: int, error: type[FortnightError]) -> None:
    table = Table({GROUP: (status, {}, {"error": {"code": "-1, X", "message": {"lang": "ja-JP", "value": "だめ"}}})})
    with pytest.raises(error):
        group(table)
    with pytest.raises(error):
        entity(api(Table({WEB: (status, {}, {"error": {"code": "-1, X"}})}), HOST), SITE, lambda web: web)


def test_a_throttled_read_is_asked_again_by_our_transport_with_a_request_id_each_time() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "0"}), httpx.Response(200, json={"d": {"results": users(1, 1)}})]
    table = Table({GROUP: lambda request: answers.pop(0)})
    assert group(table) == [1]
    ids = [one.headers["client-request-id"] for one in table.asked]
    assert len(set(ids)) == 2
    assert {one.headers["User-Agent"] for one in table.asked} == {TransportOptions().user_agent}, "ours, and not the library's"


def test_a_token_refused_in_the_middle_is_renewed_once() -> None:
    def only_renewed(request: httpx.Request) -> httpx.Response:
        good = request.headers["Authorization"].startswith("Bearer token-1-")
        return httpx.Response(200, json={"d": {"results": users(1, 1)}}) if good else httpx.Response(401)

    table = Table({GROUP: only_renewed})
    assert group(table) == [1] and len(table.asked) == 2


def test_nothing_but_reads_leaves_and_no_form_digest_is_posted_for() -> None:
    table = Table({WEB: {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True}})
    rest = api(table, HOST)
    assert entity(rest, SITE, lambda web: web, "Id", "Title")["Title"] == "品質"
    assert [one.url.path.rpartition("/")[2] for one in table.asked] == ["Web"]
    assert table.asked[0].url.params["$select"] == "Id,Title"
    with pytest.raises(AssertionError, match="only reads"):
        entity(rest, SITE, lambda web: web.break_role_inheritance())
    assert len(table.asked) == 1


def test_the_library_is_not_loaded_until_permissions_are_read() -> None:
    program = "import sys, connectors.sharepoint.connector; print('office365' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
