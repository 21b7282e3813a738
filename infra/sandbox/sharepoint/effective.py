"""What one person may do with one securable, by brute force from the raw grants: the answer of ``GetUserEffectivePermissions``.

``may_find`` goes on from there to what people see: items of others in a list that shows only one's own, drafts, files never checked in.

It is the oracle, so it is written to be read, not to be fast: no closure is kept, nothing is flattened, and it shares no code with
anything that does either. It answers as SharePoint does: site admins pass every rule, a list's ReadSecurity and drafts are not looked at.

https://learn.microsoft.com/previous-versions/office/sharepoint-server/jj245870(v=office.15): the bits of a permission mask.
"""

from __future__ import annotations

from infra.sandbox.company.people import person
from infra.sandbox.sharepoint.world import FULL_CONTROL, ROLES, Entry, Listing, Principal, Site, World

VIEW_LIST_ITEMS, EDIT_ITEMS, OPEN_ITEMS = 0x1, 0x4, 0x20


def may_read(world: World, login: str, listing: Listing, entry: Entry) -> bool:
    """Whether the person sees the item in its list and may open it: one of the two alone shows no content."""
    _, low = permissions(world, login, listing.site, listing, entry)
    return bool(low & VIEW_LIST_ITEMS) and bool(low & OPEN_ITEMS)


def may_find(world: World, login: str, listing: Listing, entry: Entry) -> bool:
    """Whether the item, which the person may read by every grant, is shown to them at all."""
    if not may_read(world, login, listing, entry):
        return False
    if entry.checked_out:
        return entry.checked_out == login
    if entry.level == "draft" and not permissions(world, login, listing.site, listing, entry)[1] & EDIT_ITEMS:
        return False
    admin = any(one.site_admin and _is(world, listing.site, one, login, ()) for one in listing.site.principals.values())
    return listing.read_security == 1 or entry.author == login or admin


def permissions(world: World, login: str, site: Site, listing: Listing | None = None, entry: Entry | None = None) -> tuple[int, int]:
    """High and Low mask of the person on an entry, on a list (no entry) or on the web (no list): every grant that reaches them, added up."""
    high, low = 0, 0
    if login in world.gone:
        return high, low
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
        return world.guests_hold_everyone or not person(login).guest
    if principal.kind == "eeeu":
        return not person(login).guest
    if principal.kind == "m365-owners":
        return login in world.owners.get(principal.key, ())
    if principal.kind in ("entra", "m365"):
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
