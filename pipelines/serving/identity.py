"""Who asks: one person's accounts in several systems, and all principals they act under. What is not linked reaches nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.protocol import principal

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Person:
    """One person. ``id`` is the mail address they are known by, ``links`` their own principal in each system where an account is linked."""

    id: str
    name: str
    links: Mapping[str, str]

    @property
    def known(self) -> bool:
        return bool(self.links)


def person_id(who: str) -> str:
    """A login or mail as it is compared: NFC, no outer spaces, no case."""
    return unicodedata.normalize("NFC", who).strip().lower()


def link(who: str, accounts: pa.Table) -> Person:
    """The person called ``who`` over the accounts of all systems (columns ``system, principal, login, mail, name, active``).

    Rule: an active account is theirs when its login is ``who``, or its login is no mail address and its mail is ``who``. A login is given by an
    administrator, while a mail field may be open to its owner. Where two principals of one system would match, none does.
    """
    wanted = person_id(who)
    by_login: dict[str, set[str]] = {}
    by_mail: dict[str, set[str]] = {}
    name = ""
    for account in accounts.to_pylist() if wanted else ():
        if account["active"] is not True:
            continue
        login, mail = person_id(account["login"] or ""), person_id(account["mail"] or "")
        if login == wanted:
            by_login.setdefault(account["system"], set()).add(account["principal"])
        elif mail == wanted and "@" not in login:
            by_mail.setdefault(account["system"], set()).add(account["principal"])
        else:
            continue
        name = name or account["name"] or ""
    found = {**by_mail, **by_login}
    return Person(wanted, name, {system: next(iter(own)) for system, own in sorted(found.items()) if len(own) == 1})


def closure_of(person: Person, members: pa.Table) -> frozenset[str]:
    """All principals the person acts under: their own, ``everyone:<system>`` where linked, and every group above, over edges ``group, member``.

    Groups within groups and circles of groups are followed. A person linked nowhere gets the empty set, which reads nothing.
    """
    above: dict[str, list[str]] = {}
    for edge in members.to_pylist():
        above.setdefault(edge["member"], []).append(edge["group"])
    return _reached(person, above)


def _reached(person: Person, above: Mapping[str, list[str]]) -> frozenset[str]:
    reached: set[str] = set()
    waiting = [own for system, mine in person.links.items() for own in (mine, principal("everyone", system))]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(above.get(name, ()))
    return frozenset(reached)


def closure(person: str, accounts: pa.Table, members: pa.Table) -> frozenset[str]:
    """``closure_of`` for a login or mail address."""
    return closure_of(link(person, accounts), members)


def people(accounts: pa.Table) -> list[Person]:
    """Every person that can be linked, by id: those with at least one active account whose login, or mail beside a short login, names them."""
    names: set[str] = set()
    for account in accounts.to_pylist():
        row: dict[str, Any] = account
        login, mail = person_id(row["login"] or ""), person_id(row["mail"] or "")
        names.update(name for name in (login, mail if "@" not in login else "") if "@" in name)
    return [person for name in sorted(names) if (person := link(name, accounts)).known]
