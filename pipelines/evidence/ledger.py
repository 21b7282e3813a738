"""The ledger: the chain's append-only Delta table. Rows are added behind a known head, read back, and verified; nothing is ever changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from pipelines.evidence.archive import MOVED, Archive, bare, old_evidence, predicate, stands
from pipelines.evidence.chain import GENESIS, SCHEMA, ChainRow, Entry, Head, Kind, Verification, canonical, link, verify_rows
from pipelines.evidence.claims import BALANCE, CHECKS, CONTRACT, ENDPOINT, INSTANT, Balance, CheckVerdict, ContractRef, Endpoint
from pipelines.evidence.errors import HeadMoved, LedgerBroken
from pipelines.evidence.reasons import Reason, reason

_STRING = pa.string()
#: ``params`` is canonical JSON text: reasons carry different parameters, and a column needs one type.
_REASONS = pa.list_(pa.struct([("code", _STRING), ("params", _STRING)]))
_COLUMNS = pa.schema(
    [
        ("schema", _STRING),
        ("seq", pa.int64()),
        ("prev", _STRING),
        ("hash", _STRING),
        ("kind", _STRING),
        ("environment", _STRING),
        ("clock", _STRING),
        ("subject", _STRING),
        ("day", pa.date32()),
        ("slot", INSTANT),
        ("trigger", _STRING),
        ("pull_id", _STRING),
        ("run_id", _STRING),
        ("root_run_id", _STRING),
        ("tick", _STRING),
        ("started_at", INSTANT),
        ("finished_at", INSTANT),
        ("outcome", _STRING),
        ("checks", CHECKS),
        ("balance", BALANCE),
        ("contract", CONTRACT),
        ("endpoint", ENDPOINT),
        ("code_version", _STRING),
        ("verdict", _STRING),
        ("reasons", _REASONS),
        ("actor", _STRING),
        ("signature", _STRING),
    ]
)
#: Every column, in the order of a row.
NAMES = tuple(_COLUMNS.names)
# Two commits that carry the same application transaction conflict in Delta itself, which closes the gap between reading the head and
# writing behind it; compaction carries none and does not disturb a writer.
_WRITER = "fortnight.ledger"
# Statistics of three columns and no more: a commit carries every one it has, and each look at the table pays for those of all its files.
_CONFIGURATION = {"delta.appendOnly": "true", "delta.checkpointInterval": "50", "delta.dataSkippingStatsColumns": "seq,kind,day"}
_UPKEEP_EVERY = 250
_PUSH_ATTEMPTS = 8
_SLICE = 10_000


class Ledger:
    """The ledger table at ``location`` (a folder or an object store URI). Made at the first append."""

    def __init__(self, location: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.location = location
        self._options = dict(storage_options) if storage_options else None
        self._written: tuple[DeltaTable, int, Head] | None = None
        self.archive = Archive(f"{location}-archive", storage_options)

    def head(self) -> Head:
        """The last row's number and hash; GENESIS when nothing was written. Two rows under the last number raise LedgerBroken."""
        table = self._open()
        return GENESIS if table is None else _head(table)

    def append(self, entries: Iterable[Entry], after: Head | None = None) -> Head:
        """Add ``entries`` in one commit behind ``after`` (by default behind the head of this moment) and return the new head.

        The same entries behind the same head are written once: a second call, or a commit whose answer was lost, finds them there.
        Raises HeadMoved, with nothing written, when the head is another or moves meanwhile.
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
        """Rows in chain order, narrowed by kind, subject and civil day (``since`` inclusive; rows without a day always stay in).

        Reading proves nothing: ``verify`` does. A row that does not even parse raises LedgerBroken.
        """
        table = self._open()
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
        return tuple(_parsed(self.archive.filled(_rows(table, wanted))))

    def last_seal(self) -> ChainRow | None:
        """The newest seal row, which tells the last sealed day and the instant it was sealed."""
        table = self._open()
        if table is None:
            return None
        seals = table.to_pyarrow_dataset().to_table(columns=["seq"], filter=pc.field("kind") == "seal")
        newest = cast(int | None, pc.max(seals["seq"]).as_py())
        return None if newest is None else _row(_rows(table, pc.field("seq") == newest)[0])

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
            table = self._open()
            if table is not None and after != GENESIS and self.hashes([after.seq]).get(after.seq) != after.hash:
                return Verification(False, after.seq, reason("ledger.hash_wrong"))
            beyond = None if after == GENESIS else pc.field("seq") > after.seq
            for columns in () if table is None else _slices(table, beyond, self.archive if archive else None):
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
                        row = _row(columns)
                    except (ValueError, TypeError, KeyError) as problem:
                        return Verification(False, before.seq + 1, reason("ledger.unreadable", detail=type(problem).__name__))
                    step = verify_rows([row], before)
                    if not step.ok:
                        return step
                    before = Head(row.seq, row.hash)
                if published.get(before.seq, {before.hash}) != {before.hash}:
                    return Verification(False, before.seq, reason("ledger.hash_wrong"))
        except (DeltaError, pa.ArrowException, OSError) as problem:
            return Verification(False, None, reason("ledger.unreadable", detail=type(problem).__name__))
        if published and before.seq < max(published):
            return Verification(False, before.seq + 1, reason("ledger.cut", anchor=max(published)))
        return Verification(True, by_place=by_place)

    def hashes(self, seqs: Collection[int]) -> Mapping[int, str]:
        """The hashes of the rows with these numbers, as far as there are such rows. Of two rows under one number the hash is neither's."""
        table = self._open()
        if table is None or not seqs:
            return {}
        found = table.to_pyarrow_dataset().to_table(columns=["seq", "hash"], filter=pc.field("seq").isin(sorted(seqs)))
        pairs = list(zip(found["seq"].to_pylist(), found["hash"].to_pylist(), strict=True))
        known = {cast(int, seq): cast(str, own) for seq, own in pairs}
        return known if len(pairs) == len(known) else {}

    def columns(self, names: Sequence[str], wanted: pc.Expression, words: Collection[str] = ()) -> pa.Table:
        """Some columns of some rows, in chain order: for readers to whom a row is too dear. Those in ``words`` come as dictionaries."""
        table = self._open()
        schema = pa.schema([_COLUMNS.field(name) for name in names])
        for at, name in enumerate(names):
            if name in words:
                schema = schema.set(at, pa.field(name, pa.dictionary(pa.int32(), _STRING)))
        if table is None:
            return schema.empty_table()
        from pyarrow.dataset import ParquetReadOptions  # brings pandas along, which no code location needs at load

        options = ParquetReadOptions(dictionary_columns=set(words)) if words else None
        found = table.to_pyarrow_dataset(parquet_read_options=options).to_table(columns=list(names), filter=wanted)
        # Files hold rows as they were written, in whatever order they are listed: to put files in order moves no row.
        batches = sorted((each for each in found.to_batches() if each.num_rows), key=lambda each: cast(int, each["seq"][0].as_py() or 0))
        found = pa.Table.from_batches(batches, found.schema)
        if not _in_order(found["seq"]):
            found = found.take(pc.sort_indices(found, sort_keys=[("seq", "ascending")]))
        return found.cast(schema)

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
            else table.to_pyarrow_dataset().to_table(filter=old_evidence(before) & (pc.field("schema") != MOVED)).cast(_COLUMNS)
        )
        if table is None or rows is None or not rows.num_rows:
            return 0
        found = self.verify()
        if not found.ok:
            raise LedgerBroken("ledger.broken", seq=found.broken_at, why=found.why.say() if found.why else "?")
        self.archive.add(rows)
        # What a commit replaces, it must bring: the rows that were moved earlier come along.
        stubs = bare(table.to_pyarrow_dataset().to_table(filter=old_evidence(before)).cast(_COLUMNS))
        kept = {row.seq: row.hash for row in _parsed(self.archive.filled(cast("list[dict[str, Any]]", stubs.to_pylist())))}
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
        table = self._open() or self._create()
        return table, _head(table)

    def _holds(self, table: DeltaTable, rows: Sequence[ChainRow]) -> bool:
        """Whether these very rows stand in the table already. The last one's hash covers the others."""
        found = table.to_pyarrow_dataset().to_table(columns=["hash"], filter=pc.field("seq") == rows[-1].seq)
        return found["hash"].to_pylist() == [rows[-1].hash]

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.location, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        try:
            return DeltaTable.create(self.location, _COLUMNS, mode="ignore", configuration=_CONFIGURATION, storage_options=self._options)
        except CommitFailedError:
            # Another first writer made it between our look and our try.
            return DeltaTable(self.location, storage_options=self._options)


def _rows(table: DeltaTable, wanted: pc.Expression | None) -> list[dict[str, Any]]:
    found = table.to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
    return sorted(cast(list[dict[str, Any]], found), key=lambda row: cast(int, row.get("seq") or 0))


def _in_order(seqs: pa.ChunkedArray) -> bool:
    """Compacted files hold rows as they were written: mostly there is nothing to sort."""
    return bool(pc.all(pc.greater(seqs[1:], seqs[:-1])).as_py()) if len(seqs) > 1 else True


def table_of(rows: Sequence[ChainRow]) -> pa.Table:
    """Rows as the ledger's columns."""
    return pa.Table.from_pylist([_columns(row) for row in rows], schema=_COLUMNS)


def rows_of(table: pa.Table) -> Iterator[ChainRow]:
    """The rows of ``Ledger.columns`` with all ``NAMES``. One that does not even parse raises LedgerBroken."""
    yield from _parsed(cast(list[dict[str, Any]], table.to_pylist()))


def _parsed(listed: Iterable[Mapping[str, Any]]) -> Iterator[ChainRow]:
    for columns in listed:
        try:
            yield _row(columns)
        except (ValueError, TypeError, KeyError) as problem:
            raise LedgerBroken("ledger.broken", seq=columns.get("seq"), why=type(problem).__name__) from problem


def _slices(table: DeltaTable, wanted: pc.Expression | None, archive: Archive | None) -> Iterator[dict[str, Any]]:
    """All columns of the rows in chain order, as Python values a slice at a time: a year of a thousand streams does not fit as such."""
    found = table.to_pyarrow_dataset().to_table(filter=wanted)
    order = pc.sort_indices(found, sort_keys=[("seq", "ascending")])
    for start in range(0, len(order), _SLICE):
        listed = cast(list[dict[str, Any]], found.take(order.slice(start, _SLICE)).to_pylist())
        yield from listed if archive is None else archive.filled(listed)


def _head(table: DeltaTable) -> Head:
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


def _columns(row: ChainRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "schema": SCHEMA,
        "seq": row.seq,
        "prev": row.prev,
        "hash": row.hash,
        **{part.name: getattr(entry, part.name) for part in fields(entry)},
        "checks": [asdict(check) for check in entry.checks],
        "balance": asdict(entry.balance) if entry.balance else None,
        "contract": asdict(entry.contract) if entry.contract else None,
        "endpoint": asdict(entry.endpoint) if entry.endpoint else None,
        "reasons": [{"code": each.code, "params": canonical(dict(each.params)).decode()} for each in entry.reasons],
    }


def _row(columns: Mapping[str, Any]) -> ChainRow:
    """The row as written. Anything the writer could not have written is a ValueError, TypeError or KeyError."""
    rest = dict(columns)
    if rest.pop("schema") != SCHEMA:
        raise ValueError("written by another version")
    seq, prev, own = rest.pop("seq"), rest.pop("prev"), rest.pop("hash")
    rest["checks"] = tuple(CheckVerdict(**check) for check in rest["checks"])
    rest["balance"] = Balance(**rest["balance"]) if rest["balance"] else None
    rest["contract"] = ContractRef(**rest["contract"]) if rest["contract"] else None
    rest["endpoint"] = Endpoint(**rest["endpoint"]) if rest["endpoint"] else None
    rest["reasons"] = reasons_of(rest["reasons"])
    return ChainRow(Entry(**rest), seq, prev, own)


def reasons_of(listed: Iterable[Mapping[str, str]]) -> tuple[Reason, ...]:
    """Reasons as the table holds them."""
    return tuple(Reason(each["code"], _params(each["params"])) for each in listed)


def _params(text: str) -> dict[str, Any]:
    params = json.loads(text)
    if not isinstance(params, dict) or canonical(params).decode() != text:
        raise ValueError("reason parameters are not canonical JSON")
    return cast(dict[str, Any], params)
