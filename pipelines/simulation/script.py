"""The script of a simulation: what happens on which day at what time, and what the gate must say then. Read strictly; nothing is done here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.errors import FixConfiguration
from connectors.validation import first_fault
from pipelines.evidence.history import Eligibility

System = Literal["kintone", "erp", "sharepoint"]
Check = Literal["drift", "schema", "access", "values", "bands", "balance"]
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Step(_Strict):
    """``day`` counts from 1; ``at`` is the time of that day in the project's zone, HH:MM."""

    day: int = Field(ge=1)
    at: str

    @field_validator("at", mode="before")
    @classmethod
    def _time_of_day(cls, value: object) -> str:
        # YAML 1.1 reads an unquoted 12:30 as a number of minutes.
        text = f"{value // 60:02d}:{value % 60:02d}" if isinstance(value, int) else str(value)
        if not _CLOCK.fullmatch(text):
            raise ValueError(f"{value} is no time of the form HH:MM")
        return text

    def instant(self, start: date, zone: ZoneInfo) -> datetime:
        """When it happens, where day 1 is ``start``."""
        return datetime.combine(start + timedelta(days=self.day - 1), time.fromisoformat(self.at), tzinfo=zone)


class Break(_Step):
    """Something of the sandbox is broken, by its name in ``fortnight sandbox break``; ``given`` are that command's options."""

    do: Literal["break"]
    system: System
    name: str
    given: dict[str, str | int | float] = {}


class Heal(_Step):
    """One break is taken back, or all of a system."""

    do: Literal["heal"]
    system: System
    name: str | None = None


class Outage(_Step):
    """A whole system answers that it is down, for so many minutes."""

    do: Literal["outage"]
    system: System
    minutes: int = Field(ge=1, le=1440)


class Accept(_Step):
    """A person accepts what changed at the source, as ``fortnight contract accept`` does."""

    do: Literal["accept"]
    stream: str
    by: str
    why: str
    take: dict[str, str] = {}
    rename: dict[str, str] = {}


class Switch(_Step):
    """Schedules are switched off or on in the web UI; without names, those that the simulation lives."""

    do: Literal["switch_off", "switch_on"]
    schedules: tuple[str, ...] = ()


class Daemon(_Step):
    """Dagster's daemon goes down, or comes up again and looks at what it missed."""

    do: Literal["daemon_down", "daemon_up"]


class ForgeCheck(_Step):
    """Somebody reports a passed check without a run, as one request to the web UI's open endpoint does."""

    do: Literal["forge_check"]
    stream: str
    check: Check


class Launch(_Step):
    """Somebody launches the pulls of a system by hand in the web UI, for that day."""

    do: Literal["launch"]
    system: System


class Crash(_Step):
    """The worker of the next run of a system's pulls dies as it starts."""

    do: Literal["crash"]
    system: System


class Backfill(_Step):
    """Somebody backfills a stream over days of the simulation in the web UI."""

    do: Literal["backfill"]
    stream: str
    first: int = Field(ge=1)
    last: int = Field(ge=1)


class Decide(_Step):
    """People sign a decision, one after the other, each with their own key (ids or mail addresses of people.yaml).

    ``of`` is a stream for ``accept``, else an index. ``promote`` is for the newest candidate; ``review`` is of the step's own day. What the
    gate refuses is told, and the simulation goes on.
    """

    do: Literal["decide"]
    what: Literal["accept", "week-one", "promote", "review", "suspend", "resume"]
    of: str
    by: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=1)
    additive: bool = False


class Drill(_Step):
    """Somebody rehearses promotion and rollback of an index, as ``fortnight index drill`` does."""

    do: Literal["drill"]
    index: str
    by: str


Step = Annotated[
    Break | Heal | Outage | Accept | Switch | Daemon | ForgeCheck | Launch | Crash | Backfill | Decide | Drill,
    Field(discriminator="do"),
]
#: Steps of the world outside: they happen while a pull waits, too.
WORLD = (Break, Heal, Outage)


class Expected(_Strict):
    """What must be so when ``day`` has been sealed, in the night after it: the count, or the gate's word, or both."""

    day: int = Field(ge=1)
    index: str
    green_days: int | None = Field(default=None, ge=0)
    eligibility: Eligibility | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Expected:
        if self.green_days is None and self.eligibility is None:
            raise ValueError("one of green_days and eligibility is wanted")
        return self


class Script(_Strict):
    """A whole script. ``schedules`` are those that are lived beside the pulls, the indexes and the seal (``sandbox`` days need no others)."""

    title: str = ""
    schedules: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    expect: tuple[Expected, ...] = ()


def read_script(path: Path | None) -> tuple[Script, str]:
    """The script at ``path``, or the one that is shipped, and its text. Raises FixConfiguration naming the place that is wrong."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    where = str(path or "default.yaml")
    try:
        text = (
            path.read_text(encoding="utf-8")
            if path
            else resources.files("pipelines.simulation").joinpath("default.yaml").read_text(encoding="utf-8")
        )
        content: Any = YAML(typ="safe").load(text)
    except (OSError, UnicodeDecodeError, MarkedYAMLError) as error:
        raise FixConfiguration("simulate.unreadable", path=where, reason=str(error).splitlines()[0]) from error
    try:
        return Script.model_validate(content if isinstance(content, Mapping) else {"steps": content}), text
    except ValidationError as error:
        place, reason = first_fault(error, Script)
        raise FixConfiguration("simulate.bad_script", path=where, place=place, reason=reason) from None
