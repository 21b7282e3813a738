"""What one person may do with one securable, by brute force from the raw grants: the answer of ``GetUserEffectivePermissions``.

It is the oracle, so it is written to be read, not to be fast: no closure is kept, nothing is flattened, and it shares no code with
anything that does either. It answers as SharePoint does: site admins pass every rule, a list's ReadSecurity and drafts are not looked at.

https://learn.microsoft.com/previous-versions/office/sharepoint-server/jj245870(v=office.15): the bits of a permission mask.
"""

from __future__ import annotations

from infra.sandbox.company.people import person
from infra.sandbox.sharepoint.world import FULL_CONTROL, ROLES, Entry, Listing, Principal, Site, World

VIEW_LIST_ITEMS, OPEN_ITEMS = 0x1, 0x20


def may_read(world: World, login: str, listing: Listing, entry: Entry) -> bool:
    """Whether the person sees the item in its list and may open it: one of the two alone shows no content."""
    _, low = permissions(world, login, listing.site, listing, entry)
    return bool(low & VIEW_LIST_ITEMS) and bool(low & OPEN_ITEMS)


def permissions(world: World, login: str, site: Site, listing: Listing | None = None, entry: Entry | None = None) -> tuple[int, int]:
    """High and Low mask of the person on an entry, on a list (no entry) or on the web (no list): every grant that reaches them, added up."""
    high, low = 0, 0
    for principal in site.principals.values():
        if principal.site_admin and _is(world, site, principal, login, ()):
            high, low = high | ROLES[FULL_CONTROL][2], low | ROLES[FULL_CONTROL][3]
    for number, roles in site.grants[_nearest_unique(site, listing, entry)].items():
        if _is(world, site, site.principals[number], login, ()):
            for role in roles:
                _, _, role_high, role_low = ROLES[role]
                high, low = high | role_high, low | role_low
    return high, low


def _nearest_unique(site: Site, listing: Listing | None, entry: Entry | None) -> str:
    """From the item upwards, folder by folder, then its list, then the web: the first with role assignments of its own."""
    if listing is None:
        return "web"
    while entry is not None and entry.kind != "root":
        if entry.guid in site.grants:
            return entry.guid
        entry = listing.entries[entry.parent]
    return listing.guid if listing.guid in site.grants else "web"


def _is(world: World, site: Site, principal: Principal, login: str, above: tuple[int, ...]) -> bool:
    """Whether the principal is, or somewhere inside it holds, the person. ``above``: the site groups walked through, as groups may circle."""
    if principal.kind == "user":
        return principal.key == login
    if principal.kind == "everyone":
        return True
    if principal.kind == "eeeu":
        return not person(login).guest
    if principal.kind == "entra":
        return _in_group(world, principal.key, login, ())
    if principal.number in above:
        return False
    return any(_is(world, site, site.principals[number], login, (*above, principal.number)) for number in principal.members)


def _in_group(world: World, code: str, login: str, above: tuple[str, ...]) -> bool:
    """Whether the Entra group holds the person, directly or through any group inside it. A group that is gone holds nobody."""
    if code in above or code not in world.groups:
        return False
    members, nested = world.groups[code]
    return login in members or any(_in_group(world, inner, login, (*above, code)) for inner in nested)
