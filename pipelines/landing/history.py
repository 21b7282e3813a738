"""Facts with the time they were first seen and the time they were gone: what a source shows only as it is now, kept as it came and went."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

FIRST, GONE = "first_observed", "gone_at"
_SEPARATOR = "\x1f"


def observed(before: pa.Table | None, now: pa.Table, key: tuple[str, ...], at: datetime) -> pa.Table:
    """The history after one more reading at ``at`` (aware UTC): every fact of ``before``, and of ``now`` what is new.

    ``now`` has one row a fact, told apart by the text columns ``key``; the result has two columns more, instants in UTC: ``first_observed``,
    and ``gone_at``, null while the fact stands. A fact that stands takes on what else ``now`` says of it; one that comes back is a new row.
    Nothing is said of the time before the first reading: what was there then was first observed by it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    instant = pa.timestamp("us", tz="UTC")
    wanted = pa.schema([*now.schema, (FIRST, instant), (GONE, instant)])
    named = _keys(now, key)
    if before is None:
        return _with(now, pa.repeat(pa.scalar(at, instant), now.num_rows), pa.nulls(now.num_rows, instant), wanted)
    past = before.filter(pc.is_valid(before[GONE]))
    stood = before.filter(pc.is_null(before[GONE]))
    stood_keys = _keys(stood, key)
    since = pc.index_in(named, value_set=stood_keys)
    first = pc.fill_null(stood[FIRST].combine_chunks().take(since), pa.scalar(at, instant))
    standing = _with(now, first, pa.nulls(now.num_rows, instant), wanted)
    left = stood.filter(pc.invert(pc.is_in(stood_keys, value_set=named)))
    ended = left.set_column(left.schema.get_field_index(GONE), GONE, pa.repeat(pa.scalar(at, instant), left.num_rows))
    return pa.concat_tables([_shaped(past, wanted), _shaped(ended, wanted), standing])


def standing(history: pa.Table) -> pa.Table:
    """The facts that hold now."""
    import pyarrow.compute as pc

    return history.filter(pc.is_null(history[GONE]))


def _keys(table: pa.Table, key: tuple[str, ...]) -> pa.Array:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*[table[name].combine_chunks() for name in key], _SEPARATOR, null_handling="replace")


def _with(now: pa.Table, first: pa.Array, gone: pa.Array, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_arrays([*now.columns, first, gone], schema=schema)


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """An older shape's rows in today's: a column they had not is null there."""
    import pyarrow as pa

    arrays = [
        table[field.name].cast(field.type) if field.name in table.schema.names else pa.nulls(table.num_rows, field.type) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
