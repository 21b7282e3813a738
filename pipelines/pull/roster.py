"""Memberships and accounts of a whole system, read apart from its streams and oftener.

What a source's change log does not name is carried on from the last reading. A stream that was pulled since then is the second opinion: of
a group in which it saw others, the source is asked again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.access import Account, Member
from connectors.capabilities import KeepsRoster, Roster
from connectors.errors import AnswerIsNo
from connectors.messages import told
from connectors.protocol import Connector, Cursor
from pipelines.clock import Clock
from pipelines.landing.history import observed, standing
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.access_tables import accounts_table, members_table
from pipelines.pull.apart import apart, publish_apart
from pipelines.pull.outcome import Check

if TYPE_CHECKING:
    import pyarrow as pa

#: Kinds of systems whose connector is a ``KeepsRoster``: known without opening one, where a code location loads.
KINDS = frozenset({"sharepoint"})


def roster_id(system: str) -> str:
    """Where a system's roster lies among the streams' tables and records."""
    return apart(system, "roster")


@dataclass(frozen=True)
class Refreshed:
    """What one reading of a roster found. ``asked`` groups were read anew, ``unread`` could not be, each with its reason; ``names`` are what
    those are called where a pull has read it."""

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
    names: Mapping[str, str]

    def name(self, group: str) -> str:
        """What people call the group, with the principal it is known by here."""
        title = self.names.get(group)
        return f"{title} ({group})" if title else group


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
            pins = _pins(warehouse, project, system)
            last = snapshot(warehouse, name)
            found = opened.roster(_granted(pins), None if last is None else _told(last, _contradicted(pins, last)))
            return _publish(warehouse, system, found, last, at, _names(pins, found.unread))
    finally:
        if own:
            opened.close()


def _pins(warehouse: Warehouse, project: Project, system: str) -> list[Snapshot]:
    """The system's published streams. Raises AnswerIsNo where there is none."""
    streams = [stream for stream in project.contracts if stream.partition("/")[0] == system]
    found = [pin for stream in streams if (pin := snapshot(warehouse, stream)) is not None and "scopes" in pin.record.tables]
    if not found:
        raise AnswerIsNo("roster.nothing_pulled", system=system)
    return found


def _granted(pins: Sequence[Snapshot]) -> frozenset[str]:
    """Every group that some scope of these streams lets in."""
    found = {one for pin in pins for one in _readers(pin)}
    return frozenset(one for one in found if one.partition(":")[0] in ("group", "spgroup"))


def _readers(pin: Snapshot) -> set[str]:
    scopes = pin.read("scopes", ["principals"])
    return set() if scopes is None else {one for row in scopes["principals"].to_pylist() for one in row or ()}


def _contradicted(pins: Sequence[Snapshot], last: Snapshot) -> frozenset[str]:
    """Groups that a stream pulled since the last reading lets in, and in which it saw others. Most were changed since, and the log names
    them, too; what it lost shows only here."""
    ours = _by_group(edges(last))
    found: set[str] = set()
    for pin in pins:
        members = pin.read("members") if pin.access_at > last.access_at else None
        if members is not None:
            theirs = _by_group(members)
            found |= {group for group in _readers(pin) if ours.get(group) != theirs.get(group)}
    return frozenset(found)


def _by_group(edges: pa.Table) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for group, member in zip(edges["group"].to_pylist(), edges["member"].to_pylist(), strict=True):
        found.setdefault(group, set()).add(member)
    return found


def roster_check(found: Refreshed) -> Check:
    """Warns where a group could not be read whole: whoever reads by it alone does not find what is theirs."""
    rows = tuple({"group": found.name(group), "reason": reason, "verdict": "warn"} for group, reason in sorted(found.unread.items()))
    summary = told("check.memberships", groups=found.groups, members=found.members, unread=len(rows))
    numbers = {name: float(getattr(found, name)) for name in ("accounts", "members", "came", "left", "groups", "asked")}
    return Check("memberships", not rows, "warning", summary, rows, {**numbers, "unread": float(len(rows))})


def _names(pins: Sequence[Snapshot], groups: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pin in pins if groups else ():
        names = pin.read("principals")
        for row in [] if names is None else names.to_pylist():
            if row["principal"] in groups and row["title"]:
                found[row["principal"]] = row["title"]
    return found


def _publish(warehouse: Warehouse, system: str, found: Roster, last: Snapshot | None, at: datetime, names: Mapping[str, str]) -> Refreshed:
    before = last.read("members") if last is not None else None
    members = observed(before, members_table(found.members), ("group", "member"), at)
    came, left = _moved(members, at)
    counts = {"members": len(found.members), "accounts": len(found.accounts), "groups": len(found.groups), "asked": found.asked}
    number = publish_apart(
        warehouse,
        roster_id(system),
        last,
        at,
        {"members": members, "accounts": accounts_table(system, found.accounts), "groups": _groups(found)},
        counts={**counts, "came": came, "left": left},
        cursor=dict(found.cursor.state),
    )
    return Refreshed(
        system, number, at, len(found.groups), found.asked, len(found.accounts), len(found.members), came, left, dict(found.unread), names
    )


def known_roster(warehouse: Warehouse, system: str) -> Snapshot | None:
    """The roster of a system as last published; None where none ever was."""
    return snapshot(warehouse, roster_id(system))


def edges(roster: Snapshot) -> pa.Table:
    """The memberships that stand in a roster (group, member)."""
    found = roster.read("members")
    assert found is not None  # every roster is published with it
    return standing(found).select(["group", "member"])


def _told(last: Snapshot, doubted: frozenset[str]) -> Roster:
    """The last reading as the connector gave it, for it to go on from. Of the ``doubted`` groups it knows nothing any more."""
    accounts, groups = last.read("accounts"), last.read("groups")
    assert accounts is not None and groups is not None
    return Roster(
        tuple(Member(row["group"], row["member"]) for row in edges(last).to_pylist()),
        tuple(Account(row["principal"], row["login"], row["mail"], row["name"], row["active"]) for row in accounts.to_pylist()),
        frozenset(groups["group"].to_pylist()) - doubted,
        {row["group"]: row["unread"] for row in groups.to_pylist() if row["unread"]},
        Cursor(last.record.cursor or {}),
    )


def _moved(members: pa.Table, at: datetime) -> tuple[int, int]:
    rows = members.select(["first_observed", "gone_at"]).to_pylist()
    return sum(1 for row in rows if row["first_observed"] == at), sum(1 for row in rows if row["gone_at"] == at)


def _groups(found: Roster) -> pa.Table:
    import pyarrow as pa

    names = sorted(found.groups | found.unread.keys())
    return pa.table({"group": pa.array(names, pa.string()), "unread": pa.array([found.unread.get(n, "") for n in names], pa.string())})
