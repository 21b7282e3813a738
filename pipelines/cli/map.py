"""``fortnight map``: discover what the systems hold, propose a contract for each object, write the week-one source map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import Bars, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, say, spoken, word

if TYPE_CHECKING:
    from connectors.errors import FortnightError
    from pipelines.project import Project
    from pipelines.reports.page import Written
    from pipelines.reports.source_map import SourceMap


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
        found, written = look(open_project(project), system, Bars(json_, lang), out, write)
        from pipelines.reports.page import plain
    payload: dict[str, Any] = {
        **plain(found),
        "written": {
            "html": str(written.html),
            "yaml": str(written.yaml),
            "proposals": [str(path) for path in written.proposals],
            "kept": list(written.kept),
        },
    }
    emit("map", payload, json_, lambda: show(found, written, lang))
    if errors := failures(found):
        raise typer.Exit(max(error.exit_code for error in errors))


def look(project: Project, system: str | None, bars: Bars, out: Path | None = None, write: bool = False) -> tuple[SourceMap, Written]:
    """Survey one system or all of them, and write what was found."""
    from pipelines.clock import WallClock
    from pipelines.reports.glossary import read_glossary
    from pipelines.reports.page import write_map
    from pipelines.reports.source_map import survey

    glossary = read_glossary(project.folder)
    with bars:
        found = survey(project, [system] if system else list(project.file.systems), glossary, WallClock(), bars)
    return found, write_map(found, project, out, into_contracts=write)


def failures(found: SourceMap) -> list[FortnightError]:
    """Why a system, or an object of one, is not on the map."""
    return [one.error for one in found.systems if one.error] + [error for one in found.systems for error in one.skipped]


def show(found: SourceMap, written: Written, lang: str | None) -> None:
    """The map as lines: one per stream, what could not be mapped, the sums, and where the files are."""
    for one in found.systems:
        for stream in one.streams:
            rows = "?" if stream.offer.rows is None else f"{stream.offer.rows:,}"
            state = f"v{stream.contract.version}" if stream.contracted else word("map.new", lang)
            facts = {"stream": cell(stream.stream, 32), "state": cell(state, 4), "fields": f"{len(stream.contract.fields):>3}"}
            row(word("map.stream", lang, rows=f"{rows:>9}", open=len(stream.questions), title=stream.title, **facts))
        if one.operations:
            dropped = [shape for shape in one.operations if shape.dropped]
            listed = sum(1 for shape in one.operations if shape.readable)
            line("map.operations", lang, system=one.name, count=len(one.operations), listed=listed, dropped=len(dropped))
            for shape in dropped:
                name = "/".join(filter(None, (shape.service, shape.operation)))
                row(word("map.operation", lang, operation=name, reason=shape.dropped))
        for error in (one.error, *one.skipped):
            if error:
                say(error, lang)
    totals = found.totals
    line(
        "map.summary",
        lang,
        systems=totals.systems,
        streams=totals.streams,
        contracted=totals.contracted,
        rows=f"{totals.rows:,}",
        open=totals.questions,
    )
    line("map.written", lang, html=written.html, proposals=len(written.proposals), kept=len(written.kept))
