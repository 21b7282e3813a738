"""The profile of a pull: the same however its rows are paged, and exact where a rule asks for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from expectations.contract import Contract
from expectations.counts import SLICE
from expectations.profile import Profile, add, begun
from expectations.suite import judge_values

FIELDS = [
    {"name": "id", "source": "id", "type": "int64"},
    {"name": "price", "source": "price", "type": "decimal128(12, 2)"},
    {"name": "rate", "source": "rate", "type": "double"},
    {"name": "name", "source": "name", "type": "string"},
]
RULES: list[dict[str, Any]] = [
    {"expect": "expect_column_values_to_be_unique", "column": "id"},
    {"expect": "expect_compound_columns_to_be_unique", "column_list": ["id", "name"]},
    {"expect": "expect_column_values_to_be_between", "column": "price", "min_value": 0},
    {"expect": "expect_column_sum_to_be_between", "column": "price", "min_value": 0},
    {"expect": "expect_column_unique_value_count_to_be_between", "column": "name", "min_value": 1},
    {"expect": "expect_column_value_lengths_to_be_between", "column": "name", "min_value": 1},
]
ROW = st.fixed_dictionaries(
    {
        "id": st.one_of(st.none(), st.integers(0, 5)),
        "price": st.one_of(st.none(), st.decimals(-10, 10, places=2)),
        "rate": st.one_of(st.none(), st.floats(-1, 1), st.just(float("nan"))),
        "name": st.one_of(st.none(), st.sampled_from(["", "a", "部品"])),
    }
)


def contract(*rules: dict[str, Any], fields: list[dict[str, Any]] = FIELDS) -> Contract:
    return Contract.model_validate(
        {"stream": "a/b", "version": 1, "source": {}, "key": ["id"], "fields": fields, "expectations": list(rules)}
    )


def profile_of(promise: Contract, *pages: list[dict[str, Any]]) -> Profile:
    profile = begun(promise)
    for rows in pages:
        add(profile, promise, pa.RecordBatch.from_pylist(rows, schema=promise.arrow_schema()))
    return profile


def told(profile: Profile) -> Any:
    """Everything it says, as plain values."""
    for count in profile.counts:
        count.settle()
    columns = {
        name: (c.rows, c.nulls, c.empties, c.low, c.high, c.shortest, c.longest, c.distinct.count if c.distinct else 0)
        for name, c in profile.columns.items()
    }
    return profile.rows, columns, [(c.looked, c.missed, getattr(c, "sum", None), getattr(c, "count", None)) for c in profile.counts]


@given(rows=st.lists(ROW, max_size=20), cuts=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_the_profile_of_pages_and_of_merged_pages_is_that_of_the_whole(rows: list[dict[str, Any]], cuts: tuple[int, int]) -> None:
    promise = contract(*RULES)
    first, second = sorted(cuts)
    pages = [rows[:first], rows[first:second], rows[second:]]
    whole = told(profile_of(promise, rows))
    assert told(profile_of(promise, *pages)) == whole
    merged = begun(promise)
    for page in pages:
        merged.merge(profile_of(promise, page))
    assert told(merged) == whole


def test_empties_lengths_and_nan_are_told_apart_from_nulls() -> None:
    rows = [{"id": 1, "rate": float("nan"), "name": ""}, {"id": 2, "rate": 0.5, "name": "部品"}, {"id": 3, "rate": None, "name": None}]
    found = profile_of(contract(), rows).columns
    assert (found["name"].nulls, found["name"].empties, found["name"].shortest, found["name"].longest) == (1, 1, 0, 2)
    assert (found["rate"].nulls, found["rate"].low) == (2, 0.5)


def test_a_decimal_meets_its_bound_exactly_though_no_float_does() -> None:
    promise = contract(
        {"expect": "expect_column_values_to_be_between", "column": "price", "min_value": 0.1, "max_value": 0.3},
        {"expect": "expect_column_max_to_be_between", "column": "price", "max_value": 0.3},
    )
    assert all(
        verdict.passed
        for verdict in judge_values(promise, profile_of(promise, [{"price": Decimal("0.10")}, {"price": Decimal("0.30")}]), 2)
    )
    strict = contract({"expect": "expect_column_values_to_be_between", "column": "price", "max_value": 0.1, "strict_max": True})
    verdicts = judge_values(strict, profile_of(strict, [{"price": Decimal("0.10")}]), 1)
    assert [(verdict.expectation, verdict.passed) for verdict in verdicts] == [("expect_column_values_to_be_between", False)]


def test_whole_numbers_beyond_what_a_float_holds_are_compared_exactly() -> None:
    promise = contract({"expect": "expect_column_values_to_be_between", "column": "id", "min_value": 2**53 + 1})
    assert [v.passed for v in judge_values(promise, profile_of(promise, [{"id": 2**53}]), 1)] == [False]
    assert [v.passed for v in judge_values(promise, profile_of(promise, [{"id": 2**53 + 1}]), 1)] == [True]


def test_great_expectations_is_shown_no_more_than_a_slice_and_says_what_missed() -> None:
    promise = contract({"expect": "expect_column_values_to_be_in_set", "column": "name", "value_set": ["良"]})
    profile = profile_of(promise, [{"id": n, "name": f"不良{n}"} for n in range(1000)])
    assert sum(rows.num_rows for rows in profile.counts[0].slices) == SLICE
    (verdict,) = judge_values(promise, profile, 1000)
    assert not verdict.passed and verdict.observed.startswith("1000 of 1000 missed: 不良0, 不良1")


def test_repeats_are_shown_together_with_what_they_repeat() -> None:
    promise = contract({"expect": "expect_column_values_to_be_unique", "column": "id"})
    pages = [[{"id": n} for n in range(500)], [{"id": 7}]]
    (verdict,) = judge_values(promise, profile_of(promise, *pages), 501)
    assert not verdict.passed and verdict.observed == "2 of 501 missed: 7"


def test_where_great_expectations_finds_otherwise_the_check_fails_and_says_so() -> None:
    promise = contract({"expect": "expect_column_values_to_be_in_set", "column": "name", "value_set": ["良"], "mostly": 0.5})
    profile = profile_of(promise, [{"id": 1, "name": "良"}, {"id": 2, "name": "不良"}])
    assert [verdict.passed for verdict in judge_values(promise, profile, 2)] == [True]
    # A kernel that is wrong: it takes a row for a miss that is none.
    profile.counts[0].slices = [pa.RecordBatch.from_pylist([{"name": "良"}], schema=pa.schema([("name", pa.string())]))]
    found = {verdict.expectation: verdict for verdict in judge_values(promise, profile, 2)}
    assert not found["judge.disagree"].passed and found["judge.disagree"].severity == "critical"
    assert "0" in found["judge.disagree"].observed and found["expect_column_values_to_be_in_set"].passed


def test_of_a_part_only_what_a_part_can_prove_wrong_is_judged() -> None:
    promise = contract(
        {"expect": "expect_column_unique_value_count_to_be_between", "column": "name", "min_value": 3, "max_value": 4},
        {"expect": "expect_column_sum_to_be_between", "column": "price", "min_value": 100},
        {"expect": "expect_column_min_to_be_between", "column": "price", "min_value": 0, "max_value": 1},
        {"expect": "expect_table_row_count_to_be_between", "min_value": 10},
    )
    rows = [{"id": 1, "name": "a", "price": Decimal("5.00")}]
    part = {v.expectation: v for v in judge_values(promise, profile_of(promise, rows), 10, whole=False)}
    assert all(verdict.passed for verdict in part.values())
    assert [name for name, verdict in part.items() if verdict.later] == ["expect_column_sum_to_be_between"]
    whole = {v.expectation: v.passed for v in judge_values(promise, profile_of(promise, rows), 1)}
    assert not any(whole.values())
    worse = [{"id": n, "name": str(n), "price": Decimal("-1.00")} for n in range(5)]
    part = {v.expectation: v for v in judge_values(promise, profile_of(promise, worse), 10, whole=False)}
    assert not part["expect_column_unique_value_count_to_be_between"].passed and not part["expect_column_min_to_be_between"].passed
