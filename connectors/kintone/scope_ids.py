"""How a scope of records is named, and what its name says when it comes back: rule, conditions, and the persons in the record's fields.

``kintone:<app>:<rule>@<digest>`` is the scope of all records that a rule decides alike. Where the rule names its readers by fields of the
record, the codes in those fields follow: ``…?user=sato,suzuki&org=eigyo``, one part for each field in the rule's order, codes sorted,
reserved characters percent-encoded. So the name alone is enough to find the readers again under the rules and the directory of a later
day. A long name is packed (``?z=…``); one that stays too long, or a record that hides its field, gives a name that resolves to nobody.

Where rights of fields name persons by fields of the record, what stands in those follows behind ``#``, each under its own code:
``…@<digest>#担当者.user=sato``. It says nothing of who reads the record; the scopes of its restricted columns are made of it.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from connectors.kintone.rights import FieldOf

#: Names above this length are packed; packed ones above ``LONGEST`` are given up.
PLAIN, LONGEST = 200, 2_000
#: What a packed name may hold when unpacked: every id of ours is far below.
_UNPACKED = 200_000
HIDDEN, TOO_MANY = "!hidden", "!too-many"
REASONS = {
    HIDDEN: "the record does not show the field that names its readers",
    TOO_MANY: "the record names more persons than a scope can carry",
}
_RESERVED = re.compile(r"[%,&=?!#\s]")

Fields = Sequence[tuple[str, FieldOf]]
Values = Mapping[str, Sequence[str]]


def with_columns(row: str, fields: Fields, values: Values) -> str:
    """The scope ``row`` of a record, with what its restricted columns' scopes are made of: the codes in ``fields``.

    A field missing from ``values`` is left out; whose scope needs it is nobody's.
    """
    parts = (f"{_clean(code)}.{of}={_codes(values[code])}" for code, of in fields if code in values)
    return f"{row}#{_short('&'.join(parts), len(row))}" if fields else row


def split_columns(id: str) -> tuple[str, str]:
    """The scope of a record without and with what its columns' scopes are made of."""
    row, _, columns = id.partition("#")
    return row, columns


def column_values(rest: str) -> dict[tuple[str, str], tuple[str, ...]] | None:
    """The codes by field and kind that ``with_columns`` was given; None where the name is not of its making."""
    text = _opened(rest)
    if text is None:
        return None
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for part in text.split("&") if text else ():
        name, equals, codes = part.partition("=")
        code, dot, kind = name.rpartition(".")
        if not equals or not dot:
            return None
        found[unquote(code), kind] = _listed(codes)
    return found


def row_scope(base: str, fields: Fields, values: Values) -> str:
    """The scope of a record with these ``values`` (codes by field code), under the rule's plain scope ``base``.

    A field missing from ``values`` is one that the record does not show. The same set of codes gives the same name.
    """
    parts: list[str] = []
    for code, of in fields:
        found = values.get(code)
        if found is None:
            return f"{base}?{HIDDEN}"
        parts.append(f"{of}={_codes(found)}")
    return f"{base}?{_short('&'.join(parts), len(base))}"


def split(id: str) -> tuple[str, str]:
    """The plain scope and what stands behind it: empty for a scope that no record's values made."""
    base, _, rest = id.partition("?")
    return base, rest


def values_of(rest: str, fields: Fields) -> dict[str, tuple[str, ...]] | None:
    """The codes by field that ``row_scope`` was given; None where the name does not fit these fields."""
    text = _opened(rest)
    if text is None:
        return None
    parts = text.split("&")
    if len(parts) != len(fields):
        return None
    found: dict[str, tuple[str, ...]] = {}
    for part, (code, of) in zip(parts, fields, strict=True):
        kind, equals, codes = part.partition("=")
        if kind != of or not equals:
            return None
        found[code] = _listed(codes)
    return found


def _short(text: str, before: int) -> str:
    """The text as it is where the name stays readable, else packed, else given up. ``before`` is the length of what stands before it."""
    if before + 1 + len(text) <= PLAIN:
        return text
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode("ascii").rstrip("=")
    return f"z={packed}" if before + 3 + len(packed) <= LONGEST else TOO_MANY


def _opened(rest: str) -> str | None:
    return _unpacked(rest[2:]) if rest.startswith("z=") else rest


def _codes(found: Sequence[str]) -> str:
    return ",".join(_clean(one) for one in sorted(set(found)))


def _listed(codes: str) -> tuple[str, ...]:
    return tuple(unquote(one) for one in codes.split(",") if one)


def _clean(code: str) -> str:
    return _RESERVED.sub(lambda found: quote(found[0], safe=""), code)


def _unpacked(packed: str) -> str | None:
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        opened = zlib.decompressobj()
        text = opened.decompress(raw, _UNPACKED)
        return text.decode() if opened.eof else None
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None
