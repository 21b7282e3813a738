"""Asks a release as the people of a project, through the code that serves, and keeps the records of an examination apart from readers' own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pipelines.clock import Clock
from pipelines.index.chunks import Chunk
from pipelines.index.evaluation.examination import Answered, Piece, Standing
from pipelines.index.overlay import Overlay
from pipelines.index.releases import Manifest, open_release
from pipelines.index.store import Allow, FilterMode, Filters, Found, IndexStore, Weights
from pipelines.landing.published import store_options
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.serving.audit.row import AuditRow, text_hash
from pipelines.serving.callers.identity import Directory
from pipelines.serving.desk import as_person, directories, newest_access, pinned
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.retrieval import Answer, Asker, Release, Service, fetch, search

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Embedder

Purpose = Literal["evaluation", "comparison", "tuning", "drill"]
#: Compare every visible chunk, however many there are.
_EVERY = 2**62


@dataclass(frozen=True)
class Access:
    """What today's rights over an index say, read once for a whole examination: all its questions are asked of one day."""

    directories: tuple[Directory, ...]
    read_at: datetime
    overlay: Overlay


def todays_access(project: Project, index: str, warehouse: Warehouse | None = None) -> Access:
    """Memberships, live rows and scopes of an index's streams as last published; ``warehouse`` is one in which they stand open already."""
    pins = pinned(project, index, warehouse or Warehouse(project.root))
    found, read_at = directories(project, pins)
    return Access(found, read_at, newest_access(project, pins, index))


def weights_of(manifest: Manifest) -> Weights:
    """How the hits of a release are fused, for readers as for whoever examines it: as it pins, else by the default."""
    return manifest.weights or Weights()


def standing_of(overlay: Overlay, row: str, asker: Asker) -> Standing:
    """Whether a row is there today and the asker may read it, by its scope. Fields of it may be narrower still."""
    scope = overlay.live.get(row)
    if scope is None:
        return "gone"
    stream = row.partition("#")[0]
    readers = overlay.scopes.get(stream, {}).get(scope, frozenset[str]())
    return "unreadable" if readers.isdisjoint(asker.within(stream)) else "readable"


class ExaminationLog:
    """The audit of examinations: a Delta table with ``delta.appendOnly`` at ``<root>/audit/examination``, written in one commit by ``keep``.

    Readers' audit is not mixed with questions nobody had. No words of a question are kept, for they stand in the evaluation set.
    """

    def __init__(self, root: str, purpose: Purpose) -> None:
        self.uri = f"{root}/audit/examination"
        self.purpose = purpose
        self.run = secrets.token_hex(16)
        self.rows: list[AuditRow] = []

    def record(self, row: AuditRow) -> None:
        self.rows.append(row)

    def keep(self) -> None:
        """Write all records. Raises AnswerWithheld when they can't be written: then no figure is reported."""
        import pyarrow as pa
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        columns = _schema().names
        own = {"purpose": self.purpose, "run": self.run}
        plain = [name for name in columns if name not in (*own, "query_hash", "chunks")]
        told = [
            own
            | {name: getattr(row, name) for name in plain}
            | {"query_hash": text_hash(row.query), "chunks": [hit.chunk for hit in row.hits]}
            for row in self.rows
        ]
        table = pa.Table.from_pylist(told, schema=_schema())
        try:
            options = store_options(self.uri)
            write_deltalake(self.uri, table, mode="append", configuration={"delta.appendOnly": "true"}, storage_options=options)
        except (DeltaError, OSError) as error:
            raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what=type(error).__name__) from error
        self.rows.clear()


def _schema() -> pa.Schema:
    import pyarrow as pa

    instant, text, number = pa.timestamp("us", tz="UTC"), pa.string(), pa.int64()
    texts = ("trace_id", "person", "query_hash", "index", "content_hash", "mode", "decision")
    numbers = ("release", "visible", "refused")
    return pa.schema(
        [
            ("purpose", text),
            ("run", text),
            ("asked_at", instant),
            *((name, text) for name in texts),
            *((name, number) for name in numbers),
            ("chunks", pa.list_(text)),
        ]
    )


class _Watched:
    """A store that remembers how near the last question's nearest row was: the answer itself does not say."""

    def __init__(self, store: IndexStore) -> None:
        self._store = store
        self.nearest = 0.0

    def ready(self) -> None:
        self._store.ready()

    def count(self) -> int:
        return self._store.count()

    def visible(self, principals: frozenset[str], filters: Filters | None = None) -> int:
        return self._store.visible(principals, filters)

    def search(
        self,
        text: str,
        vector: Sequence[float],
        principals: frozenset[str],
        k: int,
        allow: Allow,
        weights: Weights | None = None,
        filters: Filters | None = None,
    ) -> Found:
        found = self._store.search(text, vector, principals, k, allow, weights, filters)
        self.nearest = found.nearest
        return found

    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None:
        return self._store.fetch(chunk, principals)

    def neighbours(self, chunk: str, principals: frozenset[str], reach: int = 1) -> tuple[Chunk, ...]:
        return self._store.neighbours(chunk, principals, reach)


@dataclass
class Examiner:
    """An ``Answerer`` over one release. The same people, access and embedder may serve several."""

    root: str
    manifest: Manifest
    access: Access
    embedder: Embedder
    log: ExaminationLog
    clock: Clock
    _askers: dict[str, Asker] = field(default_factory=dict[str, Asker])

    @cached_property
    def release(self) -> Release:
        return Release(self.manifest, _Watched(open_release(self.root, self.manifest)))

    @cached_property
    def _exact(self) -> Release:
        return Release(self.manifest, _Watched(open_release(self.root, self.manifest, _EVERY)))

    def under(self, overlay: Overlay) -> Examiner:
        """The same release and people under another day's access."""
        other = replace(self, access=replace(self.access, overlay=overlay))
        other.__dict__["release"] = self.release
        return other

    def asker(self, person: str) -> Asker:
        """The person with all they act under today, and a trace of their own for each question."""
        if person not in self._askers:
            self._askers[person] = as_person(person, self.access.directories, self.access.read_at, "", f"fortnight {self.log.purpose}")
        return replace(self._askers[person], trace_id=secrets.token_hex(16))

    def answer(self, question: str, person: str, k: int) -> Answer:
        return search(self.release, question, self.asker(person), k, self._service(), now=self.clock.now())

    def fetched(self, chunk: str, person: str) -> Answer:
        return fetch(self.release, chunk, self.asker(person), self._service(), now=self.clock.now())

    def ask(self, question: str, person: str, k: int) -> Answered:
        return self._told(self.answer(question, person, k), self.release)

    def exactly(self, question: str, person: str, k: int) -> Answered:
        return self._told(search(self._exact, question, self.asker(person), k, self._service(), now=self.clock.now()), self._exact)

    def standing(self, row: str, person: str) -> Standing:
        return standing_of(self.access.overlay, row, self.asker(person))

    def prepare(self, questions: Sequence[str]) -> None:
        """Embed these questions in batches, where the embedder remembers."""
        from pipelines.index.embedding import CachedEmbedder

        if isinstance(self.embedder, CachedEmbedder):
            self.embedder.embed_query([question.strip() for question in questions])
            if self.embedder.computed:
                self.embedder.save()

    def _service(self) -> Service:
        return Service(embedder=self.embedder, overlay=self.access.overlay, audit=self.log)

    def _told(self, answer: Answer, release: Release) -> Answered:
        watched = release.store
        assert isinstance(watched, _Watched)
        # Every answer put its record first: the last one is this answer's.
        kept = self.log.rows[-1]
        pieces = tuple(Piece(hit.chunk, hit.provenance.row, hit.title, hit.score) for hit in answer.hits)
        mode: FilterMode = "ann" if kept.mode == "ann" else "exact" if kept.mode == "exact" else "none"
        return Answered(pieces, kept.visible, self.manifest.chunks, mode, watched.nearest if pieces else 0.0)
