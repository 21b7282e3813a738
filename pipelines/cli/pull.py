"""``fortnight pull`` and ``backfill``: one pull now, or a range of days through Dagster. Both are recorded and neither counts as evidence."""

from __future__ import annotations

from typing import Annotated, Any

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
    mark,
    open_project,
    row,
    say,
    shown,
    spoken,
)

StreamArgument = Annotated[str, typer.Argument(help="system/stream, as in contracts/.")]


def pull(
    stream: StreamArgument,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew instead of going on from the last pull.")] = False,
    accept_gone: Annotated[
        bool,
        typer.Option(
            "--accept-gone", help="Somebody has looked: rows that vanished are deleted, and rows that no longer fit are held back."
        ),
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Pull one stream now: compare, fetch, judge, land, balance, publish."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.pull.outcome import Request
        from pipelines.pull.run import pull as run

        opened.contract(stream)
        with Bars(json_, lang) as bars:
            result = run(opened, Request(stream, full=full, accept_gone=accept_gone), WallClock(), bars)
    payload: dict[str, Any] = {
        "stream": result.stream,
        "outcome": result.outcome,
        "pull_id": result.pull_id,
        "published": result.published,
        "counts": dict(result.counts),
        "checks": [{"name": c.name, "passed": c.passed, "severity": c.severity, "summary": shown(c.summary, lang)} for c in result.checks],
        "error": {"code": result.error.code, "message": result.error.say(language(lang))} if result.error else None,
    }

    def text() -> None:
        for check in result.checks:
            verdict = "ok" if check.passed else ("fail" if check.severity == "critical" else "warn")
            row(mark(verdict, lang), cell(check.name, 8), shown(check.summary, lang))
        if result.error is None:
            line("pull.done", lang, stream=stream, published=result.published, **result.counts)
        else:
            say(result.error, lang)

    emit("pull", payload, json_, text)
    if result.error is not None:
        raise typer.Exit(result.error.exit_code)


def backfill(
    stream: StreamArgument,
    from_: Annotated[str, typer.Option("--from", help="First civil day, YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last civil day, YYYY-MM-DD.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Load the changes of a range of days as one Dagster run. Backfills are recorded and never count as green days."""
    with spoken(lang, json_):
        from datetime import date

        from connectors.errors import FixConfiguration
        from connectors.messages import told

        try:
            first, last = date.fromisoformat(from_), date.fromisoformat(to)
        except ValueError:
            raise FixConfiguration("backfill.bad_range", first=from_, last=to, reason=told("backfill.not_a_date")) from None
        opened = open_project(project)
        contract = opened.contract(stream)
        if first > last:
            raise FixConfiguration("backfill.bad_range", first=from_, last=to, reason=told("backfill.reversed"))
        if first < date.fromisoformat(opened.file.start):
            raise FixConfiguration(
                "backfill.bad_range", first=from_, last=to, reason=told("backfill.before_start", start=opened.file.start)
            )
        from zoneinfo import ZoneInfo

        from pipelines.clock import WallClock

        today = WallClock().now().astimezone(ZoneInfo(opened.file.timezone)).date()
        if last > today:
            raise FixConfiguration("backfill.after_today", last=to, today=today.isoformat())
        days = (last - first).days + 1
        if plan:
            _plan(opened, contract, from_, to, days, json_, lang)
            return
        from pipelines.cli.launch import run_job
        from pipelines.defs.jobs import system_job_name

        with Bars(json_, lang) as bars:
            result = run_job(opened, system_job_name(contract.system), WallClock(), bars, span=(from_, to), streams=(stream,))
    payload = {"stream": stream, "from": from_, "to": to, "days": days, "run_id": result.run_id, "succeeded": result.success}
    code = "backfill.done" if result.success else "backfill.not_done"
    said = {"stream": stream, "first": from_, "last": to, "days": days, "run_id": result.run_id}
    emit("backfill", payload, json_, lambda: line(code, lang, **said))
    if not result.success:
        raise typer.Exit(NO)


def _plan(project: Any, contract: Any, first: str, last: str, days: int, json_: bool, lang: str | None) -> None:
    """What a backfill would read: the live count and the pages it would take at most, asked of the source now."""
    connector = project.connect(contract.system)
    try:
        count = connector.count(contract.told())
    finally:
        connector.close()
    page = int(contract.source.get("paging", {}).get("page", 500)) if isinstance(contract.source.get("paging", {}), dict) else 500
    calls = -(-count // page) + 3
    payload = {
        "stream": contract.stream,
        "from": first,
        "to": last,
        "days": days,
        "source_rows": count,
        "page": page,
        "calls_at_most": calls,
    }
    said = {"stream": contract.stream, "first": first, "last": last, "days": days, "rows": count, "page": page, "calls": calls}
    emit("backfill_plan", payload, json_, lambda: line("backfill.planned", lang, **said))
