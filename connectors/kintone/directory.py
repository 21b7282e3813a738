"""Who is who in the domain: accounts, groups and departments, read from the cybozu.com User API (login only; tokens can't)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from connectors.access import Account, Member, principal
from connectors.errors import BrokenReply
from connectors.kintone.client import Client

#: The built-in group of all users; it becomes ``everyone:<system>``.
EVERYONE = "everyone"
#: Guests of guest spaces have login codes of this form; they are no part of everyone.
_GUEST = "guest/"


@dataclass(frozen=True)
class Directory:
    """The whole directory at one moment. ``groups`` and ``organisations`` map a code to its direct active users; ``parents`` an organisation to the one above."""

    accounts: tuple[Account, ...]
    active: frozenset[str]
    groups: Mapping[str, frozenset[str]]
    organisations: Mapping[str, frozenset[str]]
    parents: Mapping[str, str]

    def within(self, code: str, *, subs: bool) -> frozenset[str]:
        """Active users of an organisation, with those of all below it when ``subs``. An organisation that is gone holds nobody."""
        wanted = {code}
        while subs:
            below = {child for child, parent in self.parents.items() if parent in wanted} - wanted
            if not below:
                break
            wanted |= below
        return frozenset[str]().union(*(self.organisations.get(one, frozenset()) for one in wanted))

    def memberships(self, login: str) -> frozenset[str]:
        """Groups of a user, and organisations with all above them, as principals: what the rights of that user hang on.

        For somebody the directory does not know, everybody's: whose rights they are can't be told.
        """
        if all(account.login != login for account in self.accounts):
            return frozenset(f"{edge.group}>{edge.member}" for edge in self.members(""))
        above = {code for code, users in self.organisations.items() if login in users}
        while more := {self.parents[one] for one in above if one in self.parents} - above:
            above |= more
        groups = {principal("group", "kintone", code) for code, users in self.groups.items() if login in users}
        return frozenset(groups | {principal("org", "kintone", code) for code in above})

    def members(self, system: str) -> tuple[Member, ...]:
        """Every edge: group → user, organisation → user, organisation → organisation below it, everyone → active user."""
        edges = [
            Member(principal("group", "kintone", code), user_principal(user))
            for code, users in self.groups.items()
            for user in sorted(users)
        ]
        for code, users in self.organisations.items():
            edges += [Member(principal("org", "kintone", code), user_principal(user)) for user in sorted(users)]
        edges += [Member(principal("org", "kintone", parent), principal("org", "kintone", code)) for code, parent in self.parents.items()]
        edges += [Member(principal("everyone", system), user_principal(user)) for user in sorted(self.active)]
        return tuple(edges)


def user_principal(code: str) -> str:
    return principal("user", "kintone", code)


def is_guest(code: str) -> bool:
    """Whether a login code is that of a guest: in no list of the User API, known only where a rule, a space or a record names it."""
    return code.startswith(_GUEST)


def read_directory(client: Client) -> Directory:
    """The directory, as the run shares it: one call a hundred users, and one for each group and organisation.

    Raises AccessRefused where it may not be read.
    """
    return client.readings.once("directory", lambda: _read(client))


def _read(client: Client) -> Directory:
    users = list(client.directory("users", "users"))
    accounts = tuple(
        Account(
            principal=user_principal(_code(user, "users")),
            login=_code(user, "users"),
            mail=str(user.get("email") or ""),
            name=str(user.get("name") or ""),
            active=user.get("valid") is True,
        )
        for user in users
    )
    active = frozenset(account.login for account in accounts if account.active and not is_guest(account.login))
    groups: dict[str, frozenset[str]] = {}
    for group in client.directory("groups", "groups"):
        code = _code(group, "groups")
        if code != EVERYONE:
            groups[code] = active & _codes(client.directory("group/users", "users", {"code": code}), "group/users")
    organisations: dict[str, frozenset[str]] = {}
    parents: dict[str, str] = {}
    for organisation in client.directory("organizations", "organizations"):
        code = _code(organisation, "organizations")
        titles = client.directory("organization/users", "userTitles", {"code": code})
        organisations[code] = active & _codes((cast("dict[str, Any]", one.get("user") or {}) for one in titles), "organization/users")
        if organisation.get("parentCode"):
            parents[code] = str(organisation["parentCode"])
    return Directory(accounts, active, groups, organisations, parents)


def _code(item: Mapping[str, Any], resource: str) -> str:
    found = item.get("code")
    if not isinstance(found, str) or not found:
        raise BrokenReply("kintone.reply_shape", host="-", app="-", resource=resource, reason="an item without a code")
    return found


def _codes(users: Iterable[Mapping[str, Any]], resource: str) -> frozenset[str]:
    return frozenset(_code(user, resource) for user in users)
