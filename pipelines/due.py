"""The part of project.yaml that says when streams are due, when days close, and when a source is under maintenance."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Literal["daily", "jp_business"] | tuple[Weekday, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Closed(_Strict):
    """Days without business, frozen from the public calendar and the company's own, and the years they were frozen for."""

    years: tuple[int, ...]
    days: tuple[date, ...] = ()


class StreamSchedule(_Strict):
    """When one stream, or every stream of a system, is due instead: each of ``times`` (HH:MM in the project's zone), on ``days``."""

    times: tuple[str, ...] = Field(min_length=1)
    days: Days = "daily"

    @field_validator("times")
    @classmethod
    def _clock(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", one):
                raise ValueError(f"{one} is no time of the form HH:MM")
        return value

    @property
    def clock(self) -> tuple[time, ...]:
        """The times, earliest first."""
        return tuple(sorted({time.fromisoformat(one) for one in self.times}))


def jitter(system: str, most: int) -> int:
    """Minutes from 0 to ``most`` by which a system's slots are put off: from its name alone, so that the day's slots are known beforehand
    and are the same on every machine."""
    return int.from_bytes(hashlib.sha256(system.encode()).digest()[:8]) % (most + 1)


class Schedule(_Strict):
    """When every stream is due each day, in the project's time zone, at which hour (1 to 24) that day closes, and when it is sealed.

    ``streams`` holds, by stream or system, what is due otherwise. ``jitter_minutes`` is how far systems' slots lie apart at most. ``jp_business`` needs closed days: calendar.yaml, or ``closed``.
    """

    hour: int = Field(default=5, ge=0, le=23)
    minute: int = Field(default=0, ge=0, le=59)
    days: Days = "daily"
    close_hour: int = Field(default=24, ge=1, le=24)
    seal_hour: int = Field(default=1, ge=0, le=23)
    closed: Closed | None = None
    streams: dict[str, StreamSchedule] = {}
    jitter_minutes: int = Field(default=0, ge=0, le=55)

    def of(self, stream: str) -> StreamSchedule:
        """What holds for a stream: its own line, else its system's, else the project's; each time put off by the system's jitter.

        Schedules and calendar both ask here, so the slot that is due is the one that fires. An empty name is no system's: no jitter.
        """
        system = stream.split("/")[0]
        own = self.streams.get(stream) or self.streams.get(system)
        told = own or StreamSchedule(times=(f"{self.hour:02d}:{self.minute:02d}",), days=self.days)
        return told.model_copy(update={"times": tuple(self._put_off(at, system) for at in told.clock)}) if system else told

    def _put_off(self, at: time, system: str) -> str:
        minutes = at.hour * 60 + at.minute
        # Within the day: a slot at or after the closing hour would be due on no day.
        latest = max(self.close_hour * 60 - 1, minutes)
        moved = min(minutes + jitter(system, self.jitter_minutes), latest)
        return f"{moved // 60:02d}:{moved % 60:02d}"


class Maintenance(_Strict):
    """A maintenance window of a system or stream, in the project's time zone: its slots are excused, if this was on record before it began."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    of: str
    from_: datetime = Field(alias="from")
    until: datetime
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _forward(self) -> Maintenance:
        if (self.from_.tzinfo is None) != (self.until.tzinfo is None) or self.until <= self.from_:
            raise ValueError("until must lie after from, both with a time zone or both without")
        return self
