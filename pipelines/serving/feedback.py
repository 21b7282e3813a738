"""What askers said of their answers: bound to the trace and to the same caller, kept as rows of the audit; the flagged queue and the cost of use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import AnswerIsNo
from pipelines.serving.audit.row import Audit, AuditHit, AuditRow, keep
from pipelines.serving.retrieval import Asker
from pipelines.serving_block import QuestionCost

if TYPE_CHECKING:
    from pipelines.serving.audit.log import AuditLog

Verdict = Literal["useful", "not_useful", "wrong_source"]
FEEDBACK = "feedback"
_QUESTIONS = ("search", "fetch", "neighbours")
_ANSWERED = ("answered", "no_match", "nothing_visible")
_DAYS_OF_A_MONTH = 30


@dataclass(frozen=True)
class Flagged:
    """An answer its asker was not served by. ``chunk`` is the piece meant, "" for the whole; ``query`` "" where it is not kept."""

    trace_id: str
    said_at: datetime
    verdict: Verdict
    query: str
    index: str
    release: int
    chunk: str
    chunks: tuple[str, ...]


@dataclass(frozen=True)
class CostOfUse:
    """``numerator_jpy``: each question's own cost since ``since``, and the monthly line by days. ``denominator``: answers last called useful."""

    numerator_jpy: float
    denominator: int
    since: datetime

    @property
    def value_jpy(self) -> float | None:
        return self.numerator_jpy / self.denominator if self.denominator else None


def say(audit: Audit, answered: Sequence[Mapping[str, Any]], asker: Asker, verdict: Verdict, chunk: str, *, now: datetime) -> None:
    """Keep a verdict on an answer. ``answered`` are the audit's rows of the trace.

    Raises AnswerIsNo where none of them is this caller's answer, or it did not hold ``chunk``: another's trace and no trace look the same.
    """
    mine = [row for row in answered if row["person"] == asker.person and row["action"] in _QUESTIONS and row["decision"] in _ANSWERED]
    if chunk:
        mine = [row for row in mine if any(hit["chunk"] == chunk for hit in row["hits"])]
    if not mine:
        raise AnswerIsNo("serving.no_such_answer", trace=asker.trace_id)
    row = mine[-1]
    hits = tuple(AuditHit(**hit) for hit in row["hits"] if hit["chunk"] == chunk)
    kept = AuditRow(
        asked_at=now,
        trace_id=asker.trace_id,
        person=asker.person,
        client=asker.client,
        action=FEEDBACK,
        query="",
        k=0,
        principals=0,
        closures={},
        membership_read_at=row["membership_read_at"],
        overlay_read_at=row["overlay_read_at"],
        index=row["index"],
        release=row["release"],
        content_hash=row["content_hash"],
        mode="none",
        visible=0,
        refused=0,
        decision=verdict,
        hits=hits,
    )
    keep(audit, kept)


def flagged(rows: Iterable[Mapping[str, Any]]) -> list[Flagged]:
    """The answers whose asker's last word is that they were not useful or came from the wrong source, oldest first."""
    asked: dict[tuple[str, str], Mapping[str, Any]] = {}
    found: dict[tuple[str, str], Flagged] = {}
    for row in rows:
        of = (row["trace_id"], row["person_hash"])
        if row["action"] != FEEDBACK:
            asked[of] = row
            continue
        question = asked.get(of, row)
        chunks = tuple(hit["chunk"] for hit in question["hits"])
        chunk = row["hits"][0]["chunk"] if row["hits"] else ""
        found.pop(of, None)
        found[of] = Flagged(
            row["trace_id"], row["asked_at"], row["decision"], question["query"], row["index"], row["release"], chunk, chunks
        )
    return [one for one in found.values() if one.verdict != "useful"]


def cost_of_use(log: AuditLog, cost: QuestionCost, *, since: datetime, now: datetime) -> CostOfUse:
    """What a useful answer cost since ``since`` (aware UTC)."""
    # Oldest first: the last word stays.
    last = {(row["trace_id"], row["person_hash"]): row["decision"] for row in log.rows(since=since, action=FEEDBACK)}
    fixed = cost.monthly_jpy * (now - since).total_seconds() / 86_400 / _DAYS_OF_A_MONTH
    useful = sum(verdict == "useful" for verdict in last.values())
    return CostOfUse(round(log.spent(since=since) + fixed, 2), useful, since)


def on_trace(asker: Asker, trace_id: str) -> Asker:
    """The same caller, speaking of an earlier trace."""
    return replace(asker, trace_id=trace_id)
