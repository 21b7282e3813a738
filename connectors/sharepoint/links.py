"""Sharing links: what role assignments tell only by a hidden group's name, from Graph's permissions of the few items that hold one.

A link makes nothing findable, so no reader comes from here; whom it lets in once they hold its address is for people to know.
Source: Microsoft Graph v1.0, permission. Its ``inheritedFrom`` is not looked at: it comes whole, empty or not at all from one tenant to the
next, and only items with role assignments of their own are asked. Share ids and addresses end here; a digest tells one link from another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from connectors.access import Grant, Link
from connectors.sharepoint.batch import read_many
from connectors.sharepoint.client import Api, Json, parsed, refusal
from connectors.sharepoint.decode import instant
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.places import Site
from connectors.sharepoint.scopes import Securable

#: What Graph gives as the day on which a link without an end ends.
_NEVER = "0001-01-01T00:00:00Z"
#: Links that open something; one for those who have access already does not.
_OPENING = ("anonymous", "organization", "users")


def read_links(graph: Api, site: Site, objects: Mapping[str, Securable], grants: Sequence[Grant], directory: Directory) -> list[Grant]:
    """``grants`` with what Graph says of each link in the place of what its hidden group's name says, where Graph says it.

    Raises what ``Api.response`` raises; an item that is gone, or whose permissions Graph refuses, keeps what the name told.
    """
    urls: dict[str, str] = {}
    for scope in dict.fromkeys(grant.at for grant in grants if grant.via == "link"):
        one = objects.get(scope)
        if one is not None and one.item is not None:
            urls[f"sites/{site.id}/lists/{one.list_id}/items/{one.item}/driveItem/permissions"] = scope
    told: dict[str, list[Grant]] = {}
    for url, reply in read_many(graph, urls):
        if (rows := _permissions(graph, reply)) is not None:
            told[urls[url]] = [grant for row in rows for grant in _grants(urls[url], row, directory)]
    found = [grant for grant in grants if not (grant.via == "link" and any(_same(grant, one) for one in told.get(grant.at, ())))]
    return found + [grant for each in told.values() for grant in each]


def _permissions(graph: Api, reply: httpx.Response) -> list[Json] | None:
    if reply.status_code in (403, 404):
        return None
    if reply.status_code >= 400:
        raise refusal(reply)
    return list(graph.listed(parsed(reply)))


def _grants(scope: str, row: Json, directory: Directory) -> Iterator[Grant]:
    """A permission that is a link, and each identity it names or was redeemed by."""
    facet: Json = row.get("link") or {}
    if facet.get("scope") not in _OPENING:
        return
    ends = row.get("expirationDateTime")
    link = Link(
        str(facet["scope"]),
        str(facet.get("type") or ""),
        hashlib.sha256(str(row.get("shareId") or row.get("id") or "").encode()).hexdigest(),
        None if ends in (None, "", _NEVER) else instant(str(ends)),
        bool(row.get("hasPassword")),
    )
    role = ", ".join(map(str, row.get("roles") or ()))
    yield Grant(scope, "", "link", role, "link", False, link=link)
    for identity in row.get("grantedToIdentitiesV2") or ():
        yield _reached(scope, identity, role, link, directory)


def _reached(scope: str, identity: Mapping[str, Any], role: str, link: Link, directory: Directory) -> Grant:
    user: Json = identity.get("user") or {}
    on_site: Json = identity.get("siteUser") or {}
    login, title = (
        str(on_site.get("loginName") or user.get("email") or ""),
        str(user.get("displayName") or on_site.get("displayName") or ""),
    )
    known = directory.by_login(login.rpartition("|")[2]) or directory.by_id(str(user.get("id") or ""))
    return Grant(scope, known or "", "user" if known else "orphan", role, "link", False, login, title, link)


def _same(by_name: Grant, told: Grant) -> bool:
    """Whether a link known by its hidden group's name is one that Graph told of."""
    name, full = by_name.link, told.link
    if name is None or full is None or by_name.kind != "link":
        return False
    return name.scope in ("", full.scope) and name.type in ("", full.type)
