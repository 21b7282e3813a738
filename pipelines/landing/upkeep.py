"""Upkeep of a stream's tables: compact, vacuum, and back to an earlier record. Each of them is whole or not at all, and none changes what a
record or a release names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from connectors.protocol import OP
from pipelines.landing.files import SIZE, UNPACKED, DataFile, Files
from pipelines.landing.generations import number_of
from pipelines.landing.log import signed
from pipelines.landing.published import Published, numbers, read_record
from pipelines.landing.rewrite import commit_files, put_files
from pipelines.landing.rows import KEY
from pipelines.landing.settings import set_anew
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: From so many files on that are small, or in which one key may lie, a table is worth writing anew.
_MANY = 4
#: Bytes of data files whose rows are sorted at once.
_SORTED = 4 * SIZE
#: Hours within which a file that nothing names may belong to a pull under way.
_UNDER_WAY = 24
#: What goes back with a record: the rows, what was held, and what the next pull goes on from. History stays, and so do the newest rights.
_BACK = ("current", "quarantine", "content", "memory")
_FROM_THEN = (
    "contract_version",
    "contract_fingerprint",
    "schema_fingerprint",
    "revision",
    "watermark",
    "cursor",
    "reconciled_at",
    "facts",
    "nulls",
)


@dataclass(frozen=True)
class Compacted:
    """Tables that were written anew, each with its files before and after; ``published`` is the record that names them, None without any."""

    stream: str
    tables: Mapping[str, tuple[int, int]]
    published: int | None


@dataclass(frozen=True)
class Vacuumed:
    """Files deleted of each table, and the versions of each that were kept."""

    stream: str
    deleted: Mapping[str, int]
    kept: Mapping[str, tuple[int, ...]]


def compact(warehouse: Warehouse, stream: str, at: datetime) -> Compacted:
    """Write a stream's small or entangled files anew, ``current`` in the order of its keys, and publish the same rows in their new files.

    Raises AnswerIsNo where nothing was published, somebody is pulling, or somebody wrote by hand.
    """
    with warehouse.writing(stream):
        record = _held(warehouse, stream)
        done: dict[str, tuple[int, int]] = {}
        for table, found in warehouse.tables(stream).items():
            before = len(found.file_uris())
            history = number_of(table) is not None
            told = (history or table == "current") and set_anew(found, warehouse.by)
            if not told and not (_entangled(Files(found).all) if table == "current" else history and _small(found) > _MANY * _MANY):
                continue
            if table == "current" and _entangled(Files(found).all):
                _sort(warehouse, stream, found)
            elif history and _small(found) > _MANY * _MANY:
                found.optimize.compact(target_size=UNPACKED, commit_properties=signed(warehouse.by))
            now = warehouse.open(table, stream)
            done[table] = (before, len(now.file_uris()) if now is not None else 0)
        if not done:
            return Compacted(stream, {}, None)
        after = _renewed(record, warehouse, at)
        warehouse.publish(after)
        return Compacted(stream, done, after.number)


def vacuum(warehouse: Warehouse, stream: str, at: datetime, days: int, named: Mapping[str, Collection[int]]) -> Vacuumed:
    """Delete data files that no version needs any more which a record of the last ``days`` days names, or a release (``named``, by table)."""
    with warehouse.writing(stream):
        record = _held(warehouse, stream)
        wanted: dict[str, set[int]] = {table: set(versions) for table, versions in named.items()}
        for one in (record, *_within(warehouse, stream, at - timedelta(days=days))):
            for table, version in one.tables.items():
                wanted.setdefault(table, set()).add(version)
        deleted: dict[str, int] = {}
        kept: dict[str, tuple[int, ...]] = {}
        for table, found in warehouse.tables(stream).items():
            kept[table] = tuple(sorted(version for version in wanted.get(table, ()) if _readable(warehouse, table, stream, version)))
            gone = found.vacuum(
                retention_hours=_UNDER_WAY,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=list(kept[table]),
                commit_properties=signed(warehouse.by),
            )
            deleted[table] = len(gone)
        return Vacuumed(stream, deleted, kept)


def restore(warehouse: Warehouse, stream: str, at: datetime, *, to: int | None, why: str) -> Published:
    """Put a stream back: to what is published, where somebody wrote over it by hand; with ``to``, to the rows of that earlier record.

    Going back is a new record on top; nothing is taken out of the history, and what was written by hand can be read at its version until the
    next vacuum. Rights stay the newest: who lost theirs since does not get them back. The next pull goes on from where that record stood.
    Raises AnswerIsNo for a record there is none of, or whose files a vacuum took.
    """
    with warehouse.writing(stream):
        record = warehouse.published(stream)
        if record is None:
            raise AnswerIsNo("tables.nothing_published", stream=stream)
        then = record if to is None else _record(warehouse, stream, to)
        tables = warehouse.tables(stream)
        aside = [table for table in tables if table not in record.tables]
        if aside:
            raise AnswerIsNo("tables.move_aside", stream=stream, table=warehouse.uri(aside[0], stream))
        back = {table: then.tables[table] for table in _BACK if table in then.tables and table in tables} if to is not None else {}
        for table, version in back.items():
            _whole(warehouse, table, stream, version)
        for table, found in tables.items():
            wanted = back.get(table, record.tables[table])
            if found.version() != wanted:
                found.restore(wanted, commit_properties=signed(warehouse.by))
        if to is None:
            return record
        changed: dict[str, object] = {name: getattr(then, name) for name in _FROM_THEN}
        if "memory" in record.tables and "memory" not in then.tables:
            changed |= {"cursor": None, "watermark": None}
        counts = {**record.counts, **{name: then.counts[name] for name in ("live", "quarantined") if name in then.counts}}
        after = _renewed(record, warehouse, at).model_copy(update={**changed, "counts": counts, "view": "", "restored": to, "why": why})
        warehouse.publish(after)
        return after


def _held(warehouse: Warehouse, stream: str) -> Published:
    """The newest record, with nothing unpublished above it."""
    warehouse.discard_unpublished(stream)
    record = warehouse.published(stream)
    if record is None:
        raise AnswerIsNo("tables.nothing_published", stream=stream)
    return record


def _renewed(record: Published, warehouse: Warehouse, at: datetime) -> Published:
    """The record once more, naming the versions that its tables stand at now. What was read when is what it was."""
    return record.model_copy(
        update={
            "number": record.number + 1,
            "pull_id": warehouse.by,
            "published_at": at.isoformat(),
            "access_at": record.access_at or record.published_at,
            "reconciled_at": record.reconciled_at or record.published_at,
            "tables": warehouse.versions(record.stream),
            "restored": None,
            "why": "",
        }
    )


def _record(warehouse: Warehouse, stream: str, number: int) -> Published:
    if number not in numbers(warehouse.store, stream):
        raise AnswerIsNo("tables.no_such_record", stream=stream, number=number)
    return read_record(warehouse.store, stream, number)


def _within(warehouse: Warehouse, stream: str, since: datetime) -> Iterator[Published]:
    """The records put since then, and the one that held at that moment."""
    for number in reversed(numbers(warehouse.store, stream)):
        record = read_record(warehouse.store, stream, number)
        yield record
        if datetime.fromisoformat(record.published_at) < since:
            return


def _readable(warehouse: Warehouse, table: str, stream: str, version: int) -> bool:
    """Whether the log still tells of this version. Until Fortnight forbade it, Delta forgot versions after thirty days."""
    from deltalake.exceptions import DeltaError

    try:
        return warehouse.open(table, stream, version) is not None
    except DeltaError:
        return False


def _whole(warehouse: Warehouse, table: str, stream: str, version: int) -> None:
    """Raises AnswerIsNo where a file of that version is gone."""
    import obstore

    found = warehouse.open(table, stream, version) if _readable(warehouse, table, stream, version) else None
    try:
        for file in () if found is None else Files(found).all:
            obstore.head(warehouse.store, f"{warehouse.folder(table, stream)}/{file.path}")
    except FileNotFoundError:
        found = None
    if found is None:
        raise AnswerIsNo("tables.version_gone", stream=stream, table=table, version=version)


def _small(found: DeltaTable) -> int:
    return sum(1 for file in Files(found).all if file.size < SIZE // 2)


def _entangled(files: Collection[DataFile]) -> bool:
    """Whether many files are small, or a key may lie in many, or tombstones lie among live rows: each makes a merge read and write more."""
    live = [file for file in files if file.kind != "delete"]
    if sum(1 for file in live if file.size < SIZE // 2) > max(_MANY, len(live) // 2):
        return True
    if any(file.low is None or file.high is None for file in live):
        return len(live) > 1
    ends = sorted([(file.low or "", 0) for file in live] + [(file.high or "", 1) for file in live])
    deep, most = 0, 0
    for _, end in ends:
        deep += -1 if end else 1
        most = max(most, deep)
    return most > _MANY


def _sort(warehouse: Warehouse, stream: str, found: DeltaTable) -> None:
    """``current`` in the order of its keys, in one commit: live rows in files of their own, and tombstones."""
    files, folder = Files(found), warehouse.folder("current", stream)
    added = [
        one
        for kind in ("upsert", "delete")
        for rows in _of_kind(files, kind)
        for one in put_files(warehouse.store, folder, rows, news=False)
    ]
    commit_files(found, added, files.all, files.schema, warehouse.by, news=False)


def _of_kind(files: Files, kind: str) -> Iterator[pa.Table]:
    """The rows of one kind by ranges of their keys: a range is read from the files it may lie in, and is all that is held at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mine = [file for file in files.all if file.kind in (kind, None)]
    sample = sorted(key for file in mine for key in files.read(file, [KEY])[KEY].to_pylist()[::1000])
    ranges = max(1, math.ceil(sum(file.size for file in mine) / _SORTED))
    bounds: list[str | None] = [None, *(sample[len(sample) * number // ranges] for number in range(1, ranges)), None]
    for low, high in itertools.pairwise(bounds):
        found: list[pa.Table] = []
        for file in mine:
            if (low is not None and file.high is not None and file.high < low) or (
                high is not None and file.low is not None and file.low >= high
            ):
                continue
            rows = files.read(file)
            wanted = pc.equal(rows[OP], kind)
            if low is not None:
                wanted = pc.and_(wanted, pc.greater_equal(rows[KEY], low))
            if high is not None:
                wanted = pc.and_(wanted, pc.less(rows[KEY], high))
            found.append(rows.filter(wanted))
        if found:
            yield pa.concat_tables(found)
