"""Rights as the service applies them: what a person sees is what the rules say, in lists, single records, files and the form alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, Talk, kintone

from infra.sandbox.company.people import PEOPLE, flat_members, person

PERSONAS = ("misaki.sato", "takumi.kato", "yui.takahashi", "akari.mori", "nanami.shimizu", "kaito.sasaki", "taro.gaibu")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


@pytest.mark.parametrize("who", PERSONAS)
@pytest.mark.parametrize("app", [FAQ, DEFECTS])
def test_the_list_holds_exactly_what_the_naive_evaluation_allows(talk: Talk, app: int, who: str) -> None:
    everything = talk.ids(app)
    effective = talk.control("effective", app=app, ids=everything, logins=[who])[who]
    allowed = [number for number in everything if effective[str(number)]["viewable"]]
    if person(who).guest:
        assert allowed == [] and talk.code_of(talk.get("records.json", app=app, who=who)) == (403, "CB_NO02")
    else:
        assert talk.ids(app, who=who) == allowed


def test_questions_for_sales_and_quality_reach_only_them(talk: Talk) -> None:
    def seen(who: str) -> set[str]:
        return {one["公開範囲"]["value"] for one in talk.records(FAQ, "limit 500", who=who)["records"]}

    assert seen("sakura.yamada") == {"社内"}
    assert seen("yui.takahashi") == {"社内", "営業限定"}
    assert seen("aoi.kobayashi") == {"社内", "品質限定"}
    assert seen("kaito.sasaki") == {"社内", "営業限定", "品質限定"}, "a manager who sits on the quality board"


def test_a_hidden_field_is_absent_from_records_and_form_and_cannot_be_asked_about(talk: Talk) -> None:
    inside = talk.records(DEFECTS, "limit 1", who="aoi.kobayashi")["records"][0]
    outside = talk.records(DEFECTS, "limit 1", who="sakura.yamada")["records"][0]
    assert set(inside) - set(outside) == {"原因の詳細"}
    form = talk.get("app/form/fields.json", app=DEFECTS, who="sakura.yamada").json()["properties"]
    assert "原因の詳細" not in form
    assert talk.code_of(talk.get("records.json", app=DEFECTS, query='原因の詳細 like "治具"', who="sakura.yamada")) == (403, "CB_NO02")
    assert talk.records(DEFECTS, who="sakura.yamada", fields=["原因の詳細", "$id"])["records"][0].keys() == {"$id"}


def test_special_orders_belong_to_whoever_is_in_charge(talk: Talk) -> None:
    special = talk.ids(ORDERS, '受注区分 in ("特注")', who="yui.takahashi")
    mine = talk.ids(ORDERS, '受注区分 in ("特注") and 担当者 in ("yui.takahashi@sakura-seiki.example")')
    assert special == mine and mine
    assert len(talk.ids(ORDERS, '受注区分 in ("特注")', who="kenta.suzuki")) > len(mine), "the head of sales is a manager"
    assert talk.ids(ORDERS, '受注区分 in ("特注")', who="sakura.yamada") == []
    assert talk.code_of(talk.get("record.json", app=ORDERS, id=mine[0], who="sakura.yamada")) == (403, "CB_NO02")


def test_evaluate_answers_for_the_caller_as_the_naive_evaluation_does(talk: Talk) -> None:
    ids = talk.ids(FAQ)[:100]
    for who in ("misaki.sato", "yui.takahashi", "nanami.shimizu"):
        effective = talk.control("effective", app=FAQ, ids=ids, logins=[who])[who]
        answer = talk.get("records/acl/evaluate.json", app=FAQ, ids=ids, who=who).json()["rights"]
        assert {one["id"]: one["record"]["viewable"] for one in answer} == {number: one["viewable"] for number, one in effective.items()}
    assert talk.code_of(talk.get("records/acl/evaluate.json", app=FAQ, ids=[*ids, 1], who="misaki.sato")) == (400, "CB_VA01")


def test_an_attachment_goes_only_to_those_who_may_see_its_record(talk: Talk) -> None:
    key = talk.records(DEFECTS, "limit 1")["records"][0]["添付ファイル"]["value"][0]["fileKey"]
    assert talk.get("file.json", token_of=DEFECTS, fileKey=key, who="hinata.yoshida").status_code == 200
    assert talk.code_of(talk.get("file.json", token_of=DEFECTS, fileKey=key, who="yui.takahashi")) == (403, "CB_NO02")


def test_rules_are_shown_to_administrators_and_tokens_only(talk: Talk) -> None:
    for path in ("app/acl.json", "record/acl.json", "field/acl.json"):
        assert talk.get(path, app=DEFECTS).status_code == talk.get(path, app=DEFECTS, who="akari.mori").status_code == 200
        assert talk.code_of(talk.get(path, app=DEFECTS, who="sakura.yamada")) == (403, "CB_NO02")


def test_whoever_may_not_write_cannot(talk: Talk) -> None:
    change = {"app": CUSTOMERS, "id": 1, "record": {"顧客名": {"value": "x"}}}
    assert talk.code_of(talk.send("PUT", "record.json", change, who="sakura.yamada")) == (403, "CB_NO02")
    assert talk.send("PUT", "record.json", change, who="yui.takahashi").status_code == 200
    assert talk.code_of(talk.send("DELETE", "records.json", {"app": FAQ, "ids": [1]}, who="sakura.yamada")) == (403, "CB_NO02")


def test_the_user_api_gives_the_directory_with_nested_groups_flattened(talk: Talk) -> None:
    def ask(path: str, **params: str) -> dict[str, list[dict[str, object]]]:
        return talk.http.get(f"/v1/{path}", params=params, headers=talk.headers(who="akari.mori")).json()

    users = ask("users.json")["users"]
    assert {one["code"] for one in users} == {one.login for one in PEOPLE if not one.guest}
    assert len(ask("users.json", size="5", offset="20")["users"]) == len(users) - 20
    assert {one["code"] for one in ask("organizations.json")["organizations"]} >= {"honsha", "eigyo-east"}
    desk = {one["code"] for one in ask("group/users.json", code="support-desk")["users"]}
    assert desk == flat_members("support-desk")
    mine = {one["code"] for one in ask("user/groups.json", code="misaki.sato@sakura-seiki.example")["groups"]}
    assert mine >= {"everyone", "quality-members", "quality-board", "support-desk"}
    titles = ask("user/organizations.json", code="haruka.ito@sakura-seiki.example")["organizationTitles"]
    assert titles[0]["organization"]["code"] == "eigyo-west"  # type: ignore[index]
    refused = talk.http.get("/v1/users.json", headers=talk.headers(ORDERS))
    assert refused.status_code == 401
