"""The home of a simulation: a copy of the project with a storage root and a Dagster of its own, and a note of how far it was lived."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from connectors.errors import FixConfiguration, MissingSecret
from pipelines.clock import FixedClock
from pipelines.project import Project, load

_NOTE = "simulation.json"
#: What a project keeps on its own machine, and what it was loaded with: none of it goes along.
_LEFT = (".fortnight", ".env", "data")
#: Settings whose place is taken by the vendor's own address where they are left out.
_VENDORS = {"sharepoint": ("authority", "graph")}


class Note(BaseModel):
    """How far a home was lived. ``cursor`` is the instant (ISO) of the last slot or step that was done, ``done`` the steps by number, ``lived``
    what was told of each day, ``refused`` what the rules refused on the day that is being lived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str
    days: int
    script: str
    cursor: str
    done: tuple[int, ...] = ()
    refused: tuple[dict[str, str], ...] = ()
    lived: tuple[dict[str, Any], ...] = ()
    complete: bool = False

    @property
    def first(self) -> date:
        return date.fromisoformat(self.start)


def note_of(home: Path) -> Note | None:
    """The note of a home, or None where no simulation was begun."""
    try:
        return Note.model_validate_json((home / _NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def keep(home: Path, note: Note) -> None:
    """Write the note, whole or not at all."""
    part = home / f".{_NOTE}.new"
    part.write_text(note.model_dump_json(), encoding="utf-8")
    os.replace(part, home / _NOTE)


def night_after(home: Path) -> FixedClock:
    """The instant up to which a home was lived: what is asked of its days is asked then. Raises FixConfiguration where no day was lived."""
    note = note_of(home)
    if note is None:
        raise FixConfiguration("simulate.nothing_to_resume", home=str(home))
    return FixedClock(datetime.fromisoformat(note.cursor))


@contextmanager
def alone(home: Path) -> Generator[None]:
    """No other process lives days in ``home`` until the end of the block. Raises FixConfiguration where one does, or where no folder can be."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        if home.exists() and not home.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        # Beside the home, which may be made anew.
        lock = home.with_name(f".{home.name}.lock").open("w")
    except OSError as error:
        raise FixConfiguration("simulate.no_place", home=str(home), reason=error.strerror or type(error).__name__) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FixConfiguration("simulate.busy", home=str(home)) from None
        yield


def make(project: Project, home: Path, start: date) -> None:
    """Make ``home`` anew from the project's files. A folder that holds anything but a simulation is left alone: FixConfiguration."""
    if home.exists() and any(home.iterdir()) and note_of(home) is None:
        raise FixConfiguration("simulate.no_home", home=str(home))
    shutil.rmtree(home, ignore_errors=True)

    def left(folder: str, names: list[str]) -> set[str]:
        inside = {name for name in names if (Path(folder) / name).resolve() == home.resolve()}
        return inside | ({name for name in names if name in _LEFT} if Path(folder).resolve() == project.folder.resolve() else set())

    shutil.copytree(project.folder, home, ignore=left)
    _rewritten(home / "project.yaml", start)


def _rewritten(path: Path, start: date) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    content = yaml.load(path.read_text(encoding="utf-8"))
    # What is simulated is the sandbox's, whatever the project is: evidence never crosses environments.
    content |= {"environment": "sandbox", "start": start.isoformat(), "storage": {"root": "./data"}, "env_file": ".env"}
    content["ca_file"] = {"env": "FORTNIGHT_CA_FILE"}
    with path.open("w", encoding="utf-8") as target:
        yaml.dump(content, target)


def opened(home: Path) -> Project:
    """The project of a home. Raises FixConfiguration where a variable of this shell, or an address that the project's file says itself, would
    lead its pulls to another place than the sandbox."""
    found = load(home)
    wanted: dict[str, str] = {}
    for line in (home / ".env").read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            wanted[name] = value
    wrong = sorted(name for name, value in wanted.items() if found.variables.get(name) != value)
    if wrong:
        raise FixConfiguration("simulate.other_place", variables=", ".join(wrong))
    own = {urlsplit(value).netloc for value in wanted.values() if "://" in value}
    if elsewhere := [place for place, address in _addresses(found) if urlsplit(address).netloc not in own]:
        raise FixConfiguration("simulate.real_place", places=", ".join(elsewhere))
    return found


def _addresses(project: Project) -> Iterator[tuple[str, str]]:
    """Every address that a system's settings name, with its place; empty for one that the vendor's stands in for."""
    for system, settings in project.file.systems.items():
        for name in _VENDORS.get(str(settings.get("kind")), ()):
            if name not in settings:
                yield f"systems.{system}.{name}", ""
        yield from _named(project, settings, f"systems.{system}")


def _named(project: Project, value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and set(value) not in ({"env"}, {"file"}):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from _named(project, inner, f"{place}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[Any]", value)):
            yield from _named(project, inner, f"{place}[{number}]")
    else:
        with suppress(MissingSecret):  # what has no value leads nowhere, and connecting says so
            if "://" in (text := str(project.resolve(value, place))):
                yield place, text


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def resumable(home: Path, script: str, days: int | None) -> Note:
    """The note to go on from. Raises FixConfiguration where there is none, or it was begun with another script or another number of days."""
    note = note_of(home)
    if note is None:
        raise FixConfiguration("simulate.nothing_to_resume", home=str(home))
    if note.script != fingerprint(script):
        raise FixConfiguration("simulate.other_script", home=str(home))
    if days is None or days <= note.days:
        return note
    return note.model_copy(update={"days": days, "complete": False})
