"""Where an index stands: the gate's decision over a book, and the answer that a server may ask for every few seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pipelines.evidence.book import Book, open_book
from pipelines.evidence.claims import Environment
from pipelines.evidence.facts import latest_facts
from pipelines.evidence.gate import GatePolicy, GateState, decide_spans
from pipelines.evidence.history import History, amended_days, exclusions, history_of, working_days
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.timetable import is_working_day, recorded


def history_in(book: Book, index: str, policy: GatePolicy, today: date) -> History:
    """What happened to ``index`` up to ``today``, its review days included."""
    found = history_of(book.rows, index, book.signatures, book.places)
    if found.promoted_on is None:
        return found
    environment = book.rows[0].entry.environment
    calendars = recorded(book.rows, environment, book.places)
    days = working_days(found.promoted_on, today, policy.review_days, lambda day: is_working_day(calendars, day))
    return replace(found, review_days=days)


def state_of(book: Book, index: str, policy: GatePolicy, today: date, history: History | None = None) -> GateState:
    """The gate's decision about ``index`` on ``today``, by its policy's streams; under another history where one is handed in."""
    amended = amended_days(book.rows)
    spans = book.seals.spans(policy.streams, amended, exclusions(book.rows, book.signatures))
    known = history if history is not None else history_in(book, index, policy, today)
    return decide_spans(index, policy.streams, spans, latest_facts(book.rows, index), policy, today, known)


def read_gate(ledger: Ledger, index: str, policy: GatePolicy, today: date, environment: Environment | None = None) -> GateState:
    """The same from a ledger. Reading proves nothing: ``Ledger.verify`` is a separate question."""
    return state_of(open_book(ledger, environment), index, policy, today)
