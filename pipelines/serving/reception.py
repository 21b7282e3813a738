"""The one path of every question, whichever door it came through: right, budget, gate, release, today's access, retrieval – and the answer's labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from connectors.errors import FortnightError
from pipelines.clock import Clock
from pipelines.evidence.quick import standing_quick
from pipelines.landing.published import open_store, read_record
from pipelines.project import Project
from pipelines.serving import feedback, retrieval
from pipelines.serving.audit.log import AuditLog
from pipelines.serving.audit.row import AuditRow, keep
from pipelines.serving.board import Board, Boards, Chosen, Gate, Label
from pipelines.serving.budgets import Meter
from pipelines.serving.callers.roles import Action, Role, demand, may, roles_of
from pipelines.serving.callers.tokens import Caller
from pipelines.serving.metrics import Metrics
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.retrieval import Answer, Asker, Occasion, Release, Service
from pipelines.serving.today import Today, Watch
from pipelines.serving.traces import Spans, Trace

if TYPE_CHECKING:
    from pipelines.index.embedding import Embedder
    from pipelines.index.store import Filters

#: What a search, a fetch or a look at neighbours is, once the release and the caller are known.
Asking = Callable[[Release, Asker, Service, Occasion], Answer]
#: How far back the cost of useful answers is counted.
COST_SPAN = timedelta(days=30)


@dataclass(frozen=True)
class Sources:
    """When the rows of a release were pulled, by stream, and the oldest of them."""

    pulled_at: Mapping[str, datetime]

    @property
    def oldest(self) -> datetime | None:
        return min(self.pulled_at.values(), default=None)


@dataclass(frozen=True)
class Served:
    """An answer and what it rests on."""

    answer: Answer
    label: Label
    standing: str
    release: Release
    today: Today
    sources: Sources
    at: datetime


@dataclass(frozen=True)
class Situation:
    """How the index stands for one caller: ``refusal`` is why they would not be answered now."""

    board: Board
    today: Today
    roles: frozenset[Role]
    refusal: AnswerWithheld | None
    at: datetime


class Reception:
    """Serves one index of a project. Safe to share between threads."""

    def __init__(
        self,
        project: Project,
        index: str,
        clock: Clock,
        *,
        embedder: Embedder,
        log: AuditLog,
        metrics: Metrics,
        spans: Spans | None = None,
        gate: Gate = standing_quick,
    ) -> None:
        project.index(index)
        block = project.file.serving
        self.project, self.index, self.clock, self.log, self.metrics = project, index, clock, log, metrics
        self._spans = spans or Spans()
        self._embedder = embedder
        self._watch = Watch(project, index, clock, block.refreshes)
        self._boards = Boards(project, index, clock, block.refreshes, gate)
        self._meter = Meter(block.budgets, project.file.timezone)
        self._sources: dict[int, Sources] = {}
        self._draining = False

    def warm(self) -> None:
        """Load what the first question would wait for. What cannot be read now is no reason not to start: it is said to whoever asks."""
        with suppress(AnswerWithheld), _standing_on_storage():
            self._embedder.embed_query(["warm"])
            self._watch.today()
            board = self._boards.board()
            if number := board.production.release if board.production else board.newest:
                release = self._boards.release(number)
                # Nobody asks, so nothing is found; what every question reads first is read.
                release.store.search("warm", [0.0] * release.manifest.dim, frozenset({"nobody"}), 1, lambda _: False)

    def drain(self) -> None:
        """Refuse what comes from now on; what is under way ends."""
        self._draining = True

    def close(self) -> None:
        self.drain()
        self._spans.close()
        # What waits is stored already; where it cannot be brought together now, the next to come does.
        with suppress(FortnightError):
            self.log.settle()

    def search(
        self, caller: Caller, query: str, k: int, trace: Trace, *, filters: Filters | None = None, as_of: datetime | None = None
    ) -> Served:
        """See ``retrieval.search``. Raises AnswerWithheld for every refusal."""

        def ask(release: Release, asker: Asker, service: Service, occasion: Occasion) -> Answer:
            return retrieval.search(release, query, asker, k, service, now=self.clock.now(), filters=filters, occasion=occasion)

        return self._served("search", query, caller, trace, ask, as_of)

    def fetch(self, caller: Caller, chunk: str, trace: Trace) -> Served:
        """See ``retrieval.fetch``."""

        def ask(release: Release, asker: Asker, service: Service, occasion: Occasion) -> Answer:
            return retrieval.fetch(release, chunk, asker, service, now=self.clock.now(), occasion=occasion)

        return self._served("fetch", chunk, caller, trace, ask, None)

    def neighbours(self, caller: Caller, chunk: str, trace: Trace) -> Served:
        """See ``retrieval.neighbours``."""

        def ask(release: Release, asker: Asker, service: Service, occasion: Occasion) -> Answer:
            return retrieval.neighbours(release, chunk, asker, service, now=self.clock.now(), occasion=occasion)

        return self._served("neighbours", chunk, caller, trace, ask, None)

    def feedback(self, caller: Caller, trace_id: str, verdict: feedback.Verdict, chunk: str) -> None:
        """Keep what the caller says of an answer of theirs. Raises AnswerIsNo where there is none under this trace."""
        trace = Trace(trace_id)
        with self._asking("feedback", caller, trace, 0.0):
            asker = self._watch.today().asker(caller, self._public, trace_id)
            with _standing_on_storage():
                answered = self.log.find(trace_id)
            feedback.say(self.log, answered, asker, verdict, chunk, now=self.clock.now())

    def situation(self, caller: Caller) -> Situation:
        """Whether the caller would be answered now. Raises AnswerWithheld only where nothing at all can be said."""
        with self._asking("status", caller, Trace(""), 0.0):
            today, now = self._watch.today(), self.clock.now()
            board, roles = self._boards.board(), self._roles(caller, today.asker(caller, self._public, ""))
            refusal: AnswerWithheld | None = None
            try:
                self._choose(today, roles, None, now)
                self._fresh(today, now)
            except AnswerWithheld as error:
                refusal = error
            return Situation(board, today, roles, refusal, now)

    def cost(self) -> feedback.CostOfUse:
        """What useful answers cost of late. Raises AnswerWithheld where the audit cannot be read."""
        now = self.clock.now()
        with _standing_on_storage():
            return feedback.cost_of_use(self.log, self.project.file.serving.cost, since=now - COST_SPAN, now=now)

    def ready(self) -> str:
        """What stands in the way of answering anybody ("" nothing): a code. The gate's word is none: refusing is what it is there for."""
        try:
            if self._draining:
                raise AnswerWithheld(Reason.DRAINING)
            self.log.open()
            today, now = self._watch.today(), self.clock.now()
            self._fresh(today, now)
            board = self._boards.board()
            if number := board.production.release if board.production else board.newest:
                # A release that the pointer has just come to is read first: until it is, a question would only wait.
                with _standing_on_storage():
                    self._boards.release(number).store.ready()
        except AnswerWithheld as error:
            return error.code
        return ""

    def measured(self) -> bytes:
        """What a monitoring system may see, with the age that access has now: a scrape is enough to learn it, and no age is told where none is known."""
        try:
            self.metrics.access_age((self.clock.now() - self._watch.today().overlay.read_at).total_seconds())
        except AnswerWithheld:
            self.metrics.access_age(math.nan)
        return self.metrics.text()

    @property
    def _public(self) -> frozenset[str]:
        return frozenset(self.project.file.serving.public)

    def _roles(self, caller: Caller, asker: Asker) -> frozenset[Role]:
        """An app is a reader of what is public and nothing more. Raises AnswerWithheld where who may do what cannot be read."""
        if caller.app_only or not asker.principals:
            return frozenset({Role.READER})
        # What is wrong in people.yaml, with its persons and its place, is for who keeps it and no caller's to read.
        with _standing_on_storage():
            return roles_of(self.project, asker.person)

    def _served(self, action: str, query: str, caller: Caller, trace: Trace, ask: Asking, as_of: datetime | None) -> Served:
        cost = self.project.file.serving.cost.per_question_jpy
        with self._asking(action, caller, trace, cost):
            now = self.clock.now()
            today = self._watch.today()
            asker = today.asker(caller, self._public, trace.trace_id)
            word = ""
            try:
                word = self._boards.board().state.eligibility
                if caller.app_only and not self._public:
                    raise AnswerWithheld(Reason.APP_ONLY)
                roles = self._roles(caller, asker)
                demand(roles, Action.ASK)
                chosen = self._choose(today, roles, as_of, now)
            except AnswerWithheld as error:
                self._keep_refusal(action, query, asker, today, now, error, word, as_of)
                raise
            limit = self.project.file.serving.access_kept
            service = Service(self._embedder, today.overlay, self.log, membership_limit=limit, overlay_limit=limit)
            occasion = Occasion(chosen.standing, as_of.isoformat() if as_of else "", cost)
            try:
                with _standing_on_storage():
                    sources = self._sources_of(chosen.release)
                    answer = ask(chosen.release, asker, service, occasion)
            except AnswerWithheld as error:
                # What retrieval itself refuses it has kept; that storage or embedder failed it could not know.
                if error.reason is Reason.UNAVAILABLE:
                    self._keep_refusal(action, query, asker, today, now, error, word, as_of)
                raise
            return Served(answer, chosen.label, chosen.standing, chosen.release, today, sources, now)

    @contextmanager
    def _asking(self, action: str, caller: Caller, trace: Trace, cost: float) -> Generator[None]:
        """Budget, span and metrics around one request; every refusal is counted by its code."""
        started, outcome = time.perf_counter(), "error"
        self.metrics.in_flight(1)
        try:
            if self._draining:
                raise AnswerWithheld(Reason.DRAINING, retry_after=5)
            with self._meter.spending(caller.key, cost, self.clock.now()):
                if trace.trace_id:
                    with self._spans.span("retrieval", trace, **{"gen_ai.operation.name": action, "gen_ai.data_source.id": self.index}):
                        yield
                else:
                    yield
            outcome = "ok"
        except FortnightError as error:
            outcome = error.code
            raise
        finally:
            self.metrics.in_flight(-1)
            self.metrics.ended(action, outcome, time.perf_counter() - started)

    def _choose(self, today: Today, roles: frozenset[Role], as_of: datetime | None, now: datetime) -> Chosen:
        limit = self.project.file.serving.stale
        oldest = min(today.pulled_at.values())
        stale = Reason.STALE if now - oldest > limit else None
        preview = may(roles, Action.PREVIEW)
        facts = {"oldest": oldest.isoformat(), "limit": str(limit)}
        return self._boards.choose(preview=preview, stale=stale, as_of=as_of, facts=facts)

    def _fresh(self, today: Today, now: datetime) -> None:
        limit = self.project.file.serving.access_kept
        for reason, at in ((Reason.OVERLAY_STALE, today.overlay.read_at), (Reason.MEMBERSHIP_STALE, today.read_at)):
            if now - at > limit:
                raise AnswerWithheld(reason, index=self.index, overlay_at=at.isoformat(), membership_at=at.isoformat())

    def _sources_of(self, release: Release) -> Sources:
        """When the release's rows were pulled: its records never change, so they are read once."""
        number = release.manifest.number
        if number not in self._sources:
            store = open_store(self.project.root)
            records = {stream: read_record(store, stream, one.published) for stream, one in release.manifest.inputs.items()}
            self._sources[number] = Sources({stream: datetime.fromisoformat(one.published_at) for stream, one in records.items()})
        return self._sources[number]

    def _keep_refusal(
        self, action: str, query: str, asker: Asker, today: Today, now: datetime, error: AnswerWithheld, word: str, as_of: datetime | None
    ) -> None:
        row = AuditRow(
            asked_at=now,
            trace_id=asker.trace_id,
            person=asker.person,
            client=asker.client,
            action=action,
            query=query,
            k=0,
            principals=len(asker.principals),
            closures=asker.closures,
            membership_read_at=asker.read_at,
            overlay_read_at=today.overlay.read_at,
            index=self.index,
            release=0,
            content_hash="",
            mode="none",
            visible=0,
            refused=0,
            decision=error.reason.value,
            hits=(),
            as_of=as_of.isoformat() if as_of else "",
            standing=word,
        )
        keep(self.log, row)


@contextmanager
def _standing_on_storage() -> Generator[None]:
    """An index, embedder or record that cannot be read is a refusal, never a part of an answer."""
    from deltalake.exceptions import DeltaError
    from obstore.exceptions import BaseError

    try:
        yield
    except AnswerWithheld:
        raise
    except (OSError, RuntimeError, DeltaError, BaseError) as error:
        raise AnswerWithheld(Reason.UNAVAILABLE, retry_after=30, what=type(error).__name__) from error
    except FortnightError as error:
        raise AnswerWithheld(Reason.UNAVAILABLE, retry_after=30, what=type(error).__name__) from error
