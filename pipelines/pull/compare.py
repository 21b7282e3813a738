"""The second step: the live schema against the contract, as drift by name and as Great Expectations sees the types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.messages import Language, Said, sentence, told
from connectors.protocol import Schema
from expectations.contract import Contract
from expectations.drift import Change, Drift, compare
from expectations.facts import Facts
from expectations.suite import judge_schema
from pipelines.pull.outcome import Check


def compare_schema(contract: Contract, live: Schema, since: Facts | None = None, more: Sequence[Change] = ()) -> tuple[Drift, Check]:
    """The drift, and its check: one row per change with what the contract says to do about it.

    ``since`` is what the source looked like at the last published pull; ``more`` are changes that show elsewhere than in the schema.
    """
    drift = compare(contract, live, since)
    drift = replace(drift, changes=(*drift.changes, *more))
    rows = tuple(
        {"change": change.kind, "field": change.path, "label": change.label, "old": change.old, "new": change.new, "policy": change.policy}
        for change in drift.changes
    )
    blocking = drift.blocking
    summary = in_words(drift.changes) if rows else told("check.drift_none")
    check = Check("drift", not blocking, "critical", summary, rows, {"changes": len(rows), "blocking": len(blocking)})
    return drift, check


def in_words(changes: Sequence[Change], *, now: bool = False) -> Said:
    """Changes as one phrase: what kind of which field and, where asked, what it is ``now``."""

    def say(lang: Language) -> str:
        listed = [
            f"{sentence(f'drift.kind.{change.kind}', lang=lang)} {change.path}" + (f" → {change.new}" if now and change.new else "")
            for change in changes
        ]
        return (", " if lang == "en" else "、").join(listed)

    return Said(say)


def schema_check(contract: Contract, live: Schema) -> Check:
    """Great Expectations on the live types. A change that the contract's own drift policy lets pass does not fail here."""
    tolerated = {
        name
        for change in compare(contract, live).changes
        if not change.blocks
        for name in [field.name for field in contract.fields if change.path.split(".")[0] == field.source]
    }
    verdicts = judge_schema(contract, live)
    failed = [v for v in verdicts if not v.passed and v.column not in tolerated]
    rows = tuple(
        {
            "expectation": v.expectation,
            "column": v.column,
            "expected": v.expected,
            "observed": v.observed,
            "verdict": "pass" if v.passed else "FAIL",
        }
        for v in verdicts
    )
    summary = told("check.schema", held=len(verdicts) - len(failed), total=len(verdicts))
    return Check("schema", not failed, "critical", summary, rows, {"expectations": len(verdicts), "failed": len(failed)})
