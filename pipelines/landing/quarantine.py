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


def held_now(warehouse: Warehouse, stream: str) -> tuple[HeldRow, ...]:
    """The rows that are held now, those held longest first. What left long ago costs nothing here."""
    table = warehouse.read("quarantine", stream)
    return () if table is None else standing(table)


def standing(table: pa.Table) -> tuple[HeldRow, ...]:
    """The rows of a quarantine table that are held, those held longest first."""
    import pyarrow.compute as pc

    rows = table.filter(pc.is_null(table[GONE])) if GONE in table.schema.names else table
    return tuple(sorted(rows_of(rows), key=lambda row: (row.since, row.key)))


def overdue(rows: Iterable[HeldRow], now: datetime, retention: timedelta) -> tuple[HeldRow, ...]:
    """Of rows that are held, those held for longer than rows that left are remembered. They are never dropped: somebody has to decide."""
    return tuple(row for row in rows if row.left_at is None and now - row.since > retention)


def after(
    before: pa.Table | None, rejects: Sequence[Reject], judged: Collection[str], stamp: Stamp, retention: timedelta
) -> pa.Table | None:
    """The table after one more pull, None where it stays as it is: ``rejects`` are held now, those of the keys ``judged`` as this pull found
    them.

    Of what left, its times and faults stay and the row itself does not: it may have left because it was deleted. What left longer ago than
    ``retention`` is forgotten.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    stood = () if before is None else standing(before)
    now = held(
        rejects,
        judged=judged,
        before=stood,
        pull_id=stamp.pull_id,
        pulled_at=stamp.pulled_at,
        contract_version=stamp.contract_version,
    )
    past = None if before is None else before if GONE in before.schema.names else _table(stood)
    limit = pa.scalar(stamp.pulled_at - retention, pa.timestamp("us", tz="UTC"))
    if before is not None and past is before and not pc.any(pc.less(before[GONE], limit)).as_py() and _same(now, stood):
        return None
    found = observed(past, now, HELD_KEY, stamp.pulled_at)
    found = found.filter(pc.fill_null(pc.greater_equal(found[GONE], limit), True))
    raw = pc.if_else(pc.is_valid(found[GONE]), pa.scalar(None, pa.string()), found["raw"])
    return found.set_column(found.schema.get_field_index("raw"), "raw", raw)


def _same(now: pa.Table, stood: Iterable[HeldRow]) -> bool:
    known = {row.key: stored(row) for row in stood}
    told = {row["key"]: row for row in now.to_pylist()}
    return told == known


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
