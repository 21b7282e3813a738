"""``GetChanges`` of SharePoint REST on a site, a web or a list: queries, tokens, pages and how far back the log goes.

https://learn.microsoft.com/previous-versions/office/sharepoint-csom/ee537784(v=office.15): what a ChangeQuery asks for.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.sandbox.sharepoint.answers import stamp
from infra.sandbox.sharepoint.changes import (
    ADD,
    ASSIGNMENT_ADD,
    ASSIGNMENT_DELETE,
    DELETE,
    MEMBER_ADD,
    MEMBER_DELETE,
    MOVE_INTO,
    RENAME,
    RESTORE,
    RETENTION,
    SCOPE_ADD,
    SCOPE_DELETE,
    UPDATE,
    Change,
)
from infra.sandbox.sharepoint.rest_answers import Asked, Collection, RestError
from infra.sandbox.sharepoint.world import Listing

#: Changes of one answer; whoever got so many asks again with the last one's token.
MOST = 1000
_OBJECTS = ("Item", "List", "Web", "Group", "User", "Field")
#: Inheritance that is broken or restored comes with the role assignments: no flag of a query names it.
_TYPES = {
    "Add": (ADD,),
    "Update": (UPDATE,),
    "DeleteObject": (DELETE,),
    "Rename": (RENAME,),
    "Move": (MOVE_INTO,),
    "Restore": (RESTORE,),
    "RoleAssignmentAdd": (ASSIGNMENT_ADD, SCOPE_ADD),
    "RoleAssignmentDelete": (ASSIGNMENT_DELETE, SCOPE_DELETE),
    "GroupMembershipAdd": (MEMBER_ADD,),
    "GroupMembershipDelete": (MEMBER_DELETE,),
}
_SITE, _WEB, _LIST = 1, 2, 3
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Changes(Asked):
    """The change log of one site, as asked for on the site, its web or one of its lists."""

    def get(self, level: str, listing: Listing | None, now: datetime) -> Collection:
        """The next changes after ``ChangeTokenStart`` that the query names. RestError for a token that is foreign, or older than the log."""
        query = self._query()
        objects = {name for name in _OBJECTS if query.get(name) is True}
        kinds = {kind for name, those in _TYPES.items() if query.get(name) is True for kind in those}
        start, end = (self._number(level, listing, query.get(name), now) for name in ("ChangeTokenStart", "ChangeTokenEnd"))
        most = min(int(query.get("FetchLimit") or MOST), MOST)
        wanted = [
            one
            for one in self._site.log.since(start or 0, now)
            if one.object in objects
            and one.what in kinds
            and (end is None or one.number <= end)
            and (listing is None or one.where.get("ListId") == listing.guid)
        ]
        return Collection(self._change(level, listing, one) for one in wanted[:most])

    def current(self, level: str, listing: Listing | None, now: datetime) -> dict[str, Any]:
        """The token that stands for now."""
        return self._token(level, listing, now, self._site.log.number)

    def _query(self) -> dict[str, Any]:
        if self._ask.method != "POST":
            raise RestError(405, "-1, Microsoft.SharePoint.Client.ClientServiceException", "The HTTP method 'GET' cannot be used here.")
        try:
            query = json.loads(self._ask.body)["query"]
            if not isinstance(query, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise RestError(
                400, "-1, Microsoft.SharePoint.Client.InvalidClientQueryException", "The query is missing or malformed."
            ) from None
        return query

    def _change(self, level: str, listing: Listing | None, one: Change) -> dict[str, Any]:
        return {
            "__metadata": {"type": f"SP.Change{one.object}"},
            "ChangeToken": self._token(level, listing, one.at, one.number),
            "ChangeType": one.what,
            "SiteId": self._site.collection,
            "Time": stamp(one.at),
            **one.where,
        }

    def _scope(self, level: str, listing: Listing | None) -> tuple[int, str]:
        if listing is not None:
            return _LIST, listing.guid
        return (_SITE, self._site.collection) if level == "site" else (_WEB, self._site.web)

    def _token(self, level: str, listing: Listing | None, at: datetime, number: int) -> dict[str, Any]:
        scope, guid = self._scope(level, listing)
        ticks = (at - _EPOCH) // _TICK * 10
        return {"__metadata": {"type": "SP.ChangeToken"}, "StringValue": f"1;{scope};{guid};{ticks};{number}"}

    def _number(self, level: str, listing: Listing | None, given: Any, now: datetime) -> int | None:
        """The number of the change a token stands for; None without a token."""
        if given is None:
            return None
        try:
            version, scope, guid, ticks, number = str(given["StringValue"]).split(";")
            at = _EPOCH + int(ticks) // 10 * _TICK
            named = (version, int(scope), guid.lower(), int(number))
        except (ValueError, KeyError, TypeError, OverflowError):
            raise RestError(400, "-2147024809, System.ArgumentException", "The change token cannot be read.") from None
        if named[:3] != ("1", *self._scope(level, listing)) or named[3] > self._site.log.number:
            raise RestError(500, "-2147024809, System.ArgumentException", "The changeToken refers to another object than the one asked.")
        if at < now - RETENTION:
            message = "The changeToken refers to a time before the start of the current change log."
            raise RestError(500, "-1, Microsoft.SharePoint.SPException", message)
        return named[3]
