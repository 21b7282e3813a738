"""``fortnight gate calendar``: the table of closed days, frozen into the project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.decide import civil
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.project import Project

app = typer.Typer(help="The table of days without business (calendar.yaml).", no_args_is_help=True)


@app.command()
def freeze(
    years: Annotated[str, typer.Option("--years", help="2027, or 2026-2028.")],
    company: Annotated[
        list[str] | None, typer.Option("--company", help="A day the company is closed (YYYY-MM-DD); repeatable.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the Japanese public holidays of these years into the project. Years that are there stay as they are."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration
        from pipelines.evidence.frozen import freeze as frozen
        from pipelines.evidence.frozen import read_frozen, write_frozen

        given = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", years)
        first, last = (int(given[1]), int(given[2] or given[1])) if given else (1, 0)
        if not 1948 < first <= last < 2100:
            raise FixConfiguration("calendar.bad_years", given=years)
        table = frozen(read_frozen(opened.folder), range(first, last + 1), [civil(day) for day in company or ()])
        write_frozen(opened.folder, table)
    _say(opened, json_, lang)


@app.command()
def show(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Say which years the project's closed days cover, and whether that ends within a year."""
    with spoken(lang, json_):
        opened = open_project(project)
    _say(opened, json_, lang)


def _say(project: Project, json_: bool, lang: str | None) -> None:
    """The table there is: calendar.yaml, else what project.yaml lists itself. Where there is none, that is the answer: exit 1."""
    with spoken(lang, json_):
        from pipelines.clock import WallClock
        from pipelines.evidence.frozen import FILE, ending, read_frozen
        from pipelines.evidence.plan import closed_of, today_of

        table, closed, today = read_frozen(project.folder), closed_of(project), today_of(project, WallClock().now())
    ends = ending(closed, today) if closed is not None else None
    years = sorted(closed.years) if closed is not None else []
    # What somebody listed by hand is theirs, as far as anybody can tell.
    holidays, company = (len(table.holidays), len(table.company)) if table else (0, len(closed.days) if closed is not None else 0)
    lacking = word("gate.not_frozen", lang, years=f"{today.year}-{today.year + 1}")
    file = None if closed is None else FILE if table else "project.yaml"
    payload = {
        "file": file,
        "years": years,
        "holidays": holidays,
        "company": company,
        "ends": lacking if closed is None else word(ends.code, lang, **ends.params) if ends else None,
    }

    def text() -> None:
        if closed is None:
            row(lacking, indent=0)
            return
        said = ", ".join(map(str, years)) or "-"
        if table:
            line("gate.frozen", lang, path=FILE, years=said, holidays=holidays, company=company)
        else:
            line("gate.closed_listed", lang, years=said, days=company)
        if ends is not None:
            line(ends.code, lang, **ends.params)

    emit("gate_calendar", payload, json_, text)
    if closed is None:
        raise typer.Exit(NO)
