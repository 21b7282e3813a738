"""What of a system is published apart from its streams: like a pull, whole or not at all, under a name that no stream can have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.landing.published import Published
from pipelines.landing.snapshot import Snapshot
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def apart(system: str, what: str) -> str:
    """Where it lies among the streams' tables and records: a dot, which no stream's name may hold."""
    return f"{system}/access.{what}"


def publish_apart(
    warehouse: Warehouse,
    name: str,
    last: Snapshot | None,
    at: datetime,
    tables: Mapping[str, pa.Table],
    *,
    counts: Mapping[str, int],
    cursor: Mapping[str, Any] | None = None,
) -> int:
    """Write these tables and put the next record; its number comes back. The caller holds the writer's lock."""
    for table, rows in tables.items():
        warehouse.replace(table, name, rows)
    number = last.record.number + 1 if last is not None else 1
    warehouse.publish(
        Published(
            number=number,
            stream=name,
            pull_id=warehouse.by,
            published_at=at.isoformat(),
            contract_version=0,
            contract_fingerprint="",
            schema_fingerprint="",
            revision="",
            tables=warehouse.versions(name),
            counts=dict(counts),
            cursor=cursor,
            access_at=at.isoformat(),
        )
    )
    return number
