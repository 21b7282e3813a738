"""Rules as a person writes them: what can't be judged is refused when the contract is read, with what there is instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.errors import FixConfiguration
from expectations.band_settings import Bands
from expectations.contract import Contract
from expectations.reading import read_contract
from expectations.rules import RULES

FIELDS = [
    {"name": "id", "source": "id", "type": "int64"},
    {"name": "amount", "source": "amount", "type": "decimal128(12, 2)"},
    {"name": "name", "source": "name", "type": "string"},
    {"name": "at", "source": "at", "type": "timestamp[us, UTC]"},
    {"name": "lines", "source": "lines", "type": "list<string>"},
]


def contract_file(folder: Path, rule: dict[str, Any] | None = None, **more: Any) -> Path:
    path = folder / "b.yaml"
    body = {"stream": "a/b", "version": 1, "source": {}, "key": ["id"], "fields": FIELDS, "expectations": [rule] if rule else [], **more}
    with path.open("w", encoding="utf-8") as out:
        YAML().dump(body, out)
    return path


def test_a_rule_nobody_knows_is_refused_where_it_stands_with_those_that_are_near(tmp_path: Path) -> None:
    path = contract_file(tmp_path, {"expect": "expect_column_values_to_be_betwen", "column": "amount", "min_value": 0})
    with pytest.raises(FixConfiguration) as caught:
        read_contract(path)
    error = caught.value
    line = next(n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "betwen" in text)
    assert error.code == "contract.unknown_rule" and f"b.yaml:{line}:" in error.say("en")
    assert "Near it: expect_column_values_to_be_between" in error.say("en") and "近いもの" in error.say("ja")
    assert all(name in error.say("en") for name in RULES)


BETWEEN, REGEX, IN_SET = (f"expect_column_values_to_{what}" for what in ("be_between", "match_regex", "be_in_set"))
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"expect": BETWEEN, "column": "amount"}, "it needs min_value / max_value"),
        ({"expect": BETWEEN, "column": "amount", "min_valeu": 0}, "there is no argument min_valeu"),
        ({"expect": BETWEEN, "min_value": 0}, "it needs column"),
        ({"expect": BETWEEN, "column": "amount", "min_value": 9, "max_value": 1}, "it lies above max_value"),
        ({"expect": BETWEEN, "column": "amount", "min_value": "many"}, "no value of the column's type"),
        ({"expect": BETWEEN, "column": "amount", "min_value": float("nan")}, "no value of the column's type"),
        ({"expect": BETWEEN, "column": "at", "min_value": "2026-01-01"}, "wants the offset"),
        ({"expect": BETWEEN, "column": "name", "min_value": "a"}, "a column of numbers, dates or times"),
        ({"expect": BETWEEN, "column": "amount", "min_value": 0, "mostly": 95}, "a share from 0 to 1"),
        ({"expect": BETWEEN, "column": "amount", "min_value": 0, "strict_min": "yes"}, "true or false"),
        ({"expect": REGEX, "column": "id", "regex": "^1"}, "a column of text"),
        ({"expect": REGEX, "column": "name", "regex": "("}, "no regular expression"),
        ({"expect": REGEX + "_list", "column": "name", "regex_list": []}, "a list of regular expressions"),
        ({"expect": REGEX + "_list", "column": "name", "regex_list": ["a"], "match_on": "some"}, "any or all"),
        ({"expect": IN_SET, "column": "id", "value_set": []}, "a list with something in it"),
        ({"expect": IN_SET, "column": "id", "value_set": ["one"]}, "no value of the column's type"),
        ({"expect": IN_SET, "column": "lines", "value_set": ["a"]}, "a column of single values"),
        ({"expect": PAIR, "column_A": "id"}, "it needs column_B"),
        ({"expect": PAIR, "column_A": "id", "column_B": "amount"}, "same type as column_A"),
        ({"expect": PAIR, "column": "id", "column_A": "id", "column_B": "id"}, "it takes no column"),
        ({"expect": PAIR, "column_A": "id", "column_B": "id", "ignore_row_if": "never"}, "both_values_are_missing"),
        ({"expect": "expect_compound_columns_to_be_unique", "column_list": ["id"]}, "two columns or more"),
        ({"expect": "expect_table_row_count_to_be_between", "column": "id", "min_value": 1}, "it takes no column"),
        ({"expect": "expect_table_row_count_to_equal", "value": "all"}, "a number is wanted"),
    ],
)
def test_a_rule_that_cannot_be_judged_as_written_is_refused_with_what_is_wanted(tmp_path: Path, rule: dict[str, Any], says: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        read_contract(contract_file(tmp_path, rule))
    assert caught.value.code == "contract.bad_rule" and says in caught.value.say("en"), caught.value.say("en")


def test_a_column_that_only_a_rule_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="amuont"):
        read_contract(contract_file(tmp_path, {"expect": PAIR, "column_A": "amuont", "column_B": "amount"}))


def test_an_instant_with_its_offset_and_a_share_are_read(tmp_path: Path) -> None:
    rule = {"expect": BETWEEN, "column": "at", "min_value": "2026-01-01T00:00:00+09:00", "mostly": 0.99}
    assert read_contract(contract_file(tmp_path, rule)).expectations[0].arguments()["mostly"] == 0.99


def test_bands_of_a_column_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="amuont"):
        read_contract(contract_file(tmp_path, bands={"columns": {"amuont": {"nulls": "off"}}}))


def test_a_contract_that_says_nothing_of_bands_is_the_promise_that_it_was() -> None:
    plain = {"stream": "a/b", "version": 1, "source": {}, "key": ["id"], "fields": FIELDS}
    before = Contract.model_validate(plain)
    assert "bands" not in before.promise() and before.bands == Bands()
    assert Contract.model_validate({**plain, "bands": {"live": "off"}}).fingerprint() != before.fingerprint()
