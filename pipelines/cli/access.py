"""``fortnight access``: the access and content report of a system; who reads an item and why, and what a person reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, language, line, open_project, row, say, spoken, word

if TYPE_CHECKING:
    from pipelines.project import Project
    from pipelines.reports.access.explain import Asked, ItemExplained, PersonExplained, Way
    from pipelines.reports.access.report import Report

app = typer.Typer(help="Who can read what, and why.", no_args_is_help=True)
SystemArgument = Annotated[str, typer.Argument(help="The system's name in project.yaml.")]
Day = Callable[[datetime], str]
TopOption = Annotated[int, typer.Option("--top", min=1, max=1000, help="How many rows of each table to show.")]


@app.command()
def report(
    system: SystemArgument,
    project: ProjectOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the page; default: .fortnight/access in the project.", show_default=False)
    ] = None,
    stale_years: Annotated[int, typer.Option("--stale-years", min=1, max=50, help="Not modified for so long is stale.")] = 3,
    oversized_mb: Annotated[int, typer.Option("--oversized-mb", min=1, help="Megabytes from which a file is oversized.")] = 100,
    top: TopOption = 20,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the access and content report of a system: an HTML page, and a Delta table for each figure.

    It reads what was published and asks the source nothing. Every figure stands beside the query that gives it.
    """
    with spoken(lang, json_):
        found, html = make(open_project(project), system, stale_years, oversized_mb, top, out)
        payload = plain(found, html, lang) if json_ else {}
    emit("access_report", payload, json_, lambda: show(found, html, lang))


def make(
    project: Project, system: str, stale_years: int = 3, oversized_mb: int = 100, top: int = 20, out: Path | None = None
) -> tuple[Report, Path]:
    """The report, written whole: its tables and its page."""
    from pipelines.clock import WallClock
    from pipelines.reports.access.figures import Limits
    from pipelines.reports.access.write import make_report, write_page

    found = make_report(project, system, Limits(WallClock().now(), stale_years, oversized_mb), top)
    return found, write_page(found, project, out)


def plain(found: Report, html: Path, lang: str | None) -> dict[str, Any]:
    """The report as ``fortnight.access_report/1`` has it."""
    from pipelines.reports.access.figures import SECTIONS
    from pipelines.reports.access.page import words

    section = {figure.code: name for name, figures in SECTIONS.items() for figure in figures}
    figures = [
        {
            "code": one.code,
            "section": section[one.code],
            "title": words(f"figure.{one.code}.title", language(lang), found),
            "counted": words(f"figure.{one.code}", language(lang), found),
            "value": one.value,
            "missing": one.missing or None,
            "columns": list(one.columns),
            "rows": [_dated(values) for values in one.head],
            "table": one.table or None,
            "sql": one.sql,
        }
        for one in found.figures
    ]
    return {
        "project": found.project,
        "environment": found.environment,
        "system": found.system,
        "made_at": found.made_at.isoformat(),
        "first_scan": found.first_scan.isoformat() if found.first_scan else None,
        "stale_years": found.limits.stale_years,
        "oversized_mb": found.limits.oversized_mb,
        "streams": [_dated(asdict(one)) for one in found.streams],
        "figures": figures,
        "views": [{"name": name, "sql": sql} for name, sql in found.views],
        "html": str(html),
        "tables": found.tables,
    }


def show(found: Report, html: Path, lang: str | None) -> None:
    """The report as lines: one for each figure, what was not measured, how old anything is known to be, where the files are."""
    from pipelines.reports.access.page import words

    for one in found.figures:
        title = cell(words(f"figure.{one.code}.title", language(lang), found), 40)
        if one.value is None:
            row(word("access.line_missing", lang, title=title, reason=words(f"missing.{one.missing}", language(lang), found)))
        else:
            row(title, f"{one.value:>9,}")
    if found.first_scan is None:
        line("access.no_age", lang)
    else:
        line("access.age", lang, day=_day(found.timezone)(found.first_scan))
    line("access.written", lang, html=html, tables=found.tables)


@app.command()
def explain(
    system: SystemArgument,
    item: Annotated[
        str | None, typer.Option("--item", help="An item's id, path from the library's root or name; STREAM:/path.", show_default=False)
    ] = None,
    person: Annotated[str | None, typer.Option("--person", help="Mail address of a person.", show_default=False)] = None,
    project: ProjectOption = None,
    top: TopOption = 20,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Say who can read an item and why, or what a person can reach; with both, why that person reads that item, or exit 1."""
    with spoken(lang, json_):
        from connectors.errors import AnswerIsNo, FixConfiguration
        from pipelines.reports.access.explain import explain_item, explain_person
        from pipelines.reports.access.tables import open_tables

        if item is None and person is None:
            raise FixConfiguration("access.nothing_asked")
        opened = open_project(project)
        tables = open_tables(opened, system)
        asked = _asked(opened, system, person) if person is not None else None
        matches, items = explain_item(tables, item, top, asked) if item is not None else (0, ())
        reach = explain_person(tables, asked, top) if asked is not None and item is None else None
    payload: dict[str, Any] = {
        "system": system,
        "matches": matches,
        "items": [_dated(asdict(one)) for one in items],
        "person": _dated(asdict(reach)) if reach else None,
    }
    day = _day(opened.file.timezone)

    def text() -> None:
        for one in items:
            show_item(one, day, lang, asked)
        if matches > len(items):
            row(word("access.more", lang, count=matches - len(items)))
        if reach is not None:
            show_person(reach, day, lang)

    emit("access_explain", payload, json_, text)
    if asked is not None and item is not None and not any(one.readers or _linked(one, asked) for one in items):
        told = {"person": person, "item": item, "system": system}
        known = any(one.resolved for one in items)
        say(AnswerIsNo("access.reads_not", **told) if known else AnswerIsNo("access.reads_unknown", **told), lang)
        raise typer.Exit(NO)


def _linked(one: ItemExplained, asked: Asked) -> bool:
    """Whether a link names this very person: then they read, though not among those who may find it."""
    return any(set(link.named) & set(asked.own) for link in one.links)


def show_item(one: ItemExplained, day: Day, lang: str | None, asked: Asked | None = None) -> None:
    """An item, the ways in which people read it (``asked``: one person alone, so nobody is counted), and the links that stand there."""
    where = {"stream": one.stream, "path": one.path, "place": one.place}
    if one.resolved and asked is not None:
        line("access.item_asked", lang, **where, level=_value(one.level, lang))
    elif one.resolved:
        line("access.item", lang, **where, level=_value(one.level, lang), readers=one.readers)
    else:
        line("access.item_unresolved", lang, **where, reason=one.reason)
    for way in one.ways:
        row(in_words(way, day, lang))
    if one.found > len(one.ways):
        row(word("access.more", lang, count=one.found - len(one.ways)))
    for link in one.links:
        kinds = {"link_scope": _value(link.link_scope, lang), "link_type": _value(link.link_type, lang)}
        code = "access.item_link_users" if link.link_scope == "users" else "access.item_link"
        row(word(code, lang, count=link.count, without_expiry=link.without_expiry, **kinds))
        if link.names:
            row(word("access.link_names", lang, names=", ".join(link.names)), indent=6)


def show_person(one: PersonExplained, day: Day, lang: str | None) -> None:
    """What a person reaches, scope by scope, with one way into each."""
    line("access.person", lang, name=one.name, person=one.person, items=one.items, scopes=one.scopes)
    for each in one.reached:
        row(word("access.reached", lang, items=f"{each.items:>7,}", stream=each.stream, place=each.place))
        row(in_words(each.way, day, lang), indent=6)
    if one.scopes > len(one.reached):
        row(word("access.more", lang, count=one.scopes - len(one.reached)))


def in_words(way: Way, day: Day, lang: str | None) -> str:
    """A way as one line: from the person, group by group, to the grant, and how old that is known to be."""
    chain = " ← ".join(way.names)
    if not way.role:
        return word("access.way_unsaid", lang, chain=chain, place=way.place)
    if way.first_observed is None:
        since = word("access.undated", lang)
    elif way.older and way.first_scan is not None:
        since = word("access.older", lang, day=day(way.first_scan))
    else:
        since = word("access.since", lang, day=day(way.first_observed))
    if way.via == "admin":
        return word("access.way_admin", lang, chain=chain, since=since)
    return word("access.way", lang, chain=chain, role=_value(way.role, lang), place=way.place, since=since)


def _value(name: str, lang: str | None) -> str:
    """A word of ours in this language; a name of the source's as it is."""
    from connectors.messages import catalogue

    code = f"access.value.{name.replace(' ', '_')}"
    return word(code, lang) if code in catalogue() else name


def _asked(project: Project, system: str, person: str) -> Asked:
    """The person as serving links them, over everything that the project published: what is explained here is what is served there.

    The report imports nothing of serving, so the two meet here. Raises AnswerIsNo for somebody without an account in the system.
    """
    from connectors.errors import AnswerIsNo
    from pipelines.landing.warehouse import Warehouse
    from pipelines.reports.access.explain import Asked
    from pipelines.serving.desk import directories, known_as, published

    found, _ = directories(project, published(project, Warehouse(project.root)))
    someone, reached = known_as(person, found)
    if system not in someone.links:
        raise AnswerIsNo("access.unknown_person", person=person, system=system)
    return Asked(someone.id, someone.name, tuple(someone.links.values()), reached)


def _day(timezone: str) -> Day:
    """How an instant's day is written, in the project's time zone."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(timezone)

    def day(when: datetime) -> str:
        return f"{when.astimezone(zone):%Y-%m-%d}"

    return day


def _dated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON values: instants as ISO 8601, all the way down."""

    def plain_value(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, dict):
            return {name: plain_value(inner) for name, inner in value.items()}
        return [plain_value(inner) for inner in value] if isinstance(value, list | tuple) else value

    return {name: plain_value(value) for name, value in values.items()}
