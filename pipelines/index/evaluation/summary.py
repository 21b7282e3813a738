"""An examination in numbers: what the command prints, what the asset check shows, what is kept to not ask the same again. One shape for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from connectors.errors import AnswerIsNo
from pipelines.evidence.facts import Fact
from pipelines.index.evaluation.examination import Asked, Report
from pipelines.index.evaluation.figures import Score, Separation
from pipelines.index.evaluation.questions import Kind, Part
from pipelines.index.releases import Manifest, open_objects
from pipelines.index.store import Weights

if TYPE_CHECKING:
    from pipelines.index.evaluation.tuning import Tuned


class _Piece(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Figures(_Piece):
    """Of ``questions``: how many were found among the first 1, 5 and 10 pieces, as shares too; ``low`` to ``high`` is the 95 % Wilson interval
    of recall@5, ``lower`` its one-sided 95 % bound."""

    questions: int
    hits_at_1: int
    hits_at_5: int
    hits_at_10: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr_at_10: float
    low: float
    high: float
    lower: float


class Apart(_Piece):
    """An answerable question that was not counted: its rows are gone, or its person may read none of them today."""

    id: str
    why: Literal["gone", "unreadable"]


class Bad(_Piece):
    """One of the worst questions. ``place`` 0 is "not among the first ten"; ``first`` is the row that came first; ``leaked`` must be empty."""

    id: str
    question: str
    person: str
    kind: Kind
    place: int
    expected: tuple[str, ...]
    first: str
    leaked: tuple[str, ...]


class BandFigures(_Piece):
    """Questions whose askers see such a share of the chunks; of the approximate ones, how much of the exact answer came (None: none was)."""

    band: str
    questions: int
    approximate: int
    recall_against_exact: float | None


class Unanswered(_Piece):
    """How well the best score tells that nothing answers. ``refused`` should be all of ``unanswerable``, ``withheld`` none of ``answerable``."""

    threshold: float
    refused: int
    unanswerable: int
    withheld: int
    answerable: int
    auc: float


class Summary(_Piece):
    """``asked`` counts all questions of the part; ``figures`` those answerable ones that count. ``speaks``: few enough were put apart; ``reaches``:
    that, no leak, and recall@5 at the target; ``surely``: its lower bound, too. ``basis`` is the hash of all that this result depends on."""

    index: str
    release: str
    content_hash: str
    model: str
    part: Part
    examined_at: AwareDatetime
    questions_sha256: str
    basis: str
    target: float
    asked: int
    forbidden: int
    figures: Figures
    slices: Mapping[str, Figures]
    apart: tuple[Apart, ...]
    leaks: int
    bands: tuple[BandFigures, ...]
    unanswered: Unanswered | None
    lexical: float
    vector: float
    tuned: bool
    speaks: bool
    reaches: bool
    surely: bool
    worst: tuple[Bad, ...]


def summary(
    report: Report,
    manifest: Manifest,
    part: Part,
    *,
    at: datetime,
    questions_sha256: str,
    basis: str,
    target: float,
    weights: Weights,
    tuned: Tuned | None,
) -> Summary:
    """A report as numbers, rounded to six places."""
    return Summary(
        index=manifest.index,
        release=manifest.release,
        content_hash=manifest.content_hash,
        model=f"{manifest.model_id}@{manifest.revision}",
        part=part,
        examined_at=at,
        questions_sha256=questions_sha256,
        basis=basis,
        target=target,
        asked=len(report.asked),
        forbidden=sum(bool(one.question.forbidden) for one in report.asked),
        figures=figures(report.score),
        slices={name: figures(score) for name, score in report.slices.items()},
        apart=tuple(Apart(id=one.question.id, why=one.apart) for one in report.apart if one.apart),
        leaks=len(report.leaks),
        bands=tuple(
            BandFigures(
                band=band.name,
                questions=band.questions,
                approximate=band.approximate,
                recall_against_exact=None if band.recall is None else round(band.recall, 6),
            )
            for band in report.bands
        ),
        unanswered=_unanswered(report.unanswered),
        lexical=weights.lexical,
        vector=weights.vector,
        tuned=tuned is not None,
        speaks=report.speaks,
        reaches=report.reaches(target),
        surely=report.surely(target),
        worst=tuple(bad(one) for one in report.worst()),
    )


def figures(score: Score) -> Figures:
    return Figures(
        questions=score.n,
        hits_at_1=score.at1,
        hits_at_5=score.at5,
        hits_at_10=score.at10,
        recall_at_1=round(score.recall1, 6),
        recall_at_5=round(score.recall5, 6),
        recall_at_10=round(score.recall10, 6),
        mrr_at_10=round(score.mrr, 6),
        low=round(score.interval.low, 6),
        high=round(score.interval.high, 6),
        lower=round(score.lower, 6),
    )


def bad(one: Asked) -> Bad:
    question, pieces = one.question, one.answered.pieces
    return Bad(
        id=question.id,
        question=question.question,
        person=question.as_,
        kind=question.kind,
        place=one.place,
        expected=question.expect,
        first=pieces[0].row if pieces else "",
        leaked=one.leaked,
    )


def _unanswered(found: Separation | None) -> Unanswered | None:
    if found is None:
        return None
    return Unanswered(
        threshold=found.threshold,
        refused=found.refused,
        unanswerable=found.unanswerable,
        withheld=found.withheld,
        answerable=found.answerable,
        auc=round(found.auc, 6),
    )


def recall_fact(found: Summary, now: datetime) -> Fact:
    """The readiness fact ``recall_at_5``: the share, held to its target; the lower bound and what else counts stand in the evidence."""
    told = (
        f"release {found.release}, {found.part} part: {found.figures.hits_at_5} of {found.figures.questions}, "
        f"lower 95 % bound {found.figures.lower:.3f}, {found.leaks} leaks, {len(found.apart)} not counted; "
        f"fortnight index evaluate {found.index} --{found.part}"
    )
    return Fact(found.index, "recall_at_5", found.figures.recall_at_5, "share", found.target, found.reaches, told, now)


def unmeasured_fact(index: str, target: float, why: str, now: datetime) -> Fact:
    """The fact where an examination could not be made: not knowing is not passing."""
    return Fact(index, "recall_at_5", "not measured", "share", target, False, why, now)


def keep_summary(root: str, found: Summary) -> None:
    """Remember the newest examination of an index."""
    import obstore

    obstore.put(open_objects(root), _path(found.index), found.model_dump_json().encode())


def kept_summary(root: str, index: str) -> Summary | None:
    """The examination that was remembered last; None where there is none, or where an older version of this wrote it."""
    import obstore

    try:
        return Summary.model_validate_json(bytes(obstore.get(open_objects(root), _path(index)).bytes()))
    except FileNotFoundError:
        return None
    except ValidationError:
        # A form of before is asked again, not read as something else.
        return None


def _path(index: str) -> str:
    return f"indexes/{index}/examined.json"


def refused(found: Summary) -> AnswerIsNo | None:
    """What keeps the release below its target, as an error with its remedy; None where it reaches it."""
    if found.reaches:
        return None
    if found.leaks:
        return AnswerIsNo("evaluation.leaks", release=found.release, leaks=found.leaks, first=found.worst[0].id)
    if not found.speaks:
        return AnswerIsNo("evaluation.says_nothing", index=found.index, apart=len(found.apart), questions=found.figures.questions)
    share = f"{found.figures.recall_at_5:.3f}"
    return AnswerIsNo("evaluation.below", release=found.release, recall=share, target=found.target, part=found.part)
