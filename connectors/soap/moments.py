"""Days, instants and lengths of time from their texts (XML Schema part 2 §3.2.6 to §3.2.10, XML Schema 1.1 part 2 §3.4.26 to §3.4.28)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

import pyarrow as pa

from connectors.soap.rules import Rules, Unfit

OFFSET = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
#: The zone at the end of a text that has the form of its type; no such text without a zone ends like this.
ZONE_LAST = re.compile(r"(Z|[+-]\d\d:\d\d)$", re.ASCII)
_DAY = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?P<zone>{OFFSET})?")
_MONTH = re.compile(rf"([0-9]{{4}}-[0-9]{{2}})(?P<zone>{OFFSET})?")
_DATE_TIME = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})T(\d{{2}}:\d{{2}}:\d{{2}})(?:\.(\d+))?(?P<zone>{OFFSET})?", re.ASCII)
_DAY_TIME = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def day(text: str, builtin: str, rules: Rules) -> date:
    """A date, or a month as its first day. Raises Unfit for a zone that says more than the declared one, ValueError for what is no date."""
    found = (_MONTH if builtin == "gYearMonth" else _DAY).fullmatch(text)
    if found is None:
        raise ValueError(text)
    made = date.fromisoformat(found.group(1) + ("-01" if builtin == "gYearMonth" else ""))
    if zone := found.group("zone"):
        _settle(
            zone, datetime.combine(made, time()), text, rules, "value.zone (a date with a zone that is not source.timezone's on that day)"
        )
    return made


def instant(text: str, kind: pa.TimestampType, builtin: str, rules: Rules) -> datetime:
    """A dateTime as an instant, or as the time on the clock where the column has no zone. Raises Unfit, and ValueError for what is none."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    on, clock, fraction, zone = found.group(1, 2, 3, "zone")
    later = timedelta(0)
    if clock == "24:00:00":
        if (fraction or "0").strip("0"):
            raise ValueError(text)
        clock, later = "00:00:00", timedelta(days=1)
    moment = datetime.fromisoformat(f"{on}T{clock}.{(fraction or '0')[:6]:<06}") + later
    if fraction and fraction[6:].strip("0"):
        _finer(text, rules)
    # XML Schema 1.1 part 2 §3.4.28: what a dateTimeStamp must have is its zone.
    if not zone and builtin == "dateTimeStamp":
        raise Unfit("value.zone (no zone in an xsd:dateTimeStamp)", text)
    if kind.tz is None:
        if zone:
            _settle(zone, moment, text, rules, "value.zone (a zone in a column without one)")
        return moment
    if zone:
        return moment.replace(tzinfo=_offset(zone)).astimezone(UTC)
    if rules.timezone is None:
        raise Unfit("value.zone (no zone, and source.timezone is not declared)", text)
    return moment.replace(tzinfo=ZoneInfo(rules.timezone)).astimezone(UTC)


def microseconds(text: str, rules: Rules) -> int:
    """A duration of days and less, as microseconds: years and months have no length that is always the same."""
    found = _DAY_TIME.fullmatch(text)
    if found is None or not any(found.group(*range(2, 6))):
        raise ValueError(text)
    days, hours, minutes = (int(part or 0) for part in found.group(2, 3, 4))
    exact = (Decimal(days * 86400 + hours * 3600 + minutes * 60) + Decimal(found.group(5) or 0)) * 1_000_000
    if exact >= 2**63:
        raise Unfit("value.range (does not fit int64)", text)
    if exact != exact.to_integral_value():
        _finer(text, rules)
    return -int(exact) if found.group(1) else int(exact)


def _finer(text: str, rules: Rules) -> None:
    if rules.finer != "truncate":
        raise Unfit("value.inexact (finer than a microsecond, and source.finer is not truncate)", text)
    rules.note("value.truncated", fact=True)


def _settle(zone: str, moment: datetime, text: str, rules: Rules, why: str) -> None:
    """Whether a zone may be left out: where the declared one has the same offset then, where it is kept elsewhere, or where it may be lost."""
    if rules.zone == "kept" or (rules.timezone is not None and _offset(zone).utcoffset(None) in _offsets(moment, rules.timezone)):
        return
    if rules.zone != "drop":
        raise Unfit(why, text)
    rules.note("value.zone_dropped", fact=True)


def _offsets(moment: datetime, name: str) -> set[timedelta | None]:
    """The offsets that a time on the clock may have: two where the clock is put back then."""
    return {moment.replace(tzinfo=ZoneInfo(name), fold=fold).utcoffset() for fold in (0, 1)}


def _offset(zone: str) -> tzinfo:
    return cast(tzinfo, datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo)
