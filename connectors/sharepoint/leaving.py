"""The rows of a library as they leave: pages by columns, in the feed's order; one by one only where a value may not fit its column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.pages import page_schema
from connectors.protocol import Cursor, Page, Stream, Window
from connectors.sharepoint import rows as paging
from connectors.sharepoint.changes import Changes
from connectors.sharepoint.rows import Rows
from connectors.sharepoint.schema import LIBRARY
from connectors.sharepoint.tree import Places, Tree

_TYPES = {field.source: field.type for field in LIBRARY}


def takes_as_it_is(stream: Stream) -> bool:
    """Whether every column of the contract has the type of its source, so that nothing can be in its way."""
    return all(_TYPES.get(column.source) == column.type for column in stream.columns)


class Leaving:
    """``places`` are those of the rows in ``changes``, ascending, ``standing`` those in the tree ``now``; ``gone`` are rows of the tree before.
    Deletions leave first.

    Of the rows those leave that were modified in ``window``.
    """

    def __init__(self, stream: Stream, changes: Changes, now: Tree, places: Places, standing: Places, gone: Tree, window: Window) -> None:
        self._stream, self._changes, self._window = stream, changes, window
        self._places, self._gone = places, gone
        self._scopes, self._folders = now.scopes.take(pa.array(standing)), now.folders_at(standing)
        self._plain = takes_as_it_is(stream)
        sources = {column.source for column in stream.columns}
        self._concerned = sources if window.full else {*sources, "modified_at"}

    def print(self) -> bytes:
        """What leaves and in which order, as bytes to be hashed."""
        return b"%d %s %d " % (len(self._gone), self._places.tobytes(), len(self._places))

    def pages(self, after: int, middle: Callable[[int], Cursor], total: int) -> Iterator[Page]:
        """The pages behind the first ``after`` of what leaves, each with the cursor that ``middle`` makes of how much has left by then."""
        size = paging.PAGE_ROWS
        first = len(self._gone)
        for at in range(min(after, first), first, size):
            part = self._gone.table.slice(at, size)
            yield self._deletions(part, middle(at + part.num_rows), total)
        skipped = max(after - first, 0)
        for done, batch in self._changes.rows(self._places):
            for at in range(max(skipped - done, 0), batch.num_rows, size):
                part = batch.slice(at, size)
                start = done + at
                yield self._page(part, start, middle(first + start + part.num_rows), total)

    def _deletions(self, part: pa.Table, cursor: Cursor, total: int) -> Page:
        rows = Rows(self._stream)
        for id, scope in zip(part.column("_key").to_pylist(), part.column("scope").to_pylist(), strict=True):
            rows.remove({"item_id": id}, scope)
        return rows.page(cursor, total)

    def _page(self, batch: pa.RecordBatch, start: int, cursor: Cursor, total: int) -> Page:
        scopes, folders = (one.slice(start, batch.num_rows).cast(pa.string()) for one in (self._scopes, self._folders))
        if not self._window.full:
            inside = _inside(self._window, batch.column("modified_at"))
            batch, scopes, folders = batch.filter(inside), scopes.filter(inside), folders.filter(inside)
        path = pc.binary_join_element_wise(folders, batch.column("name"), "/")
        if not self._plain or batch.column("faults").null_count < batch.num_rows:
            return self._one_by_one(batch, path, scopes, cursor, total)
        arrays = [path if column.source == "path" else batch.column(column.source) for column in self._stream.columns]
        marks = [pa.repeat("upsert", batch.num_rows), batch.column("etag").fill_null(""), scopes]
        rows = pa.RecordBatch.from_arrays([*arrays, *marks], schema=page_schema(self._stream.columns))
        return Page(rows, cursor, batch.num_rows, (), total)

    def _one_by_one(self, batch: pa.RecordBatch, paths: pa.Array, scopes: pa.Array, cursor: Cursor, total: int) -> Page:
        rows = Rows(self._stream)
        for row, path, scope in zip(batch.to_pylist(), paths.to_pylist(), scopes.to_pylist(), strict=True):
            raw = str(row["raw"] or "").encode()
            wrong = self._concerning(row["faults"])
            if wrong:
                rows.reject(row["item_id"], wrong, raw, version=row["etag"] or "")
            else:
                rows.add(row["item_id"], {**row, "path": path}, version=row["etag"] or "", scope=scope, raw=raw)
        return rows.page(cursor, total)

    def _concerning(self, faults: str | None) -> list[tuple[str, str]]:
        """The faults of columns that are asked for: the name in the contract, and the reason."""
        said = (faults or "").split(" ")
        names = {column.source: column.name for column in self._stream.columns}
        pairs = zip(said[::2], said[1::2], strict=True) if faults else ()
        return [(names.get(source, source), reason) for source, reason in pairs if source in self._concerned]


def once_more(stream: Stream, table: pa.Table, now: Tree, cursor: Cursor, total: int) -> Iterator[Page]:
    """Rows that we hold and that only moved: as they are, with today's path and scope."""
    for batch in table.to_batches(max_chunksize=paging.PAGE_ROWS):
        at = now.find(batch.column("_key"))
        arrays: list[pa.Array[Any]] = []
        for column in stream.columns:
            array = batch.column(column.name)
            if column.source == "path":
                names = pa.array([str(path).rpartition("/")[2] for path in array.to_pylist()], pa.string())
                folders = now.folders_at(at).cast(pa.string())
                array = pc.binary_join_element_wise(folders, names, "/").cast(column.type)
            arrays.append(array)
        marks = [pa.repeat("upsert", batch.num_rows), batch.column("_source_version"), now.scopes.take(pa.array(at)).cast(pa.string())]
        yield Page(pa.RecordBatch.from_arrays([*arrays, *marks], schema=page_schema(stream.columns)), cursor, batch.num_rows, (), total)


def _inside(window: Window, times: pa.Array) -> pa.Array:
    """Whether a row belongs to the window: see ``rows.inside``."""
    found = pa.repeat(True, len(times))
    if window.since is not None:
        found = pc.and_(found, pc.greater_equal(times, pa.scalar(window.since, times.type)))
    if window.until is not None:
        found = pc.and_(found, pc.less(times, pa.scalar(window.until, times.type)))
    return pc.fill_null(found, True)
