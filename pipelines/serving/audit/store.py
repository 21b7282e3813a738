"""Where the audit lies: a journal in front, three tables behind it, and one way to read both as if they were one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from connectors.errors import CannotSay
from pipelines.landing.published import store_options
from pipelines.serving.audit.journal import Journal
from pipelines.serving.audit.tables import ANSWERS, PRINCIPALS, SUBJECTS, rows_of, schema_of
from pipelines.serving.reasons import AnswerWithheld, Reason

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: How often rows are tried beside whoever writes or deletes in the same table.
ATTEMPTS = 10
#: Seconds, or batches, after which the journal is taken into the tables: every commit looks through the files of all others, so that one for
#: each batch would make each dearer than the last.
TAKEN_SECONDS, TAKEN_BATCHES = 60.0, 1_000
#: Versions of these tables are nobody's evidence, the chain in them is; and every commit looks through the files of all versions that are kept.
_LOG_KEPT = "interval 1 hours"


class AuditStore:
    """Tables and journal under ``uri``. What a batch put down is in every reading at once; the tables have it a minute later at most while
    questions come, and always after ``settle``. Safe to share between threads and processes."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.answers, self.subjects, self.principals = (f"{uri}/{name}" for name in (ANSWERS, SUBJECTS, PRINCIPALS))
        self._journal = Journal(uri)
        self._taking = threading.Lock()
        self._taken_at = float("-inf")
        #: The tables took nothing when we last tried.
        self._stuck = False

    def settle(self) -> None:
        """Bring what every process put down into the tables, also what one left that is gone. Raises AnswerWithheld where storage fails,
        CannotSay where a batch is gone or cannot be read: what stands behind it stays in the journal, and is not forgotten with anybody."""
        with self._taking:
            self._written(self._settle)

    def _settle(self) -> None:
        if self._take(self._journal.read()):
            # A batch is put down when the one before it is there: what a second listing misses, too, is gone.
            waiting = self._take(self._journal.read())
            if waiting:
                raise CannotSay("audit.journal_gap", where=f"{self.uri}/{waiting[0]}")

    def _take_due(self) -> None:
        """Bring our own batches into the tables where it is time to, and nobody else of this process is at it."""
        due = time.monotonic() - self._taken_at >= TAKEN_SECONDS or len(self._journal.own) >= TAKEN_BATCHES
        if (due or self._stuck) and self._taking.acquire(blocking=False):
            taken = False
            try:
                self._written(lambda: self._take(self._journal.own))
                taken = True
            finally:
                self._stuck = not taken
                self._taking.release()

    def open(self) -> None:
        """Raises AnswerWithheld where the tables took nothing when we last tried, and still do not: nothing more is put before them, or the
        journal would grow for as long as that lasts."""
        if self._stuck:
            self._take_due()
        if self._stuck:
            raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what="somebody else tries")

    def _take(self, batches: Mapping[str, pa.Table]) -> list[str]:
        """Bring batches into the tables, once each, whoever else does so at this moment; returns those that wait for one before them. Text apart
        first, then the chain: a row of the chain without its text would be a flaw, a text without a row is nothing."""
        import pyarrow as pa

        waiting = list[str]()
        for segment, names in groupby(sorted(batches), lambda name: name.split("/")[1]):
            parts, taken = dict[int, pa.Table](), list[str]()
            last = behind = self._taken(self.table(self.answers), segment)
            for name in names:
                rows = rows_of(batches[name], ANSWERS)["seq"]
                if rows[0].as_py() > last + 1:
                    # A listing beside a writer can miss a batch: what stands behind it waits until it is seen.
                    waiting.append(name)
                    continue
                last = max(last, rows[-1].as_py())
                parts |= {} if rows[-1].as_py() <= behind else {rows[0].as_py(): batches[name]}
                taken.append(name)
            if parts:
                whole = pa.concat_tables(parts.values())
                for table in (PRINCIPALS, SUBJECTS, ANSWERS):
                    self._append(table, segment, whole)
            if taken:
                self._journal.drop(taken)
        self._taken_at = time.monotonic()
        return waiting

    @staticmethod
    def _taken(table: DeltaTable | None, segment: str) -> int:
        """The last row of a segment that a table has taken; -1 for none."""
        known = table.transaction_version(segment) if table is not None else None
        return -1 if known is None else known

    def _append(self, name: str, segment: str, whole: pa.Table) -> None:
        """Add to one table what it has not taken of these rows. The commit says how far it took the segment, and two that say so of one segment
        at once exclude each other: who comes second looks again."""
        import pyarrow.compute as pc
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError

        places = pc.struct_field(whole[ANSWERS], "seq")
        said = CommitProperties(app_transactions=[Transaction(segment, pc.max(places).as_py())])
        for attempt in range(ATTEMPTS):
            table = self.table(f"{self.uri}/{name}")
            data = rows_of(whole.filter(pc.greater(places, self._taken(table, segment))), name)
            if not data.num_rows:
                return
            try:
                if table is None:
                    self._make(name)
                    continue
                write_deltalake(table, data, mode="append", commit_properties=said)
                return
            except CommitFailedError:
                # Somebody takes the same rows in or is forgotten at this moment: nothing was written, and the table as it is now takes them.
                if attempt + 1 == ATTEMPTS:
                    raise

    def _make(self, name: str) -> None:
        """Make a table, empty: rows that were written with it would not exclude those of another who makes it at the same moment."""
        from deltalake import DeltaTable

        # Statistics in the log would keep a person's address after its rows are gone. Forgetting one person reads nothing of who asks meanwhile.
        chain = name == ANSWERS
        settings = (
            {"delta.appendOnly": "true"}
            if chain
            else {"delta.dataSkippingNumIndexedCols": "0", "delta.isolationLevel": "SnapshotIsolation"}
        ) | {"delta.logRetentionDuration": _LOG_KEPT}
        DeltaTable.create(
            f"{self.uri}/{name}",
            schema_of(name),
            mode="ignore",
            partition_by=["day"] if chain else None,
            configuration=settings,
            storage_options=store_options(self.uri),
        )

    def _written(self, work: Callable[[], object]) -> None:
        from deltalake.exceptions import DeltaError
        from obstore.exceptions import BaseError

        try:
            work()
        except (DeltaError, BaseError, OSError, ValueError) as error:
            # ValueError: what Arrow and canonical JSON say of a value that they cannot hold.
            raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what=type(error).__name__) from error

    def table(self, uri: str) -> DeltaTable | None:
        """One of the three tables as it is now; None where nothing was ever written."""
        from deltalake import DeltaTable

        options = store_options(self.uri)
        return DeltaTable(uri, storage_options=options) if DeltaTable.is_deltatable(uri, options) else None

    def _read(self, name: str, wanted: Any = None, columns: Sequence[str] | None = None) -> pa.Table:
        """What a table holds and what the journal holds for it. The journal first: what leaves it meanwhile is in the table then."""
        import pyarrow as pa
        import pyarrow.compute as pc

        waiting = self._journal.read()
        schema, table = schema_of(name), self.table(f"{self.uri}/{name}")
        shown = list(columns or schema.names)
        parts = [schema.empty_table().select(shown)]
        if table is not None:
            parts.append(table.to_pyarrow_table(columns=shown, filters=wanted).select(shown).cast(parts[0].schema))
        for at, batch in waiting.items():
            behind = self._taken(table, at.split("/")[1])
            rows = rows_of(batch.filter(pc.greater(pc.struct_field(batch[ANSWERS], "seq"), behind)), name)
            parts.append((rows if wanted is None else rows.filter(wanted)).select(shown))
        return pa.concat_tables(parts)
