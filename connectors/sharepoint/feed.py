"""Graph delta feeds, read whole: pages in any order, repeats, 410 resyncs; what is left is one newest body per item, on disk.

Rules (Microsoft Graph, driveItem: delta and listItem: delta): links are opaque; the same item may come several times and the last
occurrence wins; an empty page with a nextLink is not the end; 410 Gone means enumerate again, from ``Location`` where it is given.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import msgspec

from connectors.errors import BrokenReply, SourceUnavailable
from connectors.sharepoint.client import Api

#: A resync that is answered by another resync is tried this often before the pull fails with its old cursor kept.
_RESYNCS = 2
#: What reading a body may raise: msgspec leaves text that is not UTF-8 to Python.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class Links(NamedTuple):
    """Where a page says that its feed goes on: ``following`` to the next page, ``delta`` from the next pull."""

    following: str | None
    delta: str | None


class Sink(Protocol):
    """What the pages of a feed are put into, in order."""

    def page(self, body: bytes) -> Links:
        """Raises ``UNREADABLE`` for what is no page."""
        ...

    def clear(self) -> None:
        """Forget all pages: the feed begins again."""
        ...


class _Page(msgspec.Struct):
    value: list[msgspec.Raw]
    following: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)


class _Head(msgspec.Struct):
    id: str
    deleted: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Settled:
    """Where the next feed starts, and whether this one listed everything there is (a first read or a resync)."""

    link: str
    complete: bool


class Spool:
    """The newest body of each item of one feed, in a temporary SQLite file: memory stays small whatever the feed's length.

    A body of ``None`` marks an item that is gone. For items whose columns are nobody's but their list's; a drive's go by ``Changes``.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fortnight-")
        self._db = sqlite3.connect(Path(self._folder.name) / "spool", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE item (id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()
        self._folder.cleanup()

    def page(self, body: bytes) -> Links:
        page = msgspec.json.decode(body, type=_Page)
        self.put([_entry(raw) for raw in page.value])
        return Links(page.following, page.delta)

    def put(self, items: Iterable[tuple[str, bytes | None]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO item VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", items)
        self._db.execute("COMMIT")

    def drop(self, ids: Iterable[str]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM item WHERE id = ?", ((one,) for one in ids))
        self._db.execute("COMMIT")

    def clear(self) -> None:
        self._db.execute("DELETE FROM item")

    def __contains__(self, id: str) -> bool:
        return self._db.execute("SELECT 1 FROM item WHERE id = ?", (id,)).fetchone() is not None

    def items(self, after: str = "") -> Iterator[tuple[str, bytes | None]]:
        """Items in order of their id, those after ``after`` only. Reading in slices keeps it safe to write between."""
        while True:
            rows: list[tuple[str, bytes | None]] = self._db.execute(
                "SELECT id, body FROM item WHERE id > ? ORDER BY id LIMIT 500", (after,)
            ).fetchall()
            if not rows:
                return
            yield from rows
            after = rows[-1][0]


def settle(graph: Api, first: str, start: str | None, into: Sink, prefer: str = "") -> Settled:
    """Read the feed from ``start`` (a kept deltaLink), or whole from ``first``, to its deltaLink. ``prefer`` goes with every page.

    Raises SourceUnavailable (``sharepoint.resync_required``) when resyncs do not come to an end, and BrokenReply for a feed without an end.
    """
    link, complete = (first, True) if start is None else (graph.absolute(start), False)
    for _ in range(_RESYNCS + 1):
        outcome = _walk(graph, link, into, {"Prefer": prefer} if prefer else None)
        if outcome.done:
            return Settled(graph.relative(outcome.link), complete)
        into.clear()
        link, complete = outcome.link or first, True
    raise SourceUnavailable("sharepoint.resync_required", host=graph.transport.endpoint, attempts=_RESYNCS)


@dataclass(frozen=True)
class _Outcome:
    done: bool
    link: str


def _walk(graph: Api, link: str, into: Sink, headers: Mapping[str, str] | None) -> _Outcome:
    seen: set[str] = set()
    while True:
        seen.add(link)
        response = graph.response(link, headers=headers, also={410})
        if response.status_code == 410:
            location = response.headers.get("Location", "")
            return _Outcome(False, graph.inner(location) if location else "")
        try:
            page = into.page(response.content)
        except UNREADABLE as error:
            raise BrokenReply("sharepoint.not_json", host=graph.transport.endpoint, what=str(error)) from error
        if page.following is not None:
            link = graph.inner(page.following)
            if link in seen:
                raise BrokenReply("sharepoint.paging_loop", host=graph.transport.endpoint)
        elif page.delta is not None:
            return _Outcome(True, _without_latest(graph.inner(page.delta)))
        else:
            raise BrokenReply("sharepoint.feed_without_end", host=graph.transport.endpoint)


def _entry(raw: msgspec.Raw) -> tuple[str, bytes | None]:
    head = msgspec.json.decode(raw, type=_Head)
    return head.id, None if head.deleted is not None else bytes(raw)


def _without_latest(link: str) -> str:
    """Graph has been seen to append ``token=latest`` to the deltaLink, which would skip every change until the next call."""
    cleaned = re.sub(r"[?&]token=latest$", "", link)
    if cleaned != link and "token=" not in cleaned:
        raise BrokenReply("sharepoint.feed_without_end", host=link.split("/v1.0")[0])
    return cleaned
