"""The fifth step: changed rows to landing and current, held rows to quarantine, rights beside them. Nothing of it shows before publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.protocol import Access, Stream
from expectations.contract import Contract
from expectations.quarantine import held
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.fetch import Fetched
from pipelines.pull.rights import Rights

if TYPE_CHECKING:
    import pyarrow as pa


def land(
    warehouse: Warehouse,
    stream: Stream,
    contract: Contract,
    fetched: Fetched,
    rights: Rights,
    content: pa.Table | None,
    stamp: Stamp,
    *,
    goes_on: bool,
) -> None:
    """Write all tables of one pull. A table whose rows did not change gets no commit.

    The connector's memory goes with its cursor: it is written where the next pull ``goes_on`` from this one's.
    """
    first = warehouse.open("current", stream.id) is None
    if fetched.to_land or first:
        warehouse.append("landing", stream.id, fetched.batches(), fetched.schema)
        warehouse.merge("current", stream.id, fetched.batches(), fetched.schema)
    warehouse.replace(
        "quarantine",
        stream.id,
        held(fetched.rejects, pull_id=stamp.pull_id, pulled_at=stamp.pulled_at, contract_version=contract.version),
        ignore=("_pull_id", "_pulled_at"),
    )
    if fetched.keeping.schema is not None and goes_on:
        warehouse.remember(stream.id, fetched.keeping.batches(), fetched.keeping.schema, anew=fetched.keeping.anew)
    if content is not None and (content.num_rows or warehouse.open("content", stream.id) is None):
        warehouse.merge("content", stream.id, content.to_batches(), content.schema)
    scopes, members, accounts = access_tables(rights.access, contract)
    warehouse.replace("scopes", stream.id, scopes)
    if rights.fresh:
        warehouse.replace("members", stream.id, members)
        warehouse.replace("accounts", stream.id, accounts)


def access_tables(access: Access, contract: Contract) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Scopes (scope, title, principals, resolved, reason), members (group, member) and accounts (system, principal, login, mail, name, active).

    A fixed list in the contract's ``access:`` replaces the principals of every scope.
    """
    import pyarrow as pa

    fixed = contract.access.from_
    scopes = pa.Table.from_pylist(
        [
            {
                "scope": scope.id,
                "title": scope.title,
                "principals": sorted(scope.principals if fixed == "source" else fixed) if scope.resolved or fixed != "source" else [],
                "resolved": scope.resolved or fixed != "source",
                "reason": scope.reason,
            }
            for scope in access.scopes
        ],
        schema=pa.schema(
            [
                ("scope", pa.string()),
                ("title", pa.string()),
                ("principals", pa.list_(pa.string())),
                ("resolved", pa.bool_()),
                ("reason", pa.string()),
            ]
        ),
    )
    members = pa.Table.from_pylist(
        [{"group": edge.group, "member": edge.member} for edge in access.members],
        schema=pa.schema([("group", pa.string()), ("member", pa.string())]),
    )
    accounts = pa.Table.from_pylist(
        [
            {"principal": a.principal, "system": contract.system, "login": a.login, "mail": a.mail, "name": a.name, "active": a.active}
            for a in access.accounts
        ],
        schema=pa.schema([(n, pa.string()) for n in ("principal", "system", "login", "mail", "name")] + [("active", pa.bool_())]),
    )
    return scopes, members, accounts
