"""How a scope of records is named, and what its name says when it comes back: rule, conditions, and the persons in the record's fields.

``kintone:<app>:<rule>@<digest>`` is the scope of all records that a rule decides alike. Where the rule names its readers by fields of the
record, the codes in those fields follow: ``…?user=sato,suzuki&org=eigyo``, one part for each field in the rule's order, codes sorted,
reserved characters percent-encoded. So the name alone is enough to find the readers again under the rules and the directory of a later
day. A long name is packed (``?z=…``); one that stays too long, or a record that hides its field, gives a name that resolves to nobody.
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
_RESERVED = re.compile(r"[%,&=?!\s]")

Fields = Sequence[tuple[str, FieldOf]]
Values = Mapping[str, Sequence[str]]


def row_scope(base: str, fields: Fields, values: Values) -> str:
    """The scope of a record with these ``values`` (codes by field code), under the rule's plain scope ``base``.

    A field missing from ``values`` is one that the record does not show. The same set of codes gives the same name.
    """
    parts: list[str] = []
    for code, of in fields:
        found = values.get(code)
        if found is None:
            return f"{base}?{HIDDEN}"
        parts.append(f"{of}={','.join(_clean(one) for one in sorted(set(found)))}")
    text = "&".join(parts)
    if len(base) + 1 + len(text) <= PLAIN:
        return f"{base}?{text}"
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode("ascii").rstrip("=")
    return f"{base}?z={packed}" if len(base) + 3 + len(packed) <= LONGEST else f"{base}?{TOO_MANY}"


def split(id: str) -> tuple[str, str]:
    """The plain scope and what stands behind it: empty for a scope that no record's values made."""
    base, _, rest = id.partition("?")
    return base, rest


def values_of(rest: str, fields: Fields) -> dict[str, tuple[str, ...]] | None:
    """The codes by field that ``row_scope`` was given; None where the name does not fit these fields."""
    text = _unpacked(rest[2:]) if rest.startswith("z=") else rest
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
        found[code] = tuple(unquote(one) for one in codes.split(",") if one)
    return found


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
