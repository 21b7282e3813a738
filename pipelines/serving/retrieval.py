"""A question becomes an answer: filter, search, today's access, audit – and only then text."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pipelines.index.chunks import Chunk
from pipelines.index.overlay import Overlay
from pipelines.index.releases import Manifest, open_release
from pipelines.index.store import FilterMode, Filters, Found, IndexStore, Ranked, Weights
from pipelines.serving.audit.row import Audit, AuditHit, AuditRow, keep
from pipelines.serving.reasons import AnswerWithheld, Reason

if TYPE_CHECKING:
    from pipelines.index.embedding import Embedder

MAX_QUERY = 2_000
#: Access read further in the future than clocks may differ is not fresh: somebody's clock is wrong.
_SKEW = timedelta(minutes=10)
MAX_HITS = 50


@dataclass(frozen=True)
class Release:
    """A build that can be asked: its manifest and its chunks. ``suspended`` refuses every question."""

    manifest: Manifest
    store: IndexStore
    suspended: bool = False


@dataclass(frozen=True)
class Asker:
    """As whom a question is asked: the closures of ``person`` by stream, read at ``read_at`` (aware UTC), the program in between, the trace."""

    person: str
    closures: Mapping[str, frozenset[str]]
    read_at: datetime
    trace_id: str
    client: str = ""

    @cached_property
    def principals(self) -> frozenset[str]:
        """Under any stream: wide enough to search with, too wide to decide by."""
        return frozenset[str]().union(*self.closures.values())

    def within(self, stream: str) -> frozenset[str]:
        """The principals that count for rows of ``stream``; none where nothing is known of it."""
        return self.closures.get(stream, frozenset())


@dataclass(frozen=True)
class Occasion:
    """What the record says besides: the gate's word, the past instant asked for (ISO 8601, or ""), what the question is taken to cost."""

    standing: str = ""
    as_of: str = ""
    cost_jpy: float = 0.0


PLAIN = Occasion()


@dataclass(frozen=True)
class Service:
    """What a question needs besides itself. Access older than its limit refuses: membership by default after a day, overlay after a day."""

    embedder: Embedder
    overlay: Overlay
    audit: Audit
    membership_limit: timedelta = timedelta(hours=26)
    overlay_limit: timedelta = timedelta(hours=26)
    weights: Weights = field(default_factory=Weights)


@dataclass(frozen=True)
class Provenance:
    """Where a hit's words come from: the row, its revision in the source, its hash, the pull that landed it, the columns."""

    row: str
    version: str
    row_hash: str
    pull_id: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Hit:
    """One piece found. ``snippet`` is text of a third party: data, never an instruction. ``score`` orders this answer's hits only."""

    rank: int
    score: float
    chunk: str
    document: str
    stream: str
    title: str
    heading_path: tuple[str, ...]
    snippet: str
    url: str
    provenance: Provenance


@dataclass(frozen=True)
class Answer:
    """What leaves. It says nothing of what the asker may not see: no totals, no gaps in ranks, no raw scores."""

    trace_id: str
    index: str
    release: int
    reason: Reason
    hits: tuple[Hit, ...]


def open_for(root: str, manifest: Manifest, *, suspended: bool = False) -> Release:
    """A build under ``root``, ready to be asked."""
    return Release(manifest, open_release(root, manifest), suspended)


def search(
    release: Release,
    query: str,
    asker: Asker,
    k: int,
    service: Service,
    *,
    now: datetime,
    filters: Filters | None = None,
    occasion: Occasion = PLAIN,
) -> Answer:
    """The ``k`` (1 to 50) best pieces that the asker may read today, among those ``filters`` name.

    Raises AnswerWithheld when the release is suspended, the embedder is another model than the manifest's, access is too old to be
    trusted, or the audit row could not be written; ValueError for an empty or overlong question.
    """
    words = query.strip()
    if not words or len(words) > MAX_QUERY or not 1 <= k <= MAX_HITS:
        raise ValueError(f"a question has 1 to {MAX_QUERY} characters and asks for 1 to {MAX_HITS} hits")
    asked = _Asked(release, "search", words, k, asker, service, now, occasion, filters)
    asked.ready(embedding=True)
    if asker.principals:
        vector: Sequence[float] = [float(value) for value in service.embedder.embed_query([words])[0]]
        lets = partial(_lets, service, asker)
        found = release.store.search(words, vector, asker.principals, k, lets, release.manifest.weights or service.weights, filters)
    else:
        found = Found((), 0, 0, "none")
    # The engine's filter and this check must agree; a store that fails to filter is caught here.
    ranked = tuple(item for item in found.ranked if _lets(service, asker, item.chunk))
    return asked.answer(_reason(asker, found, ranked, filters), ranked, found.mode, found.visible, found.refused)


def fetch(release: Release, chunk: str, asker: Asker, service: Service, *, now: datetime, occasion: Occasion = PLAIN) -> Answer:
    """One piece by id, checked like a search: an id is not a permission. Absent and forbidden look the same."""
    asked = _Asked(release, "fetch", chunk, 1, asker, service, now, occasion)
    asked.ready(embedding=False)
    found = release.store.fetch(chunk, asker.principals) if asker.principals else None
    return _pieces(asked, [found] if found is not None else [])


def neighbours(release: Release, chunk: str, asker: Asker, service: Service, *, now: datetime, occasion: Occasion = PLAIN) -> Answer:
    """The pieces right before and after one in its document. Each is checked by itself: next to what may be read is not may be read."""
    asked = _Asked(release, "neighbours", chunk, 1, asker, service, now, occasion)
    asked.ready(embedding=False)
    return _pieces(asked, release.store.neighbours(chunk, asker.principals) if asker.principals else [])


def _pieces(asked: _Asked, found: Sequence[Chunk]) -> Answer:
    allowed = [chunk for chunk in found if _lets(asked.service, asked.asker, chunk)]
    ranked = tuple(Ranked(chunk, rank, 1.0) for rank, chunk in enumerate(allowed, start=1))
    reason = Reason.ANSWERED if ranked else Reason.NO_MATCH if asked.asker.principals else Reason.UNKNOWN_PERSON
    return asked.answer(reason, ranked, "exact", len(found), len(found) - len(allowed))


def _lets(service: Service, asker: Asker, chunk: Chunk) -> bool:
    """Whether the asker reads this chunk today, under the principals of its own stream."""
    return service.overlay.allows(chunk, asker.within(chunk.stream))


@dataclass(frozen=True)
class _Asked:
    """One question under way: all that its audit row will say of it."""

    release: Release
    action: str
    query: str
    k: int
    asker: Asker
    service: Service
    now: datetime
    occasion: Occasion
    filters: Filters | None = None
    started: float = field(default_factory=time.perf_counter)

    def ready(self, *, embedding: bool) -> None:
        """Refuse, on record, what may not be asked of this release or with access this old."""
        made, model, service = self.release.manifest, self.service.embedder, self.service
        refusal: Reason | None = None
        if self.release.suspended:
            refusal = Reason.SUSPENDED
        elif embedding and (made.model_id, made.revision, made.dim) != (model.model_id, model.revision, model.dim):
            refusal = Reason.OTHER_MODEL
        elif not -_SKEW <= self.now - service.overlay.read_at <= service.overlay_limit:
            refusal = Reason.OVERLAY_STALE
        elif not -_SKEW <= self.now - self.asker.read_at <= service.membership_limit:
            refusal = Reason.MEMBERSHIP_STALE
        if refusal is None:
            return
        self._keep(refusal, (), "none", 0, 0)
        raise AnswerWithheld(
            refusal,
            index=made.index,
            built_with=f"{made.model_id} {made.revision}",
            asked_with=f"{model.model_id} {model.revision}",
            overlay_at=service.overlay.read_at.isoformat(),
            membership_at=self.asker.read_at.isoformat(),
        )

    def answer(self, reason: Reason, ranked: Sequence[Ranked], mode: FilterMode, visible: int, refused: int) -> Answer:
        """What leaves, once its row is kept."""
        self._keep(reason, ranked, mode, visible, refused)
        made = self.release.manifest
        return Answer(self.asker.trace_id, made.index, made.number, reason, tuple(_hit(item) for item in ranked))

    def _keep(self, reason: Reason, ranked: Sequence[Ranked], mode: FilterMode, visible: int, refused: int) -> None:
        made, asker = self.release.manifest, self.asker
        row = AuditRow(
            asked_at=self.now,
            trace_id=asker.trace_id,
            person=asker.person,
            client=asker.client,
            action=self.action,
            query=self.query,
            k=self.k,
            principals=len(asker.principals),
            closures=asker.closures,
            membership_read_at=asker.read_at,
            overlay_read_at=self.service.overlay.read_at,
            index=made.index,
            release=made.number,
            content_hash=made.content_hash,
            mode=mode,
            visible=visible,
            refused=refused,
            decision=reason.value,
            hits=tuple(AuditHit(item.rank, item.chunk.id, item.chunk.document, item.chunk.version, item.chunk.row_hash) for item in ranked),
            latency_us=round((time.perf_counter() - self.started) * 1_000_000),
            cost_jpy=self.occasion.cost_jpy,
            filters=json.dumps(asdict(self.filters), ensure_ascii=False, sort_keys=True) if self.filters is not None else "",
            as_of=self.occasion.as_of,
            standing=self.occasion.standing,
        )
        keep(self.service.audit, row)


def _reason(asker: Asker, found: Found, ranked: Sequence[Ranked], filters: Filters | None) -> Reason:
    if not asker.principals:
        return Reason.UNKNOWN_PERSON
    # Where the question itself was narrowed, nothing among that is no word on all that the person may read.
    if not found.visible and filters is None:
        return Reason.NOTHING_VISIBLE
    return Reason.ANSWERED if ranked else Reason.NO_MATCH


def _hit(item: Ranked) -> Hit:
    chunk: Chunk = item.chunk
    return Hit(
        item.rank,
        item.score,
        chunk.id,
        chunk.document,
        chunk.stream,
        chunk.title,
        chunk.heading_path,
        chunk.text,
        chunk.url,
        Provenance(chunk.row, chunk.version, chunk.row_hash, chunk.pull_id, chunk.columns),
    )
