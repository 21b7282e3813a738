"""Memberships and accounts of a whole system, read apart from its streams and oftener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.capabilities import KeepsRoster, Roster
from connectors.errors import AnswerIsNo
from connectors.protocol import Account, Connector, Cursor, Member
from pipelines.clock import Clock
from pipelines.landing.history import observed, standing
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.warehouse import Warehouse, storing
from pipelines.project import Project
from pipelines.pull.apart import apart, publish_apart

if TYPE_CHECKING:
    import pyarrow as pa

#: Kinds of systems whose connector is a ``KeepsRoster``: known without opening one, where a code location loads.
KINDS = frozenset({"sharepoint"})


def roster_id(system: str) -> str:
    """Where a system's roster lies among the streams' tables and records."""
    return apart(system, "roster")


@dataclass(frozen=True)
class Refreshed:
    """What one reading of a roster found. ``asked`` groups were read anew, ``unread`` could not be, each with its reason."""

    system: str
    published: int
    read_at: datetime
    groups: int
    asked: int
    accounts: int
    members: int
    came: int
    left: int
    unread: Mapping[str, str]


def refresh(project: Project, system: str, clock: Clock, connector: Connector | None = None) -> Refreshed:
    """Read the roster of a system once and publish it: no row and no document is touched.

    Raises AnswerIsNo for a system that keeps none, or of which no stream was published yet, and what the source raises.
    """
    own = connector is None
    opened = connector or project.connect(system)
    try:
        if not isinstance(opened, KeepsRoster):
            raise AnswerIsNo("roster.none_kept", system=system, kind=opened.kind)
        warehouse, name, at = Warehouse(project.root), roster_id(system), clock.now()
        with storing(project.root), warehouse.writing(name):
            warehouse.discard_unpublished(name)
            wanted = _granted(warehouse, project, system)
            last = snapshot(warehouse, name)
            found = opened.roster(wanted, None if last is None else _told(last))
            return _publish(warehouse, system, found, last, at)
    finally:
        if own:
            opened.close()


def _granted(warehouse: Warehouse, project: Project, system: str) -> frozenset[str]:
    """Every group that some scope of the system's published streams lets in."""
    found: set[str] = set()
    seen = False
    for stream in project.contracts:
        if stream.partition("/")[0] != system:
            continue
        scopes = warehouse.read("scopes", stream, ["principals"])
        if scopes is not None:
            seen = True
            found.update(one for row in scopes["principals"].to_pylist() for one in row or ())
    if not seen:
        raise AnswerIsNo("roster.nothing_pulled", system=system)
    return frozenset(one for one in found if one.partition(":")[0] in ("group", "spgroup"))


def _publish(warehouse: Warehouse, system: str, found: Roster, last: Snapshot | None, at: datetime) -> Refreshed:
    before = last.read("members") if last is not None else None
    members = observed(before, _members(found.members), ("group", "member"), at)
    came, left = _moved(members, at)
    counts = {"members": len(found.members), "accounts": len(found.accounts), "groups": len(found.groups), "asked": found.asked}
    number = publish_apart(
        warehouse,
        roster_id(system),
        last,
        at,
        {"members": members, "accounts": _accounts(system, found.accounts), "groups": _groups(found)},
        counts={**counts, "came": came, "left": left},
        cursor=dict(found.cursor.state),
    )
    return Refreshed(
        system, number, at, len(found.groups), found.asked, len(found.accounts), len(found.members), came, left, dict(found.unread)
    )


def known_roster(warehouse: Warehouse, system: str) -> Snapshot | None:
    """The roster of a system as last published; None where none ever was."""
    return snapshot(warehouse, roster_id(system))


def edges(roster: Snapshot) -> pa.Table:
    """The memberships that stand in a roster (group, member)."""
    found = roster.read("members")
    assert found is not None  # every roster is published with it
    return standing(found).select(["group", "member"])


def _told(last: Snapshot) -> Roster:
    """The last reading as the connector gave it, for it to go on from."""
    accounts, groups = last.read("accounts"), last.read("groups")
    assert accounts is not None and groups is not None
    return Roster(
        tuple(Member(row["group"], row["member"]) for row in edges(last).to_pylist()),
        tuple(Account(row["principal"], row["login"], row["mail"], row["name"], row["active"]) for row in accounts.to_pylist()),
        frozenset(groups["group"].to_pylist()),
        {row["group"]: row["unread"] for row in groups.to_pylist() if row["unread"]},
        Cursor(last.record.cursor or {}),
    )


def _moved(members: pa.Table, at: datetime) -> tuple[int, int]:
    rows = members.select(["first_observed", "gone_at"]).to_pylist()
    return sum(1 for row in rows if row["first_observed"] == at), sum(1 for row in rows if row["gone_at"] == at)


def _members(found: Sequence[Member]) -> pa.Table:
    import pyarrow as pa

    return pa.table({"group": pa.array([m.group for m in found], pa.string()), "member": pa.array([m.member for m in found], pa.string())})


def _groups(found: Roster) -> pa.Table:
    import pyarrow as pa

    names = sorted(found.groups | found.unread.keys())
    return pa.table({"group": pa.array(names, pa.string()), "unread": pa.array([found.unread.get(n, "") for n in names], pa.string())})


def _accounts(system: str, found: Sequence[Account]) -> pa.Table:
    import pyarrow as pa

    text = {name: pa.array([getattr(one, name) for one in found], pa.string()) for name in ("principal", "login", "mail", "name")}
    columns = {"principal": text["principal"], "system": pa.array([system] * len(found), pa.string()), **text}
    return pa.table({**columns, "active": pa.array([one.active for one in found], pa.bool_())})
