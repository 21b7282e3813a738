"""Each row-level rule as Arrow kernels: which rows of a page miss it, with the very meaning that Great Expectations gives it.

Nulls miss a rule only where the rule is about nulls; NaN counts as null, as it does there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.errors import FixConfiguration
from expectations.literal import literal
from expectations.page import Page
from expectations.rules import IGNORE, Rule, bound_of, columns_of

if TYPE_CHECKING:
    import pyarrow as pa

    Mask = pa.BooleanArray
    Kernel = Callable[[pa.Array], Mask]


@dataclass(frozen=True)
class Missed:
    """``looked`` is how many rows of a page the rule speaks of; ``bad`` marks those of them that miss it, None where none does."""

    looked: int
    bad: Mask | None


def kernel_of(rule: Rule, column: str | None, given: Mapping[str, Any], types: Mapping[str, pa.DataType], place: str) -> Any:
    """A function from a page to ``Missed``, made once for all pages. Rules that compare rows with each other have none (None)."""
    names = columns_of(rule, column, given)
    if rule.about == "pair":
        return _pair(rule, names, given)
    if rule.about != "values" or rule.name == "expect_column_values_to_be_unique":
        return None
    name, kind = names[0], types[names[0]]
    if rule.name == "expect_column_values_to_not_be_null":
        return lambda page: _about_nulls(page, name, bad_when_null=True)
    if rule.name == "expect_column_values_to_be_null":
        return lambda page: _about_nulls(page, name, bad_when_null=False)
    if rule.name.startswith(("expect_column_values_to_be_between", "expect_column_value_lengths")):
        return _between(rule, name, given, kind)
    misses = _values(rule, given, kind, place)

    def judged(page: Page) -> Missed:
        import pyarrow.compute as pc

        return Missed(page.filled(name), pc.fill_null(misses(page.column(name)), False))

    return judged


def _about_nulls(page: Page, name: str, *, bad_when_null: bool) -> Missed:
    import pyarrow.compute as pc

    column = page.column(name)
    if (column.null_count == 0) if bad_when_null else (column.null_count == len(column)):
        return Missed(page.size, None)
    return Missed(page.size, pc.is_null(column) if bad_when_null else pc.is_valid(column))


def _between(rule: Rule, name: str, given: Mapping[str, Any], kind: pa.DataType) -> Callable[[Page], Missed]:
    """Bounds of values or of lengths. Where the lowest and the highest of a page lie within, no value is looked at."""
    import pyarrow as pa

    lengths = rule.name.startswith("expect_column_value_lengths")
    if rule.name == "expect_column_value_lengths_to_equal":
        given = {"min_value": given["value"], "max_value": given["value"]}
    limits = _bounds(rule, given, pa.int32() if lengths else kind)
    kind = pa.int32() if lengths else kind

    def judged(page: Page) -> Missed:
        filled = page.filled(name)
        if not filled:
            return Missed(0, None)
        ends = pa.array(page.bounds(name, lengths=lengths), kind)
        if not outside(ends, limits).true_count:
            return Missed(filled, None)
        return Missed(filled, outside(page.lengths(name) if lengths else page.column(name), limits))

    return judged


def _values(rule: Rule, given: Mapping[str, Any], kind: pa.DataType, place: str) -> Kernel:
    """Which values miss, null where there is none."""
    import pyarrow.compute as pc

    match rule.name.removeprefix("expect_column_"):
        case "values_to_be_in_set" | "values_to_not_be_in_set":
            wanted = in_type((literal(value, kind) for value in given["value_set"]), kind)
            inside = rule.name.endswith("to_be_in_set") and "not" not in rule.name
            return lambda column: _unless_null(
                column, pc.invert(pc.is_in(column, value_set=wanted)) if inside else pc.is_in(column, value_set=wanted)
            )
        case "values_to_match_regex":
            return lambda column: pc.invert(_found(column, given["regex"], place, rule))
        case "values_to_not_match_regex":
            return lambda column: _found(column, given["regex"], place, rule)
        case "values_to_match_regex_list":
            join = pc.and_ if given.get("match_on", "any") == "all" else pc.or_
            return lambda column: pc.invert(_many(column, given["regex_list"], place, rule, join))
        case "values_to_not_match_regex_list":
            return lambda column: _many(column, given["regex_list"], place, rule, pc.or_)
        case _:
            raise AssertionError(f"{rule.name} has no kernel")


def _unless_null(column: pa.Array, bad: Mask) -> Mask:
    import pyarrow.compute as pc

    return pc.and_(bad, pc.is_valid(column))


def in_type(values: Any, kind: pa.DataType) -> pa.Array:
    """Those of the values that the type can hold exactly: no other can ever be met in such a column."""
    import pyarrow as pa

    held: list[Any] = []
    for value in values:
        plain = int(value) if pa.types.is_integer(kind) and value == int(value) else value
        try:
            held.append(pa.scalar(plain, kind).as_py())
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            continue
    return pa.array(held, kind)


Limit = tuple[str, Any]


def _bounds(rule: Rule, given: Mapping[str, Any], kind: pa.DataType) -> list[Limit]:
    """Comparisons a value must not meet, each with a scalar of the type; ``never`` and ``always`` where the bound lies outside the type."""
    limits: list[Limit] = []
    for argument, strict in (("min_value", "strict_min"), ("max_value", "strict_max")):
        if given.get(argument) is not None:
            limits.append(_limit(bound_of(rule, given[argument], kind), kind, low=argument == "min_value", strict=bool(given.get(strict))))
    return limits


def _limit(bound: Any, kind: pa.DataType, *, low: bool, strict: bool) -> Limit:
    import pyarrow as pa

    name = ("less" if low else "greater") + ("_equal" if strict else "")
    if pa.types.is_floating(kind):
        # In double precision, as Great Expectations sees also a value that is stored in single.
        return name, pa.scalar(float(bound), pa.float64())
    if not isinstance(bound, Decimal):
        return name, pa.scalar(bound, kind)
    # Numbers with a fixed step: a bound between two of them is as good as the one beside it, and that one can be compared exactly.
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    units = bound.scaleb(scale)
    step = math.ceil(units) if low is not strict else math.floor(units)
    try:
        return name, pa.scalar(Decimal(step).scaleb(-scale) if pa.types.is_decimal(kind) else step, kind)
    except (pa.ArrowInvalid, OverflowError):
        missed = (step > 0) is low
        return ("always" if missed else "never"), None


def outside(column: pa.Array, limits: list[Limit]) -> Mask:
    """Which values meet one of the comparisons."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bad: Any = None
    for name, scalar in limits:
        one = pc.call_function(name, [column, scalar]) if scalar is not None else pa.repeat(pa.scalar(name == "always"), len(column))
        bad = one if bad is None else pc.or_(bad, one)
    return _unless_null(column, pc.fill_null(bad, False))


def _found(column: pa.Array, pattern: str, place: str, rule: Rule) -> Mask:
    """Where the pattern is found. Asked of pandas, as Great Expectations does, so that a pattern means the same to both."""
    import pandas as pd
    import pyarrow as pa

    texts: Any = pd.Series(pd.array(column.cast(pa.large_string()), dtype=pd.StringDtype("pyarrow")))
    try:
        return pa.array(texts.str.contains(pattern), pa.bool_(), from_pandas=True)
    except pa.ArrowInvalid as error:
        raise FixConfiguration("contract.bad_pattern", path=place, rule=rule.name, pattern=pattern, reason=str(error)) from error


def _many(column: pa.Array, patterns: list[str], place: str, rule: Rule, join: Callable[[Any, Any], Any]) -> Mask:
    found: Any = None
    for pattern in patterns:
        one = _found(column, pattern, place, rule)
        found = one if found is None else join(found, one)
    return found


def _pair(rule: Rule, names: tuple[str, ...], given: Mapping[str, Any]) -> Callable[[Page], Missed]:
    """Two columns of a row. A row of which one is null misses, unless such rows are left out."""
    way = given.get("ignore_row_if") or IGNORE["pair"][0]
    name = "equal" if rule.name.endswith("equal") else "greater_equal" if given.get("or_equal") else "greater"

    def judged(page: Page) -> Missed:
        import pyarrow.compute as pc

        first, second = page.column(names[0]), page.column(names[1])
        left_out: Any = None
        if way != "neither":
            join = pc.and_ if way == "both_values_are_missing" else pc.or_
            left_out = join(pc.is_null(first), pc.is_null(second))
        bad = pc.invert(pc.fill_null(pc.call_function(name, [first, second]), False))
        if left_out is not None and left_out.true_count:
            bad = pc.and_(bad, pc.invert(left_out))
        return Missed(page.size - (left_out.true_count if left_out is not None else 0), bad)

    return judged
