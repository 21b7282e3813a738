"""The fourth step: what came against the contract's rules, and whether anybody may read it."""

from __future__ import annotations

from connectors.messages import told
from connectors.protocol import Access
from expectations.contract import Contract
from expectations.suite import judge_values
from pipelines.pull.fetch import Fetched
from pipelines.pull.outcome import Check, in_short


def values_check(contract: Contract, fetched: Fetched) -> Check:
    """The contract's rules on the profile of what came. Warnings show and do not block; quarantined rows show as numbers."""
    verdicts = judge_values(contract, fetched.profile, fetched.live_after)
    failed = [v for v in verdicts if not v.passed]
    critical = [v for v in failed if v.severity == "critical"]
    rows = tuple(
        {
            "expectation": v.expectation,
            "column": v.column,
            "expected": v.expected,
            "observed": v.observed,
            "verdict": "pass" if v.passed else ("FAIL" if v.severity == "critical" else "warn"),
        }
        for v in verdicts
    )
    numbers = {"rows": float(fetched.profile.rows), "failed": float(len(failed)), "rejected": float(len(fetched.rejects))}
    facts = {"held": len(verdicts) - len(failed), "total": len(verdicts), "rows": fetched.profile.rows, "rejected": len(fetched.rejects)}
    summary = told("check.values" if fetched.profile.rows else "check.values_none", **facts)
    if failed:
        wrong = sorted((row for row in rows if row["verdict"] != "pass"), key=lambda row: row["verdict"])  # FAIL before warn
        summary = told("check.not_held", summary=summary, wrong=in_short(wrong))
    return Check("values", not failed, "critical" if critical else "warning", summary, rows, numbers)


def access_check(contract: Contract, access: Access, fetched: Fetched) -> Check:
    """Every scope resolves. Unresolved ones are served to nobody, which is safe and not right: a warning with each reason."""
    unresolved = [scope for scope in access.scopes if not scope.resolved]
    rows = tuple(
        {
            "scope": scope.id,
            "title": scope.title,
            "principals": str(len(scope.principals)),
            "state": "resolved" if scope.resolved else scope.reason,
        }
        for scope in access.scopes
    )
    passed = not unresolved and not fetched.unresolved
    total = len(access.scopes)
    summary = told("check.access", resolved=total - len(unresolved), total=total, unresolved=fetched.unresolved)
    numbers = {"scopes": float(len(access.scopes)), "unresolved": float(len(unresolved)), "rows_unresolved": float(fetched.unresolved)}
    return Check("access", passed, "warning", summary, rows[:200], numbers)
