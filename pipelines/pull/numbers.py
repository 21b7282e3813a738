"""What a pull showed in numbers: volume, age, and what each column held. They are held to bands now, and teach them once the day is green."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from expectations.band_settings import Kind
from expectations.bands import ColumnNumbers, Numbers, column_numbers
from expectations.contract import Contract
from pipelines.evidence import plan
from pipelines.evidence.calendar import ClosedDays
from pipelines.landing.numbers import Kept
from pipelines.project import Project
from pipelines.pull.fetch import Fetched
from pipelines.pull.window import Reading

#: A pull so long ago or longer is the one of the day before: changes since then make a day's.
A_DAY = timedelta(hours=20)
#: Earlier pulls that are remembered; of those that lie closer together than the gap, one.
MARKS, GAP = 60, timedelta(minutes=30)
#: What a person accepts by saying that rows are truly gone: the table is another one now.
ACCEPTED_GONE: tuple[Kind, ...] = ("live", "changed", "nulls", "distinct", "range")
#: Reasons for reading everything under which rows that are new to us may be as they always were.
_OTHER_ROWS = ("first", "contract", "schema", "moved")


class Closed:
    """The days on which nobody works, where the project's pulls keep to those: no row is expected of them, and none grows older."""

    def __init__(self, timezone: str, closed: ClosedDays | None) -> None:
        self._zone, self._closed = ZoneInfo(timezone), closed

    def between(self, begin: datetime, end: datetime) -> int:
        """Closed civil days that lie whole or in part behind ``begin`` and up to ``end`` (aware). Days of years nobody froze are open."""
        if self._closed is None:
            return 0
        first, last = begin.astimezone(self._zone).date(), end.astimezone(self._zone).date()
        return sum(1 for n in range(1, (last - first).days + 1) if self._is_closed(first + timedelta(days=n)))

    def _is_closed(self, day: date) -> bool:
        assert self._closed is not None
        return day.year in self._closed.years and (day.weekday() >= 5 or day in self._closed.days)


def closed_of(project: Project) -> Closed:
    """The project's closed days, where its pulls keep to working days."""
    due = project.file.schedule
    return Closed(project.file.timezone, plan.closed_of(project) if due.days == "jp_business" else None)


def numbers_of(
    contract: Contract,
    fetched: Fetched,
    reading: Reading,
    earlier: Kept | None,
    *,
    pull_id: str,
    at: datetime,
    accepted: bool,
    asked: bool,
    closed: Closed,
) -> Kept:
    """The numbers of this pull. ``earlier`` are those of the last published one, ``accepted`` whether a person said that what is gone is gone;
    a window that was ``asked`` for says nothing of the stream as it goes on.
    """
    since = dict(earlier.numbers.since) if earlier else {}
    if accepted:
        since.update(dict.fromkeys(ACCEPTED_GONE, at))
    newest = _newest(contract, fetched, reading, earlier)
    numbers = Numbers(
        pull_id=pull_id,
        at=at,
        source=_source(contract),
        whole=reading.window.full,
        rows=fetched.profile.rows,
        live=fetched.live_after,
        freshness=_age(newest, at, closed),
        columns={} if asked else _columns(contract, fetched),
        since=since,
    )
    if asked:
        return Kept(numbers, earlier.taken if earlier else 0, earlier.marks if earlier else (), newest)
    if reading.why in _OTHER_ROWS or earlier is None:
        taken = earlier.taken if earlier else 0
        return Kept(numbers, taken, ((at, taken),), newest)
    taken = earlier.taken + fetched.changed
    changed = _a_day(taken, earlier.marks, at, closed)
    return Kept(replace(numbers, changed=changed), taken, _marks(earlier.marks, at, taken), newest)


def _a_day(taken: int, marks: tuple[tuple[datetime, int], ...], at: datetime, closed: Closed) -> float | None:
    """Changed rows a day since the last pull that is a day old; a day on which nobody works counts as none."""
    old = [mark for mark in marks if at - mark[0] >= A_DAY]
    if not old:
        return None
    then, count = old[-1]
    days = (at - then) / timedelta(days=1)
    shut = closed.between(then, at)
    return (taken - count) / (max(days - shut, 1.0) if shut else days)


def _marks(marks: tuple[tuple[datetime, int], ...], at: datetime, taken: int) -> tuple[tuple[datetime, int], ...]:
    """What the next pull will need: this one, those of the last day, and the newest one older than that."""
    old = [mark for mark in marks if at - mark[0] >= A_DAY][-1:]
    recent = [mark for mark in marks if at - mark[0] < A_DAY]
    if recent and at - recent[-1][0] < GAP and len(recent) > 1 and recent[-1][0] - recent[-2][0] < GAP:
        recent.pop()
    return (*old, *recent, (at, taken))[-MARKS:]


def _newest(contract: Contract, fetched: Fetched, reading: Reading, earlier: Kept | None) -> datetime | None:
    before = earlier.newest if earlier else None
    if contract.cursor is None:
        return None
    column = fetched.profile.columns.get(contract.cursor.field)
    high = column.high if column else None
    if isinstance(high, date) and not isinstance(high, datetime):
        high = datetime(high.year, high.month, high.day, tzinfo=UTC)
    if not isinstance(high, datetime):
        return before
    high = high if high.tzinfo else high.replace(tzinfo=UTC)
    return high if reading.window.full or before is None else max(before, high)


def _age(newest: datetime | None, at: datetime, closed: Closed) -> float | None:
    """Hours from the newest value to the pull, without the days on which nobody works."""
    if newest is None:
        return None
    hours = (at - newest) / timedelta(hours=1)
    return max(hours - 24 * closed.between(newest, at), 0.0)


def _columns(contract: Contract, fetched: Fetched) -> dict[str, ColumnNumbers]:
    found = fetched.profile.columns
    keys = {*contract.key, *((contract.cursor.field,) if contract.cursor else ())}
    numbers = {
        spec.name: column_numbers(_hash(spec.model_dump(mode="json", include={"type", "source", "fields"})), found[spec.name])
        for spec in contract.fields
        if spec.name in found
    }
    # What tells rows apart, and when they were saved, goes on for ever: only how many there are is a number to compare, and that is ``live``.
    return {name: replace(one, low=None, high=None, distinct=None) if name in keys else one for name, one in numbers.items()}


def _source(contract: Contract) -> str:
    """The fingerprint of where rows come from and what tells them apart, without what may change freely."""
    return _hash({"source": contract.address(), "key": contract.key, "cursor": contract.cursor.field if contract.cursor else None})


def _hash(value: Mapping[str, object]) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
