"""The third step: pages of the window to a spool on disk, changed rows only, profiled on the way. Memory is bounded by page and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.access import UNRESOLVED
from connectors.errors import CannotSay
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Connector, Cursor, Note, Page, Reject, Stream, Window
from expectations.contract import Contract
from expectations.profile import Profile, add
from pipelines.landing.memory import Held, Memory
from pipelines.landing.rows import KEY, Stamp, keys_of, landed_schema, row_hashes, stamped, tombstones
from pipelines.pull.again import Again
from pipelines.pull.keep import Keeping
from pipelines.pull.outcome import Progress, Report
from pipelines.pull.sieve import Sieve

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Fetched:
    """What came: the spool holds the rows to land, in the landed schema.

    ``changed_rows`` are the rows whose values are new, by key: their files have to be fetched. ``vanished`` are deletions nobody named: what
    the source no longer shows (``absent``: of them, those the connector did not name either).
    ``held`` are the rejects of rows that were live and go to quarantine by this pull, ``judged`` the keys of ``rejects`` that came in it.
    ``missed`` are rows that an earlier pull should have brought, ``rights_missed`` scopes that came to let in others without a word of the feed.
    ``total`` is the source's own count, where reading told it; ``uncounted``: it has no way to count. ``scopes`` are the scope ids of the rows read;
    ``silent`` are keys of rows whose values differ from those held although the source calls them the same version. ``notes`` count what the
    connector met that was odd, all pages together; a note's own count is 1 there. ``restated`` are scopes whose rules may have moved.
    """

    spool: Path
    schema: pa.Schema
    keeping: Keeping
    profile: Profile = field(default_factory=Profile)
    rejects: list[Reject] = field(default_factory=list[Reject])
    held: list[Reject] = field(default_factory=list[Reject])
    judged: set[str] = field(default_factory=set[str])
    read: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    vanished: int = 0
    absent: int = 0
    missed: int = 0
    rights_missed: int = 0
    unresolved: int = 0
    live_after: int = 0
    outside: int = 0
    total: int | None = None
    uncounted: bool = False
    scopes: set[str] = field(default_factory=set[str])
    silent: list[str] = field(default_factory=list[str])
    notes: Counter[Note] = field(default_factory=Counter[Note])
    restated: set[str] = field(default_factory=set[str])
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
    def nulls(self) -> dict[str, float]:
        """The share of empty values of each column over the rows read; empty when none was."""
        rows = self.profile.rows
        return {name: column.nulls / rows for name, column in self.profile.columns.items()} if rows else {}

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
    memory: Memory,
    stamp: Stamp,
    count: int | None,
    spool: Path,
    report: Report,
    watermark: datetime | None = None,
    again: Again | None = None,
) -> Fetched:
    """Read the window into the file ``spool``; ``memory`` is what is held already.

    Rows whose hash and scope are held are not landed again. What the source no longer has becomes a tombstone: by absence when
    everything was read, by what the connector finds where the contract leaves it to it, else by listing the source's keys when its count
    differs from ours. Of a source that can't say how many rows it has, what does not come is not gone. Rows in quarantine that a window does not bring again stay there. ``count`` is what the source counted before, None
    to ask afterwards. ``watermark`` is up to when all that happened should be held, where everything is read to see whether it is: what
    lies before it and still is news was missed. With ``resume`` that goes for what the feed tells, which is read first.
    With ``again`` only those held rows are read, and the window says nothing.
    """
    import pyarrow as pa

    told_first = bool(resume) and window.full
    sieve = Sieve(contract)
    found = Fetched(spool, landed_schema(contract.arrow_schema()), Keeping(spool.with_name("kept.arrows")))
    reading = _Reading(stream, contract, window, memory, stamp, None if told_first else watermark, found, again.rows if again else ())
    with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_stream(sink, found.schema) as writer:
        if resume and told_first:
            for page in connector.pull(stream, window, Cursor(resume), memory):
                reading.take(sieve.sift(page), writer)
            reading.compare(watermark)
            resume = None
        for page in again.pages if again else _pages(connector, stream, contract, window, resume, memory):
            reading.take(sieve.sift(page), writer)
            report(Progress(stream.id, "fetch", found.read, found.total if count is None else count))
        if found.total is None:
            found.total = counted(connector, stream) if count is None else count
            found.uncounted = found.total is None
        reading.settle(connector, writer)
    found.keeping.close()
    return found


def counted(connector: Connector, stream: Stream) -> int | None:
    """How many live rows the source says there are; None where it has no way to say."""
    try:
        return connector.count(stream)
    except CannotSay:
        return None


def finds_out(contract: Contract) -> bool:
    """Whether the connector itself tells what is gone and how many rows there are, when it is told what we hold."""
    return contract.cursor is not None and contract.cursor.deletes == "count-then-bisect"


def _pages(
    connector: Connector, stream: Stream, contract: Contract, window: Window, resume: Mapping[str, Any] | None, memory: Memory
) -> Iterator[Page]:
    cursor = Cursor(resume) if resume else None
    if cursor is not None or (finds_out(contract) and window.since is not None and window.until is None):
        return connector.pull(stream, window, cursor, memory)
    return connector.pull(stream, window, cursor)


class _Reading:
    """Pages compared with what is held. ``now`` is what this pull made of the keys it met: None where a row is gone.

    ``listed`` are the keys met since everything is read, once a feed has been read before that; ``rejected`` those that did not fit, in order.
    """

    def __init__(
        self,
        stream: Stream,
        contract: Contract,
        window: Window,
        memory: Memory,
        stamp: Stamp,
        watermark: datetime | None,
        found: Fetched,
        again: Sequence[Reject] = (),
    ) -> None:
        self.stream, self.contract, self.window, self.memory, self.stamp, self.found = stream, contract, window, memory, stamp, found
        self.columns = [column.name for column in stream.columns]
        self.watermark = watermark
        self.now: dict[str, Held | None] = {}
        self.listed: set[str] | None = None
        self.rejected: dict[str, None] = {}
        self.live = memory.live
        self.again = {row.key: row for row in again}
        self.waiting: dict[str, Reject] = {} if window.full else {k: row for k, row in memory.waiting.items() if k not in self.again}
        if window.full:
            memory.load()

    def compare(self, watermark: datetime | None) -> None:
        """From here on everything is read: what differs from all that was held and told so far, the feed never told."""
        self.listed, self.watermark, self.waiting, self.found.profile = set(), watermark, {}, Profile()

    def take(self, page: Page, writer: Any) -> None:
        """One page: changed rows to the spool, deletions as tombstones, rejects to the waiting."""
        import pyarrow.compute as pc

        found, rows = self.found, page.rows
        found.read += page.source_rows
        if page.kept is not None:
            found.keeping.take(page.kept)
        found.restated |= page.restated
        for note in page.notes:
            found.notes[replace(note, count=1)] += note.count
        found.cursor = page.cursor.state
        found.total = page.total if page.total is not None else found.total
        rows = _newest(rows, self.contract.key)
        gone = [key for key, op in zip(keys_of(rows, self.contract.key), rows.column(OP).to_pylist(), strict=True) if op == "delete"]
        found.vanished += self._drop(gone, writer)
        rows = rows.filter(pc.equal(rows.column(OP), "upsert"))
        add(found.profile, self.contract, rows.select(self.columns))
        keys = keys_of(rows, self.contract.key)
        self._keep(rows, keys, writer)
        for key in (*keys, *gone):
            self.waiting.pop(key, None)
        if self.listed is not None:
            self.listed.update(keys, (reject.key for reject in page.rejects))
        # A row whose new state cannot be typed is held: its old state must not go on as if it were current.
        for reject in reversed(page.rejects):
            self.waiting[reject.key] = reject
        self.rejected.update(dict.fromkeys(reject.key for reject in page.rejects))
        self._drop(list(dict.fromkeys(reject.key for reject in page.rejects)), writer)

    def settle(self, connector: Connector, writer: Any) -> None:
        """After the last page: what is gone without a word, and what stays in quarantine."""
        found = self.found
        if found.uncounted:
            # Nobody knows whether what came was everything: what is held and did not come stays held.
            self.waiting |= {key: row for key, row in self.memory.waiting.items() if key not in self.now and key not in self.waiting}
        found.absent = 0 if found.uncounted else self._drop(self._absent(connector), writer)
        found.vanished += found.absent
        found.missed += found.absent if self.listed is not None else 0
        found.live_after = self.live
        found.rejects = list(self.waiting.values())
        found.judged = self.rejected.keys() & self.waiting.keys()
        # Not on the way: a row may be held and come right again within one pull.
        newly = [key for key in self.rejected if key in self.waiting]
        live = self.memory.of(newly) if newly else {}
        found.held = [self.waiting[key] for key in newly if key in live]

    def _keep(self, rows: pa.RecordBatch, keys: list[str], writer: Any) -> None:
        import pyarrow as pa

        found = self.found
        hashes = row_hashes(rows, self.columns)
        scopes = [scope or UNRESOLVED for scope in rows.column(SCOPE).to_pylist()]
        versions: list[str | None] = rows.column(SOURCE_VERSION).to_pylist()
        found.unresolved += sum(1 for scope in scopes if scope == UNRESOLVED)
        found.scopes.update(scopes)
        before = self._held(keys)
        fresh: list[int] = []
        news: list[int] = []
        for number, key in enumerate(keys):
            held = before.get(key)
            if held is None or held.row_hash != hashes[number] or held.scope != scopes[number]:
                fresh.append(number)
                self.live += held is None
                if held is None or held.row_hash != hashes[number]:
                    news.append(number)
                    if held is not None and held.version == versions[number]:
                        found.silent.append(key)
            self.now[key] = Held(hashes[number], scopes[number], versions[number])
        if fresh:
            taken = rows.take(pa.array(fresh))
            found.spool_batch(writer, stamped(taken, found.schema, [keys[n] for n in fresh], [hashes[n] for n in fresh], self.stamp))
        # A row whose scope alone moved is landed anew; the bytes behind it are those we have.
        if news and self.contract.content is not None:
            moved = rows.take(pa.array(news)).select(self.columns).to_pylist()
            found.changed_rows.update(zip([keys[n] for n in news], moved, strict=True))
        found.changed += len(fresh)
        found.unchanged += len(keys) - len(fresh)
        found.missed += self._missed(rows, news if self.listed is None else fresh)

    def _missed(self, rows: pa.RecordBatch, news: list[int]) -> int:
        """Of the new or changed rows, those whose update time lies before the watermark."""
        cursor = self.contract.cursor
        if self.watermark is None or cursor is None or not news or not self.window.full:
            return 0
        times = rows.column(cursor.field).to_pylist()
        return sum(1 for number in news if isinstance(at := times[number], datetime) and at < self.watermark)

    def _held(self, keys: Iterable[str]) -> dict[str, Held]:
        """What is held of these keys at this moment of the pull."""
        asked = [key for key in keys if key not in self.now]
        held = dict(self.memory.of(asked)) if asked else {}
        held.update((key, mine) for key in keys if (mine := self.now.get(key)) is not None)
        return held

    def _drop(self, keys: list[str], writer: Any) -> int:
        """Tombstones for those of the keys that are live. Returns how many were."""
        if not keys:
            return 0
        live = self._held(keys)
        if live:
            scope_of = {key: held.scope for key, held in live.items()}
            self.found.spool_batch(writer, tombstones(list(live), self.found.schema, self.stamp, scope_of))
            self.found.deleted += len(live)
            self.live -= len(live)
        self.now.update(dict.fromkeys(keys))
        return len(live)

    def _absent(self, connector: Connector) -> list[str]:
        if self.window.full:
            held = {key for key in (*self.memory.load(), *self.now) if self.now.get(key, self) is not None}
            return sorted(held - (self.now.keys() if self.listed is None else self.listed))
        # A row that was asked for by name and did not come is gone only if the source lists it no more.
        silent = self.again.keys() - self.now.keys() - self.rejected.keys()
        if self.live + len(self.waiting) == self.found.total and not silent:
            return []
        living: set[str] = set()
        for batch in connector.keys(self.stream):
            living.update(keys_of(batch, self.contract.key))
        self.waiting.update((key, self.again[key]) for key in silent & living)
        for key in set(self.waiting) - living:
            del self.waiting[key]
        held = {key for key in (*self.memory.load(), *self.now) if self.now.get(key, self) is not None}
        if self.window.until is not None or self.again:
            self.found.outside = len(living - held - set(self.waiting))
        return sorted(held - living)


def _newest(rows: pa.RecordBatch, key: tuple[str, ...]) -> pa.RecordBatch:
    """Of rows that stand in one page more than once (change feeds repeat themselves), the last."""
    import pyarrow as pa

    keys = keys_of(rows, key)
    last = {one: number for number, one in enumerate(keys)}
    return rows if len(last) == len(keys) else rows.take(pa.array(sorted(last.values())))
