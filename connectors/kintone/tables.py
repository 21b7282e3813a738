"""A sub-table as a stream of its own: one row for each of its rows, under the record's id and the row's.

kintone gives a row another id when a writer sends the table without ids, so the rows of a record are replaced together: whoever reads a
record again reads all its rows, and those that did not come are gone. The order of rows is data and has a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import FixConfiguration
from connectors.kintone.client import Client
from connectors.kintone.parts import RECORD, RECORD_ID, Tally, fingerprint_of, held_key, keys_of, named, parents, settled, with_records
from connectors.kintone.pull import pull
from connectors.kintone.reader import Reader
from connectors.kintone.run import Run
from connectors.kintone.schema import Field
from connectors.pages import empty, gone, page_schema
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Column, Cursor, Known, LiveField, Page, Schema, Stream, Window

#: Source codes of what a row has besides its fields.
ROW, ORDER = "$row_id", "$row"
_TABLE = "rows of the table"


def table_schema(schema: Schema, table: str) -> Schema:
    """The schema of the sub-table's rows: record id, row id, place in the table, the record's update time, and the inner fields."""
    found = next((one for one in schema.fields if one.source == table and one.vendor_type == "SUBTABLE"), None)
    inner = () if found is None else found.children[1:]
    system = tuple(one for one in schema.fields if one.source == RECORD or one.vendor_type == "UPDATED_TIME")
    own = (
        LiveField(ROW, "行ID", pa.int64(), "__ROW_ID__", required=True),
        LiveField(ORDER, "行の順序", pa.int64(), "__ROW__", required=True),
    )
    fields = (*system[:1], *own, *system[1:], *inner) if found is not None else ()
    return replace(schema, fields=fields, fingerprint=fingerprint_of(fields))


def pull_table(
    client: Client, stream: Stream, run: Run, table: str, window: Window, cursor: Cursor | None, known: Known | None, *, workers: int
) -> Iterator[Page]:
    """Rows of the table of every record in the window, a page for a page of records; then what is gone (see ``parts.settled``).

    A record that can't be typed is held as a whole, and its rows with it. Raises FixConfiguration when the app has no such table or the
    contract's key is not record id and row id.
    """
    keys = keys_of(stream, ROW)
    reader = Reader(client, inner_stream(stream, run, table), run)
    state = stream.options.get("last_cursor") or {}
    tally = Tally(above=run.memory.top or 0)
    total: int | None = None
    for page in pull(reader, run, window, cursor, None, workers=workers):
        total = page.total if page.total is not None else total
        batch, parts = _rows(stream, page.rows)
        rejects = tuple(replace(one, key=held_key(one.key)) for one in page.rejects)
        tally.held.update(one.key for one in rejects)
        read = [*page.rows.column(RECORD_ID).to_pylist(), *sorted({int(one.key) for one in page.rejects})]
        stale = tally.take(pa.array(read, pa.int64()), batch.column(keys.record.name), batch.column(keys.part.name))
        cursor = with_records(page.cursor, total)
        if stale is not None:
            yield from gone(stream.columns, named(keys, stale), cursor, None)
        yield Page(batch, cursor, parts + len(rejects), rejects)
    assert cursor is not None
    before = state.get("records")
    yield from settled(reader, stream, keys, tally, cursor, known, window, records=total, before=None if before is None else int(before))


def inner_stream(stream: Stream, run: Run, table: str) -> Stream:
    """The stream of records that brings the wanted columns: the table as a list of rows, and the record's own fields that are asked for."""
    found = run.form.fields.get(table)
    if found is None or found.vendor_type != "SUBTABLE":
        raise FixConfiguration("kintone.no_table", stream=stream.id, app=run.app.label, table=table)
    inner = {child.code for child in found.children}
    own = [column for column in stream.columns if column.source in inner]
    whole = [column for column in stream.columns if column.source not in inner and column.source not in (RECORD, ROW, ORDER)]
    children = (Column(ROW, _row_id(found, stream), pa.int64()), *own)
    kind = pa.list_(pa.struct([(child.name, child.type) for child in children]))
    return parents(stream, Column(_TABLE, table, kind, children=children), *whole)


def _row_id(table: Field, stream: Stream) -> str:
    """The row's own id. An inner field with that code would stand in its place."""
    if any(child.code == "id" for child in table.children):
        raise FixConfiguration("kintone.row_id_taken", stream=stream.id, table=table.code)
    return "id"


def _rows(stream: Stream, records: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """The records' rows, each with what it has of its record; how many."""
    lists = records.column(_TABLE)
    at = pc.list_parent_indices(lists).cast(pa.int64())
    flat = pc.list_flatten(lists)
    first = pa.array(_starts(lists), pa.int64()).take(at)
    place = pc.add(pc.subtract(pa.array(range(len(flat)), pa.int64()), first), 1)
    inner = {flat.type.field(number).name: number for number in range(flat.type.num_fields)}
    arrays: list[pa.Array] = []
    for column in stream.columns:
        if column.source == RECORD:
            arrays.append(records.column(RECORD_ID).take(at))
        elif column.source == ORDER:
            arrays.append(place)
        elif column.source == ROW:
            arrays.append(pc.struct_field(flat, inner[ROW]))
        elif column.name in inner:
            arrays.append(pc.struct_field(flat, inner[column.name]))
        else:
            arrays.append(records.column(column.name).take(at))
    arrays += [records.column(name).take(at) for name in (OP, SOURCE_VERSION, SCOPE)]
    if not len(flat):
        return empty(stream.columns, Cursor({}), None).rows, 0
    return pa.RecordBatch.from_arrays(arrays, schema=page_schema(stream.columns)), len(flat)


def _starts(lists: pa.Array) -> list[int]:
    """For each list where its first item stands among all items."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    starts, sum_ = [], 0
    for length in lengths.to_pylist():
        starts.append(sum_)
        sum_ += length
    return starts
