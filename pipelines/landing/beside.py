"""Batches made in a thread of their own while a table is written from them: Delta's writer asks for rows on a thread where its own reader may
not run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipelines.landing.log import signed

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: Batches that wait to be written.
_WAITING = 4


class Beside:
    """The batches of ``source``. ``error`` is what ended them before their time: the writer says of it no more than that there was one."""

    def __init__(self, source: Iterable[pa.RecordBatch]) -> None:
        self._source = source
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._make, daemon=True)
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self._thread.start()
        while (batch := self._queue.get()) is not None:
            yield batch
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Nobody takes any more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _make(self) -> None:
        try:
            for batch in self._source:
                if not self._put(batch):
                    return
        except BaseException as error:
            self.error = error
        self._put(None)

    def _put(self, batch: pa.RecordBatch | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def overwrite(table: DeltaTable, batches: Iterable[pa.RecordBatch], schema: pa.Schema, size: int, by: str) -> None:
    """Make the table these rows in one commit, in files of about ``size`` bytes. What ended the batches is raised as it was."""
    import pyarrow as pa
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    rows = Beside(batches)
    try:
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(schema, rows),
            mode="overwrite",
            schema_mode="overwrite",
            target_file_size=size,
            commit_properties=signed(by),
        )
    except DeltaError:
        if rows.error is not None:
            raise rows.error from None
        raise
    finally:
        rows.close()
