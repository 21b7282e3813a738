"""The quarantine table of a stream: what is held now, and what was and when it left. Its history ends by retention; what is held stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.protocol import Reject
from expectations.quarantine import HELD_KEY, Fault, HeldRow, held, schema, stored, version_of
from pipelines.landing.history import FIRST, GONE, observed
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def history(warehouse: Warehouse, stream: str) -> tuple[HeldRow, ...]:
    """Every holding that retention left, the standing ones first, then as they began; empty where nothing was ever published."""
    table = warehouse.read("quarantine", stream)
    return () if table is None else tuple(sorted(rows_of(table), key=lambda row: (row.left_at is not None, row.since, row.key)))


def standing(rows: Iterable[HeldRow]) -> tuple[HeldRow, ...]:
    """The rows that are held now."""
    return tuple(row for row in rows if row.left_at is None)


def overdue(rows: Iterable[HeldRow], now: datetime, retention: timedelta) -> tuple[HeldRow, ...]:
    """Those held for longer than rows that left are remembered. They are never dropped: somebody has to decide."""
    return tuple(row for row in standing(rows) if now - row.since > retention)


def after(before: pa.Table | None, rejects: Sequence[Reject], judged: Collection[str], stamp: Stamp, retention: timedelta) -> pa.Table:
    """The table after one more pull: ``rejects`` are held now, those of the keys ``judged`` as this pull found them.

    What left longer ago than ``retention`` is forgotten.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    past = None if before is None else rows_of(before)
    now = held(
        rejects,
        judged=judged,
        before=standing(past or ()),
        pull_id=stamp.pull_id,
        pulled_at=stamp.pulled_at,
        contract_version=stamp.contract_version,
    )
    found = observed(None if past is None else _table(past), now, HELD_KEY, stamp.pulled_at)
    kept = pc.greater_equal(found[GONE], pa.scalar(stamp.pulled_at - retention, found.schema.field(GONE).type))
    return found.filter(pc.fill_null(kept, True))


def rows_of(table: pa.Table) -> list[HeldRow]:
    """The rows of a quarantine table, also of one from before it had a history: that knows one fault a row, and no version."""
    if "faults" not in table.schema.names:
        return [_once(row) for row in table.to_pylist()]
    return [
        HeldRow(
            row["key"],
            row["version"],
            tuple(Fault(**fault) for fault in row["faults"]),
            row["raw"],
            row["_pull_id"],
            row["_pulled_at"],
            row["_contract_version"],
            row[FIRST],
            row[GONE],
        )
        for row in table.to_pylist()
    ]


def _once(row: Mapping[str, Any]) -> HeldRow:
    reject = Reject(row["key"], row["column"], row["reason"], row["raw"])
    faults, at = (Fault(reject.column, reject.reason),), row["_pulled_at"]
    return HeldRow(reject.key, version_of(reject), faults, reject.raw, row["_pull_id"], at, row["_contract_version"], at, None)


def _table(rows: Iterable[HeldRow]) -> pa.Table:
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    told = [{**stored(row), FIRST: row.since, GONE: row.left_at} for row in rows]
    return pa.Table.from_pylist(told, schema=pa.schema([*schema(), (FIRST, instant), (GONE, instant)]))
