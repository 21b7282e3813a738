"""The rollback drill: forward and back on a pointer beside production, with real questions, and proof that nothing deleted or revoked comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from pipelines.clock import Clock
from pipelines.evidence.facts import Fact, fact_entry
from pipelines.evidence.plan import environment_of, ledger_of
from pipelines.index.chunks import Chunk
from pipelines.index.models import embedder_of
from pipelines.index.overlay import Overlay
from pipelines.index.releases import Manifest, Production, candidate, candidates, drill_position, is_kept, point_drill
from pipelines.index.rollback import Model, model_of
from pipelines.index.store import Allow
from pipelines.project import Project
from pipelines.serving.callers.identity import people
from pipelines.serving.examination.evaluate import questions_path
from pipelines.serving.examination.examiner import ExaminationLog, Examiner, todays_access, weights_of
from pipelines.serving.retrieval import Asker

if TYPE_CHECKING:
    from pipelines.index.embedding import Embedder

#: A drill that takes longer than this, in seconds, did not pass.
LIMIT = 120.0
#: Among so many people one is looked for who finds something to lose; so many questions are asked, so deep; what was lost is looked for deeper.
_PEOPLE, _QUESTIONS, _DEPTH, _LOOK = 50, 8, 10, 50


@dataclass(frozen=True)
class Proof:
    """One thing a drill shows. ``code`` is of the catalogue, ``params`` fill it."""

    code: str
    passed: bool
    params: Mapping[str, object]


@dataclass(frozen=True)
class Drill:
    """What a drill did: ``forward`` and ``back`` are seconds from the decision to the first answer of the other release, ``seconds`` all of it."""

    index: str
    older: str
    newer: str
    forward: float
    back: float
    seconds: float
    proofs: tuple[Proof, ...]

    @property
    def passed(self) -> bool:
        return self.seconds <= LIMIT and all(proof.passed for proof in self.proofs)


@dataclass(frozen=True)
class _Probe:
    """A person, words that find something for them, and what was found: a chunk's id and its row."""

    person: str
    words: str
    chunk: str
    row: str


def drill(project: Project, index: str, actor: str, clock: Clock, embedder: Embedder | None = None) -> Drill:
    """Rehearse a promotion and the way back. Production's pointer, and what readers are served, is not touched.

    The result is pushed as the fact ``rollback_drill``, passed or not. Raises AnswerIsNo where there are not two candidates of the model
    that answers, or nobody who may read anything: then nothing was rehearsed, and no fact is pushed.
    """
    started = time.perf_counter()
    project.index(index)
    used = embedder or embedder_of(project, index=index)
    older, newer = _two(project, index, Model(used.model_id, used.revision, used.dim))
    access, log = todays_access(project, index), ExaminationLog(project.root, "drill")
    before, after = (Examiner(project.root, made, access, used, log, clock) for made in (older, newer))
    probe = _probe(before, after)
    asked = _questions(project, index, probe)

    _point(project, index, older, actor, clock)
    forward, went = _switch(project, index, newer, True, after, probe, actor, clock)
    back, came = _switch(project, index, older, False, before, probe, actor, clock)
    proofs = (went, came, *_nothing_came_back(before, asked), *_struck(before, probe))
    log.keep()
    done = Drill(index, older.release, newer.release, round(forward, 3), round(back, 3), round(time.perf_counter() - started, 3), proofs)
    ledger_of(project).push([fact_entry(drill_fact(done, clock), environment_of(project), clock.kind, actor)])
    return done


def drill_fact(done: Drill, clock: Clock) -> Fact:
    """The readiness fact ``rollback_drill``: the drill's seconds. It names what did not hold."""
    failed = ", ".join(proof.code.rpartition(".")[2] for proof in done.proofs if not proof.passed)
    told = f"{done.newer} and back to {done.older} in {done.back} s{'; failed: ' + failed if failed else ''}; fortnight index drill {done.index}"
    return Fact(done.index, "rollback_drill", done.seconds, "seconds", LIMIT, done.passed, told, clock.now())


def _two(project: Project, index: str, served: Model) -> tuple[Manifest, Manifest]:
    """The two newest candidates that the served model can ask and whose tables are there."""
    found = [made for made in candidates(project.root, index) if model_of(made) == served and is_kept(project.root, made)]
    if len(found) < 2:
        raise AnswerIsNo("drill.too_few", index=index, found=len(found), asked_with=served)
    return found[-2], found[-1]


def _probe(older: Examiner, newer: Examiner) -> _Probe:
    """Somebody who finds something in both releases, the narrowest reader first: what everybody sees proves the least."""
    import pyarrow as pa

    accounts = [each.accounts for each in older.access.directories if each.accounts.num_rows]
    known = people(pa.concat_tables(accounts).combine_chunks()) if accounts else []
    sees = sorted((older.release.store.visible(older.asker(one.id).principals), one.id) for one in known[:_PEOPLE])
    for visible, person in sees:
        hits = older.answer(older.manifest.index, person, 1).hits if visible else ()
        if hits:
            probe = _Probe(person, _words(hits[0].title, hits[0].snippet), hits[0].chunk, hits[0].provenance.row)
            if newer.ask(probe.words, person, 1).pieces:
                return probe
    raise AnswerIsNo("drill.nobody_sees", release=older.manifest.release)


def _questions(project: Project, index: str, probe: _Probe) -> list[tuple[str, str]]:
    """Words and who asks them: the probe, and the first questions of the evaluation set where the project has one."""
    asked = [(probe.words, probe.person)]
    if project.index(index).evaluation is not None:
        from pipelines.index.evaluation.questions import read_questions

        found = read_questions(questions_path(project, index)).questions
        asked += [(question.question, question.as_) for question in found[:_QUESTIONS]]
    return asked


def _point(project: Project, index: str, release: Manifest, actor: str, clock: Clock) -> Production:
    at = drill_position(project.root, index)
    return point_drill(
        project.root, index, release.number, at=clock.now(), actor=actor, reason="drill", after=at.number if at is not None else 0
    )


def _switch(
    project: Project, index: str, to: Manifest, forward: bool, examiner: Examiner, probe: _Probe, actor: str, clock: Clock
) -> tuple[float, Proof]:
    """Move the pointer and ask whatever it names: seconds until the answer, and whether it came from the right release."""
    started = time.perf_counter()
    _point(project, index, to, actor, clock)
    named = drill_position(project.root, index)
    assert named is not None  # it was just put
    # Serving reads the pointer and opens what it names: so does this, rather than trust what it just wrote.
    opened = replace(examiner, manifest=candidate(project.root, index, named.release))
    answer = opened.answer(probe.words, probe.person, _DEPTH)
    seconds = time.perf_counter() - started
    own = replace(examiner, manifest=to)
    # What came is held against the table of the release that was meant, opened apart.
    same = [own.release.store.fetch(hit.chunk, own.asker(probe.person).principals) for hit in answer.hits]
    texts = [chunk.text if chunk is not None else None for chunk in same]
    right = answer.release == to.number and bool(answer.hits) and texts == [hit.snippet for hit in answer.hits]
    code = "drill.check.forward" if forward else "drill.check.back"
    return seconds, Proof(code, right, {"release": to.release})


def _nothing_came_back(examiner: Examiner, asked: Sequence[tuple[str, str]]) -> list[Proof]:
    """What was really deleted or closed since the older release was built: it is asked for by its own words, and must not come."""
    overlay, store = examiner.access.overlay, examiner.release.store
    deleted: set[str] = set()
    revoked: set[tuple[str, str]] = set()
    questions = list(asked)
    for person in dict.fromkeys(person for _, person in asked):
        asker, lost = examiner.asker(person), dict[str, Chunk]()
        for words, _ in asked:
            vector = [float(value) for value in examiner.embedder.embed_query([words])[0]]
            store.search(words, vector, asker.principals, _LOOK, _noting(lost, overlay, asker), weights_of(examiner.manifest))
        for chunk in lost.values():
            if overlay.denial(chunk, asker.within(chunk.stream)) == "deleted":
                deleted.add(chunk.row)
            else:
                revoked.add((chunk.row, person))
        questions += [(_words(chunk.title, chunk.text), person) for chunk in list(lost.values())[:_QUESTIONS]]
    shown = {(piece.row, person) for words, person in questions if words.strip() for piece in examiner.ask(words, person, _DEPTH).pieces}
    release = examiner.manifest.release
    return [
        Proof("drill.check.deleted", all(row in overlay.live for row, _ in shown), {"release": release, "count": len(deleted)}),
        Proof("drill.check.revoked", not shown & revoked, {"release": release, "count": len(revoked)}),
    ]


def _noting(lost: dict[str, Chunk], overlay: Overlay, asker: Asker) -> Allow:
    """Lets pass what may be read today, and notes what may not though the release was built to show it."""

    def allow(chunk: Chunk) -> bool:
        principals = asker.within(chunk.stream)
        if overlay.denial(chunk, principals) is None:
            return True
        if not principals.isdisjoint(chunk.acl) and not principals.isdisjoint(chunk.field_acl):
            lost[chunk.id] = chunk
        return False

    return allow


def _words(title: str, text: str) -> str:
    """A piece's own words as a question: asked so it is found, whatever else there is."""
    return " ".join(f"{title} {text}".split())[:200]


def _struck(examiner: Examiner, probe: _Probe) -> list[Proof]:
    """What was just found, deleted and then closed in a copy of today's overlay: it must not come, by search or by id."""
    overlay = examiner.access.overlay
    # An overlay that holds no such row is broken: the proofs then say so.
    scope = overlay.live.get(probe.row, "")
    stream = probe.row.partition("#")[0]
    found = examiner.ask(probe.words, probe.person, _DEPTH)
    there = any(piece.row == probe.row for piece in found.pieces)
    deleted: Overlay = replace(overlay, live={row: at for row, at in overlay.live.items() if row != probe.row})
    closed: Overlay = replace(overlay, scopes={**overlay.scopes, stream: {**overlay.scopes.get(stream, {}), scope: frozenset[str]()}})
    proofs: list[Proof] = []
    for code, other in (("drill.check.deletion", deleted), ("drill.check.revocation", closed)):
        under = examiner.under(other)
        pieces = under.ask(probe.words, probe.person, _DEPTH).pieces
        gone = all(piece.row != probe.row for piece in pieces) and not under.fetched(probe.chunk, probe.person).hits
        # What did not come before proves nothing by not coming after.
        proofs.append(Proof(code, there and gone, {"row": probe.row}))
    return proofs
