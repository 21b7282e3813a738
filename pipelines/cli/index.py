"""``fortnight index`` and ``search``: build a candidate, list releases, ask as a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, Bars, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.serving.retrieval import Hit

app = typer.Typer(help="Candidates of a search index.", no_args_is_help=True)
IndexArgument = Annotated[str, typer.Argument(help="The index's name in project.yaml.")]


@app.command()
def build(index: IndexArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Build today's candidate through Dagster. The same inputs give the same candidate, not a new number."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from zoneinfo import ZoneInfo

        from pipelines.cli.launch import run_job
        from pipelines.clock import WallClock
        from pipelines.defs.jobs import index_job_name
        from pipelines.index.releases import newest_candidate

        clock = WallClock()
        today = clock.now().astimezone(ZoneInfo(opened.file.timezone)).date().isoformat()
        with Bars(json_, lang) as bars:
            result = run_job(opened, index_job_name(index), clock, bars, partition=today)
        newest = newest_candidate(opened.root, index)
    release = newest.release if newest else None
    payload = {
        "index": index,
        "run_id": result.run_id,
        "succeeded": result.success,
        "release": release,
        "chunks": newest.chunks if newest else 0,
    }
    code = "index.built" if result.success else "index.not_built"
    emit("index_build", payload, json_, lambda: line(code, lang, index=index, release=release, run_id=result.run_id))
    if not result.success:
        raise typer.Exit(NO)


@app.command()
def embed(
    index: IndexArgument,
    query: Annotated[
        list[str] | None, typer.Option("--query", help="A question whose vector is shipped too; repeatable.", show_default=False)
    ] = None,
    questions: Annotated[
        bool,
        typer.Option("--questions", help="Ship the vectors of the index's evaluation questions too, for examinations without the model."),
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compute the vectors of an index's passages into the file the project ships (embeddings/), so that builds elsewhere are quick."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.index.evaluation.questions import read_questions
        from pipelines.index.inputs import ship_vectors
        from pipelines.landing.warehouse import Warehouse
        from pipelines.pull.outcome import Progress
        from pipelines.serving.examination.evaluate import questions_path

        own = read_questions(questions_path(opened, index)).questions if questions else ()
        with Bars(json_, lang) as bars:
            computed = ship_vectors(
                opened,
                index,
                Warehouse(opened.root),
                # As serving asks them.
                [*(query or []), *(one.question.strip() for one in own)],
                lambda done, total: bars(Progress(f"index/{index}", "embedding", done, total)),
            )
    emit("index_embed", {"index": index, "computed": computed}, json_, lambda: line("index.embedded", lang, index=index, computed=computed))


@app.command()
def releases(index: IndexArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """List the candidates of an index, newest last."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.index.releases import candidates

        found = candidates(opened.root, index)
    payload = {
        "index": index,
        "releases": [
            {
                "release": m.release,
                "created_at": m.created_at.isoformat(),
                "chunks": m.chunks,
                "access": m.access.share,
                "content_hash": m.content_hash,
            }
            for m in found
        ],
    }

    def text() -> None:
        for m in found:
            facts = {"release": cell(m.release, 24), "chunks": f"{m.chunks:>6}", "access": f"{m.access.share:.1%}"}
            row(word("index.release", lang, created_at=f"{m.created_at:%Y-%m-%d %H:%M}Z", content_hash=m.content_hash[:19], **facts))
        if not found:
            line("index.no_candidate_yet", lang, index=index)

    emit("releases", payload, json_, text)


def search(
    query: Annotated[str, typer.Argument(help="The question, in Japanese or English.")],
    as_: Annotated[str, typer.Option("--as", help="Mail address of the person who asks.")],
    index: Annotated[str | None, typer.Option("--index", help="Default: the project's first index.", show_default=False)] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="How many hits.")] = 5,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Ask the newest candidate as a person, and get what that person may see (sandbox and staging only; audited)."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration

        name = index or next(iter(opened.file.indexes), None)
        if name is None:
            raise FixConfiguration("serving.no_index", project=opened.name)
        if not query.strip() or len(query) > 2000:
            raise FixConfiguration("serving.bad_question", length=len(query.strip()))
        from pipelines.cli.gate import gate_state
        from pipelines.clock import WallClock
        from pipelines.serving.desk import preview

        answer = preview(opened, name, query, as_, k, WallClock())
        state = gate_state(opened, name)
    payload: dict[str, Any] = {
        "query": query,
        "as": as_,
        "index": answer.index,
        "release": answer.release,
        "eligibility": state.eligibility,
        "trace_id": answer.trace_id,
        "reason": answer.reason.value,
        "hits": [hit_payload(hit) for hit in answer.hits],
    }

    def text() -> None:
        for hit in answer.hits:
            show_hit(hit)
        if not answer.hits:
            row(word("search.nothing", lang, person=as_, reason=answer.reason.value))
        eligibility = word(f"gate.eligibility.{state.eligibility}", lang)
        row(word("search.from", lang, release=f"{answer.index}/{answer.release}", eligibility=eligibility, trace_id=answer.trace_id))

    emit("search", payload, json_, text)


def hit_payload(hit: Hit) -> dict[str, Any]:
    """One hit as ``--json`` prints it."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "title": hit.title,
        "heading_path": list(hit.heading_path),
        "snippet": hit.snippet,
        "stream": hit.stream,
        "document": hit.document,
        "chunk": hit.chunk,
        "url": hit.url,
        "provenance": {"row": hit.provenance.row, "version": hit.provenance.version, "pull_id": hit.provenance.pull_id},
    }


def show_hit(hit: Hit) -> None:
    """One hit in two lines."""
    where = " › ".join(part for part in (hit.title, *hit.heading_path) if part)
    row(f"{hit.rank}. {where}  [{hit.stream}]")
    row(" ".join(hit.snippet.split())[:110], indent=5)
