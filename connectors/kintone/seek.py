"""Walking an app by ``$id``: pages fetched ahead of whoever reads them, within one id range or several at once.

Offset paging stops at 10,000 and shifts under deletes, cursors are ten a domain and die after ten minutes; the seek needs nothing of
the source but its order.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import msgspec

from connectors.errors import BrokenReply
from connectors.kintone.client import PAGE, Client, must_ascend, seek
from connectors.kintone.shapes import UNREADABLE, why

#: A range shorter than this many pages is not worth a further range.
_PAGES_A_RANGE = 8
#: Ranges for each worker, so that none is left with the long end alone.
_RANGES_A_WORKER = 4
#: A quote inside a JSON string always stands behind a backslash, so this is the key and nothing a user typed.
_ID_AT = b'"$id":'
_ID_CELL = re.compile(rb'"\$id":\{(?:"type":"__ID__",)?"value":"(\d{1,19})"')


@dataclass(frozen=True)
class Range:
    """Ids above ``after`` up to ``upto``; None: without end."""

    after: int
    upto: int | None = None


@dataclass(frozen=True)
class Fetched:
    """The body of one page of range number ``at``. ``last`` and ``rows`` are what the look ahead found in it, before it is decoded.

    ``rows`` is None where the ids look as if the page were full, so that nobody counted.
    """

    at: int
    range: Range
    body: bytes
    last: int | None
    rows: int | None

    @property
    def more(self) -> bool:
        """Whether records may follow in the range. A page shorter than asked for is the last one; both of Cybozu's clients rely on it."""
        return (
            (self.rows is None or self.rows >= PAGE) and self.last is not None and (self.range.upto is None or self.last < self.range.upto)
        )

    @property
    def following(self) -> Range:
        """What of the range lies above this page."""
        return Range(self.range.after if self.last is None else self.last, self.range.upto)


def joined(*conditions: str) -> str:
    """Conditions that must all hold. Each one that may contain an ``or`` must come in parentheses of its own."""
    return " and ".join(one for one in conditions if one)


def bracketed(condition: str) -> str:
    """A contract's own condition in parentheses (an ``or`` in it would otherwise undo the seek), or nothing."""
    return f"({condition})" if condition else ""


def ranges_of(after: int, upto: int, rows: int, workers: int) -> list[Range]:
    """The ids above ``after`` up to ``upto``, cut so that ``workers`` have about as much to do each when about ``rows`` records are there.

    Cuts stand at multiples of a page from ``after``: without holes in the ids every page is then full.
    """
    if upto <= after:
        return []
    wanted = 1 if workers < 2 else max(1, min(workers * _RANGES_A_WORKER, rows // (PAGE * _PAGES_A_RANGE)))
    pages = -(-(upto - after) // PAGE)
    width = -(-pages // wanted) * PAGE
    return [Range(start, min(start + width, upto)) for start in range(after, upto, width)]


def ahead(fetch: Callable[[Range], bytes], ranges: Sequence[Range], workers: int, *, host: str, app: str) -> Iterator[Fetched]:
    """The pages of all ranges: ascending within each; several ranges mixed where there are several workers.

    The next page of a range is asked for as soon as the last id of the one before can be read off its body, so the source works while
    its reader decodes. At most ``workers`` pages are under way and as many wait. What ``fetch`` raises comes out here, and then nothing
    more is asked.
    """

    def read(at: int, range: Range) -> Fetched:
        body = fetch(range)
        return Fetched(at, range, body, *_tail(body, range, host=host, app=app))

    waiting = deque(enumerate(ranges))
    first: Fetched | None = None
    if len(waiting) == 1:
        # The first page tells whether there is anything to hurry for: a small window starts no thread.
        first = read(*waiting.popleft())
        if not first.more:
            yield first
            return
        waiting.append((first.at, first.following))
    workers = max(1, min(workers, len(waiting)))
    results: SimpleQueue[Fetched | None] = SimpleQueue()
    room, stop = threading.Semaphore(2 * workers), threading.Event()

    def work() -> None:
        whole = False
        try:
            while waiting and not stop.is_set():
                try:
                    at, range = waiting.popleft()
                except IndexError:  # another worker was quicker
                    break
                more = True
                while more and room.acquire() and not stop.is_set():
                    page = read(at, range)
                    results.put(page)
                    more = page.more
                    if more:
                        range = page.following
            whole = True
        finally:
            if not whole:
                stop.set()
            results.put(None)

    with ThreadPoolExecutor(workers, thread_name_prefix="kintone") as pool:
        running = [pool.submit(work) for _ in range(workers)]
        try:
            if first is not None:
                yield first
            while workers:
                page = results.get()
                if page is None:
                    workers -= 1
                    continue
                if not stop.is_set():
                    yield page
                room.release()
        finally:
            stop.set()
            room.release(2 * len(running))
    for one in running:
        one.result()


def _tail(body: bytes, range: Range, *, host: str, app: str) -> tuple[int | None, int | None]:
    """The last id of a page and how many records it holds, without decoding it. What is found here is compared with the decoded page.

    Ids ascend, so a full page ends at least ``PAGE`` above where it began. One that ends just there is taken for full: where it is not,
    the next page is empty, and nothing is lost but a call.
    """
    at = body.rfind(_ID_AT)
    found = _ID_CELL.match(body, at) if at >= 0 else None
    if found is None:
        ids, _ = read_ids(body, range.after, host=host, app=app)
        return (ids[-1] if ids else None), len(ids)
    last = int(found[1])
    return last, None if last == range.after + PAGE else body.count(_ID_AT)


class _Cell(msgspec.Struct, gc=False):
    value: str


class _Record(msgspec.Struct, rename={"id": "$id", "revision": "$revision"}, gc=False):
    id: _Cell
    revision: _Cell | None = None


class _Page(msgspec.Struct):
    records: list[_Record]


_PAGE = msgspec.json.Decoder(_Page)


def read_ids(body: bytes, after: int, *, host: str, app: str) -> tuple[list[int], list[str | None]]:
    """Ids and revisions of a page, ascending from above ``after``. Raises BrokenReply."""
    try:
        records = _PAGE.decode(body).records
        ids = [int(one.id.value) for one in records]
    except UNREADABLE as error:
        raise BrokenReply("kintone.reply_shape", host=host, app=app, resource="records", reason=why(error)) from error
    must_ascend(ids, after, host=host, app=app)
    return ids, [one.revision.value if one.revision else None for one in records]


def listing(
    client: Client, app: str, condition: str, span: Range, guest_space: int | None, *, fields: Sequence[str] = ("$id", "$revision")
) -> Iterator[tuple[list[int], list[str | None]]]:
    """Ids and revisions of a range's records, a page at a time."""

    def fetch(one: Range) -> bytes:
        params: dict[str, Any] = {"query": seek(condition, one.after, upto=one.upto), "fields": list(fields)}
        return client.records(app, params, guest_space)

    for page in ahead(fetch, [span], 1, host=client.host, app=app):
        yield read_ids(page.body, page.range.after, host=client.host, app=app)
