"""What would have been answered then: the release that was in production at an instant, asked as a person under today's denials, and said so."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import Clock
from pipelines.index.models import embedder_of
from pipelines.index.overlay import Denial
from pipelines.index.releases import Production, candidate, production_history
from pipelines.index.rollback import in_production_at
from pipelines.project import Project
from pipelines.serving.audit.log import AuditLog, audit_of
from pipelines.serving.audit.row import AuditRow
from pipelines.serving.callers.accounts import accounts_of
from pipelines.serving.callers.roles import Action, Role, demand, roles_of
from pipelines.serving.desk import as_person
from pipelines.serving.examination.examiner import Access, todays_access, weights_of
from pipelines.serving.retrieval import Answer, Service, open_for, search

if TYPE_CHECKING:
    from pipelines.index.chunks import Chunk
    from pipelines.index.embedding import Embedder
    from pipelines.serving.callers.tokens import Caller


@dataclass(frozen=True)
class Denied:
    """A piece of the answer then that may not be shown today: its place then and why. Which piece it was is not said."""

    rank: int
    why: Denial


@dataclass(frozen=True)
class Replayed:
    """``answer`` is of the release of ``position``, as far as today's access lets it; ``denied`` of the first ``k`` pieces then are not in it."""

    position: Production
    answer: Answer
    denied: tuple[Denied, ...]


def instant_of(project: Project, given: str) -> datetime:
    """``2026-11-24 14:30`` in the project's time zone, or ISO 8601 with its own. Raises FixConfiguration for anything else."""
    from zoneinfo import ZoneInfo

    try:
        found = datetime.fromisoformat(given.strip())
    except ValueError:
        raise FixConfiguration("replay.bad_instant", given=given) from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(project.file.timezone))


class _Looked:
    """Keeps a replay on record as what it is: a look by ``by`` at what somebody would have been answered. Who that is stands there as a keyed hash."""

    def __init__(self, log: AuditLog, by: str) -> None:
        self._log, self._by = log, by

    def record(self, row: AuditRow) -> None:
        asked_as = {"as": self._log.person_hash(row.person)}
        self._log.record(replace(row, person=self._by, action="replay", closures={}, params=asked_as))


def replay(
    project: Project,
    index: str,
    query: str,
    person: str,
    at: datetime,
    k: int,
    clock: Clock,
    embedder: Embedder | None = None,
    *,
    looking: Caller | None = None,
) -> Replayed:
    """Ask as a person what was in production at ``at`` (aware). Audited as readers' questions are.

    In production nobody asks as somebody else. There ``looking``, as a token proved, must have the right to look into the audit, and gets what
    that right gives: ids and places of pieces, no words of theirs. It stands on record under their own name.

    Raises FixConfiguration in production where nobody is proven, AnswerIsNo where nothing was in production then, AnswerWithheld as any question
    does, and (``not_allowed``) for who may not look.
    """
    shown = project.environment != "production"
    if not shown and looking is None:
        raise FixConfiguration("replay.needs_auditor", index=index)
    project.index(index)
    position = in_production_at(production_history(project.root, index), at)
    if position is None:
        raise AnswerIsNo("replay.nothing_then", index=index, at=at.isoformat(sep=" ", timespec="minutes"))
    used, access = embedder or embedder_of(project, index=index), todays_access(project, index)
    asker = as_person(person, access.directories, access.read_at, secrets.token_hex(16), "fortnight index replay")
    manifest = candidate(project.root, index, position.release)
    release, audit = open_for(project.root, manifest), audit_of(project)
    kept = audit if looking is None or shown else _Looked(audit, _auditor(project, access, looking))
    answer = search(release, query, asker, k, Service(embedder=used, overlay=access.overlay, audit=kept), now=clock.now())
    if not shown:
        bare = (replace(hit, title="", heading_path=(), snippet="", url="") for hit in answer.hits)
        answer = replace(answer, hits=tuple(bare))
    if not asker.principals:
        return Replayed(position, answer, ())

    def as_built(chunk: Chunk) -> bool:
        principals = asker.within(chunk.stream)
        return not principals.isdisjoint(chunk.acl) and not principals.isdisjoint(chunk.field_acl)

    words = query.strip()
    vector = [float(value) for value in used.embed_query([words])[0]]
    then = release.store.search(words, vector, asker.principals, k, as_built, weights_of(manifest)).ranked
    reasons: list[tuple[int, Denial | None]] = [
        (piece.rank, access.overlay.denial(piece.chunk, asker.within(piece.chunk.stream))) for piece in then
    ]
    denied = tuple(Denied(rank, why) for rank, why in reasons if why is not None)
    return Replayed(position, answer, denied)


def _auditor(project: Project, access: Access, looking: Caller) -> str:
    """Who looks, if they may. Raises AnswerWithheld (``not_allowed``)."""
    someone = None if looking.app_only else accounts_of(access.directories).of(looking)
    demand(roles_of(project, someone.id) if someone is not None and someone.known else {Role.READER}, Action.AUDIT)
    assert someone is not None  # a reader may not
    return someone.id
