"""What an operator reads in Dagster's web UI, in a real browser. Its pictures stay in the folder of the test run."""

from __future__ import annotations

import pytest
from headless import Browser

pytestmark = pytest.mark.browser


def test_the_front_page_shows_a_group_for_each_system_for_the_index_and_for_the_evidence(browser: Browser) -> None:
    text = browser.text("/asset-groups", until=" evidence ")
    assert "Global asset lineage" in text
    for group in ("kintone", "index", "evidence"):
        assert f" {group} " in text, text


def test_a_check_that_passed_shows_its_verdict_and_its_table_without_a_click(browser: Browser, today: str) -> None:
    text = browser.text("/assets/kintone/customers?view=checks&checkDetail=values", until="rules hold")
    assert "This is a blocking asset check" in text
    assert "Evaluation result Passed" in text
    assert f"Partition {today}" in text
    assert "4 of 4 rules hold; rows read: 120, values rejected: 0" in text
    assert "expectation column expected observed verdict" in text
    assert "expect_column_values_to_not_be_null code no nulls 0 null of 120 pass" in text


def test_a_check_that_failed_names_the_rule_that_was_broken(browser: Browser) -> None:
    text = browser.text("/assets/kintone/faq?view=checks&checkDetail=values", until="rules hold")
    assert "Evaluation result Failed" in text
    assert "expect_table_row_count_to_be_between" in text
    assert "FAIL" in text
    assert "values Failed" in text


def test_drift_shows_the_japanese_field_codes_and_what_the_contract_says_to_do(browser: Browser) -> None:
    text = browser.text("/assets/kintone/faq?view=checks&checkDetail=drift", until="Evaluation result Passed")
    assert "change field label old new effect policy used by" in text
    assert "added カテゴリ カテゴリ string extends report" in text


def test_the_asset_page_shows_columns_owners_and_that_the_source_is_a_sandbox(browser: Browser) -> None:
    text = browser.text("/assets/kintone/customers?view=overview", until="(sandbox)")
    assert "顧客" in text
    assert "credit_limit decimal128(16, 4) 与信限度額 · JPY" in text
    assert "kenta.suzuki@sakura-seiki.example" in text
    assert "(sandbox)" in text
    assert "Row count 120" in text


def test_the_page_is_painted_and_not_blank(browser: Browser) -> None:
    """A page of one colour compresses to almost nothing."""
    picture = browser.picture("/assets/kintone/customers?view=checks&checkDetail=values", "values")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
