"""Every rule that a contract may name, on random rows: what we count is what Great Expectations finds on the very same values."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations.contract import Contract
from expectations.profile import Profile, add
from expectations.rules import RULES
from expectations.suite import judge_values

BIG = 2**53 + 1
#: A tenth as a column of single precision holds it.
SINGLE = float(np.float32(0.1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.sampled_from([0, 1, 2, 3, 7, -1, BIG, -BIG]),
    "double": st.sampled_from([0.0, -0.0, 0.1, 1.5, 2.0, -3.25, 1e300, float("nan")]),
    "float": st.sampled_from([SINGLE, 0.5, -0.0, 3.25]),
    "decimal128(12, 2)": st.sampled_from([Decimal("0.00"), Decimal("0.10"), Decimal("1.50"), Decimal("-2.25"), Decimal("99999.99")]),
    "string": st.sampled_from(["", "a", "S0001", "部品", "部品\n", "ｓ０００１", "A B", "S0001x"]),
    "date32": st.sampled_from([date(2026, 1, 1), date(2026, 3, 31), date(1969, 12, 31), date(2099, 1, 1)]),
    "timestamp[us, UTC]": st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(1969, 1, 1, tzinfo=UTC)]),
    "bool": st.booleans(),
}  # fmt: skip
DAY = datetime(2026, 1, 1, tzinfo=UTC)

#: Rule by rule: the type of its columns and its arguments. Columns of a case are called a and b.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    *(("expect_column_values_to_not_be_null", kind, {"mostly": 0.5}) for kind in VALUES),
    ("expect_column_values_to_be_null", "double", {"mostly": 0.3}),
    ("expect_column_values_to_be_null", "string", {}),
    ("expect_column_values_to_be_between", "int64", {"min_value": 0, "max_value": BIG - 1}),
    ("expect_column_values_to_be_between", "int64", {"min_value": 0.5, "max_value": 2.5}),
    ("expect_column_values_to_be_between", "int64", {"min_value": 1, "strict_min": True, "mostly": 0.5}),
    ("expect_column_values_to_be_between", "int64", {"max_value": 10**30}),
    ("expect_column_values_to_be_between", "double", {"min_value": 0, "max_value": 1.5, "strict_max": True}),
    ("expect_column_values_to_be_between", "float", {"min_value": 0.1, "strict_min": True}),
    ("expect_column_values_to_be_between", "float", {"max_value": 0.1}),
    ("expect_column_values_to_be_between", "decimal128(12, 2)", {"min_value": 0, "max_value": "1.5"}),
    ("expect_column_values_to_be_between", "decimal128(12, 2)", {"min_value": 1.5, "strict_min": True}),
    ("expect_column_values_to_be_between", "decimal128(12, 2)", {"min_value": "0.105"}),
    ("expect_column_values_to_be_between", "date32", {"min_value": date(2026, 1, 1), "max_value": "2026-12-31"}),
    ("expect_column_values_to_be_between", "timestamp[us, UTC]", {"min_value": "2026-01-01T09:00:00+09:00", "strict_min": True}),
    ("expect_column_values_to_be_between", "timestamp[us, UTC]", {"max_value": DAY}),
    ("expect_column_values_to_be_between", "timestamp[us, UTC]", {"min_value": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)}),
    ("expect_column_values_to_be_in_set", "int64", {"value_set": [1, 2, BIG]}),
    ("expect_column_values_to_be_in_set", "double", {"value_set": [0, 1.5]}),
    ("expect_column_values_to_be_in_set", "decimal128(12, 2)", {"value_set": ["0.1", 1.5]}),
    ("expect_column_values_to_be_in_set", "string", {"value_set": ["部品", "a"], "mostly": 0.5}),
    ("expect_column_values_to_be_in_set", "date32", {"value_set": ["2026-01-01"]}),
    ("expect_column_values_to_be_in_set", "bool", {"value_set": [True]}),
    ("expect_column_values_to_not_be_in_set", "string", {"value_set": ["", "部品"]}),
    ("expect_column_values_to_not_be_in_set", "timestamp[us, UTC]", {"value_set": [DAY]}),
    ("expect_column_values_to_match_regex", "string", {"regex": "^S[0-9]{4}$"}),
    ("expect_column_values_to_match_regex", "string", {"regex": r"^\w\d+$", "mostly": 0.5}),
    ("expect_column_values_to_match_regex", "string", {"regex": "品$"}),
    ("expect_column_values_to_match_regex", "string", {"regex": "^(?!S)"}),
    ("expect_column_values_to_not_match_regex", "string", {"regex": r"\s"}),
    ("expect_column_values_to_match_regex_list", "string", {"regex_list": ["^S", "品"]}),
    ("expect_column_values_to_match_regex_list", "string", {"regex_list": ["^S", "1$"], "match_on": "all"}),
    ("expect_column_values_to_not_match_regex_list", "string", {"regex_list": ["^S", "品"]}),
    ("expect_column_value_lengths_to_be_between", "string", {"min_value": 1, "max_value": 2}),
    ("expect_column_value_lengths_to_be_between", "string", {"min_value": 1, "strict_min": True}),
    ("expect_column_value_lengths_to_equal", "string", {"value": 5, "mostly": 0.4}),
    *(("expect_column_values_to_be_unique", kind, {}) for kind in VALUES),
    ("expect_column_pair_values_a_to_be_greater_than_b", "int64", {}),
    ("expect_column_pair_values_a_to_be_greater_than_b", "decimal128(12, 2)", {"or_equal": True, "ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_a_to_be_greater_than_b", "date32", {"ignore_row_if": "either_value_is_missing", "mostly": 0.5}),
    ("expect_column_pair_values_to_be_equal", "string", {"ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_to_be_equal", "int64", {"ignore_row_if": "neither"}),
    ("expect_compound_columns_to_be_unique", "int64", {}),
    ("expect_compound_columns_to_be_unique", "string", {"ignore_row_if": "any_value_is_missing"}),
    ("expect_compound_columns_to_be_unique", "double", {"ignore_row_if": "never"}),
    ("expect_column_min_to_be_between", "int64", {"min_value": 0}),
    ("expect_column_min_to_be_between", "decimal128(12, 2)", {"min_value": "-2.25", "max_value": 1.5, "strict_max": True}),
    ("expect_column_max_to_be_between", "double", {"max_value": 1.5}),
    ("expect_column_max_to_be_between", "date32", {"max_value": date(2026, 12, 31)}),
    ("expect_column_max_to_be_between", "timestamp[us, UTC]", {"min_value": DAY}),
    ("expect_column_mean_to_be_between", "decimal128(12, 2)", {"min_value": 0, "max_value": 1}),
    ("expect_column_mean_to_be_between", "double", {"min_value": 0, "strict_min": True}),
    ("expect_column_sum_to_be_between", "int64", {"min_value": 3, "max_value": 20}),
    ("expect_column_unique_value_count_to_be_between", "string", {"min_value": 2, "max_value": 3}),
    ("expect_column_unique_value_count_to_be_between", "double", {"max_value": 3}),
    ("expect_column_proportion_of_unique_values_to_be_between", "int64", {"min_value": 0.5}),
    ("expect_column_proportion_of_non_null_values_to_be_between", "double", {"min_value": 0.5}),
    ("expect_column_distinct_values_to_be_in_set", "string", {"value_set": ["a", "部品", "S0001"]}),
    ("expect_column_distinct_values_to_contain_set", "int64", {"value_set": [1, 2]}),
    ("expect_column_distinct_values_to_equal_set", "bool", {"value_set": [True, False]}),
    ("expect_table_row_count_to_be_between", "int64", {"min_value": 2, "max_value": 4}),
    ("expect_table_row_count_to_equal", "int64", {"value": 3}),
]  # fmt: skip


def test_every_rule_that_a_contract_may_name_is_tried() -> None:
    assert {name for name, _, _ in CASES} == set(RULES)


@cache
def batches() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    return context.data_sources.add_pandas("rows").add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")


def found_by_gx(name: str, kind: pa.DataType, rows: list[dict[str, Any]], arguments: dict[str, Any]) -> tuple[bool, int]:
    """Its verdict and how many values it calls unexpected, on the values as Python has them."""
    import great_expectations.expectations as gxe

    clean = [{c: None if isinstance(v, float) and v != v else v for c, v in row.items()} for row in rows]
    frame = pd.DataFrame({column: pd.Series([row[column] for row in clean], dtype="object") for column in ("a", "b")})
    if name.split("_")[2] in ("mean", "sum"):
        # What it makes of decimals itself; beside a None it does not.
        frame = frame.astype("float64")
    plain = {
        key: in_python(value, kind, name) if key in ("min_value", "max_value", "value_set") else value for key, value in arguments.items()
    }
    expectation = getattr(gxe, "".join(part.title() for part in name.split("_")))(**plain)
    result = batches().get_batch({"dataframe": frame}).validate(expectation)
    assert not (result.exception_info or {}).get("raised_exception"), result.exception_info
    return bool(result.success), int(result.result.get("unexpected_count") or 0)


def in_python(value: Any, kind: pa.DataType, rule: str) -> Any:
    if isinstance(value, list):
        return [in_python(one, kind, rule) for one in value]
    compared = "values_to_be_between" in rule or "_set" in rule or rule.split("_")[2] in ("min", "max")
    if not compared or isinstance(value, bool) or (isinstance(value, str) and pa.types.is_string(kind)):
        return value
    if pa.types.is_decimal(kind) and isinstance(value, (int, float, str)):
        return Decimal(str(value))
    if pa.types.is_date(kind) and isinstance(value, str):
        return date.fromisoformat(value)
    if pa.types.is_timestamp(kind) and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


@pytest.mark.parametrize(
    ("name", "kind", "arguments"), CASES, ids=[f"{n}-{name[7:]}-{kind[:9]}" for n, (name, kind, _) in enumerate(CASES)]
)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_what_we_count_is_what_great_expectations_finds(name: str, kind: str, arguments: dict[str, Any], data: st.DataObject) -> None:
    rule, value = RULES[name], st.one_of(st.none(), VALUES[kind], VALUES[kind], VALUES[kind])
    rows = data.draw(st.lists(st.fixed_dictionaries({"a": value, "b": value}), min_size=1, max_size=25))
    places: dict[str, Any] = {
        "pair": {"column_A": "a", "column_B": "b"},
        "rows": {"column_list": ["a", "b"]},
        "table": {},
    }.get(rule.about, {"column": "a"})
    fields = [{"name": one, "source": one, "type": kind} for one in ("a", "b")]
    contract = Contract.model_validate(
        {
            "stream": "a/b",
            "version": 1,
            "source": {},
            "key": ["a"],
            "fields": fields,
            "expectations": [{"expect": name, **places, **arguments}],
        }
    )
    profile = Profile()
    cut = data.draw(st.integers(0, len(rows)))
    for part in (rows[:cut], rows[cut:]):
        add(profile, contract, pa.RecordBatch.from_pylist(part, schema=contract.arrow_schema()))
    verdicts = judge_values(contract, profile, len(rows))
    assert not [one for one in verdicts if one.expectation == "judge.disagree"], verdicts
    success, unexpected = found_by_gx(name, contract.fields[0].column().type, rows, {**places, **arguments})
    assert [one.passed for one in verdicts] == [success] or (not verdicts and success)
    if rule.about in ("values", "pair", "rows"):
        assert profile.counts[0].missed == unexpected
