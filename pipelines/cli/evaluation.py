"""``fortnight index evaluate``, ``compare``, ``tune``, and ``eval add``: how well a release answers, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.cli.index import IndexArgument
from pipelines.cli.output import NO, Bars, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, say, spoken, word

if TYPE_CHECKING:
    from pipelines.index.evaluation.questions import Part
    from pipelines.index.evaluation.summary import Bad, Figures, Summary

app = typer.Typer(help="The questions an index is examined with.", no_args_is_help=True)
PartOption = Annotated[
    bool, typer.Option("--dev/--test", help="The questions for tuning, or those that count: who has looked at these tunes no more.")
]


def evaluate(
    index: IndexArgument,
    dev: PartOption = True,
    release: Annotated[int | None, typer.Option("--release", min=1, help="Its number; default: the newest.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Ask a release every question of the evaluation set as the person who asks it. Exit 1 below the target, or where anything leaks."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.serving.examination.evaluate import evaluate as run

        with Bars(json_, lang) as bars:
            found = run(opened, index, _part(dev), WallClock(), number=release, progress=_told(bars, index))
    emit("index_evaluate", {"examination": found.model_dump(mode="json")}, json_, lambda: _table(found, lang))
    from pipelines.index.evaluation.summary import refused

    if error := refused(found):
        if not json_:
            say(error, lang)
        raise typer.Exit(NO)


def compare(
    before: Annotated[str, typer.Argument(help="The release to beat, as in product-support/3.")],
    after: Annotated[str, typer.Argument(help="The release that is to be no worse.")],
    dev: PartOption = True,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Put the same questions to two releases, pair by pair. Exit 1 when the second is worse and that is no chance, or where it leaks."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.index.evaluation.summary import bad
        from pipelines.serving.examination.evaluate import compare as run

        (index, older), (other, newer) = (_numbered(name) for name in (before, after))
        if index != other or not index or not older or not newer:
            raise FixConfiguration("comparison.other_index", before=before, after=after)
        with Bars(json_, lang) as bars:
            found = run(opened, index, older, newer, _part(dev), WallClock(), progress=_told(bars, index))
    payload: dict[str, Any] = {
        "before": before,
        "after": after,
        "part": _part(dev),
        "questions": found.n,
        "won": [bad(one).model_dump(mode="json") for one in found.won],
        "lost": [bad(one).model_dump(mode="json") for one in found.lost],
        "p": round(found.p, 6),
        "mrr": round(found.mrr, 6),
        "low": round(found.interval.low, 6),
        "high": round(found.interval.high, 6),
        "leaks": len(found.leaks),
        "worse": found.worse,
    }

    def text() -> None:
        line("comparison.head", lang, before=before, after=after, part=_part(dev), n=found.n)
        row(word("comparison.split", lang, won=len(found.won), lost=len(found.lost), p=f"{found.p:.4f}"))
        row(word("comparison.mrr", lang, mrr=f"{found.mrr:+.4f}", low=f"{found.interval.low:+.4f}", high=f"{found.interval.high:+.4f}"))
        for one in found.won:
            row("+", one.question.id, one.question.question, indent=4)
        for one in found.lost:
            row("-", one.question.id, one.question.question, indent=4)
        if found.leaks:
            row(word("evaluation.forbidden", lang, forbidden=len(found.leaks), leaks=len(found.leaks)))
        line("comparison.worse" if found.worse else "comparison.not_worse", lang, after=after)

    emit("index_compare", payload, json_, text)
    if found.worse:
        raise typer.Exit(NO)


def tune(index: IndexArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Choose how much words and vectors say, on the dev questions alone, and write it beside them for the next release to pin."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.index.evaluation.tuning import weights_path
        from pipelines.serving.examination.evaluate import tune as run

        with Bars(json_, lang) as bars:
            tuned, tried = run(opened, index, WallClock(), progress=_told(bars, index))
    path = str(weights_path(opened, index))
    payload: dict[str, Any] = {
        "index": index,
        "release": tuned.release,
        "path": path,
        "lexical": tuned.lexical,
        "vector": tuned.vector,
        "threshold": tuned.threshold,
        "questions": tuned.n,
        "tried": [
            {
                "lexical": weights.lexical,
                "vector": weights.vector,
                "recall_at_5": round(report.score.recall5, 6),
                "mrr_at_10": round(report.score.mrr, 6),
            }
            for weights, report in tried
        ],
    }

    def text() -> None:
        for weights, report in tried:
            recall, mrr = f"{report.score.recall5:.3f}", f"{report.score.mrr:.3f}"
            row(word("tuning.row", lang, lexical=weights.lexical, vector=weights.vector, recall=recall, mrr=mrr))
        figures = {"n": tuned.n, "recall": f"{tuned.recall_at_5:.3f}", "mrr": f"{tuned.mrr_at_10:.3f}", "threshold": tuned.threshold}
        line("tuning.done", lang, index=index, lexical=tuned.lexical, vector=tuned.vector, path=path, **figures)

    emit("index_tune", payload, json_, text)


@app.callback()
def group() -> None:
    """The questions an index is examined with."""


@app.command()
def add(
    index: IndexArgument,
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who reviewed the question and its answer.")],
    trace: Annotated[str, typer.Option("--trace", help="A search in the audit: its words, and who asked.", show_default=False)] = "",
    question: Annotated[str, typer.Option("--question", help="The question's words.", show_default=False)] = "",
    as_: Annotated[str, typer.Option("--as", help="Mail address of who asks it.", show_default=False)] = "",
    kind: Annotated[str, typer.Option("--kind", help="answerable, unanswerable or forbidden.")] = "answerable",
    expect: Annotated[
        list[str] | None, typer.Option("--expect", help="A row that answers it, as in kintone/faq#12; repeatable.", show_default=False)
    ] = None,
    forbidden: Annotated[
        list[str] | None, typer.Option("--forbidden", help="A row that must not be shown; repeatable.", show_default=False)
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A slice it belongs to, as in table; repeatable.", show_default=False)
    ] = None,
    answer: Annotated[str, typer.Option("--answer", help="The answer in a few words.", show_default=False)] = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Add a real question, reviewed by a person, to the evaluation set. No line that stands there changes, nor its part."""
    if kind not in ("answerable", "unanswerable", "forbidden"):
        raise typer.BadParameter("use answerable, unanswerable or forbidden", param_hint="--kind")
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.serving.examination.reviewed import Draft, add_question

        draft = Draft(
            reviewer=reviewer,
            kind=kind,
            expect=tuple(expect or ()),
            forbidden=tuple(forbidden or ()),
            slices=tuple(slices or ()),
            answer=answer,
            question=question,
            person=as_,
            trace=trace,
        )
        done = add_question(opened, index, draft)
    payload = {"index": index, "id": done.question.id, "part": done.part, "path": str(done.path), "questions": done.count}
    told = {"id": done.question.id, "path": str(done.path), "part": done.part, "count": done.count}
    emit("eval_add", payload, json_, lambda: line("eval.added", lang, **told))


def _part(dev: bool) -> Part:
    return "dev" if dev else "test"


def _told(bars: Bars, index: str) -> Callable[[int, int], None]:
    from pipelines.pull.outcome import Progress

    return lambda done, total: bars(Progress(f"index/{index}", "examine", done, total))


def _numbered(name: str) -> tuple[str, int]:
    """``product-support/3`` as its two parts; no index and 0 for anything else."""
    index, _, number = name.rpartition("/")
    return (index, int(number)) if number.isascii() and number.isdigit() else ("", 0)


def _table(found: Summary, lang: str | None) -> None:
    line("evaluation.head", lang, release=found.release, part=found.part, model=found.model, asked=found.asked, target=found.target)
    row(word("evaluation.columns", lang))
    _figures(word("evaluation.all", lang), found.figures)
    for name, figures in found.slices.items():
        _figures(name, figures)
    verdict = word("evaluation.verdict.surely" if found.figures.lower >= found.target else "evaluation.verdict.below", lang)
    row(word("evaluation.bound", lang, lower=f"{found.figures.lower:.3f}", verdict=verdict))
    row(word("evaluation.forbidden", lang, forbidden=found.forbidden, leaks=found.leaks))
    if found.apart:
        row(word("evaluation.apart", lang, count=len(found.apart), ids=", ".join(one.id for one in found.apart)))
    if found.tuned and found.unanswered is not None:
        told = found.unanswered.model_dump() | {"auc": f"{found.unanswered.auc:.3f}"}
        row(word("evaluation.unanswered", lang, **told))
    if not found.tuned:
        row(word("evaluation.untuned", lang, index=found.index))
    for band in found.bands:
        if band.recall_against_exact is not None:
            row(word("evaluation.band.ann", lang, **(band.model_dump() | {"recall": f"{band.recall_against_exact:.3f}"})))
        elif band.questions:
            row(word("evaluation.band", lang, band=band.band, questions=band.questions))
    if found.worst:
        row(word("evaluation.worst", lang))
    for one in found.worst:
        row(_bad(one, lang), indent=4)
    if found.reaches:
        line("evaluation.reaches" if found.surely else "evaluation.reaches.barely", lang)


def _figures(name: str, found: Figures) -> None:
    shares = (found.recall_at_1, found.recall_at_5, found.recall_at_10, found.mrr_at_10)
    row(cell(name, 14), f"{found.questions:>4}", *(f"{share:6.3f}" for share in shares), "", f"{found.low:.3f}–{found.high:.3f}")


def _bad(one: Bad, lang: str | None) -> str:
    kind: Literal["evaluation.bad", "evaluation.bad.missed", "evaluation.bad.leaked"] = (
        "evaluation.bad.leaked" if one.leaked else "evaluation.bad" if one.place else "evaluation.bad.missed"
    )
    return word(kind, lang, id=one.id, place=one.place, person=one.person, question=one.question, rows=", ".join(one.leaked))
