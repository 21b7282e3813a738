"""The merge by key: finds the files that hold a changed key, rewrites those and no others, and commits nothing where nothing changed.

Delta's own merge joins with the whole table. Here the log says in which files a key may lie, the key columns of these say where it does,
and what is read and written whole are the files that change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from connectors.protocol import OP, SCOPE, SOURCE_VERSION
from pipelines.landing.beside import overwrite
from pipelines.landing.files import UNPACKED, DataFile, Files
from pipelines.landing.log import signed
from pipelines.landing.rewrite import rewrite
from pipelines.landing.rows import KEY, ROW_HASH
from pipelines.landing.settings import set_anew
from pipelines.landing.shapes import joined, misfit, retyped, shaped

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from deltalake import DeltaTable
    from obstore.store import ObjectStore

#: Bytes of changed rows that are held at once. Beyond them the table is written anew, streamed: so many rows lie in most of its files.
AT_ONCE = 64 * 1024 * 1024
_PULLED_AT = "_pulled_at"


@dataclass(frozen=True)
class Again:
    """Batches that can be asked for more than once."""

    batches: Callable[[], Iterable[pa.RecordBatch]]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches())


@dataclass(frozen=True)
class Merged:
    """What a merge did. ``same`` rows were held as they came, ``older`` ones are of an earlier version, read earlier, than what is held:
    neither is written. Nothing is committed where no row is left. ``files`` were in the table, ``looked`` of them were asked for keys and
    ``rewritten`` written anew; ``written`` are bytes.
    """

    rows: int
    same: int = 0
    older: int = 0
    files: int = 0
    looked: int = 0
    rewritten: int = 0
    written: int = 0

    @property
    def committed(self) -> bool:
        return self.rows > 0


def merge(store: ObjectStore, folder: str, table: DeltaTable, batches: Iterable[pa.RecordBatch], schema: pa.Schema, by: str) -> Merged:
    """Upsert by ``_key`` in one commit. ``batches`` are read more than once; of a key that comes twice, the last row counts.

    A column that changed its type, or a list that got another inner column, is written anew in one commit, streamed. A column that ``schema``
    no longer has is null where a row is written. Raises AnswerIsNo ``landing.cannot_retype`` where a held value has no place in its new type.
    """
    import pyarrow as pa

    stored = pa.schema(table.schema().to_arrow())
    wanted = joined(stored, schema)
    found = Files(table)
    changes = _Changes(batches, schema)
    changes.weigh(found)
    counted = Merged(changes.left, changes.same, changes.older, len(found.all), changes.looked)
    if not changes.left:
        return counted
    if wanted is None or _nested(stored, wanted) or changes.bytes > AT_ONCE:
        _write_anew(table, found, changes, retyped(stored, schema), by)
        return replace(counted, rewritten=counted.files)
    wider = wanted.names != stored.names
    if wider:
        _widen(table, wanted, stored, by)
        table.update_incremental()
    if set_anew(table, by) or wider:
        found = Files(table)
    rows = shaped(pa.Table.from_batches(list(changes.rows()), schema), wanted)
    rewritten, written = rewrite(store, folder, table, found, rows, {file.path: changes.stay(file) for file in found.all}, by)
    return replace(counted, rewritten=rewritten, written=written)


class _Changes:
    """The changed rows, and where the keys among them are held: ``home`` by key the files, ``drop`` what need not be written."""

    def __init__(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        self._batches, self.schema = batches, schema
        self.judged = [name for name in (ROW_HASH, SCOPE, OP) if name in schema.names] if ROW_HASH in schema.names else schema.names
        light = list(dict.fromkeys([KEY, *self.judged, *(name for name in (SOURCE_VERSION, _PULLED_AT) if name in schema.names)]))
        self.bytes, parts = 0, []
        for batch in batches:
            self.bytes += batch.nbytes
            parts.append(batch.select(light))
        rows = pa.Table.from_batches(parts, pa.schema([schema.field(name) for name in light]))
        rows = rows.append_column("#", pa.array(np.arange(rows.num_rows)))
        rows = rows.take(pc.sort_indices(rows, [(KEY, "ascending"), ("#", "ascending")])).combine_chunks()
        keys = rows[KEY].to_pylist()
        last = [at for at, key in enumerate(keys) if at + 1 == len(keys) or keys[at + 1] != key]
        self.light = rows.take(pa.array(last, pa.int64())) if len(last) < len(keys) else rows
        self.keys: list[str] = self.light[KEY].to_pylist()
        self.drop: np.ndarray = np.zeros(len(self.keys), dtype=bool)
        self.homes: dict[str, list[int]] = {}
        self.same = self.older = self.looked = 0

    @property
    def left(self) -> int:
        return len(self.keys) - int(self.drop.sum())

    def weigh(self, found: Files) -> None:
        """Look up every key in the files that may hold it; what is held already, or held newer, is dropped."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        light = [name for name in self.light.column_names if name in found.schema.names]
        same, older = np.zeros(len(self.keys), dtype=bool), np.zeros(len(self.keys), dtype=bool)
        for file in found.all:
            low, high = file.of(self.keys)
            if low >= high:
                continue
            self.looked += 1
            mine = self.light.slice(low, high - low)
            held = found.read(file, light)
            at = pc.index_in(held[KEY], value_set=mine[KEY].combine_chunks())
            hit = pc.is_valid(at)
            held = held.filter(hit)
            if not held.num_rows:
                continue
            where = pa.chunked_array(at.chunks if isinstance(at, pa.ChunkedArray) else [at]).filter(hit).combine_chunks()
            mine = mine.take(where)
            place = where.to_numpy(zero_copy_only=False).astype(np.int64) + low
            alike = np.ones(len(place), dtype=bool)
            for name in self.judged:
                alike &= _equal(held, mine, name)
            self.homes[file.path] = place.tolist()
            same[place[alike]] = True
            older[place[~alike & _older(mine, held)]] = True
        self.same, self.older = int(same.sum()), int(older.sum())
        self.drop = same | older

    def stay(self, file: DataFile) -> list[str]:
        """The keys that are held in this file and are written now."""
        return [self.keys[place] for place in self.homes.get(file.path, []) if not self.drop[place]]

    def rows(self) -> Iterator[pa.RecordBatch]:
        """What is written, whole, batch by batch; of a key that came twice, the last."""
        import numpy as np
        import pyarrow as pa

        numbers = np.sort(self.light["#"].to_numpy()[~self.drop])
        start = 0
        for batch in self._batches:
            low, high = np.searchsorted(numbers, [start, start + batch.num_rows])
            if low < high:
                yield batch.take(pa.array(numbers[low:high] - start))
            start += batch.num_rows


def _equal(left: pa.Table, right: pa.Table, name: str) -> np.ndarray:
    import numpy as np
    import pyarrow.compute as pc

    if name not in left.column_names:
        return np.asarray(pc.is_null(right[name]).to_numpy(zero_copy_only=False))
    a, b = left[name], right[name]
    both = pc.and_(pc.is_null(a), pc.is_null(b))
    return np.asarray(pc.or_(both, pc.fill_null(pc.equal(a, b.cast(a.type)), False)).to_numpy(zero_copy_only=False))


def _older(mine: pa.Table, held: pa.Table) -> np.ndarray:
    """Where both say their version as a number, mine is the smaller, and was read no later. Other versions have no order that we know."""
    import numpy as np

    found = np.zeros(mine.num_rows, dtype=bool)
    if not all(name in table.column_names for table in (mine, held) for name in (SOURCE_VERSION, _PULLED_AT)):
        return found
    columns = (table[name].to_pylist() for name in (SOURCE_VERSION, _PULLED_AT) for table in (mine, held))
    for at, (ours, theirs, read, read_then) in enumerate(zip(*columns, strict=True)):
        one, other = _number(ours), _number(theirs)
        found[at] = one is not None and other is not None and one < other and bool(read and read_then and read <= read_then)
    return found


def _number(version: object) -> int | None:
    text = str(version)
    return int(text) if text.isascii() and text.isdigit() else None


def _nested(stored: pa.Schema, wanted: pa.Schema) -> bool:
    return any(field.type != wanted.field(field.name).type for field in stored)


def _widen(table: DeltaTable, wanted: pa.Schema, stored: pa.Schema, by: str) -> None:
    """New columns: a line in the log, no file is touched."""
    import pyarrow as pa
    from deltalake import Schema

    added = pa.schema([field for field in wanted if field.name not in stored.names])
    table.alter.add_columns(list(Schema.from_arrow(added).fields), commit_properties=signed(by))


def _write_anew(table: DeltaTable, found: Files, changes: _Changes, wanted: pa.Schema, by: str) -> None:
    """The whole table in one commit, streamed: what is held and does not change, in the wanted types; then what changes. Live rows first, so
    that tombstones lie in files of their own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    replaced = pa.array([key for key, drop in zip(changes.keys, changes.drop, strict=True) if not drop], pa.string())
    has_op = OP in wanted.names

    def old(kind: str) -> Iterator[pa.RecordBatch]:
        for file in found.all:
            if has_op and file.kind is not None and file.kind != kind:
                continue
            for batch in found.read(file).to_batches(max_chunksize=16_384):
                rows = pa.Table.from_batches([batch.filter(pc.invert(pc.is_in(batch.column(KEY), value_set=replaced)))])
                yield from _of_kind(_fitted(rows, wanted), kind, has_op).to_batches()

    def all_rows() -> Iterator[pa.RecordBatch]:
        for kind in ("upsert", "delete") if has_op else ("upsert",):
            yield from old(kind)
            for batch in changes.rows():
                yield from _of_kind(shaped(pa.Table.from_batches([batch]), wanted), kind, has_op).to_batches()

    overwrite(table, all_rows(), wanted, UNPACKED, by)


def _of_kind(rows: pa.Table, kind: str, has_op: bool) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows[OP], kind)) if has_op else rows


def _fitted(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    import pyarrow as pa

    try:
        return shaped(rows, wanted)
    except pa.ArrowInvalid as error:
        raise AnswerIsNo("landing.cannot_retype", reason=misfit(rows, wanted)) from error
