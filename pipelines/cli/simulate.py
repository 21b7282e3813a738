"""``fortnight simulate``: days lived by script against a sandbox of their own, in a home of their own, line by line."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, language, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.evidence.gate import GateState
    from pipelines.project import Project
    from pipelines.simulation.days import Lived, Run
    from pipelines.simulation.script import Script

#: The days that the shipped script needs to end where the rules say.
DAYS = 24


def simulate(
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=366, help="How many days, up to yesterday.", show_default=str(DAYS))
    ] = None,
    script: Annotated[Path | None, typer.Option("--script", help="YAML of what happens; default: the demo's.", show_default=False)] = None,
    start: Annotated[str | None, typer.Option("--start", help="The first day, YYYY-MM-DD, instead of that many days ago.")] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Where the days are lived; default: .fortnight/simulated in the project.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a simulation that was interrupted.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65520, help="First of seven sandbox ports; 0 takes any free ones.")] = 18080,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a script and do nothing.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Live days by script: the sandbox's clock and the pipeline's run together, through real pulls. Exit 1 when the script expects otherwise."""
    with spoken(lang, json_):
        if schema:
            return _schema(json_)
        found = lived_days(Asked(project, days, script, start, home, resume, port), json_, lang)
    emit("simulation", found, json_, lambda: closing(found, lang))
    if not all(one["holds"] for one in found["expected"]) or any(day["refused"] for day in found["days"]):
        raise typer.Exit(NO)


class Asked:
    """What was asked for on the command line."""

    def __init__(
        self, project: str | None, days: int | None, script: Path | None, start: str | None, home: Path | None, resume: bool, port: int
    ) -> None:
        self.project, self.days, self.script, self.start = project, days, script, start
        self.home, self.resume, self.port = home, resume, port


def lived_days(asked: Asked, json_: bool, lang: str | None) -> dict[str, Any]:
    """Live the days, a line each, and give what ``fortnight.simulation/1`` says of them."""
    from pipelines.simulation.ahead import load_ahead
    from pipelines.simulation.days import live
    from pipelines.simulation.heap import few_looks
    from pipelines.simulation.home import alone
    from pipelines.simulation.script import read_script

    began = time.monotonic()
    script, text = read_script(asked.script)
    project = open_project(asked.project)
    home = (asked.home or project.home / "simulated").resolve()
    with few_looks(), alone(home), _stoppable() as stopped:
        load_ahead()
        run = _prepared(asked, project, home, script, text, stopped)
        if not json_:
            first, last = run.note.first, run.note.first + timedelta(days=run.note.days - 1)
            line("simulate.begins", lang, home=run.home, days=run.note.days, first=first, last=last)
        told: list[dict[str, Any]] = list(run.note.lived)
        gates: tuple[GateState, ...] = ()
        for day in live(run):
            told.append(day.told())
            gates = day.gates
            if not json_:
                _line(day, lang)
    from pipelines.cli.why import Teller

    teller = Teller(lang, project.file.timezone)
    reasons = [{"index": gate.index, "code": why.code, "message": teller.say(why)} for gate in gates for why in gate.reasons]
    return {
        "home": str(run.home),
        "clock": "simulated",
        "environment": "sandbox",
        "start": run.note.start,
        "days": [{**day, "refused": _refused(day, lang)} for day in told],
        "expected": _met(script, told),
        "reasons": reasons,
        "seconds": round(time.monotonic() - began, 1),
    }


def closing(found: dict[str, Any], lang: str | None) -> None:
    """What is said after the last day: what holds the gate, what the script expected, and how to look at it."""
    for why in found["reasons"]:
        row("-", f"{why['index']}:", why["message"])
    for one in found["expected"]:
        wanted, there = expectation(one, lang)
        line("simulate.met" if one["holds"] else "simulate.not_met", lang, day=one["day"], index=one["index"], wanted=wanted, found=there)
    line("simulate.took", lang, days=len(found["days"]), seconds=f"{found['seconds']:.0f}")
    line("simulate.look", lang, home=found["home"])


def expectation(one: dict[str, Any], lang: str | None) -> tuple[str, str]:
    """What was expected, and what there was of just that, in words."""

    def words(green: int | None, eligibility: str | None) -> str:
        days = [] if one["green_days"] is None else [word("simulate.green_days", lang, green_days="·" if green is None else green)]
        said = [] if one["eligibility"] is None else [word(f"gate.eligibility.{eligibility}", lang) if eligibility else "·"]
        return ", ".join([*days, *said])

    return words(one["green_days"], one["eligibility"]), words(one["found"], one["found_eligibility"])


def _refused(day: dict[str, Any], lang: str | None) -> list[dict[str, str]]:
    return [{"do": one["do"], "code": one["code"], "message": one[language(lang)]} for one in day["refused"]]


def _prepared(asked: Asked, project: Project, home: Path, script: Script, text: str, stopped: Callable[[], bool]) -> Run:
    from zoneinfo import ZoneInfo

    from connectors.errors import FixConfiguration
    from pipelines.clock import WallClock
    from pipelines.simulation import home as homes
    from pipelines.simulation import world
    from pipelines.simulation.days import Run, last_day

    if asked.resume:
        note = homes.resumable(home, text, asked.days)
        _too_late(asked, script, note.days)
        world.still_up(home)
    else:
        days = asked.days or DAYS
        _too_late(asked, script, days)
        newest = last_day(project, WallClock().now())
        try:
            first = date.fromisoformat(asked.start) if asked.start else newest - timedelta(days=days - 1)
        except ValueError:
            raise FixConfiguration("simulate.bad_start", start=asked.start) from None
        if first + timedelta(days=days - 1) > newest:
            raise FixConfiguration("simulate.future", last=first + timedelta(days=days - 1), newest=newest)
        zone = ZoneInfo(project.file.timezone)
        origin = datetime(first.year, first.month, first.day, tzinfo=zone)
        note = homes.Note(start=first.isoformat(), days=days, script=homes.fingerprint(text), cursor=origin.isoformat())
        if homes.note_of(home) is not None:
            world.gone(home)
        homes.make(project, home, first)
        homes.keep(home, note)
        world.up(home, origin, asked.port)
    return Run(home, homes.opened(home), script, note, stopped)


def _too_late(asked: Asked, script: Script, days: int) -> None:
    """What is never reached would be a script that says more than was lived, and an expectation that nobody looks at would pass for one that
    was met. Only the shipped one may be cut short. Asked before an earlier simulation makes way."""
    from connectors.errors import FixConfiguration

    late = [one.day for one in (*script.steps, *script.expect) if one.day > days]
    if asked.script is not None and late:
        raise FixConfiguration("simulate.too_late", day=max(late), days=days)


@contextmanager
def _stoppable() -> Generator[Callable[[], bool]]:
    """The first Ctrl-C asks for a stop between two slots, the second one ends it where it is."""
    asked: list[int] = []

    def stop(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _line(day: Lived, lang: str | None) -> None:
    """One line a day: date, a letter per stream by system, the gates, what happened."""
    from pipelines.evidence.spans import LETTERS

    systems: dict[str, str] = {}
    for stream, verdict in day.seals.items():
        system = stream.partition("/")[0]
        systems[system] = systems.get(system, "") + LETTERS.get(verdict, "?")
    letters = "  ".join(f"{system} {found}" for system, found in systems.items())
    gates = "  ".join(
        word("simulate.gate", lang, index=g.index, green_days=f"{min(g.green_days, g.required_days):>2}", required_days=g.required_days)
        for g in day.gates
    )
    refused = {one["do"] for one in day.refused}
    said = ", ".join(word(f"simulate.did.{do}", lang) for do in dict.fromkeys(day.happened) if do not in refused)
    row(word("simulate.day", lang, day=f"{day.day:>2}"), day.date.isoformat(), letters, "", gates, "", said, indent=0)
    for one in day.refused:
        row("-", word("simulate.refused", lang, what=word(f"simulate.did.{one['do']}", lang), why=one[language(lang)]))


def _met(script: Script, days: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The script's expectations of the days that were lived."""
    found: list[dict[str, Any]] = []
    for one in script.expect:
        lived = next((day for day in days if day["day"] == one.day), None)
        if lived is None:
            continue
        gate = next((gate for gate in lived["gate"] if gate["index"] == one.index), {"green_days": None, "eligibility": None})
        wanted = {name: value for name, value in (("green_days", one.green_days), ("eligibility", one.eligibility)) if value is not None}
        found.append(
            {
                **one.model_dump(),
                "found": gate["green_days"],
                "found_eligibility": gate["eligibility"],
                "holds": all(gate[name] == value for name, value in wanted.items()),
            }
        )
    return found


def _schema(json_: bool) -> None:
    from pipelines.simulation.script import Script

    found = {
        **Script.model_json_schema(),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fortnight simulate --script",
    }
    emit("simulation_schema", {"json_schema": found}, json_, lambda: row(json.dumps(found, ensure_ascii=False, indent=2), indent=0))
