"""``fortnight index`` and ``search``: build a candidate, list releases, ask as a person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.output import NO, Bars, JsonOption, LangOption, ProjectOption, emit, open_project, spoken

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
        with Bars(quiet=json_) as bars:
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
    emit(
        "index_build",
        payload,
        json_,
        lambda: typer.echo(f"{index}: {'candidate ' + str(release) if result.success else 'FAILED'}; run {result.run_id}"),
    )
    if not result.success:
        raise typer.Exit(NO)


@app.command()
def embed(
    index: IndexArgument,
    query: Annotated[
        list[str] | None, typer.Option("--query", help="A question whose vector is shipped too; repeatable.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compute the vectors of an index's passages into the file the project ships (embeddings/), so that builds elsewhere are quick."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.index.inputs import ship_vectors
        from pipelines.landing.warehouse import Warehouse
        from pipelines.pull.outcome import Progress

        with Bars(quiet=json_) as bars:
            computed = ship_vectors(
                opened,
                index,
                Warehouse(opened.root),
                query or [],
                lambda done, total: bars(Progress(f"index/{index}", "embed", done, total)),
            )
    emit("index_embed", {"index": index, "computed": computed}, json_, lambda: typer.echo(f"{index}: {computed} vectors computed"))


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
            typer.echo(
                f"  {m.release:<24} {m.created_at:%Y-%m-%d %H:%M}Z  {m.chunks:>6} chunks  access {m.access.share:.1%}  {m.content_hash[:19]}…"
            )
        if not found:
            typer.echo(f"{index} has no candidate yet; `fortnight index build {index}` makes one")

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
        "hits": [
            {
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
            for hit in answer.hits
        ],
    }

    def text() -> None:
        for hit in answer.hits:
            where = " › ".join(part for part in (hit.title, *hit.heading_path) if part)
            typer.echo(f"  {hit.rank}. {where}  [{hit.stream}]")
            typer.echo(f"     {' '.join(hit.snippet.split())[:110]}")
        if not answer.hits:
            typer.echo(f"  nothing that {as_} may see ({answer.reason.value})")
        typer.echo(f"  {answer.index}/{answer.release} is {state.eligibility}; trace {answer.trace_id}")

    emit("search", payload, json_, text)
