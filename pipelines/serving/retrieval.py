"""A question becomes an answer: filter, search, today's access, audit – and only then text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.index.chunks import Chunk
from pipelines.index.overlay import Overlay
from pipelines.index.releases import Manifest, open_release
from pipelines.index.store import FilterMode, Found, IndexStore, Ranked, Weights
from pipelines.serving.audit import Audit, AuditHit, AuditRow, keep, principals_hash, text_hash
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


def search(release: Release, query: str, asker: Asker, k: int, service: Service, *, now: datetime) -> Answer:
    """The ``k`` (1 to 50) best pieces that the asker may read today.

    Raises AnswerWithheld when the release is suspended, the embedder is another model than the manifest's, access is too old to be
    trusted, or the audit row could not be written; ValueError for an empty or overlong question.
    """
    words = query.strip()
    if not words or len(words) > MAX_QUERY or not 1 <= k <= MAX_HITS:
        raise ValueError(f"a question has 1 to {MAX_QUERY} characters and asks for 1 to {MAX_HITS} hits")
    _ready(release, "search", words, k, asker, service, now, embedding=True)
    if asker.principals:
        vector: Sequence[float] = [float(value) for value in service.embedder.embed_query([words])[0]]
        found = release.store.search(words, vector, asker.principals, k, lambda chunk: _lets(service, asker, chunk), service.weights)
    else:
        found = Found((), 0, 0, "none")
    # The engine's filter and this check must agree; a store that fails to filter is caught here.
    ranked = tuple(item for item in found.ranked if _lets(service, asker, item.chunk))
    reason = _reason(asker, found, ranked)
    _keep(release, "search", words, k, asker, service, now, reason, ranked, found.mode, found.visible, found.refused)
    return Answer(asker.trace_id, release.manifest.index, release.manifest.number, reason, tuple(_hit(item) for item in ranked))


def fetch(release: Release, chunk: str, asker: Asker, service: Service, *, now: datetime) -> Answer:
    """One piece by id, checked like a search: an id is not a permission. Absent and forbidden look the same."""
    _ready(release, "fetch", chunk, 1, asker, service, now, embedding=False)
    found = release.store.fetch(chunk, asker.principals) if asker.principals else None
    allowed = found is not None and _lets(service, asker, found)
    ranked = (Ranked(found, 1, 1.0),) if found is not None and allowed else ()
    reason = Reason.ANSWERED if ranked else Reason.NO_MATCH if asker.principals else Reason.UNKNOWN_PERSON
    _keep(
        release,
        "fetch",
        chunk,
        1,
        asker,
        service,
        now,
        reason,
        ranked,
        "exact",
        int(found is not None),
        int(found is not None and not allowed),
    )
    return Answer(asker.trace_id, release.manifest.index, release.manifest.number, reason, tuple(_hit(item) for item in ranked))


def _lets(service: Service, asker: Asker, chunk: Chunk) -> bool:
    """Whether the asker reads this chunk today, under the principals of its own stream."""
    return service.overlay.allows(chunk, asker.within(chunk.stream))


def _ready(release: Release, action: str, query: str, k: int, asker: Asker, service: Service, now: datetime, *, embedding: bool) -> None:
    made, model = release.manifest, service.embedder
    refusal: Reason | None = None
    if release.suspended:
        refusal = Reason.SUSPENDED
    elif embedding and (made.model_id, made.revision, made.dim) != (model.model_id, model.revision, model.dim):
        refusal = Reason.OTHER_MODEL
    elif not -_SKEW <= now - service.overlay.read_at <= service.overlay_limit:
        refusal = Reason.OVERLAY_STALE
    elif not -_SKEW <= now - asker.read_at <= service.membership_limit:
        refusal = Reason.MEMBERSHIP_STALE
    if refusal is not None:
        _keep(release, action, query, k, asker, service, now, refusal, (), "none", 0, 0)
        raise AnswerWithheld(
            refusal,
            index=made.index,
            built_with=f"{made.model_id} {made.revision}",
            asked_with=f"{model.model_id} {model.revision}",
            overlay_at=service.overlay.read_at.isoformat(),
            membership_at=asker.read_at.isoformat(),
        )


def _reason(asker: Asker, found: Found, ranked: Sequence[Ranked]) -> Reason:
    if not asker.principals:
        return Reason.UNKNOWN_PERSON
    if not found.visible:
        return Reason.NOTHING_VISIBLE
    return Reason.ANSWERED if ranked else Reason.NO_MATCH


def _keep(
    release: Release,
    action: str,
    query: str,
    k: int,
    asker: Asker,
    service: Service,
    now: datetime,
    reason: Reason,
    ranked: Sequence[Ranked],
    mode: FilterMode,
    visible: int,
    refused: int,
) -> None:
    made = release.manifest
    hits = tuple(AuditHit(item.rank, item.chunk.id, item.chunk.document, item.chunk.version, item.chunk.row_hash) for item in ranked)
    keep(
        service.audit,
        AuditRow(
            asked_at=now,
            trace_id=asker.trace_id,
            person=asker.person,
            client=asker.client,
            action=action,
            query=query,
            query_hash=text_hash(query),
            k=k,
            principals=len(asker.principals),
            principals_hash=principals_hash(asker.principals),
            membership_read_at=asker.read_at,
            overlay_read_at=service.overlay.read_at,
            index=made.index,
            release=made.number,
            content_hash=made.content_hash,
            mode=mode,
            visible=visible,
            refused=refused,
            decision=reason.value,
            hits=hits,
        ),
    )


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
