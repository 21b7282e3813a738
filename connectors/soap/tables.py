"""A repeated element of a row as a stream of its own: one row for each of its items, with what it needs of the row they stand in.

An item has no life of its own: it comes with its row and goes with it. So when a row was read, every item that we hold of it and that did
not come is gone. A row that can't be typed is held as a whole, and its items with it. The place of an item is data and has a source,
``$row``, which counts from 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.keys import key_text
from connectors.pages import empty, gone, page_schema
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Column, Cursor, Known, LiveField, Page, Reject, Schema, Stream, Window

#: The source of the column that holds an item's place.
ROW = "$row"
_ITEMS = "items of the row"


def table_schema(schema: Schema, table: str, stream: str) -> Schema:
    """The schema of the items: their own fields under the table's path, the place, and the single fields of the row they stand in.

    Raises AddressUnknown where the row has no such table.
    """
    found = next((one for one in schema.fields if one.source == table and one.children), None)
    place = LiveField(ROW, "", pa.int32(), "xsd:int", required=True)
    inner = () if found is None else tuple(replace(child, source=f"{table}/{child.source}") for child in found.children)
    rest = tuple(one for one in schema.fields if one is not found)
    if found is None:
        lists = ", ".join(one.source for one in schema.fields if one.children) or "-"
        raise AddressUnknown("soap.no_table", stream=stream, table=table, candidates=lists)
    return replace(schema, fields=(*rest, place, *inner))


def row_stream(stream: Stream, table: str) -> Stream:
    """The stream of the rows themselves: their columns that are asked for, and the table as a list of structs.

    Raises FixConfiguration where the key has no column of the row, by which its items are known.
    """
    own = tuple(column for column in stream.columns if not _of_table(column, table))
    inner = tuple(
        replace(column, source=column.source.removeprefix(f"{table}/"))
        for column in stream.columns
        if _of_table(column, table) and column.source != ROW
    )
    key = tuple(name for name in stream.key if name in {column.name for column in own})
    if not key or len(key) == len(stream.key):
        raise FixConfiguration("soap.table_key", stream=stream.id, table=table, row=ROW)
    kind = pa.list_(pa.struct([(column.name, column.type) for column in inner]))
    return replace(stream, key=key, columns=(*own, Column(_ITEMS, table, kind, children=inner)))


def table_pages(stream: Stream, table: str, pages: Iterator[Page], window: Window, known: Known | None) -> Iterator[Page]:
    """The items of the rows of ``pages``, and then, where less than everything was read, the keys of items that went from those rows."""
    seen = _Seen(stream, row_stream(stream, table).key)
    cursor = Cursor({})
    for page in pages:
        cursor = page.cursor
        batch = _items(stream, table, page.rows)
        rejects = tuple(replace(one, key=held_key(stream, seen.row_key, one.key)) for one in page.rejects)
        if not window.full:
            seen.take(page, batch, rejects)
        notes = tuple(replace(note, column=table) if note.column == _ITEMS else note for note in page.notes)
        yield Page(batch, cursor, batch.num_rows + len(rejects), rejects, notes=notes)
    if known is not None and not window.full:
        left = seen.gone(known)
        yield from gone(stream.columns, left, cursor, None) if left.num_rows else iter((empty(stream.columns, cursor, None),))


def table_keys(stream: Stream, table: str, pages: Iterator[Page]) -> Iterator[pa.RecordBatch]:
    """The keys of all items. A row that can't be typed stands here as it is held: by its own key and no item's."""
    row_key = row_stream(stream, table).key
    for page in pages:
        found = _items(stream, table, page.rows).select([*stream.key, SOURCE_VERSION])
        yield found
        if page.rejects:
            held = [_values(stream, row_key, one.key) for one in page.rejects]
            yield pa.RecordBatch.from_pylist([row for row in held if len(row) == len(row_key)], schema=found.schema)


def held_key(stream: Stream, row_key: tuple[str, ...], row: str) -> str:
    """The quarantine key of a row whose items can't be told: the key of an item that does not exist. ``row`` is its own key as text."""
    values = _values(stream, row_key, row)
    return key_text([values.get(name) for name in stream.key])


def _values(stream: Stream, row_key: tuple[str, ...], row: str) -> dict[str, Any]:
    """The parts of a row's key in the types of its columns; of one that could not be typed itself, all of its text as the first part."""
    types = {column.name: column.type for column in stream.columns}
    try:
        parts: list[Any] = [row] if len(row_key) == 1 else json.loads(row)
        return {name: pa.scalar(str(one)).cast(types[name]).as_py() for name, one in zip(row_key, parts, strict=True)}
    except ValueError:
        return {row_key[0]: row}


def _of_table(column: Column, table: str) -> bool:
    return column.source == ROW or column.source.startswith(f"{table}/")


def _items(stream: Stream, table: str, rows: pa.RecordBatch) -> pa.RecordBatch:
    lists = rows.column(_ITEMS)
    at = pc.list_parent_indices(lists).cast(pa.int64())
    flat = pc.list_flatten(lists)
    places: list[int] = [place for length in pc.fill_null(pc.list_value_length(lists), 0).to_pylist() for place in range(1, length + 1)]
    inner = {flat.type.field(number).name: number for number in range(flat.type.num_fields)}
    arrays: list[pa.Array] = []
    for column in stream.columns:
        if column.source == ROW:
            arrays.append(pa.array(places, column.type))
        elif _of_table(column, table):
            arrays.append(pc.struct_field(flat, inner[column.name]))
        else:
            arrays.append(rows.column(column.name).take(at))
    arrays += [rows.column(name).take(at) for name in (OP, SOURCE_VERSION, SCOPE)]
    return pa.RecordBatch.from_arrays(arrays, schema=page_schema(stream.columns))


@dataclass
class _Seen:
    """The rows that were read, by key, and the items they had."""

    stream: Stream
    row_key: tuple[str, ...]
    rows: set[str] = field(default_factory=set[str])
    items: set[str] = field(default_factory=set[str])

    def take(self, page: Page, items: pa.RecordBatch, rejects: Iterable[Reject]) -> None:
        """``rejects`` are those of the page as they are held."""
        self.rows.update(_keys(page.rows, self.row_key), (reject.key for reject in page.rejects))
        self.items.update(_keys(items, self.stream.key), (reject.key for reject in rejects))

    def gone(self, known: Known) -> pa.Table:
        """The keys of the items that we hold of those rows and that did not come."""
        held = known.rows().select(list(self.stream.key))
        mask: list[bool] = []
        for batch in held.to_batches():
            pairs = zip(_keys(batch, self.row_key), _keys(batch, self.stream.key), strict=True)
            mask += [row in self.rows and item not in self.items for row, item in pairs]
        return held.filter(pa.array(mask, pa.bool_()))


def _keys(rows: pa.RecordBatch, names: tuple[str, ...]) -> list[str]:
    return [key_text(values) for values in zip(*(rows.column(name).to_pylist() for name in names), strict=True)]
