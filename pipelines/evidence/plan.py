"""What a project's files mean to evidence: which streams owe which slots, under which policies, and where ledger and claims lie."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal, cast
from zoneinfo import ZoneInfo

from pipelines.evidence.calendar import Cadence, Calendar, ClosedDays, StreamPlan
from pipelines.evidence.chain import ChainRow
from pipelines.evidence.claims import ClaimStore, Environment
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.gate import GatePolicy, GateState, read_gate
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.seals import SealPolicy
from pipelines.evidence.witness import STREAM_CHECKS
from pipelines.project import Project


def ledger_of(project: Project) -> Ledger:
    return Ledger(f"{project.root}/evidence/ledger")


def claims_of(project: Project) -> ClaimStore:
    return ClaimStore(f"{project.root}/evidence/claims")


def environment_of(project: Project) -> Environment:
    return cast("Literal['production', 'staging', 'sandbox']", project.environment)


def closed_of(project: Project) -> ClosedDays | None:
    """The closed days frozen into the project file, or None when it is due every day and needs none."""
    frozen = project.file.schedule.closed
    return ClosedDays(tuple(frozen.years), frozenset(frozen.days)) if frozen else None


def calendar_of(project: Project, now: datetime) -> Calendar:
    """Every stream with a contract owes its slot from the day of its first claim: a stream nobody ever pulled has no history to judge."""
    due = project.file.schedule
    today = now.astimezone(ZoneInfo(project.file.timezone)).date()
    first: dict[str, date] = {}
    for claim in claims_of(project).read():
        first[claim.stream] = min(first.get(claim.stream, claim.day), claim.day)
    plans = tuple(
        StreamPlan(stream, Cadence(due.hour, due.minute, due.days), first.get(stream, today), required_checks=STREAM_CHECKS)
        for stream in sorted(project.contracts)
    )
    return Calendar(project.file.timezone, plans, 24, closed_of(project))


def seal_policy(project: Project) -> SealPolicy:
    """One policy for all streams of a project: a warning leaves a day green only where every index's gate says so."""
    gates = [index.gate.warn_is_green for index in project.file.indexes.values()]
    return SealPolicy(environment=environment_of(project), warn_is_green=bool(gates) and all(gates))


def gate_policy(project: Project, index: str) -> GatePolicy:
    spec = project.index(index)
    return GatePolicy(green_days=spec.gate.green_days, timezone=project.file.timezone, streams=tuple(spec.streams))


def own_rows(project: Project, rows: Iterable[ChainRow]) -> list[ChainRow]:
    """The rows of this project's environment: what was measured in a sandbox holds in no other."""
    return [row for row in rows if row.entry.environment == project.environment]


def standing(project: Project, index: str, now: datetime) -> GateState:
    """Where an index stands at ``now`` (aware), from a ledger that verifies. Raises LedgerBroken when it does not."""
    ledger = ledger_of(project)
    proof = ledger.verify()
    if not proof.ok:
        raise LedgerBroken("ledger.broken", seq=proof.broken_at, why=proof.why)
    today = now.astimezone(ZoneInfo(project.file.timezone)).date()
    streams = project.index(index).streams
    return read_gate(ledger, index, streams, gate_policy(project, index), today, environment=environment_of(project))
