"""A row's key as one text: the same for a row that lands and for one that is held, or the old state of a held row would live on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from connectors.errors import BrokenReply

_canonical = msgspec.json.Encoder(order="sorted", decimal_format="string")


def key_text(values: Sequence[Any]) -> str:
    """The bare value for a single column, canonical JSON for several: decimals as their text, instants as ISO 8601.

    Raises BrokenReply for a single column that is null: whatever text stood for it could be another row's key.

    >>> key_text([7]), key_text(["A/1", 7])
    ('7', '["A/1",7]')
    """
    if len(values) != 1:
        return _canonical.encode([exact(one) for one in values]).decode()
    if values[0] is None:
        raise BrokenReply("source.key_missing")
    return str(values[0])


def exact(value: Any) -> Any:
    """The value with what JSON has no word for (NaN, infinities), at any depth, as an object that no other value of its type can be: its
    writer makes null of all three.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list):
        return [exact(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: exact(one) for name, one in cast("dict[str, Any]", value).items()}
    return value
