"""Readiness facts of an index: pushed by whoever measures them as ledger rows of kind fact, only read by the gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pipelines.evidence.chain import ChainRow, Entry
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.reasons import Scalar, reason

#: What must hold, beside the green days, before an index may be eligible.
REQUIRED_FACTS = (
    "owners",
    "success_measure",
    "cost_line",
    "evaluation_size",
    "recall_at_5",
    "access_coverage",
    "rollback_drill",
    "runbook",
)


@dataclass(frozen=True)
class Fact:
    """One measured fact. ``passed`` is the measurer's verdict of ``value`` against ``limit`` (both in ``unit``); ``evidence`` says where
    the measurement can be looked up (a command, a report, a release); ``measured_at`` is an aware instant."""

    index: str
    name: str
    value: Scalar
    unit: str
    limit: Scalar
    passed: bool
    evidence: str
    measured_at: datetime


def fact_entry(fact: Fact, environment: Environment, clock: ClockKind, actor: str | None = None) -> Entry:
    """The fact as an entry for ``Ledger.push``."""
    return Entry(
        kind="fact",
        environment=environment,
        clock=clock,
        subject=fact.index,
        finished_at=fact.measured_at,
        verdict="holds" if fact.passed else "fails",
        reasons=(reason("fact.measured", name=fact.name, value=fact.value, unit=fact.unit, limit=fact.limit, evidence=fact.evidence),),
        actor=actor,
    )


def fact_of(row: ChainRow) -> Fact:
    """The fact a row of kind fact tells. Any other row is a ValueError."""
    entry = row.entry
    measured = next((each.params for each in entry.reasons if each.code == "fact.measured"), None)
    if entry.kind != "fact" or measured is None or entry.finished_at is None:
        raise ValueError(f"row {row.seq} is no fact")
    return Fact(
        entry.subject,
        cast(str, measured["name"]),
        measured["value"],
        cast(str, measured["unit"]),
        measured["limit"],
        entry.verdict == "holds",
        cast(str, measured["evidence"]),
        entry.finished_at,
    )


def latest_facts(rows: Iterable[ChainRow], index: str) -> tuple[Fact, ...]:
    """The newest fact of each name for ``index``, in the order of the chain: what was written last is what is known."""
    newest: dict[str, Fact] = {}
    for row in rows:
        if row.entry.kind == "fact" and row.entry.subject == index:
            fact = fact_of(row)
            newest[fact.name] = fact
    return tuple(newest[name] for name in sorted(newest))
