"""The tables of one storage root: where they lie, how they are written in one pull, and how readers see only what was published."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uuid_utils

from connectors.errors import AnswerIsNo
from connectors.protocol import OP
from pipelines.landing.files import UNPACKED, Files
from pipelines.landing.generations import generation, in_order, number_of, whole
from pipelines.landing.handles import Handles
from pipelines.landing.labels import relabel
from pipelines.landing.log import commits, described, signed, stands_at
from pipelines.landing.merge import Merged, merge
from pipelines.landing.provenance import above, others, refuse
from pipelines.landing.published import Published, newest, open_store, publish, store_options
from pipelines.landing.rows import KEY, fingerprint
from pipelines.landing.settings import settings
from pipelines.landing.shapes import joined, shaped

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


class Warehouse:
    """All tables under one root (a folder or an object store URI)."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.store = open_store(root)
        #: Whose the commits are that are made through this warehouse.
        self.by = str(uuid_utils.uuid7())
        self._handles = Handles(self.root, self.store)
        #: The stream that is being written: only its one writer may have a handle brought forward.
        self._writing = ""

    def uri(self, table: str, stream: str) -> str:
        return f"{self.root}/{table}/{stream}"

    def folder(self, table: str, stream: str) -> str:
        """Where a table lies in the store."""
        return f"{table}/{stream}"

    @contextlib.contextmanager
    def writing(self, stream: str, by: str = "") -> Generator[None]:
        """One writer per stream: an advisory lock that a killed process gives back by dying. Object stores have none: there two may write, and
        publishing lets at most one of them through. Commits are signed with ``by``.
        """
        self.by, before, self._writing = by or str(uuid_utils.uuid7()), self._writing, stream
        try:
            with contextlib.nullcontext() if "://" in self.root else self._locked(stream):
                yield
        finally:
            self._writing = before

    @contextlib.contextmanager
    def _locked(self, stream: str) -> Generator[None]:
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
        """Put the record, once every commit that it would make visible is known to be ours alone.

        Raises AnswerIsNo: ``landing.foreign_commit`` where somebody wrote by hand, ``landing.published_meanwhile`` where another pull did.
        """
        before = self.published(record.stream)
        if before is not None and before.number >= record.number:
            raise AnswerIsNo("landing.published_meanwhile", stream=record.stream, number=record.number)
        for table, version in record.tables.items():
            base = before.tables.get(table, -1) if before else -1
            made = list(commits(self.store, self.folder(table, record.stream), base, version))
            wrong = others(made, base, self.by)
            if any(one.by is None for one in wrong):
                raise refuse(record.stream, self.uri(table, record.stream), [one for one in wrong if one.by is None])
            if wrong:
                raise AnswerIsNo("landing.published_meanwhile", stream=record.stream, number=record.number)
        publish(self.store, record.model_copy(update={"signed": True}))

    def tables(self, stream: str) -> dict[str, DeltaTable]:
        """The stream's tables as they stand, unpublished writes included; the history in as many generations as there are."""
        found = {table: one for table in TABLES if (one := self.open(table, stream)) is not None}
        for number in itertools.count(2):
            later = self.open(generation(number), stream)
            if later is None:
                return found
            found[generation(number)] = later
        raise AssertionError

    def open(self, table: str, stream: str, version: int | None = None) -> DeltaTable | None:
        """The Delta table, or None when it was never written. What stands open already, and as the log on disk does, is not opened again.

        A table of the stream that is being written moves with the next write to it: what is read of it is read at once.
        """
        return self._handles.open(self.folder(table, stream), version, moving=stream == self._writing)

    def discard_unpublished(self, stream: str) -> tuple[str, ...]:
        """Put every table back to what was last published; what a killed pull left goes. Returns the names of tables put back.

        Raises AnswerIsNo, with nothing touched, when the published records are gone or cut short while their tables still stand.
        """
        record = self.published(stream)
        self._hold_records(stream, record)
        wanted = dict(record.tables) if record else {}
        found = self.versions(stream, wanted)
        for table, version in wanted.items():
            if found.get(table, -1) < version:
                raise AnswerIsNo("landing.table_lost", table=self.uri(table, stream), version=version)
        left = {table: self._left(table, stream, at, wanted.get(table, -1), record) for table, at in found.items()}
        undone: list[str] = []
        for table in found:
            if not left[table]:
                continue
            if table in wanted:
                one = self.open(table, stream)
                assert one is not None  # its log was just listed
                one.restore(wanted[table], commit_properties=signed(self.by))
            else:
                self._drop(table, stream)
            undone.append(table)
        return tuple(undone)

    def untouched(self, stream: str) -> None:
        """Raises AnswerIsNo where somebody wrote above what is published; touches nothing."""
        record = self.published(stream)
        for table, at in self.versions(stream, record.tables if record else {}).items():
            self._left(table, stream, at, record.tables.get(table, -1) if record else -1, record)

    def _left(self, table: str, stream: str, version: int, base: int, record: Published | None) -> bool:
        """Whether something stands above what was published. Raises AnswerIsNo where it is nobody's of ours: it is not ours to throw away."""
        if version == base:
            return False
        made = list(commits(self.store, self.folder(table, stream), base, version))
        standing = above(made, base)
        # What was published before commits were signed may have been followed by a pull that died, and signed nothing either.
        if record is None or record.signed:
            foreign = [one for one in standing if one.by is None]
            if foreign:
                raise refuse(stream, self.uri(table, stream), foreign)
        return bool(standing) or len(made) < version - base

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

    def read(self, table: str, stream: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        """A table as published, whole; None when the stream or this table was never published."""
        record = self.published(stream)
        return None if record is None else self.read_as(record, table, columns)

    def read_as(self, record: Published, table: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        """A table as of a record, ``landing`` in all its generations; None where the record names none. Raises AnswerIsNo when it is gone."""
        names = in_order(record.tables) if table == "landing" else [name for name in (table,) if name in record.tables]
        opened: dict[str, DeltaTable] = {}
        for name in names:
            found = self.open(name, record.stream, record.tables[name])
            if found is None:
                raise AnswerIsNo("landing.table_lost", table=self.uri(name, record.stream), version=record.tables[name])
            opened[name] = found
        if not opened:
            return None
        if table == "landing":
            return whole(record.stream, opened, columns)
        return opened[table].to_pyarrow_table(columns=None if columns is None else list(columns))

    def current(self, stream: str) -> pa.Table | None:
        """The live rows as published (tombstones left out)."""
        import pyarrow.compute as pc

        rows = self.read("current", stream)
        return None if rows is None else rows.filter(pc.equal(rows["_op"], "upsert"))

    def append(self, table: str, stream: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Add rows in one commit, streamed. New columns, inner ones too, are null in what is there already, which is not touched.

        Where a column changed its type, the rows begin another generation of the table: Delta keeps one type a column, and history is not
        rewritten. Reading ``landing`` reads all of them.
        """
        import pyarrow as pa
        from deltalake import write_deltalake

        found = self._newest_generation(stream) if table == "landing" else None
        name, shape = (table, schema) if found is None else (found[0], joined(pa.schema(found[1].schema().to_arrow()), schema))
        if shape is None:
            name, shape = generation(1 + (number_of(name) or 0)), schema
        elif found is not None:
            relabel(found[1], schema, self.by)

        def padded() -> Iterable[pa.RecordBatch]:
            for batch in batches:
                yield from shaped(pa.Table.from_batches([batch]), shape).to_batches()

        reader = pa.RecordBatchReader.from_batches(shape, batches if shape == schema else padded())
        write_deltalake(
            found[1] if found is not None and name == found[0] else self.uri(name, stream),
            reader,
            mode="append",
            schema_mode="merge",
            storage_options=store_options(self.root),
            configuration=settings(shape) if found is None or name != found[0] else None,
            target_file_size=UNPACKED,
            commit_properties=signed(self.by),
        )

    def _newest_generation(self, stream: str) -> tuple[str, DeltaTable] | None:
        found = self.open("landing", stream)
        if found is None:
            return None
        name = "landing"
        while (later := self.open(following := generation(1 + (number_of(name) or 1)), stream)) is not None:
            name, found = following, later
        return name, found

    def merge(self, table: str, stream: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Merged:
        """Upsert by ``_key`` in one commit, or in none where nothing changes; the first write creates the table. ``batches`` can be read again.

        A column the contract no longer has must not keep its old values: it is written as null where a row is.
        """
        found = self.open(table, stream)
        if found is None:
            self.append(table, stream, batches, schema)
            return Merged(rows=0)
        relabel(found, schema, self.by)
        return merge(self.store, self.folder(table, stream), found, batches, schema, self.by)

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
            write_deltalake(
                self.uri("memory", stream) if found is None else found,
                reader,
                mode="overwrite",
                schema_mode="overwrite",
                storage_options=store_options(self.root),
                commit_properties=signed(self.by),
            )
            return
        if pa.schema(found.schema().to_arrow()).names != stored.names:
            raise AnswerIsNo("landing.memory_shape", stream=stream)
        values = {name: f"s.{name}" for name in stored.names}
        (
            found.merge(
                pa.RecordBatchReader.from_batches(schema, batches),
                predicate=f"t.{KEY} = s.{KEY}",
                source_alias="s",
                target_alias="t",
                commit_properties=signed(self.by),
            )
            .when_matched_delete(predicate=f"s.{OP} = 'delete'")
            .when_matched_update(values)
            .when_not_matched_insert(values, predicate=f"s.{OP} = 'upsert'")
            .execute()
        )

    def replace(self, table: str, stream: str, rows: pa.Table, *, ignore: tuple[str, ...] = ()) -> bool:
        """Make the table these rows; one that already holds them (``ignore`` columns apart) is not written. Returns whether a commit was made."""
        from deltalake import write_deltalake

        print_now = fingerprint(rows.drop_columns(list(ignore)))
        if described(self.store, self.folder(table, stream)) == print_now:
            return False
        found = self.open(table, stream)
        if found is not None and found.metadata().description == print_now:
            return False
        write_deltalake(
            self.uri(table, stream) if found is None else found,
            rows.sort_by([(rows.schema.names[0], "ascending")]) if rows.num_rows else rows,
            mode="overwrite",
            schema_mode="overwrite",
            storage_options=store_options(self.root),
            commit_properties=signed(self.by),
        )
        written = found or self.open(table, stream)
        assert written is not None  # just now
        written.alter.set_table_description(print_now, commit_properties=signed(self.by))
        return True

    def holds(self, table: str, stream: str, rows: pa.Table) -> bool:
        """Whether the last commit to a table that is replaced whole says that it holds these rows. No says nothing: the table is not opened."""
        return described(self.store, self.folder(table, stream)) == fingerprint(rows)

    def live_count(self, stream: str) -> int:
        """Live rows of the current table as it stands, unpublished writes included: told by its log file by file, not carried along."""
        found = self.open("current", stream)
        return 0 if found is None else Files(found).live()

    def versions(self, stream: str, known: Mapping[str, int] | None = None) -> dict[str, int]:
        """The version each of the stream's tables stands at now, unpublished writes included. No table is opened: a quiet pull asks twice.

        ``known`` are versions they had, above which to look.
        """
        known = known or {}
        found: dict[str, int] = {}
        for table in itertools.chain(TABLES, (generation(number) for number in itertools.count(2))):
            at = stands_at(self.store, self.folder(table, stream), known.get(table, 0))
            if at is not None:
                found[table] = at
            elif table not in TABLES:
                return found
        raise AssertionError

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
