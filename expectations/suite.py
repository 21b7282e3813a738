"""Great Expectations as the judge: suites built from the contract, run on an empty frame of the live types and on the one-row profile.

GX never sees the rows: it judges the profile (whose size does not depend on the table) and the types. The import costs seconds and
stays inside the functions.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.protocol import LiveField, Schema
from expectations.contract import Contract, FieldSpec, Severity
from expectations.profile import Profile, rule_id
from expectations.types import parse_type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Verdict:
    """One expectation's outcome, as a person reads it in a table."""

    expectation: str
    column: str
    expected: str
    observed: str
    passed: bool
    severity: Severity


def judge_schema(contract: Contract, live: Schema) -> tuple[Verdict, ...]:
    """The live types against the contract's, on an empty typed frame: every contract column is there, with its type."""
    import great_expectations.expectations as gxe
    import pandas as pd
    import pyarrow as pa

    names = {field.source: field.name for field in contract.fields}
    wanted = {field.name: _promised_type(field) for field in contract.fields}

    def column(source: str) -> str:
        """What a source's field is called in the frame. One that the contract leaves out may have the name of a column."""
        return names.get(source) or (f"{source} (source)" if source in wanted else source)

    types = [(column(field.source), _live_type(field)) for field in live.fields]
    empty = pa.schema(types).empty_table().to_pandas(types_mapper=pd.ArrowDtype)
    present = set(empty.columns)
    exact = contract.drift.added in ("ask", "stop")
    columns = [*wanted, *map(column, contract.exclude)] if exact else list(wanted)
    by_dtype: list[Any] = [gxe.ExpectTableColumnsToMatchSet(column_set=columns, exact_match=exact)]
    by_text: list[Any] = []
    shown: dict[str, str] = {}
    for name, kind in wanted.items():
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


def _between(low: Any, high: Any) -> str:
    """``at least 1``, ``at most 9``, ``1 to 9``."""
    if high is None:
        return "any number" if low is None else f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _expected(given: dict[str, Any]) -> str:
    """A rule's arguments as a person reads them."""
    told: list[str] = []
    if "min_value" in given or "max_value" in given:
        told.append(_between(given.get("min_value"), given.get("max_value")))
    if "value_set" in given:
        told.append("one of " + "、".join(str(value) for value in given["value_set"]))
    if "regex" in given:
        told.append(f"matches {given['regex']}")
    return ", ".join(told) or "no nulls"


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


def judge_values(contract: Contract, profile: Profile, live_rows: int) -> tuple[Verdict, ...]:
    """The contract's rules against the profile: for each, the ratio of values that missed it must not exceed ``1 - mostly``.

    Required fields carry a not-null rule of their own. Column rules speak of the rows that came; rules about the table's row count
    speak of ``live_rows``, what the table will hold, since an incremental pull of nothing is a good pull.
    """
    import great_expectations.expectations as gxe
    import pandas as pd

    frame: dict[str, float] = {"rows": float(live_rows)}
    rules: list[tuple[Any, str, str, str, str, Severity]] = []
    for field in contract.fields:
        if field.required and profile.rows:
            name = f"{field.name}.null_ratio"
            frame[name] = profile.columns[field.name].nulls / profile.rows
            observed = f"{profile.columns[field.name].nulls} null of {profile.rows}"
            rules.append(
                (
                    gxe.ExpectColumnMaxToBeBetween(column=name, max_value=0),
                    "expect_column_values_to_not_be_null",
                    field.name,
                    "no nulls",
                    observed,
                    "critical",
                )
            )
    for number, rule in enumerate(contract.expectations):
        name = rule_id(number, rule)
        given = rule.arguments()
        if rule.column is None:
            low, high = given.get("min_value"), given.get("max_value")
            judge = gxe.ExpectColumnMaxToBeBetween(column="rows", min_value=low, max_value=high)
            rules.append((judge, rule.expect, "", _between(low, high), str(live_rows), rule.severity))
            continue
        looked = profile.looked.get(name, 0)
        if not looked:
            continue
        frame[name] = profile.missed[name] / looked
        allowed = round(1 - float(given.pop("mostly", 1)), 12)
        examples = ", ".join(profile.examples.get(name, ()))
        observed = f"{profile.missed[name]} of {looked} missed" + (f": {examples}" if examples else "")
        expected = _expected(given)
        rules.append(
            (gxe.ExpectColumnMaxToBeBetween(column=name, max_value=allowed), rule.expect, rule.column, expected, observed, rule.severity)
        )
    if not rules:
        return ()
    results = _validate(pd.DataFrame([frame]), [rule[0] for rule in rules])
    return tuple(
        Verdict(expectation, column, expected, observed, result["success"], severity)
        for result, (_, expectation, column, expected, observed, severity) in zip(results, rules, strict=True)
    )


def _validate(frame: pd.DataFrame, rules: list[Any]) -> list[dict[str, Any]]:
    """Run a suite in an ephemeral context, offline and quiet. A rule that raises inside GX counts as failed, with its message."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # pyright: ignore[reportAttributeAccessIssue]  (a dict is what GX documents)
        batch = context.data_sources.add_pandas("profile").add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")
        suite = gx.ExpectationSuite(name="contract", expectations=rules)
        outcome = batch.get_batch({"dataframe": frame}).validate(suite)
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
        }
    return [found[(rule.expectation_type, str(getattr(rule, "column", "") or ""))] for rule in rules]
