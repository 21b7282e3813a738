"""The ledger as its log stood on disk at one moment: whatever is asked of one reading is asked of the same rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipelines.evidence.archive import MOVED, Archive, stands
from pipelines.evidence.chain import GENESIS, ChainRow, Head, Kind, Verification, verify_rows
from pipelines.evidence.claims import Environment
from pipelines.evidence.damage import UNREADABLE, broken_by, damaged, legible
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.table import COLUMNS, STRING, parsed, row_of

_SLICE = 10_000


class Reading:
    """One opened table (None: nothing was ever written) and the archive beside it. It never moves: who wants to see more asks the ledger anew.

    Whoever reads a table with a damaged file gets LedgerBroken, which names the file.
    """

    def __init__(self, table: DeltaTable | None, archive: Archive) -> None:
        self._table, self._archive = table, archive
        self._location = "?" if table is None else table.table_uri.removeprefix("file://")

    def head(self) -> Head:
        """The last row's number and hash; GENESIS when nothing was written. Two rows under the last number raise LedgerBroken."""
        with self._legible():
            return GENESIS if self._table is None else head_of(self._table)

    def read(
        self,
        kinds: Collection[Kind] | None = None,
        subjects: Collection[str] | None = None,
        since: date | None = None,
        day: date | None = None,
    ) -> tuple[ChainRow, ...]:
        """Rows in chain order, narrowed by kind, subject and civil day (``since`` inclusive; rows without a day always stay in).

        Reading proves nothing: ``verify`` does. A row that does not even parse raises LedgerBroken.
        """
        table = self._table
        if table is None:
            return ()
        wanted: pc.Expression | None = None
        for condition in (
            None if kinds is None else pc.field("kind").isin(list(kinds)),
            None if subjects is None else pc.field("subject").isin(list(subjects)),
            None if since is None else (pc.field("day") >= pa.scalar(since)) | pc.field("day").is_null(),
            None if day is None else pc.field("day") == pa.scalar(day),
        ):
            if condition is not None:
                wanted = condition if wanted is None else wanted & condition
        with self._legible():
            return tuple(parsed(self._archive.filled(_rows(table, wanted))))

    def last_seal(self, environment: Environment | None = None) -> ChainRow | None:
        """The newest seal row (of one environment, where one is named), which tells the last sealed day and the instant it was sealed."""
        table = self._table
        if table is None:
            return None
        with self._legible():
            wanted = pc.field("kind") == "seal"
            if environment is not None:
                wanted &= pc.field("environment") == environment
            seals = table.to_pyarrow_dataset().to_table(columns=["seq"], filter=wanted)
            newest = cast(int | None, pc.max(seals["seq"]).as_py())
            return None if newest is None else row_of(_rows(table, pc.field("seq") == newest)[0])

    def verify(self, anchor: Head | Collection[Head] | None = None, after: Head = GENESIS, *, archive: bool = True) -> Verification:
        """Whether every row behind ``after`` hashes to what it says and follows the one before.

        ``anchor`` are heads published earlier: each must still stand in the chain, else rows were cut off or rewritten behind it.
        Details that were moved are read from the archive, and must be there; without ``archive`` such a row is proven by its place alone.
        """
        by_place = 0
        given = [anchor] if isinstance(anchor, Head) else list(anchor or ())
        published = dict[int, set[str]]()
        for one in given:
            published.setdefault(one.seq, set()).add(one.hash)
        before = after
        try:
            table = self._table
            if table is not None and after != GENESIS and _hashes(table, [after.seq]).get(after.seq) != after.hash:
                return Verification(False, after.seq, reason("ledger.hash_wrong"))
            beyond = None if after == GENESIS else pc.field("seq") > after.seq
            for columns in () if table is None else _slices(table, beyond, self._archive if archive else None):
                if columns.get("schema") == MOVED:
                    if archive:
                        return Verification(False, before.seq + 1, reason("ledger.details_missing"))
                    step = stands(columns, before)
                    if not step.ok:
                        return step
                    by_place += 1
                    before = Head(before.seq + 1, str(columns["hash"]))
                else:
                    try:
                        row = row_of(columns)
                    except (ValueError, TypeError, KeyError) as problem:
                        return Verification(False, before.seq + 1, reason("ledger.unreadable", detail=type(problem).__name__))
                    step = verify_rows([row], before)
                    if not step.ok:
                        return step
                    before = Head(row.seq, row.hash)
                if published.get(before.seq, {before.hash}) != {before.hash}:
                    return Verification(False, before.seq, reason("ledger.hash_wrong"))
        except UNREADABLE as problem:
            return unbelieved(broken_by(problem, self._location, self.damaged))
        if published and before.seq < max(published):
            return Verification(False, before.seq + 1, reason("ledger.cut", anchor=max(published)))
        return Verification(True, by_place=by_place)

    def hashes(self, seqs: Collection[int]) -> Mapping[int, str]:
        """The hashes of the rows with these numbers, as far as there are such rows. Of two rows under one number the hash is neither's."""
        table = self._table
        if table is None or not seqs:
            return {}
        with self._legible():
            return _hashes(table, seqs)

    def damaged(self) -> LedgerBroken | None:
        """The error for the first file that cannot be read to its end, of the ledger or its archive. Every file is read."""
        return (None if self._table is None else damaged(self._table)) or self._archive.damaged()

    def _legible(self) -> AbstractContextManager[None]:
        return legible(self._location, self.damaged)

    def columns(self, names: Sequence[str], wanted: pc.Expression, words: Collection[str] = ()) -> pa.Table:
        """Some columns of some rows, in chain order: for readers to whom a row is too dear. Those in ``words`` come as dictionaries."""
        table = self._table
        schema = pa.schema([COLUMNS.field(name) for name in names])
        for at, name in enumerate(names):
            if name in words:
                schema = schema.set(at, pa.field(name, pa.dictionary(pa.int32(), STRING)))
        if table is None:
            return schema.empty_table()
        from pyarrow.dataset import ParquetReadOptions  # brings pandas along, which no code location needs at load

        options = ParquetReadOptions(dictionary_columns=set(words)) if words else None
        with self._legible():
            found = table.to_pyarrow_dataset(parquet_read_options=options).to_table(columns=list(names), filter=wanted)
        # Files hold rows as they were written, in whatever order they are listed: to put files in order moves no row.
        batches = sorted((each for each in found.to_batches() if each.num_rows), key=lambda each: cast(int, each["seq"][0].as_py() or 0))
        found = pa.Table.from_batches(batches, found.schema)
        if not _in_order(found["seq"]):
            found = found.take(pc.sort_indices(found, sort_keys=[("seq", "ascending")]))
        return found.cast(schema)


def unbelieved(error: LedgerBroken) -> Verification:
    """The verdict over a chain that can't even be read: no row is the first bad one."""
    return Verification(False, None, Reason(error.code, {name: str(value) for name, value in error.params.items()}))


def _hashes(table: DeltaTable, seqs: Collection[int]) -> dict[int, str]:
    found = table.to_pyarrow_dataset().to_table(columns=["seq", "hash"], filter=pc.field("seq").isin(sorted(seqs)))
    pairs = list(zip(found["seq"].to_pylist(), found["hash"].to_pylist(), strict=True))
    known = {cast(int, seq): cast(str, own) for seq, own in pairs}
    return known if len(pairs) == len(known) else {}


def _rows(table: DeltaTable, wanted: pc.Expression | None) -> list[dict[str, Any]]:
    found = table.to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
    return sorted(cast(list[dict[str, Any]], found), key=lambda row: cast(int, row.get("seq") or 0))


def _in_order(seqs: pa.ChunkedArray) -> bool:
    """Compacted files hold rows as they were written: mostly there is nothing to sort."""
    return bool(pc.all(pc.greater(seqs[1:], seqs[:-1])).as_py()) if len(seqs) > 1 else True


def _slices(table: DeltaTable, wanted: pc.Expression | None, archive: Archive | None) -> Iterator[dict[str, Any]]:
    """All columns of the rows in chain order, as Python values a slice at a time: a year of a thousand streams does not fit as such."""
    found = table.to_pyarrow_dataset().to_table(filter=wanted)
    order = pc.sort_indices(found, sort_keys=[("seq", "ascending")])
    for start in range(0, len(order), _SLICE):
        listed = cast(list[dict[str, Any]], found.take(order.slice(start, _SLICE)).to_pylist())
        yield from listed if archive is None else archive.filled(listed)


def head_of(table: DeltaTable) -> Head:
    """The last row's number and hash. Two rows under that number raise LedgerBroken."""
    # File statistics name the newest rows, so the head costs one small read however long the ledger is.
    actions = pa.table(table.get_add_actions(flatten=True))
    if actions.num_rows == 0:
        return GENESIS
    newest = cast(int | None, pc.max(actions["max.seq"]).as_py()) if "max.seq" in actions.column_names else None
    rows = table.to_pyarrow_dataset().to_table(columns=["seq", "hash"], filter=pc.field("seq") >= (newest or 0)).to_pylist()
    top = max(cast(int, row["seq"]) for row in rows)
    hashes = {cast(str, row["hash"]) for row in rows if row["seq"] == top}
    if len(hashes) != 1:
        raise LedgerBroken("ledger.broken", seq=top, why="two rows under one number")
    return Head(top, hashes.pop())
