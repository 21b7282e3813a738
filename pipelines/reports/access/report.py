"""The access report as one value: every figure's answer, and what it was answered from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.reports.access.figures import Limits, Measured


@dataclass(frozen=True)
class StreamRead:
    """One stream as the report saw it: the number of its published record, when its rights were read (aware UTC)."""

    stream: str
    published: int
    read_at: datetime


@dataclass(frozen=True)
class Report:
    """The whole report. ``first_scan`` is when grants were first scanned: of what stood then nobody knows the age. ``views`` is the SQL that
    the figures' queries read from, by name; ``tables`` the folder or address below which each figure's own table lies; ``roster_at`` is when
    memberships were last read on their own (aware UTC), None where they never were."""

    project: str
    environment: str
    timezone: str
    system: str
    made_at: datetime
    limits: Limits
    top: int
    streams: tuple[StreamRead, ...]
    first_scan: datetime | None
    figures: tuple[Measured, ...]
    views: tuple[tuple[str, str], ...]
    tables: str
    roster_at: datetime | None = None

    def figure(self, code: str) -> Measured:
        return next(one for one in self.figures if one.code == code)
