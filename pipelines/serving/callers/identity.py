"""Who asks: one person's accounts in several systems, and all principals they act under. What is not linked reaches nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from connectors.access import principal

if TYPE_CHECKING:
    import pyarrow as pa

#: What Entra puts into the login of a guest, between their home address (its ``@`` written ``_``) and the tenant.
_GUEST = "#ext#"


@dataclass(frozen=True)
class Person:
    """One person. ``id`` is the mail address they are known by, ``links`` their own principal in each system where an account is linked."""

    id: str
    name: str
    links: Mapping[str, str]

    @property
    def known(self) -> bool:
        return bool(self.links)


@dataclass(frozen=True)
class Directory:
    """What one stream's own pull read of its system: accounts (``system, principal, login, mail, name, active``), edges (``group, member``)."""

    stream: str
    accounts: pa.Table
    members: pa.Table

    @property
    def system(self) -> str:
        return self.stream.partition("/")[0]

    @cached_property
    def above(self) -> Mapping[str, tuple[str, ...]]:
        """By member, the groups it is in. A reading never changes, and thousands ask of it: each walks what was put in order once."""
        return above_of(self.members)

    @cached_property
    def open(self) -> frozenset[str]:
        """The principals of all accounts that are open here."""
        rows = self.accounts.select(["principal", "active"]).to_pylist() if self.accounts.num_rows else []
        return frozenset(row["principal"] for row in rows if row["active"] is True)

    @property
    def silent(self) -> bool:
        """The system told this stream of nobody: it has no word of its own on who is in what."""
        return self.accounts.num_rows == 0 and self.members.num_rows == 0


def person_id(who: str) -> str:
    """A login or mail as it is compared: NFC, no outer spaces, no case."""
    return unicodedata.normalize("NFC", who).strip().lower()


def home_address(login: str) -> str:
    """The address a guest was invited by, out of their login (``a_b_partner.example#EXT#@tenant`` → ``a_b@partner.example``); else nothing.

    No domain holds an underscore, so the last one stands for the ``@``. Where Entra had to cut a long address the result is simply nobody's.
    """
    home, mark, _ = person_id(login).partition(_GUEST)
    local, at, domain = home.rpartition("_")
    return f"{local}@{domain}" if mark and at and local and "." in domain else ""


def link(who: str, accounts: pa.Table) -> Person:
    """The person called ``who`` over the accounts of all systems (columns ``system, principal, login, mail, name, active``).

    Rule: an account is theirs when an administrator named them in its login: the login is ``who``, or it is a guest's and carries ``who``
    as the home address and the mail field agrees, or it is no mail address at all and the account's mail is ``who``. A mail field never
    counts against a login that is an address or a guest's: its owner may be able to edit it, and would become whoever they write there.
    Where two principals of one system would match, none does; a login of one's own goes before the two other ways. An account that any
    stream knows as closed is closed everywhere.
    """
    wanted = person_id(who)
    by_login: dict[str, set[str]] = {}
    by_other: dict[str, set[str]] = {}
    name = ""
    found: list[dict[str, Any]] = accounts.to_pylist() if wanted else []
    closed = {(account["system"], account["principal"]) for account in found if account["active"] is not True}
    for account in found:
        if (account["system"], account["principal"]) in closed:
            continue
        if person_id(account["login"] or "") == wanted:
            by_login.setdefault(account["system"], set()).add(account["principal"])
        elif known_by(account) == wanted:
            by_other.setdefault(account["system"], set()).add(account["principal"])
        else:
            continue
        name = name or account["name"] or ""
    linked = {**by_other, **by_login}
    return Person(wanted, name, {system: next(iter(own)) for system, own in sorted(linked.items()) if len(own) == 1})


def known_by(account: Mapping[str, Any]) -> str:
    """The address an account is known by where it is not the login itself."""
    login, mail = person_id(account["login"] or ""), person_id(account["mail"] or "")
    if _GUEST in login:
        # The login keeps the first address when the account is handed on; the field moves with it. Only where both agree is it somebody.
        return mail if mail == home_address(login) else ""
    return mail if login and "@" not in login else ""


@dataclass(frozen=True)
class GroupsNow:
    """Which groups of a tenant ``user`` is in at this moment, by principal, those above included: what a token or the directory itself says."""

    user: str
    groups: frozenset[str]

    def denies(self, name: str) -> bool:
        """Whether this is a group of the tenant that the person is not in. A group's owners are nobody's word but the directory's."""
        tenant = self.user.removeprefix("user:entra:").partition("/")[0]
        return name.startswith(f"group:entra:{tenant}/") and not name.endswith("_o") and name not in self.groups


def above_of(members: pa.Table) -> Mapping[str, tuple[str, ...]]:
    """Edges ``group, member`` by member."""
    above: dict[str, tuple[str, ...]] = {}
    for edge in members.to_pylist():
        above[edge["member"]] = (*above.get(edge["member"], ()), edge["group"])
    return above


def closure_of(person: Person, above: Mapping[str, Sequence[str]], now_in: GroupsNow | None = None) -> frozenset[str]:
    """All principals the person acts under: their own, ``everyone:<system>`` where linked, and every group above them.

    Groups within groups and circles of groups are followed. A person linked nowhere gets the empty set, which reads nothing.
    """
    reached: set[str] = set()
    waiting = [own for system, mine in person.links.items() for own in (mine, principal("everyone", system))]
    if now_in is not None and now_in.user in person.links.values():
        waiting.extend(now_in.groups)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            # Nothing is reached through a group that the newest word does not hold.
            waiting.extend(group for group in above.get(name, ()) if now_in is None or not now_in.denies(group))
    return frozenset(reached)


def closures(person: Person, directories: Sequence[Directory], now_in: GroupsNow | None = None) -> Mapping[str, frozenset[str]]:
    """By stream, the principals under which the person may read *its* rows. Each directory is walked once.

    Rows of a stream are judged by what its own pull read: somebody taken out of a group loses the group's rows with the first pull that
    saw it, however long the other streams still remember them. A stream that says nothing of itself, and another system's principals
    (where a contract names them), count only as far as every stream of that system agrees. So a stale directory takes away, never gives.

    ``now_in`` is the newest word on groups of one tenant: of those, whatever the directories remember, the person is in these and no others.
    """
    own: dict[str, frozenset[str]] = {}
    of_system: dict[str, list[frozenset[str]]] = {}
    for found in directories:
        if found.silent:
            continue
        own[found.stream] = closure_of(_within(person, found), found.above, now_in)
        of_system.setdefault(found.system, []).append(own[found.stream])
    agreed = {system: reduce(frozenset.intersection, each) for system, each in of_system.items()}
    reached: dict[str, frozenset[str]] = {}
    for found in directories:
        foreign = (each for system, each in agreed.items() if system != found.system)
        mine = own.get(found.stream, agreed.get(found.system, frozenset()))
        reached[found.stream] = mine.union(*foreign)
    return reached


def _within(person: Person, directory: Directory) -> Person:
    """The person as one stream knows them: with their account of its system, if it lists that as open."""
    mine = person.links.get(directory.system)
    return Person(person.id, person.name, {directory.system: mine} if mine is not None and mine in directory.open else {})


def closure(person: str, accounts: pa.Table, members: pa.Table) -> frozenset[str]:
    """``closure_of`` for a login or mail address."""
    return closure_of(link(person, accounts), above_of(members))


def people(accounts: pa.Table) -> list[Person]:
    """Every person that can be linked, by id: those with at least one open account whose login, or what stands for it, is their address."""
    names: set[str] = set()
    for account in accounts.to_pylist():
        login = person_id(account["login"] or "")
        names.update(name for name in (login if _GUEST not in login else "", known_by(account)) if "@" in name)
    return [person for name in sorted(names) if (person := link(name, accounts)).known]


def proven(user: str, accounts: pa.Table) -> Person:
    """The person whom a token proved to be the account ``user`` (a principal), and whatever else is linked to that account's login.

    The token's own mail or name is never asked. An account that some stream knows as closed, or none knows, is nobody.
    """
    rows = [account for account in accounts.to_pylist() if account["principal"] == user]
    if not rows or any(account["active"] is not True for account in rows):
        return Person(user, "", {})
    system, login = rows[0]["system"], person_id(rows[0]["login"] or "")
    found = link(login, accounts)
    if found.links.get(system) == user:
        return found
    # No login, or one that does not lead back here: the account itself is proven, and nothing is told of it elsewhere.
    return Person(user, rows[0]["name"] or "", {system: user})
