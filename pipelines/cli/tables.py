"""``fortnight tables``: what is stored, compared with its source, written anew, tidied, put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, shown, spoken

if TYPE_CHECKING:
    from pipelines.project import Project

app = typer.Typer(help="The stored tables: compared with their source, written anew, tidied, put back.", no_args_is_help=True)

SomeStream = Annotated[str | None, typer.Argument(help="system/stream; default: every stream of the project.", show_default=False)]


def _streams(project: Project, stream: str | None) -> list[str]:
    """The stream, or all that were published."""
    from pipelines.landing.warehouse import Warehouse

    if stream is not None:
        return [project.contract(stream).stream]
    warehouse = Warehouse(project.root)
    return [one for one in project.contracts if warehouse.published(one) is not None]


@app.command()
def compact(stream: SomeStream = None, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Write small and entangled files anew, so that pulls and readers touch fewer. The rows stay the same; a new record names the new files."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.landing.storing import storing
        from pipelines.landing.upkeep import compact as run
        from pipelines.landing.warehouse import Warehouse

        clock = WallClock()
        with storing(opened.root):
            found = [run(Warehouse(opened.root), one, clock.now()) for one in _streams(opened, stream)]
    payload: dict[str, Any] = {
        "streams": [
            {
                "stream": one.stream,
                "published": one.published,
                "tables": [{"table": table, "files_before": before, "files": now} for table, (before, now) in one.tables.items()],
            }
            for one in found
        ]
    }

    def text() -> None:
        for one in found:
            tables = ", ".join(f"{table} {before} → {now}" for table, (before, now) in one.tables.items())
            line(
                "tables.compacted" if one.tables else "tables.compacted_none",
                lang,
                stream=one.stream,
                tables=tables,
                published=one.published,
            )

    emit("tables_compact", payload, json_, text)


@app.command()
def vacuum(
    stream: SomeStream = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Keep every version that a record of the last so many days names.")] = 30,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Delete data files that nothing names any more: no record of the last days, no candidate of that time, no release that was ever promoted."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.index.upkeep import tidy
        from pipelines.landing.storing import storing

        clock = WallClock()
        with storing(opened.root):
            found = [tidy(opened, one, clock.now(), days) for one in _streams(opened, stream)]
    payload: dict[str, Any] = {
        "days": days,
        "streams": [
            {
                "stream": one.stream,
                "tables": [{"table": table, "deleted": count, "kept": one.kept[table]} for table, count in one.deleted.items()],
            }
            for one in found
        ],
    }

    def text() -> None:
        for one in found:
            kept = ", ".join(f"{table} {len(versions)}" for table, versions in one.kept.items())
            line("tables.vacuumed", lang, stream=one.stream, deleted=sum(one.deleted.values()), kept=kept)

    emit("tables_vacuum", payload, json_, text)


@app.command()
def books(
    stream: Annotated[str, typer.Argument(help="system/stream, as in contracts/.")],
    settle: Annotated[bool, typer.Option(help="Where something differs, pull once and look again before it is said.")] = True,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compare a stream id by id: at the source, in our table, and in what indexes were built of it. Exit 1 unless all is accounted for."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.index.books import books as run
        from pipelines.index.books import books_check
        from pipelines.pull.outcome import Request
        from pipelines.pull.run import pull

        opened.contract(stream)
        found = run(opened, stream, WallClock(), settle=(lambda: pull(opened, Request(stream), WallClock())) if settle else None)
        check = books_check(found)
    payload: dict[str, Any] = {
        "stream": stream,
        "published": found.published,
        "verified": found.ids.verified,
        "balanced": found.balanced,
        "source": found.ids.source.count if found.ids.source else None,
        "ours": found.ids.ours.count,
        "quarantined": found.ids.quarantined,
        "lost": {"count": found.ids.lost.count, "ids": found.ids.lost.ids},
        "left": {"count": found.ids.left.count, "ids": found.ids.left.ids},
        "indexes": [
            {
                "index": one.index,
                "candidate": one.candidate,
                "rows": one.rows,
                "textless": one.textless,
                "foreign": {"count": one.foreign.count, "ids": one.foreign.ids},
            }
            for one in found.indexes
        ],
        "wrong": [shown(one, lang) for one in found.wrong],
    }

    def text() -> None:
        row(shown(check.summary, lang), indent=0)
        for one in check.rows:
            row(cell(one["where"], 20), one["id"], one["what"])

    emit("tables_books", payload, json_, text)
    if not found.balanced:
        raise typer.Exit(NO)


@app.command()
def restore(
    stream: Annotated[str, typer.Argument(help="system/stream, as in contracts/.")],
    to: Annotated[int | None, typer.Option("--to", min=1, help="The number of an earlier published record.", show_default=False)] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, kept in the new record; needed with --to.", show_default=False)] = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Put a stream back to what is published, over what somebody wrote by hand; or, by a new record, to the rows of an earlier one.

    Rights are never put back, and the next pull goes on from where that record stood.
    """
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.landing.storing import storing
        from pipelines.landing.upkeep import restore as run
        from pipelines.landing.warehouse import Warehouse

        opened.contract(stream)
        if to is not None and not why.strip():
            raise FixConfiguration("tables.why_needed", stream=stream, number=to)
        with storing(opened.root):
            record = run(Warehouse(opened.root), stream, WallClock().now(), to=to, why=why.strip())
    payload: dict[str, Any] = {"stream": stream, "published": record.number, "restored": to, "tables": dict(record.tables)}

    def text() -> None:
        line("tables.put_back" if to is None else "tables.restored", lang, stream=stream, number=to, published=record.number)

    emit("tables_restore", payload, json_, text)
