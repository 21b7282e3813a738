"""What people and machines do on a simulated day, by the script: in Dagster as through its web UI, in the contracts as by the command line."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.errors import AnswerIsNo, FixConfiguration, FortnightError
from pipelines.simulation.deciders import Deciders
from pipelines.simulation.script import Accept, Backfill, Crash, Daemon, Decide, Drill, ForgeCheck, Launch, Script, Switch

if TYPE_CHECKING:
    from pipelines.defs.travel import Travelled


class Acts:
    """The steps of a script that are not the sandbox's. ``daemon_is_down`` while nobody looks at the schedules."""

    def __init__(self, script: Script, start: date, travelled: Travelled, zone: ZoneInfo, done: tuple[int, ...] = ()) -> None:
        self._script, self._start, self._travelled, self._zone = script, start, travelled, zone
        self._people = Deciders(travelled.project, travelled.clock)
        turns = [step.do for step in (script.steps[number] for number in done) if isinstance(step, Daemon)]
        self.daemon_is_down = turns[-1:] == ["daemon_down"]

    def lived(self) -> list[str]:
        """The schedules that are lived: pulls, indexes, the seal, and what the script names."""
        known = self._travelled.schedules()
        unknown = sorted(set(self._script.schedules) - set(known))
        if unknown:
            raise FixConfiguration("simulate.no_such_schedule", schedules=", ".join(unknown), known=", ".join(known))
        own = [name for name in known if name == "seal_daily" or name.startswith(("pull_", "index_"))]
        return sorted({*own, *self._script.schedules})

    def do(self, number: int) -> FortnightError | None:
        """Do a step by its number. What is wrong with it is a FixConfiguration; a decision or a drill that the rules refuse is returned."""
        step = self._script.steps[number]
        if isinstance(step, Accept):
            self._accept(number, step)
        elif isinstance(step, Switch):
            # The seal goes on: what nobody pulled is still to be called missing.
            names = step.schedules or tuple(name for name in self.lived() if name != "seal_daily")
            self._travelled.switch(names, on=step.do == "switch_on")
        elif isinstance(step, Daemon):
            self.daemon_is_down = step.do == "daemon_down"
        elif isinstance(step, ForgeCheck):
            self._travelled.forge(step.stream, step.check, self._day(step.day))
        elif isinstance(step, Launch):
            self._travelled.launch(step.system, self._day(step.day))
        elif isinstance(step, Crash):
            self._travelled.crash(step.system)
        elif isinstance(step, Backfill):
            self._travelled.backfill(step.stream, [self._day(day) for day in range(step.first, step.last + 1)])
        elif isinstance(step, Decide | Drill):
            try:
                self._people.drill(step) if isinstance(step, Drill) else self._people.decide(step)
            except AnswerIsNo as error:
                return error
        return None

    def _day(self, number: int) -> str:
        return (self._start + timedelta(days=number - 1)).isoformat()

    def _accept(self, number: int, step: Accept) -> None:
        from pipelines.defs.travel import outside
        from pipelines.pull.accept import Asked, accept
        from pipelines.pull.compare import compare_schema, last_seen

        project = self._travelled.project
        contract = project.contract(step.stream)
        with outside():
            connector = project.connect(contract.system)
            try:
                live, since = connector.describe(contract.told()), last_seen(project.root, step.stream)
            finally:
                connector.close()
        drift, _ = compare_schema(contract, live, since)
        today = self._travelled.clock.now().astimezone(self._zone).date()
        done: Any = accept(project, contract, live, drift, since, Asked(step.by, today, step.why, step.take, step.rename))
        if done is None:
            raise FixConfiguration("simulate.nothing_to_accept", number=number + 1, stream=step.stream)
