"""What a value's text says beside the value, as sources of their own: ``Day@zone()``, ``Size@member()``. No attribute has such a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.soap.components import SimpleType
from connectors.soap.xmltree import local

if TYPE_CHECKING:
    from connectors.soap.plan import Cell

#: The zone as it was sent, null where there was none.
ZONE = "zone()"
#: The name of the member type of a union that the text fits.
MEMBER = "member()"
PARTS = frozenset({ZONE, MEMBER})
#: XML Schema part 2 §3.2.7 to §3.2.14: the types whose values may have a zone.
_ZONED = frozenset({"dateTime", "dateTimeStamp", "date", "time", "gYear", "gYearMonth", "gMonth", "gMonthDay", "gDay"})


def has_part(simple: SimpleType, part: str) -> bool:
    """Whether a text of this type can say such a thing."""
    return bool(simple.members) and simple.variety == "union" if part == MEMBER else not simple.members and simple.builtin in _ZONED


def member_names(simple: SimpleType) -> Mapping[str, str]:
    """What the members of a union are called, by their names in the contract: one without a name of its own by its built-in.

    Members that would be called alike are counted: ``int 1``, ``int 2``.
    """
    called = {one.name: one.builtin if "/" in local(one.name) else local(one.name) for one in simple.members}
    names = list(called.values())
    return {
        key: name if names.count(name) == 1 else f"{name} {names[: at + 1].count(name)}" for at, (key, name) in enumerate(called.items())
    }


def with_kept_zones(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The cells, where the zone of one stands in a column of its own told so: nothing is lost if it has no place in the value."""
    zoned = {one.column.source.removesuffix(f"@{ZONE}") for one in cells if one.part == ZONE}
    deeper = (replace(one, children=with_kept_zones(one.children)) if one.children else one for one in cells)
    return tuple(replace(one, keeps_zone=True) if one.column.source in zoned else one for one in deeper)
