"""The query language answers as on the service: same rows, same refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, Talk, kintone


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


@pytest.fixture(scope="module")
def orders(talk: Talk) -> dict[int, dict[str, Any]]:
    """The newest orders as the store has them, cell values only."""
    newest = talk.records(ORDERS, "order by $id desc limit 500")["records"]
    return {int(one["$id"]["value"]): {code: cell["value"] for code, cell in one.items()} for one in newest}


def _found(talk: Talk, orders: dict[int, dict[str, Any]], condition: str) -> set[int]:
    return set(talk.ids(ORDERS, f"({condition}) and $id >= {min(orders)}"))


def _refused(talk: Talk, query: str, app: int = ORDERS) -> str:
    answer = talk.get("records.json", app=app, query=query)
    assert answer.status_code == 400, query
    return answer.json()["code"]


def test_numbers_compare_as_numbers(talk: Talk, orders: dict[int, dict[str, Any]]) -> None:
    wanted = {number for number, one in orders.items() if Decimal(one["金額合計"]) > 900_000}
    assert wanted and _found(talk, orders, "金額合計 > 900000") == wanted
    assert _found(talk, orders, '金額合計 <= "900000.0"') == set(orders) - wanted


def test_times_compare_in_any_offset(talk: Talk, orders: dict[int, dict[str, Any]]) -> None:
    middle = sorted(one["更新日時"] for one in orders.values())[250]
    wanted = {number for number, one in orders.items() if one["更新日時"] >= middle}
    assert _found(talk, orders, f'更新日時 >= "{middle}"') == wanted
    in_japan = f"{middle[:11]}{(int(middle[11:13]) + 9) % 24:02d}{middle[13:16]}:00+09:00"
    if int(middle[11:13]) + 9 < 24:
        assert _found(talk, orders, f'更新日時 >= "{in_japan}"') == wanted


def test_and_binds_tighter_than_or_and_parentheses_tighter_still(talk: Talk, orders: dict[int, dict[str, Any]]) -> None:
    special = {number for number, one in orders.items() if one["受注区分"] == "特注"}
    urgent = {number for number, one in orders.items() if "至急" in one["タグ"]}
    firm = {number for number, one in orders.items() if one["確度"] == "確定"}
    a, b, c = '受注区分 in ("特注")', 'タグ in ("至急")', '確度 in ("確定")'
    assert _found(talk, orders, f"{a} or {b} and {c}") == special | (urgent & firm)
    assert _found(talk, orders, f"({a} or {b}) and {c}") == (special | urgent) & firm
    assert _found(talk, orders, f"{a} AND {b} Or {c}") == (special & urgent) | firm


def test_unset_is_one_thing_whatever_its_form(talk: Talk, orders: dict[int, dict[str, Any]]) -> None:
    talk.add(ORDERS, 受注番号="Q-1", 受注日="2026-06-01")
    first = max(orders)
    assert [len(talk.ids(ORDERS, f'{code} in ("") and $id > {first}')) for code in ("受注区分", "タグ", "担当者", "消費税率")] == [1] * 4
    assert talk.ids(ORDERS, f'受注区分 not in ("特注") and $id > {first}') == talk.ids(ORDERS, f"$id > {first}")
    assert len(talk.ids(ORDERS, f'希望納期 = "" and 備考 is empty and $id > {first}')) == 1


def test_positive_conditions_on_a_table_must_hold_in_one_row(talk: Talk) -> None:
    rows = [{"製品コード": "AA-1", "数量": "1"}, {"製品コード": "BB-1", "数量": "9"}]
    cells = [{"value": {code: {"value": value} for code, value in row.items()}} for row in rows]
    full = talk.add(ORDERS, 受注番号="Q-2", 受注日="2026-06-01", 明細=cells)
    empty = talk.add(ORDERS, 受注番号="Q-3", 受注日="2026-06-01", 明細=[])
    only = f"$id >= {full} and $id <= {empty}"
    assert talk.ids(ORDERS, f'製品コード in ("AA-1") and 数量 < 5 and {only}') == [full]
    assert talk.ids(ORDERS, f'製品コード in ("AA-1") and 数量 > 5 and {only}') == []
    assert talk.ids(ORDERS, f'製品コード not in ("ZZ-9") and {only}') == [full], "an empty table never matches"
    assert talk.ids(ORDERS, f'製品コード not in ("AA-1") and {only}') == [], "a negative condition must hold in every row"


def test_equality_inside_a_table_is_refused(talk: Talk) -> None:
    assert _refused(talk, '製品コード = "SP-1000"') == "GAIA_IQ07"
    assert _refused(talk, "数量 != 3") == "GAIA_IQ07"
    assert _refused(talk, '明細.製品コード in ("SP-1000")') == "GAIA_IR02"


def test_each_type_has_its_operators(talk: Talk) -> None:
    assert _refused(talk, '受注区分 = "特注"') == "GAIA_IQ03"
    assert _refused(talk, '備考 = "x"') == "GAIA_IQ03"
    assert _refused(talk, '受注日 in ("2026-01-01")') == "GAIA_IQ03"
    assert _refused(talk, '担当者 like "x"') == "GAIA_IQ03"


def test_literals_must_name_what_exists(talk: Talk) -> None:
    assert _refused(talk, '受注区分 in ("無い")') == "GAIA_IQ10"
    assert _refused(talk, 'ステータス = "無い"') == "GAIA_IQ10"
    assert _refused(talk, '担当者 in ("nobody@sakura-seiki.example")') == "GAIA_IL42"
    assert _refused(talk, '受注日 = "yesterday"') == "CB_VA01"
    assert _refused(talk, '金額合計 > "many"') == "CB_VA01"


def test_a_raw_tab_in_a_literal_is_a_syntax_error_and_a_wide_space_between_words_is_not(talk: Talk) -> None:
    answer = talk.get("records.json", app=ORDERS, query='顧客コード = "C\t0001"')
    assert answer.json()["code"] == "CB_VA01" and answer.json()["errors"]["query"]["messages"]
    assert talk.get("records.json", app=ORDERS, query='顧客コード　=\t"C0001"\nlimit　1').status_code == 200
    escaped = talk.get("records.json", app=ORDERS, query=r'顧客コード = "C\t\"\\0001" limit 1')
    assert escaped.status_code == 200 and escaped.json()["records"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit 1 order by $id asc",
        "$id = ",
        "$id > 1 and",
        "($id > 1",
        "order by",
        "受注区分 in ()",
        "$id > 1 $id < 2",
        "limit -1",
        '"x" = 1',
        "offset 1 limit 1",
    ],
)
def test_what_is_not_a_query_is_refused_under_its_parameter(talk: Talk, query: str) -> None:
    answer = talk.get("records.json", app=ORDERS, query=query)
    assert talk.code_of(answer) == (400, "CB_VA01") and "query" in answer.json()["errors"]


def test_order_takes_several_fields_and_falls_without_a_direction(talk: Talk) -> None:
    page = talk.records(CUSTOMERS, "order by ランク asc, 与信限度額, $id asc limit 500")["records"]
    keys = [(one["ランク"]["value"], -Decimal(one["与信限度額"]["value"] or -1), int(one["$id"]["value"])) for one in page]
    assert keys == sorted(keys)
    assert _refused(talk, "order by 無い asc") == "GAIA_IQ11"


def test_times_of_the_callers_day(talk: Talk) -> None:
    today = talk.add(ORDERS, 受注番号="Q-4", 受注日="2026-06-01")
    earlier = talk.add(ORDERS, 受注番号="Q-5", 受注日="2026-05-31")
    only = f"$id >= {today} and $id <= {earlier}"
    assert talk.ids(ORDERS, f"受注日 = TODAY() and {only}") == [today]
    assert talk.ids(ORDERS, f"受注日 < TODAY() and {only}") == talk.ids(ORDERS, f"受注日 = FROM_TODAY(-1, DAYS) and {only}") == [earlier]
    assert talk.ids(ORDERS, f"受注日 = LAST_MONTH() and {only}") == [earlier]
    assert talk.ids(ORDERS, f"作成日時 = TODAY() and {only}") == [today, earlier]
    assert talk.ids(ORDERS, f"作成日時 > NOW() and {only}") == []
    assert _refused(talk, "受注日 = FROM_TODAY(1, FORTNIGHTS)") == "GAIA_IQ23"
    assert _refused(talk, "受注番号 = TODAY()") == "GAIA_IQ25"


def test_loginuser_is_whoever_asks(talk: Talk) -> None:
    mine = talk.records(ORDERS, "担当者 in (LOGINUSER()) order by $id desc limit 500", who="yui.takahashi")["records"]
    assert mine and all(one["担当者"]["value"][0]["code"] == "yui.takahashi@sakura-seiki.example" for one in mine)
    assert talk.records(ORDERS, "担当者 in (LOGINUSER())")["records"] == [], "a token is the Administrator"


def test_like_finds_japanese_text_and_whole_latin_words(talk: Talk) -> None:
    found = talk.records(FAQ, '回答 like "グリース" limit 500')["records"]
    assert found and all("グリース" in one["回答"]["value"] for one in found)
    assert talk.records(FAQ, '回答 like "div" limit 500')["records"] == [], "tags are no text"
    assert talk.ids(DEFECTS, '添付ファイル like "pdf"')
    assert talk.ids(DEFECTS, '添付ファイル like "pd"') == []


def test_the_record_number_is_asked_for_with_or_without_the_app_code(talk: Talk) -> None:
    assert (
        talk.ids(ORDERS, 'レコード番号 = "ORDERS-14"') == talk.ids(ORDERS, "レコード番号 in (14)") == talk.ids(ORDERS, "$id = 14") == [14]
    )
