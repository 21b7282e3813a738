"""``fortnight quarantine``: the rows that do not fit their contract, why, and how they come again once that is mended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import (
    NO,
    Bars,
    JsonOption,
    LangOption,
    ProjectOption,
    cell,
    emit,
    language,
    line,
    open_project,
    row,
    say,
    shown,
    spoken,
    word,
)

if TYPE_CHECKING:
    from datetime import datetime

    from expectations.quarantine import Fault
    from pipelines.reports.quarantine import Listed

app = typer.Typer(help="Rows that are held back: list them, show one, read them anew.", no_args_is_help=True)
#: Of the rows held in one stream, so many are shown; ``--json`` has all.
_SHOWN = 20
StreamArgument = Annotated[str, typer.Argument(help="system/stream.")]


@app.command("list")
def list_(
    stream: Annotated[str | None, typer.Argument(help="system/stream; default: every stream.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List the rows that are held, with every reason, how long they are held, and which are overdue. No values are shown. Exit 1 when a row is held."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.reports.quarantine import listed

        found = listed(opened, WallClock().now(), stream)
    payload: dict[str, Any] = {
        "retention": opened.file.quarantine.retention,
        "held": [_listed(one, lang) for one in found],
        "overdue": sum(one.overdue for one in found),
    }

    def text() -> None:
        for name, held in groupby(found, key=lambda one: one.stream):
            every = list(held)
            row(name, indent=0)
            for one in every[:_SHOWN]:
                mark = word("quarantine.overdue", lang) if one.overdue else ""
                row(cell(one.row.key, 24), word("quarantine.days", lang, days=one.days), mark)
                for fault in one.row.faults:
                    row(_told(fault, lang), indent=6)
            if len(every) > _SHOWN:
                row(word("quarantine.more", lang, count=len(every) - _SHOWN))
        if found:
            line("quarantine.held", lang, count=len(found), streams=len({one.stream for one in found}), overdue=payload["overdue"])
        else:
            line("quarantine.none", lang)

    emit("quarantine_list", payload, json_, text)
    if found:
        raise typer.Exit(NO)


@app.command()
def show(
    stream: StreamArgument,
    key: Annotated[str, typer.Argument(help="The row's key, as `list` prints it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="The row as it came, with what the contract calls confidential or does not name.")
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show why one row is held, since when, what of it may be shown, and when it was held before. Exit 1 when it never was."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.reports.quarantine import shown_row

        found = shown_row(opened, WallClock().now(), stream, key)
    one = found.newest
    payload: dict[str, Any] = {
        **_listed(one, lang, found.details),
        "left_at": one.row.left_at.isoformat() if one.row.left_at else None,
        "version": one.row.version,
        "pull_id": one.row.pull_id,
        "judged_at": one.row.judged_at.isoformat(),
        "contract_version": one.row.contract_version,
        "values": dict(found.told.values),
        "withheld": list(found.told.withheld),
        "raw": one.row.raw if raw else None,
        "before": [
            {
                "held_since": past.since.isoformat(),
                "left_at": past.left_at.isoformat() if past.left_at else None,
                "codes": [fault.code for fault in past.faults],
            }
            for past in found.before
        ],
    }

    def text() -> None:
        code = "quarantine.shown_left" if one.row.left_at else "quarantine.shown"
        left = _minute(one.row.left_at) if one.row.left_at else ""
        facts = {"since": _minute(one.row.since), "left": left, "days": one.days, "version": one.row.contract_version}
        line(code, lang, stream=stream, key=key, pull=one.row.pull_id, **facts)
        if one.overdue:
            line("quarantine.is_overdue", lang, retention=opened.file.quarantine.retention)
        for fault, detail in zip(one.row.faults, found.details, strict=True):
            row(_told(fault, lang))
            if detail:
                row(shown(detail, lang), indent=6)
        for name, value in found.told.values.items():
            row(cell(name, 24), value, indent=4)
        for name in found.told.withheld:
            row(cell(name, 24), word("quarantine.withheld", lang), indent=4)
        for past in found.before:
            times = {"since": _minute(past.since), "left": _minute(past.left_at) if past.left_at else ""}
            row(word("quarantine.before", lang, **times, codes=", ".join(fault.code for fault in past.faults)))
        if raw and one.row.raw:
            row(one.row.raw)

    emit("quarantine_show", payload, json_, text)


@app.command()
def replay(
    stream: StreamArgument,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Only this row; may be given more than once. Default: all that are held.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Read held rows anew from the live source: those that fit land once, those that are gone leave, the others stay with their reason of today.

    A pull like any other, and never evidence. Exit 1 when a row stays held.
    """
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.pull.replay import replay as run

        with Bars(json_, lang) as bars:
            found = run(opened, stream, tuple(key or ()), WallClock(), bars)
    result = found.result
    payload: dict[str, Any] = {
        "stream": stream,
        "asked": len(found.asked),
        "landed": list(found.landed),
        "gone": list(found.gone),
        "held": list(found.held),
        "newly": list(found.newly),
        "pull_id": result.pull_id if result else None,
        "published": result.published if result else None,
        "error": {"code": result.error.code, "message": result.error.say(language(lang))} if result and result.error else None,
    }

    def text() -> None:
        if result is None:
            line("quarantine.nothing_to_replay", lang, stream=stream)
        elif result.error is not None:
            say(result.error, lang)
        else:
            counts = {name: len(payload[name]) for name in ("landed", "gone", "held")}
            line("quarantine.replayed", lang, stream=stream, asked=payload["asked"], published=result.published, **counts)
            for one in found.held:
                row(one)
            if found.newly:
                line("quarantine.newly_held", lang, stream=stream, count=len(found.newly))
                for one in found.newly:
                    row(one)

    emit("quarantine_replay", payload, json_, text)
    if result is not None and result.error is not None:
        raise typer.Exit(result.error.exit_code)
    if found.held or found.newly:
        raise typer.Exit(NO)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _told(fault: Fault, lang: str | None) -> str:
    return f"{fault.column}: {shown(fault.sentence(), lang)} ({fault.code})"


def _listed(one: Listed, lang: str | None, details: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "stream": one.stream,
        "key": one.row.key,
        "held_since": one.row.since.isoformat(),
        "days": one.days,
        "overdue": one.overdue,
        "reasons": [
            {
                "column": fault.column,
                "code": fault.code,
                "message": shown(fault.sentence(), lang),
                **({"detail": shown(details[number], lang)} if details else {}),
            }
            for number, fault in enumerate(one.row.faults)
        ],
    }
