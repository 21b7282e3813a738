"""What people do with rights: share, unshare, grant, revoke, break and restore inheritance, fill and empty site groups.

Each does to the feeds what SharePoint does: a change of rights on an item puts it into its delta without a new eTag, one on a list its
root, one on the web the roots of the lists that inherit from it; who is in a site group no delta tells, only the change log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from infra.sandbox.company.people import stable_id
from infra.sandbox.sharepoint.changes import ASSIGNMENT_ADD, ASSIGNMENT_DELETE, DELETE, MEMBER_ADD, MEMBER_DELETE, SCOPE_ADD, SCOPE_DELETE
from infra.sandbox.sharepoint.principals import OWNERS, ensured, user
from infra.sandbox.sharepoint.world import CONTRIBUTE, FULL_CONTROL, LIMITED_ACCESS, READ, Entry, Link, Listing, Principal, Site, World

_NAMES = {"organization": "Organization", "anonymous": "Anonymous"}
SCOPES = ("anonymous", "organization", "users", "existingAccess")


@dataclass(frozen=True)
class Place:
    """A securable: an entry, a list (no entry), or the site's web (no list)."""

    site: Site
    listing: Listing | None = None
    entry: Entry | None = None

    @property
    def key(self) -> str:
        """Its key in the site's grants."""
        return self.entry.guid if self.entry else self.listing.guid if self.listing else "web"

    @property
    def unique(self) -> bool:
        return self.key in self.site.grants

    def above(self) -> Iterator[str]:
        """Keys of what it may inherit from, the nearest first."""
        if self.listing is None:
            return
        entry = self.entry
        while entry is not None and entry.kind != "root":
            entry = self.listing.entries[entry.parent]
            if entry.kind != "root":
                yield entry.guid
        if self.entry is not None:
            yield self.listing.guid
        yield "web"


def at_entry(listing: Listing, entry: Entry) -> Place:
    return Place(listing.site, listing, entry)


def break_inheritance(world: World, place: Place, at: datetime, *, copy: bool = True) -> None:
    """Rights of its own from now on: those it inherited, or only the site's owners. ValueError when it has its own already."""
    if place.unique:
        raise ValueError("this has rights of its own already")
    inherited = place.site.grants[next(key for key in place.above() if key in place.site.grants)]
    place.site.grants[place.key] = {n: set(roles) for n, roles in inherited.items()} if copy else {OWNERS: {FULL_CONTROL}}
    _tell(world, place, SCOPE_ADD, at)


def restore_inheritance(world: World, place: Place, at: datetime) -> None:
    """Its own rights are gone, its links with them; it inherits again. ValueError for what inherits, and for the web."""
    if not place.unique or place.listing is None:
        raise ValueError("this has no rights of its own to give up")
    del place.site.grants[place.key]
    if place.entry is not None:
        for link in place.entry.links:
            _close(place.site, link)
        place.entry.links = []
    _tell(world, place, SCOPE_DELETE, at)


def grant(world: World, place: Place, principal: Principal, at: datetime, role: int = READ, *, told: bool = True) -> None:
    """One more role, inheritance broken first if need be. ``told``: whether the feed hears of it."""
    if not place.unique:
        break_inheritance(world, place, at)
    place.site.grants[place.key].setdefault(principal.number, set()).add(role)
    _limit(place, principal)
    _tell(world, place, ASSIGNMENT_ADD, at, told=told)


def revoke(world: World, place: Place, principal: Principal, at: datetime, *, told: bool = True) -> None:
    """The principal's own grant on that place goes, inheritance broken first if need be; what reaches them by another way stays."""
    if not place.unique:
        break_inheritance(world, place, at)
    place.site.grants[place.key].pop(principal.number, None)
    _tell(world, place, ASSIGNMENT_DELETE, at, told=told)


def share(
    world: World, place: Place, at: datetime, scope: str, kind: str = "view", logins: Iterable[str] = (), expires: datetime | None = None
) -> Link:
    """A sharing link. ``logins`` are named in a link for certain users. A link breaks inheritance; one for those who have access does not."""
    entry = place.entry
    if entry is None or scope not in SCOPES or kind not in ("view", "edit"):
        raise ValueError(f"a link is on an item, its scope one of {', '.join(SCOPES)}, its type view or edit")
    if expires is not None and expires <= at:
        raise ValueError("a link cannot have expired before it is made")
    code = stable_id("link", f"{entry.guid}:{scope}:{kind}:{world.next_position}")
    share_id = f"u!{code.replace('-', '')}"
    if scope == "existingAccess":
        link = Link(share_id, scope, kind, 0, expires)
    else:
        name = f"{_NAMES[scope]}{kind.title()}" if scope in _NAMES else "Flexible"
        title = f"SharingLinks.{entry.guid}.{name}.{code}"
        hidden = ensured(place.site, "site", title, title)
        hidden.members = [user(place.site, login).number for login in logins]
        if not place.unique:
            break_inheritance(world, place, at)
        place.site.grants[place.key][hidden.number] = {READ if kind == "view" else CONTRIBUTE}
        _limit(place, hidden)
        link = Link(share_id, scope, kind, hidden.number, expires)
        _tell(world, place, ASSIGNMENT_ADD, at)
    entry.links.append(link)
    if expires is not None:
        assert place.listing is not None
        world.expiring.append((expires, place.listing, entry, link))
    return link


def unshare(world: World, place: Place, link: Link, at: datetime) -> None:
    """A link is taken away, and access with it for whoever had it by the link; the item keeps rights of its own."""
    assert place.entry is not None
    place.entry.links.remove(link)
    if link.group:
        _close(place.site, link)
        for grants in (place.site.grants, place.site.recycled):
            grants.get(place.key, {}).pop(link.group, None)
        _tell(world, place, ASSIGNMENT_DELETE, at)


def expire_links(world: World, now: datetime) -> None:
    """Take away the links whose time has come."""
    for due in [one for one in world.expiring if one[0] <= now]:
        world.expiring.remove(due)
        at, listing, entry, link = due
        if link in entry.links:
            unshare(world, at_entry(listing, entry), link, at)


def redeem(place: Place, link: Link, login: str, at: datetime) -> None:
    """A person opens a link and is in its hidden group from then on; only the change log hears of it."""
    if not link.group:
        raise ValueError("a link for those who have access already is not redeemed")
    site_group(place.site, place.site.principals[link.group], at, add=[user(place.site, login)])


def site_group(site: Site, group: Principal, at: datetime, *, add: Iterable[Principal] = (), remove: Iterable[Principal] = ()) -> None:
    """Members of a SharePoint group come and go."""
    for one in add:
        if one.number not in group.members:
            group.members.append(one.number)
            site.log.add("Group", MEMBER_ADD, at, {"GroupId": group.number})
    for one in remove:
        if one.number in group.members:
            group.members.remove(one.number)
            site.log.add("Group", MEMBER_DELETE, at, {"GroupId": group.number})


def remove_user(site: Site, login: str, at: datetime) -> None:
    """Somebody is taken off the site: out of its groups and grants at once. The log names the person, and no group."""
    gone = user(site, login)
    for one in site.principals.values():
        one.members[:] = [number for number in one.members if number != gone.number]
    for grants in site.grants.values():
        grants.pop(gone.number, None)
    del site.principals[gone.number]
    site.log.add("User", DELETE, at, {"UserId": gone.number})


def _close(site: Site, link: Link) -> None:
    """The hidden group of a link is deleted."""
    site.principals.pop(link.group, None)
    for role in site.grants.values():
        role.pop(link.group, None)


def _limit(place: Place, principal: Principal) -> None:
    """What SharePoint adds above a lone grant so that people can reach it: a binding that opens no content."""
    for key in place.above():
        if key in place.site.grants:
            place.site.grants[key].setdefault(principal.number, set()).add(LIMITED_ACCESS)


def _tell(world: World, place: Place, what: int, at: datetime, *, told: bool = True) -> None:
    site, listing, entry = place.site, place.listing, place.entry
    where: dict[str, str | int] = {"WebId": site.web}
    if listing is not None:
        where["ListId"] = listing.guid
    if entry is not None:
        where |= {"ItemId": entry.number, "UniqueId": entry.guid}
    site.log.add("Item" if entry else "List" if listing else "Web", what, at, where)
    # What lies in the recycle bin has been told as deleted, and is told no more.
    if not told or (entry is not None and entry.deleted):
        return
    if listing is not None:
        world.sharing_changed(listing, entry or listing.root, at)
        return
    for one in site.lists:
        if one.guid not in site.grants:
            world.sharing_changed(one, one.root, at)
