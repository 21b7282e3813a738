"""The oracle for access: asks about one person and one item at a time, from the raw grants, sharing no code with ``access.py``."""

from __future__ import annotations

from infra.sandbox.company.people import person
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World

_VIEW_AND_OPEN = {1073741829, 1073741830, 1073741827, 1073741826}


def may_read(world: World, login: str, listing: Listing, entry: Entry) -> bool:
    """Walk up from the item until role assignments are found, then see whether any of them reaches the person."""
    site = listing.site
    for someone in site.principals.values():
        if someone.site_admin and someone.kind == "user" and someone.key == login:
            return True
    here = entry
    while here.kind != "root":
        if here.guid in site.grants:
            return _any_grant_reaches(world, site, here.guid, login)
        here = listing.entries[here.parent]
    if listing.guid in site.grants:
        return _any_grant_reaches(world, site, listing.guid, login)
    return _any_grant_reaches(world, site, "web", login)


def _any_grant_reaches(world: World, site: Site, key: str, login: str) -> bool:
    for number, roles in site.grants[key].items():
        for role in roles:
            if role in _VIEW_AND_OPEN and _stands_for(world, site, number, login):
                return True
    return False


def _stands_for(world: World, site: Site, number: int, login: str) -> bool:
    principal = site.principals[number]
    if principal.kind == "site":
        return any(_stands_for(world, site, member, login) for member in principal.members)
    if principal.kind == "entra":
        return _in_group(world, principal.key, login, ())
    if principal.kind == "eeeu":
        return not person(login).guest
    return principal.key == login


def _in_group(world: World, code: str, login: str, above: tuple[str, ...]) -> bool:
    if code in above:
        return False
    members, nested = world.groups[code]
    return login in members or any(_in_group(world, inner, login, (*above, code)) for inner in nested)
