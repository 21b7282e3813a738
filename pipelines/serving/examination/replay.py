"""An old answer asked again: the same release, the same principals, today's denials – and what differs, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from connectors.errors import AnswerIsNo, FixConfiguration
from connectors.messages import told
from pipelines.clock import Clock
from pipelines.index.models import embedder_of
from pipelines.index.releases import candidate
from pipelines.index.store import Filters
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.serving.audit.log import AuditLog, audit_of
from pipelines.serving.audit.row import AuditRow
from pipelines.serving.desk import newest_access, pinned
from pipelines.serving.retrieval import Answer, Asker, Occasion, Release, Service, open_for, search

Why = Literal["deleted", "scope", "field", "filter"]


@dataclass(frozen=True)
class Lost:
    """A piece that was answered and would not be today, and why. Its text and title are nobody's here, only its ids."""

    rank: int
    chunk: str
    document: str
    why: Why


@dataclass(frozen=True)
class Replay:
    """``kept`` pieces come back, in this order; ``lost`` do not; ``new`` moved up into their places."""

    trace_id: str
    asked_at: datetime
    index: str
    release: int
    kept: tuple[str, ...]
    lost: tuple[Lost, ...]
    new: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.lost and not self.new


class _Elsewhere:
    """Keeps a replay on record as what it is: nobody's question, asked by whoever looks into an old one."""

    def __init__(self, log: AuditLog, by: str) -> None:
        self._log, self._by = log, by

    def record(self, row: AuditRow) -> None:
        # The words and principals stand with the row that is replayed, and are forgotten there.
        self._log.record(replace(row, person=self._by, action="replay", query="", closures={}))


def replay(project: Project, trace_id: str, clock: Clock, *, by: str) -> list[Replay]:
    """Every search under a trace, asked again. On record, like any question.

    Raises AnswerIsNo where there is none under this trace, or its question or principals are not kept any more.
    """
    log = audit_of(project)
    rows = log.find(trace_id)
    if not rows:
        raise AnswerIsNo("audit.no_such_trace", trace=trace_id)
    searches = [row for row in rows if row["action"] == "search"]
    if not searches:
        raise _cannot(trace_id, "no_search")
    return [_again(project, log, row, clock, by) for row in searches]


def _again(project: Project, log: AuditLog, row: Mapping[str, Any], clock: Clock, by: str) -> Replay:
    trace_id = row["trace_id"]
    if not row["release"]:
        raise _cannot(trace_id, "refused")
    closures = log.closures(row["principals_hash"])
    if not row["query"] or closures is None:
        raise _cannot(trace_id, "forgotten")
    try:
        release = open_for(project.root, candidate(project.root, row["index"], row["release"]))
    except FixConfiguration:
        raise _cannot(trace_id, "no_release") from None
    now = clock.now()
    overlay = newest_access(project, pinned(project, row["index"], Warehouse(project.root)), row["index"])
    # The principals are those of that day on purpose, so their age is no reason to refuse.
    asker = Asker(row["person"], closures, now, trace_id, "replay")
    limit = project.file.serving.access_kept
    service = Service(embedder_of(project, index=row["index"]), overlay, _Elsewhere(log, by), membership_limit=limit, overlay_limit=limit)
    filters = filters_of(row["filters"])
    answer = search(release, row["query"], asker, row["k"], service, now=now, filters=filters, occasion=Occasion(row["standing"] or ""))
    return _compared(row, answer, release, asker, service)


def filters_of(text: str | None) -> Filters | None:
    """What a question was narrowed to, as its row keeps it."""
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)
    several = ("systems", "streams", "media", "langs")
    narrowed: dict[str, Any] = {name: tuple(value) if name in several else value for name, value in found.items()}
    return Filters(**narrowed)


def _compared(row: Mapping[str, Any], answer: Answer, release: Release, asker: Asker, service: Service) -> Replay:
    now_there = [hit.chunk for hit in answer.hits]
    before = [hit["chunk"] for hit in row["hits"]]
    lost = tuple(
        Lost(hit["rank"], hit["chunk"], hit["document"], _why(release, hit["chunk"], asker, service))
        for hit in row["hits"]
        if hit["chunk"] not in now_there
    )
    kept = tuple(chunk for chunk in now_there if chunk in before)
    return Replay(
        answer.trace_id, row["asked_at"], answer.index, answer.release, kept, lost, tuple(one for one in now_there if one not in before)
    )


def _why(release: Release, chunk: str, asker: Asker, service: Service) -> Why:
    found = release.store.fetch(chunk, asker.principals)
    denial = service.overlay.denial(found, asker.within(found.stream)) if found is not None else None
    # Nothing of today's access speaks against it: then weights or engine order otherwise than they did.
    return denial or "filter"


def _cannot(trace_id: str, why: str) -> AnswerIsNo:
    return AnswerIsNo("audit.cannot_replay", trace=trace_id, why=told(f"audit.why.{why}"))


def differences(found: Sequence[Replay]) -> bool:
    return any(not one.same for one in found)
