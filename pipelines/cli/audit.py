"""``fortnight audit``: what was answered, to whom, from what; whether the record is whole; what it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.project import Project
    from pipelines.serving.audit.log import AuditLog

app = typer.Typer(help="The record of every answer.", no_args_is_help=True)
TraceArgument = Annotated[str, typer.Argument(help="The trace_id that came with the answer.")]
_SHOWN = (
    "trace_id",
    "person",
    "client",
    "action",
    "decision",
    "query",
    "query_hash",
    "index",
    "release",
    "standing",
    "mode",
    "k",
    "filters",
)


def _log(project: Project) -> AuditLog:
    from pipelines.serving.audit.log import audit_of

    return audit_of(project)


@app.command()
def show(trace: TraceArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Show what was answered under a trace: to whom, from which release and which revision of which row."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import AnswerIsNo

        rows = _log(opened).find(trace)
        if not rows:
            raise AnswerIsNo("audit.no_such_trace", trace=trace)
    shown = [_row(each) for each in rows]

    def text() -> None:
        gone = word("audit.forgotten", lang)
        for each in shown:
            facts = {name: each[name] for name in ("asked_at", "action", "decision", "index", "release")}
            line("audit.row", lang, **facts, standing=each["standing"] or "-", person=each["person"] or gone)
            if each["action"] != "feedback":
                row(word("audit.asked", lang, query=each["query"] or gone, hash=each["query_hash"][:16]))
            for hit in each["hits"]:
                row(f"{hit['rank']:>2}. {hit['chunk']}  {hit['document']}  {hit['version']}  {hit['row_hash'][:12]}")

    emit("audit_show", {"trace_id": trace, "rows": shown}, json_, text)


def _row(found: dict[str, Any]) -> dict[str, Any]:
    values = {name: found[name] if found[name] is not None else "" for name in _SHOWN}
    instants = {name: found[name].isoformat() for name in ("asked_at", "membership_read_at", "overlay_read_at")}
    numbers = {name: found[name] for name in ("principals", "visible", "refused", "latency_us", "cost_jpy")}
    return {**values, **instants, **numbers, "principals_hash": found["principals_hash"], "hits": found["hits"]}


@app.command()
def replay(trace: TraceArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Ask the same release again as the same principals, under today's denials, and say what differs and why. Exit 1 when something does."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.serving.examination.replay import differences
        from pipelines.serving.examination.replay import replay as again

        found = again(opened, trace, WallClock(), by="cli")
    payload = {
        "trace_id": trace,
        "same": not differences(found),
        "searches": [
            {
                "asked_at": one.asked_at.isoformat(),
                "release": f"{one.index}/{one.release}",
                "kept": list(one.kept),
                "lost": [{"rank": lost.rank, "chunk": lost.chunk, "document": lost.document, "why": lost.why} for lost in one.lost],
                "new": list(one.new),
            }
            for one in found
        ],
    }

    def text() -> None:
        line("audit.differs" if differences(found) else "audit.same", lang)
        for one in found:
            row(f"{one.asked_at.isoformat(sep=' ', timespec='seconds')}  {one.index}/{one.release}", indent=0)
            for chunk in one.kept:
                row("=", chunk)
            for lost in one.lost:
                row("-", lost.chunk, lost.document, word(f"audit.denied.{lost.why}", lang))
            for chunk in one.new:
                row("+", chunk, word("audit.moved_up", lang))

    emit("audit_replay", payload, json_, text)
    if differences(found):
        raise typer.Exit(NO)


@app.command()
def verify(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Prove that no row of the record was changed, moved or taken away; name the first that was. Exit 1 then."""
    with spoken(lang, json_):
        found = _log(open_project(project)).verify()
    payload: dict[str, Any] = {"ok": found.ok, "rows": found.rows, "segments": found.segments, "heads": dict(found.heads), "flaw": None}
    if found.flaw is not None:
        payload["flaw"] = {"segment": found.flaw.segment, "seq": found.flaw.seq, "why": found.flaw.why}

    def text() -> None:
        if found.flaw is not None:
            why = word(f"audit.flaw.{found.flaw.why}", lang)
            line("audit.broken", lang, segment=found.flaw.segment, seq=found.flaw.seq, why=why)
            line("audit.broken.remedy", lang)
            return
        line("audit.whole", lang, rows=found.rows, segments=found.segments)
        for segment, head in found.heads.items():
            row(word("audit.head", lang, segment=segment, hash=head))

    emit("audit_verify", payload, json_, text)
    if not found.ok:
        raise typer.Exit(NO)


@app.command()
def erase(
    person: Annotated[str, typer.Argument(help="Mail address of the person to forget.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept with the proof. Name nobody in it.")],
    by: Annotated[str, typer.Option("--by", help="Who decided it.")],
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Forget a person: name, questions and principals leave storage; keyed hashes and a proof stay."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.serving.audit.forgetting import erase as forget

        done = forget(_log(opened), person, at=WallClock().now(), why=why, by=by)
    payload = {"rows": done.rows, "sets": done.sets, "subjects": list(done.subjects)}

    def text() -> None:
        if done.rows:
            line("audit.erased", lang, rows=done.rows, sets=done.sets)
        else:
            line("audit.nothing_to_erase", lang, person=person)

    emit("audit_erase", payload, json_, text)


@app.command()
def retain(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Apply the project's retention (serving.audit) and put small files together. The job `audit` does it every night."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.serving.audit.forgetting import retain_all

        done = retain_all(opened, WallClock().now())
    payload = {"words": done.words, "rows": done.rows, "days": list(done.days)}
    emit("audit_retain", payload, json_, lambda: line("audit.retained", lang, words=done.words, rows=done.rows, days=len(done.days)))


@app.command()
def flagged(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """List answers that whoever asked called not useful or from the wrong source."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.serving.feedback import flagged as queue

        found = queue(_log(opened).rows())
    payload = {
        "flagged": [
            {
                "trace_id": one.trace_id,
                "said_at": one.said_at.isoformat(),
                "verdict": one.verdict,
                "query": one.query,
                "release": f"{one.index}/{one.release}",
                "chunk": one.chunk,
                "chunks": list(one.chunks),
            }
            for one in found
        ]
    }

    def text() -> None:
        for one in found:
            row(
                one.said_at.isoformat(sep=" ", timespec="minutes"),
                one.trace_id,
                one.verdict,
                one.query or word("audit.forgotten", lang),
                one.chunk,
            )
        if not found:
            line("audit.nothing_flagged", lang)

    emit("audit_flagged", payload, json_, text)


@app.command()
def cost(
    days: Annotated[int, typer.Option("--days", min=1, help="How far back.")] = 30,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """What a useful answer cost: numerator, denominator and what they mean."""
    with spoken(lang, json_):
        opened = open_project(project)
        from datetime import timedelta

        from pipelines.clock import WallClock
        from pipelines.serving.feedback import cost_of_use

        now = WallClock().now()
        since = now - timedelta(days=days)
        found = cost_of_use(_log(opened), opened.file.serving.cost, since=since, now=now)
    value = round(found.value_jpy, 2) if found.value_jpy is not None else None
    shown = {"numerator": found.numerator_jpy, "denominator": found.denominator, "since": f"{since:%Y-%m-%d}"}
    payload = {
        "value_jpy": value,
        "numerator_jpy": found.numerator_jpy,
        "denominator": found.denominator,
        "since": since.isoformat(),
        "definition": word("audit.cost_definition", lang),
    }

    def text() -> None:
        line("audit.cost" if value is not None else "audit.cost_none", lang, value=value, **shown)
        line("audit.cost_definition", lang)

    emit("audit_cost", payload, json_, text)
