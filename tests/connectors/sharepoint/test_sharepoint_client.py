from __future__ import annotations

import base64
import json

import httpx
import pytest
from sharepoint_world import GRAPH, Table, api, tenant

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FortnightError, SourceUnavailable
from connectors.sharepoint.discover import discover


def test_a_claims_challenge_is_answered_once_with_a_fresh_token() -> None:
    claims = json.dumps({"access_token": {"nbf": {"essential": True}}})
    challenge = f'Bearer realm="", error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode()}"'

    def guarded(request: httpx.Request) -> httpx.Response:
        good = request.headers["Authorization"].endswith(f"-{claims}")
        return httpx.Response(200, json={"ok": True}) if good else httpx.Response(401, headers={"WWW-Authenticate": challenge})

    table = Table({"/v1.0/me": guarded})
    assert api(table).json("me") == {"ok": True} and len(table.asked) == 2


def test_a_second_challenge_fails() -> None:
    table = Table({"/v1.0/me": (401, {"WWW-Authenticate": 'Bearer claims="e30="'}, {"error": {"code": "InvalidAuthenticationToken"}})})
    with pytest.raises(AccessRefused, match="InvalidAuthenticationToken"):
        api(table).json("me")
    assert len(table.asked) == 2


def test_a_token_that_is_no_longer_taken_is_renewed_once_for_everybody() -> None:
    def guarded(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"ok": True}) if "token-1-" in request.headers["Authorization"] else httpx.Response(401)

    table = Table({"/v1.0/me": guarded})
    one = api(table)
    assert one.json("me") == {"ok": True} and one.json("me") == {"ok": True}
    assert len(table.asked) == 3


def test_a_renewed_token_that_is_refused_too_is_the_end() -> None:
    table = Table({"/v1.0/me": (401, {}, {"error": {"code": "InvalidAuthenticationToken"}})})
    with pytest.raises(AccessRefused, match="InvalidAuthenticationToken"):
        api(table).json("me")
    assert len(table.asked) == 2


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(403, AccessRefused, "accessDenied"), (423, AccessRefused, "locked or archived"), (404, AddressUnknown, "nothing at"), (400, BrokenReply, "400"),
     (503, SourceUnavailable, "HTTP 503")],
)  # fmt: skip
def test_each_status_becomes_the_error_that_says_what_to_do(status: int, error: type[FortnightError], said: str) -> None:
    table = Table({"/v1.0/sites/S": (status, {}, {"error": {"code": "accessDenied"}})})
    with pytest.raises(error, match=said):
        api(table).json("sites/S?token=not-shown")


def test_an_html_page_in_place_of_json_is_a_broken_reply() -> None:
    table = Table(
        {"/v1.0/sites/S": lambda request: httpx.Response(200, text="<html>ログイン</html>", headers={"Content-Type": "text/html"})}
    )
    with pytest.raises(BrokenReply, match="text/html"):
        api(table).json("sites/S")


def test_every_page_of_a_collection_is_read() -> None:
    table = Table({
        "/v1.0/users": {"value": [{"id": 1}], "@odata.nextLink": f"{GRAPH}/v1.0/users?$skiptoken=2"},
        "/v1.0/users?$skiptoken=2": {"value": [{"id": 2}]},
    })  # fmt: skip
    assert [one["id"] for one in api(table).values("users", params={"$select": "id"})] == [1, 2]


def test_a_locked_site_does_not_keep_the_others_from_being_offered() -> None:
    here = "/v1.0/sites/contoso.sharepoint.example:/sites/"
    graph = Table({
        f"{here}archived": (423, {}, {"error": {"code": "resourceLocked"}}),
        f"{here}quality": {"id": "S", "displayName": "品質"},
        "/v1.0/sites/S/drives": {"value": []},
        "/v1.0/sites/S/lists": {"value": []},
        "/v1.0/sites/S/pages/microsoft.graph.sitePage": {"value": [{"id": "P1"}]},
    })  # fmt: skip
    whole = tenant(graph)
    object.__setattr__(whole, "config", whole.config.model_copy(update={"sites": ("/sites/archived", "/sites/quality")}))
    offers = discover(whole)
    assert next(offers).name == "quality-pages-1"
    with pytest.raises(AccessRefused, match="resourceLocked"):
        next(offers)


def test_each_of_several_closed_sites_is_named_with_its_reason() -> None:
    here = "/v1.0/sites/contoso.sharepoint.example:/sites/"
    graph = Table({
        f"{here}archived": (423, {}, {"error": {"code": "resourceLocked"}}),
        f"{here}private": (403, {}, {"error": {"code": "accessDenied"}}),
    })  # fmt: skip
    whole = tenant(graph)
    object.__setattr__(whole, "config", whole.config.model_copy(update={"sites": ("/sites/archived", "/sites/gone", "/sites/private")}))
    with pytest.raises(AccessRefused) as refused:
        list(discover(whole))
    for said in (refused.value.say("ja"), refused.value.say("en")):
        assert all(
            part in said for part in ("/sites/archived (423 resourceLocked)", "/sites/gone (404)", "/sites/private (403 accessDenied)")
        )
