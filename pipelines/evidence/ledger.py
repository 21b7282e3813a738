"""The ledger: the chain's append-only Delta table. Rows are added behind a known head, read back, and verified; nothing is ever changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, cast

import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from pipelines.evidence.archive import MOVED, Archive, bare, old_evidence, predicate
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, Kind, Verification, link
from pipelines.evidence.claims import Environment
from pipelines.evidence.damage import legible
from pipelines.evidence.errors import HeadMoved, LedgerBroken
from pipelines.evidence.memory import hold
from pipelines.evidence.reading import Reading, unbelieved
from pipelines.evidence.table import COLUMNS, parsed, table_of

# Two commits that carry the same application transaction conflict in Delta itself, which closes the gap between reading the head and
# writing behind it; compaction carries none and does not disturb a writer.
_WRITER = "fortnight.ledger"
# Statistics of three columns and no more: a commit carries every one it has, and each look at the table pays for those of all its files.
_CONFIGURATION = {"delta.appendOnly": "true", "delta.checkpointInterval": "50", "delta.dataSkippingStatsColumns": "seq,kind,day"}
_UPKEEP_EVERY = 250
_PUSH_ATTEMPTS = 8


class Ledger:
    """The ledger table at ``location`` (a folder or an object store URI). Made at the first append.

    With ``proof``, the file in which this machine remembers how far it verified the ledger, nothing is written behind an end before that.
    Whoever reads a table with a damaged file gets LedgerBroken, which names the file.
    """

    def __init__(self, location: str, storage_options: Mapping[str, str] | None = None, proof: Path | None = None) -> None:
        self.location = location
        self._proof = proof
        self._options = dict(storage_options) if storage_options else None
        self._written: tuple[DeltaTable, int, Head] | None = None
        self.archive = Archive(f"{location}-archive", storage_options)

    def head(self) -> Head:
        """The last row's number and hash; GENESIS when nothing was written. Two rows under the last number raise LedgerBroken."""
        return self.now().head()

    def now(self) -> Reading:
        """The ledger as its log stands on disk at this moment."""
        return Reading(self._open(), self.archive)

    def append(self, entries: Iterable[Entry], after: Head | None = None) -> Head:
        """Add ``entries`` in one commit behind ``after`` (by default behind the head of this moment) and return the new head.

        The same entries behind the same head are written once: a second call, or a commit whose answer was lost, finds them there.
        Raises HeadMoved, with nothing written, when the head is another or moves meanwhile; LedgerBroken when more rows were verified than there are.
        """
        table, head = self._behind()
        rows = link(entries, after or head)
        if not rows:
            return after or head
        last = rows[-1]
        if after is not None and head != after:
            if self._holds(table, rows):
                return Head(last.seq, last.hash)
            raise HeadMoved("ledger.head_moved", expected=after.seq, found=head.seq)
        try:
            write_deltalake(
                table,
                table_of(rows),
                mode="append",
                commit_properties=CommitProperties(app_transactions=[Transaction(_WRITER, last.seq)]),
            )
        except CommitFailedError as conflict:
            found = self._open()
            if found is not None and self._holds(found, rows):
                return Head(last.seq, last.hash)
            raise HeadMoved("ledger.head_moved", expected=head.seq, found=self.head().seq) from conflict
        made = Head(last.seq, last.hash)
        self._written = (table, table.version(), made)
        if table.version() % _UPKEEP_EVERY == 0:
            self._written = None
            self.keep_up()
        return made

    def push(self, entries: Iterable[Entry]) -> Head:
        """Append rows that do not depend on what was read before (facts, signed decisions), trying again when another writer was first."""
        wanted = tuple(entries)
        for attempt in range(1, _PUSH_ATTEMPTS + 1):
            try:
                return self.append(wanted)
            except HeadMoved:
                if attempt == _PUSH_ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def read(
        self,
        kinds: Collection[Kind] | None = None,
        subjects: Collection[str] | None = None,
        since: date | None = None,
        day: date | None = None,
    ) -> tuple[ChainRow, ...]:
        """``Reading.read`` of this moment."""
        return self.now().read(kinds, subjects, since, day)

    def last_seal(self, environment: Environment | None = None) -> ChainRow | None:
        """``Reading.last_seal`` of this moment."""
        return self.now().last_seal(environment)

    def verify(self, anchor: Head | Collection[Head] | None = None, after: Head = GENESIS, *, archive: bool = True) -> Verification:
        """``Reading.verify`` of this moment."""
        try:
            read = self.now()
        except LedgerBroken as error:
            return unbelieved(error)
        return read.verify(anchor, after, archive=archive)

    def damaged(self) -> LedgerBroken | None:
        """``Reading.damaged`` of this moment."""
        try:
            read = self.now()
        except LedgerBroken as error:
            return error
        return read.damaged()

    def keep_up(self) -> None:
        """Compact small files and drop old log files, so that an append stays as cheap at row 10,000 as at row 10. No row changes."""
        table = self._open()
        if table is None:
            return
        if {name: table.metadata().configuration.get(name) for name in _CONFIGURATION} != _CONFIGURATION:
            table.alter.set_table_properties(_CONFIGURATION)
        table.optimize.compact()
        table.create_checkpoint()
        table.cleanup_metadata()
        table.vacuum(dry_run=False)

    def move_details(self, before: date) -> int:
        """Move the details of evidence rows of days before ``before`` to the archive, and return how many rows that were.

        They are in the archive, read back and proven, before they leave the ledger. Nothing the gate decides by is moved. To be called by the
        one who holds the lease. Raises LedgerBroken, with nothing moved, where the chain does not hold.
        """
        table = self._open()
        rows = (
            None
            if table is None
            else table.to_pyarrow_dataset().to_table(filter=old_evidence(before) & (pc.field("schema") != MOVED)).cast(COLUMNS)
        )
        if table is None or rows is None or not rows.num_rows:
            return 0
        found = self.verify()
        if not found.ok:
            raise LedgerBroken("ledger.broken", seq=found.broken_at, why=found.why.say() if found.why else "?")
        self.archive.add(rows)
        # What a commit replaces, it must bring: the rows that were moved earlier come along.
        stubs = bare(table.to_pyarrow_dataset().to_table(filter=old_evidence(before)).cast(COLUMNS))
        kept = {row.seq: row.hash for row in parsed(self.archive.filled(cast("list[dict[str, Any]]", stubs.to_pylist())))}
        if kept != dict(zip(stubs["seq"].to_pylist(), stubs["hash"].to_pylist(), strict=True)):
            raise LedgerBroken("ledger.broken", seq=min(rows["seq"].to_pylist()), why="the archive says otherwise")
        # The one writer that replaces rows, in one commit; were it to end in between, the next upkeep forbids it again.
        table.alter.set_table_properties({"delta.appendOnly": "false"})
        try:
            write_deltalake(table, stubs, mode="overwrite", predicate=predicate(before))
        finally:
            table.alter.set_table_properties({"delta.appendOnly": "true"})
        self._written = None
        return rows.num_rows

    def _behind(self) -> tuple[DeltaTable, Head]:
        """The table as it is now, and its head. A writer whose own commit is still the last one knows its head without looking."""
        if self._written is not None:
            table, version, head = self._written
            table.update_incremental()
            if table.version() == version:
                return table, head
        self._written = None
        table = self._open()
        if table is None:
            # A chain that was verified here and is gone is not begun anew.
            self._hold(GENESIS)
            table = self._create()
        head = Reading(table, self.archive).head()
        self._hold(head)
        return table, head

    def _hold(self, head: Head) -> None:
        if self._proof is not None:
            hold(head, self._proof)

    def _holds(self, table: DeltaTable, rows: Sequence[ChainRow]) -> bool:
        """Whether these very rows stand in the table already. The last one's hash covers the others."""
        found = table.to_pyarrow_dataset().to_table(columns=["hash"], filter=pc.field("seq") == rows[-1].seq)
        return found["hash"].to_pylist() == [rows[-1].hash]

    def _open(self) -> DeltaTable | None:
        with legible(self.location):
            try:
                return DeltaTable(self.location, storage_options=self._options)
            except TableNotFoundError:
                return None

    def _create(self) -> DeltaTable:
        try:
            return DeltaTable.create(self.location, COLUMNS, mode="ignore", configuration=_CONFIGURATION, storage_options=self._options)
        except CommitFailedError:
            # Another first writer made it between our look and our try.
            return DeltaTable(self.location, storage_options=self._options)
