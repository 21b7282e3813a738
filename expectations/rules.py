"""The rules a contract may name, by Great Expectations' own names: what each speaks of, what it takes, and what is wrong with one as written.

A rule that is not here, or that has an argument it does not know, is refused when the contract is read; none is ever skipped.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import FixConfiguration
from connectors.messages import told
from expectations.literal import literal

if TYPE_CHECKING:
    import pyarrow as pa

#: What a rule speaks of: each value of a column, two columns of a row, several of them, a column as a whole, the table.
About = Literal["values", "pair", "rows", "column", "table"]
#: Columns a rule can be asked of: any at all, those with values that are no lists, those with an order, numbers and times, numbers, text.
Fits = Literal["any", "plain", "ordered", "measured", "number", "text"]


@dataclass(frozen=True)
class Rule:
    """One rule. ``takes`` are its arguments beside the columns, ``needs`` those it can't do without; of ``one_of`` it needs at least one.

    ``part`` says, where only changed rows were read, which arguments such a part can prove wrong: what misses there misses in the whole.
    """

    name: str
    about: About
    fits: Fits
    says: str
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    part: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Every argument that may stand in the contract, columns included."""
        columns = {"pair": ("column_A", "column_B"), "rows": ("column_list",)}.get(self.about, ())
        shares = ("mostly",) if self.about in ("values", "pair", "rows") else ()
        return (*columns, *self.takes, *shares)


_BOUNDS = ("min_value", "max_value")
_STRICT = (*_BOUNDS, "strict_min", "strict_max")
_PAIR, _ROWS = ("column_A", "column_B"), ("column_list",)


def _bounded(name: str, about: About, fits: Fits, says: str, part: tuple[str, ...] = ()) -> Rule:
    return Rule(name, about, fits, says, _STRICT, one_of=_BOUNDS, part=part)


_EVERY = (
    Rule("expect_column_values_to_not_be_null", "values", "any", "Each row has a value."),
    Rule("expect_column_values_to_be_null", "values", "any", "No row has a value."),
    _bounded("expect_column_values_to_be_between", "values", "measured", "Each value lies within bounds."),
    Rule("expect_column_values_to_be_in_set", "values", "plain", "Each value is one of these.", ("value_set",), ("value_set",)),
    Rule("expect_column_values_to_not_be_in_set", "values", "plain", "No value is one of these.", ("value_set",), ("value_set",)),
    Rule("expect_column_values_to_match_regex", "values", "text", "The pattern is found in each value.", ("regex",), ("regex",)),
    Rule("expect_column_values_to_not_match_regex", "values", "text", "The pattern is found in no value.", ("regex",), ("regex",)),
    Rule(
        "expect_column_values_to_match_regex_list",
        "values",
        "text",
        "One of the patterns is found in each value; with `match_on: all` every one.",
        ("regex_list", "match_on"),
        ("regex_list",),
    ),
    Rule("expect_column_values_to_not_match_regex_list", "values", "text", "None is found in any.", ("regex_list",), ("regex_list",)),
    _bounded("expect_column_value_lengths_to_be_between", "values", "text", "Each text has a length within bounds, in characters."),
    Rule("expect_column_value_lengths_to_equal", "values", "text", "Each text has this length.", ("value",), ("value",)),
    Rule(
        "expect_column_values_to_be_unique", "values", "plain", "No value stands twice. Its column's values are kept while they are read."
    ),
    Rule(
        "expect_column_pair_values_a_to_be_greater_than_b",
        "pair",
        "ordered",
        "`column_A` is greater than `column_B`; with `or_equal` it may be the same.",
        ("or_equal", "ignore_row_if"),
        _PAIR,
    ),
    Rule("expect_column_pair_values_to_be_equal", "pair", "plain", "`column_A` is `column_B`.", ("ignore_row_if",), _PAIR),
    Rule(
        "expect_compound_columns_to_be_unique",
        "rows",
        "plain",
        "No combination of these columns stands twice. Their values are kept while they are read.",
        ("ignore_row_if",),
        _ROWS,
    ),
    _bounded("expect_column_min_to_be_between", "column", "measured", "The lowest value lies within bounds.", ("min_value",)),
    _bounded("expect_column_max_to_be_between", "column", "measured", "The highest value lies within bounds.", ("max_value",)),
    _bounded("expect_column_mean_to_be_between", "column", "number", "The mean lies within bounds."),
    _bounded("expect_column_sum_to_be_between", "column", "number", "The sum lies within bounds."),
    _bounded(
        "expect_column_unique_value_count_to_be_between",
        "column",
        "plain",
        "So many different values, counted exactly: they are kept while they are read.",
        ("max_value",),
    ),
    _bounded(
        "expect_column_proportion_of_unique_values_to_be_between",
        "column",
        "plain",
        "The share of different values among the values, counted exactly.",
    ),
    _bounded("expect_column_proportion_of_non_null_values_to_be_between", "column", "any", "The share of rows that have a value."),
    Rule(
        "expect_column_distinct_values_to_be_in_set",
        "column",
        "plain",
        "The different values are among these.",
        ("value_set",),
        ("value_set",),
        part=("value_set",),
    ),
    Rule("expect_column_distinct_values_to_contain_set", "column", "plain", "Each of these occurs.", ("value_set",), ("value_set",)),
    Rule("expect_column_distinct_values_to_equal_set", "column", "plain", "These occur, and no others.", ("value_set",), ("value_set",)),
    _bounded("expect_table_row_count_to_be_between", "table", "any", "The table holds so many rows, once the pull has landed.", _BOUNDS),
    Rule("expect_table_row_count_to_equal", "table", "any", "The table holds just so many rows.", ("value",), ("value",), part=("value",)),
)
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _EVERY}

#: How a row with nothing in it is taken, by what a rule speaks of; the first is the rule's own way.
IGNORE: Mapping[About, tuple[str, ...]] = {
    "pair": ("both_values_are_missing", "either_value_is_missing", "neither"),
    "rows": ("all_values_are_missing", "any_value_is_missing", "never"),
}


def rule_named(name: str, place: str) -> Rule:
    """The rule. Raises FixConfiguration ``contract.unknown_rule`` that names those that are near, and all."""
    found = RULES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, RULES, 3, 0.6)
        raise FixConfiguration("contract.unknown_rule", path=place, rule=name, near=", ".join(near) or "–", known=", ".join(RULES))
    return found


def columns_of(rule: Rule, column: str | None, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns a rule speaks of, in the order in which it names them."""
    if rule.about == "pair":
        return (str(given["column_A"]), str(given["column_B"]))
    if rule.about == "rows":
        return tuple(map(str, given["column_list"]))
    return () if column is None else (column,)


def check_rule(name: str, column: str | None, given: Mapping[str, Any], types: Mapping[str, pa.DataType], place: str) -> Rule:
    """The rule, held to what can be judged. ``types`` are the contract's columns; ``place`` is said in the error.

    Raises FixConfiguration: ``contract.unknown_rule``, ``contract.no_such_field``, ``contract.bad_rule``.
    """
    rule = rule_named(name, place)

    def wrong(code: str, **facts: object) -> FixConfiguration:
        return FixConfiguration("contract.bad_rule", path=place, rule=name, reason=told(f"rule.{code}", **facts))

    for argument in given:
        if argument not in rule.arguments:
            raise wrong("no_argument", argument=argument, known=", ".join(rule.arguments) or "–")
    for argument in rule.needs:
        if given.get(argument) is None:
            raise wrong("needs", argument=argument)
    if rule.one_of and all(given.get(argument) is None for argument in rule.one_of):
        raise wrong("needs", argument=" / ".join(rule.one_of))
    if (column is not None) is not (rule.about in ("values", "column")):
        raise wrong("needs", argument="column") if column is None else wrong("no_column")
    listed = given.get("column_list")
    if rule.about == "rows" and (not isinstance(listed, (list, tuple)) or len(listed) < 2):
        raise wrong("value", argument="column_list", value=listed, wanted=told("rule.wants.columns"))
    for one in columns_of(rule, column, given):
        if one not in types:
            raise FixConfiguration("contract.no_such_field", path=place, field=one)
        if not fits(rule.fits, types[one]):
            raise wrong("type", column=one, type=str(types[one]), wanted=told(f"rule.fits.{rule.fits}"))
    for argument, value, wanted in _faulty(rule, column, given, types):
        raise wrong("value", argument=argument, value=value, wanted=told(f"rule.wants.{wanted}"))
    return rule


def fits(wanted: Fits, kind: pa.DataType) -> bool:
    """Whether a rule can be asked of a column of this type."""
    import pyarrow as pa

    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    text = pa.types.is_string(kind)
    measured = number or pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    ordered = measured or text
    plain = ordered or pa.types.is_boolean(kind)
    return {"any": True, "plain": plain, "ordered": ordered, "measured": measured, "number": number, "text": text}[wanted]


def _faulty(
    rule: Rule, column: str | None, given: Mapping[str, Any], types: Mapping[str, pa.DataType]
) -> Iterator[tuple[str, object, str]]:
    """Arguments whose value can't be judged: name, value, and what is wanted in its place."""
    mostly = given.get("mostly")
    if mostly is not None and (isinstance(mostly, bool) or not isinstance(mostly, (int, float)) or not 0 <= mostly <= 1):
        yield "mostly", mostly, "share"
    for argument in ("strict_min", "strict_max", "or_equal"):
        if not isinstance(given.get(argument, False), bool):
            yield argument, given[argument], "truth"
    ignored = given.get("ignore_row_if")
    if ignored is not None and ignored not in IGNORE[rule.about]:
        yield "ignore_row_if", ignored, f"ignore_{rule.about}"
    if given.get("match_on", "any") not in ("any", "all"):
        yield "match_on", given["match_on"], "match_on"
    patterns = given.get("regex_list", [given["regex"]] if "regex" in given else [])
    if not isinstance(patterns, (list, tuple)) or ("regex_list" in given and not patterns):
        yield "regex_list", patterns, "patterns"
    else:
        yield from (("regex", pattern, "pattern") for pattern in patterns if not _is_pattern(pattern))
    if rule.about == "pair" and types[str(given["column_A"])] != types[str(given["column_B"])]:
        yield "column_B", given["column_B"], "same_type"
    yield from _faulty_values(rule, column, given, types)


def _faulty_values(
    rule: Rule, column: str | None, given: Mapping[str, Any], types: Mapping[str, pa.DataType]
) -> Iterator[tuple[str, object, str]]:
    values = given.get("value_set")
    if "value_set" in given and (not isinstance(values, (list, tuple, set)) or not values):
        yield "value_set", values, "values"
        return
    assert column is not None or not values
    for value in values or ():
        if not _readable(value, types[str(column)]):
            yield "value_set", value, "of_type"
    read: dict[str, Any] = {}
    for argument in ("min_value", "max_value", "value"):
        if given.get(argument) is not None:
            try:
                read[argument] = bound_of(rule, given[argument], types[column] if column else None)
            except ValueError:
                yield argument, given[argument], "of_type" if compares_values(rule) else "number"
    if len(read) == 2 and read["min_value"] > read["max_value"]:
        yield "min_value", given["min_value"], "crossed"


def compares_values(rule: Rule) -> bool:
    """Whether a rule's bounds are values of its column, and not counts, lengths, shares or sums."""
    return rule.name in (
        "expect_column_values_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_max_to_be_between",
    )


def bound_of(rule: Rule, written: Any, kind: pa.DataType | None) -> Any:
    """A bound as a value that can be compared with what the rule looks at. Raises ValueError where it can't."""
    import pyarrow as pa

    if kind is not None and compares_values(rule):
        return literal(written, kind)
    return literal(written, pa.decimal128(38, 9))


def _readable(value: Any, kind: pa.DataType) -> bool:
    try:
        literal(value, kind)
    except ValueError:
        return False
    return True


def _is_pattern(pattern: object) -> bool:
    try:
        re.compile(str(pattern))
    except re.error:
        return False
    return isinstance(pattern, str)
