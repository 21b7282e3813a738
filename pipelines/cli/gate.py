"""``fortnight gate``: where an index stands on its way to fourteen green days, and sealing by hand what the schedule would seal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.evidence.reasons import Reason

app = typer.Typer(help="The fortnight: day n of 14, and why.", no_args_is_help=True)
_LETTER = {"green": "G", "red": "R", "missing": "-", "excused": "x", "unsealed": "·"}


@app.command()
def status(
    index: Annotated[str, typer.Argument(help="The index's name in project.yaml.")],
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Say whether an index is eligible, how many green days it has, and what is missing. Exit 1 while it is not eligible."""
    with spoken(lang, json_):
        opened = open_project(project)
        state = gate_state(opened, index)
        reasons = [{"code": r.code, "message": in_words(r, lang)} for r in state.reasons]
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
        "reasons": reasons,
    }

    def text() -> None:
        line("gate.stands", lang, **standing_of(state, lang))
        for s in state.streams:
            calendar = "".join(_LETTER.get(verdict, "?") for _, verdict in s.days)
            stream, green_days = cell(s.stream, 28), f"{s.green_days:>2}"
            row(word("gate.stream", lang, stream=stream, green_days=green_days, required_days=state.required_days, calendar=calendar))
        for each in reasons:
            row("-", each["message"])

    emit("gate", payload, json_, text)
    if state.eligibility != "eligible":
        raise typer.Exit(NO)


@app.command()
def seal(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Seal every closed day now, exactly as the nightly schedule would. A day that is sealed stays as it is."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.defs.instance import instance_of
        from pipelines.defs.seal import seal_project
        from pipelines.evidence.plan import not_yet

        with instance_of(opened) as instance:
            seals = seal_project(opened, instance, WallClock())
        waiting = None if seals else not_yet(opened, WallClock().now())
    payload = {"sealed": [{"stream": s.stream, "day": s.day.isoformat(), "verdict": s.verdict} for s in seals]}

    def text() -> None:
        if waiting is None:
            line("gate.sealed" if seals else "gate.nothing_to_seal", lang, count=len(seals))
        else:
            line(waiting.code, lang, **waiting.params)

    emit("seal", payload, json_, text)


def gate_state(project: Any, index: str) -> Any:
    """The gate's answer for today, from the ledger alone."""
    from pipelines.clock import WallClock
    from pipelines.evidence.plan import standing

    return standing(project, index, WallClock().now())


def in_words(reason: Reason, lang: str | None) -> str:
    """A reason as its sentence. The measured values, units and limits of a readiness fact lie in the ledger in English, so they are said anew."""
    params: dict[str, Any] = dict(reason.params)
    if reason.code.startswith("gate.fact_"):
        params = {name: _fact_word(value, lang) for name, value in params.items()}
    return " ".join(word(reason.code, lang, **params).split()).replace(" （", "（")


def _fact_word(value: object, lang: str | None) -> object:
    from connectors.messages import catalogue

    if not isinstance(value, str):
        return value
    if span := re.fullmatch(r"(\d+) to (\d+)", value):
        return word("fact.word.range", lang, low=span[1], high=span[2])
    code = "fact.word." + "_".join(value.lower().split())
    return word(code, lang) if code in catalogue() else value


def standing_of(state: Any, lang: str | None) -> dict[str, Any]:
    """The facts of the sentence that says where an index stands."""
    return {
        "index": state.index,
        "eligibility": word(f"gate.eligibility.{state.eligibility}", lang),
        "green_days": state.green_days,
        "required_days": state.required_days,
    }
