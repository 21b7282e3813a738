"""Arrow types as contracts write them: text to type and back, nested types by their ``fields:``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connectors.errors import FixConfiguration

if TYPE_CHECKING:
    import pyarrow as pa

_DECIMAL = re.compile(r"decimal128\((\d+),\s*(\d+)\)")
_TIMESTAMP = re.compile(r"timestamp\[us(?:,\s*(?:tz=)?UTC)?\]")
_LIST = re.compile(r"list<(.+)>")
SIMPLE = ("string", "bool", "int8", "int16", "int32", "int64", "float", "double", "date32", "binary")


def parse_type(text: str, children: tuple[tuple[str, pa.DataType], ...] = ()) -> pa.DataType:
    """The Arrow type for a contract's ``type:`` text.

    ``list`` and ``struct`` take their shape from ``children``; ``list<string>`` and other lists of scalars stand alone.
    Raises FixConfiguration for any other text.
    """
    import pyarrow as pa

    text = text.strip()
    if children:
        inner = pa.struct([pa.field(name, kind) for name, kind in children])
        if text == "struct":
            return inner
        if text == "list":
            return pa.list_(inner)
    if text in SIMPLE:
        return {"float": pa.float32(), "double": pa.float64(), "bool": pa.bool_(), "date32": pa.date32()}.get(text) or getattr(pa, text)()
    if found := _DECIMAL.fullmatch(text):
        return pa.decimal128(int(found[1]), int(found[2]))
    if _TIMESTAMP.fullmatch(text):
        return pa.timestamp("us", tz="UTC") if "UTC" in text else pa.timestamp("us")
    if found := _LIST.fullmatch(text):
        return pa.list_(parse_type(found[1]))
    raise FixConfiguration(
        "contract.bad_type", type=text, allowed=", ".join((*SIMPLE, "decimal128(p, s)", "timestamp[us, UTC]", "list<…>"))
    )


def write_type(kind: pa.DataType) -> str:
    """The text of an Arrow type as a contract writes it; nested types give ``list`` or ``struct`` and keep their shape in ``fields:``."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_list(kind):
        inner = kind.value_type
        return "list" if pa.types.is_struct(inner) else f"list<{write_type(inner)}>"
    if pa.types.is_decimal(kind):
        return f"decimal128({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp[us, UTC]" if kind.tz else "timestamp[us]"
    if pa.types.is_date32(kind):
        return "date32"
    return str(kind)
