"""The fourth step: what came against the contract's rules, and whether anybody may read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connectors.access import Access
from connectors.messages import joined, told
from connectors.protocol import Reject
from expectations.contract import Contract
from expectations.quarantine import Fault
from expectations.suite import Verdict, judge_values
from pipelines.landing.numbers import Warned
from pipelines.pull.fetch import Fetched
from pipelines.pull.outcome import Check, in_short

#: Codes of notes that have a sentence; what stands behind the code is what it is of.
_SENTENCES = {"value.enumeration": "check.value_added"}


def _in_words(what: str) -> str:
    code, _, named = what.partition(" ")
    return told(_SENTENCES[code], value=named) if named and code in _SENTENCES else what


def _why(reject: Reject) -> tuple[str, str]:
    """Column and code of a row's first fault, by which rows are counted: neither where it stands in a reply nor the value that was sent."""
    return reject.column, Fault(reject.column, reject.reason.partition(" = ")[0].partition(" (")[0]).code


def values_check(contract: Contract, fetched: Fetched, *, whole: bool = True, stood: Sequence[Warned] = ()) -> Check:
    """The contract's rules on the profile of what came; ``whole``: that is all there is. Warnings show and do not block; quarantined rows show
    as numbers. Of what ``stood`` before, a warning stands until everything was read: the rows that it is of may not have come.
    """
    verdicts = judge_values(contract, fetched.profile, fetched.live_after, whole=whole)
    missed = {_rule(v) for v in verdicts if not v.passed}
    left = {_rule(one): one for one in stood if _rule(one) not in missed and not whole and fetched.live_after}
    told_now = {_rule(v) for v in verdicts}
    verdicts = (
        *(
            replace(v, observed=_since(left[_rule(v)]), passed=False, later=False) if _rule(v) in left and v.severity != "critical" else v
            for v in verdicts
        ),
        *(
            Verdict(one.expectation, one.column, one.expected, _since(one), False, "warning")
            for rule, one in left.items()
            if rule not in told_now
        ),
    )
    failed = [v for v in verdicts if not v.passed]
    critical = [v for v in failed if v.severity == "critical"]
    rows = tuple(
        {
            "expectation": v.expectation,
            "column": v.column,
            "expected": v.expected,
            "observed": v.observed,
            "verdict": ("later" if v.later else "pass") if v.passed else ("FAIL" if v.severity == "critical" else "warn"),
        }
        for v in verdicts
    )
    reasons = Counter(_why(reject) for reject in fetched.rejects)
    rows += tuple(
        {"expectation": "held", "column": column, "expected": "0", "observed": f"{count}: {reason}", "verdict": "held"}
        for (column, reason), count in reasons.most_common(20)
    )
    rows += tuple(
        {
            "expectation": "noted",
            "column": note.column,
            "expected": "",
            "observed": f"{count}: {note.what}",
            "verdict": "info" if note.fact else "warn",
        }
        for note, count in fetched.notes.most_common(50)
    )
    odd = [(note, count) for note, count in fetched.notes.most_common() if not note.fact]
    numbers = {
        "rows": float(fetched.profile.rows),
        "expectations": float(len(verdicts)),
        "failed": float(len(failed)),
        "rejected": float(len(fetched.rejects)),
        "noted": float(len(odd)),
    }
    facts = {"held": len(verdicts) - len(failed), "total": len(verdicts), "rows": fetched.profile.rows, "rejected": len(fetched.rejects)}
    summary = told("check.values" if fetched.profile.rows or fetched.rejects else "check.values_none", **facts)
    if fetched.rejects:
        first = max(fetched.rejects, key=lambda reject: reasons[_why(reject)])
        count = reasons[_why(first)]
        # The value itself stays in quarantine: a check is read by more people than the data.
        reason = first.reason.partition(" = ")[0]
        summary = told("check.rows_held", summary=summary, count=count, column=first.column, reason=reason)
    if odd:
        note, count = odd[0]
        summary = told("check.noted", summary=summary, kinds=len(odd), count=count, column=note.column, what=_in_words(note.what))
    if failed:
        wrong = sorted(
            (row for row in rows if row["verdict"] in ("FAIL", "warn") and row["expectation"] != "noted"), key=lambda row: row["verdict"]
        )  # FAIL before warn
        summary = told("check.not_held", summary=summary, wrong=in_short(wrong))
    return Check("values", not failed and not odd, "critical" if critical else "warning", summary, rows, numbers)


def warned(check: Check, stood: Sequence[Warned], at: datetime) -> tuple[Warned, ...]:
    """The warnings of a ``values_check`` that the next pull has to go on with. What is told of the table as a whole is judged anew each time."""
    before = {_rule(one): one for one in stood}
    found: list[Warned] = []
    for row in check.rows:
        if row["verdict"] == "warn" and row["expectation"] != "noted" and not row["expectation"].startswith("expect_table_"):
            now = Warned(row["expectation"], row["column"], row["expected"], row["observed"], at)
            then = before.get(_rule(now))
            found.append(then if then is not None and now.observed == _since(then) else now)
    return tuple(found)


def _rule(one: Verdict | Warned) -> tuple[str, str, str]:
    return one.expectation, one.column, one.expected


def _since(one: Warned) -> str:
    return f"{one.observed} (read {one.at:%Y-%m-%d}; stands until everything is read)"


def access_check(contract: Contract, access: Access, fetched: Fetched) -> Check:
    """Every scope resolves, and what the source says of them is proven to be whole.

    Unresolved scopes are served to nobody, which is safe and not right: a warning with each reason. What rests on no proof is a warning,
    too. Readers that the contract itself names stand for what the source says of any scope, and then nothing of it needs proof.
    """
    fixed = None if contract.access.from_ == "source" else len(contract.access.from_)
    unproven = access.unproven if fixed is None else ()
    unresolved = [scope for scope in access.scopes if not scope.resolved and fixed is None]
    rows = tuple({"scope": "*", "title": "", "principals": "", "state": told(code)} for code in unproven)
    rows += tuple(
        {
            "scope": scope.id,
            "title": scope.title,
            "principals": str(len(scope.principals) if fixed is None else fixed),
            "state": "resolved" if scope.resolved or fixed is not None else scope.reason,
        }
        for scope in access.scopes
    )
    passed = not unresolved and not fetched.unresolved and not unproven
    total = len(access.scopes)
    summary = told("check.access", resolved=total - len(unresolved), total=total, unresolved=fetched.unresolved)
    if unproven:
        summary = told("check.access_unproven", summary=summary, what=joined((told(code) for code in unproven), "; "))
    numbers = {
        "scopes": float(len(access.scopes)),
        "unresolved": float(len(unresolved)),
        "rows_unresolved": float(fetched.unresolved),
        "unproven": float(len(unproven)),
        "rights_missed": float(fetched.rights_missed),
    }
    return Check("access", passed, "warning", summary, rows[:200], numbers)
