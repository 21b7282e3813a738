"""Who may read what, as connectors tell it: scopes, grants, memberships, accounts, and the principals all of them are told by."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import quote

#: A scope nobody can resolve: rows that carry it are served to nobody.
UNRESOLVED = "unresolved"


@dataclass(frozen=True)
class Scope:
    """An object whose rule decides who may read. Unresolved scopes have no principals and a reason.

    ``parent`` is the scope that would hold if this one had no rule of its own, empty at the top and where the source has no such order;
    ``level`` what the object is to its source (``web``, ``list``, ``folder``, ``item``). Both are for people, as ``title`` is.
    """

    id: str
    title: str
    principals: tuple[str, ...]
    resolved: bool = True
    reason: str = ""
    parent: str = ""
    level: str = ""


@dataclass(frozen=True)
class Link:
    """A sharing link as far as the source tells of it; nothing of its address.

    ``scope`` is ``anonymous``, ``organization`` or ``users``, ``type`` ``view`` or ``edit``, both empty where unknown. Where ``password`` is
    None nothing is known but that it is there, ``expires`` neither; else ``expires`` None means never. ``digest`` tells one from another.
    """

    scope: str
    type: str
    digest: str
    expires: datetime | None = None
    password: bool | None = None


GrantKind = Literal["user", "group", "owners", "sitegroup", "members", "everyone", "link", "orphan", "nobody", "unknown"]


@dataclass(frozen=True)
class Grant:
    """One role that somebody holds, as the source shows it: for people to read, never to decide by (``Scope.principals`` decide).

    ``at`` is the scope, or the principal of a group of the source's own whose direct member this is, or what stands above all scopes of a
    place (its administrators). ``principal`` is empty for who stands for nobody. ``reads`` says whether it opens content in the index;
    ``via`` how it is held; ``link`` is there for ``via="link"``.
    """

    at: str
    principal: str
    kind: GrantKind
    role: str
    via: Literal["direct", "group", "admin", "link"]
    reads: bool
    login: str = ""
    title: str = ""
    link: Link | None = None


def unknown_scope(id: str) -> Scope:
    """A scope nothing is known of: nobody's."""
    return Scope(id, id, (), resolved=False, reason="no rule of the source stands behind this scope any more")


def column_scope(restricted: str, row: str) -> str:
    """The scope of a restricted column in one row: ``restricted`` as ``Access`` gives it, ``row`` the row's own scope.

    An id that ends with ``?`` stands for one scope a row. What the row's values say of it stands behind ``#`` in the row's own scope; of a
    row that says nothing, nobody reads the column.

    >>> column_scope("kintone:ORDERS:field:cost", "kintone:ORDERS:1@ab")
    'kintone:ORDERS:field:cost'
    >>> column_scope("kintone:ORDERS:field:cost?", "kintone:ORDERS:1@ab#owner.user=sato")
    'kintone:ORDERS:field:cost?owner.user=sato'
    """
    return restricted + row.partition("#")[2] if restricted.endswith("?") else restricted


@dataclass(frozen=True)
class Member:
    """``member`` (a principal) belongs to ``group`` (a principal). One edge; closure is taken when somebody asks."""

    group: str
    member: str


@dataclass(frozen=True)
class Account:
    """A person as one system knows them: their principal there, and the mail and login by which identities are linked."""

    principal: str
    login: str
    mail: str
    name: str
    active: bool = True


@dataclass(frozen=True)
class Access:
    """Who may read what in one stream: the scopes its rows point at, membership edges, accounts.

    ``restricted`` maps a column name to the scope that may see it, where that is narrower than the row's own scope; where it differs from
    row to row, ``column_scope`` says which it is, and it is not among ``scopes``. ``view`` is a
    fingerprint of what decides which rows these credentials see at all (rules, the login's name): while it moves, absent is not deleted.
    ``unproven`` are codes of sentences that say what all this rests on without proof; none where the source lets everything be proven.
    ``grants`` say why ``scopes`` let in whom they do, and ``names`` what people call a principal that is no account; a source may give none.
    """

    scopes: tuple[Scope, ...]
    members: tuple[Member, ...]
    accounts: tuple[Account, ...]
    restricted: Mapping[str, str] = field(default_factory=dict[str, str])
    view: str = ""
    grants: tuple[Grant, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    unproven: tuple[str, ...] = ()


PrincipalKind = Literal["user", "group", "org", "spgroup", "members", "everyone", "role"]
#: Vendors whose ids do not tell upper from lower case.
_CASELESS = frozenset({"entra"})


def principal(kind: PrincipalKind, authority: str, id: str = "") -> str:
    """A normalised identity, ``kind:authority:id``: NFC, percent-encoded, lower case where the vendor ignores case.

    >>> principal("user", "kintone", "佐藤@Sakura")
    'user:kintone:%E4%BD%90%E8%97%A4%40Sakura'
    >>> principal("members", "5A4B")
    'members:5a4b'
    """

    def clean(text: str) -> str:
        normal = unicodedata.normalize("NFC", text)
        return quote(normal.lower() if authority in _CASELESS or kind in ("members", "spgroup") else normal, safe="/-_.~")

    parts: Sequence[str] = [kind, clean(authority), *([clean(id)] if id else [])]
    return ":".join(parts)
