"""What another gate policy would have made of the days there were: asked before a policy is changed, written down nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pipelines.evidence.book import Book
from pipelines.evidence.gate import GatePolicy, GateState
from pipelines.evidence.standing import history_in, state_of


def state_under(book: Book, index: str, policy: GatePolicy, today: date) -> GateState:
    """Where ``index`` would stand on ``today``, had ``policy`` been in force from its first day on.

    The policies that were recorded are left out, and with them what a change of policy sets back. All else stays: a revocation is a
    person's, and what the gate wrote down when it opened or stopped holds the error budget.
    """
    rows = tuple(row for row in book.rows if (row.entry.kind, row.entry.subject, row.entry.verdict) != ("decision", index, "policy"))
    pinned = replace(book, rows=rows)
    history = replace(history_in(pinned, index, policy, today), policy=policy.fingerprint())
    return state_of(pinned, index, policy, today, history)
