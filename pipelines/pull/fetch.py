"""The third step: pages of the window to a spool on disk, changed rows only, profiled on the way. Memory is bounded by the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.protocol import OP, SCOPE, UNRESOLVED, Connector, Reject, Stream, Window
from expectations.contract import Contract
from expectations.profile import Profile, add
from pipelines.landing.rows import KEY, Stamp, keys_of, landed_schema, row_hashes, stamped, tombstones
from pipelines.pull.outcome import Progress, Report

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Fetched:
    """What came: the spool holds the rows to land, in the landed schema."""

    spool: Path
    schema: pa.Schema
    profile: Profile = field(default_factory=Profile)
    rejects: list[Reject] = field(default_factory=list[Reject])
    read: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    unresolved: int = 0
    live_after: int = 0
    outside: int = 0
    changed_rows: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    spooled: dict[str, int] = field(default_factory=dict[str, int])
    written: int = 0
    cursor: Mapping[str, Any] | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The spooled rows, page by page. Of a row that came more than once, only its last state."""
        import pyarrow as pa

        number = 0
        repeats = self.written > len(self.spooled)
        with pa.OSFile(str(self.spool), "rb") as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                if repeats:
                    keys = batch.column(KEY).to_pylist()
                    last = [self.spooled[key] == number + offset for offset, key in enumerate(keys)]
                    number += len(keys)
                    yield batch.filter(pa.array(last))
                else:
                    yield batch

    def spool_batch(self, writer: Any, batch: pa.RecordBatch) -> None:
        """Write rows to the spool and remember which of them is the last of its key."""
        for offset, key in enumerate(batch.column(KEY).to_pylist()):
            self.spooled[key] = self.written + offset
        self.written += batch.num_rows
        writer.write_batch(batch)

    @property
    def to_land(self) -> int:
        return self.changed + self.deleted


def fetch(
    connector: Connector,
    stream: Stream,
    contract: Contract,
    window: Window,
    *,
    resume: Mapping[str, Any] | None,
    known: dict[str, tuple[str, str]],
    held: Mapping[str, Reject],
    stamp: Stamp,
    count: int,
    spool: Path,
    report: Report,
) -> Fetched:
    """Read the window into the file ``spool``. ``known`` is live key → (row hash, scope) of the current table and is used up here.

    Rows whose hash and scope are known are not landed again. What the source no longer has becomes a tombstone: by absence when
    everything was read, else by listing the source's keys when its count differs from ours. ``held`` are the rows in quarantine: a window
    that does not bring them again leaves them there. ``outside`` counts rows the source has that a window with an end did not ask for.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from connectors.protocol import Cursor

    schema = landed_schema(contract.arrow_schema())
    found = Fetched(spool, schema)
    columns = [column.name for column in stream.columns]
    seen: set[str] = set()
    scope_of = {key: scope for key, (_, scope) in known.items()}
    waiting: dict[str, Reject] = {} if window.full else dict(held)
    wants_files = contract.content is not None
    with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for page in connector.pull(stream, window, Cursor(resume) if resume else None):
            rows = page.rows
            found.read += page.source_rows
            found.cursor = page.cursor.state
            rows = _newest(rows, contract.key)
            gone = [key for key, op in zip(keys_of(rows, contract.key), rows.column(OP).to_pylist(), strict=True) if op == "delete"]
            rows = rows.filter(pc.equal(rows.column(OP), "upsert"))
            add(found.profile, contract, rows.select(columns))
            keys, hashes = keys_of(rows, contract.key), row_hashes(rows, columns)
            scopes = [scope or UNRESOLVED for scope in rows.column(SCOPE).to_pylist()]
            found.unresolved += sum(1 for scope in scopes if scope == UNRESOLVED)
            fresh = [number for number, key in enumerate(keys) if known.get(key) != (hashes[number], scopes[number])]
            seen.update(keys)
            known.update((keys[number], (hashes[number], scopes[number])) for number in fresh)
            if fresh:
                taken = rows.take(pa.array(fresh))
                found.spool_batch(writer, stamped(taken, schema, [keys[n] for n in fresh], [hashes[n] for n in fresh], stamp))
                if wants_files:
                    found.changed_rows.update(zip([keys[n] for n in fresh], taken.select(columns).to_pylist(), strict=True))
            found.changed += len(fresh)
            found.unchanged += len(keys) - len(fresh)
            for key in (*keys, *gone):
                waiting.pop(key, None)
            # A row whose new state cannot be typed is held: its old state must not go on as if it were current.
            for reject in reversed(page.rejects):
                waiting[reject.key] = reject
            gone += [key for key in dict.fromkeys(reject.key for reject in page.rejects) if key not in gone]
            live_gone = [key for key in gone if known.pop(key, None) is not None]
            if live_gone:
                found.spool_batch(writer, tombstones(live_gone, schema, stamp, scope_of))
                found.deleted += len(live_gone)
                seen.difference_update(live_gone)
            report(Progress(stream.id, "fetch", found.read, count))
        absent = _absent(connector, stream, contract, window, known, seen, count, waiting, found)
        if absent:
            found.spool_batch(writer, tombstones(absent, schema, stamp, scope_of))
            found.deleted += len(absent)
    found.live_after = len(known) - len(absent)
    found.rejects = list(waiting.values())
    return found


def _newest(rows: pa.RecordBatch, key: tuple[str, ...]) -> pa.RecordBatch:
    """Of rows that stand in one page more than once (change feeds repeat themselves), the last."""
    import pyarrow as pa

    keys = keys_of(rows, key)
    last = {one: number for number, one in enumerate(keys)}
    return rows if len(last) == len(keys) else rows.take(pa.array(sorted(last.values())))


def _absent(
    connector: Connector,
    stream: Stream,
    contract: Contract,
    window: Window,
    known: dict[str, tuple[str, str]],
    seen: set[str],
    count: int,
    waiting: dict[str, Reject],
    found: Fetched,
) -> list[str]:
    if window.full:
        return sorted(set(known) - seen)
    if len(known) + len(waiting) == count:
        return []
    living: set[str] = set()
    for batch in connector.keys(stream):
        living.update(keys_of(batch, contract.key))
    for key in set(waiting) - living:
        del waiting[key]
    if window.until is not None:
        found.outside = len(living - set(known) - set(waiting))
    return sorted(set(known) - living)
