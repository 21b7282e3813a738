"""Arrow shapes that pages of every connector share: the schema of a page, a page without rows, and keys that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from connectors.access import UNRESOLVED
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Column, Cursor, Page, Stream

#: Rows of one page of keys that are gone.
_GONE = 10_000


def schema_for(columns: Sequence[Column]) -> pa.Schema:
    """The contract's columns as fields."""
    return pa.schema([(column.name, column.type) for column in columns])


def page_schema(columns: Sequence[Column]) -> pa.Schema:
    """The contract's columns in its order, then op, source version and scope."""
    return pa.schema([*schema_for(columns), (OP, pa.string()), (SOURCE_VERSION, pa.string()), (SCOPE, pa.string())])


def key_columns(stream: Stream) -> tuple[Column, ...]:
    """The columns of the key, in the key's order."""
    return tuple(column for name in stream.key for column in stream.columns if column.name == name)


def empty(columns: Sequence[Column], cursor: Cursor, total: int | None) -> Page:
    """No rows: a cursor and the source's count."""
    return Page(pa.RecordBatch.from_pylist([], schema=page_schema(columns)), cursor, 0, (), total)


def gone(columns: Sequence[Column], keys: pa.Table, cursor: Cursor, total: int | None) -> Iterator[Page]:
    """Rows that are gone: only their key columns have values. ``keys`` has those columns by name."""
    for at in range(0, keys.num_rows, _GONE):
        part = keys.slice(at, _GONE).combine_chunks()
        rows = part.num_rows
        arrays = [
            part.column(column.name).cast(column.type).combine_chunks() if column.name in part.column_names else pa.nulls(rows, column.type)
            for column in columns
        ]
        arrays = [one.chunk(0) if isinstance(one, pa.ChunkedArray) else one for one in arrays]
        system = [pa.array(["delete"] * rows, pa.string()), pa.nulls(rows, pa.string()), pa.array([UNRESOLVED] * rows, pa.string())]
        yield Page(pa.RecordBatch.from_arrays([*arrays, *system], schema=page_schema(columns)), cursor, 0, (), total)
