"""What a connector keeps for its next pull, on its way from pages to its table: on disk, for it may be as large as the stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.protocol import Kept

if TYPE_CHECKING:
    import pyarrow as pa


class Keeping:
    """Gathers ``Kept`` of the pages of one pull in the file ``spool``."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._writer: Any = None
        self._sink: Any = None
        self.schema: pa.Schema | None = None
        self.anew = False

    def take(self, kept: Kept) -> None:
        """One page's. What a page keeps ``anew`` makes void what the pages before it kept."""
        import pyarrow as pa

        if kept.anew:
            self.close()
            self.schema, self.anew = None, True
        if self.schema is None:
            self.schema = kept.rows.schema
            self._sink = pa.OSFile(str(self._spool), "wb")
            self._writer = pa.ipc.new_stream(self._sink, self.schema)
        self._writer.write_batch(kept.rows)

    def close(self) -> None:
        """Nothing more comes."""
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._writer = self._sink = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All that was kept, once closed."""
        import pyarrow as pa

        with pa.OSFile(str(self._spool), "rb") as source, pa.ipc.open_stream(source) as reader:
            yield from reader
