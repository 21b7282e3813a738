"""Pages of typed Arrow rows: what fits its column's type becomes a value, what does not holds the whole row back as a Reject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import pyarrow as pa

from connectors.pages import page_schema
from connectors.protocol import Column, Cursor, Kept, Page, Reject, Stream, Window
from connectors.sharepoint.feed import Spool

#: Rows in a page: small enough to hold, large enough that a page's cost is its rows.
PAGE_ROWS = 1_000


class MisfitError(Exception):
    """A value its column's type cannot hold; the reason is a stable code."""


Values = Mapping[str, Any]


@dataclass
class Rows:
    """Gathers one page. ``add`` types a row or rejects it; ``remove`` adds a delete."""

    stream: Stream
    _values: list[list[Any]] = field(default_factory=list[list[Any]])
    _marks: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    _rejects: list[Reject] = field(default_factory=list[Reject])

    def __len__(self) -> int:
        return len(self._marks) + len(self._rejects)

    def add(self, key: str, values: Values, *, version: str, scope: str, raw: bytes) -> None:
        """``values`` by source code, already in Python's terms (Decimal, datetime, date, dict, list)."""
        row: list[Any] = []
        wrong: list[tuple[str, str]] = []
        for column in self.stream.columns:
            try:
                row.append(fit(values.get(column.source), column.type, column.children))
            except MisfitError as misfit:
                wrong.append((column.name, str(misfit)))
        if wrong:
            self.reject(key, wrong, raw, version=version)
            return
        self._values.append(row)
        self._marks.append(("upsert", version, scope))

    def reject(self, key: str, wrong: Sequence[tuple[str, str]], raw: bytes, *, version: str = "") -> None:
        """``wrong`` are the faults, each a column and a reason; at least one."""
        (column, reason), *more = wrong
        self._rejects.append(Reject(key, column, reason, raw.decode(errors="replace"), tuple(more), version or None))

    def remove(self, key: Mapping[str, Any], scope: str) -> None:
        """``key`` holds the key columns by source code."""
        self._values.append(
            [fit(key.get(column.source), column.type, ()) if column.name in self.stream.key else None for column in self.stream.columns]
        )
        self._marks.append(("delete", "", scope))

    def page(self, cursor: Cursor, total: int | None = None) -> Page:
        """What was gathered. ``total``: the live rows of the stream, by what was read."""
        columns = self.stream.columns
        arrays = [pa.array([row[at] for row in self._values], type=column.type) for at, column in enumerate(columns)]
        marks = [pa.array([mark[at] for mark in self._marks], type=pa.string()) for at in range(3)]
        return Page(
            pa.record_batch([*arrays, *marks], schema=page_schema(columns)),
            cursor,
            len(self),
            tuple(self._rejects),
            total,
        )


def fit(value: Any, type: pa.DataType, children: Sequence[Column]) -> Any:
    """The value as ``type`` holds it without loss, or MisfitError. None stays None."""
    if value is None:
        return None
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        return _need(isinstance(value, str), value, "text")
    if pa.types.is_boolean(type):
        return _need(isinstance(value, bool), value, "boolean")
    if pa.types.is_integer(type):
        number = _number(value)
        bits = type.bit_width - (1 if pa.types.is_signed_integer(type) else 0)
        low = -(1 << bits) if pa.types.is_signed_integer(type) else 0
        return int(_need(number == number.to_integral_value() and low <= number < 1 << bits, number, "whole_number"))
    if pa.types.is_floating(type):
        return float(_number(value))
    if pa.types.is_decimal(type):
        return _decimal(_number(value), type)
    if pa.types.is_timestamp(type):
        return _need(isinstance(value, datetime), value, "instant")
    if pa.types.is_date(type):
        return _need(isinstance(value, date) and not isinstance(value, datetime), value, "date")
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        inner = type.value_type
        return [fit(one, inner, children) for one in cast("list[Any]", _need(isinstance(value, list), value, "list"))]
    if pa.types.is_struct(type):
        held = cast("Values", _need(isinstance(value, Mapping), value, "struct"))
        if children:
            return {child.name: fit(held.get(child.source), child.type, child.children) for child in children}
        struct: pa.StructType = type
        return {inner.name: fit(held.get(inner.name), inner.type, ()) for inner in (struct.field(at) for at in range(struct.num_fields))}
    raise MisfitError(f"type.unsupported:{type}")


def _need(good: bool, value: Any, what: str) -> Any:
    if not good:
        raise MisfitError(f"value.not_{what}")
    return value


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MisfitError("value.not_number")
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _decimal(number: Decimal, type: pa.Decimal128Type) -> Decimal:
    # SharePoint keeps numbers as doubles; digits past the fifteenth are noise of that format and not data.
    settled = Decimal(format(float(number), ".15g")) if len(number.as_tuple().digits) > 15 else number
    try:
        scaled = settled.quantize(Decimal(1).scaleb(-type.scale))
    except InvalidOperation as error:
        raise MisfitError("number.too_large") from error
    if scaled != settled:
        raise MisfitError("number.too_many_decimals")
    if len(scaled.as_tuple().digits) > type.precision:
        raise MisfitError("number.too_large")
    return scaled


def inside(window: Window, when: datetime | None) -> bool:
    """Whether a row last changed at ``when`` belongs to the window. A row without a time belongs to every window."""
    if when is None:
        return True
    return (window.since is None or when >= window.since) and (window.until is None or when < window.until)


def emit(
    stream: Stream,
    spool: Spool,
    *,
    after: str,
    add: Callable[[Rows, str, bytes | None], None],
    middle: Callable[[str], Cursor],
    total: int,
) -> Iterator[Page]:
    """The spool's rows as pages in order of id, each with its cursor.

    ``add`` puts one item into the page (``None`` is a deleted one), ``middle`` makes the cursor that goes on after an id. ``total`` is how many
    rows are live once the feed is applied.
    """
    rows = Rows(stream)
    for id, body in spool.items(after):
        add(rows, id, body)
        after = id
        if len(rows) >= PAGE_ROWS:
            yield rows.page(middle(id), total)
            rows = Rows(stream)
    if len(rows):
        yield rows.page(middle(after), total)


def ended(
    stream: Stream,
    pages: Iterable[Page],
    end: Cursor,
    *,
    total: int,
    kept: Iterable[pa.RecordBatch] = (),
    anew: bool = False,
    restated: frozenset[str] = frozenset(),
) -> Iterator[Page]:
    """The pages of a feed, the last one with the cursor ``end``; there is always one.

    ``kept`` is the memory for the next pull, slice by slice, ``anew`` or on top of what was kept. ``restated``: see ``Page``.
    """
    last: Page | None = None
    for page in pages:
        if last is not None:
            yield last
        last = page
    last = last or Rows(stream).page(end, total)
    for number, batch in enumerate(kept):
        if number:
            yield last
            last = Rows(stream).page(last.cursor, total)
        last = replace(last, kept=Kept(batch, anew and number == 0))
    yield replace(last, cursor=end, restated=restated)
