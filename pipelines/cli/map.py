"""``fortnight map``: discover what the systems hold, propose a contract for each object, write the week-one source map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.output import Bars, JsonOption, LangOption, ProjectOption, emit, language, open_project, say, spoken


def map_(
    system: Annotated[str | None, typer.Argument(help="Only this system.", show_default=False)] = None,
    project: ProjectOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; default: .fortnight/map in the project.", show_default=False)
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Put proposals of streams without a contract into contracts/.")] = False,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Look at every object the systems offer and write a source map (HTML and YAML) with a proposed contract for each.

    A contract that exists is never changed. Exit 3 when a system could not be mapped; the others stand in the map all the same.
    """
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.reports.glossary import read_glossary
        from pipelines.reports.page import plain, write_map
        from pipelines.reports.source_map import survey

        glossary = read_glossary(opened.folder)
        with Bars(quiet=json_) as bars:
            found = survey(opened, [system] if system else list(opened.file.systems), glossary, WallClock(), bars)
        written = write_map(found, opened, out, into_contracts=write)
    errors = [one.error for one in found.systems if one.error] + [error for one in found.systems for error in one.skipped]
    payload: dict[str, Any] = {
        **plain(found),
        "written": {
            "html": str(written.html),
            "yaml": str(written.yaml),
            "proposals": [str(path) for path in written.proposals],
            "kept": list(written.kept),
        },
    }

    def text() -> None:
        from connectors.messages import sentence

        totals, tongue = found.totals, language(lang)
        for one in found.systems:
            for stream in one.streams:
                rows = "?" if stream.offer.rows is None else f"{stream.offer.rows:,}"
                state = f"v{stream.contract.version}" if stream.contracted else "new"
                typer.echo(
                    f"  {stream.stream:<32} {state:<4} {rows:>9} rows  {len(stream.contract.fields):>3} fields  {len(stream.questions)} open  {stream.offer.title}"
                )
            if one.error:
                say(one.error, lang)
            for error in one.skipped:
                say(error, lang)
        typer.echo(
            sentence(
                "map.summary",
                {
                    "systems": totals.systems,
                    "streams": totals.streams,
                    "contracted": totals.contracted,
                    "rows": f"{totals.rows:,}",
                    "open": totals.questions,
                },
                tongue,
            )
        )
        typer.echo(sentence("map.written", {"html": written.html, "proposals": len(written.proposals), "kept": len(written.kept)}, tongue))

    emit("map", payload, json_, text)
    if errors:
        raise typer.Exit(max(error.exit_code for error in errors))
