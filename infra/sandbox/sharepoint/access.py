"""Who may read, the quick way: each scope flattened to logins over a closure of all groups. ``naive.py`` checks it from the other side."""

from __future__ import annotations

from infra.sandbox.company.people import PEOPLE
from infra.sandbox.sharepoint.world import LIMITED_ACCESS, ROLES, Entry, Listing, Principal, Site, World, scope_of

STAFF = frozenset(person.login for person in PEOPLE if not person.guest)


def entra_closure(world: World) -> dict[str, frozenset[str]]:
    """Group code → logins of everybody in it, nested groups followed to a fixed point."""
    flat = {code: set(members) for code, (members, _) in world.groups.items()}
    grew = True
    while grew:
        grew = False
        for code, (_, nested) in world.groups.items():
            before = len(flat[code])
            for inner in nested:
                flat[code] |= flat[inner]
            grew = grew or len(flat[code]) > before
    return {code: frozenset(logins) for code, logins in flat.items()}


def logins_of(site: Site, principal: Principal, closure: dict[str, frozenset[str]]) -> frozenset[str]:
    """Everybody a principal of the site stands for."""
    if principal.kind == "user":
        return frozenset({principal.key})
    if principal.kind == "entra":
        return closure[principal.key]
    if principal.kind == "eeeu":
        return STAFF
    return frozenset().union(*(logins_of(site, site.principals[number], closure) for number in principal.members))


def roles_by_login(world: World, site: Site, scope: str) -> dict[str, set[int]]:
    """Login → role ids at a scope; site admins hold full control whatever the scope says."""
    closure = entra_closure(world)
    found: dict[str, set[int]] = {}
    for number, roles in site.grants[scope].items():
        for login in logins_of(site, site.principals[number], closure):
            found.setdefault(login, set()).update(roles)
    for principal in site.principals.values():
        if principal.site_admin:
            found.setdefault(principal.key, set()).update(ROLES)
    return found


def readers(world: World, listing: Listing, entry: Entry | None) -> frozenset[str]:
    """Logins that may open the entry."""
    roles = roles_by_login(world, listing.site, scope_of(listing, entry))
    return frozenset(login for login, held in roles.items() if held - {LIMITED_ACCESS})


def mask(world: World, site: Site, scope: str, login: str) -> tuple[int, int]:
    """High and low words of a login's effective permissions at a scope."""
    high = low = 0
    for role in roles_by_login(world, site, scope).get(login, ()):
        high |= ROLES[role][2]
        low |= ROLES[role][3]
    return high, low
