"""What a role assignment lets its holder do: permission levels, their masks, and which of them open content.

https://learn.microsoft.com/previous-versions/office/sharepoint-server/jj245870(v=office.15): the bits of a permission mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

#: RoleTypeKind of Limited Access and its web-only sibling: they let people pass through and grant no content.
PASSING = frozenset({1, 9})
#: Built-in levels that read (reader, contributor, designer, administrator, editor, reviewer); others are judged by their mask.
_READING = frozenset({2, 3, 4, 5, 6, 7})
#: BasePermissions: ViewListItems and OpenItems.
VIEW_AND_OPEN = 0x1 | 0x20


@dataclass(frozen=True)
class Level:
    """One permission level of an assignment. ``low`` is the mask's low word, None where the answer held none."""

    name: str
    kind: int | None
    low: int | None


@dataclass(frozen=True)
class Assignment:
    """Who (``member``, as SharePoint REST describes principals) holds which levels; ``levels`` is None where the answer left them out."""

    member: Mapping[str, Any] | None
    levels: tuple[Level, ...] | None

    @property
    def role(self) -> str:
        return ", ".join(level.name for level in self.levels or ())


def assignment(row: Mapping[str, Any]) -> Assignment:
    """A role assignment as office365-rest-python-client gives it, member and bindings expanded."""
    member, bindings = row.get("Member"), row.get("RoleDefinitionBindings")
    return Assignment(
        None if member is None else cast("Mapping[str, Any]", member.properties),
        None if bindings is None else tuple(_level(cast("Mapping[str, Any]", one.properties)) for one in bindings),
    )


def reads(levels: Sequence[Level], demand: int = 0) -> bool | None:
    """Whether any of the levels opens content and holds the bits of ``demand``; None where one cannot be judged and no other does.

    The library gives a mask that came without its low word as zero: it then reads nothing, which errs towards fewer readers.
    """
    unknown = False
    for level in levels:
        if level.kind in PASSING:
            continue
        # A built-in level reads whatever its mask says; what more is demanded only a mask can show.
        if not demand and level.kind in _READING:
            return True
        if level.low is None:
            unknown = True
        elif level.low & (VIEW_AND_OPEN | demand) == VIEW_AND_OPEN | demand:
            return True
    return None if unknown else False


def _level(binding: Mapping[str, Any]) -> Level:
    mask = binding.get("BasePermissions")
    kind = binding.get("RoleTypeKind")
    return Level(str(binding.get("Name") or ""), None if kind is None else int(kind), None if mask is None else int(mask.Low))
