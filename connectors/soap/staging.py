"""Where the rows of a reply wait until it is judged: typed, with their rejects, on disk. Nothing here is let go early."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, Any, Self, cast

import pyarrow as pa

from connectors.protocol import Reject

#: What one reply may hold in memory; the rest of it goes to disk.
IN_MEMORY = 8 * 1024 * 1024
#: Rows of one part of a reply as it is released, and its bytes where that is fewer rows. A single row may have more.
PART = 32_768
PART_BYTES = 32 * 1024 * 1024
_FAULT = pa.struct([("column", pa.string()), ("reason", pa.string())])
_REJECTS = pa.schema(
    [
        ("key", pa.string()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("more", pa.list_(_FAULT)),
        ("version", pa.string()),
    ]
)


class _Spool:
    """Record batches of one schema in the order they came: in memory while they are few, then in a file without a name."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._held.append(batch)
        self._size += batch.nbytes
        if self._size > IN_MEMORY:
            self._write()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Everything, once."""
        if self._file is None:
            yield from self._held
            return
        self._write()
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            yield from reader

    def close(self) -> None:
        self._held.clear()
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            self._writer = pa.ipc.new_stream(self._file, self._schema)
        for batch in self._held:
            self._writer.write_batch(batch)
        self._held.clear()
        self._size = 0


class Stage:
    """The typed rows and the rejects of one reply. ``rows`` counts both. Closed, it forgets everything."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._good = _Spool(schema)
        self._bad = _Spool(_REJECTS)

    def add(self, batch: pa.RecordBatch, rejects: Sequence[Reject]) -> None:
        self.rows += batch.num_rows + len(rejects)
        self._good.add(batch)
        if rejects:
            told = [
                (one.key, one.column, one.reason, one.raw, [{"column": column, "reason": why} for column, why in one.more], one.version)
                for one in rejects
            ]
            columns = zip(*told, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _REJECTS, strict=True)]
            self._bad.add(pa.record_batch(arrays, schema=_REJECTS))

    def parts(self) -> Iterator[tuple[pa.RecordBatch, tuple[Reject, ...]]]:
        """All rows in order, in parts of about PART at most, each with some of what was rejected; at least one part comes, perhaps empty."""
        good, bad = _joined(self._good.batches(), PART), _joined(self._bad.batches(), max(PART // 8, 1))
        empty = pa.RecordBatch.from_pylist([], schema=self.schema)
        some = False
        for rows in good:
            some = True
            yield rows, _rejects(next(bad, None))
            # Nothing here holds on to a part while the next is read: one may be as large as an attachment.
            del rows
        for rejects in bad:
            some = True
            yield empty, _rejects(rejects)
        if not some:
            yield empty, ()

    def close(self) -> None:
        self._good.close()
        self._bad.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _rejects(batch: pa.RecordBatch | None) -> tuple[Reject, ...]:
    told = cast("list[dict[str, Any]]", [] if batch is None else batch.to_pylist())
    return tuple(
        Reject(
            one["key"],
            one["column"],
            one["reason"],
            one["raw"],
            tuple((fault["column"], fault["reason"]) for fault in one["more"]),
            one["version"],
        )
        for one in told
    )


def _joined(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """Small batches put together until they have ``size`` rows or PART_BYTES bytes."""
    held: list[pa.RecordBatch] = []
    rows = weight = 0
    for batch in batches:
        if held and (rows + batch.num_rows > size or weight + batch.nbytes > PART_BYTES):
            yield _one(held)
            rows = weight = 0
        held.append(batch)
        rows += batch.num_rows
        weight += batch.nbytes
        del batch
        if weight > PART_BYTES:
            yield _one(held)
            rows = weight = 0
    if held:
        yield _one(held)


def _one(held: list[pa.RecordBatch]) -> pa.RecordBatch:
    """The batches as one; they are let go of, for a batch may be as large as an attachment."""
    made = held[0] if len(held) == 1 else pa.concat_batches(held)
    held.clear()
    return made
