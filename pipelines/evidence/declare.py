"""What a project's files declare, put on record: people, calendar, windows, readiness facts, gate policies, the configuration of indexes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow.compute as pc

from pipelines.evidence.book import Book, open_book
from pipelines.evidence.calendar import Calendar
from pipelines.evidence.chain import ChainRow, Entry, fingerprint, instant_text
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.decisions import people_entry, roster_terms, terms_of
from pipelines.evidence.declared import changed, declared_facts
from pipelines.evidence.facts import fact_entry, latest_facts
from pipelines.evidence.gate import GateState, state_entry
from pipelines.evidence.history import GATE, policy_entry
from pipelines.evidence.plan import book_of, calendar_of, environment_of, gate_policy, ledger_of, today_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.seals import MaintenanceWindow
from pipelines.evidence.standing import history_in, state_of
from pipelines.evidence.timetable import record
from pipelines.evidence.windows import approvers_of, declares_window, unrecorded, window_entry, windows_of
from pipelines.people import read_people
from pipelines.project import Project

CONFIGURED = "configured"


def declare_all(project: Project, now: datetime, clock: ClockKind, calendar: Calendar | None = None) -> tuple[str, ...]:
    """Write into the ledger what it does not know yet. Called by every build, every seal and before every decision, so that what was edited
    is known before the day it is to hold for. Returns the indexes whose count begins again, because another gate policy was on record.
    ``calendar`` is the project's at ``now``, where whoever asks has it: to work it out reads every claim.

    Raises FixConfiguration, with nothing written, where an index names a stream that no contract has.
    """
    project.name_streams_well()
    ledger, environment = ledger_of(project), environment_of(project)
    record(ledger, calendar or calendar_of(project, now), environment, clock, now)
    book = open_book(ledger, environment)
    news: list[Entry] = []
    recounted: list[str] = []
    news += _people(project, book, now, clock)
    for subject, starts, ends, why in unrecorded(project.file.maintenance, book.rows, project.file.timezone):
        news.append(window_entry(subject, starts, ends, why, environment, clock, now))
    for index in project.file.indexes:
        facts = changed(declared_facts(project, index, now), latest_facts(book.rows, index))
        news += [fact_entry(fact, environment, clock) for fact in facts]
        policy = gate_policy(project, index)
        history = history_in(book, index, policy, today_of(project, now))
        if history.policy != policy.fingerprint():
            news.append(policy_entry(index, policy.fingerprint(), environment, clock, now, policy.terms()))
            # The first policy of an index sets nothing back.
            recounted += [index] if history.policy is not None else []
        news += _configured(project, index, book, now, clock, promoted=history.promoted_on is not None)
    if news:
        ledger.push(news)
    return tuple(recounted)


def declare_people(project: Project, now: datetime, clock: ClockKind) -> None:
    """Write down who may decide, where that is not what the ledger knows. All that a signed stop needs: it must not wait until files are right."""
    ledger = ledger_of(project)
    news = _people(project, open_book(ledger, environment_of(project)), now, clock)
    if news:
        ledger.push(news)


def record_standing(project: Project, index: str, now: datetime, clock: ClockKind) -> GateState:
    """The gate's answer at ``now``, written down where it is another than the last one written.

    Raises FixConfiguration, with nothing written, where the index names a stream that no contract has.
    """
    project.name_streams_well(index)
    book, policy, today = book_of(project), gate_policy(project, index), today_of(project, now)
    history = history_in(book, index, policy, today)
    state = state_of(book, index, policy, today, history)
    if state.eligibility != history.state:
        ledger_of(project).push([state_entry(state, environment_of(project), clock, now)])
    return state


def windows_known(project: Project, calendar: Calendar) -> tuple[MaintenanceWindow, ...]:
    """The maintenance windows that are on record."""
    ledger = ledger_of(project)
    book = open_book(ledger, environment_of(project))
    declared = [row for row in book.rows if declares_window(row)]
    if not declared:
        return ()
    seals = ledger.now().columns(("seq", "finished_at"), _seals_behind(declared[0].seq, environment_of(project)))
    sealed = [(seq, at) for seq, at in zip(seals["seq"].to_pylist(), seals["finished_at"].to_pylist(), strict=True) if at is not None]
    return windows_of(declared, calendar, book.signatures, book.places, sealed, approvers_of(book.signatures))


def _seals_behind(seq: int, environment: Environment) -> pc.Expression:
    return (pc.field("kind") == "seal") & (pc.field("seq") > seq) & (pc.field("environment") == environment)


def configuration_of(project: Project, index: str) -> str:
    """The fingerprint of all in the project's files that decides what the next candidate of ``index`` is."""
    spec = project.index(index)
    contracts = {stream: project.contracts[stream].fingerprint() for stream in spec.streams if stream in project.contracts}
    return fingerprint({"index": spec.model_dump(mode="json"), "contracts": contracts})


def _people(project: Project, book: Book, now: datetime, clock: ClockKind) -> list[Entry]:
    people = read_people(project.folder)
    # Nobody listed is a roster too, once somebody was: the keys in the chain must not outlive the file's last person.
    if (people.people or book.signatures.holders) and fingerprint(roster_terms(people)) != book.signatures.people:
        return [people_entry(people, environment_of(project), clock, now)]
    return []


def _configured(project: Project, index: str, book: Book, now: datetime, clock: ClockKind, *, promoted: bool) -> list[Entry]:
    """A row when the configuration changed, and a finding when that was after promotion and outside of a booked slot."""
    own = configuration_of(project, index)
    rows = [row for row in book.rows if row.entry.subject == index]
    known = [terms_of(row.entry, "gate.configured") for row in rows if row.entry.verdict == CONFIGURED]
    if known and known[-1] is not None and known[-1]["fingerprint"] == own:
        return []
    told = reason("gate.configured", fingerprint=own)
    entry = Entry("decision", environment_of(project), clock, index, finished_at=now, verdict=CONFIGURED, reasons=(told,), actor=GATE)
    if not known or not promoted or in_slot(rows, book, now):
        return [entry]
    outside = reason("gate.changed_outside_slot", fingerprint=own)
    return [entry, Entry("finding", environment_of(project), clock, index, finished_at=now, reasons=(outside,), actor=GATE)]


def in_slot(rows: Sequence[ChainRow], book: Book, now: datetime) -> bool:
    """Whether ``now`` lies in a tuning slot that somebody booked, by signature, before it began."""
    for row in rows:
        told = terms_of(row.entry, "decision.slot")
        if row.entry.verdict != "slot" or told is None or not book.signatures(row) or row.entry.finished_at is None:
            continue
        if instant_text(row.entry.finished_at) <= str(told["starts_at"]) <= instant_text(now) < str(told["ends_at"]):
            return True
    return False
