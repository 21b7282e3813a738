"""Bands: what a stream's own green days showed of each number, and so what is to be expected of the next. Pure; the numbers are handed in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from expectations.band_settings import Bands, Kind, Severity, as_bound
from expectations.literal import as_float
from expectations.sketch import ERROR

#: Green days that teach at most, and how many there have to be before a band exists; from ``SETTLED`` on one odd day no longer counts.
MOST, LEAST, SETTLED = 28, 7, 14
#: Rows that a pull has to have read before shares of them mean anything.
ENOUGH = 20
#: Kinds of which only too much is news; kinds that a table has, and those that a column has.
UPPER: tuple[Kind, ...] = ("freshness", "nulls")
OF_TABLE: tuple[Kind, ...] = ("live", "changed", "freshness")
OF_COLUMN: tuple[Kind, ...] = ("nulls", "distinct", "range")


@dataclass(frozen=True)
class ColumnNumbers:
    """Of one column of one pull: ``shape`` is the fingerprint of what the contract says of it, ``low`` and ``high`` are plain numbers
    (instants and dates as seconds since 1970), ``exact`` whether ``distinct`` was counted and not estimated.
    """

    shape: str
    nulls: int = 0
    distinct: int | None = None
    exact: bool = True
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Numbers:
    """What one pull showed, beside its published record.

    ``whole``: everything was read, so that columns speak of the table and not of its changes. ``source`` is the fingerprint of where the
    rows come from and what tells them apart. ``changed`` are changed rows a day since the pull of a day before, ``freshness`` the age of
    the newest cursor value in hours; None where nobody can say. ``since`` says of kinds when a person last accepted what happened to them:
    what was before teaches nothing.
    """

    pull_id: str
    at: datetime
    source: str
    whole: bool
    rows: int
    live: int
    changed: float | None = None
    freshness: float | None = None
    columns: Mapping[str, ColumnNumbers] = field(default_factory=dict[str, ColumnNumbers])
    since: Mapping[Kind, datetime] = field(default_factory=dict[Kind, datetime])


@dataclass(frozen=True)
class Taught:
    """The numbers of a pull that may teach, and the civil day it stands for."""

    day: date
    numbers: Numbers


@dataclass(frozen=True)
class Band:
    """What a number should be. ``low`` and ``high`` may be open. ``days`` is how many green days taught it, ``seen`` from where to where they
    went; 0 and None where a person fixed it. ``observed`` is held to ``low`` and ``upper`` to ``high``: the same number, or the ends of a range.
    """

    kind: Kind
    column: str
    low: float | None
    high: float | None
    days: int
    seen: tuple[float, float] | None
    severity: Severity
    observed: float
    upper: float


def learned(values: Sequence[float], floor: float) -> tuple[float, float]:
    """The band that values teach: from the lowest to the highest, and the same width again on either side (twice, while days are few).

    A value that stands alone far outside is left out once there are ``SETTLED``. The room on a side is never narrower than ``floor``.
    """
    inside = sorted(values)
    if len(inside) >= SETTLED:
        inside = _without_odd(inside, floor)
    room = max((inside[-1] - inside[0]) * (1 if len(values) >= SETTLED else 2), floor)
    return inside[0] - room, inside[-1] + room


def _without_odd(values: list[float], floor: float) -> list[float]:
    """Without the lowest and the highest, each where its distance from the next is more than three times what the others spread."""
    kept = list(values)
    spread = max(values[-2] - values[1], floor)
    if values[-1] - values[-2] > 3 * spread:
        kept.pop()
    if values[1] - values[0] > 3 * spread:
        kept.pop(0)
    return kept


def floor_of(kind: Kind, middle: float, numbers: Numbers, column: str) -> float:
    """The least room beside what green days showed, around their median ``middle``; in the kind's own unit."""
    match kind:
        case "live":
            return max(5.0, 0.1 * abs(middle))
        case "changed":
            return max(10.0, 0.5 * abs(middle), 6 * math.sqrt(abs(middle)))
        case "freshness":
            # Less than a day: a source that falls silent grows older by one each day, and must not teach its way out.
            return 12.0
        case "nulls":
            share = min(max(middle, 1 / numbers.rows), 1 - 1 / numbers.rows)
            # What chance alone does to a share of so few rows.
            return max(0.02, 5 * math.sqrt(share * (1 - share) / numbers.rows))
        case "distinct":
            exact = numbers.columns[column].exact
            return max(5.0, 0.1 * abs(middle), 0.0 if exact else 3 * ERROR * abs(middle))
        case "range":
            return 0.5 * abs(middle)


def bands_of(settings: Bands, numbers: Numbers, history: Sequence[Taught], temporal: Mapping[str, bool]) -> tuple[Band, ...]:
    """Every band there is for the numbers of a pull, in a fixed order.

    ``history`` are the pulls of green days, at most one for a day; which of them teach a band is said by ``teachers``. ``temporal`` names
    the columns of dates and instants.
    """
    found: list[Band] = []
    for kind, column in asked(numbers):
        setting = settings.of(kind, column)
        if setting is None:
            continue
        ends = _ends(numbers, kind, column)
        if ends is None:
            continue
        past = [one for taught in teachers(settings, numbers, history, kind, column) if (one := _ends(taught.numbers, kind, column))]
        low, high = _sides(kind, column, numbers, past, temporal.get(column, False)) if len(past) >= LEAST else (None, None)
        fixed = as_bound(setting.min), as_bound(setting.max)
        days = len(past) if len(past) >= LEAST else 0
        seen = (min(one[0] for one in past), max(one[1] for one in past)) if days else None
        low, high = (low if fixed[0] is None else fixed[0]), (high if fixed[1] is None else fixed[1])
        if low is not None or high is not None:
            found.append(Band(kind, column, low, high, days, seen, setting.severity, *ends))
    return tuple(found)


def asked(numbers: Numbers) -> Iterator[tuple[Kind, str]]:
    """Each number that may have a band: the kind, and the column where it is one of a column."""
    for kind in OF_TABLE:
        yield kind, ""
    for column in numbers.columns:
        for kind in OF_COLUMN:
            yield kind, column


def teachers(settings: Bands, numbers: Numbers, history: Sequence[Taught], kind: Kind, column: str) -> tuple[Taught, ...]:
    """The green days that teach a band, newest last: the last ``MOST`` under the same promise, since a person last said what is right.

    Columns are only compared between pulls that read the same: everything, or only the changes.
    """
    kept: list[Taught] = []
    for taught in sorted(history, key=lambda one: one.numbers.at, reverse=True):
        past = taught.numbers
        if past.pull_id == numbers.pull_id or past.source != numbers.source:
            continue
        if (settings.since is not None and taught.day < settings.since) or past.at < numbers.since.get(kind, past.at):
            break
        comparable = not column or (
            past.whole is numbers.whole
            and column in past.columns
            and column in numbers.columns
            and past.columns[column].shape == numbers.columns[column].shape
        )
        if comparable and _ends(past, kind, column) is not None:
            kept.append(taught)
        if len(kept) == MOST:
            break
    return tuple(reversed(kept))


def _ends(numbers: Numbers, kind: Kind, column: str) -> tuple[float, float] | None:
    """The number of a kind, twice, or the two ends of a range; None where this pull has none."""
    if kind in OF_TABLE:
        one: float | None = getattr(numbers, kind)
        return None if one is None else (float(one), float(one))
    found = numbers.columns.get(column)
    if found is None or numbers.rows < ENOUGH:
        return None
    if kind == "nulls":
        share = found.nulls / numbers.rows
        return share, share
    if kind == "distinct":
        return None if found.distinct is None or not numbers.whole else (float(found.distinct), float(found.distinct))
    return None if found.low is None or found.high is None else (found.low, found.high)


def _sides(
    kind: Kind, column: str, numbers: Numbers, past: Sequence[tuple[float, float]], temporal: bool
) -> tuple[float | None, float | None]:
    """The learned band, cut to what the kind can be."""
    lows, highs = [one[0] for one in past], [one[1] for one in past]
    if kind != "range":
        low, high = learned(lows, floor_of(kind, statistics.median(lows), numbers, column))
        return (None if kind in UPPER else max(low, 0.0)), (min(high, 1.0) if kind == "nulls" else high)
    # A number's own size says how far the next may lie; a date's distance from 1970 says nothing: a month.
    reach = 30 * 86_400.0 if temporal else max(abs(statistics.median(lows)), abs(statistics.median(highs)))
    floor = reach if temporal else floor_of(kind, reach, numbers, column)
    low, high = learned(lows, floor)[0], learned(highs, floor)[1]
    # What was never below zero stays so.
    return (0.0 if not temporal and min(lows) >= 0 > low else low), high


def outside(band: Band) -> bool:
    """Whether the number lies outside; Great Expectations is asked the same."""
    return (band.low is not None and band.observed < band.low) or (band.high is not None and band.upper > band.high)


def column_numbers(shape: str, profile: Any) -> ColumnNumbers:
    """The numbers of a column's profile (``profile.ColumnProfile``)."""
    distinct = profile.distinct
    return ColumnNumbers(
        shape=shape,
        nulls=profile.nulls,
        distinct=None if distinct is None else distinct.count,
        exact=distinct is None or distinct.exact,
        low=as_float(profile.low),
        high=as_float(profile.high),
    )
