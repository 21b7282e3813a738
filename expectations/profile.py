"""One pass over arriving rows with Arrow kernels: what each column holds and how many values miss each rule. Bounded by the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.errors import FixConfiguration
from expectations.contract import Contract, Expectation

if TYPE_CHECKING:
    import pyarrow as pa

#: Rules a contract may name, all counted vectorised. Others are refused when the contract is judged, never skipped.
RULES = (
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_match_regex",
    "expect_column_value_lengths_to_be_between",
    "expect_table_row_count_to_be_between",
)


@dataclass
class ColumnProfile:
    """Counts of one column over all pages so far; ``low`` and ``high`` are None for types without an order and for no values."""

    nulls: int = 0
    low: Any = None
    high: Any = None


@dataclass
class Profile:
    """Of one pull: rows seen, per column counts, and per rule how many values were looked at and how many missed it."""

    rows: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict[str, ColumnProfile])
    looked: dict[str, int] = field(default_factory=dict[str, int])
    missed: dict[str, int] = field(default_factory=dict[str, int])
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def rule_id(number: int, rule: Expectation) -> str:
    """A stable short name of a rule inside its contract."""
    return f"{number:02d}.{rule.column or 'table'}.{rule.expect.removeprefix('expect_')}"


def add(profile: Profile, contract: Contract, batch: pa.RecordBatch) -> None:
    """Take one page's upserted rows into the profile."""
    import pyarrow.compute as pc

    profile.rows += batch.num_rows
    for spec in contract.fields:
        column = batch.column(spec.name)
        found = profile.columns.setdefault(spec.name, ColumnProfile())
        found.nulls += column.null_count
        if _ordered(column.type) and column.null_count < len(column):
            bounds = pc.min_max(column)
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            found.low = low if found.low is None else min(found.low, low)
            found.high = high if found.high is None else max(found.high, high)
    for number, rule in enumerate(contract.expectations):
        name = rule_id(number, rule)
        if rule.expect not in RULES:
            raise FixConfiguration("contract.unknown_rule", stream=contract.stream, rule=rule.expect, known=", ".join(RULES))
        if rule.column is None:
            continue
        column = batch.column(rule.column)
        bad = _misses(rule, column)
        count = int(pc.sum(bad).as_py() or 0)
        profile.looked[name] = profile.looked.get(name, 0) + len(column)
        profile.missed[name] = profile.missed.get(name, 0) + count
        if count:
            shown = profile.examples.setdefault(name, [])
            if len(shown) < 5:
                shown.extend(str(value) for value in column.filter(bad).slice(0, 5 - len(shown)).to_pylist())


def _ordered(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date, pa.types.is_timestamp)
    return any(test(kind) for test in tests)


def _misses(rule: Expectation, column: pa.Array) -> pa.Array:
    """A boolean array: which values miss the rule. Null values miss only the not-null rule, as in Great Expectations."""
    import pyarrow as pa
    import pyarrow.compute as pc

    given = rule.arguments()
    if rule.expect == "expect_column_values_to_not_be_null":
        return pc.is_null(column)
    if rule.expect == "expect_column_values_to_be_in_set":
        wanted = pa.array(list(given["value_set"])).cast(column.type)
        bad = pc.invert(pc.is_in(column, value_set=wanted))
        return pc.and_(bad, pc.is_valid(column))
    if rule.expect == "expect_column_values_to_match_regex":
        return pc.fill_null(pc.invert(pc.match_substring_regex(column, given["regex"])), False)
    subject = pc.utf8_length(column) if rule.expect == "expect_column_value_lengths_to_be_between" else column
    bad = pa.array([False] * len(column), pa.bool_())
    for bound, outside in (("min_value", pc.less), ("max_value", pc.greater)):
        if given.get(bound) is not None:
            limit = (
                pa.scalar(str(given[bound])).cast(subject.type)
                if not pa.types.is_integer(subject.type)
                else pa.scalar(int(given[bound]), subject.type)
            )
            bad = pc.or_(bad, pc.fill_null(outside(subject, limit), False))
    return bad
