"""The tables of one storage root: where they lie, how they are written in one pull, and how readers see only what was published."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from connectors.protocol import OP
from pipelines.landing.published import Published, newest, open_store, publish
from pipelines.landing.rows import KEY

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: The tables a pull may write for a stream. ``landing`` is history, ``current`` the merged state; the others stand beside it. ``memory`` is
#: the connector's own (``protocol.Kept``).
TABLES = (
    "landing",
    "current",
    "quarantine",
    "scopes",
    "members",
    "accounts",
    "grants",
    "principals",
    "groups",
    "versions",
    "content",
    "memory",
)
#: The number of the newest published record, kept beside the history it made visible. Delta leaves names with an underscore alone.
_NOTE = "_published"
#: Bytes that are sent at once of a file: the least that S3 takes as a part, and what a disk is content with.
_PART, _LOCAL_PART = 5 * 1024 * 1024, 512 * 1024


@contextlib.contextmanager
def storing(root: str) -> Generator[None]:
    """Turns what disk or object store refuse (full, read only, gone, no rights) into FixConfiguration with the system's own words."""
    try:
        yield
    except OSError as error:
        raise FixConfiguration("landing.disk", root=root, reason=error.strerror or str(error)) from error
    except _library_errors() as error:
        # The libraries wrap what the system said; anything else they raise is a bug of ours and keeps its traceback.
        said = re.search(r"([^:]+ \(os error \d+\))|(Generic \w+ error: .+)", str(error))
        if said is None:
            raise
        raise FixConfiguration("landing.disk", root=root, reason=said[0].strip()) from error


def _library_errors() -> tuple[type[Exception], ...]:
    from deltalake.exceptions import DeltaError
    from obstore.exceptions import BaseError

    return DeltaError, BaseError


class Warehouse:
    """All tables under one root (a folder or an object store URI)."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.store = open_store(root)

    def uri(self, table: str, stream: str) -> str:
        return f"{self.root}/{table}/{stream}"

    @contextlib.contextmanager
    def writing(self, stream: str) -> Generator[None]:
        """One writer per stream: an advisory lock that a killed process gives back by dying. Object stores rely on Dagster's pools instead."""
        if "://" in self.root:
            yield
            return
        path = Path(self.root) / "locks" / (stream.replace("/", "__") + ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AnswerIsNo("landing.busy", stream=stream) from error
            yield

    def published(self, stream: str) -> Published | None:
        return newest(self.store, stream)

    def publish(self, record: Published) -> None:
        publish(self.store, record)

    def open(self, table: str, stream: str, version: int | None = None) -> DeltaTable | None:
        """The Delta table, or None when it was never written."""
        from deltalake import DeltaTable

        uri = self.uri(table, stream)
        if not DeltaTable.is_deltatable(uri):
            return None
        return DeltaTable(uri, version=version)

    def discard_unpublished(self, stream: str) -> tuple[str, ...]:
        """Put every table back to what was last published; what a killed pull left goes. Returns the names of tables put back.

        Raises AnswerIsNo, with nothing touched, when the published records are gone or cut short while their tables still stand.
        """
        record = self.published(stream)
        self._hold_records(stream, record)
        undone: list[str] = []
        for table in TABLES:
            found = self.open(table, stream)
            wanted = record.tables.get(table) if record else None
            if wanted is not None and (found is None or found.version() < wanted):
                raise AnswerIsNo("landing.table_lost", table=self.uri(table, stream), version=wanted)
            if found is None:
                continue
            if wanted is None:
                self._drop(table, stream)
                undone.append(table)
            elif found.version() > wanted and not self._same(found, table, stream, wanted):
                found.restore(wanted)
                undone.append(table)
        return tuple(undone)

    def _same(self, found: DeltaTable, table: str, stream: str, version: int) -> bool:
        then = self.open(table, stream, version)
        return then is not None and sorted(then.file_uris()) == sorted(found.file_uris())

    def _hold_records(self, stream: str, record: Published | None) -> None:
        """Keep a second note of the newest record inside ``landing``, and refuse to go on where the records fall short of it.

        Without it, "no record" would mean both "the first pull was killed" (its tables are rubbish) and "somebody lost ``published/``"
        (its tables are the history). A first pull commits to ``landing`` and ``current`` once, so a second commit tells the same where
        there is no note yet.
        """
        import obstore

        place = f"landing/{stream}/{_NOTE}"
        try:
            noted = int(bytes(obstore.get(self.store, place).bytes()))
        except FileNotFoundError:
            noted = 0
        except ValueError as error:
            raise AnswerIsNo("landing.note_unreadable", stream=stream, place=f"{self.root}/{place}") from error
        number = record.number if record else 0
        grown = not record and any((found := self.open(table, stream)) is not None and found.version() > 0 for table in TABLES[:2])
        if number < noted or grown:
            raise AnswerIsNo("landing.records_lost", stream=stream, found=number, expected=max(noted, 1), root=self.root)
        if number > noted:
            obstore.put(self.store, place, str(number).encode())

    def _drop(self, table: str, stream: str) -> None:
        import obstore

        paths = sorted(
            (str(meta["path"]) for chunk in obstore.list(self.store, prefix=f"{table}/{stream}") for meta in chunk), reverse=True
        )
        # The log goes from its newest entry backwards and last of all: a kill in between leaves an older table, never an unreadable one.
        for path in sorted(paths, key=lambda path: "/_delta_log/" in path):
            obstore.delete(self.store, path)

    def read(self, table: str, stream: str, columns: list[str] | None = None) -> pa.Table | None:
        """A table as published, whole; None when the stream or this table was never published."""
        record = self.published(stream)
        if record is None or table not in record.tables:
            return None
        found = self.open(table, stream, record.tables[table])
        return None if found is None else found.to_pyarrow_table(columns=columns)

    def current(self, stream: str) -> pa.Table | None:
        """The live rows as published (tombstones left out)."""
        import pyarrow.compute as pc

        rows = self.read("current", stream)
        return None if rows is None else rows.filter(pc.equal(rows["_op"], "upsert"))

    def append(self, table: str, stream: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Add rows in one commit, streamed."""
        import pyarrow as pa
        from deltalake import write_deltalake

        if (found := self.open(table, stream)) is not None:
            _relabel(found, schema)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        write_deltalake(self.uri(table, stream), reader, mode="append", schema_mode="merge")

    def merge(self, table: str, stream: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Upsert by ``_key`` in one commit; the first write creates the table."""
        import pyarrow as pa

        found = self.open(table, stream)
        if found is None:
            self.append(table, stream, batches, schema)
            return
        _relabel(found, schema)
        # A column the contract no longer has must not keep its old values: it is written as null where a row is.
        kept = [field for field in pa.schema(found.schema().to_arrow()) if field.name not in schema.names]
        wider = pa.schema([*schema, *kept])

        def padded() -> Iterable[pa.RecordBatch]:
            for batch in batches:
                nulls = [pa.nulls(batch.num_rows, field.type) for field in kept]
                yield pa.record_batch([*batch.columns, *nulls], schema=wider)

        reader = pa.RecordBatchReader.from_batches(wider, padded())
        (
            found.merge(reader, merge_schema=True, predicate=f"t.{KEY} = s.{KEY}", source_alias="s", target_alias="t")
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )

    def remember(self, stream: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, anew: bool) -> None:
        """Apply what a connector keeps to its memory in one commit; with ``anew``, or where the memory had another shape, it is all there is.

        Raises AnswerIsNo where changes come for a memory of another shape: they mean nothing without what they change.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        from deltalake import write_deltalake

        found = self.open("memory", stream)
        stored = pa.schema([field for field in schema if field.name != OP])
        if found is None or anew:
            upserts = (batch.filter(pc.equal(batch.column(OP), "upsert")).select(stored.names) for batch in batches)
            reader = pa.RecordBatchReader.from_batches(stored, upserts)
            write_deltalake(self.uri("memory", stream), reader, mode="overwrite", schema_mode="overwrite")
            return
        if pa.schema(found.schema().to_arrow()).names != stored.names:
            raise AnswerIsNo("landing.memory_shape", stream=stream)
        values = {name: f"s.{name}" for name in stored.names}
        (
            found.merge(
                pa.RecordBatchReader.from_batches(schema, batches), predicate=f"t.{KEY} = s.{KEY}", source_alias="s", target_alias="t"
            )
            .when_matched_delete(predicate=f"s.{OP} = 'delete'")
            .when_matched_update(values)
            .when_not_matched_insert(values, predicate=f"s.{OP} = 'upsert'")
            .execute()
        )

    def replace(self, table: str, stream: str, rows: pa.Table, *, ignore: tuple[str, ...] = ()) -> bool:
        """Make the table these rows; one that already holds them (``ignore`` columns apart) is not written. Returns whether a commit was made."""
        from deltalake import write_deltalake

        found = self.open(table, stream)
        ordered = rows.sort_by([(rows.schema.names[0], "ascending")]) if rows.num_rows else rows
        print_now = fingerprint(ordered.drop_columns(list(ignore)))
        if found is not None and (found.metadata().description or "") == print_now:
            return False
        write_deltalake(self.uri(table, stream), ordered, mode="overwrite", schema_mode="overwrite")
        self.open(table, stream).alter.set_table_description(print_now)  # type: ignore[union-attr]
        return True

    def live_count(self, stream: str) -> int:
        """Live rows of the current table as it stands, unpublished writes included: read back, not carried along."""
        import pyarrow.compute as pc

        found = self.open("current", stream)
        if found is None:
            return 0
        batches = found.to_pyarrow_dataset().to_batches(columns=["_op"])
        return sum(pc.sum(pc.equal(batch.column(0), "upsert")).as_py() or 0 for batch in batches)

    def versions(self, stream: str) -> dict[str, int]:
        """The version each of the stream's tables stands at now, unpublished writes included."""
        return {table: found.version() for table in TABLES if (found := self.open(table, stream)) is not None}

    def put_blob(self, content: Path, digest: str) -> None:
        """Keep a file's bytes under their SHA-256, streamed; the same bytes are kept once. A file shows whole or not at all."""
        import obstore

        place = f"blobs/{digest[:2]}/{digest}"
        try:
            obstore.head(self.store, place)
        except FileNotFoundError:
            # To put "if absent" would take the whole file into memory; and whoever writes here writes the same bytes.
            part = _PART if "://" in self.root else _LOCAL_PART
            obstore.put(self.store, place, content, use_multipart=True, chunk_size=part, max_concurrency=2)

    def blob(self, digest: str) -> bytes:
        import obstore

        return bytes(obstore.get(self.store, f"blobs/{digest[:2]}/{digest}").bytes())


def _relabel(found: DeltaTable, schema: pa.Schema) -> None:
    """Let the table's columns say what fills them now: a renamed field has another code and label, and Delta merges no two of them."""
    import pyarrow as pa

    there = {field.name: field.metadata or {} for field in pa.schema(found.schema().to_arrow())}
    for field in schema:
        told = field.metadata or {}
        if field.name in there and any(there[field.name].get(key) != value for key, value in told.items()):
            found.alter.set_column_metadata(field.name, {key.decode(): value.decode() for key, value in told.items()})


def fingerprint(rows: pa.Table) -> str:
    """SHA-256 of a small table's rows, independent of their order."""
    lines = sorted(str(sorted(row.items())) for row in rows.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
