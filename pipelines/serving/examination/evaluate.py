"""The evaluation set put to a project's releases: one examined, two compared, weights chosen. Where questions meet storage and clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import Clock
from pipelines.evidence.declared import changed, declared_facts
from pipelines.evidence.facts import Fact, fact_entry, latest_facts
from pipelines.evidence.plan import environment_of, ledger_of, own_rows
from pipelines.index.evaluation.comparison import Comparison
from pipelines.index.evaluation.comparison import compare as paired
from pipelines.index.evaluation.examination import Report, examine
from pipelines.index.evaluation.questions import Part, Question, QuestionSet, read_questions
from pipelines.index.evaluation.summary import Summary, keep_summary, kept_summary, recall_fact, summary, unmeasured_fact
from pipelines.index.evaluation.tuning import Tuned, read_tuned, threshold_of, write_tuned
from pipelines.index.evaluation.tuning import tune as best_of
from pipelines.index.models import embedder_of
from pipelines.index.releases import Manifest, candidate, newest_candidate
from pipelines.index.store import Weights
from pipelines.project import Project
from pipelines.serving.examination.examiner import Access, ExaminationLog, Examiner, Purpose, todays_access, weights_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.index.embedding import Embedder
    from pipelines.landing.warehouse import Warehouse

Progress = Callable[[int, int], None]
#: Another way to examine is another result: stands in what a kept result depends on.
_FORM = "examination/2"


@dataclass(frozen=True)
class Bench:
    """All that the examinations of one command share: questions, target, today's access, the embedder, weights."""

    project: Project
    index: str
    questions: QuestionSet
    target: float
    access: Access
    embedder: Embedder
    tuned: Tuned | None
    clock: Clock

    def tuned_for(self, manifest: Manifest) -> Tuned | None:
        """What was tuned, where the release pins it: a threshold tells nothing of scores that were fused otherwise."""
        return self.tuned if self.tuned is not None and self.tuned.weights == manifest.weights else None

    def threshold(self, manifest: Manifest) -> float:
        tuned = self.tuned_for(manifest)
        return tuned.threshold if tuned else 0.0

    def examiner(self, manifest: Manifest, purpose: Purpose) -> Examiner:
        return Examiner(self.project.root, manifest, self.access, self.embedder, ExaminationLog(self.project.root, purpose), self.clock)

    def examined(self, manifest: Manifest, part: Part, purpose: Purpose, progress: Progress | None = None) -> Report:
        """Every question of a part put to a release, on record before it is reported."""
        examiner, asked = self.examiner(manifest, purpose), self.questions.part(part)
        examiner.prepare([question.question for question in asked])
        found = examine(asked, examiner, self.threshold(manifest), progress)
        examiner.log.keep()
        return found

    def basis(self, manifest: Manifest, part: Part) -> str:
        """The hash of all that a result depends on: content, questions, target, weights, model, and what each asker belongs to today."""
        examiner = self.examiner(manifest, "evaluation")
        people = sorted({question.as_ for question in self.questions.part(part)})
        closures = [[who, sorted((stream, sorted(own)) for stream, own in examiner.asker(who).closures.items())] for who in people]
        gone = sorted({f"{row} {who}" for row, who in _expected(self.questions.part(part)) if examiner.standing(row, who) != "readable"})
        order = weights_of(manifest)
        weights = (order.lexical, order.vector, self.threshold(manifest))
        model = (self.embedder.model_id, self.embedder.revision, self.embedder.dim)
        told = [_FORM, manifest.release, manifest.content_hash, part, self.questions.sha256, self.target, weights, model, closures, gone]
        return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


def _expected(questions: tuple[Question, ...]) -> list[tuple[str, str]]:
    return [(row, question.as_) for question in questions for row in question.expect]


def questions_path(project: Project, index: str) -> Path:
    """Where the index's questions are. Raises FixConfiguration where project.yaml names none."""
    declared = project.index(index).evaluation
    if declared is None:
        raise FixConfiguration("evaluation.none_declared", index=index)
    return project.folder / declared.questions


def bench(project: Project, index: str, clock: Clock, embedder: Embedder | None = None, warehouse: Warehouse | None = None) -> Bench:
    """Open all that an examination needs. Raises FixConfiguration for a set that cannot be read, AnswerIsNo where nothing was published."""
    path = questions_path(project, index)
    declared = project.index(index).evaluation
    assert declared is not None  # questions_path refused that
    questions = read_questions(path)
    access = todays_access(project, index, warehouse)
    return Bench(
        project,
        index,
        questions,
        declared.recall_at_5,
        access,
        embedder or embedder_of(project, index=index),
        read_tuned(project, index),
        clock,
    )


def release_of(project: Project, index: str, number: int | None) -> Manifest:
    """The candidate of that number, the newest by default. Raises AnswerIsNo where none was built, FixConfiguration for a number nobody built."""
    if number is not None:
        return candidate(project.root, index, number)
    newest = newest_candidate(project.root, index)
    if newest is None:
        raise AnswerIsNo("serving.no_candidate", index=index)
    return newest


def evaluate(
    project: Project,
    index: str,
    part: Part,
    clock: Clock,
    *,
    number: int | None = None,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Put a part of the evaluation set to a release. What the test part says of the newest candidate is a readiness fact, and is pushed."""
    used = bench(project, index, clock, embedder)
    manifest = release_of(project, index, number)
    found = _summed(used, manifest, part, used.examined(manifest, part, "evaluation", progress=progress))
    newest = newest_candidate(project.root, index)
    if part == "test" and newest is not None and newest.number == manifest.number:
        _remember(project, found, clock)
    return found


def examine_candidate(
    project: Project,
    index: str,
    manifest: Manifest,
    clock: Clock,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
    warehouse: Warehouse | None = None,
) -> tuple[Summary, bool]:
    """The test part put to today's candidate, unless nothing it depends on has changed: then what was found before, and True."""
    used = bench(project, index, clock, embedder, warehouse)
    known = kept_summary(project.root, index)
    if known is not None and known.basis == used.basis(manifest, "test"):
        _push(project, index, [recall_fact(known, known.examined_at)], clock)
        return known, True
    found = _summed(used, manifest, "test", used.examined(manifest, "test", "evaluation", progress=progress))
    _remember(project, found, clock)
    return found, False


def unexamined(project: Project, index: str, why: str, clock: Clock) -> None:
    """Note that no examination could be made: the fact fails until one is."""
    declared = project.index(index).evaluation
    _push(project, index, [unmeasured_fact(index, declared.recall_at_5 if declared else 0.0, why, clock.now())], clock)


def compare(
    project: Project,
    index: str,
    before: int,
    after: int,
    part: Part,
    clock: Clock,
    *,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Two releases on the same questions, the same people and the same day's access."""
    used = bench(project, index, clock, embedder)
    manifests = [candidate(project.root, index, number) for number in (before, after)]
    reports = [used.examined(manifest, part, "comparison", progress=progress) for manifest in manifests]
    return paired(*reports)


def tune(
    project: Project,
    index: str,
    clock: Clock,
    *,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> tuple[Tuned, list[tuple[Weights, Report]]]:
    """Choose weights and threshold on the dev part of the set, asked of the newest candidate, and write them into the project."""
    used = bench(project, index, clock, embedder)
    manifest = release_of(project, index, None)
    # The release as if it pinned each in turn: what it does pin would be asked with otherwise, whatever is tried.
    chosen, reports = best_of(
        lambda weights: used.examined(manifest.model_copy(update={"weights": weights}), "dev", "tuning", progress=progress)
    )
    best = reports[chosen]
    if not best.speaks:
        raise AnswerIsNo("evaluation.says_nothing", index=index, apart=len(best.apart), questions=best.score.n)
    tuned = Tuned(
        lexical=chosen.lexical,
        vector=chosen.vector,
        threshold=threshold_of(best),
        release=manifest.release,
        content_hash=manifest.content_hash,
        model=f"{manifest.model_id}@{manifest.revision}",
        questions=used.questions.sha256,
        n=best.score.n,
        recall_at_5=round(best.score.recall5, 6),
        mrr_at_10=round(best.score.mrr, 6),
    )
    write_tuned(project, index, tuned)
    return tuned, list(reports.items())


def _summed(used: Bench, manifest: Manifest, part: Part, report: Report) -> Summary:
    return summary(
        report,
        manifest,
        part,
        at=used.clock.now(),
        questions_sha256=used.questions.sha256,
        basis=used.basis(manifest, part),
        target=used.target,
        weights=weights_of(manifest),
        tuned=used.tuned_for(manifest),
    )


def _remember(project: Project, found: Summary, clock: Clock) -> None:
    keep_summary(project.root, found)
    now = clock.now()
    size = [fact for fact in declared_facts(project, found.index, now) if fact.name == "evaluation_size"]
    _push(project, found.index, [recall_fact(found, now), *size], clock)


def _push(project: Project, index: str, facts: list[Fact], clock: Clock) -> None:
    ledger = ledger_of(project)
    news = changed(facts, latest_facts(own_rows(project, ledger.read(kinds=("fact",))), index))
    if news:
        ledger.push([fact_entry(fact, environment_of(project), clock.kind) for fact in news])
