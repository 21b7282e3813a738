"""Rows and records for tests of what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.landing.published import Published
from pipelines.landing.rows import Stamp, keys_of, landed_schema, row_hashes, stamped, tombstones
from pipelines.landing.warehouse import Warehouse

STREAM = "kintone/orders"
NAMES = pa.schema([("id", pa.int64()), ("name", pa.string())])
START = datetime(2026, 11, 1, tzinfo=UTC)


def stamp(pull: int) -> Stamp:
    return Stamp(STREAM, f"p{pull}", START + timedelta(days=pull), 1)


def batch(
    rows: Mapping[int, Any], pull: int = 1, *, columns: pa.Schema = NAMES, version: int | str | None = None, scope: str = "s"
) -> pa.RecordBatch:
    """``rows`` maps ids to the value of the second column, or to all values by name."""
    values = [value if isinstance(value, dict) else {columns.names[1]: value} for value in rows.values()]
    system = {"_op": "upsert", "_source_version": str(pull if version is None else version), "_scope": scope}
    raw = pa.RecordBatch.from_pylist(
        [{"id": key, **value, **system} for key, value in zip(rows, values, strict=True)],
        schema=pa.schema([*columns, ("_op", pa.string()), ("_source_version", pa.string()), ("_scope", pa.string())]),
    )
    return stamped(raw, landed_schema(columns), keys_of(raw, ["id"]), row_hashes(raw, columns.names), stamp(pull))


def gone(*ids: int, pull: int = 2, columns: pa.Schema = NAMES) -> pa.RecordBatch:
    return tombstones([str(one) for one in ids], landed_schema(columns), stamp(pull), {})


def record(warehouse: Warehouse, **more: Any) -> Published:
    """The next record with what stands now."""
    before = warehouse.published(STREAM)
    number = before.number + 1 if before else 1
    given: dict[str, Any] = {
        "number": number,
        "stream": STREAM,
        "pull_id": warehouse.by,
        "published_at": (START + timedelta(days=number)).isoformat(),
        "contract_version": 1,
        "contract_fingerprint": "c",
        "schema_fingerprint": "s",
        "revision": "1",
        "tables": warehouse.versions(STREAM),
        "counts": {},
    }
    return Published(**given | more)


def pulled(root: Path | str, pull: int, *batches: pa.RecordBatch, columns: pa.Schema = NAMES, **more: Any) -> Warehouse:
    """One whole pull of its own, as ``pull`` makes it."""
    warehouse = Warehouse(str(root))
    with warehouse.writing(STREAM, f"p{pull}"):
        warehouse.discard_unpublished(STREAM)
        warehouse.merge("current", STREAM, batches, landed_schema(columns))
        warehouse.append("landing", STREAM, batches, landed_schema(columns))
        warehouse.publish(record(warehouse, **more))
    return warehouse


def told(warehouse: Warehouse, column: str = "name") -> dict[int, Any]:
    """The live rows as published, by id."""
    rows = warehouse.current(STREAM)
    return {} if rows is None else dict(zip(rows["id"].to_pylist(), rows[column].to_pylist(), strict=True))
