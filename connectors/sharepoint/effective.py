"""What SharePoint itself says a person may do with an item, asked item by item: the second opinion that our tables are held to.

Source: SharePoint REST, ``GetUserEffectivePermissions``. It counts every grant that reaches the person; it does not know of a list's
ReadSecurity, of drafts, and of links that nobody opened yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast
from urllib.parse import quote

from connectors.errors import BrokenReply
from connectors.sharepoint.batch import read_many
from connectors.sharepoint.client import Api, Json, Tenant, parsed, refusal
from connectors.sharepoint.config import Kind
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.places import Place
from connectors.sharepoint.roles import VIEW_AND_OPEN

#: Graph's id of a list item by the id of its drive item.
_IDS = "$select=id,sharepointIds"


def may_read(tenant: Tenant, directory: Directory, place: Place, pairs: Sequence[tuple[str, str]], kind: Kind) -> Iterator[bool | None]:
    """See ``Confirms.may_read``: one answer for each (principal, row key), in order; None where nothing can be said.

    A key is a drive item's id in a library, a list item's number in a list, and a list item's GUID among pages.
    """
    rest = tenant.rest
    logins = {person.principal: person.upn for person in directory.people}
    numbers = {key: key for _, key in pairs}
    if kind == "library":
        numbers = _list_items(tenant.graph, place, set(numbers))
    elif kind == "pages":
        numbers = _pages(rest, place) if rest is not None else {}
    for principal, key in pairs:
        login, number = logins.get(principal), numbers.get(key if kind != "pages" else key.strip("{}").lower())
        yield None if rest is None or login is None or number is None else _asked(rest, place, number, login)


def _list_items(graph: Api, place: Place, keys: set[str]) -> dict[str, str]:
    """Drive items' numbers in the list behind their library; those that are not there any more are left out."""
    urls = {f"drives/{place.id}/items/{quote(key, safe='!')}?{_IDS}": key for key in sorted(keys)}
    found: dict[str, str] = {}
    for url, reply in read_many(graph, urls):
        if reply.status_code == 404:
            continue
        if reply.status_code >= 400:
            raise refusal(reply)
        ids: Json = parsed(reply).get("sharepointIds") or {}
        if ids.get("listItemId"):
            found[urls[url]] = str(ids["listItemId"])
    return found


def _pages(rest: Api, place: Place) -> dict[str, str]:
    """The number of each page by its GUID. A site has few pages, and no filter finds one by it below the view threshold."""
    url = f"{place.site.path}/_api/web/lists(guid'{place.list_id}')/items".lstrip("/")
    rows = rest.values(url, params={"$select": "Id,UniqueId", "$top": "1000"})
    return {str(row.get("UniqueId", "")).strip("{}").lower(): str(row["Id"]) for row in rows}


def _asked(rest: Api, place: Place, number: str, login: str) -> bool | None:
    site, claim = place.site.path.lstrip("/"), f"i:0#.f|membership|{login}"
    url = f"{site}/_api/web/lists(guid'{place.list_id}')/items({int(number)})/GetUserEffectivePermissions(@u)".lstrip("/")
    reply = rest.transport.send("GET", url, params={"@u": f"'{claim.replace(chr(39), chr(39) * 2)}'"})
    if reply.status_code == 404:
        return None  # the item is gone, or the person was never at this site
    if reply.status_code >= 400:
        raise refusal(reply)
    low = parsed(reply).get("Low")
    try:
        mask = int(cast("Any", low))
    except (TypeError, ValueError) as error:
        raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what="effective permissions without a mask") from error
    return mask & VIEW_AND_OPEN == VIEW_AND_OPEN
