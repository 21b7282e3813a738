"""A row's key as one text: the same for a row that lands and for one that is held, or the old state of a held row would live on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

_canonical = msgspec.json.Encoder(order="sorted", decimal_format="string")


def key_text(values: Sequence[Any]) -> str:
    """The bare value for a single column, canonical JSON for several: decimals as their text, instants as ISO 8601.

    >>> key_text([7]), key_text(["A/1", 7])
    ('7', '["A/1",7]')
    """
    return str(values[0]) if len(values) == 1 else _canonical.encode(list(values)).decode()
