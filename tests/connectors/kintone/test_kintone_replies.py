"""Replies are judged by kintone's code, then by the status; what is not JSON is never data."""

from __future__ import annotations

import httpx
import pytest
from kintone_world import World, answered, connector, order, refused, stream

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, FortnightError, SourceUnavailable
from connectors.protocol import Window

HTML = httpx.Response(200, content="<html>ただいま混雑しています</html>".encode(), headers={"Content-Type": "text/html"})


def world_that_answers(*answers: httpx.Response, resource: str = "records.json") -> World:
    """A world of two records whose first answers on ``resource`` are the given ones; then it is well again."""
    left = list(answers)

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return left.pop(0) if left and request.url.path.endswith("/" + resource) else None

    return World(records=[order(1), order(2)], before=before)


def world_that_always_answers(answer: httpx.Response, resource: str) -> World:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return answer if request.url.path.endswith("/" + resource) else None

    return World(records=[order(1)], before=before)


def test_a_pull_outlives_maintenance_text_gateway_html_a_throttle_and_a_busy_database() -> None:
    world = world_that_answers(
        httpx.Response(503, text="Service Unavailable"),
        httpx.Response(502, text="<html>overload</html>", headers={"Content-Type": "text/html"}),
        refused("GAIA_TO04", 429),
    )
    pages = list(connector(world, login=False).pull(stream(), Window()))
    assert sum(page.rows.num_rows for page in pages) == 2
    world = world_that_answers(refused("GAIA_DA02", 400), refused("GAIA_LT01", 520))
    assert connector(world, login=False).count(stream()) == 2


def test_a_throttle_that_does_not_end_is_unavailable_and_not_an_empty_app() -> None:
    world = world_that_always_answers(refused("GAIA_TO04", 429), "records.json")
    with pytest.raises(SourceUnavailable):
        list(connector(world, login=False).pull(stream(), Window()))


def test_a_good_status_with_html_is_an_error_and_not_zero_rows() -> None:
    with pytest.raises(BrokenReply, match="not JSON"):
        list(connector(world_that_answers(HTML), login=False).pull(stream(), Window()))


def test_a_search_that_kintone_cut_short_is_discarded() -> None:
    partial = answered({"records": [], "totalCount": None}, **{"X-Cybozu-Warning": "Filter aborted because of too many search results"})
    with pytest.raises(BrokenReply, match="cut the search"):
        list(connector(world_that_answers(partial), login=False).pull(stream(), Window()))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 520])
@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("GAIA_IA02", AccessRefused, "kintone.token_refused"),
        ("GAIA_NO01", AccessRefused, "kintone.token_lacks_right"),
        ("CB_WA01", AccessRefused, "kintone.login_refused"),
        ("CB_AU01", AccessRefused, "kintone.login_refused"),
        ("CB_TW02", AccessRefused, "kintone.two_factor"),
        ("CB_NO02", AccessRefused, "kintone.no_privilege"),
        ("GAIA_AP01", AddressUnknown, "kintone.app_gone"),
        ("GAIA_IL23", AddressUnknown, "kintone.guest_path"),
        ("GAIA_IQ11", BrokenReply, "kintone.query_refused"),
    ],
)
def test_the_code_decides_whatever_the_status_and_each_error_says_what_to_do(
    code: str, kind: type[FortnightError], message: str, status: int
) -> None:
    world = world_that_always_answers(refused(code, status, "拒否されました。"), "records.json")
    with pytest.raises(kind) as caught:
        connector(world, login=False).count(stream())
    assert caught.value.code == message
    for lang in ("ja", "en"):
        said = caught.value.say(lang)
        assert "sakura.cybozu.example" in said
        assert message not in said and "{" not in said
    assert len([request for request in world.asked if request.url.path.endswith("records.json")]) == 1


def test_a_redirect_to_a_login_page_is_told_apart_from_data() -> None:
    world = world_that_always_answers(httpx.Response(302, headers={"Location": "https://sakura.cybozu.example/login"}), "fields.json")
    with pytest.raises(AccessRefused) as caught:
        connector(world, login=False).describe(stream())
    assert caught.value.code == "kintone.redirected"


def test_a_host_that_is_not_kintone_is_named_with_the_remedy() -> None:
    world = world_that_always_answers(
        httpx.Response(404, text="<html>nothing here</html>", headers={"Content-Type": "text/html"}), "app.json"
    )
    with pytest.raises(BrokenReply, match="base_url"):
        connector(world, login=False).describe(stream())


def test_an_unknown_app_code_names_the_nearest_candidates() -> None:
    with pytest.raises(AddressUnknown) as caught:
        connector(World()).describe(stream(source={"app_code": "ORDER"}))
    assert "ORDERS (id 12, 受注)" in str(caught.value)


def test_with_tokens_alone_an_app_is_verified_by_its_id_and_never_guessed() -> None:
    with pytest.raises(FixConfiguration) as needed:
        connector(World(), login=False).describe(stream(source={"app_code": "ORDERS"}))
    assert needed.value.code == "kintone.app_id_needed"
    with pytest.raises(AddressUnknown) as another:
        connector(World(), login=False).describe(stream(source={"app_code": "INVOICES", "app_id": 12}))
    assert another.value.code == "kintone.app_is_another"


def test_no_secret_stands_in_an_error_or_a_repr() -> None:
    world = world_that_always_answers(refused("GAIA_IA02", 400), "records.json")
    opened = connector(world)
    with pytest.raises(AccessRefused) as caught:
        opened.count(stream())
    shown = f"{caught.value!r} {caught.value.say('ja')} {opened!r} {opened._config!r}"  # pyright: ignore[reportPrivateUsage]
    assert "token-secret-1" not in shown
    assert "password-secret-1" not in shown


def test_a_long_query_travels_as_post_with_the_override_header() -> None:
    world = World(records=[order(1)])
    codes = " or ".join(f'件名 = "{"あ" * 40}{number}"' for number in range(60))
    assert connector(world, login=False).count(stream(source={"app_code": "ORDERS", "app_id": 12, "condition": codes})) == 1
    last = world.asked[-1]
    assert (last.method, last.headers["X-HTTP-Method-Override"]) == ("POST", "GET")
    assert last.headers["Content-Type"] == "application/json"


def test_a_get_without_a_body_sends_no_content_type() -> None:
    world = World(records=[order(1)])
    connector(world, login=False).count(stream())
    assert all("Content-Type" not in request.headers for request in world.asked if request.method == "GET")


def test_records_come_by_token_and_rules_by_login() -> None:
    world = World(records=[order(1)])
    list(connector(world).pull(stream(), Window()))
    for request in world.asked:
        by_token = request.url.path.rsplit("/", 1)[1] in ("records.json", "fields.json", "settings.json")
        assert ("X-Cybozu-API-Token" in request.headers) == by_token
        assert ("X-Cybozu-Authorization" in request.headers) == (not by_token)
