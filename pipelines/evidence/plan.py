"""What a project's files mean to evidence: which streams owe which slots, under which policies, and where ledger and claims lie."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Literal, cast
from zoneinfo import ZoneInfo

from pipelines.due import WEEKDAYS, StreamSchedule
from pipelines.evidence.book import Book, open_book
from pipelines.evidence.calendar import Cadence, Calendar, ClosedDays, StreamPlan, bounds, closed_until
from pipelines.evidence.chain import ChainRow
from pipelines.evidence.claims import ClaimStore, Environment
from pipelines.evidence.frozen import read_frozen
from pipelines.evidence.gate import GatePolicy, GateState
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.memory import SealMemory
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import SealPolicy
from pipelines.evidence.standing import state_of
from pipelines.evidence.witness import STREAM_CHECKS
from pipelines.landing.published import store_options
from pipelines.project import Project

#: Where the ledger lies under a storage root.
LEDGER = "evidence/ledger"


def ledger_of(project: Project) -> Ledger:
    """The project's ledger, which nobody writes to where it ends before what this machine has verified."""
    return Ledger(f"{project.root}/{LEDGER}", proof=proof_of(project))


def ledger_at(root: str) -> Ledger:
    """The ledger of the project whose data lie at ``root``, to be read."""
    return Ledger(f"{root}/{LEDGER}")


def claims_of(project: Project) -> ClaimStore:
    return ClaimStore(f"{project.root}/evidence/claims", store_options(project.root))


def environment_of(project: Project) -> Environment:
    return cast("Literal['production', 'staging', 'sandbox']", project.environment)


def closed_of(project: Project) -> ClosedDays | None:
    """The closed days frozen into the project (calendar.yaml, else the project file's own list), or None where there are none."""
    if (table := read_frozen(project.folder)) is not None:
        return table.closed
    frozen = project.file.schedule.closed
    return ClosedDays(tuple(frozen.years), frozenset(frozen.days)) if frozen else None


def cadence_of(project: Project, stream: str) -> Cadence:
    """When a stream is due, as the project file says."""
    return _cadence(project.file.schedule.of(stream))


def default_cadence(project: Project) -> Cadence:
    """When streams are due that have no line of their own: indexes are built on these days."""
    return _cadence(project.file.schedule.of(""))


def _cadence(told: StreamSchedule) -> Cadence:
    first, *more = told.clock
    weekdays = tuple(WEEKDAYS.index(day) for day in told.days) if isinstance(told.days, tuple) else ()
    days = told.days if isinstance(told.days, str) else "daily"
    return Cadence(first.hour, first.minute, days, tuple((at.hour, at.minute) for at in more), weekdays)


def calendar_of(project: Project, now: datetime) -> Calendar:
    """Every stream with a contract owes its slots from its first day: a stream nobody ever pulled has no history to judge."""
    today = now.astimezone(ZoneInfo(project.file.timezone)).date()
    first = first_days(project)
    plans = tuple(
        StreamPlan(stream, cadence_of(project, stream), first.get(stream, today), required_checks=STREAM_CHECKS)
        for stream in sorted(project.contracts)
    )
    return Calendar(project.file.timezone, plans, project.file.schedule.close_hour, closed_of(project))


def first_days(project: Project) -> dict[str, date]:
    """The civil day (project's time zone) on which the first pull of each stream that has claims in this environment was started.

    The day a claim names is not asked: a backfill may name any day of the past, and nobody owed a pull on that one.
    """
    zone = ZoneInfo(project.file.timezone)
    return {stream: at.astimezone(zone).date() for stream, at in claims_of(project).first_started(environment_of(project)).items()}


def not_yet(project: Project, now: datetime) -> Reason | None:
    """Why at ``now`` (aware) there cannot be a day to seal: no first day of any stream has closed. None when there is one."""
    calendar, first = calendar_of(project, now), first_days(project)
    owing = sorted((first[plan.stream], plan.stream) for plan in calendar.streams if plan.stream in first)
    if not owing:
        return reason("gate.nothing_pulled")
    day, stream = owing[0]
    if day <= closed_until(calendar, now):
        return None
    closes_at = bounds(day, calendar.timezone, calendar.close_hour).closes_at.astimezone(ZoneInfo(calendar.timezone))
    return reason("gate.first_day_open", stream=stream, day=day.isoformat(), closes_at=f"{closes_at:%Y-%m-%d %H:%M} ({calendar.timezone})")


def seal_policy(project: Project) -> SealPolicy:
    """One policy for all streams of a project: a warning leaves a day green only where every index's gate says so."""
    gates = [index.gate.warn_is_green for index in project.file.indexes.values()]
    return SealPolicy(environment=environment_of(project), warn_is_green=bool(gates) and all(gates))


def gate_policy(project: Project, index: str) -> GatePolicy:
    spec = project.index(index)
    return GatePolicy(
        green_days=spec.gate.green_days,
        fact_valid_days=(("rollback_drill", spec.gate.drill_valid_days),),
        timezone=project.file.timezone,
        streams=tuple(spec.streams),
        review_days=spec.gate.review_days,
        review_misses=spec.gate.review_misses,
        recall_at_5=spec.evaluation.recall_at_5 if spec.evaluation else None,
    )


def own_rows(project: Project, rows: Iterable[ChainRow]) -> list[ChainRow]:
    """The rows of this project's environment: what was measured in a sandbox holds in no other."""
    return [row for row in rows if row.entry.environment == project.environment]


def proof_of(project: Project) -> Path:
    """Where this machine remembers how far it verified the ledger. Without it everything is verified anew."""
    return project.home / "ledger-proven.json"


def memory_of(project: Project) -> SealMemory:
    """Where this machine remembers the last seals that its own sealer wrote."""
    return SealMemory(project.home / f"sealed-{project.environment}.json")


def book_of(project: Project) -> Book:
    """The project's ledger as the gate reads it, verified. Raises LedgerBroken when it does not hold, or where this machine seals and the newest seal
    is not its own."""
    book = open_book(ledger_of(project), environment_of(project), proof_of(project))
    if book.last_seal is not None:
        memory_of(project).hold(book.last_seal.seq, book.last_seal.hash)
    return book


def standing(project: Project, index: str, now: datetime) -> GateState:
    """Where an index stands at ``now`` (aware), from a ledger that verifies. Raises LedgerBroken when it does not."""
    return state_of(book_of(project), index, gate_policy(project, index), today_of(project, now))


def today_of(project: Project, now: datetime) -> date:
    """The project's civil date at ``now`` (aware)."""
    return now.astimezone(ZoneInfo(project.file.timezone)).date()
