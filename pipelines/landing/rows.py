"""How a pulled page becomes landed rows: key, canonical hash, and the columns every landed row carries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.keys import key_text
from connectors.protocol import OP, SCOPE, SOURCE_VERSION
from pipelines.landing.canonical import canonical

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "_key"
ROW_HASH = "_row_hash"


@dataclass(frozen=True)
class Stamp:
    """What all rows of one pull share."""

    stream: str
    pull_id: str
    pulled_at: datetime
    contract_version: int


def landed_schema(contract_columns: pa.Schema) -> pa.Schema:
    """The contract's columns, all nullable in storage (tombstones hold none), then the system columns."""
    import pyarrow as pa

    business = [pa.field(f.name, f.type, True, f.metadata) for f in contract_columns]
    return pa.schema(
        [
            *business,
            pa.field(KEY, pa.string()),
            pa.field("_stream", pa.string()),
            pa.field("_pull_id", pa.string()),
            pa.field("_pulled_at", pa.timestamp("us", tz="UTC")),
            pa.field(OP, pa.string()),
            pa.field(SOURCE_VERSION, pa.string()),
            pa.field("_contract_version", pa.int64()),
            pa.field(ROW_HASH, pa.string()),
            pa.field(SCOPE, pa.string()),
        ]
    )


def keys_of(batch: pa.RecordBatch, key: Sequence[str]) -> list[str]:
    """Key texts of all rows, in order."""
    columns = [batch.column(name).to_pylist() for name in key]
    return [key_text(values) for values in zip(*columns, strict=True)]


def row_hashes(batch: pa.RecordBatch, columns: Sequence[str]) -> list[str]:
    """SHA-256 of each row's canonical JSON (``canonical``)."""
    return [hashlib.sha256(row).hexdigest() for row in canonical(batch, columns)]


def stamped(batch: pa.RecordBatch, schema: pa.Schema, keys: list[str], hashes: list[str], stamp: Stamp) -> pa.RecordBatch:
    """The batch with its system columns, in the landed schema."""
    import pyarrow as pa

    size = batch.num_rows
    system: dict[str, pa.Array] = {
        KEY: pa.array(keys, pa.string()),
        "_stream": pa.array([stamp.stream] * size, pa.string()),
        "_pull_id": pa.array([stamp.pull_id] * size, pa.string()),
        "_pulled_at": pa.array([stamp.pulled_at] * size, pa.timestamp("us", tz="UTC")),
        "_contract_version": pa.array([stamp.contract_version] * size, pa.int64()),
        ROW_HASH: pa.array(hashes, pa.string()),
    }
    return pa.record_batch([system[f.name] if f.name in system else batch.column(f.name) for f in schema], schema=schema)


def tombstones(keys: Sequence[str], schema: pa.Schema, stamp: Stamp, scope_of: dict[str, str]) -> pa.RecordBatch:
    """Delete rows for keys that are gone: nothing but key and system columns; the last scope stays, so that the past stays explainable."""
    import pyarrow as pa

    size = len(keys)
    fixed: dict[str, pa.Array] = {
        KEY: pa.array(list(keys), pa.string()),
        "_stream": pa.array([stamp.stream] * size, pa.string()),
        "_pull_id": pa.array([stamp.pull_id] * size, pa.string()),
        "_pulled_at": pa.array([stamp.pulled_at] * size, pa.timestamp("us", tz="UTC")),
        OP: pa.array(["delete"] * size, pa.string()),
        "_contract_version": pa.array([stamp.contract_version] * size, pa.int64()),
        ROW_HASH: pa.array([""] * size, pa.string()),
        SCOPE: pa.array([scope_of.get(key) for key in keys], pa.string()),
    }
    return pa.record_batch([fixed.get(f.name, pa.nulls(size, f.type)) for f in schema], schema=schema)


def fingerprint(rows: pa.Table) -> str:
    """SHA-256 of a small table's rows, independent of their order."""
    lines = sorted(str(sorted(row.items())) for row in rows.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
