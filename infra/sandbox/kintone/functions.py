"""The time functions of the query language. Days, weeks and months are the caller's own, by the time zone of the user's settings."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from infra.sandbox.kintone.errors import KintoneError
from infra.sandbox.kintone.query import Function

Span = tuple[date, date]
#: The sandbox's own bound: a shift beyond it is "out of range" (GAIA_IL08), whatever the unit. Not measured on the service.
MAX_SHIFT = 3_000
_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_SHIFT = {"LAST": -1, "THIS": 0, "NEXT": 1}


def is_time_function(function: Function) -> bool:
    """Whether the function names a day or a span of days."""
    return function.name in ("TODAY", "YESTERDAY", "TOMORROW", "FROM_TODAY") or function.name.split("_")[0] in _SHIFT


def span(function: Function, now: datetime, zone: ZoneInfo) -> Span:
    """First day and the day after the last, in the caller's zone. Raises GAIA_IQ23 for arguments that mean nothing, GAIA_IL08 out of range."""
    today = now.astimezone(zone).date()
    name, arguments = function.name, function.arguments
    if name in ("TODAY", "YESTERDAY", "TOMORROW"):
        if arguments:
            raise KintoneError("GAIA_IQ23", {"name": name})
        day = today + timedelta(days={"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}[name])
        return day, day + timedelta(days=1)
    if name == "FROM_TODAY":
        day = _from_today(today, arguments)
        return day, day + timedelta(days=1)
    which, _, unit = name.partition("_")
    if which in _SHIFT and unit == "WEEK":
        return _week(today, _SHIFT[which], arguments)
    if which in _SHIFT and unit == "MONTH":
        return _month(today, _SHIFT[which], arguments)
    if which in _SHIFT and unit == "YEAR" and not arguments:
        year = today.year + _SHIFT[which]
        return date(year, 1, 1), date(year + 1, 1, 1)
    raise KintoneError("GAIA_IQ23", {"name": name})


def _from_today(today: date, arguments: tuple[str, ...]) -> date:
    if len(arguments) != 2 or not arguments[0].lstrip("-").isdigit():
        raise KintoneError("GAIA_IQ23", {"name": "FROM_TODAY"})
    count, unit = int(arguments[0]), arguments[1].upper()
    if abs(count) > MAX_SHIFT:
        raise KintoneError("GAIA_IL08", {"name": "FROM_TODAY"})
    if unit in ("DAYS", "WEEKS"):
        return today + timedelta(days=count * (7 if unit == "WEEKS" else 1))
    if unit in ("MONTHS", "YEARS"):
        first = _shift_month(today.replace(day=1), count * (12 if unit == "YEARS" else 1))
        return first.replace(day=min(today.day, calendar.monthrange(first.year, first.month)[1]))
    raise KintoneError("GAIA_IQ23", {"name": "FROM_TODAY"})


def _week(today: date, shift: int, arguments: tuple[str, ...]) -> Span:
    first = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=shift)
    if not arguments:
        return first, first + timedelta(days=7)
    if len(arguments) != 1 or arguments[0].upper() not in _DAYS:
        raise KintoneError("GAIA_IQ23", {"name": "WEEK"})
    day = first + timedelta(days=_DAYS.index(arguments[0].upper()))
    return day, day + timedelta(days=1)


def _month(today: date, shift: int, arguments: tuple[str, ...]) -> Span:
    first = _shift_month(today.replace(day=1), shift)
    after = _shift_month(first, 1)
    if not arguments:
        return first, after
    last = (after - timedelta(days=1)).day
    wanted = arguments[0].upper()
    if wanted.isdigit() and not 1 <= int(wanted) <= 31:
        raise KintoneError("GAIA_IL08", {"name": "MONTH"})
    if len(arguments) != 1 or not (wanted == "LAST" or wanted.isdigit()):
        raise KintoneError("GAIA_IQ23", {"name": "MONTH"})
    day = first.replace(day=last if wanted == "LAST" else min(int(wanted), last))
    return day, day + timedelta(days=1)


def _shift_month(first: date, count: int) -> date:
    number = first.year * 12 + first.month - 1 + count
    if not date.min.year <= number // 12 <= date.max.year:
        raise KintoneError("GAIA_IL08", {"name": "FROM_TODAY"})
    return date(number // 12, number % 12 + 1, 1)
