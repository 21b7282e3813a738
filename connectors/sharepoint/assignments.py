"""One pass over the role assignments of a site's scopes, its groups' members and its administrators: who reads, and every grant behind it.

Grants only ever add up, so a grant known to reach nobody is left out of a scope; one that cannot be understood makes it unresolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from connectors.access import Grant, GrantKind, Link, Member, Scope, principal
from connectors.errors import AddressUnknown
from connectors.readings import Readings
from connectors.sharepoint import office
from connectors.sharepoint.claims import read_claim, sharing_link
from connectors.sharepoint.client import Api, Json
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.places import Site
from connectors.sharepoint.roles import Assignment, assignment, reads
from connectors.sharepoint.scopes import Securable
from connectors.sharepoint.site_users import object_ids

if TYPE_CHECKING:
    from office365.sharepoint.permissions.roles.assignments.collection import RoleAssignmentCollection
    from office365.sharepoint.permissions.securable_object import SecurableObject
    from office365.sharepoint.principal.users.collection import UserCollection
    from office365.sharepoint.webs.web import Web


@dataclass
class _Found:
    """Principals that read, and what could not be understood."""

    principals: set[str] = field(default_factory=set[str])
    troubles: set[str] = field(default_factory=set[str])


@dataclass(frozen=True)
class _Named:
    """What one member of an assignment or group stands for: principals of ours (none, where it stands for nobody), and what it is."""

    principals: frozenset[str]
    kind: GrantKind
    trouble: str = ""
    link: Link | None = None


class Assignments:
    """Each object's role assignments and each site group's members are asked for once; what belongs to the whole site, once a run."""

    def __init__(self, system: str, rest: Api, site: Site, directory: Directory, readings: Readings) -> None:
        self._system = system
        self._rest = rest
        self._site = site
        self._directory = directory
        self._readings = readings
        self._members: dict[str, _Found] = {}
        self._assigned: dict[tuple[str, int | None], tuple[Assignment, ...]] = {}
        self.grants: list[Grant] = []
        self.names: dict[str, str] = {}

    def scope(self, id: str, securable: Securable) -> Scope:
        found = self._readers(id, securable)
        troubles = found.troubles | self._admins.troubles
        if troubles:
            return Scope(id, securable.title, (), False, "; ".join(sorted(troubles)), securable.parent, securable.level)
        readers = found.principals if securable.author is None else self._author(securable.author, found.principals)
        who = tuple(sorted(readers | self._admins.principals))
        return Scope(id, securable.title, who, parent=securable.parent, level=securable.level)

    def group(self, number: str) -> str:
        """Put a site group's members among the directory's edges; what could not be read of it comes back, empty when all could."""
        return "; ".join(sorted(self._group(number, principal("spgroup", self._site.collection, number)).troubles))

    def _readers(self, id: str, securable: Securable) -> _Found:
        place = (securable.list_id, securable.item)
        found = _Found()
        first = place not in self._assigned
        if first:
            try:
                self._assigned[place] = self._assignments(securable)
            except AddressUnknown:
                if securable.item is None:
                    raise
                # Deleted since it was listed: that says nothing about its list, and its feed tells of it.
                found.troubles.add("the item is gone")
                return found
        for one in self._assigned[place]:
            if one.member is None or one.levels is None:
                found.troubles.add("a role assignment without member or bindings")
                continue
            opens = reads(one.levels)
            verdict = reads(one.levels, securable.demand) if opens else opens
            if verdict is None:
                found.troubles.add("a permission level without a readable mask")
            named = self._named(one.member, follow=bool(verdict))
            if verdict:
                found.principals |= named.principals
                found.troubles |= {named.trouble} if named.trouble else set()
            if first:
                # A narrower scope of the same object (its drafts, one author's items) has the same grants.
                self._note(id.partition("/")[0], one.member, named, one.role, via="direct", opens=bool(opens))
        return found

    def _assignments(self, securable: Securable) -> tuple[Assignment, ...]:
        def read() -> tuple[Assignment, ...]:
            return tuple(
                map(assignment, office.entities(self._rest, self._site, lambda web: _assignments_of(web, securable), "PrincipalId"))
            )

        # A list, and what lies in it, is one stream's, which asks again where its feed says that rights moved.
        return read() if securable.list_id else self._readings.once(("assignments", self._site.id), read)

    def _named(self, member: Mapping[str, Any], *, follow: bool) -> _Named:
        """``follow``: read who is in it, too; only who opens content is worth the question."""
        login, title = str(member.get("LoginName") or ""), str(member.get("Title") or "")
        # An enumeration of the library's; None where it does not know the number, and then the login alone says what this is.
        number = member.get("PrincipalType")
        claim = read_claim(login, 0 if number is None else int(number.value), int(member.get("Id") or 0), title)
        match claim.meaning:
            case "user":
                # A login the directory does not know is an orphan or an unredeemed mail invitation: nobody can sign in with it.
                person = self._person(claim.id, int(member.get("Id") or 0))
                return _Named(frozenset({person}), "user") if person else _Named(frozenset(), "orphan")
            case "group" | "owners":
                ask = self._directory.group if claim.meaning == "group" else self._directory.owners
                token, trouble = ask(claim.id) if follow else (self._directory.token(claim.id, owners=claim.meaning == "owners"), "")
                self.names.setdefault(token, title)
                return _Named(frozenset({token}), claim.meaning, trouble)
            case "sitegroup":
                token = principal("spgroup", self._site.collection, claim.id)
                self.names.setdefault(token, title)
                return _Named(frozenset({token}), "sitegroup", "; ".join(sorted(self._group(claim.id, token).troubles)) if follow else "")
            case "members":
                if claim.id != self._directory.tenant_id:
                    return _Named(frozenset(), "unknown", f"all users of another tenant ({claim.id})")
                token = principal("members", self._directory.tenant_id)
                self.names.setdefault(token, title)
                return _Named(frozenset({token}), "members")
            case "everyone":
                token = self._directory.everyone
                self.names.setdefault(token, title)
                return _Named(frozenset({token}), "everyone")
            case "unknown":
                return _Named(frozenset(), "unknown", f"unknown principal {login}")
            case "nobody":
                link = sharing_link(title) or sharing_link(login)
                return _Named(frozenset(), "link" if link else "nobody", link=link)

    def _person(self, login: str, number: int) -> str | None:
        """Who in the directory a person of the site is. Whoever was given the login of somebody who left is not them, here as at the source."""
        person = self._directory.by_login(login)
        oid = self._objects.get(number) if person is not None else None
        return None if oid is not None and self._directory.user(oid) != person else person

    @cached_property
    def _objects(self) -> dict[int, str]:
        return self._readings.once(("objects", self._site.id), lambda: object_ids(self._rest, self._site))

    def _note(self, at: str, member: Mapping[str, Any], named: _Named, role: str, *, via: str, opens: bool) -> None:
        login, title = str(member.get("LoginName") or ""), str(member.get("Title") or "")
        if named.link is not None:
            if not opens:
                return  # the way to what the link opens
            # The hidden group of a link is named after what opens it: neither name leaves this place.
            title = hashlib.sha256(title.encode()).hexdigest()[:12]
            self.grants.append(Grant(at, "", "link", role, "link", False, title=title, link=named.link))
            return
        for token in sorted(named.principals) or [""]:
            self.grants.append(Grant(at, token, named.kind, role, cast("Any", via), bool(opens and named.principals), login, title))

    def _group(self, number: str, token: str) -> _Found:
        if number not in self._members:
            found = self._members[number] = _Found()
            # Its annotation says text, but the service wants the bare number.
            group = cast("Any", int(number))
            try:
                for user in self._users(("group", number), lambda web: web.site_groups.get_by_id(group).users):
                    named = self._named(user, follow=True)
                    found.principals |= named.principals
                    found.troubles |= {named.trouble} if named.trouble else set()
                    self._note(token, user, named, "member", via="group", opens=True)
            except AddressUnknown:
                found.troubles.add(f"site group {number} is not there")
            self._directory.edges.update(Member(token, member) for member in found.principals)
        return self._members[number]

    @cached_property
    def _admins(self) -> _Found:
        found = _Found()
        for user in self._users(("admins",), lambda web: web.site_users.filter("IsSiteAdmin eq true")):
            if user.get("IsSiteAdmin", True):
                named = self._named(user, follow=True)
                found.principals |= named.principals
                found.troubles |= {named.trouble} if named.trouble else set()
                self._note(f"sharepoint:{self._site.collection}", user, named, "site admin", via="admin", opens=True)
        return found

    def _users(self, what: tuple[str, ...], choose: Callable[[Web], UserCollection]) -> list[Json]:
        return self._readings.once((*what, self._site.id), lambda: list(office.entities(self._rest, self._site, choose, "Id")))

    def _author(self, number: int, base: set[str]) -> set[str]:
        """The author, if the list still lets them in: who lost the list lost their own items with it."""
        try:
            user = office.entity(self._rest, self._site, lambda web: web.get_user_by_id(number))
        except AddressUnknown:
            return set()
        person = self._person(read_claim(str(user.get("LoginName") or ""), 1, number).id, number)
        if person is None:
            return set()
        someone = next(one for one in self._directory.people if one.principal == person)
        reach = {person, principal("everyone", self._system)} | (
            set() if someone.guest else {principal("members", self._directory.tenant_id)}
        )
        return {person} if _closure(reach, self._directory.edges) & base else set()


def _assignments_of(web: Web, securable: Securable) -> RoleAssignmentCollection:
    owner: SecurableObject = web
    if securable.list_id:
        holder = web.lists.get_by_id(securable.list_id)
        owner = holder if securable.item is None else holder.items.get_by_id(securable.item)
    return owner.role_assignments.expand(["Member", "RoleDefinitionBindings"])


def _closure(start: set[str], edges: Iterable[Member]) -> set[str]:
    groups: dict[str, list[str]] = {}
    for edge in edges:
        groups.setdefault(edge.member, []).append(edge.group)
    reached, todo = set(start), list(start)
    while todo:
        for group in groups.get(todo.pop(), ()):
            if group not in reached:
                reached.add(group)
                todo.append(group)
    return reached
