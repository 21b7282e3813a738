"""What can go wrong goes wrong as the sheet says, by name, and is healed where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kintone_talk import CUSTOMERS, FAQ, ORDERS, Talk, flat, kintone

from infra.sandbox.process import SandboxError

PATH = "/k/v1/records.json"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(talk: Talk) -> Iterator[None]:
    yield
    talk.control("heal")


def broken(talk: Talk, name: str, **more: Any) -> dict[str, Any]:
    return talk.control("break", name=name, **more)


def revision(talk: Talk, app: int = ORDERS) -> int:
    return int(talk.get("app/form/fields.json", app=app).json()["revision"])


def record(talk: Talk, number: int = 20, app: int = ORDERS) -> dict[str, Any]:
    return talk.get("record.json", app=app, id=number).json()["record"]


# --- the form and its values --------------------------------------------------------------------------------------------------


def test_every_break_has_a_line_in_both_languages_and_an_unknown_one_names_them(talk: Talk) -> None:
    known = talk.control("breaks")["breaks"]
    assert len(known) >= 25 and all(one["ja"] and one["en"] for one in known)
    with pytest.raises(SandboxError, match="rename-field"):
        broken(talk, "nothing-of-the-kind")


def test_a_renamed_field_is_silently_gone_from_lists_and_refused_in_queries(talk: Talk) -> None:
    before = record(talk)
    done = broken(talk, "rename-field", app="ORDERS", field="備考", to="摘要")
    assert done["healable"] and record(talk)["摘要"] == before["備考"]
    assert set(talk.records(ORDERS, "limit 1", fields=["備考", "$id"])["records"][0]) == {"$id"}
    assert talk.code_of(talk.get("records.json", app=ORDERS, query='備考 like "木箱"')) == (400, "GAIA_IQ11")
    talk.control("heal", name="rename-field")
    assert record(talk) == before


def test_a_renamed_option_changes_stored_values_and_moves_no_record(talk: Talk) -> None:
    number = talk.ids(ORDERS, '受注区分 in ("標準")')[0]
    before, shape = record(talk, number), revision(talk)
    broken(talk, "rename-option", app="ORDERS", field="受注区分", option="標準", to="通常")
    after = record(talk, number)
    assert (before["受注区分"]["value"], after["受注区分"]["value"]) == ("標準", "通常")
    assert after["$revision"] == before["$revision"] and after["更新日時"] == before["更新日時"]
    assert revision(talk) == shape + 1
    assert talk.code_of(talk.get("records.json", app=ORDERS, query='受注区分 in ("標準")')) == (400, "GAIA_IQ10")
    options = talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["受注区分"]["options"]
    assert options["通常"]["index"] == "0"


def test_a_renamed_option_is_renamed_in_the_rules_that_name_it(talk: Talk) -> None:
    broken(talk, "rename-option", app="ORDERS", field="受注区分", option="特注", to="特別")
    assert talk.get("record/acl.json", app=ORDERS).json()["rights"][0]["filterCond"] == '受注区分 in ("特別")'
    assert talk.ids(ORDERS, '受注区分 in ("特別")', who="sakura.yamada") == []


def test_a_removed_option_stays_in_old_records_and_is_refused_in_filters(talk: Talk) -> None:
    number = talk.ids(ORDERS, '受注区分 in ("修理")')[0]
    broken(talk, "remove-option", app="ORDERS", field="受注区分", option="修理")
    assert record(talk, number)["受注区分"]["value"] == "修理"
    assert talk.code_of(talk.get("records.json", app=ORDERS, query='受注区分 in ("修理")')) == (400, "GAIA_IQ10")


def test_a_replaced_field_has_the_same_code_another_type_and_no_values(talk: Talk) -> None:
    before = record(talk, 3, CUSTOMERS)
    done = broken(talk, "replace-type", app="CUSTOMERS", field="与信限度額", type="SINGLE_LINE_TEXT")
    after = record(talk, 3, CUSTOMERS)
    assert not done["healable"] and after["与信限度額"] == {"type": "SINGLE_LINE_TEXT", "value": None}
    assert (after["$revision"], after["更新日時"]) == (before["$revision"], before["更新日時"])
    assert list(after) == list(before), "it stands where the old one stood"


def test_a_deleted_field_is_absent_and_an_added_one_null(talk: Talk) -> None:
    broken(talk, "delete-field", app="CUSTOMERS", field="フリガナ")
    broken(talk, "add-field", app="CUSTOMERS", field="備考欄")
    after = record(talk, 3, CUSTOMERS)
    assert "フリガナ" not in after and after["備考欄"]["value"] is None
    talk.control("heal")
    assert "備考欄" not in record(talk, 3, CUSTOMERS)


def test_the_number_precision_is_in_the_settings_and_moves_the_revision(talk: Talk) -> None:
    shape = revision(talk)
    broken(talk, "precision", app="ORDERS")
    settings = talk.get("app/settings.json", app=ORDERS).json()
    assert settings["numberPrecision"] == {"digits": "30", "decimalPlaces": "10", "roundingMode": "HALF_EVEN"}
    assert int(settings["revision"]) == shape + 1


def test_a_renamed_state_changes_the_records_that_are_in_it(talk: Talk) -> None:
    before = record(talk)
    broken(talk, "rename-status", app="ORDERS", option=before["ステータス"]["value"], to="済")
    assert record(talk)["ステータス"]["value"] == "済" and record(talk)["$revision"] == before["$revision"]
    assert "済" in talk.get("app/status.json", app=ORDERS).json()["states"]


def test_without_process_management_the_state_is_absent_from_records_and_disabled_in_the_form(talk: Talk) -> None:
    broken(talk, "disable-process", app="ORDERS")
    assert not {"ステータス", "作業者"} & set(record(talk))
    fields = talk.get("app/form/fields.json", app=ORDERS).json()["properties"]
    assert fields["ステータス"]["enabled"] is False
    assert talk.get("app/status.json", app=ORDERS).json()["enable"] is False
    talk.control("heal")
    assert "ステータス" in record(talk)


# --- the app ------------------------------------------------------------------------------------------------------------------


def test_the_app_code_changes_every_record_number_and_no_id(talk: Talk) -> None:
    before = record(talk)
    broken(talk, "set-app-code", app="ORDERS", to="JUCHU")
    after = record(talk)
    assert (before["レコード番号"]["value"], after["レコード番号"]["value"]) == ("ORDERS-20", "JUCHU-20")
    assert {**after, "レコード番号": None} == {**before, "レコード番号": None}
    assert talk.ids(ORDERS, 'レコード番号 = "JUCHU-20"') == [20]
    assert talk.get("apps.json", who="akari.mori", codes=["ORDERS"]).json()["apps"] == []
    lookup = talk.control("break", name="set-app-code", app="CUSTOMERS", to="KOKYAKU") and talk.get("app/form/fields.json", app=ORDERS)
    assert lookup.json()["properties"]["顧客コード"]["lookup"]["relatedApp"]["code"] == "KOKYAKU"
    broken(talk, "set-app-code", app="JUCHU", to="")
    talk.control("heal")
    assert record(talk) == before


def test_a_recreated_app_has_a_new_id_no_code_no_records_and_another_token(talk: Talk) -> None:
    done = broken(talk, "recreate-app", app="FAQ")
    new, token = int(done["app"]), {"X-Cybozu-API-Token": done["api_token"]}
    assert talk.code_of(talk.get("app.json", id=FAQ)) == (404, "GAIA_AP01")
    facts = talk.http.get("/k/v1/app.json", params={"id": new}, headers=token).json()
    assert (facts["code"], facts["appId"]) == ("", str(new)) and facts["name"] == "製品FAQ"
    assert talk.http.get(PATH, params={"app": new}, headers=token).json()["records"] == []
    assert talk.code_of(talk.http.get(PATH, params={"app": new}, headers=talk.headers(FAQ))) == (400, "GAIA_IA02")
    talk.control("heal")
    assert talk.get("app.json", id=FAQ).json()["code"] == "FAQ" and len(talk.ids(FAQ)) >= 160


def test_a_deleted_app_is_unknown_and_comes_back_with_its_records_and_without_its_code(talk: Talk) -> None:
    ids = talk.ids(CUSTOMERS)
    cursor = talk.send("POST", "records/cursor.json", {"app": CUSTOMERS}).json()["id"]
    broken(talk, "delete-app", app="CUSTOMERS")
    assert talk.code_of(talk.get("records.json", app=CUSTOMERS)) == (404, "GAIA_AP01")
    assert talk.code_of(talk.get("records/cursor.json", id=cursor, token_of=CUSTOMERS)) == (404, "GAIA_CN01")
    assert str(CUSTOMERS) not in {one["appId"] for one in talk.get("apps.json", who="akari.mori").json()["apps"]}
    broken(talk, "restore-app", app="CUSTOMERS")
    assert talk.get("app.json", id=CUSTOMERS).json()["code"] == "" and talk.ids(CUSTOMERS) == ids
    assert record(talk, 3, CUSTOMERS)["レコード番号"]["value"] == "3"
    broken(talk, "set-app-code", app=str(CUSTOMERS), to="CUSTOMERS")


def test_healing_a_deleted_app_sets_its_code_again_and_says_so_and_a_later_heal_leaves_it(talk: Talk) -> None:
    broken(talk, "delete-app", app="CUSTOMERS")
    healed = talk.control("heal", name="delete-app")
    assert (healed["healed"], healed["codes"]) == (["delete-app"], [{"app": str(CUSTOMERS), "code": "CUSTOMERS"}])
    assert talk.control("heal")["codes"] == []
    assert talk.get("app.json", id=CUSTOMERS).json()["code"] == "CUSTOMERS"
    assert record(talk, 3, CUSTOMERS)["レコード番号"]["value"] == "CUSTOMERS-3"


def test_a_code_set_by_hand_after_a_restore_outlives_every_heal(talk: Talk) -> None:
    broken(talk, "delete-app", app="FAQ")
    broken(talk, "restore-app", app="FAQ")
    broken(talk, "set-app-code", app=str(FAQ), to="FAQ")
    assert talk.control("heal", name="delete-app")["codes"] == [], "there was nothing left to set"
    talk.control("heal")
    assert talk.get("app.json", id=FAQ).json()["code"] == "FAQ"


def test_healing_a_deletion_takes_no_code_from_an_app_that_has_it_now(talk: Talk) -> None:
    broken(talk, "delete-app", app="FAQ")
    broken(talk, "set-app-code", app="CUSTOMERS", to="FAQ")
    assert talk.control("heal", name="delete-app")["codes"] == []
    assert talk.get("app.json", id=FAQ).json()["code"] == ""
    talk.control("heal")
    broken(talk, "set-app-code", app=str(FAQ), to="FAQ")


def test_a_renumbered_app_and_one_in_another_space(talk: Talk) -> None:
    done = broken(talk, "renumber-app", app="FAQ", id=77)
    assert done["was"] == str(FAQ) and talk.get("app.json", id=77, token_of=FAQ).json()["code"] == "FAQ"
    talk.control("heal")
    broken(talk, "move-app", app="FAQ", space=5)
    assert talk.get("app.json", id=FAQ).json()["spaceId"] == "5"
    assert [one["code"] for one in talk.get("apps.json", who="akari.mori", spaceIds=[5]).json()["apps"]] == ["FAQ"]


# --- rights and identities ----------------------------------------------------------------------------------------------------


def test_a_cut_token_and_changed_rights(talk: Talk) -> None:
    broken(talk, "cut-token", app="FAQ")
    assert talk.code_of(talk.get("records.json", app=FAQ)) == (400, "GAIA_IA02")
    talk.control("heal", name="cut-token")
    broken(talk, "cut-token", app="FAQ", permissions=["appEditable"])
    assert talk.code_of(talk.get("records.json", app=FAQ)) == (403, "GAIA_NO01")
    shape = revision(talk, CUSTOMERS)
    broken(talk, "change-acl", app="CUSTOMERS")
    assert talk.code_of(talk.get("records.json", app=CUSTOMERS, who="yui.takahashi")) == (403, "CB_NO02")
    assert talk.get("records.json", app=CUSTOMERS, who="akari.mori").status_code == 200
    assert revision(talk, CUSTOMERS) == shape + 1
    talk.control("heal")
    assert talk.get("records.json", app=FAQ).status_code == talk.get("records.json", app=CUSTOMERS, who="yui.takahashi").status_code == 200


def test_a_record_rule_may_name_whoever_made_the_record(talk: Talk) -> None:
    own = [{"entity": {"type": "FIELD_ENTITY", "code": "作成者"}, "viewable": True}]
    broken(talk, "change-acl", app="ORDERS", area="record_acl", rights=[{"filterCond": "", "entities": own}])
    seen = talk.records(ORDERS, "limit 500", who="yui.takahashi")["records"]
    assert seen and {one["作成者"]["value"]["code"] for one in seen} == {"yui.takahashi@sakura-seiki.example"}
    ids = [int(one["$id"]["value"]) for one in seen[:50]] + talk.ids(ORDERS)[:50]
    rights = talk.get("records/acl/evaluate.json", app=ORDERS, ids=ids, who="yui.takahashi").json()["rights"]
    viewable = {int(one["id"]) for one in rights if one["record"]["viewable"]}
    assert viewable == {number for number in ids if record(talk, number)["作成者"]["value"]["code"].startswith("yui.takahashi")}


def test_an_organisation_with_those_below_it_lets_in_who_is_below(talk: Talk) -> None:
    def rule(subs: bool) -> list[dict[str, Any]]:
        right = {"entity": {"type": "ORGANIZATION", "code": "eigyo"}, "viewable": True, "includeSubs": subs}
        return [{"filterCond": "$id <= 10", "entities": [right]}, {"filterCond": "", "entities": []}]

    broken(talk, "change-acl", app="ORDERS", area="record_acl", rights=rule(True))
    assert talk.ids(ORDERS, "$id <= 10", who="haruka.ito") == list(range(1, 11))
    broken(talk, "change-acl", app="ORDERS", area="record_acl", rights=rule(False))
    assert talk.ids(ORDERS, "$id <= 10", who="haruka.ito") == []
    assert talk.ids(ORDERS, "$id <= 10", who="kenta.suzuki") == list(range(1, 11)), "who belongs to it directly"


def test_a_renamed_login_shows_in_every_record_and_moves_none(talk: Talk) -> None:
    number = talk.ids(ORDERS, '担当者 in ("yui.takahashi@sakura-seiki.example")')[0]
    before = record(talk, number)
    broken(talk, "login-rename", login="yui.takahashi", to="yui.ota@sakura-seiki.example")
    after = record(talk, number)
    assert after["担当者"]["value"] == [{"code": "yui.ota@sakura-seiki.example", "name": "髙橋 結衣"}]
    assert (after["$revision"], after["更新日時"]) == (before["$revision"], before["更新日時"])
    assert number in talk.ids(ORDERS, '担当者 in ("yui.ota@sakura-seiki.example") and $id <= 100000')
    gone = talk.get("records.json", app=ORDERS, query='担当者 in ("yui.takahashi@sakura-seiki.example")')
    assert talk.code_of(gone) == (400, "GAIA_IL42")
    users = talk.http.get("/v1/users.json", headers=talk.headers(who="akari.mori")).json()["users"]
    assert "yui.ota@sakura-seiki.example" in {one["code"] for one in users}
    assert talk.http.get(PATH, params={"app": ORDERS}, headers=talk.headers(who="yui.takahashi")).status_code == 401
    talk.control("heal")
    assert record(talk, number) == before


def test_a_deleted_user_cannot_be_asked_about_and_cannot_log_in(talk: Talk) -> None:
    broken(talk, "delete-user", login="daiki.watanabe")
    asked = talk.get("records.json", app=ORDERS, query='担当者 in ("daiki.watanabe@sakura-seiki.example")')
    assert talk.code_of(asked) == (400, "GAIA_IL42")
    assert talk.http.get(PATH, params={"app": ORDERS}, headers=talk.headers(who="daiki.watanabe")).status_code == 401
    talk.control("heal")
    assert talk.http.get(PATH, params={"app": ORDERS}, headers=talk.headers(who="daiki.watanabe")).status_code == 200


# --- the wire -----------------------------------------------------------------------------------------------------------------


def test_low_ids_become_visible_after_higher_ones(talk: Talk) -> None:
    newest = talk.control("truth", app=CUSTOMERS, count=True)["last_id"]
    done = broken(talk, "late-visible-ids", app="CUSTOMERS", count=2, minutes=5)
    assert (done["late"], done["seen"]) == ([newest + 1, newest + 2], [newest + 3])
    assert talk.ids(CUSTOMERS, f"$id > {newest}") == [newest + 3]
    assert talk.records(CUSTOMERS, f"$id <= {newest + 3} limit 1", totalCount=True)["totalCount"] == str(len(talk.ids(CUSTOMERS)))
    talk.control("advance", minutes=6)
    assert talk.ids(CUSTOMERS, f"$id > {newest}") == [newest + 1, newest + 2, newest + 3]
    late, seen = record(talk, newest + 1, CUSTOMERS), record(talk, newest + 3, CUSTOMERS)
    assert late["作成日時"]["value"] == seen["作成日時"]["value"] == late["更新日時"]["value"], "its time is that of its transaction"


@pytest.mark.parametrize("cut", [0, 1, 12, 5_000, 10**9])
def test_a_page_is_cut_after_the_byte_that_was_asked_for(talk: Talk, cut: int) -> None:
    params = flat({"app": ORDERS, "query": "order by $id asc limit 100"})
    whole = talk.http.get(PATH, params=params, headers=talk.headers(ORDERS)).content
    broken(talk, "half-answers", bytes=cut, skip=1)
    assert talk.http.get(PATH, params=params, headers=talk.headers(ORDERS)).content == whole
    got = b""
    with pytest.raises(httpx.RemoteProtocolError), talk.http.stream("GET", PATH, params=params, headers=talk.headers(ORDERS)) as answer:
        assert answer.status_code == 200 and int(answer.headers["Content-Length"]) == len(whole)
        for piece in answer.iter_raw():
            got += piece
    assert got == whole[: min(cut, len(whole) - 1)]
    assert talk.http.get(PATH, params=params, headers=talk.headers(ORDERS)).content == whole


def test_a_storm_of_429_ends_by_itself_and_names_no_time(talk: Talk) -> None:
    broken(talk, "throttle-storm", count=3)
    answers = [talk.get("app.json", id=ORDERS) for _ in range(4)]
    assert [one.status_code for one in answers] == [429, 429, 429, 200]
    assert answers[0].headers["X-Cybozu-Error"] == "GAIA_TO04" and "Retry-After" not in answers[0].headers


def test_maintenance_answers_in_text_or_html_and_never_in_json(talk: Talk) -> None:
    broken(talk, "maintenance", count=1)
    broken(talk, "maintenance", kind="502", count=1, skip=1)
    first, second, third = (talk.get("app.json", id=ORDERS) for _ in range(3))
    assert (first.status_code, first.text, first.headers["Content-Type"].split(";")[0]) == (503, "Service Unavailable", "text/plain")
    assert second.status_code == 502 and "メンテナンス" in second.text and second.headers["Content-Type"].startswith("text/html")
    assert third.status_code == 200


def test_a_200_may_carry_a_warning_an_html_page_or_the_wrong_type(talk: Talk) -> None:
    broken(talk, "warning-header", count=1)
    warned = talk.get("records.json", app=ORDERS, query="limit 1")
    assert warned.status_code == 200 and warned.headers["X-Cybozu-Warning"] == "Filter aborted because of too many search results"
    broken(talk, "wrong-content-type")
    page = talk.get("records.json", app=ORDERS, query="limit 1")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    talk.control("fault", kind="text200", count=1)
    text = talk.get("records.json", app=ORDERS, query="limit 1")
    assert text.headers["Content-Type"].startswith("text/plain") and text.json()["records"]
    assert "X-Cybozu-Warning" not in talk.get("records.json", app=ORDERS, query="limit 1").headers


def test_a_locked_database_and_a_redirect_to_the_login(talk: Talk) -> None:
    broken(talk, "database-lock", count=1)
    assert talk.code_of(talk.get("records.json", app=ORDERS)) == (400, "GAIA_DA02")
    for code in ("GAIA_LT01", "GAIA_RE18"):
        talk.control("fault", kind="error", code=code, count=1)
        assert talk.code_of(talk.get("records.json", app=ORDERS)) == (400, code)
    broken(talk, "login-redirect", count=1)
    answer = talk.get("records.json", app=ORDERS)
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/login")


def test_latency_lasts_until_it_is_healed(talk: Talk) -> None:
    broken(talk, "latency", milliseconds=1)
    assert talk.get("app.json", id=ORDERS).status_code == 200
    assert talk.control("heal", name="latency") == {"faults": [], "healed": ["latency"], "codes": []}
    assert talk.control("heal", name="latency") == {"faults": [], "healed": [], "codes": []}


def test_healing_one_break_leaves_the_others(talk: Talk) -> None:
    broken(talk, "add-field", app="FAQ", field="一時項目")
    broken(talk, "status-520")
    assert talk.control("heal", name="status-520")["healed"] == ["status-520"]
    assert "一時項目" in talk.get("app/form/fields.json", app=FAQ).json()["properties"]
    assert talk.control("heal")["healed"] == ["add-field"]


def test_traffic_is_counted_for_those_who_count_requests(talk: Talk) -> None:
    talk.control("traffic", reset=True)
    talk.get("app.json", id=ORDERS)
    talk.records(ORDERS, "limit 1")
    seen = talk.control("traffic", reset=True)
    assert seen["requests"] == 2 and seen["by_path"] == {"GET /k/v1/app.json": 1, "GET /k/v1/records.json": 1}
    assert seen["highest_running"] == 1 and talk.control("traffic")["requests"] == 0


# --- the rest of the sheet's table of shifts ----------------------------------------------------------------------------------


def test_a_label_or_a_demand_changes_the_form_and_no_value(talk: Talk) -> None:
    before = record(talk, 4, FAQ)
    broken(talk, "rename-label", app="FAQ", field="回答", to="答え")
    done = broken(talk, "require-field", app="FAQ", field="回答")
    form = talk.get("app/form/fields.json", app=FAQ).json()["properties"]["回答"]
    assert (form["label"], form["required"]) == ("答え", done["required"]) and record(talk, 4, FAQ) == before


def test_a_field_made_again_is_empty_everywhere_and_no_record_moved(talk: Talk) -> None:
    before = record(talk, 2, FAQ)
    field = next(code for code, cell in before.items() if cell["type"] == "RICH_TEXT")
    broken(talk, "remake-field", app="FAQ", field=field)
    after = record(talk, 2, FAQ)
    assert before[field]["value"] and after[field] == {"type": before[field]["type"], "value": None}
    assert after["$revision"] == before["$revision"]


def test_a_field_moved_into_a_table_is_gone_from_the_top(talk: Talk) -> None:
    broken(talk, "move-into-table", app="ORDERS", field="消費税率")
    after = record(talk, 21)
    assert "消費税率" not in after and after["明細"]["value"][0]["value"]["消費税率"] == {"type": "NUMBER", "value": None}
    assert talk.code_of(talk.get("records.json", app=ORDERS, query='消費税率 = "10"')) == (400, "GAIA_IQ07")


def test_another_format_gives_a_calculated_field_another_kind_of_value(talk: Talk) -> None:
    minutes = record(talk, 22)["金額合計"]["value"]
    broken(talk, "change-format", app="ORDERS", field="金額合計")
    hours, rest = divmod(int(float(minutes)), 60)
    assert record(talk, 22)["金額合計"] == {"type": "CALC", "value": f"{hours}:{rest:02d}"}
    assert talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["金額合計"]["format"] == "HOUR_MINUTE"


def test_a_lookup_may_point_elsewhere_and_copies_stay(talk: Talk) -> None:
    before = record(talk, 23)["顧客名"]
    broken(talk, "retarget-lookup", app="ORDERS", to="DEFECTS")
    lookup = talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["顧客コード"]["lookup"]
    assert lookup["relatedApp"]["code"] == "DEFECTS" and record(talk, 23)["顧客名"] == before


def test_an_upsert_adds_what_is_not_there_and_changes_what_is(talk: Talk) -> None:
    def by_code(code: str, name: str) -> dict[str, Any]:
        return {"updateKey": {"field": "顧客コード", "value": code}, "record": {"顧客名": {"value": name}}}

    known = record(talk, 3, CUSTOMERS)["顧客コード"]["value"]
    sent = {"app": CUSTOMERS, "upsert": True, "records": [by_code("U-1", "新規商会"), by_code(known, "改名商会")]}
    done = talk.send("PUT", "records.json", sent).json()["records"]
    assert [one["operation"] for one in done] == ["INSERT", "UPDATE"] and done[1]["id"] == "3"
    assert record(talk, int(done[0]["id"]), CUSTOMERS)["顧客コード"]["value"] == "U-1"
    assert record(talk, 3, CUSTOMERS)["顧客名"]["value"] == "改名商会"
    count = talk.control("truth", app="CUSTOMERS", count=True)["count"]
    bad = {"app": CUSTOMERS, "upsert": True, "records": [by_code("U-2", "x"), {"id": 999_999, "record": {}}]}
    assert talk.code_of(talk.send("PUT", "records.json", bad)) == (404, "GAIA_RE01")
    assert talk.control("truth", app="CUSTOMERS", count=True)["count"] == count, "all or nothing"
