"""Which new field a missing one may have become, by the values that both hold in the same rows: proposed to people, never applied alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

#: Fewer rows with a value than this say nothing.
_LEAST = 3
#: So large a share of the values must be the same.
_SHARE = 0.6
#: What the second best may have at most of the best's share, or nobody knows which it is.
_CLEAR = 0.8


@dataclass(frozen=True)
class Proposal:
    """``old`` and ``new`` are source codes; of ``rows`` rows that held a value before, ``same`` hold the same one in the new field."""

    old: str
    new: str
    same: int
    rows: int


def propose(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> tuple[Proposal, ...]:
    """For each missing field (``before``: code to values by row key) the one new field (``now``, alike) that holds its values.

    Where values alone don't decide between two, the likeness of their codes does. One new field is proposed once, to whom it fits best.
    """
    found: list[Proposal] = []
    for old, values in before.items():
        held = {key: value for key, value in values.items() if value not in (None, "", [])}
        scored = sorted((_scored(old, held, new, at) for new, at in now.items()), key=lambda one: _rank(one), reverse=True)
        fitting = [one for one in scored if one.rows >= _LEAST and one.same >= _SHARE * one.rows]
        if fitting and (len(fitting) == 1 or _clear(fitting)):
            found.append(fitting[0])
    best: dict[str, Proposal] = {}
    for one in sorted(found, key=_rank, reverse=True):
        best.setdefault(one.new, one)
    return tuple(one for one in found if best[one.new] is one)


def _scored(old: str, held: Mapping[str, Any], new: str, values: Mapping[str, Any]) -> Proposal:
    both = [key for key in held if key in values]
    return Proposal(old, new, sum(held[key] == values[key] for key in both), len(both))


def _rank(one: Proposal) -> tuple[float, float]:
    return one.same / one.rows if one.rows else 0.0, SequenceMatcher(None, one.old, one.new).ratio()


def _clear(fitting: Sequence[Proposal]) -> bool:
    """Whether the first is clearly better than the second: by its values, or with the same values by its name."""
    (share, name), (other_share, other_name) = _rank(fitting[0]), _rank(fitting[1])
    return other_share < _CLEAR * share or (share == other_share and name - other_name > 0.2)
