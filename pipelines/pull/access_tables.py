"""Access as tables: the shapes in which scopes, members, accounts, grants and names lie beside a stream's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.access import Access, Account, Member, Scope
from expectations.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

#: What tells one grant from another in its history.
GRANT_KEY = ("scope", "principal", "login", "role", "via", "link_digest")


@dataclass(frozen=True)
class AccessTables:
    """``scopes`` (scope, title, principals, resolved, reason, parent, level), ``members`` (group, member), ``accounts`` (principal, system,
    login, mail, name, active), ``principals`` (principal, title), and ``grants``: scope, principal, login, title, kind, role, via, reads,
    link_scope, link_type, link_expires (instant, UTC), link_password, link_digest, as ``connectors.access.Grant`` has them.
    """

    scopes: pa.Table
    members: pa.Table
    accounts: pa.Table
    grants: pa.Table
    principals: pa.Table


def access_tables(access: Access, contract: Contract) -> AccessTables:
    """A fixed list in the contract's ``access:`` replaces the principals of every scope."""
    import pyarrow as pa

    names = sorted(access.names.items())
    return AccessTables(
        _scopes(access.scopes, contract),
        members_table(access.members),
        accounts_table(contract.system, access.accounts),
        _grants(access),
        pa.table(
            {"principal": pa.array([one for one, _ in names], pa.string()), "title": pa.array([title for _, title in names], pa.string())}
        ),
    )


def members_table(edges: Sequence[Member]) -> pa.Table:
    """Who is directly in what (group, member)."""
    import pyarrow as pa

    return pa.table({name: pa.array([getattr(edge, name) for edge in edges], pa.string()) for name in ("group", "member")})


def accounts_table(system: str, accounts: Sequence[Account]) -> pa.Table:
    """Who is there (principal, system, login, mail, name, active)."""
    import pyarrow as pa

    text = {name: pa.array([getattr(one, name) for one in accounts], pa.string()) for name in ("principal", "login", "mail", "name")}
    columns = {"principal": text["principal"], "system": pa.array([system] * len(accounts), pa.string()), **text}
    return pa.table({**columns, "active": pa.array([one.active for one in accounts], pa.bool_())})


def _scopes(scopes: tuple[Scope, ...], contract: Contract) -> pa.Table:
    import pyarrow as pa

    fixed = contract.access.from_
    text = pa.string()
    schema = pa.schema(
        [("scope", text), ("title", text), ("principals", pa.list_(text)), ("resolved", pa.bool_()), ("reason", text), ("parent", text), ("level", text)]
    )  # fmt: skip
    rows = [
        {
            "scope": scope.id,
            "title": scope.title,
            "principals": sorted(scope.principals if fixed == "source" else fixed) if scope.resolved or fixed != "source" else [],
            "resolved": scope.resolved or fixed != "source",
            "reason": scope.reason,
            "parent": scope.parent,
            "level": scope.level,
        }
        for scope in scopes
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _grants(access: Access) -> pa.Table:
    import pyarrow as pa

    text, instant = pa.string(), pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [(name, text) for name in ("scope", "principal", "login", "title", "kind", "role", "via")]
        + [("reads", pa.bool_()), ("link_scope", text), ("link_type", text), ("link_expires", instant), ("link_password", pa.bool_())]
        + [("link_digest", text)]
    )
    rows = [
        {
            "scope": grant.at,
            "principal": grant.principal,
            "login": grant.login,
            "title": grant.title,
            "kind": grant.kind,
            "role": grant.role,
            "via": grant.via,
            "reads": grant.reads,
            "link_scope": grant.link.scope if grant.link else "",
            "link_type": grant.link.type if grant.link else "",
            "link_expires": grant.link.expires if grant.link else None,
            "link_password": grant.link.password if grant.link else None,
            "link_digest": grant.link.digest if grant.link else "",
        }
        for grant in access.grants
    ]
    # The same role told twice (a person named in two ways) is one fact.
    seen = {tuple(row[name] for name in GRANT_KEY): row for row in rows}
    return pa.Table.from_pylist(list(seen.values()), schema=schema)
