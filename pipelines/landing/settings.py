"""What Delta is told of our tables: which values its log keeps, and how often it is summed up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.protocol import OP
from pipelines.landing.log import signed
from pipelines.landing.rows import KEY

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_SETTINGS = {
    # A release reads the version it names for as long as it stands: Delta would forget how to after thirty days.
    "delta.enableExpiredLogCleanup": "false",
    # To open a table is to read its log from the last checkpoint on, commit by commit, each a request to an object store; a pull opens many.
    "delta.checkpointInterval": "10",
}


def settings(schema: pa.Schema) -> dict[str, str]:
    """Delta's settings for a table of this schema.

    The log keeps least and greatest values of ``_key`` and ``_op``: Delta's own default, the first 32 columns, would miss them in a wide stream.
    Of a struct, one inner column is named beside them: where none is, Delta's library finds the values of no column at all.
    """
    named = [KEY, OP, *(f"{name}.{inner}" for name, kind in zip(schema.names, schema.types, strict=True) for inner in _one_of_each(kind))]
    return {"delta.dataSkippingStatsColumns": ",".join(named), **_SETTINGS}


def _one_of_each(kind: pa.DataType) -> Iterator[str]:
    """The path of one inner column of a struct, and of each struct in it."""
    import pyarrow as pa

    if not pa.types.is_struct(kind):
        return
    inner = [kind.field(at) for at in range(kind.num_fields)]
    names = [f"`{field.name.replace('`', '``')}`" for field in inner]
    yield from [name for field, name in zip(inner, names, strict=True) if not pa.types.is_struct(field.type)][:1]
    for field, name in zip(inner, names, strict=True):
        yield from (f"{name}.{deeper}" for deeper in _one_of_each(field.type))


def set_anew(table: DeltaTable, by: str) -> bool:
    """Tell an existing table, in one commit, what it was not told or what its columns have outgrown. Returns whether there was anything."""
    import pyarrow as pa

    told = table.metadata().configuration
    changed = {name: value for name, value in settings(pa.schema(table.schema().to_arrow())).items() if told.get(name) != value}
    if changed:
        table.alter.set_table_properties(changed, commit_properties=signed(by))
    return bool(changed)
