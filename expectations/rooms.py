"""A number between bounds, and the room it has to each of them."""

from __future__ import annotations

from math import isfinite

#: A number, the bounds that it is to lie between, and whether each is one that it may not touch. None is no number, and lies nowhere.
Bounded = tuple[float | None, float | None, float | None, bool, bool]
#: Above it not every whole number is a floating-point number.
_EXACT = 2**53


def rooms(number: Bounded) -> list[tuple[float, bool]]:
    """The room a number has to each of its bounds, and whether there must be some; nothing where it has none, or none that can be told.

    Of finite numbers in floating point, the difference has the sign that their comparison says.
    """
    value, low, high, strict_min, strict_max = number
    if value is None or not all(bound is None or _plain(bound) for bound in (low, high)):
        return []
    found = [(value - low, strict_min)] if low is not None else []
    found += [(high - value, strict_max)] if high is not None else []
    return found if all(isfinite(room) and (room > 0 or (room == 0 and not strict)) for room, strict in found) else []


def _plain(bound: object) -> bool:
    return isinstance(bound, float) or (isinstance(bound, int) and abs(bound) <= _EXACT)
