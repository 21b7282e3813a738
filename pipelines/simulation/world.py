"""The sandbox beside a simulation: its clock is put where the pipeline's is, and what the script breaks in it is broken at its instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import FixConfiguration
from infra.sandbox import process
from pipelines.simulation.home import Note
from pipelines.simulation.script import WORLD, Break, Heal, Script, System

_EVER = 1_000_000
#: How each system says that it is down; a caller is told to come back later than it can wait.
_DOWN: dict[System, tuple[str, tuple[dict[str, Any], ...]]] = {
    "erp": ("storm-503", tuple({"service": name, "count": _EVER, "milliseconds": 300_000} for name in ("SakuraErp", "hanbai", "zumen"))),
    "kintone": ("maintenance", ({},)),
    "sharepoint": ("throttle-storm", ({"count": _EVER},)),
}


@dataclass(frozen=True)
class Event:
    """One thing that happens to the sandbox: the step it belongs to by number, and the control verb with its body."""

    at: datetime
    step: int
    system: System
    verb: str
    body: dict[str, Any]


def events(script: Script, note: Note, zone: ZoneInfo) -> list[Event]:
    """What the script does to the sandbox, in order of time. An outage is its beginning and its end."""
    found: list[Event] = []
    for number, step in enumerate(script.steps):
        if not isinstance(step, WORLD):
            continue
        at = step.instant(note.first, zone)
        if isinstance(step, Break):
            found.append(Event(at, number, step.system, "break", {**step.given, "name": step.name}))
        elif isinstance(step, Heal):
            found.append(Event(at, number, step.system, "heal", {} if step.name is None else {"name": step.name}))
        else:
            name, bodies = _DOWN[step.system]
            found += [Event(at, number, step.system, "break", {**body, "name": name}) for body in bodies]
            found.append(Event(at + timedelta(minutes=step.minutes), number, step.system, "heal", {"name": name}))
    return sorted(found, key=lambda event: event.at)


class World:
    """The sandbox of a home. ``passing`` is what a travelled clock calls before it is put forward."""

    def __init__(self, home: Path, events: list[Event], since: datetime) -> None:
        self._home = home
        # What lies before was done when the home was lived up to there.
        self._waiting = [event for event in events if event.at > since]
        self._refused: FixConfiguration | None = None

    def passing(self, at: datetime) -> None:
        """Let the sandbox live until ``at`` (aware), each break at its own instant."""
        try:
            while self._waiting and self._waiting[0].at <= at:
                event = self._waiting.pop(0)
                self._done(event)
            self._stand(at)
        except FixConfiguration as error:
            self._refused = error
            raise

    def held(self) -> None:
        """Raise again what the sandbox refused meanwhile: a run that waited took it for its own failure."""
        if self._refused is not None:
            raise self._refused

    def _stand(self, at: datetime) -> None:
        try:
            process.stand_at(self._home, at)
        except process.SandboxError as error:
            raise FixConfiguration("simulate.sandbox_gone", home=str(self._home.parents[1])) from error

    def _done(self, event: Event) -> None:
        self._stand(event.at)
        try:
            process.control(self._home, event.verb, event.body, server=event.system)
        except process.SandboxError as error:
            raise FixConfiguration("simulate.step_refused", number=event.step + 1, reason=str(error).rstrip(".")) from error


def up(home: Path, origin: datetime, port: int) -> Path:
    """Start the sandbox of a home with its world's past before ``origin``, and write the home's ``.env``. Returns the sandbox's home."""
    place = sandbox_of(home)
    try:
        process.up(place, origin=origin, base_port=port)
    except process.SandboxError as error:
        if error.code == "port_taken":
            raise FixConfiguration("sandbox.port_taken", port=error.facts["port"]) from None
        raise FixConfiguration("sandbox.not_up", reason=str(error).rstrip(".")) from None
    variables = process.environment(place)
    target = home / ".env"
    target.touch(mode=0o600)
    target.write_text("# Written by the simulation; for its sandbox only.\n" + "".join(f"{k}={v}\n" for k, v in variables.items()), "utf-8")
    return place


def sandbox_of(home: Path) -> Path:
    return home / ".fortnight" / "sandbox"


def still_up(home: Path) -> Path:
    """The sandbox of a home that is gone on with. Raises FixConfiguration where it does not run: its days died with it."""
    place = sandbox_of(home)
    if process.status(place) is None:
        raise FixConfiguration("simulate.sandbox_gone", home=str(home))
    return place


def released(home: Path) -> None:
    """Let the sandbox's clock run on from where the simulation left it."""
    process.run_on(sandbox_of(home))


def gone(home: Path) -> None:
    """Stop the sandbox of a home that is about to be made anew."""
    process.down(sandbox_of(home))
