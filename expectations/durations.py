"""Spans of time as contracts and project files write them."""

from __future__ import annotations

import re
from datetime import timedelta

_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds (``P1D``, ``PT5M``). Raises ValueError for anything else.

    >>> duration("P90D").days
    90
    """
    found = _ISO.fullmatch(text)
    if not found or not any(found.groups()):
        raise ValueError(f"{text!r} is no duration of days, hours, minutes and seconds (P90D and PT5M are)")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
