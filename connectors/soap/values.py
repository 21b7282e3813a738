"""From raw text to Arrow: lexical checks of XSD first, casts after. A value that does not fit makes its whole row a Reject, by name.

Whole columns go through Arrow kernels; only a column with something wrong in it is read value by value.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Column, Reject
from connectors.soap.components import SimpleType
from connectors.soap.decode import Presence, Raw, RawRow
from connectors.soap.plan import Cell

_SHOWN = 80
_INTEGER = r"^[+-]?[0-9]+$"
_FLOAT = r"^(([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)|-?INF|NaN)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
#: For the kernels only: years 0000, 0001 and 9999 go the careful way, for Arrow lets a zone carry them out of the calendar.
_YEAR = r"(000[2-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
_FAST_DATE = rf"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}$"
_FAST_INSTANT = rf"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,6}})?{_OFFSET}$"
_DATE_TIME = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})T(\d{{2}}:\d{{2}}:\d{{2}})(?:\.(\d+))?(?P<zone>{_OFFSET})?", re.ASCII)
_ZONE = f"{_OFFSET}?"
#: Built-ins that stay text in Arrow and still have a form to keep (XSD part 2).
_TEXT_FORMS = {
    "time": re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?" + _ZONE + r"|24:00:00(\.0+)?" + _ZONE, re.ASCII),
    "gYear": re.compile(r"-?\d{4,}" + _ZONE, re.ASCII),
    "gYearMonth": re.compile(r"-?\d{4,}-(0[1-9]|1[0-2])" + _ZONE, re.ASCII),
    "gMonth": re.compile(r"--(0[1-9]|1[0-2])" + _ZONE, re.ASCII),
    "gMonthDay": re.compile(r"--(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])" + _ZONE, re.ASCII),
    "gDay": re.compile(r"---(0[1-9]|[12]\d|3[01])" + _ZONE, re.ASCII),
    "duration": re.compile(r"-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.ASCII),
}
_COLLAPSED = frozenset({"token", "language", "Name", "NCName", "NMTOKEN", "ID", "IDREF", "ENTITY", "anyURI", "QName", *_TEXT_FORMS})


class Unfit(ValueError):
    """A value does not fit its column. ``path`` is below the column where it is nested."""

    def __init__(self, why: str, raw: object, path: str = "") -> None:
        self.why, self.raw, self.path = why, raw, path
        super().__init__(why)


@dataclass(frozen=True)
class Rules:
    """The declarations that bear on values: see ``SourceSpec``."""

    timezone: str | None = None
    null_values: frozenset[str] = frozenset()
    empty_as_null: bool = False


@dataclass(frozen=True)
class Where:
    """For what a Reject says: operation, row path, and the number of the first row of this block (from 1)."""

    operation: str
    rows: str
    first: int


def batch(
    cells: Sequence[Cell], rows: Sequence[RawRow], rules: Rules, where: Where, *, key: Sequence[str], versions: Sequence[str], scope: str
) -> tuple[pa.RecordBatch, list[Reject]]:
    """The rows that fit, in the order and types of the columns with op, version and scope added, and a Reject for each that doesn't."""
    columns = list(zip(*rows, strict=True)) if rows else []
    wrong: dict[int, tuple[Cell, Unfit]] = {}
    arrays: list[pa.Array[Any]] = []
    for cell in cells:
        array, unfit = _column(cell, columns[cell.slot] if columns else (), rules)
        arrays.append(array)
        for index, error in unfit.items():
            wrong.setdefault(index, (cell, error))
    arrays += [pa.array(["upsert"] * len(rows), pa.string()), pa.array(versions, pa.string()), pa.array([scope] * len(rows), pa.string())]
    whole = pa.record_batch(arrays, schema=page_schema([cell.column for cell in cells]))
    if not wrong:
        return whole, []
    kept = whole.filter(pa.array([index not in wrong for index in range(len(rows))]))
    return kept, [_reject(cells, rows[index], key, where, index, *wrong[index]) for index in sorted(wrong)]


def page_schema(columns: Sequence[Column]) -> pa.Schema:
    """Columns in contract order, then op, source version and scope."""
    return pa.schema(
        [*((column.name, column.type) for column in columns), (OP, pa.string()), (SOURCE_VERSION, pa.string()), (SCOPE, pa.string())]
    )


def _reject(cells: Sequence[Cell], row: RawRow, key: Sequence[str], where: Where, index: int, cell: Cell, error: Unfit) -> Reject:
    raw = {one.column.source: _plain(one, row[one.slot]) for one in cells}
    texts = {one.column.name: row[one.slot] for one in cells}
    path = f"{where.rows}[{where.first + index}]/{cell.column.source}{error.path}"
    shown = repr(error.raw if isinstance(error.raw, str) else getattr(error.raw, "value", ""))
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return Reject(
        key="/".join(text if isinstance(text := texts.get(name), str) else "" for name in key),
        column=cell.column.name,
        reason=f"{error.why}: {where.operation} {path} = {shown}",
        raw=json.dumps(raw, ensure_ascii=False),
    )


def _plain(cell: Cell, raw: Raw) -> Any:
    if isinstance(raw, Presence):
        return None if raw is not Presence.TWICE else {"#": "twice"}
    if isinstance(raw, str) or cell.simple is not None:
        return raw if isinstance(raw, str) else [one if isinstance(one, str) else None for one in raw]
    if cell.many:
        return [_struct(cell, one) for one in raw]
    return _struct(cell, raw)


def _struct(cell: Cell, raw: Raw) -> Any:
    return None if isinstance(raw, Presence) else {child.column.source: _plain(child, raw[child.slot]) for child in cell.children}


def _column(cell: Cell, raw: Sequence[Raw], rules: Rules) -> tuple[pa.Array[Any], dict[int, Unfit]]:
    if cell.simple is not None and not cell.many:
        fast = _fast(cell, raw, rules)
        if fast is not None:
            return fast, {}
    values: list[Any] = []
    unfit: dict[int, Unfit] = {}
    for index, one in enumerate(raw):
        try:
            values.append(value_of(cell, one, rules))
        except Unfit as error:
            values.append(None)
            unfit[index] = error
    return pa.array(values, cell.column.type), unfit


def _fast(cell: Cell, raw: Sequence[Raw], rules: Rules) -> pa.Array[Any] | None:
    """The column by kernels, or None when something in it needs a closer look."""
    kind = cell.column.type
    assert cell.simple is not None
    texts: list[str | None] = [one if type(one) is str else None for one in raw]
    gaps = [one for one in raw if type(one) is not str]
    if any(one is Presence.TWICE for one in gaps):
        return None
    if gaps and (cell.column.required or (not cell.nillable and any(one is Presence.NIL for one in gaps))):
        return None
    allowed = cell.simple.facets.get("enumeration")
    if isinstance(allowed, tuple) and not {one for one in texts if one is not None} <= set(allowed):
        return None
    if pa.types.is_string(kind):
        return pa.array(texts, kind) if cell.simple.builtin not in _COLLAPSED else None
    array = pa.array(texts, pa.string())
    if rules.null_values or rules.empty_as_null:
        nothing = [*rules.null_values, *([""] if rules.empty_as_null else [])]
        array = pc.if_else(pc.is_in(array, value_set=pa.array(nothing, pa.string())), pa.scalar(None, pa.string()), array)
        if cell.column.required and array.null_count:
            return None
    pattern = _pattern(kind)
    if pattern is None or not pc.all(pc.match_substring_regex(array, pattern), min_count=0).as_py():
        return None
    try:
        if pa.types.is_boolean(kind):
            return (
                pc.is_in(array, value_set=pa.array(["true", "1"]))
                if not array.null_count
                else pc.if_else(pc.is_null(array), pa.scalar(None, pa.bool_()), pc.is_in(array, value_set=pa.array(["true", "1"])))
            )
        return array.cast(kind)
    except pa.ArrowInvalid:
        return None


def _pattern(kind: pa.DataType) -> str | None:
    if pa.types.is_boolean(kind):
        return "^(true|false|1|0)$"
    if pa.types.is_integer(kind):
        return r"^-?[0-9]+$"
    if pa.types.is_floating(kind):
        return _FLOAT
    if pa.types.is_date32(kind):
        return _FAST_DATE
    if isinstance(kind, pa.Decimal128Type) and 0 <= kind.scale <= kind.precision:
        whole = kind.precision - kind.scale
        return rf"^-?0*([0-9]{{1,{whole}}}(\.[0-9]{{0,{kind.scale}}}0*)?)$" if whole else None
    if isinstance(kind, pa.TimestampType) and kind.tz and kind.unit == "us":
        return _FAST_INSTANT
    return None


def value_of(cell: Cell, raw: Raw, rules: Rules) -> Any:
    """One raw value as Python value for its Arrow type, null where the contract allows it. Raises Unfit."""
    if isinstance(raw, Presence):
        if raw is Presence.TWICE:
            raise Unfit("value.twice (an element that comes once came again)", raw)
        if cell.column.required or (raw is Presence.NIL and not cell.nillable):
            raise Unfit(f"value.{raw.value} (a value is required)", raw)
        return None
    if cell.many:
        return [_item(cell, one, rules, index) for index, one in enumerate(raw, 1)]
    return _item(cell, raw, rules, 0)


def _item(cell: Cell, raw: Raw, rules: Rules, index: int) -> Any:
    at = f"[{index}]" if index else ""
    try:
        if cell.simple is None:
            if isinstance(raw, Presence):
                return None
            made: dict[str, Any] = {}
            for child in cell.children:
                try:
                    made[child.column.name] = value_of(child, raw[child.slot], rules)
                except Unfit as error:
                    raise Unfit(error.why, error.raw, f"/{child.column.source}{error.path}") from error
            return made
        if isinstance(raw, Presence):
            return None
        kind = cell.column.type.value_type if cell.many and isinstance(cell.column.type, pa.ListType) else cell.column.type
        made_value = scalar(raw, kind, cell.simple, rules)
    except Unfit as error:
        raise Unfit(error.why, error.raw, at + error.path) from error
    if made_value is None and cell.column.required and not cell.many:
        raise Unfit("value.empty (a value is required)", raw, at)
    return made_value


def scalar(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    """One text as the Python value of an Arrow type, by XSD's lexical rules. Raises Unfit; None only for a declared null."""
    if isinstance(kind, pa.ListType):
        return [scalar(one, kind.value_type, simple, rules) for one in text.split()]
    if pa.types.is_string(kind):
        kept = " ".join(text.split()) if simple.builtin in _COLLAPSED else text
        form = _TEXT_FORMS.get(simple.builtin)
        if form is not None:
            if kept in rules.null_values or (not kept and rules.empty_as_null):
                return None
            if not form.fullmatch(kept):
                raise Unfit(f"value.lexical (not an xsd:{simple.builtin})", text)
        return _allowed(kept, simple, text)
    stripped = text.strip(" \t\r\n")
    if stripped in rules.null_values or (not stripped and rules.empty_as_null):
        return None
    _allowed(stripped, simple, text)
    try:
        return _typed(stripped, kind, simple, rules)
    except Unfit as error:
        raise Unfit(error.why, text) from error
    except (ValueError, ArithmeticError, binascii.Error) as error:
        raise Unfit(f"value.lexical (not an xsd:{simple.builtin} for {kind})", text) from error


def _allowed(value: str, simple: SimpleType, raw: str) -> str:
    allowed = simple.facets.get("enumeration")
    if isinstance(allowed, tuple) and value not in allowed:
        raise Unfit("value.enumeration (not among the values the contract lists)", raw)
    return value


def _typed(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    if pa.types.is_boolean(kind):
        if text not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text in ("true", "1")
    if pa.types.is_integer(kind):
        number = int(_matching(_INTEGER, text))
        bound = 1 << (kind.bit_width - 1)
        if not -bound <= number < bound:
            raise Unfit(f"value.range (does not fit {kind})", text)
        return number
    if isinstance(kind, pa.Decimal128Type):
        return _decimal(text, kind)
    if pa.types.is_floating(kind):
        return float(_matching(_FLOAT, text).replace("INF", "inf"))
    if pa.types.is_date32(kind):
        return date.fromisoformat(_matching(_DATE, text))
    if isinstance(kind, pa.TimestampType):
        return _instant(text, kind, rules)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        packed = "".join(text.split())
        return bytes.fromhex(packed) if simple.builtin == "hexBinary" else base64.b64decode(packed, validate=True)
    raise Unfit(f"value.type (no XSD value becomes {kind}; change the column's type in the contract)", text)


def _matching(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern[1:-1], text, re.ASCII):
        raise ValueError(text)
    return text


def _decimal(text: str, kind: pa.Decimal128Type) -> Decimal:
    number = Decimal(_matching(r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$", text))
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > kind.scale:
        raise Unfit(f"value.inexact (more than {kind.scale} digits after the point)", text)
    if len(whole.lstrip("0")) > kind.precision - kind.scale:
        raise Unfit(f"value.range (does not fit {kind})", text)
    # Built from its digits: quantize would round by the context's 28 digits.
    sign, digits, exponent = number.as_tuple()
    if isinstance(exponent, int) and -exponent > kind.scale:
        return Decimal((sign, digits[: len(digits) + exponent + kind.scale] or (0,), -kind.scale))
    return number


def _instant(text: str, kind: pa.TimestampType, rules: Rules) -> datetime:
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, clock, fraction, zone = found.group(1, 2, 3, "zone")
    if fraction and len(fraction.rstrip("0")) > 6:
        raise Unfit("value.inexact (finer than a microsecond)", text)
    later = timedelta(0)
    if clock == "24:00:00":
        if (fraction or "0").strip("0"):
            raise ValueError(text)
        clock, later = "00:00:00", timedelta(days=1)
    moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:<06}") + later
    if kind.tz is None:
        if zone:
            raise Unfit("value.zone (a zone in a column without one)", text)
        return moment
    if zone:
        offset = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
        return moment.replace(tzinfo=offset).astimezone(UTC)
    if rules.timezone is None:
        raise Unfit("value.zone (no zone, and source.timezone is not declared)", text)
    return moment.replace(tzinfo=ZoneInfo(rules.timezone)).astimezone(UTC)
