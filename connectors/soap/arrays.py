"""Arrays of SOAP encoding and what they say of themselves: how many items they hold (SOAP 1.1 §5.4.2, SOAP 1.2 part 2 §3.1.6), and which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from connectors.soap.raw import Presence, RawRow

_ENC_11, _ENC_12 = "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2003/05/soap-encoding"
ENCODINGS = frozenset({_ENC_11, _ENC_12})
_ARRAY_TYPE, _OFFSET, _ARRAY_SIZE = f"{_ENC_11}}}arrayType", f"{_ENC_11}}}offset", f"{_ENC_12}}}arraySize"
#: An item's attribute that says which place it has: an array whose items need that is not sent whole.
POSITION = f"{_ENC_11}}}position"
_SIZE = re.compile(r"\[\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*\]\s*")
_SIZE_12 = re.compile(r"\s*[0-9]{1,9}(?:\s+[0-9]{1,9})*\s*")
_ORIGIN = re.compile(r"\s*\[\s*0+(?:\s*,\s*0+)*\s*\]\s*")


@dataclass
class ArraySaid:
    """What an array that is being read says: its ``count``, None where it says none, and whether it is ``partial``.

    ``before`` is how many rows had come when it began.
    """

    count: int | None
    partial: bool
    before: int = 0

    @classmethod
    def of(cls, attributes: Mapping[str, str], before: int = 0) -> ArraySaid:
        offset = attributes.get(_OFFSET)
        return cls(stated_count(attributes), offset is not None and not _ORIGIN.fullmatch(offset), before)

    def hold(self, row: RawRow, slot: int) -> None:
        """Say at the slot of a row's list that it is another one than the array said; nothing where that came twice or is as it said."""
        held = row[slot] if isinstance(row[slot], list) else []
        if row[slot] is not Presence.TWICE and (self.partial or self.count not in (None, len(held))):
            row[slot] = Presence.PARTIAL if self.partial else Presence.COUNT


def stated_count(attributes: Mapping[str, str]) -> int | None:
    """How many items an array says that it holds, by its attributes; None where it does not say.

    >>> stated_count({"http://schemas.xmlsoap.org/soap/encoding/}arrayType": "t:line[2,3]"})
    6
    """
    kind, size = attributes.get(_ARRAY_TYPE), attributes.get(_ARRAY_SIZE)
    if kind is not None:
        # The last brackets are the array's own; those before them belong to its items' type.
        found = _SIZE.fullmatch(kind[kind.rfind("[") :]) if "[" in kind else None
        return prod(int(one) for one in found.group(1).split(",")) if found else None
    if size is not None and _SIZE_12.fullmatch(size):
        return prod(int(one) for one in size.split())
    return None
