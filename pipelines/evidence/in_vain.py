"""Decisions that would decide nothing, refused before anybody signs: the ledger is for ever, and its readers look for what a row was about.

Rows that stand in a ledger are not judged by this: what they meant when they were signed, they mean.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from pipelines.evidence.book import Book
from pipelines.evidence.history import History, exclusions, history_of
from pipelines.evidence.plan import gate_policy, today_of
from pipelines.evidence.spans import Span
from pipelines.evidence.standing import state_of
from pipelines.project import Project

if TYPE_CHECKING:
    from pipelines.evidence.taking import Asked

#: Days that the first week has.
WEEK = 7


def refuse_in_vain(project: Project, book: Book, asked: Asked, now: datetime) -> None:
    """Raises AnswerIsNo for a decision about what is not there, is not there yet, or was decided already."""
    history = history_of(book.rows, asked.index, book.signatures, book.places)
    match asked.verb:
        case "accept":
            _accepted(asked, history)
        case "exclude":
            _left_out(book, asked)
        case "week-one":
            _first_week(project, book, asked.index, history)
        case "review":
            _reviewed(asked, history)
        case "resume" if history.suspended_by is None and history.revoked_by is None:
            # What its own days stopped is resumed by people as well.
            state = state_of(book, asked.index, gate_policy(project, asked.index), today_of(project, now))
            if state.eligibility not in ("suspended", "revoked"):
                raise AnswerIsNo("decide.nothing_stopped", index=asked.index)
        case _:
            pass


def takes_away_green(book: Book, asked: Asked) -> bool:
    """Whether what is asked leaves a green day out, which one person may do: it makes no count longer."""
    return asked.verb == "exclude" and _verdict(book, asked.subject, asked.day) == "green"


def _accepted(asked: Asked, history: History) -> None:
    told = asked.terms.params if asked.terms is not None else {}
    before, after = str(told.get("before")), str(told.get("after"))
    if before == after:
        raise AnswerIsNo("decide.nothing_changed", stream=asked.subject)
    # What two persons accepted as breaking may turn out to take nothing away: that is signed for apart, and lets the count go on.
    additive = told.get("change") == "additive"
    if (asked.subject, before, after) in history.additive if additive else (asked.subject, after) in history.accepted:
        raise AnswerIsNo("decide.accepted_already", stream=asked.subject)


def _left_out(book: Book, asked: Asked) -> None:
    verdict = _verdict(book, asked.subject, asked.day)
    if asked.day is not None and verdict is not None and exclusions(book.rows, book.signatures)(asked.subject, asked.day, verdict):
        raise AnswerIsNo("decide.left_out_already", stream=asked.subject, day=asked.day.isoformat())


def _first_week(project: Project, book: Book, index: str, history: History) -> None:
    """It begins with the first day that is sealed of any of the index's streams. Sealed days are asked and not the clock: who signs for a week
    has seen it, and a clock can be set forward."""
    if history.week_one is not None:
        raise AnswerIsNo("decide.week_one_signed", index=index, by=history.week_one)
    spans = [span for stream in project.index(index).streams for span in _spans(book, stream)]
    if not spans:
        raise AnswerIsNo("decide.week_one_unbegun", index=index)
    first, sealed = min(span.first for span in spans), max(span.last for span in spans)
    last = first + timedelta(days=WEEK - 1)
    if sealed < last:
        raise AnswerIsNo("decide.week_one_open", index=index, first=first.isoformat(), last=last.isoformat(), sealed=sealed.isoformat())


def _reviewed(asked: Asked, history: History) -> None:
    # Not the promotion itself: whoever suspends takes that back, and the days in production go on being reviewed once it is resumed.
    if history.promoted_on is None or asked.day is None:
        raise AnswerIsNo("decide.nothing_promoted", index=asked.index)
    if asked.day < history.promoted_on:
        raise AnswerIsNo("decide.before_production", index=asked.index, day=asked.day.isoformat(), since=history.promoted_on.isoformat())
    if asked.day in history.reviewed:
        raise AnswerIsNo("decide.reviewed_already", index=asked.index, day=asked.day.isoformat())


def _verdict(book: Book, stream: str, day: date | None) -> str | None:
    """What the seal of the day says, whatever amendments make of it; None for a day without one."""
    return next((span.verdict for span in _spans(book, stream) if day is not None and span.first <= day <= span.last), None)


def _spans(book: Book, stream: str) -> tuple[Span, ...]:
    """Every sealed day of the stream, also those that people left out of the count."""
    return book.seals.spans([stream], frozenset(), lambda *_: False).get(stream, ())
