"""The second step: the live schema against the contract, as drift by name and as Great Expectations sees the types."""

from __future__ import annotations

from connectors.protocol import Schema
from expectations.contract import Contract
from expectations.drift import Drift, compare
from expectations.suite import judge_schema
from pipelines.pull.outcome import Check


def compare_schema(contract: Contract, live: Schema) -> tuple[Drift, Check]:
    """The drift, and its check: one row per change with what the contract says to do about it."""
    drift = compare(contract, live)
    rows = tuple(
        {"change": change.kind, "field": change.path, "label": change.label, "old": change.old, "new": change.new, "policy": change.policy}
        for change in drift.changes
    )
    blocking = drift.blocking
    summary = "no difference" if not rows else ", ".join(f"{c.kind} {c.path}" for c in drift.changes[:5]) + (" …" if len(rows) > 5 else "")
    check = Check("drift", not blocking, "critical", summary, rows, {"changes": len(rows), "blocking": len(blocking)})
    return drift, check


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
    summary = f"{len(verdicts) - len(failed)} of {len(verdicts)} type expectations hold"
    return Check("schema", not failed, "critical", summary, rows, {"expectations": len(verdicts), "failed": len(failed)})
