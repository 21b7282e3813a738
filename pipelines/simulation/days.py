"""The walk: from slot to slot and step to step, day by day, with what each day came to. What a slot does is Dagster's and the pipeline's own."""

from __future__ import annotations

import os
import time as stopwatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.errors import FortnightError, Interrupted
from pipelines.clock import SimulatedClock
from pipelines.evidence.gate import GateState
from pipelines.evidence.plan import environment_of, ledger_of, standing
from pipelines.project import PROJECT_VARIABLE, Project
from pipelines.simulation.heap import few_looks, keep_memory, keep_objects
from pipelines.simulation.home import Note, keep
from pipelines.simulation.script import WORLD, Decide, Script, Step
from pipelines.simulation.world import World, events, released, sandbox_of

if TYPE_CHECKING:
    from pipelines.defs.travel import Travelled

#: How long after the seal's slot a day is looked at.
_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Lived:
    """One day: the verdict of each stream, what the script did on it what of that the rules refused (``do``, ``code``, and the sentence
    in each language), and where each index stands the night after."""

    day: int
    date: date
    seals: Mapping[str, str]
    happened: tuple[str, ...]
    refused: tuple[dict[str, str], ...]
    gates: tuple[GateState, ...]
    seconds: float

    def told(self) -> dict[str, Any]:
        """The day as plain JSON values, as ``fortnight.simulation/1`` has it."""
        return {
            "day": self.day,
            "date": self.date.isoformat(),
            "seals": dict(self.seals),
            "happened": list(self.happened),
            "refused": list(self.refused),
            "gate": [
                {"index": at.index, "eligibility": at.eligibility, "green_days": at.green_days, "required_days": at.required_days}
                for at in self.gates
            ],
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Run:
    """A simulation to be lived: its home, how far it is, its script, and whether somebody asked it to stop."""

    home: Path
    project: Project
    script: Script
    note: Note
    stopped: Callable[[], bool] = lambda: False


def live(run: Run) -> Iterator[Lived]:
    """Live the days that are left. Raises Interrupted between two slots when asked to stop; the home can be gone on with from there."""
    # The module builds a project's definitions when it is imported, so one must be named first.
    os.environ[PROJECT_VARIABLE] = str(run.home)
    import pipelines.definitions as definitions
    from pipelines.defs.travel import travel

    zone = ZoneInfo(run.project.file.timezone)
    since = datetime.fromisoformat(run.note.cursor)
    keep_memory()
    world = World(sandbox_of(run.home), events(run.script, run.note, zone), since)
    world.passing(since)
    with few_looks(), travel(run.project, SimulatedClock(since), definitions, passing=world.passing) as travelled:
        walk = _Walk(run, travelled, world, zone)
        if not run.note.done and since <= _midnight(run.note.first, zone):
            walk.arm()
        first = len(run.note.lived) + 1
        for number in range(first, run.note.days + 1):
            yield walk.day(number)
            if number == first:
                keep_objects()
        walk.complete()
    released(run.home)


class _Walk:
    def __init__(self, run: Run, travelled: Travelled, world: World, zone: ZoneInfo) -> None:
        from pipelines.simulation.acts import Acts

        self._run, self._travelled, self._world, self._zone = run, travelled, world, zone
        self._note = run.note
        self._acts = Acts(run.script, run.note.first, travelled, zone, run.note.done)

    def arm(self) -> None:
        """Dagster's scheduler sees the schedules for the first time; those that the script does not live are switched off."""
        lived = self._acts.lived()
        self._travelled.switch([name for name in self._travelled.schedules() if name not in lived], on=False)
        self._travelled.look()

    def day(self, number: int) -> Lived:
        began = stopwatch.monotonic()
        due = self._run.project.file.schedule
        today = self._note.first + timedelta(days=number - 1)
        until = datetime.combine(today + timedelta(days=1), time(due.seal_hour, 10), tzinfo=self._zone) + _AFTER
        while (at := self._next(until)) is not None:
            if self._run.stopped():
                raise Interrupted("simulate.stopped", home=str(self._run.home))
            self._travelled.move_to(at)
            for step in self._due(at):
                error = self._acts.do(step)
                told = [] if error is None else [_refused(self._run.script.steps[step], error)]
                self._kept(done=(*self._note.done, step), refused=(*self._note.refused, *told))
            if not self._acts.daemon_is_down:
                self._travelled.look()
            self._world.held()
            self._kept(cursor=at.isoformat())
        lived = self._told(number, today, stopwatch.monotonic() - began)
        self._kept(lived=(*self._note.lived, lived.told()), refused=())
        return lived

    def complete(self) -> None:
        self._kept(complete=True)

    def _next(self, until: datetime) -> datetime | None:
        """The next instant with anything to do, slot or step, up to ``until``."""
        cursor = datetime.fromisoformat(self._note.cursor)
        slots = [] if self._acts.daemon_is_down else self._travelled.slots(cursor, until)
        steps = [at for number, at in self._steps() if cursor < at <= until and number not in self._note.done]
        return min([*slots[:1], *steps], default=None)

    def _due(self, at: datetime) -> list[int]:
        return [number for number, when in self._steps() if when <= at and number not in self._note.done]

    def _steps(self) -> list[tuple[int, datetime]]:
        steps = enumerate(self._run.script.steps)
        return [(number, step.instant(self._note.first, self._zone)) for number, step in steps if not isinstance(step, WORLD)]

    def _told(self, number: int, today: date, seconds: float) -> Lived:
        project = self._run.project
        rows = [row.entry for row in ledger_of(project).read(kinds=("seal",), day=today)]
        seals = {row.subject: str(row.verdict) for row in rows if row.environment == environment_of(project)}
        now = self._travelled.clock.now()
        gates = tuple(standing(project, index, now) for index in project.file.indexes)
        happened = tuple(said(step) for step in self._run.script.steps if step.day == number)
        return Lived(number, today, dict(sorted(seals.items())), happened, self._note.refused, gates, round(seconds, 2))

    def _kept(self, **changes: object) -> None:
        self._note = self._note.model_copy(update=changes)
        keep(self._run.home, self._note)


def said(step: Step) -> str:
    """What a step is called where days are told."""
    return f"decide.{step.what.replace('-', '_')}" if isinstance(step, Decide) else step.do


def _refused(step: Step, error: FortnightError) -> dict[str, str]:
    # Kept in both languages: whoever goes on may speak the other one.
    return {"do": said(step), "code": error.code, "en": error.say("en"), "ja": error.say("ja")}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def last_day(project: Project, now: datetime) -> date:
    """The newest civil day whose seal was due before ``now`` (aware): the last one that can have been lived."""
    zone = ZoneInfo(project.file.timezone)
    here = now.astimezone(zone)
    sealed = datetime.combine(here.date(), time(project.file.schedule.seal_hour, 10), tzinfo=zone) + _AFTER
    return here.date() - timedelta(days=1 if here >= sealed else 2)
