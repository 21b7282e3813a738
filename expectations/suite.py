"""Great Expectations as the judge: of the live types on an empty frame, of the rules on the profile, of the rows that missed one on a slice.

GX never sees the whole table: what it is shown does not grow with it. The import costs seconds and stays inside the functions.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from connectors.protocol import LiveField, Schema
from expectations.band_settings import Severity
from expectations.bands import Band
from expectations.contract import Contract, Expectation, FieldSpec
from expectations.counts import Count
from expectations.kernels import in_type
from expectations.literal import literal
from expectations.profile import Profile, begun, types_of
from expectations.rooms import Bounded, rooms
from expectations.rules import Rule, compares_values, rule_named
from expectations.types import parse_type
from expectations.wholes import Whole, whole_of
from expectations.words import expected_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Verdicts that a process remembers: of the same types, and of the same numbers within the same bounds, there is but one.
_KEPT = 16_384


@dataclass(frozen=True)
class Verdict:
    """One expectation's outcome, as a person reads it in a table. ``later``: only a part was read, and that can't prove it wrong."""

    expectation: str
    column: str
    expected: str
    observed: str
    passed: bool
    severity: Severity
    later: bool = False


def judge_schema(contract: Contract, live: Schema) -> tuple[Verdict, ...]:
    """The live types against the contract's, on an empty typed frame: every contract column is there, with its type."""
    names = {field.source: field.name for field in contract.fields}
    wanted = {field.name: _promised_type(field) for field in contract.fields}

    def column(source: str) -> str:
        """What a source's field is called in the frame. One that the contract leaves out may have the name of a column."""
        return names.get(source) or (f"{source} (source)" if source in wanted else source)

    exact = contract.drift.added in ("ask", "stop")
    columns = [*wanted, *map(column, contract.exclude)] if exact else list(wanted)
    types = tuple((column(field.source), _live_type(field)) for field in live.fields)
    return _judged_types(types, tuple(wanted.items()), tuple(columns), exact)


@lru_cache(maxsize=_KEPT)
def _judged_types(
    types: tuple[tuple[str, pa.DataType], ...], wanted: tuple[tuple[str, pa.DataType], ...], columns: tuple[str, ...], exact: bool
) -> tuple[Verdict, ...]:
    """The verdicts on these types. A process that lives many days asks again only where something changed."""
    import great_expectations.expectations as gxe
    import pandas as pd
    import pyarrow as pa

    empty = pa.schema(list(types)).empty_table().to_pandas(types_mapper=pd.ArrowDtype)
    present = set(empty.columns)
    by_dtype: list[Any] = [gxe.ExpectTableColumnsToMatchSet(column_set=list(columns), exact_match=exact)]
    by_text: list[Any] = []
    shown: dict[str, str] = {}
    for name, kind in wanted:
        if name not in present:
            continue  # named as missing by the set rule above
        if _pandas_reads(kind):
            by_dtype.append(gxe.ExpectColumnTypeToBe(column=name, type_=str(pd.ArrowDtype(kind))))
        else:
            # pandas cannot parse the names of decimal and nested types, so GX compares their text instead.
            shown[name] = str(empty.dtypes[name])
            by_text.append(gxe.ExpectColumnDistinctValuesToBeInSet(column=name, value_set=[str(pd.ArrowDtype(kind))]))
    results = _validate(empty, by_dtype) + (_validate(pd.DataFrame([shown]), by_text) if by_text else [])
    return tuple(
        Verdict(
            expectation="expect_column_type_to_be" if result["kwargs"].get("column") else result["kind"],
            column=str(result["kwargs"].get("column", "")),
            expected=str(result["kwargs"].get("type_") or ", ".join(map(str, result["kwargs"].get("value_set") or columns))),
            observed=shown.get(str(result["kwargs"].get("column", ""))) or str(result["observed"]),
            passed=result["success"],
            severity="critical",
        )
        for result in results
    )


def _promised_type(field: FieldSpec) -> pa.DataType:
    """The contract's type with inner fields under the source's codes: both sides must name the same things to be compared."""
    return parse_type(field.type, tuple((inner.source, _promised_type(inner)) for inner in field.fields))


def _live_type(field: LiveField) -> pa.DataType:
    import pyarrow as pa

    if not field.children:
        return field.type
    inner = pa.struct([(child.source, _live_type(child)) for child in field.children])
    return pa.list_(inner) if pa.types.is_list(field.type) else inner


def _pandas_reads(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return not (pa.types.is_decimal(kind) or pa.types.is_nested(kind))


def judge_values(contract: Contract, profile: Profile, live_rows: int, *, whole: bool = True) -> tuple[Verdict, ...]:
    """The contract's rules against the profile: the share of values that hold each must reach ``mostly``, and what a column is as a whole
    must lie where the rule says.

    Required fields carry a not-null rule of their own. Column rules speak of the rows that came, ``whole`` says whether those are all; rules
    about the table's row count speak of ``live_rows``, what the table will hold, since an incremental pull of nothing is a good pull. Rows
    that missed a rule are shown to the very expectation it names: where that finds otherwise, a verdict ``judge.disagree`` fails.
    """
    asked = _Asked()
    for field in contract.fields:
        if field.required and profile.rows:
            nulls = profile.columns[field.name].nulls
            rule = "expect_column_values_to_not_be_null"
            asked.verdict(Verdict(rule, field.name, "no nulls", f"{nulls} null of {profile.rows}", True, "critical"))
            asked.between(nulls / profile.rows, None, 0)
    confidential = {field.name for field in contract.fields if field.sensitivity == "confidential"}
    beside: list[Verdict] = []
    for written, count in zip(contract.expectations, profile.counts or begun(contract).counts, strict=True):
        count.settle()
        rule, given = rule_named(written.expect, contract.stream), written.arguments()
        verdict = Verdict(written.expect, ", ".join(count.columns), expected_of(rule, given), "", True, written.severity)
        if rule.about in ("values", "pair", "rows"):
            if count.looked:
                shown, other = _confirmed(contract, written, rule, count)
                beside += other
                examples = f": {shown}" if shown and not confidential & set(count.columns) else ""
                asked.verdict(replace(verdict, observed=f"{count.missed} of {count.looked} missed{examples}"))
                asked.between((float(count.looked) - float(count.missed)) / float(count.looked), float(given.get("mostly", 1)), None)
            continue
        found = whole_of(rule, given, count, profile, live_rows)
        if found is None:
            continue
        low, high = _provable(found, rule, whole=whole or rule.about == "table")
        if low is None and high is None:
            beside.append(replace(verdict, observed="not judged: only changes were read", later=True))
            continue
        hidden = found.is_value and confidential & set(count.columns)
        asked.verdict(replace(verdict, observed="(confidential)" if hidden else found.said))
        strict = {"strict_min": bool(given.get("strict_min")), "strict_max": bool(given.get("strict_max"))}
        if found.value is None or isinstance(found.value, float):
            asked.between(found.value, low, high, **strict)
            continue
        if low is not None:
            asked.between(_distance(found.value, low), 0, None, **strict)
        if high is not None:
            asked.between(_distance(found.value, high), None, 0, **strict)
    return (*asked.judged(), *beside)


class _Asked:
    """Numbers to be judged: each belongs to the verdict named last."""

    def __init__(self) -> None:
        self._verdicts: list[Verdict] = []
        self._numbers: list[Bounded] = []
        self._of: list[int] = []

    def verdict(self, verdict: Verdict) -> None:
        """What the numbers that follow are to prove."""
        self._verdicts.append(verdict)

    def between(
        self, value: float | None, low: float | None, high: float | None, *, strict_min: bool = False, strict_max: bool = False
    ) -> None:
        """The number lies between these. None is no number, and lies nowhere."""
        self._numbers.append((value, low, high, strict_min, strict_max))
        self._of.append(len(self._verdicts) - 1)

    def judged(self) -> tuple[Verdict, ...]:
        """Every verdict, passed where Great Expectations found each of its numbers where it should be."""
        if not self._numbers:
            return tuple(self._verdicts)
        passed = [verdict.passed for verdict in self._verdicts]
        for number, holds in zip(self._of, _judged_numbers(self._numbers), strict=True):
            passed[number] = passed[number] and holds
        return tuple(replace(verdict, passed=ok) for verdict, ok in zip(self._verdicts, passed, strict=True))


#: What was found of a number: whether it lies where it should.
_HELD: dict[Bounded, bool] = {}


def _judged_numbers(numbers: Sequence[Bounded]) -> list[bool]:
    """Whether each number lies where it should, as Great Expectations finds it.

    What a process has had judged it does not ask about again: of a quiet day most numbers are those of the day before. Numbers with room on
    every side are judged together, by the least room that any of them has: a rule of its own costs a millisecond for each.
    """
    known = {number: held for number in numbers if (held := _HELD.get(number)) is not None}
    asked = [number for number in dict.fromkeys(numbers) if number not in known]
    if asked:
        room = {number: rooms(number) for number in asked}
        together = [number for number in asked if room[number]]
        if len(together) > 1 and _all_have_room([one for number in together for one in room[number]]):
            held = dict.fromkeys(together, True)
        else:
            held = dict[Bounded, bool]()
        held |= _judged_alone([number for number in asked if number not in held])
        if len(_HELD) + len(asked) > _KEPT:
            _HELD.clear()
        _HELD.update(held)
        known |= held
    return [known[number] for number in numbers]


def _judged_alone(asked: Sequence[Bounded]) -> dict[Bounded, bool]:
    """What is found on a frame of one row with a column for each number."""
    if not asked:
        return {}
    import great_expectations.expectations as gxe
    import pandas as pd

    frame = {f"{at:03d}": value for at, (value, *_) in enumerate(asked)}
    rules = [
        gxe.ExpectColumnMaxToBeBetween(column=name, min_value=low, max_value=high, strict_min=strict_min, strict_max=strict_max)
        for name, (_, low, high, strict_min, strict_max) in zip(frame, asked, strict=True)
    ]
    results = _validate(pd.DataFrame([frame], dtype="float64"), rules)
    return {number: bool(result["success"]) for number, result in zip(asked, results, strict=True)}


def _all_have_room(told: Sequence[tuple[float, bool]]) -> bool:
    """What is found on a frame with a column of the rooms that may be nothing, and one of those that must be something."""
    import great_expectations.expectations as gxe
    import pandas as pd

    columns = {strict: [room for room, must in told if must == strict] for strict in (False, True)}
    frame = pd.DataFrame({str(strict): pd.Series(found, dtype="float64") for strict, found in columns.items() if found})
    rules = [gxe.ExpectColumnMinToBeBetween(column=name, min_value=0, strict_min=name == "True") for name in frame.columns]
    return all(result["success"] for result in _validate(frame, rules))


def _distance(value: Any, bound: Any) -> float:
    """How far a value lies above a bound. Great Expectations takes bounds as floating-point numbers, in which 0.1 is no tenth; what is taken
    exactly here keeps its sign there.
    """
    if isinstance(value, (date, datetime)):
        return (value - bound).total_seconds()
    if isinstance(value, float):
        return value - float(bound)
    return float(Decimal(value) - Decimal(bound))


def _provable(found: Whole, rule: Rule, *, whole: bool) -> tuple[Any, Any]:
    """The bounds that the rows which came can be held to: of a part of a table only what a part can prove wrong."""
    low = found.low if whole or "min_value" in rule.part or "value_set" in rule.part else None
    return low, (found.high if whole or "max_value" in rule.part or "value_set" in rule.part else None)


def _confirmed(contract: Contract, written: Expectation, rule: Rule, count: Count) -> tuple[str, list[Verdict]]:
    """Rows that missed a rule, judged by the expectation it names: what it calls unexpected, and a failed verdict where it does not agree."""
    if not count.slices:
        return "", []
    import great_expectations.expectations as gxe
    import pandas as pd
    import pyarrow as pa

    rows = pa.Table.from_batches(count.slices)
    types = types_of(contract)
    frames = [{name: rows[name].to_pylist() for name in rows.column_names}]
    arguments = [_typed(rule, written, types)]
    if compares_values(rule) and not pa.types.is_floating(types[count.columns[0]]):
        frames, arguments = _distances(frames[0][count.columns[0]], count.columns[0], arguments[0])
    kind = getattr(gxe, "".join(part.title() for part in rule.name.split("_")))
    columns = {"column": written.column} if written.column else {}
    missed, said = 0, ""
    for frame, given in zip(frames, arguments, strict=True):
        table = pd.DataFrame({name: pd.Series(values, dtype="object") for name, values in frame.items()})
        (result,) = _validate(table, [kind(**columns, **given)])
        missed += 0 if result["success"] else result["unexpected"]
        said = said or result["observed"]
    if missed == rows.num_rows:
        examples = [
            " ≯ ".join(map(str, row.values())) if rule.about == "pair" else ", ".join(map(str, row.values()))
            for row in rows.slice(0, 20).to_pylist()
        ]
        return ", ".join(list(dict.fromkeys(examples))[:5])[:200], []
    expected = f"{rule.name}: {rows.num_rows} of {rows.num_rows} rows miss it"
    observed = f"Great Expectations: {missed} ({said or 'no message'})"
    return "", [Verdict("judge.disagree", ", ".join(count.columns), expected, observed, False, "critical")]


def _distances(values: list[Any], column: str, given: dict[str, Any]) -> tuple[list[dict[str, list[Any]]], list[dict[str, Any]]]:
    """The values that miss a bound as what they lie above it: those below the lower one, and the others."""
    low, high = given.get("min_value"), given.get("max_value")
    strict = {side: given[side] for side in ("strict_min", "strict_max") if side in given}
    below = [value for value in values if low is not None and (high is None or value <= low)]
    above = [value for value in values if not (low is not None and (high is None or value <= low))]
    frames: list[dict[str, list[Any]]] = []
    arguments: list[dict[str, Any]] = []
    for part, bound, side in ((below, low, "min_value"), (above, high, "max_value")):
        if part:
            frames.append({column: [_distance(value, bound) for value in part]})
            arguments.append({side: 0, **strict})
    return frames, arguments


def _typed(rule: Rule, written: Expectation, types: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """The rule's own arguments as Great Expectations takes them: values of the column's type, without the share that may miss."""
    given = written.arguments()
    given.pop("mostly", None)
    if written.column is not None and "value_set" in given:
        given["value_set"] = in_type(
            (literal(value, types[written.column]) for value in given["value_set"]), types[written.column]
        ).to_pylist()
    for side in ("min_value", "max_value"):
        if written.column is not None and given.get(side) is not None and compares_values(rule):
            given[side] = literal(given[side], types[written.column])
    return given


def judge_bands(bands: Sequence[Band]) -> tuple[bool, ...]:
    """Whether each number lies within its band, as Great Expectations sees it on a frame of the numbers."""
    asked = _Asked()
    for band in bands:
        asked.verdict(Verdict(f"band_{band.kind}", band.column, "", "", True, band.severity))
        if band.low is not None:
            asked.between(band.observed, band.low, None)
        if band.high is not None:
            asked.between(band.upper, None, band.high)
    return tuple(verdict.passed for verdict in asked.judged())


@cache
def _batches() -> Any:
    """Where frames are handed to Great Expectations: one context for a process, in memory, offline and quiet."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context.data_sources.add_pandas("profile").add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")


def _validate(frame: pd.DataFrame, rules: list[Any]) -> list[dict[str, Any]]:
    """What a suite finds on a frame, rule by rule. A rule that raises inside GX counts as failed, with its message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        suite = gx.ExpectationSuite(name="contract", expectations=rules)
        outcome = _batches().get_batch({"dataframe": frame}).validate(suite)
    # GX groups results by column; the order of the rules is found again by what they are about.
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for result in outcome.results:
        config = result.expectation_config
        if config is None:
            raise RuntimeError("Great Expectations returned a result without its expectation")
        kwargs = dict(config.kwargs)
        failed = dict(result.exception_info or {})
        trouble = failed.get("exception_message") if failed.get("raised_exception") else None
        found[(config.type, str(kwargs.get("column", "")))] = {
            "kind": config.type,
            "kwargs": kwargs,
            "success": bool(result.success),
            "observed": str(trouble or result.result.get("observed_value", "")),
            "unexpected": result.result.get("unexpected_count", 0),
        }
    return [found[(rule.expectation_type, str(getattr(rule, "column", "") or ""))] for rule in rules]
