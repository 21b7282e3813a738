"""Calls counted per app and day, and the limits they are held to: Cybozu counts 10,000 (Standard) or 100,000 (Wide) a day.

The day begins at 09:00 in Japan, which is midnight UTC (cybozu.dev, "Limits"). Above the quota nothing fails at first: the store
administrator gets mail, and Cybozu may interrupt heavy users. So the stop is ours.
"""

from __future__ import annotations

import fcntl
import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.messages import told
from connectors.shared_state import put

_JAPAN = ZoneInfo("Asia/Tokyo")
_log = logging.getLogger("fortnight.kintone")
_Hour = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class OfficeHours(BaseModel):
    """Hours of Japan, Monday to Friday, in which people work in the app: at most ``share`` of the day's calls are made in them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: _Hour = Field(default="09:00", alias="from")
    end: _Hour = Field(default="18:00", alias="to")
    share: float = Field(default=0.5, gt=0, le=1)

    def hold(self, now: datetime) -> bool:
        there = now.astimezone(_JAPAN)
        return there.weekday() < 5 and time.fromisoformat(self.start) <= there.time() < time.fromisoformat(self.end)


class BudgetPolicy(BaseModel):
    """Calls a day for each app. From ``planned`` on it is said aloud; at ``hard`` no further call is made. Shares of ``daily``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily: int = Field(default=10_000, ge=1)
    planned: float = Field(default=0.5, gt=0, le=1)
    hard: float = Field(default=0.9, gt=0, le=1)
    office_hours: OfficeHours | None = OfficeHours()

    @property
    def limit(self) -> int:
        return int(self.daily * self.hard)


@dataclass(frozen=True)
class Spent:
    """Calls of one app: in the day that began at 09:00 of ``day`` in Japan, and of those in office hours."""

    day: str = ""
    used: Annotated[int, msgspec.Meta(ge=0)] = 0
    office: Annotated[int, msgspec.Meta(ge=0)] = 0


class Budget:
    """The calls of one domain, counted in memory, and in a file for each app where a folder is given: processes share it.

    ``now`` is always the domain's own clock, None before its first reply: then nothing can be said of the day, and nothing is refused.
    """

    def __init__(self, policy: BudgetPolicy, host: str, folder: Path | None) -> None:
        """Raises FixConfiguration when the folder can't be made."""
        self.policy, self._host, self._folder = policy, host, folder
        self._spent: dict[str, Spent] = {}
        #: Calls that were admitted and not answered yet, by app.
        self._open: dict[str, int] = {}
        self._gate = threading.Lock()
        self._said: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FixConfiguration("kintone.budget_folder", path=folder, reason=error.strerror or "") from error

    def admit(self, app: str, now: datetime | None) -> None:
        """Raises SourceUnavailable when the app's calls of today, or of the office hours, are used up."""
        if now is None:
            return
        spent, under_way = self.spent(app, now), self._open.get(app, 0)
        if spent.used + under_way >= self.policy.limit:
            reset = resets(now)
            raise SourceUnavailable(
                "kintone.budget_spent",
                retry_after=(reset - now).total_seconds(),
                host=self._host,
                app=app,
                used=spent.used,
                limit=self.policy.limit,
                daily=self.policy.daily,
                reset=reset.astimezone(_JAPAN).strftime("%Y-%m-%d %H:%M"),
            )
        hours = self.policy.office_hours
        if hours is not None and hours.hold(now) and spent.office + under_way >= int(self.policy.daily * hours.share):
            there = now.astimezone(_JAPAN)
            end = datetime.combine(there.date(), time.fromisoformat(hours.end), _JAPAN)
            raise SourceUnavailable(
                "kintone.budget_office",
                retry_after=(end - there).total_seconds(),
                host=self._host,
                app=app,
                used=spent.office,
                limit=int(self.policy.daily * hours.share),
                start=hours.start,
                end=hours.end,
            )

    @contextmanager
    def call(self, app: str | None, now: datetime | None) -> Generator[Call]:
        """Admission for one call of the app (None: a call that is free), which takes a place of the day until it is answered.

        Raises SourceUnavailable as ``admit`` does.
        """
        call = Call(self, app)
        if app is not None:
            with self._gate:
                self.admit(app, now)
                self._open[app] = self._open.get(app, 0) + 1
            call.waits = True
        try:
            yield call
        finally:
            call.done()

    def answered(self, app: str) -> None:
        """A call that was admitted takes no place any more."""
        with self._gate:
            self._open[app] -= 1

    def doubtful(self, app: str) -> bool:
        """Whether the calls were used up when they were last counted: then the day must be known before another one is made."""
        with self._lock, self._file(app) as file:
            last = self._read(app, file)
        hours = self.policy.office_hours
        return last.used >= self.policy.limit or (hours is not None and last.office >= int(self.policy.daily * hours.share))

    def count(self, app: str, now: datetime | None) -> None:
        """One more call of the app was answered."""
        if now is None:
            return
        office = self.policy.office_hours is not None and self.policy.office_hours.hold(now)
        with self._lock, self._file(app) as file:
            before = self._on(now, self._read(app, file))
            after = replace(before, used=before.used + 1, office=before.office + office)
            self._spent[app] = after
            if file is not None:
                _write(file, after)
        planned = int(self.policy.daily * self.policy.planned)
        if after.used > planned and (app, after.day) not in self._said:
            self._said.add((app, after.day))
            _log.warning(
                "%s", told("kintone.budget_planned", host=self._host, app=app, used=after.used, planned=planned, limit=self.policy.limit)
            )

    def spent(self, app: str, now: datetime) -> Spent:
        """What of today is used."""
        with self._lock, self._file(app) as file:
            return self._on(now, self._read(app, file))

    def _on(self, now: datetime, spent: Spent) -> Spent:
        today = now.astimezone(UTC).date()
        # Clocks of one domain differ by seconds: at nine a reply may still be of yesterday, and must not begin the count anew.
        tomorrow = (today + timedelta(days=1)).isoformat()
        return spent if spent.day in (today.isoformat(), tomorrow) else Spent(today.isoformat())

    def _read(self, app: str, file: Path | None) -> Spent:
        if file is None:
            return self._spent.get(app, Spent())
        try:
            return msgspec.json.decode(file.read_bytes(), type=Spent)
        except FileNotFoundError:
            return Spent()
        except (OSError, msgspec.MsgspecError) as error:
            raise FixConfiguration("kintone.budget_folder", path=file, reason="not a count of calls") from error

    @contextmanager
    def _file(self, app: str) -> Generator[Path | None]:
        """The app's file, no other process near it meanwhile; None where calls are counted in memory."""
        if self._folder is None:
            yield None
            return
        stem = re.sub(r"[^\w.-]", "_", f"kintone-{self._host}-{app}", flags=re.ASCII)
        lock = self._folder / f"{stem}.lock"
        try:
            gate = lock.open("w")
        except OSError as error:
            raise FixConfiguration("kintone.budget_folder", path=lock, reason=error.strerror or "") from error
        with gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield self._folder / f"{stem}.json"


class Call:
    """One call under way. ``waits``: admitted, and not answered yet."""

    def __init__(self, budget: Budget, app: str | None) -> None:
        self._budget, self._app = budget, app
        self.waits = False

    def counted(self, now: datetime | None, *, again: bool) -> None:
        """An answer came and is counted; ``again``: it is no good and the call is to be made once more. Raises SourceUnavailable."""
        if self._app is None:
            return
        self._budget.count(self._app, now)
        self.done()
        if again:
            self._budget.admit(self._app, now)

    def done(self) -> None:
        if self.waits and self._app is not None:
            self._budget.answered(self._app)
        self.waits = False


def resets(now: datetime) -> datetime:
    """When the count of calls begins anew: the next 09:00 in Japan."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def _write(file: Path, spent: Spent) -> None:
    try:
        put(file, msgspec.json.encode(spent))
    except OSError as error:
        raise FixConfiguration("kintone.budget_folder", path=file, reason=error.strerror or "") from error
