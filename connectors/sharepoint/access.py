"""Who may read what in one stream: role assignments of its scopes, members of site and Entra groups, everybody's account.

Grants only ever add up, so a grant known to reach nobody is left out; one that cannot be understood makes its whole scope unresolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from connectors.errors import AddressUnknown
from connectors.protocol import UNRESOLVED, Access, Member, Scope, principal
from connectors.sharepoint import office
from connectors.sharepoint.claims import read_claim
from connectors.sharepoint.client import Api, Tenant
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.places import Site
from connectors.sharepoint.proofs import unproven
from connectors.sharepoint.scopes import NO_CERTIFICATE, ScopeMap, Securable

if TYPE_CHECKING:
    from office365.sharepoint.permissions.roles.assignments.collection import RoleAssignmentCollection
    from office365.sharepoint.permissions.securable_object import SecurableObject
    from office365.sharepoint.webs.web import Web

#: RoleTypeKind of Limited Access and its web-only sibling: they let people pass through and grant no content.
_PASSING = frozenset({1, 9})
#: Built-in levels that read (reader, contributor, designer, administrator, editor, reviewer); others are judged by their mask.
_READING = frozenset({2, 3, 4, 5, 6, 7})
#: BasePermissions: ViewListItems and OpenItems.
_VIEW_AND_OPEN = 0x1 | 0x20


@dataclass
class _Found:
    """Principals that read, and what could not be understood."""

    principals: set[str] = field(default_factory=set[str])
    troubles: set[str] = field(default_factory=set[str])


def read_access(tenant: Tenant, site: Site, scopes: ScopeMap) -> Access:
    """The access of one stream whose scope map was just read. Without a certificate: accounts only, and one unresolved scope."""
    directory = Directory(tenant)
    accounts = tuple(sorted((person.account for person in directory.people), key=lambda one: one.principal))
    if tenant.rest is None:
        return Access((Scope(UNRESOLVED, "", (), False, NO_CERTIFICATE),), (), accounts)
    reading = _Reading(tenant.system, tenant.rest, site, directory)
    found = [reading.scope(id, securable) for id, securable in sorted(scopes.objects.items())]
    if UNRESOLVED in scopes.items.values():
        found.append(Scope(UNRESOLVED, "", (), False, "drafts and items awaiting approval: their readers stand in no role assignment"))
    for person in directory.people:
        if person.account.active:
            directory.edges.add(Member(principal("everyone", tenant.system), person.principal))
            if not person.guest:
                directory.edges.add(Member(principal("members", directory.tenant_id), person.principal))
    # An app sees everything or nothing of a site: which rows come hangs on which app asks.
    view = f"app:{tenant.config.app}"
    edges = tuple(sorted(directory.edges, key=lambda edge: (edge.group, edge.member)))
    return Access(tuple(found), edges, accounts, view=view, unproven=unproven(tenant, site))


class _Reading:
    """One pass over a site's grants; each site group is read once."""

    def __init__(self, system: str, rest: Api, site: Site, directory: Directory) -> None:
        self._system = system
        self._rest = rest
        self._site = site
        self._directory = directory
        self._groups: dict[str, _Found] = {}
        self._bases: dict[tuple[str, int | None], _Found] = {}
        self._admins = self._read_admins()

    def scope(self, id: str, securable: Securable) -> Scope:
        place = (securable.list_id, securable.item)
        if place not in self._bases:
            self._bases[place] = self._assignments(securable)
        base = self._bases[place]
        troubles = base.troubles | self._admins.troubles
        if troubles:
            return Scope(id, securable.title, (), False, "; ".join(sorted(troubles)))
        readers = base.principals if securable.author is None else self._author(securable.author, base.principals)
        return Scope(id, securable.title, tuple(sorted(readers | self._admins.principals)))

    def _assignments(self, securable: Securable) -> _Found:
        found = _Found()
        for row in office.entities(self._rest, self._site, lambda web: _assignments_of(web, securable), "PrincipalId"):
            member, bindings = row.get("Member"), row.get("RoleDefinitionBindings")
            if member is None or bindings is None:
                found.troubles.add("a role assignment without member or bindings")
                continue
            verdict = _reads(cast("Mapping[str, Any]", level.properties) for level in bindings)
            if verdict is None:
                found.troubles.add("a permission level without a readable mask")
            elif verdict:
                self._add(found, cast("Mapping[str, Any]", member.properties))
        return found

    def _add(self, found: _Found, member: Mapping[str, Any]) -> None:
        """Put what one member stands for into ``found``."""
        login = str(member.get("LoginName") or "")
        # An enumeration of the library's; None where it does not know the number, and then the login alone says what this is.
        kind = member.get("PrincipalType")
        claim = read_claim(login, 0 if kind is None else int(kind.value), int(member.get("Id") or 0), str(member.get("Title") or ""))
        match claim.meaning:
            case "user":
                # A login the directory does not know is an orphan or an unredeemed mail invitation: nobody can sign in with it.
                person = self._directory.by_login(claim.id)
                found.principals |= {person} if person else set()
            case "group" | "owners":
                token, trouble = self._directory.group(claim.id) if claim.meaning == "group" else self._directory.owners(claim.id)
                found.principals.add(token)
                found.troubles |= {trouble} if trouble else set()
            case "sitegroup":
                token = principal("spgroup", self._site.collection, claim.id)
                found.principals.add(token)
                found.troubles |= self._site_group(claim.id, token).troubles
            case "members":
                if claim.id == self._directory.tenant_id:
                    found.principals.add(principal("members", self._directory.tenant_id))
                else:
                    found.troubles.add(f"all users of another tenant ({claim.id})")
            case "everyone":
                found.principals.add(principal("everyone", self._system))
            case "unknown":
                found.troubles.add(f"unknown principal {login}")
            case "nobody":
                pass

    def _site_group(self, number: str, token: str) -> _Found:
        if number not in self._groups:
            found = self._groups[number] = _Found()
            try:
                # Its annotation says text, but the service wants the bare number.
                group = cast("Any", int(number))
                for user in office.entities(self._rest, self._site, lambda web: web.site_groups.get_by_id(group).users, "Id"):
                    self._add(found, user)
            except AddressUnknown:
                found.troubles.add(f"site group {number} is not there")
            self._directory.edges.update(Member(token, member) for member in found.principals)
        return self._groups[number]

    def _read_admins(self) -> _Found:
        found = _Found()
        for user in office.entities(self._rest, self._site, lambda web: web.site_users.filter("IsSiteAdmin eq true"), "Id"):
            if user.get("IsSiteAdmin", True):
                self._add(found, user)
        return found

    def _author(self, number: int, base: set[str]) -> set[str]:
        """The author, if the list still lets them in: who lost the list lost their own items with it."""
        try:
            user = office.entity(self._rest, self._site, lambda web: web.get_user_by_id(number))
        except AddressUnknown:
            return set()
        person = self._directory.by_login(read_claim(str(user.get("LoginName") or ""), 1, number).id)
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


def _reads(bindings: Iterable[Mapping[str, Any]]) -> bool | None:
    """Whether any of the permission levels reads content; None where one cannot be judged and no other does.

    The library gives a mask that came without its low word as zero: it then reads nothing, which errs towards fewer readers.
    """
    unknown = False
    for binding in bindings:
        kind = binding.get("RoleTypeKind")
        if kind in _PASSING:
            continue
        if kind in _READING:
            return True
        permissions = binding.get("BasePermissions")
        if permissions is None:
            unknown = True
        elif int(permissions.Low) & _VIEW_AND_OPEN == _VIEW_AND_OPEN:
            return True
    return None if unknown else False


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
