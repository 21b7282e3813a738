"""What a table's columns say of themselves: the code and label of the field that fills each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.landing.log import signed

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


def relabel(found: DeltaTable, schema: pa.Schema, by: str) -> None:
    """Let the table's columns say what fills them now: a renamed field has another code and label, and Delta merges no two of them."""
    import pyarrow as pa

    there = {field.name: field.metadata or {} for field in pa.schema(found.schema().to_arrow())}
    for field in schema:
        told = field.metadata or {}
        if field.name in there and any(there[field.name].get(key) != value for key, value in told.items()):
            labels = {key.decode(): value.decode() for key, value in told.items()}
            found.alter.set_column_metadata(field.name, labels, commit_properties=signed(by))
