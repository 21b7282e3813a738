"""What is held back and why: rejected rows as a table with reasons. This module decides and shapes; landing stores."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.protocol import Reject

if TYPE_CHECKING:
    import pyarrow as pa


def schema() -> pa.Schema:
    """Quarantine columns: row key and column as text, reason code, the raw source row as JSON text, which pull, when (UTC)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.string()),
            ("column", pa.string()),
            ("reason", pa.string()),
            ("raw", pa.string()),
            ("_pull_id", pa.string()),
            ("_pulled_at", pa.timestamp("us", tz="UTC")),
            ("_contract_version", pa.int64()),
        ]
    )


def held(rejects: Iterable[Reject], *, pull_id: str, pulled_at: datetime, contract_version: int) -> pa.Table:
    """Rejected rows as quarantine rows. A row is held once, however many of its columns are wrong."""
    import pyarrow as pa

    rows: dict[str, dict[str, object]] = {}
    for reject in rejects:
        rows.setdefault(
            reject.key,
            {
                "key": reject.key,
                "column": reject.column,
                "reason": reject.reason,
                "raw": reject.raw,
                "_pull_id": pull_id,
                "_pulled_at": pulled_at,
                "_contract_version": contract_version,
            },
        )
    return pa.Table.from_pylist(list(rows.values()), schema=schema())
