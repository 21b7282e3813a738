"""Names: the data dictionary first, then the source's code, then the Japanese itself; always ones a table can have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import FixConfiguration
from pipelines.reports.glossary import Glossary, GlossaryFile, decoded, named_by_rule, read_glossary, stream_name, unique


def test_a_term_written_in_half_width_is_found_under_its_full_width_entry() -> None:
    glossary = Glossary(GlossaryFile(terms={"アナログ値": "analog_value"}))
    assert glossary.term("kintone/x", ("ｱﾅﾛｸﾞ値",), "") == "analog_value"


def test_a_label_is_looked_up_where_the_code_is_not_a_word() -> None:
    glossary = Glossary(GlossaryFile(terms={"次回校正日": "next_calibration_on"}))
    assert glossary.term("sharepoint/instruments", ("_x6b21__x56de__x6821__x6b63__x65",), "次回校正日") == "next_calibration_on"


def test_what_one_stream_means_by_a_word_goes_before_what_all_mean() -> None:
    glossary = Glossary(GlossaryFile(terms={"担当者": "person_in_charge"}, only={"kintone/orders": {"担当者": "sales_rep"}}))
    assert glossary.term("kintone/orders", ("担当者",), "") == "sales_rep"
    assert glossary.term("kintone/faq", ("担当者",), "") == "person_in_charge"


def test_a_field_inside_a_table_can_have_a_name_of_its_own() -> None:
    glossary = Glossary(GlossaryFile(terms={"数量": "quantity", "明細.数量": "line_quantity"}))
    assert glossary.term("kintone/orders", ("明細", "数量"), "") == "line_quantity"
    assert glossary.term("kintone/orders", ("数量",), "") == "quantity"


@pytest.mark.parametrize(
    ("code", "label", "name"),
    [
        ("Unit_PriceJPY", "", "unit_price_jpy"),
        ("createdDateTime", "Created", "created_date_time"),
        ("$id", "レコードID", "id"),
        ("Amount@currency", "", "amount_currency"),
        ("Lines/Line", "", "lines_line"),
        ("受注番号", "別の表示名", "受注番号"),
        ("金額（税込）", "", "金額_税込"),
        ("ﾌﾘｶﾞﾅ", "", "フリガナ"),
        ("_x5185__x5bb9_", "内容", "内容"),
        ("__", "備考", "備考"),
        ("（　）", "", "field"),
    ],
)  # fmt: skip
def test_without_an_entry_ascii_codes_become_snake_case_and_japanese_stays(code: str, label: str, name: str) -> None:
    assert named_by_rule(code, label) == name


@given(st.text(min_size=1), st.text())
def test_any_code_and_label_give_a_name_that_a_contract_accepts(code: str, label: str) -> None:
    assert re.fullmatch(r"[^\s/\\.`]+", named_by_rule(code, label))


def test_names_that_differ_by_case_alone_are_told_apart_by_a_number() -> None:
    taken: set[str] = set()
    assert [unique(name, taken) for name in ("No", "NO", "no")] == ["No", "NO_2", "no_3"]


def test_an_internal_name_that_was_cut_in_the_middle_loses_its_broken_end() -> None:
    assert decoded("_x6b21__x56de__x65") == "次回"


def test_stream_names_hold_only_what_a_contract_allows() -> None:
    assert stream_name("Purchase Orders（新）") == "purchase-orders"
    assert stream_name("受注") == ""


def test_a_project_without_a_dictionary_has_an_empty_one(tmp_path: Path) -> None:
    assert read_glossary(tmp_path).term("kintone/orders", ("受注番号",), "") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("terms: {受注番号: order no}", "map.bad_column_name"),
        ("streams: {受注: Orders!}", "map.bad_stream_name"),
        ("words: {受注番号: order_no}", "project.invalid"),
        ("terms: [", "project.not_yaml"),
    ],
)  # fmt: skip
def test_a_dictionary_that_cannot_be_used_is_refused_with_its_path(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "glossary.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FixConfiguration) as refused:
        read_glossary(tmp_path)
    assert refused.value.code == code
    assert "glossary.yaml" in refused.value.say("ja")
