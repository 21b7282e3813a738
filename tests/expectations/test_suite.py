"""Great Expectations as the judge of types and of the profile."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from connectors.errors import FixConfiguration
from connectors.protocol import LiveField, Schema
from expectations.contract import Contract
from expectations.profile import Profile, add
from expectations.suite import judge_schema, judge_values

FIELDS = [
    {"name": "id", "source": "$id", "type": "int64", "required": True},
    {"name": "amount", "source": "金額", "type": "decimal128(16, 4)"},
    {"name": "state", "source": "区分", "type": "string"},
    {"name": "lines", "source": "明細", "type": "list", "fields": [{"name": "qty", "source": "数量", "type": "int64"}]},
]


def contract(*rules: dict[str, object]) -> Contract:
    return Contract.model_validate({"stream": "a/b", "version": 1, "source": {}, "key": ["id"], "fields": FIELDS, "expectations": rules})


def live_fields(promise: Contract, **types: pa.DataType) -> tuple[LiveField, ...]:
    """The promised fields as a source would describe them, with some types changed."""
    return tuple(
        LiveField(
            f.source,
            "",
            types.get(f.name, f.column().type),
            "",
            children=tuple(LiveField(i.source, "", i.column().type, "") for i in f.fields),
        )
        for f in promise.fields
    )


def profile_of(promise: Contract, *pages: list[dict[str, object]]) -> Profile:
    profile = Profile()
    for rows in pages:
        add(profile, promise, pa.RecordBatch.from_pylist(rows, schema=promise.arrow_schema()))
    return profile


def test_types_that_hold_pass_and_decimals_and_nested_types_are_really_compared() -> None:
    promise = contract()
    held = Schema(live_fields(promise), "", "", {})
    assert all(verdict.passed for verdict in judge_schema(promise, held))
    narrower = Schema(live_fields(promise, amount=pa.decimal128(16, 2)), "", "", {})
    failed = [verdict for verdict in judge_schema(promise, narrower) if not verdict.passed]
    assert [(v.column, "16, 2" in v.observed) for v in failed] == [("amount", True)]


def test_a_missing_column_fails_the_set_rule() -> None:
    promise = contract()
    short = Schema(tuple(f for f in live_fields(promise) if f.source != "区分"), "", "", {})
    assert [v.expectation for v in judge_schema(promise, short) if not v.passed] == ["expect_table_columns_to_match_set"]


def test_rules_are_counted_over_all_pages_and_name_what_missed() -> None:
    promise = contract(
        {"expect": "expect_column_values_to_be_between", "column": "amount", "min_value": 0},
        {"expect": "expect_column_values_to_be_in_set", "column": "state", "value_set": ["新規"], "severity": "warning"},
        {"expect": "expect_table_row_count_to_be_between", "min_value": 3},
    )
    profile = profile_of(
        promise, [{"id": 1, "amount": Decimal("1.5"), "state": "新規"}], [{"id": 2, "amount": Decimal("-0.0001"), "state": "廃止"}]
    )
    verdicts = {(v.expectation, v.column): v for v in judge_values(promise, profile, 2)}
    assert verdicts["expect_column_values_to_not_be_null", "id"].passed
    assert not verdicts["expect_column_values_to_be_between", "amount"].passed
    assert "-0.0001" in verdicts["expect_column_values_to_be_between", "amount"].observed
    assert verdicts["expect_column_values_to_be_in_set", "state"].severity == "warning"
    assert "廃止" in verdicts["expect_column_values_to_be_in_set", "state"].observed
    assert not verdicts["expect_table_row_count_to_be_between", ""].passed


def test_mostly_lets_a_share_miss_and_no_more() -> None:
    promise = contract({"expect": "expect_column_values_to_match_regex", "column": "state", "regex": "^新", "mostly": 0.5})
    half = profile_of(promise, [{"id": 1, "state": "新規"}, {"id": 2, "state": "旧"}])
    assert all(v.passed for v in judge_values(promise, half, 2))
    worse = profile_of(promise, [{"id": 1, "state": "新規"}, {"id": 2, "state": "旧"}, {"id": 3, "state": "旧"}])
    assert not all(v.passed for v in judge_values(promise, worse, 2))


def test_a_null_misses_only_the_not_null_rule() -> None:
    promise = contract({"expect": "expect_column_values_to_be_in_set", "column": "state", "value_set": ["新規"]})
    assert all(v.passed for v in judge_values(promise, profile_of(promise, [{"id": 1, "state": None}]), 2))
    assert not all(v.passed for v in judge_values(promise, profile_of(promise, [{"id": None, "state": None}]), 2))


def test_a_rule_that_cannot_be_judged_is_refused_not_skipped() -> None:
    promise = contract({"expect": "expect_column_values_to_be_pretty", "column": "state"})
    with pytest.raises(FixConfiguration, match="expect_column_values_to_be_pretty"):
        profile_of(promise, [{"id": 1}])


def test_a_page_without_rows_can_be_judged_by_every_rule() -> None:
    promise = contract(
        {"expect": "expect_column_values_to_be_between", "column": "amount", "min_value": 0, "max_value": 9},
        {"expect": "expect_column_values_to_be_in_set", "column": "state", "value_set": ["新規"]},
        {"expect": "expect_column_values_to_match_regex", "column": "state", "regex": "^新"},
        {"expect": "expect_column_value_lengths_to_be_between", "column": "state", "min_value": 1},
        {"expect": "expect_table_row_count_to_be_between", "min_value": 1},
    )
    assert [v.passed for v in judge_values(promise, profile_of(promise, []), 7)] == [True]
    assert [v.passed for v in judge_values(promise, profile_of(promise, []), 0)] == [False]


def test_a_field_the_contract_leaves_out_may_have_the_name_of_one_of_its_columns() -> None:
    promise = contract()
    live = (*live_fields(promise), LiveField("amount", "", pa.string(), ""))
    assert all(verdict.passed for verdict in judge_schema(promise, Schema(live, "", "", {})))
    strict = Contract.model_validate({**promise.model_dump(by_alias=True), "drift": {"added": "stop"}, "exclude": ["amount"]})
    assert all(verdict.passed for verdict in judge_schema(strict, Schema(live, "", "", {})))
    assert not all(verdict.passed for verdict in judge_schema(strict.model_copy(update={"exclude": ()}), Schema(live, "", "", {})))
