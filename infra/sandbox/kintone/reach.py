"""What an app's indexes of id and update time answer without a scan."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.sandbox.kintone.matching import parse_datetime
from infra.sandbox.kintone.query import Both, Condition, Literal, Predicate
from infra.sandbox.kintone.store import App

_FOREVER = 1 << 31


@dataclass(frozen=True)
class Reach:
    """What an index leaves of an app: ``ids[low:high]``, upwards, and the condition that is still to be tested."""

    ids: Sequence[int]
    low: int
    high: int
    rest: Condition | None


def reach(condition: Condition | None, app: App) -> Reach:
    """Use the indexes of id and update time, so that neither a seek nor a look at the last minutes costs a scan."""
    parts = condition.parts if isinstance(condition, Both) else (condition,)
    rest: list[Condition] = []
    bounds: list[tuple[str, int]] = []
    first, last = 0, _FOREVER
    for part in parts:
        if part is None:
            continue
        number = _plain_id(part)
        window = _saved_window(part, app)
        if number is not None and isinstance(part, Predicate):
            bounds.append((part.op, number))
        elif window is not None:
            first, last = max(first, window[0]), min(last, window[1])
        else:
            rest.append(part)
    ids = app.ids if (first, last) == (0, _FOREVER) else app.saved_between(first, last) if first <= last else ()
    low, high = 0, len(ids)
    for op, number in bounds:
        if op in (">", ">=", "="):
            low = max(low, bisect_right(ids, number) if op == ">" else bisect_left(ids, number))
        if op in ("<", "<=", "="):
            high = min(high, bisect_left(ids, number) if op == "<" else bisect_right(ids, number))
    return Reach(ids, low, max(low, high), None if not rest else rest[0] if len(rest) == 1 else Both(tuple(rest)))


def _saved_window(part: Condition, app: App) -> tuple[int, int] | None:
    """First and last minute (since 1970) that a condition on the update time allows."""
    if not isinstance(part, Predicate) or part.op not in (">=", ">", "<=", "<", "="):
        return None
    found = app.find(part.field)
    value = part.values[0]
    if found is None or found[0].type != "UPDATED_TIME" or not isinstance(value, Literal) or not value.text:
        return None
    at = int(datetime.fromisoformat(parse_datetime(value.text)).timestamp())
    floor, ceiling = at // 60, -(-at // 60)
    return {
        ">=": (ceiling, _FOREVER),
        ">": (floor + 1, _FOREVER),
        "<=": (0, floor),
        "<": (0, ceiling - 1),
        "=": (ceiling, floor),
    }[part.op]


def _plain_id(part: Condition) -> int | None:
    if isinstance(part, Predicate) and part.field == "$id" and part.op in ("=", "<", ">", "<=", ">="):
        value = part.values[0]
        if isinstance(value, Literal) and re.fullmatch(r"-?\d+", value.text):
            return int(value.text)
    return None
