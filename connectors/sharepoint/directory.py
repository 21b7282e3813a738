"""People and groups of the tenant, from Graph: accounts, direct members of groups, each read once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from connectors.access import Account, Member, principal
from connectors.errors import AccessRefused, AddressUnknown
from connectors.sharepoint.batch import read_many
from connectors.sharepoint.client import Tenant, parsed, refusal

_USER = "#microsoft.graph.user"
_GROUP = "#microsoft.graph.group"
#: Marks the owners of a group, as logins of role assignments do.
_OWNERS = "_o"
_USERS = {"$select": "id,userPrincipalName,mail,displayName,accountEnabled,userType,externalUserState", "$top": "999"}
#: Stands in the user principal name of everybody who came by invitation: ``taro_partner.example#EXT#@contoso.onmicrosoft.com``.
_INVITED = "#ext#"


@dataclass(frozen=True)
class Person:
    """``upn`` is the principal name as the directory has it, by which SharePoint knows them; a guest's account is linked by another."""

    principal: str
    account: Account
    guest: bool
    upn: str = ""


@dataclass(frozen=True)
class _Direct:
    """Who is directly in one group: its ``edges``, the ids of the groups among them with their ``names``, and what could not be read of it."""

    edges: tuple[Member, ...] = ()
    nested: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    trouble: str = ""


class Directory:
    """The directory as one stream asks about it; a run's streams share what was read. ``edges`` collects every edge that was asked for,
    ``people`` everybody, ``names`` what groups inside groups are called."""

    def __init__(self, tenant: Tenant) -> None:
        self._graph, self._readings = tenant.graph, tenant.readings
        self.tenant_id = tenant.id()
        #: Whom "Everyone" stands for in role assignments and groups: guests hold that claim only where the tenant says so.
        self.everyone = principal("everyone", tenant.system) if tenant.config.guests_hold_everyone else principal("members", self.tenant_id)
        self.edges: set[Member] = set()
        self.names: dict[str, str] = {}
        self._direct: dict[str, _Direct] = {}
        self._by_login: dict[str, Person] = {}
        self.people: list[Person] = []
        users = self._readings.once("users", lambda: list(self._graph.values("users", params=_USERS)))
        ours = _addresses(users)
        for user in users:
            upn = str(user["userPrincipalName"])
            token = self.user(str(user["id"]))
            guest = user.get("userType") == "Guest" or _INVITED in upn.lower()
            login, mail = upn, str(user.get("mail") or "")
            if guest:
                login = guest_login(user, ours)
                mail = mail if login else ""
            account = Account(token, login, mail, str(user.get("displayName") or ""), user.get("accountEnabled") is not False)
            someone = Person(token, account, guest, upn)
            self.people.append(someone)
            self._by_login[upn.lower()] = someone

    def user(self, oid: str) -> str:
        return principal("user", "entra", f"{self.tenant_id}/{oid}")

    def by_login(self, login: str) -> str | None:
        """The principal of a UPN, or None where the directory does not (any longer) know it."""
        found = self._by_login.get(login.lower())
        return None if found is None else found.principal

    def group(self, id: str) -> tuple[str, str]:
        """The principal of a group, its edges followed to the end, and what could not be read of it (empty when all could)."""
        token = self._group(id)
        troubles: dict[str, str] = {}
        level, seen = [id.lower()], {id.lower()}
        while level:
            self._read_direct(level, "members")
            troubles |= {one: trouble for one in level if (trouble := self._direct[one].trouble)}
            below = {nested for one in level for nested in self._direct[one].nested} - seen
            seen |= below
            level = sorted(below)
        return token, "; ".join(sorted(troubles.values()))

    def owners(self, id: str) -> tuple[str, str]:
        """The owners of a Microsoft 365 group, as a group of their own."""
        key = f"{id.lower()}{_OWNERS}"
        self._read_direct([key], "owners")
        return self._group(key), self._direct[key].trouble

    @property
    def read(self) -> frozenset[str]:
        """The principals of the groups whose members were asked for."""
        return frozenset(self._group(key) for key in self._direct)

    def stand_for_all(self, system: str) -> None:
        """Put everybody whose account is open under ``everyone``, and all but guests under the tenant's ``members``."""
        for person in self.people:
            if person.account.active:
                self.edges.add(Member(principal("everyone", system), person.principal))
                if not person.guest:
                    self.edges.add(Member(principal("members", self.tenant_id), person.principal))

    def by_id(self, oid: str) -> str | None:
        """The principal of a person of the directory by their object id; None for others."""
        token = self.user(oid)
        return token if oid and any(person.principal == token for person in self.people) else None

    def token(self, id: str, *, owners: bool = False) -> str:
        """The principal of a group, or of its owners, nothing asked."""
        return self._group(f"{id.lower()}{_OWNERS}" if owners else id)

    def _group(self, key: str) -> str:
        return principal("group", "entra", f"{self.tenant_id}/{key}")

    def _read_direct(self, keys: list[str], relation: str) -> None:
        """Take up the direct edges of these groups, each once."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._direct]
        for key, found in self._readings.each("members", wanted, lambda missing: self._asked(missing, relation)).items():
            self._direct[key] = found
            self.edges.update(found.edges)
            self.names.update(found.names)

    def _asked(self, keys: Sequence[str], relation: str) -> dict[str, _Direct]:
        urls = {f"groups/{key.removesuffix(_OWNERS)}/{relation}?$select=id,userPrincipalName,displayName": key for key in keys}
        return {urls[url]: self._told(urls[url], reply) for url, reply in read_many(self._graph, urls)}

    def _told(self, key: str, reply: httpx.Response) -> _Direct:
        """What a first page and those after it hold."""
        token = self._group(key)
        edges, nested, names = list[Member](), list[str](), dict[str, str]()
        trouble = ""
        try:
            if reply.status_code >= 400:
                raise refusal(reply)
            for member in self._graph.listed(parsed(reply)):
                kind, member_id = member.get("@odata.type"), str(member["id"])
                if kind == _USER:
                    edges.append(Member(token, self.user(member_id)))
                elif kind == _GROUP:
                    nested.append(member_id.lower())
                    names[self._group(member_id)] = str(member.get("displayName") or "")
                    edges.append(Member(token, self._group(member_id)))
        except AddressUnknown:
            # A group that is gone grants nobody anything, and of what it held nothing is followed.
            nested = []
        except AccessRefused as error:
            # Hidden membership: what stands on this group stays unresolved, which is counted and shown.
            trouble = f"group {key.removesuffix(_OWNERS)}: {error.params.get('error_code') or 'members refused'}"
        return _Direct(tuple(edges), tuple(nested), names, trouble)


def memberships(tenant: Tenant, oid: str) -> frozenset[str]:
    """The principals of all groups that a user is in, those above their groups included, as Graph says now.

    Groups are told apart here and not by a cast in the address: on this relation a cast is an advanced query, which counts eventually only.
    Raises AddressUnknown for an id that nobody of the tenant has. (Graph: user, list transitiveMemberOf.)
    """
    found = tenant.graph.values(f"users/{quote(oid, safe='')}/transitiveMemberOf", params={"$select": "id", "$top": "999"})
    return frozenset(principal("group", "entra", f"{tenant.id()}/{one['id']}") for one in found if one.get("@odata.type") == _GROUP)


def guest_login(user: Mapping[str, Any], ours: Set[str]) -> str:
    """The address a guest signs in with at home, by which they may be linked to their accounts elsewhere; empty where that is not safe.

    The service makes the principal name from the address that was invited: its last underscore stands for the ``@``, as a domain holds
    none. It stays when an administrator hands the account to another address, while ``mail`` moves; ``mail`` alone proves nothing, as it
    says what somebody wrote there. So both have to say the same. Nobody has shown that the address is theirs before the invitation was
    accepted (Graph: ``externalUserState``). And an address that is a member's, or in a domain of members (``ours``), would let a guest
    pass for one of the company. Where any of this fails the account goes without login and mail, and is linked to nobody.
    """
    name = _plain(user["userPrincipalName"])
    home, mark, _ = name.partition(_INVITED)
    local, _, domain = home.rpartition("_")
    address = f"{local}@{domain}"
    if not (mark and local and "." in domain) or "@" in home:
        return ""
    proven = user.get("externalUserState") == "Accepted" and _plain(user.get("mail")) == address
    return address if proven and not {address, domain} & ours else ""


def _addresses(users: list[Mapping[str, Any]]) -> set[str]:
    """Principal names and mails of everybody who is not here by invitation, and the domains of those names."""
    found: set[str] = set()
    for user in users:
        name = _plain(user["userPrincipalName"])
        if _INVITED not in name:
            found |= {name, name.rpartition("@")[2], _plain(user.get("mail"))}
    return found


def _plain(value: object) -> str:
    return unicodedata.normalize("NFC", str(value or "")).strip().lower()
