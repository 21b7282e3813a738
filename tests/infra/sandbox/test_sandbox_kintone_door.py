"""Who gets in and how: every way to log in, scopes, guest and private spaces, languages, the limits of a request, the daily quota."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator

import httpx
import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, Talk, flat, kintone

from infra.sandbox import process

PATH = "/k/v1/records.json"
ONE = flat({"app": ORDERS, "query": "limit 1"})


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(talk: Talk) -> Iterator[None]:
    yield
    talk.control("heal")
    talk.control("basic")


def bearer(talk: Talk, login: str, *scopes: str, **more: float) -> dict[str, str]:
    token = talk.control("oauth", login=login, scopes=list(scopes), **more)["access_token"]
    return {"Authorization": f"Bearer {token}"}


# --- ways to log in -----------------------------------------------------------------------------------------------------------


def test_an_oauth_token_reads_what_its_user_may_and_its_scope_allows(talk: Talk) -> None:
    reader = bearer(talk, "yui.takahashi", "k:app_record:read")
    assert talk.http.get(PATH, params=ONE, headers=reader).status_code == 200
    special = flat({"app": ORDERS, "query": '受注区分 in ("特注") limit 500', "fields": ["担当者"]})
    seen = talk.http.get(PATH, params=special, headers=reader).json()["records"]
    assert seen and {one["担当者"]["value"][0]["code"] for one in seen} == {"yui.takahashi@sakura-seiki.example"}
    assert talk.http.get("/k/v1/app/form/fields.json", params={"app": ORDERS}, headers=reader).status_code == 403
    settings = bearer(talk, "yui.takahashi", "k:app_settings:read")
    assert talk.http.get("/k/v1/app/form/fields.json", params={"app": ORDERS}, headers=settings).status_code == 200
    assert talk.http.get(PATH, params=ONE, headers=settings).status_code == 403


def test_an_expired_or_unknown_oauth_token_is_refused(talk: Talk) -> None:
    short = bearer(talk, "kenta.suzuki", "k:app_record:read", minutes=1)
    assert talk.http.get(PATH, params=ONE, headers=short).status_code == 200
    talk.control("advance", minutes=2)
    assert talk.http.get(PATH, params=ONE, headers=short).status_code == 401
    assert talk.http.get(PATH, params=ONE, headers={"Authorization": "Bearer nobody"}).status_code == 401


def test_a_password_goes_before_a_token_and_a_token_before_oauth(talk: Talk) -> None:
    wrong = {"X-Cybozu-Authorization": base64.b64encode(b"nobody:nothing").decode()}
    assert talk.code_of(talk.http.get(PATH, params=ONE, headers=talk.headers(ORDERS) | wrong)) == (401, "CB_WA01")
    foreign = talk.headers(FAQ) | bearer(talk, "yui.takahashi", "k:app_record:read")
    assert talk.code_of(talk.http.get(PATH, params=ONE, headers=foreign)) == (400, "GAIA_IA02")


def test_a_browsers_session_is_nothing_here(talk: Talk) -> None:
    session = {"Cookie": "JSESSIONID=abc", "X-Requested-With": "XMLHttpRequest"}
    assert talk.code_of(talk.http.get(PATH, params=ONE, headers=session)) == (401, "CB_AU01")


def test_basic_authentication_stands_in_front_and_needs_the_header_that_oauth_wants(talk: Talk) -> None:
    talk.control("basic", user="gate", password="keeper")
    basic = {"Authorization": "Basic " + base64.b64encode(b"gate:keeper").decode()}
    refused = talk.http.get(PATH, params=ONE, headers=talk.headers(ORDERS))
    assert refused.status_code == 401 and "Basic" in refused.headers["WWW-Authenticate"]
    assert not refused.headers["Content-Type"].startswith("application/json")
    assert talk.http.get(PATH, params=ONE, headers=talk.headers(ORDERS) | basic).status_code == 200
    assert talk.code_of(talk.http.get(PATH, params=ONE, headers=basic)) == (401, "CB_AU01")
    assert talk.http.get(PATH, params=ONE, headers=bearer(talk, "yui.takahashi", "k:app_record:read")).status_code == 401


def test_a_user_with_a_second_factor_cannot_use_a_password(talk: Talk) -> None:
    talk.control("break", name="two-factor", login="akari.mori")
    answer = talk.http.get(PATH, params=ONE, headers=talk.headers(who="akari.mori"))
    assert answer.json()["code"] == "CB_TW02" and 400 <= answer.status_code < 500


def test_a_token_made_but_not_deployed_is_dead_until_the_app_is_updated(talk: Talk) -> None:
    talk.control("token", app=FAQ, permissions=["recordViewable"], deployed=False)
    assert talk.code_of(talk.get("records.json", app=FAQ)) == (400, "GAIA_IA02")
    talk.control("token", app=FAQ, permissions=["recordViewable", "recordAddable", "recordEditable", "recordDeletable", "appEditable"])
    assert talk.get("records.json", app=FAQ).status_code == 200


def test_tokens_may_come_in_one_header_or_in_several(talk: Talk) -> None:
    own = talk.headers(ORDERS)["X-Cybozu-API-Token"]
    several = [("X-Cybozu-API-Token", "other"), ("X-Cybozu-API-Token", own)]
    assert talk.http.get(PATH, params=ONE, headers=several).status_code == 200
    assert talk.http.get(PATH, params=ONE, headers=[*several, *[("X-Cybozu-API-Token", f"t{n}") for n in range(8)]]).status_code == 400


def test_what_a_token_cannot_do_is_refused_by_name(talk: Talk) -> None:
    assert talk.code_of(talk.get("apps/statistics.json", token_of=ORDERS)) == (403, "GAIA_NO01")
    assert talk.code_of(talk.send("POST", "app/move.json", {"app": ORDERS, "space": None})) == (403, "GAIA_NO01")
    assert talk.code_of(talk.get("space.json", id=1, token_of=ORDERS)) == (403, "GAIA_NO01")


def test_the_door_for_client_certificates_opens_to_a_certificate_only(talk: Talk) -> None:
    described = process.describe(talk.home)["kintone"]
    mine = described["client_certificate"]
    trusted = ssl.create_default_context(cafile=described["ca_file"])
    with httpx.Client(base_url=mine["base_url"], verify=trusted, trust_env=False) as without, pytest.raises(httpx.TransportError):
        without.get(PATH, params=ONE, headers=talk.headers(ORDERS))
    trusted.load_cert_chain(mine["cert_file"], mine["key_file"])
    with httpx.Client(base_url=mine["base_url"], verify=trusted, trust_env=False) as with_it:
        assert with_it.get(PATH, params=ONE, headers=talk.headers(ORDERS)).status_code == 200


def test_the_directory_opens_to_a_bearer_token_of_its_own(talk: Talk) -> None:
    token = bearer(talk, "akari.mori", "cybozu:directory:read")
    assert token["Authorization"].startswith("Bearer cy.s.api1.")
    assert talk.http.get("/v1/users.json", headers=token).status_code == 200
    assert talk.http.get("/v1/users.json", headers=bearer(talk, "akari.mori", "k:app_record:read")).status_code == 403


# --- spaces -------------------------------------------------------------------------------------------------------------------


def test_a_guest_space_has_a_path_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    with kintone(tmp_path_factory.mktemp("guests")) as talk:
        talk.control("space", id=7, guest=True, members=["yui.takahashi", "taro.gaibu"], app="CUSTOMERS")
        inside = f"/k/guest/7/v1/records.json?app={CUSTOMERS}"
        assert talk.code_of(talk.get("records.json", app=CUSTOMERS)) == (400, "GAIA_IL23")
        assert talk.http.get(inside, headers=talk.headers(CUSTOMERS)).status_code == 200
        assert talk.code_of(talk.http.get(f"/k/guest/7/v1/app.json?id={FAQ}", headers=talk.headers(FAQ))) == (403, "CB_NO02")
        assert talk.code_of(talk.http.get(inside.replace("/7/", "/8/"), headers=talk.headers(CUSTOMERS))) == (403, "CB_NO02")
        assert talk.http.get(inside, headers=talk.headers(who="taro.gaibu")).status_code == 200, "a guest who is a member"
        assert talk.code_of(talk.http.get(inside, headers=talk.headers(who="sakura.yamada"))) == (403, "CB_NO02")
        listed = talk.get("apps.json", who="yui.takahashi").json()["apps"]
        assert "CUSTOMERS" in {one["code"] for one in listed}, "the normal list names guest apps too"
        within = talk.http.get("/k/guest/7/v1/apps.json", headers=talk.headers(who="yui.takahashi")).json()["apps"]
        assert [(one["code"], one["spaceId"]) for one in within] == [("CUSTOMERS", "7")]
        cursor = talk.http.post("/k/guest/7/v1/records/cursor.json", json={"app": CUSTOMERS}, headers=talk.headers(CUSTOMERS)).json()["id"]
        assert talk.code_of(talk.get("records/cursor.json", id=cursor, token_of=CUSTOMERS)) == (400, "GAIA_IL23")
        refused = talk.send("POST", "app/move.json", {"app": FAQ, "space": 7}, who="akari.mori", app=FAQ)
        assert talk.code_of(refused) == (403, "CB_NO02"), "nothing moves into a guest space"


def test_an_app_in_a_private_space_is_for_its_members(talk: Talk) -> None:
    talk.control("space", id=3, private=True, members=["misaki.sato"], name="品質")
    moved = talk.send("POST", "app/move.json", {"app": DEFECTS, "space": 3}, who="akari.mori", app=DEFECTS)
    assert moved.status_code == 200
    assert talk.get("app.json", id=DEFECTS).json()["spaceId"] == "3"
    assert talk.get("records.json", app=DEFECTS, who="misaki.sato").status_code == 200
    assert talk.code_of(talk.get("records.json", app=DEFECTS, who="hinata.yoshida")) == (403, "CB_NO02")
    assert DEFECTS not in {int(one["appId"]) for one in talk.get("apps.json", who="hinata.yoshida").json()["apps"]}
    space = talk.get("space.json", id=3, who="misaki.sato").json()
    assert space["isPrivate"] and [one["appId"] for one in space["attachedApps"]] == [str(DEFECTS)]
    members = talk.get("space/members.json", id=3, who="misaki.sato").json()["members"]
    assert {one["entity"]["code"].partition("@")[0] for one in members} == {"misaki.sato", "akari.mori"}
    assert talk.send("POST", "app/move.json", {"app": DEFECTS}, who="akari.mori", app=DEFECTS).status_code == 200
    assert talk.get("app.json", id=DEFECTS).json()["spaceId"] is None


# --- requests and answers -----------------------------------------------------------------------------------------------------


def test_a_url_of_more_than_eight_kilobytes_is_too_long_and_a_body_is_not(talk: Talk) -> None:
    query = "$id <= 5 and (" + " or ".join(f"$id = {number}" for number in range(1, 900)) + ")"
    answer = talk.get("records.json", app=ORDERS, query=query)
    assert answer.status_code == 414 and "Too Large" in answer.text
    headers = talk.headers(ORDERS) | {"X-HTTP-Method-Override": "GET"}
    assert talk.http.post(PATH, json={"app": ORDERS, "query": query}, headers=headers).status_code == 200


def test_a_url_takes_field_numbers_up_to_99_and_a_body_a_thousand_codes(talk: Talk) -> None:
    headers = talk.headers(ORDERS)
    assert talk.http.get(f"{PATH}?app={ORDERS}&fields[99]=$id", headers=headers).status_code == 200
    assert talk.code_of(talk.http.get(f"{PATH}?app={ORDERS}&fields[100]=$id", headers=headers)) == (400, "CB_VA01")
    for count, status in ((1_000, 200), (1_001, 400)):
        body = {"app": ORDERS, "fields": [f"f{n}" for n in range(count)]}
        assert talk.http.request("GET", PATH, json=body, headers=headers).status_code == status


def test_a_path_in_the_wrong_case_is_not_there(talk: Talk) -> None:
    assert talk.http.get("/k/v1/Records.json", params=ONE, headers=talk.headers(ORDERS)).status_code == 404


def test_the_users_own_language_goes_before_the_browsers(talk: Talk) -> None:
    def message(accept: str) -> str:
        headers = talk.headers(who="kenta.suzuki") | {"Accept-Language": accept}
        return talk.http.get(PATH, params=flat({"app": ORDERS, "query": "limit 501"}), headers=headers).json()["message"]

    follows = message("ja"), message("en")
    talk.control("user", login="kenta.suzuki", language="en")
    assert follows[0] != follows[1] and message("ja") == message("en") == follows[1]
    talk.control("user", login="kenta.suzuki", language="auto")


def test_today_is_today_where_the_user_lives(talk: Talk) -> None:
    number = talk.add(ORDERS, 受注番号="TZ-1", 受注日="2026-06-01")
    only = f"受注日 = TODAY() and $id = {number}"
    ids = [one["$id"]["value"] for one in talk.records(ORDERS, only, who="kenta.suzuki")["records"]]
    talk.control("user", login="kenta.suzuki", timezone="Pacific/Pago_Pago")
    elsewhere = talk.records(ORDERS, only, who="kenta.suzuki")["records"]
    now = talk.records(ORDERS, f"作成日時 <= NOW() and $id = {number}", who="kenta.suzuki")["records"]
    talk.control("user", login="kenta.suzuki", timezone="Asia/Tokyo")
    assert ids == [str(number)] and elsewhere == [] and len(now) == 1, "in Samoa it is still the day before; NOW() is now everywhere"


def test_old_deployments_say_520_and_the_code_stays(talk: Talk) -> None:
    talk.control("break", name="status-520")
    assert talk.code_of(talk.get("records.json", app=ORDERS, query="limit 501")) == (520, "GAIA_QU01")
    assert talk.code_of(talk.get("app.json", id=999, token_of=ORDERS)) == (520, "GAIA_AP01")
    assert talk.code_of(talk.get("records.json", app=ORDERS, token_of=FAQ)) == (520, "GAIA_IA02")
    assert talk.code_of(talk.http.get(PATH, params=ONE)) == (401, "CB_AU01")
    assert talk.code_of(talk.get("apps.json", token_of=ORDERS)) == (403, "GAIA_NO01")


def test_every_error_has_an_id_of_its_own(talk: Talk) -> None:
    ids = {talk.get("records.json", app=ORDERS, query="limit 501").json()["id"] for _ in range(5)}
    assert len(ids) == 5 and all(len(one) == 20 for one in ids)


# --- the daily quota ----------------------------------------------------------------------------------------------------------


def test_calls_are_counted_by_app_and_day_and_some_are_not_counted(talk: Talk) -> None:
    def counted(app: int = FAQ) -> int:
        apps = talk.get("apps/statistics.json", who="akari.mori").json()["apps"]
        return int(next(one for one in apps if one["id"] == str(app))["dailyRequestCount"])

    talk.control("advance", days=1)
    assert counted() == 0
    talk.records(FAQ, "limit 1")
    talk.get("records.json", app=FAQ, query="limit 501")
    talk.get("app/form/fields.json", app=FAQ)
    assert counted() == 3, "a refused call counts too"
    key = talk.records(DEFECTS, "limit 1")["records"][0]["添付ファイル"]["value"][0]["fileKey"]
    before = counted(DEFECTS)
    talk.get("file.json", token_of=DEFECTS, fileKey=key)
    talk.get("apps.json", who="akari.mori")
    assert (counted(DEFECTS), counted()) == (before, 3)
    # 2026-06-02T01:00Z is 10:00 JST; the window ends at 09:00 JST, 23 hours later.
    talk.control("advance", minutes=22 * 60)
    assert counted() == 3
    talk.control("advance", minutes=60)
    assert counted() == 0


def test_statistics_tell_what_is_in_an_app(talk: Talk) -> None:
    facts = {one["id"]: one for one in talk.get("apps/statistics.json", who="akari.mori").json()["apps"]}
    truth = talk.control("truth", app=ORDERS, count=True)["count"]
    assert facts[str(ORDERS)]["recordCount"] == str(truth) and facts[str(ORDERS)]["status"] == "ACTIVATED"
    newest = talk.records(ORDERS, "order by 更新日時 desc limit 1")["records"][0]["更新日時"]["value"]
    assert facts[str(ORDERS)]["recordUpdatedAt"] == newest
    assert int(facts[str(DEFECTS)]["storageUsage"]) > 10_000
    assert [one["id"] for one in talk.get("apps/statistics.json", who="misaki.sato").json()["apps"]] == []


def test_lists_of_apps_come_in_pages_of_a_hundred_at_most(talk: Talk) -> None:
    everything = [one["appId"] for one in talk.get("apps.json", who="akari.mori").json()["apps"]]
    pages = [talk.get("apps.json", who="akari.mori", limit=1, offset=place).json()["apps"] for place in range(len(everything) + 1)]
    assert [one["appId"] for page in pages for one in page] == everything and pages[-1] == []
    assert talk.code_of(talk.get("apps.json", who="akari.mori", limit=101)) == (400, "CB_VA01")
    assert talk.code_of(talk.get("apps.json", who="akari.mori", offset=2**31)) == (400, "CB_VA01")
    assert talk.code_of(talk.get("apps.json", who="akari.mori", codes=["x" * 65])) == (400, "CB_VA01")
    assert [one["code"] for one in talk.get("apps.json", who="akari.mori", name="不具合").json()["apps"]] == ["DEFECTS"]
