"""``fortnight gate``: where an index stands on its way to fourteen green days and why, and sealing by hand what the schedule would seal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli import certify, decide, frozen
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, line, mark, open_project, row, spoken, word
from pipelines.cli.why import Teller, changes, fact_word

if TYPE_CHECKING:
    from pipelines.evidence.book import Book
    from pipelines.evidence.gate import GatePolicy, GateState
    from pipelines.evidence.history import History
    from pipelines.evidence.reasons import Reason
    from pipelines.project import Project

app = typer.Typer(help="The fortnight: day n of 14, why, who signed, and the proof.", no_args_is_help=True)
app.command("certify")(certify.certify)
app.command("verify")(certify.verify)
app.command("archive")(certify.archive)
app.command("sign-head")(certify.sign_head_)
app.command("sign-off")(decide.sign_off)
app.add_typer(decide.app, name="decide")
app.add_typer(frozen.app, name="calendar")
IndexArgument = Annotated[str, typer.Argument(help="The index's name in project.yaml.")]


@app.command()
def status(index: IndexArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Say whether an index is eligible, how many green days it has, and what is missing. Exit 1 while it is not eligible."""
    with spoken(lang, json_):
        opened = open_project(project)
        book, policy, history, state = _read(opened, index)
        from pipelines.evidence.facts import latest_facts
        from pipelines.evidence.history import names

        facts = latest_facts(book.rows, index)
        own = {index, *policy.streams}
        proposals = [one for subject in sorted(own) for one in names(history.proposals, subject)]
        teller = _teller(opened, book, index, policy, lang)
    payload: dict[str, Any] = {
        "index": state.index,
        "eligibility": state.eligibility,
        "green_days": state.green_days,
        "required_days": state.required_days,
        "streams": [
            {
                "stream": s.stream,
                "green_days": s.green_days,
                "days": [{"day": day.isoformat(), "verdict": verdict} for day, verdict in s.days],
            }
            for s in state.streams
        ],
        "reasons": _causes(state.reasons, teller),
        "facts": [
            {
                "name": f.name,
                "passed": f.passed,
                "value": f.value,
                "unit": f.unit,
                "limit": f.limit,
                "evidence": f.evidence,
                "measured_at": f.measured_at.isoformat(),
            }
            for f in facts
        ],
        "proposals": [{"verb": p.verb, "subject": p.subject, "actor": p.actor, "row": p.row} for p in proposals],
        "week_one": history.week_one,
        "promoted_on": history.promoted_on.isoformat() if history.promoted_on else None,
        "head": book.head.hash,
    }

    def text() -> None:
        from pipelines.evidence.spans import LETTERS

        line("gate.stands", lang, **standing_of(state, lang))
        for s in state.streams:
            calendar = "".join(LETTERS.get(verdict, "?") for _, verdict in s.days)
            stream, green_days = cell(s.stream, 28), f"{s.green_days:>2}"
            row(word("gate.stream", lang, stream=stream, green_days=green_days, required_days=state.required_days, calendar=calendar))
        for each in teller.lines(state.reasons):
            row("-", each)
        for p in proposals:
            row("-", word("gate.proposal_line", lang, verb=p.verb, subject=p.subject, actor=p.actor, row=p.row))

    emit("gate", payload, json_, text)
    if state.eligibility != "eligible":
        raise typer.Exit(NO)


@app.command()
def explain(
    index: IndexArgument,
    stream: Annotated[str | None, typer.Option("--stream", help="Only this stream.", show_default=False)] = None,
    day: Annotated[str | None, typer.Option("--day", help="Only this day (YYYY-MM-DD), green or not.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Tell for each day that is not green what happened: the verdict's reasons, and every pull of it with what spoke for and against it."""
    with spoken(lang, json_):
        opened = open_project(project)
        book, policy, _, state = _read(opened, index)
        from pipelines.evidence.explain import explained
        from pipelines.evidence.facts import latest_facts
        from pipelines.evidence.plan import environment_of, ledger_of

        days = explained(ledger_of(opened), environment_of(opened), state, stream, decide.civil(day) if day else None)
        facts = latest_facts(book.rows, index)
        teller = _teller(opened, book, index, policy, lang)
    payload: dict[str, Any] = {
        "index": index,
        "eligibility": state.eligibility,
        "reasons": _causes(state.reasons, teller),
        "days": [
            {
                "stream": d.stream,
                "day": d.day.isoformat(),
                "verdict": d.verdict,
                "row": d.row,
                "reasons": _causes(d.reasons, teller),
                "tries": [
                    {
                        "pull_id": e.pull_id,
                        "run_id": e.run_id,
                        "trigger": e.trigger,
                        "outcome": e.outcome,
                        "counted": e.verdict == "counted",
                        "reasons": _causes(e.reasons, teller),
                    }
                    for e in d.tries
                ],
            }
            for d in days
        ],
    }

    def text() -> None:
        line("gate.stands", lang, **standing_of(state, lang))
        for each in teller.lines(state.reasons):
            row("-", each)
        for told in payload["days"]:
            line("gate.day_line", lang, stream=told["stream"], day=told["day"], verdict=word(f"gate.verdict.{told['verdict']}", lang))
            for each in told["reasons"]:
                row("-", each["message"])
            for tried in told["tries"]:
                row(mark("ok" if tried["counted"] else "fail", lang), str(tried["trigger"]), str(tried["run_id"] or tried["pull_id"]))
                for each in tried["reasons"]:
                    row("-", each["message"], indent=6)
        for f in facts:
            said = word(
                "gate.fact_line",
                lang,
                name=f.name,
                value=fact_word(f.value, lang),
                unit=f.unit,
                limit=fact_word(f.limit, lang),
                evidence=f.evidence,
            )
            row(mark("ok" if f.passed else "fail", lang), " ".join(said.split()))

    emit("gate_explain", payload, json_, text)


@app.command("what-if")
def what_if(
    index: IndexArgument,
    green_days: Annotated[int | None, typer.Option("--green-days", min=1, help="With this many green days.", show_default=False)] = None,
    without: Annotated[list[str] | None, typer.Option("--without", help="Without this stream; repeatable.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Say what another policy would have made of the same days, had it been pinned on the first. Changes nothing."""
    with spoken(lang, json_):
        opened = open_project(project)
        book, policy, _, state = _read(opened, index)
        from dataclasses import replace

        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.evidence.other_policy import state_under
        from pipelines.evidence.plan import today_of

        for name in without or ():
            if name not in policy.streams:
                raise FixConfiguration("project.stream_elsewhere", index=index, stream=name, known=", ".join(policy.streams))
        kept = tuple(name for name in policy.streams if name not in (without or ()))
        other = replace(policy, green_days=green_days or policy.green_days, streams=kept)
        then = state_under(book, index, other, today_of(opened, WallClock().now()))
    teller = Teller(lang, opened.file.timezone, len(kept))
    change = ", ".join([f"green_days={other.green_days}", *(f"-{name}" for name in without or ())])
    payload = {
        "index": index,
        "now": state.eligibility,
        "eligibility": then.eligibility,
        "green_days": then.green_days,
        "required_days": then.required_days,
        "reasons": _causes(then.reasons, teller),
    }

    def text() -> None:
        line("gate.what_if", lang, change=change, now=word(f"gate.eligibility.{state.eligibility}", lang), **standing_of(then, lang))
        for each in teller.lines(then.reasons):
            row("-", each)
        line("gate.what_if_note", lang)

    emit("gate_what_if", payload, json_, text)


@app.command()
def seal(
    through: Annotated[
        str | None,
        typer.Option("--through", help="The last closed day (YYYY-MM-DD): needed where more than a month has no seal.", show_default=False),
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Seal every closed day now, exactly as the nightly schedule would. A day that is sealed stays as it is."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.defs.instance import instance_of
        from pipelines.defs.seal import sealing
        from pipelines.evidence.plan import not_yet

        with instance_of(opened) as instance:
            done = sealing(opened, instance, WallClock(), None if through is None else decide.civil(through))
        seals = done.seals
        waiting = None if seals else not_yet(opened, WallClock().now())
    payload = {
        "sealed": [{"stream": s.stream, "day": s.day.isoformat(), "verdict": s.verdict} for s in seals],
        "recounted": list(done.recounted),
    }

    def text() -> None:
        if waiting is None:
            line("gate.sealed" if seals else "gate.nothing_to_seal", lang, count=len(seals))
        else:
            line(waiting.code, lang, **waiting.params)
        for name in done.recounted:
            line("gate.recounted", lang, index=name)

    emit("seal", payload, json_, text)


def gate_state(project: Any, index: str) -> Any:
    """The gate's answer for today, from the ledger alone."""
    from pipelines.clock import WallClock
    from pipelines.evidence.plan import standing

    return standing(project, index, WallClock().now())


def _read(project: Project, index: str) -> tuple[Book, GatePolicy, History, GateState]:
    from pipelines.clock import WallClock
    from pipelines.evidence.plan import book_of, gate_policy, today_of
    from pipelines.evidence.standing import history_in, state_of

    project.name_streams_well(index)
    policy, book, today = gate_policy(project, index), book_of(project), today_of(project, WallClock().now())
    history = history_in(book, index, policy, today)
    return book, policy, history, state_of(book, index, policy, today, history)


def _teller(project: Project, book: Book, index: str, policy: GatePolicy, lang: str | None) -> Teller:
    from pipelines.evidence.history import recorded_terms

    recorded = recorded_terms(book.rows, index)
    changed = "" if recorded is None else changes(recorded, policy.terms())
    return Teller(lang, project.file.timezone, len(policy.streams), changed)


def _causes(reasons: Sequence[Reason], teller: Teller) -> list[dict[str, str]]:
    return [{"code": each.code, "message": teller.say(each)} for each in reasons]


def standing_of(state: Any, lang: str | None) -> dict[str, Any]:
    """The facts of the sentence that says where an index stands."""
    return {
        "index": state.index,
        "eligibility": word(f"gate.eligibility.{state.eligibility}", lang),
        "green_days": state.green_days,
        "required_days": state.required_days,
    }
