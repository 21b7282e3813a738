"""The pages a pull yields of records as they were decoded."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from connectors.kintone.decode import Decoded
from connectors.pages import page_schema
from connectors.protocol import Column, Cursor, Page


def page_of(columns: Sequence[Column], decoded: Decoded, scopes: list[str], cursor: Cursor, total: int | None) -> Page:
    """Rows that are there, as they were decoded."""
    rows = len(decoded.ids)
    arrays = [
        *decoded.columns,
        pa.array(["upsert"] * rows, pa.string()),
        pa.array(decoded.revisions, pa.string()),
        pa.array(scopes, pa.string()),
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=page_schema(columns))
    return Page(batch, cursor, decoded.source_rows, decoded.rejects, total)
