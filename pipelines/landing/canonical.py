"""Rows as canonical JSON, which their hashes are of: sorted names, decimals as their text, instants as ISO 8601. Column by column, since a Python
object for every value costs several times what its text does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.keys import exact

if TYPE_CHECKING:
    import pyarrow as pa

_encoder = msgspec.json.Encoder(order="sorted", decimal_format="string")
#: Of fewer rows, Arrow's calls cost more than the objects.
_FEW = 256
#: What a JSON text writes otherwise than as it stands (RFC 8259, section 7).
_ESCAPED = r'["\\\x00-\x1f]'
#: Instants before the year 1000 and after 9999 are written in other ways by different libraries, if at all.
_YEARS = (1000, 9999)


def canonical(batch: pa.RecordBatch, columns: Sequence[str]) -> list[bytes]:
    """Each row as the canonical JSON of these columns, in UTF-8; numbers that are none (NaN, infinities) as an object no other value can be, in
    structs and lists, too."""
    return (by_row if batch.num_rows < _FEW else by_column)(batch, columns)


def by_row(batch: pa.RecordBatch, columns: Sequence[str]) -> list[bytes]:
    """What canonical is."""
    return [_encoder.encode(exact(row)) for row in batch.select(list(columns)).to_pylist()]


def by_column(batch: pa.RecordBatch, columns: Sequence[str]) -> list[bytes]:
    """The same, sooner for many rows."""
    import pyarrow as pa

    if not columns or not batch.num_rows:
        return [b"{}"] * batch.num_rows
    return _objects({name: batch.column(name) for name in columns}).cast(pa.binary()).to_pylist()


def _texts(column: Any) -> Any:
    """The JSON of each value; a null stays null."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return column.cast(pa.string())
    if pa.types.is_string(kind):
        return _strings(column)
    if pa.types.is_decimal128(kind):
        return _quoted(column.cast(pa.string()))
    if pa.types.is_date32(kind) and _plain_years(column):
        return _quoted(column.cast(pa.string()))
    if kind in (pa.timestamp("us", tz="UTC"), pa.timestamp("us")) and _plain_years(column):
        return _instants(column)
    if pa.types.is_struct(kind) and kind.num_fields:
        return _structs(column)
    if pa.types.is_list(kind):
        return _lists(column)
    return _each(column)


def _instants(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Without its zone first: with one, Arrow takes twenty times as long, and both say the same in UTC.
    text = pc.replace_substring(column.cast(pa.timestamp("us")).cast(pa.string()), " ", "T")
    text = pc.replace_substring(text, ".000000", "")
    return _quoted(text if column.type.tz is None else _joined(text, "Z"))


def _structs(column: Any) -> Any:
    import pyarrow.compute as pc

    # Not ``field``, which knows neither the nulls of the whole nor where a slice begins.
    inner = dict(zip((field.name for field in column.type), column.flatten(), strict=True))
    return pc.if_else(column.is_valid(), _objects(inner), None)


def _lists(column: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    inner = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pc.fill_null(_texts(column.flatten()), "null"))
    return pc.if_else(column.is_valid(), _joined("[", pc.binary_join(inner, ","), "]"), None)


def _objects(columns: Mapping[str, Any]) -> Any:
    """One JSON object a row, of these columns by name."""
    import pyarrow.compute as pc

    parts: list[Any] = []
    for name in sorted(columns):
        parts += [("," if parts else "{") + _encoder.encode(name).decode() + ":", pc.fill_null(_texts(columns[name]), "null")]
    return _joined(*parts, "}")


def _joined(*parts: Any) -> Any:
    """Texts side by side; null where one of them is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # The last one stands between any two of the others: nothing.
    return pc.binary_join_element_wise(*(pa.scalar(one) if isinstance(one, str) else one for one in parts), pa.scalar(""))


def _strings(column: Any) -> Any:
    import pyarrow.compute as pc

    odd = pc.fill_null(pc.match_substring_regex(column, _ESCAPED), False)
    plain = _quoted(column)
    return pc.replace_with_mask(plain, odd, _each(column.filter(odd))) if pc.any(odd).as_py() else plain


def _quoted(texts: Any) -> Any:
    return _joined('"', texts, '"')


def _plain_years(column: Any) -> bool:
    import pyarrow.compute as pc

    bounds = pc.min_max(pc.year(column)).as_py()
    return bounds["min"] is None or (_YEARS[0] <= bounds["min"] and bounds["max"] <= _YEARS[1])


def _each(column: Any) -> Any:
    """Value by value: what has no text of its own in Arrow that is also its JSON."""
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    return pa.array([None if one is None else _encoder.encode(exact(one)).decode() for one in values], pa.string())
