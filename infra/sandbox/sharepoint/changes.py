"""A site collection's change log: one line a change, sixty days long. It is the only feed that tells of members of site groups.

https://learn.microsoft.com/previous-versions/office/sharepoint-csom/ee543793(v=office.15): the types of changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

ADD, UPDATE, DELETE, RENAME, MOVE_INTO, RESTORE = 1, 2, 3, 4, 6, 7
ASSIGNMENT_ADD, ASSIGNMENT_DELETE, MEMBER_ADD, MEMBER_DELETE, SCOPE_ADD, SCOPE_DELETE = 11, 12, 13, 14, 17, 18
RETENTION = timedelta(days=60)


@dataclass(frozen=True)
class Change:
    """``object``: Item, List, Web, Group, User or Field. ``where`` are the ids that name it, under the names REST has for them."""

    number: int
    at: datetime
    object: str
    what: int
    where: dict[str, str | int]


@dataclass
class ChangeLog:
    """Changes, the oldest first. ``number`` is that of the last one."""

    changes: list[Change] = field(default_factory=list[Change])
    number: int = 0

    def add(self, object_: str, what: int, at: datetime, where: dict[str, str | int]) -> None:
        self.number += 1
        self.changes.append(Change(self.number, at, object_, what, where))

    def since(self, number: int, now: datetime) -> list[Change]:
        """Changes after the one of this number, as far as they are still kept."""
        return [one for one in self.changes if one.number > number and one.at > now - RETENTION]

    def forget(self) -> None:
        """Begin anew: what happened so far stands in no log."""
        self.changes.clear()
