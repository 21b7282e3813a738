"""What is on record of every retrieval, and the one place where an answer passes from decided to allowed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from connectors.errors import FortnightError
from pipelines.serving.reasons import AnswerWithheld, Reason


@dataclass(frozen=True)
class AuditHit:
    """Which chunk was to leave, at which place, from which revision of which row. Never its text."""

    rank: int
    chunk: str
    document: str
    version: str
    row_hash: str


@dataclass(frozen=True)
class AuditRow:
    """One question and what was decided.

    ``asked_at`` and the two ages' instants are aware UTC; ``refused`` counts chunks today's access took out. ``person`` and ``query`` are kept
    apart from the rest (see audit_log). ``closures`` are the principals asked with, by stream. ``latency_us`` is the time in microseconds until
    the decision, ``cost_jpy`` what the question is taken to cost, ``standing`` the gate's word at that moment, ``as_of`` the past instant asked for.
    """

    asked_at: datetime
    trace_id: str
    person: str
    client: str
    action: str
    query: str
    k: int
    principals: int
    closures: Mapping[str, frozenset[str]]
    membership_read_at: datetime
    overlay_read_at: datetime
    index: str
    release: int
    content_hash: str
    mode: str
    visible: int
    refused: int
    decision: str
    hits: tuple[AuditHit, ...]
    latency_us: int = 0
    cost_jpy: float = 0.0
    filters: str = ""
    as_of: str = ""
    standing: str = ""
    params: Mapping[str, str] = field(default_factory=dict[str, str])


class Audit(Protocol):
    """Where audit rows go. Raises FortnightError or OSError when a row could not be kept."""

    def record(self, row: AuditRow) -> None: ...


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def closures_text(closures: Mapping[str, frozenset[str]]) -> str:
    """The principals of every stream as one text, whatever the order they came in."""
    return json.dumps({stream: sorted(found) for stream, found in sorted(closures.items())}, ensure_ascii=False, separators=(",", ":"))


def keep(audit: Audit, row: AuditRow) -> None:
    """Write the row or withhold the answer. The one place where an answer passes from decided to allowed."""
    try:
        audit.record(row)
    except AnswerWithheld:
        raise
    except (FortnightError, OSError) as error:
        raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=type(audit).__name__, what=type(error).__name__) from error
