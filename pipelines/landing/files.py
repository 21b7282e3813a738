"""The data files of a Delta table by what its log says of each: which keys may lie in it, how many rows, and whether they are live."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.protocol import OP
from pipelines.landing.rows import KEY
from pipelines.landing.shapes import shaped

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: Bytes of a data file: small enough that a change rewrites little, large enough that ten million rows lie in about a hundred.
SIZE = 8 * 1024 * 1024
#: What Delta's own writer is told: it counts bytes before they are packed.
UNPACKED = 4 * SIZE


@dataclass(frozen=True)
class DataFile:
    """One file of a version. ``low`` and ``high`` bound its keys; None where the log does not say. ``ops`` are the least and greatest."""

    path: str
    size: int
    rows: int | None
    low: str | None
    high: str | None
    ops: tuple[str | None, str | None]

    def of(self, keys: Sequence[str]) -> tuple[int, int]:
        """Which of the sorted ``keys`` may lie in here: from, to."""
        if self.low is None or self.high is None:
            return 0, len(keys)
        return bisect_left(keys, self.low), bisect_right(keys, self.high)

    @property
    def kind(self) -> str | None:
        """``upsert`` or ``delete`` where all rows are one; None where they are mixed or nobody knows."""
        return self.ops[0] if self.ops[0] is not None and self.ops[0] == self.ops[1] else None


def _legible(bound: str | None) -> bool:
    """Whether a bound is read as it was written. Delta's library misreads a pair of escapes for a character beyond U+1FFFF, and what it makes
    of them is one beyond U+FFFF: such a bound may have been another."""
    return bound is None or bound.isascii() or max(bound) <= "\uffff"


class Files:
    """The files of one version of a table, read file by file in the version's schema."""

    def __init__(self, table: DeltaTable) -> None:
        import pyarrow as pa

        self._dataset: Any = table.to_pyarrow_dataset()
        self.schema: pa.Schema = self._dataset.schema
        self._fragments = {str(fragment.path): fragment for fragment in self._dataset.get_fragments()}
        actions = pa.table(table.get_add_actions(flatten=True))
        names = ("path", "size_bytes", "num_records", f"min.{KEY}", f"max.{KEY}", f"min.{OP}", f"max.{OP}")
        columns = [actions[name].to_pylist() if name in actions.column_names else [None] * actions.num_rows for name in names]
        self.all = tuple(
            DataFile(str(path), size, rows, low if _legible(low) else None, high if _legible(high) else None, (a, z))
            for path, size, rows, low, high, a, z in zip(*columns, strict=True)
        )

    def read(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one file, in the types of the version; a column it was written without is null."""
        import pyarrow as pa

        wanted = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        fragment = self._fragments[file.path]
        there = [name for name in wanted.names if name in fragment.physical_schema.names]
        return shaped(fragment.to_table(schema=fragment.physical_schema, columns=there), wanted)

    def parts(self, columns: Sequence[str], keys: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """These columns file by file: of all files, or of those in which one of the sorted ``keys`` may lie; then other rows come too."""
        for file in self.all:
            low, high = (0, 1) if keys is None else file.of(keys)
            if low < high:
                yield self.read(file, columns)

    def live(self) -> int:
        """Rows that are not tombstones: by the log where it tells of a file that all are or none is, else counted in that file."""
        import pyarrow.compute as pc

        found = 0
        for file in self.all:
            if file.rows is not None and file.kind in ("upsert", "delete"):
                found += file.rows if file.kind == "upsert" else 0
                continue
            found += pc.sum(pc.equal(self.read(file, [OP])[OP], "upsert")).as_py() or 0
        return found
