"""Values and live fields of columns that the contract declares to be read otherwise than their XSD type says (``source.read``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors.protocol import Column, LiveField, Schema, Stream
from connectors.redaction import MASK
from connectors.soap.beside import PARTS
from connectors.soap.components import ITSELF, SimpleType
from connectors.soap.forms import Form, shifted, written
from connectors.soap.inner import rows_of
from connectors.soap.reading import Reading

#: Reads one text as a value of an Arrow type by the rules of an XSD type.
Plain = Callable[[str, pa.DataType, SimpleType], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_BUILTINS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_floating, "double"),
    (pa.types.is_date32, "date"),
    (pa.types.is_timestamp, "dateTime"),
)


def _number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)


#: What a column must be for a form.
_FORMS: Mapping[Form | None, Callable[[pa.DataType], bool]] = {
    "trailing_minus": _number,
    "grouped": _number,
    "cyyddd": pa.types.is_date32,
    "dats": pa.types.is_date32,
    "tims": pa.types.is_string,
    None: _number,
}


def read_as(
    reading: Reading, text: str, column: Column, kind: pa.DataType, simple: SimpleType, plain: Plain, beside: str | None = None
) -> Any:
    """The text as the declaration has it, null for a declared nothing. ``beside`` is an amount's currency.

    Raises ValueError with the reason, and what ``plain`` raises.
    """
    bare = text.strip(" \t\r\n")
    if reading.mask:
        return MASK if bare else ""
    if bare in reading.null_values or (not bare and reading.empty == "null"):
        return None
    if not bare and reading.empty == "error":
        raise ValueError("value.empty (an empty element, which is declared an error)")
    for said in (text, bare):
        if said in reading.values:
            return plain(reading.values[said], kind, _of(kind))
    if reading.epoch:
        if not _WHOLE.fullmatch(bare):
            raise ValueError("value.lexical (not a whole number of an epoch)")
        unit = timedelta(seconds=1) if reading.epoch == "seconds" else timedelta(milliseconds=1)
        try:
            instant = _EPOCH + int(bare) * unit
        except OverflowError as error:
            raise ValueError("value.range (no instant of the calendar)") from error
        return instant if isinstance(kind, pa.TimestampType) and kind.tz else instant.replace(tzinfo=None)
    if reading.rewritten and bare:
        said = written(reading.form, bare) if reading.form else bare
        if said is not None and reading.currency is not None:
            said = shifted(said, beside, reading.currency)
        return None if said is None else plain(said, kind, SimpleType("declared", "time") if reading.form == "tims" else _of(kind))
    if reading.inner is not None:
        return _table(reading, text, column, plain)
    return plain(text, kind, simple)


def _table(reading: Reading, text: str, column: Column, plain: Plain) -> list[dict[str, Any]]:
    assert reading.inner is not None
    try:
        rows = rows_of(text, reading.inner, [child.source for child in column.children])
    except ValueError as error:
        raise ValueError(f"value.inner (not the {reading.inner.format} it is declared to be: {error})") from error
    return [{child.name: _child(child, row, number, plain) for child in column.children} for number, row in enumerate(rows, 1)]


def _child(child: Column, row: Mapping[str, str | None], number: int, plain: Plain) -> Any:
    text = row.get(child.source)
    if text is None or (text == "" and not pa.types.is_string(child.type)):
        if child.required:
            raise ValueError(f"value.absent (a value is required: row {number} of the inner table, {child.source})")
        return None
    return plain(text, child.type, _of(child.type))


def _of(kind: pa.DataType) -> SimpleType:
    """The built-in by whose rules a text becomes this Arrow type, where the WSDL's own type does not say."""
    builtin = next((name for fits, name in _BUILTINS if fits(kind)), "string")
    return SimpleType("declared", builtin)


def contradicted(stream: Stream, readings: Mapping[str, Reading], bookmark: str) -> tuple[str, str] | None:
    """The first declared path that the stream's columns contradict, and why; None where all fit. ``bookmark`` is the source pages go by."""
    known: dict[str, pa.DataType] = {}

    def walk(below: Sequence[Column], at: str) -> None:
        for column in below:
            known[at + column.source] = column.type
            walk(column.children, f"{at}{column.source}/")

    walk(stream.columns, "")
    open_ = {bookmark, *(column.source for column in stream.columns if column.name in (*stream.key, stream.cursor))}
    for path, reading in readings.items():
        if path not in known:
            return path, "no column has this source"
        item = known[path].value_type if isinstance(known[path], pa.ListType) else known[path]
        if pa.types.is_struct(item) and not reading.inner and reading.reads:
            return path, "a struct is read part by part; declare it for the columns in it"
        if reading.inner and not (pa.types.is_struct(item) and isinstance(known[path], pa.ListType)):
            return path, f"a column of type {known[path]} holds no inner table; make it a list of structs"
        if reading.epoch and not (pa.types.is_timestamp(item) or pa.types.is_date32(item)):
            return path, f"a column of type {known[path]} can't hold the instants of an epoch"
        if reading.mask and not pa.types.is_string(item):
            return path, f"a column of type {known[path]} can't hold a mask; make it a string"
        if reading.mask and ITSELF in known:
            return path, "another column has the whole row, and what is masked with it"
        if reading.inside and not pa.types.is_string(item):
            return path, f"a column of type {known[path]} has no element whole; make it a string"
        if reading.rewritten and not _FORMS[reading.form](known[path]):
            return path, f"a column of type {known[path]} can't hold what form and currency make"
        if path.rpartition("@")[2] in PARTS:
            return path, "what a text says beside its value is read as the value is declared"
        if reading.mask and path in open_:
            return path, "what rows are known and ordered by (key and cursor) can't be masked"
    return None


def with_declared(schema: Schema, columns: Sequence[Column], readings: Mapping[str, Reading]) -> Schema:
    """The live schema with the contract's own types where the contract declares the type that the WSDL still gives."""
    return replace(schema, fields=_fields(schema.fields, columns, readings, "")) if readings else schema


def _fields(live: Sequence[LiveField], columns: Sequence[Column], readings: Mapping[str, Reading], at: str) -> tuple[LiveField, ...]:
    by_source = {column.source: column for column in columns}
    return tuple(_field(one, by_source.get(one.source), readings, at + one.source) for one in live)


def _field(live: LiveField, column: Column | None, readings: Mapping[str, Reading], path: str) -> LiveField:
    if column is None:
        return live
    reading = readings.get(path)
    if reading is not None and reading.from_ is not None and live.vendor_type == f"xsd:{reading.from_}":
        inner = tuple(
            LiveField(child.source, child.source, child.type, "inner", child.required)
            for child in (column.children if reading.inner else ())
        )
        required = live.required and column.required
        return replace(live, type=column.type, children=inner or live.children, required=required)
    if not live.children:
        return live
    children = _fields(live.children, column.children, readings, f"{path}/")
    struct = pa.struct([pa.field(child.source, child.type) for child in children])
    return replace(live, children=children, type=pa.list_(struct) if isinstance(live.type, pa.ListType) else struct)
