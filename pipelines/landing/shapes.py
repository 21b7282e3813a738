"""How a stored shape and a wanted one meet: what a table can take on in place, and rows brought from one shape into the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def joined(stored: pa.Schema, wanted: pa.Schema) -> pa.Schema | None:
    """All columns of both, inner columns too, labelled as the wanted ones; None where one of them changed its type, which no table takes on in place."""
    import pyarrow as pa

    fields: list[pa.Field] = []
    for field in stored:
        at = wanted.get_field_index(field.name)
        both = field.type if at < 0 else _both(field.type, wanted.field(at).type)
        if both is None:
            return None
        fields.append((field if at < 0 else wanted.field(at)).with_type(both))
    return pa.schema([*fields, *(field for field in wanted if field.name not in stored.names)])


def retyped(stored: pa.Schema, wanted: pa.Schema) -> pa.Schema:
    """All columns of both, those that both have in the wanted type; inner columns that only the stored one has stay."""
    import pyarrow as pa

    fields: list[pa.Field] = []
    for field in stored:
        at = wanted.get_field_index(field.name)
        now = field if at < 0 else wanted.field(at)
        fields.append(now.with_type(_both(field.type, now.type) or now.type))
    return pa.schema([*fields, *(field for field in wanted if field.name not in stored.names)])


def shaped(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in a schema that has all their columns or more; what they have not is null. Raises ArrowInvalid for a value that has no place in
    its new type."""
    import pyarrow as pa

    columns = [
        pa.nulls(rows.num_rows, field.type) if field.name not in rows.schema.names else _cast(rows[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def misfit(rows: pa.Table, schema: pa.Schema) -> str:
    """Which column of the rows has a value without a place in its new type. Not the value: errors are read by more people than the data."""
    import pyarrow as pa

    for field in schema:
        if field.name in rows.schema.names:
            try:
                shaped(rows.select([field.name]), pa.schema([field]))
            except pa.ArrowInvalid:
                return f"{field.name} ({rows.schema.field(field.name).type} → {field.type})"
    return "?"


def _both(stored: pa.DataType, wanted: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    if pa.types.is_struct(stored) and pa.types.is_struct(wanted):
        inner = joined(pa.schema(list(stored)), pa.schema(list(wanted)))
        return None if inner is None else pa.struct(list(inner))
    if pa.types.is_list(stored) and pa.types.is_list(wanted):
        inner_type = _both(stored.value_type, wanted.value_type)
        return None if inner_type is None else pa.list_(inner_type)
    return stored if stored == wanted else None


def _cast(column: pa.ChunkedArray, type: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    if column.type == type:
        return column
    return pa.chunked_array([_cast_array(chunk, type) for chunk in column.chunks], type)


def _cast_array(array: pa.Array, type: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if array.type == type:
        return array
    if pa.types.is_struct(type) and pa.types.is_struct(array.type):
        names = [field.name for field in array.type]
        inner = [
            _cast_array(pc.struct_field(array, [field.name]), field.type) if field.name in names else pa.nulls(len(array), field.type)
            for field in type
        ]
        return pa.StructArray.from_arrays(inner, fields=list(type), mask=pc.is_null(array))
    if pa.types.is_list(type) and pa.types.is_list(array.type):
        # Offsets of a slice do not begin at nought; rebuilt, they do.
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
        return pa.ListArray.from_arrays(offsets, _cast_array(pc.list_flatten(array), type.value_type), type=type, mask=pc.is_null(array))
    if pa.types.is_integer(array.type) and pa.types.is_decimal(type) and type.scale <= 19:
        # Arrow asks of the type that it takes every integer; here it is enough that it takes these.
        return array.cast(pa.decimal128(38, type.scale)).cast(type)
    return array.cast(type)
