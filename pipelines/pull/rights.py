"""Who may read: read anew when something moved or the last reading is old, else carried on; and scopes that rows made by their values."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.access import UNRESOLVED, Access, Account, Scope, column_scope
from connectors.capabilities import Shares, TellsView
from connectors.protocol import Connector, Schema, Stream
from connectors.readings import Used
from expectations.contract import Contract
from expectations.drift import Change, logins_changed, rights_changed
from pipelines.landing.memory import Memory
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.access_tables import accounts_table
from pipelines.pull.window import duration, follows_feed


@dataclass(frozen=True)
class Rights:
    """Access as this pull holds it, and what of it changed since the last one.

    ``read_at`` is when it was read, the oldest part of it where a run shares some; nothing that a run shares is taken for it that is not later
    than ``after``. ``fresh``: whether by this pull, ``shared`` whether some of it was there before; ``moved`` whether rows must be read anew
    because of it; ``view_moved`` whether absent rows may only be hidden.
    """

    access: Access
    read_at: datetime
    after: datetime
    fresh: bool
    shared: bool = False
    moved: bool = False
    view_moved: bool = False
    changes: tuple[Change, ...] = ()


def rights(
    connector: Connector,
    stream: Stream,
    contract: Contract,
    live: Schema,
    before: Published | None,
    warehouse: Warehouse,
    now: datetime,
    *,
    anew: bool = False,
) -> Rights:
    """Read access, or carry the last reading on while rules and contract stand and it is younger than ``access.refresh``; ``anew`` reads.

    Only a source that fingerprints what decides who sees what (``Access.view``) can say cheaply that its rules stand; others are asked.
    """
    if before is not None and not anew and _stands(contract, live, before, now):
        read_at = datetime.fromisoformat(before.access_at or "")
        return Rights(_stored(warehouse, stream, before), read_at, read_at, fresh=False)
    # What a run shares may not be older than the contract lets rights become, nor than what another run read for this stream meanwhile. That
    # run dates its rights by its beginning, and read them at some time before it published.
    after = now if anew else now - duration(contract.access.refresh)
    if before is not None:
        after = max(after, datetime.fromisoformat(before.published_at))
    with _shared(connector, after) as used:
        access = connector.access(stream)
    found = Rights(access, used.oldest or now, after, fresh=True, shared=used.oldest is not None)
    if before is None:
        return found
    view_moved = bool(access.view and before.view and access.view != before.view)
    # Without a fingerprint of the rules, only the source's revision says that they may have moved.
    rules_moved = access.view != before.view if access.view else before.revision != live.revision
    changes = (*rights_changed(before.view, access.view), *_logins(warehouse, stream, contract, access.accounts))
    moved = rules_moved or any(change.reload for change in changes)
    # Who goes on from a feed knows by its own cursor under which scope each row left, and brings those that are under another one now.
    if not moved and not (follows_feed(contract) and before.cursor):
        known = _known(warehouse, stream)
        moved = {scope for scope in known if not is_derived(scope)} != {scope.id for scope in access.scopes}
    return replace(found, moved=moved, view_moved=view_moved, changes=changes)


def view_moved(connector: Connector, stream: Stream, before: Published | None) -> bool:
    """Whether what decides which rows we see is other than at the last reading, asked now.

    Rights that are carried on, or shared by a run, say nothing of the moment: a group that our own login left since then moves no setting of
    the source, and hides rows. Where rows are missed, that is asked before they are taken for deleted.
    """
    if before is None or not before.view:
        return False
    with connector.readings.anew() if isinstance(connector, Shares) else nullcontext():
        view = connector.view_now(stream) if isinstance(connector, TellsView) else connector.access(stream).view
    return view != before.view


def with_derived(
    rights: Rights, connector: Connector, stream: Stream, memory: Memory, found: set[str], restated: set[str], landing: Collection[str]
) -> Rights:
    """The same with the scopes that rows and their columns point at and ``access`` did not name, resolved now. Rights carried on keep
    those they had, but for ``restated`` ones: of these the source says that their rules may have moved since.

    ``found`` are the scopes of the rows that came, ``landing`` the keys of those that are written or gone: what they pointed at is past.
    """
    moved = set[str]() if rights.fresh else restated
    kept = tuple(scope for scope in rights.access.scopes if scope.id not in moved)
    named = {scope.id for scope in kept} | {UNRESOLVED}
    rows = (found | memory.scopes(landing)) if rights.fresh else found
    columns = {column_scope(restricted, row) for row in rows for restricted in set(rights.access.restricted.values())}
    wanted = sorted((rows | columns | moved) - named)
    if not wanted:
        return rights
    with _shared(connector, rights.after) as used:
        resolved = connector.scopes(stream, wanted)
    read_at = min(rights.read_at, used.oldest or rights.read_at)
    return replace(rights, access=replace(rights.access, scopes=(*kept, *resolved)), read_at=read_at)


def unannounced(rights: Rights, stream: Stream, warehouse: Warehouse, restated: Collection[str]) -> int:
    """Of the scopes of single items or folders, how many let in others than we held, though no feed said so: each is a change it lost.

    What stands higher up (a list, a web) no feed tells. ``restated`` are the scopes the feed did name. Nothing is counted where rights were
    carried on, or where nothing was held.
    """
    rows = warehouse.read("scopes", stream.id) if rights.fresh else None
    if rows is None:
        return 0
    held = {row["scope"]: frozenset(row["principals"]) for row in rows.to_pylist() if row["resolved"]}
    return sum(
        1
        for scope in rights.access.scopes
        if scope.level in ("folder", "item")
        and scope.id not in restated
        and scope.id in held
        and scope.resolved
        and held[scope.id] != frozenset(scope.principals)
    )


@contextmanager
def _shared(connector: Connector, after: datetime) -> Generator[Used]:
    """What of the readings asked for in the block the run had made before; those not made ``after`` are made anew."""
    if isinstance(connector, Shares):
        with connector.readings.watched(after) as used:
            yield used
    else:
        yield Used()


def is_derived(scope: str) -> bool:
    """Whether a scope's id says which values of a row made it: such ids carry a query or a fragment."""
    return "?" in scope or "#" in scope


def _stands(contract: Contract, live: Schema, before: Published, now: datetime) -> bool:
    # A source whose revision does not cover its rules (it gives no ``view``) is asked every time.
    if (
        before.access_at is None
        or not before.view
        or before.revision != live.revision
        or before.contract_fingerprint != contract.fingerprint()
    ):
        return False
    # Rights read in the future were read under a wrong clock, and would stand until that time comes.
    return timedelta() <= now - datetime.fromisoformat(before.access_at) < duration(contract.access.refresh)


def _stored(warehouse: Warehouse, stream: Stream, before: Published) -> Access:
    rows = warehouse.read("scopes", stream.id)
    scopes = [] if rows is None else rows.to_pylist()
    return Access(
        tuple(
            Scope(
                row["scope"],
                row["title"],
                tuple(row["principals"]),
                row["resolved"],
                row["reason"],
                row.get("parent") or "",
                row.get("level") or "",
            )
            for row in scopes
        ),
        (),
        (),
        before.restricted,
        before.view,
        unproven=before.unproven,
    )


def _logins(warehouse: Warehouse, stream: Stream, contract: Contract, now: Sequence[Account]) -> tuple[Change, ...]:
    # Mostly they are the very same accounts.
    if warehouse.holds("accounts", stream.id, accounts_table(contract.system, now)):
        return ()
    return logins_changed(_accounts(warehouse, stream), now)


def _accounts(warehouse: Warehouse, stream: Stream) -> list[Account]:
    rows = warehouse.read("accounts", stream.id)
    found = [] if rows is None else rows.to_pylist()
    return [Account(row["principal"], row["login"], row["mail"], row["name"], row["active"]) for row in found]


def _known(warehouse: Warehouse, stream: Stream) -> set[str]:
    rows = warehouse.read("scopes", stream.id, ["scope"])
    return set() if rows is None else set(rows["scope"].to_pylist())
