"""The rest of the query language: related records, the corners of tables, functions at their limits, searches that stop, cursors at theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, Talk, kintone


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


def refused(talk: Talk, query: str, app: int = ORDERS, **more: Any) -> str:
    answer = talk.get("records.json", app=app, query=query, **more)
    assert answer.status_code == 400, (query, answer.text[:200])
    return answer.json()["code"]


OPERATORS = {
    "$id": "= != < > <= >= in",
    "レコード番号": "= != < > <= >= in",
    "消費税率": "= != < > <= >= in",
    "金額合計": "= != < > <= >= in",
    "更新日時": "= != < > <= >=",
    "作成日時": "= != < > <= >=",
    "受注日": "= != < > <= >=",
    "希望納期": "= != < > <= >=",
    "受注番号": "= != in like",
    "備考": "like empty",
    "受注区分": "in",
    "確度": "in",
    "タグ": "in",
    "担当者": "in",
    "作成者": "in",
    "更新者": "in",
    "作業者": "in",
    "ステータス": "= != in",
}
VALUES = {"更新日時": '"2026-01-01T00:00:00Z"', "作成日時": '"2026-01-01T00:00:00Z"', "受注日": '"2026-01-01"', "希望納期": '"2026-01-01"'}


@pytest.mark.parametrize("code", OPERATORS)
def test_a_type_takes_its_operators_and_no_other(talk: Talk, code: str) -> None:
    numeric = code in ("$id", "レコード番号", "消費税率", "金額合計")
    value = VALUES.get(code, "1" if numeric else '""')
    written = {op: f"{code} {op} {value}" for op in ("=", "!=", "<", ">", "<=", ">=", "like")}
    written |= {"in": f"{code} not in ({value})", "empty": f"{code} is not empty"}
    for op, query in written.items():
        answer = talk.get("records.json", app=ORDERS, query=f"$id < 50 and {query} limit 1")
        if op in OPERATORS[code].split():
            assert answer.status_code == 200, (query, answer.text)
        else:
            assert talk.code_of(answer) == (400, "GAIA_IQ03"), query


def test_times_and_links_and_files_have_theirs_too(talk: Talk) -> None:
    assert talk.get("records.json", app=CUSTOMERS, query='受付開始時刻 >= "09:00" and 電話番号 like "03"').status_code == 200
    assert refused(talk, '受付開始時刻 in ("09:00")', CUSTOMERS) == "GAIA_IQ03"
    assert talk.get("records.json", app=DEFECTS, query="添付ファイル is not empty").status_code == 200
    assert refused(talk, '添付ファイル = "x"', DEFECTS) == "GAIA_IQ03"
    assert refused(talk, '回答 = "x"', FAQ) == "GAIA_IQ03"
    assert talk.get("records.json", app=FAQ, query="回答 is empty").status_code == 200
    assert refused(talk, "担当部署 = 1", CUSTOMERS) == "GAIA_IQ03"


def test_related_records_are_asked_for_through_their_field(talk: Talk) -> None:
    reference = {"app": "CUSTOMERS", "own": "顧客コード", "theirs": "顧客コード", "shown": ["顧客名", "ランク"]}
    talk.control("add_field", app="ORDERS", code="顧客情報", type="REFERENCE_TABLE", reference=reference)
    best = {one["顧客コード"]["value"] for one in talk.records(CUSTOMERS, 'ランク in ("A") limit 500')["records"]}
    found = talk.records(ORDERS, '顧客情報.ランク in ("A") and $id <= 300 order by $id asc limit 500')["records"]
    everything = talk.records(ORDERS, "$id <= 300 order by $id asc limit 500")["records"]
    assert [one["$id"] for one in found] == [one["$id"] for one in everything if one["顧客コード"]["value"] in best] and found
    assert "顧客情報" not in found[0], "a related-records field has no value"
    assert refused(talk, '顧客情報.無い in ("A")') == "GAIA_IQ11"
    assert refused(talk, '顧客情報.ランク = "A"') == "GAIA_IQ07"
    assert refused(talk, '顧客情報.ランク in ("無い")') == "GAIA_IQ10"
    form = talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["顧客情報"]["referenceTable"]
    assert form["relatedApp"] == {"app": str(CUSTOMERS), "code": "CUSTOMERS"} and form["condition"]["relatedField"] == "顧客コード"
    talk.control("remove_field", app="ORDERS", code="顧客情報")


def test_parentheses_around_conditions_that_are_all_and_ed_change_nothing(talk: Talk) -> None:
    rows = [{"製品コード": "AA-1", "数量": "1"}, {"製品コード": "BB-1", "数量": "9"}]
    cells = [{"value": {code: {"value": value} for code, value in row.items()}} for row in rows]
    full = talk.add(ORDERS, 受注番号="G-1", 受注日="2026-06-01", 明細=cells)
    assert talk.ids(ORDERS, f'(製品コード in ("AA-1") and 数量 < 5) and $id = {full}') == [full]
    assert talk.ids(ORDERS, f'(製品コード in ("AA-1") and $id > 0) and (数量 > 5 and $id = {full})') == []
    assert talk.ids(ORDERS, f'(製品コード in ("AA-1") or 数量 > 500) and $id = {full}') == [full]


def test_negative_conditions_never_find_an_empty_table(talk: Talk) -> None:
    empty = talk.add(ORDERS, 受注番号="G-2", 受注日="2026-06-01", 明細=[])
    for condition in ('製品コード not in ("ZZ")', '製品コード not like "ZZ"', "数量 not in (1)", "数量 < 5"):
        assert talk.ids(ORDERS, f"{condition} and $id = {empty}") == [], condition


def test_functions_at_their_limits(talk: Talk) -> None:
    assert refused(talk, "受注日 = FROM_TODAY(1)") == "GAIA_IQ23"
    assert refused(talk, "受注日 = FROM_TODAY(x, DAYS)") == "GAIA_IQ23"
    assert refused(talk, "受注日 = THIS_WEEK(SOMEDAY)") == "GAIA_IQ23"
    assert refused(talk, "受注日 = TODAY(1)") == "GAIA_IQ23"
    assert refused(talk, "受注日 = THIS_MONTH(32)") == "GAIA_IL08"
    assert refused(talk, "受注日 = FROM_TODAY(999999999, YEARS)") == "GAIA_IL08"
    assert refused(talk, "受注日 = FROM_TODAY(-2999, YEARS)") == "GAIA_IL08"
    assert refused(talk, '更新日時 > "0001-01-01T00:00:00+14:00"') == "CB_VA01"
    assert refused(talk, "受注日 = NOW()") == "GAIA_IQ25"
    assert refused(talk, "金額合計 = TODAY()") == "GAIA_IQ25"
    assert refused(talk, '担当者 in (TODAY(), "")') == "GAIA_IQ25"
    for function in ("THIS_WEEK()", "LAST_WEEK(MONDAY)", "NEXT_MONTH(LAST)", "LAST_YEAR()", "TOMORROW()", "FROM_TODAY(-3, MONTHS)"):
        assert talk.get("records.json", app=ORDERS, query=f"受注日 >= {function} limit 1").status_code == 200, function


def test_the_primary_organisation_of_somebody_without_one_is_ignored(talk: Talk) -> None:
    asked = "担当部署 in (PRIMARY_ORGANIZATION()) limit 500"
    mine = talk.records(CUSTOMERS, asked, who="yui.takahashi")["records"]
    assert mine and {one["担当部署"]["value"][0]["code"] for one in mine} == {"eigyo-east"}
    count = talk.control("truth", app=CUSTOMERS, count=True)["count"]
    assert len(talk.records(CUSTOMERS, asked)["records"]) == count, "a token's Administrator is in no organisation"


@pytest.mark.parametrize("control", ["\t", "\n", "\x01", "\x1f"])
def test_a_raw_control_character_in_a_literal_is_a_syntax_error(talk: Talk, control: str) -> None:
    answer = talk.get("records.json", app=ORDERS, query=f'受注番号 = "a{control}b"')
    assert talk.code_of(answer) == (400, "CB_VA01") and answer.json()["errors"]["query"]["messages"]


def test_a_search_by_words_stops_at_its_limit_and_the_header_says_so(talk: Talk) -> None:
    whole = talk.get("records.json", app=ORDERS, query='備考 like "納品" limit 500', totalCount=True)
    assert "X-Cybozu-Warning" not in whole.headers and int(whole.json()["totalCount"]) > 300
    talk.control("search_limit", hits=300)
    stopped = talk.get("records.json", app=ORDERS, query='備考 like "納品" limit 500', totalCount=True)
    assert stopped.headers["X-Cybozu-Warning"] == "Filter aborted because of too many search results"
    assert stopped.status_code == 200 and stopped.json()["totalCount"] == "300" == str(len(stopped.json()["records"]))
    plain = talk.get("records.json", app=ORDERS, query="limit 500")
    assert "X-Cybozu-Warning" not in plain.headers, "only a search by words has such a limit"
    talk.control("search_limit", hits=100_000)


def test_offsets_count_from_the_end_that_the_order_begins_with(talk: Talk) -> None:
    everything = talk.ids(CUSTOMERS)
    for order, expected in (("asc", everything), ("desc", everything[::-1])):
        for offset in (0, 3, len(everything) - 2, len(everything), len(everything) + 5):
            page = talk.records(CUSTOMERS, f"order by $id {order} limit 4 offset {offset}")["records"]
            assert [int(one["$id"]["value"]) for one in page] == expected[offset : offset + 4]
    assert [int(one["$id"]["value"]) for one in talk.records(CUSTOMERS, "limit 3 offset 1")["records"]] == everything[::-1][1:4]
    assert talk.records(CUSTOMERS, "limit 0")["records"] == []


def test_a_million_cursors_cannot_be_had_but_ten_can_by_any_app(talk: Talk) -> None:
    made = [talk.send("POST", "records/cursor.json", {"app": app, "size": 500}).json()["id"] for app in [ORDERS, FAQ] * 5]
    assert talk.code_of(talk.send("POST", "records/cursor.json", {"app": CUSTOMERS})) == (429, "GAIA_TM12"), "the limit is the domain's"
    talk.control("advance", minutes=10 + 1 / 60)
    assert talk.send("POST", "records/cursor.json", {"app": CUSTOMERS}).status_code == 200, "they all expired"
    assert talk.code_of(talk.send("DELETE", "records/cursor.json", {"id": made[0]})) == (404, "GAIA_CN01")


def test_a_cursor_whose_rest_was_deleted_ends_with_an_empty_page(talk: Talk) -> None:
    numbers = [talk.add(CUSTOMERS, 顧客コード=f"Z{place}", 顧客名="消える") for place in range(3)]
    made = talk.send("POST", "records/cursor.json", {"app": CUSTOMERS, "query": f"$id >= {numbers[0]} order by $id asc", "size": 1}).json()
    assert made["totalCount"] == "3"
    talk.send("DELETE", "records.json", {"app": CUSTOMERS, "ids": numbers[1:]})
    pages = [talk.get("records/cursor.json", id=made["id"], token_of=CUSTOMERS).json() for _ in range(3)]
    assert [(len(one["records"]), one["next"]) for one in pages] == [(1, True), (0, True), (0, False)]
