"""``fortnight gate``: where an index stands on its way to fourteen green days, and sealing by hand what the schedule would seal."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, language, open_project, spoken

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
        from connectors.messages import sentence

        spoken_reasons = [{"code": r.code, "message": sentence(r.code, r.params, language(lang))} for r in state.reasons]
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
        "reasons": spoken_reasons,
    }

    def text() -> None:
        typer.echo(f"{state.index}: {state.eligibility}, {state.green_days} of {state.required_days} green days")
        for s in state.streams:
            calendar = "".join(_LETTER.get(verdict, "?") for _, verdict in s.days)
            typer.echo(f"  {s.stream:<28} {s.green_days:>2} of {state.required_days}  {calendar}")
        for each in spoken_reasons:
            typer.echo(f"  - {each['message']}")

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

        with instance_of(opened) as instance:
            seals = seal_project(opened, instance, WallClock())
    payload = {"sealed": [{"stream": s.stream, "day": s.day.isoformat(), "verdict": s.verdict} for s in seals]}
    emit("seal", payload, json_, lambda: typer.echo(f"{len(seals)} seals written" if seals else "every closed day is sealed already"))


def gate_state(project: Any, index: str) -> Any:
    """The gate's answer for today, from the ledger alone."""
    from pipelines.clock import WallClock
    from pipelines.evidence.plan import standing

    return standing(project, index, WallClock().now())
