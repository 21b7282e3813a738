"""Reading an app: whole by ``$id`` seek, or what changed since an instant, in pages that can be resumed and never end early.

Update times carry no seconds, so a window starts at the full minute and is inclusive: rows come again, never too few. Replaying a
window gives the same rows. One probe before the first page asks for the newest id and the number of live records; it bounds what is
read, tells whether anything is new, and is the count that the books are balanced against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone.decode import Decoded
from connectors.kintone.pages import page_of
from connectors.kintone.reader import Reader
from connectors.kintone.run import Run
from connectors.kintone.schema import Form
from connectors.kintone.seek import Range, ranges_of
from connectors.kintone.settle import Settling
from connectors.kintone.steady import Revisions, steadied
from connectors.pages import empty
from connectors.protocol import Cursor, Known, Page, Window


@dataclass(frozen=True)
class Leg:
    """One walk over the ids of ``span``; ``bounds`` is its condition besides the contract's own."""

    name: str
    span: Range
    bounds: str = ""


@dataclass(frozen=True)
class Progress:
    """What a cursor remembers: ``left`` is what of the leg is not read yet, ``start`` and ``newest`` the highest ids known before and now."""

    window: str
    leg: str
    left: tuple[Range, ...]
    start: int | None
    newest: int | None
    came: int = 0

    @property
    def top(self) -> int | None:
        """The highest id seen so far without a gap below: the next pull takes new records from above it."""
        above = self.leg in ("full", "new") and bool(self.left)
        return self.start if above or self.newest is None else max(self.newest, self.start or 0)


@dataclass
class Came:
    """The ids that this process read so far, eight bytes each, those of rejected rows included."""

    ids: list[pa.Array] = field(default_factory=list[pa.Array])
    rows: int = 0

    def take(self, decoded: Decoded) -> None:
        ids = [*decoded.ids, *decoded.rejected]
        self.rows += len(ids)
        self.ids.append(pa.array(ids, pa.int64()))


def pull(reader: Reader, run: Run, window: Window, cursor: Cursor | None, known: Known | None, *, workers: int) -> Iterator[Page]:
    """Pages of the window, ascending by ``$id`` within each range of a leg; at least one, even when empty.

    A full window is one leg, read in up to ``workers`` id ranges at once. A window with ``since`` alone has two: records above the
    highest id known (admins may post records with an old update time), then records updated since, up to that id; the two never
    overlap. The highest id known comes with the last published pull's cursor, or with ``cursor`` when that is of another window; without
    either only the second leg runs. When another app stands behind the address than was read before, everything is read.

    With ``known``, what the source no longer has comes as delete rows, and rows that we should have and have not come too. A full read
    is counted at its end; what went or came while it ran is then looked for.

    Raises BrokenReply ``kintone.schema_moved`` when the app's settings changed between the first and the last call, or since the pull
    that ``cursor`` would resume: nothing of that pull is to be kept.
    """
    name = window_name(window)
    done = _resumed(reader, cursor) if cursor is not None and cursor.state.get("window") == name else None
    whole = window.full or (run.replaced and window.until is None)
    start = done.start if done else None if whole else _known_top(reader, run, cursor)
    total: int | None = None
    if done is not None:
        newest = done.newest
        total = reader.count(Range(0, newest)) if whole else None
    elif window.until is not None:
        newest = None
    else:
        newest, total = reader.newest()
    legs = [Leg("full", Range(0, newest))] if whole else legs_of(window, reader.form, start, newest, app=reader.app.label)
    progress = done or Progress(name, "", (), start, newest)
    if done is not None:
        legs = _rest(legs, done, reader.stream.id)
    came, read = Came(), Revisions()
    began = reader.client.transport.server_time
    yielded = False
    for leg in legs:
        resuming = done is not None and leg.name == done.leg
        ranges = list(progress.left) if resuming else _ranges(leg, total, workers)
        left = dict(enumerate(ranges))
        progress = replace(progress, leg=leg.name, left=tuple(ranges))
        for fetched, decoded, scopes in reader.pages(leg.bounds, ranges, workers):
            if fetched.more and decoded.last is not None:
                left[fetched.at] = fetched.following
            else:
                del left[fetched.at]
            came.take(decoded)
            if reader.conditional:
                read.take(decoded)
            progress = replace(progress, left=tuple(left.values()), came=progress.came + decoded.source_rows)
            if decoded.source_rows or not yielded:
                yielded = True
                yield page_of(reader.stream.columns, decoded, scopes, _cursor(reader, run, progress), total)
    if read.pages:
        for decoded, scopes in steadied(reader, read, began or reader.client.now(), newest):
            yield page_of(reader.stream.columns, decoded, scopes, _cursor(reader, run, progress), None)
    after = Settling(reader, _cursor(reader, run, progress), came.ids, came.rows)
    if window.until is None:
        for page in after.pages(
            known,
            full=whole,
            replaced=whole and not window.full,
            resumed=done is not None,
            start=start or 0,
            newest=newest or 0,
            came=progress.came,
            total=total,
        ):
            yielded = True
            yield page
    if not yielded:
        yield empty(reader.stream.columns, _cursor(reader, run, progress), total)
    if done is not None or came.rows or after.found:
        reader.unmoved()


def window_name(window: Window) -> str:
    """A window in words, by which a cursor knows its own."""
    return f"{minute(window.since) if window.since else ''}..{ceiling(window.until) if window.until else ''}"


def minute(instant: datetime) -> str:
    """The full minute at or before an instant, as a kintone literal: update times carry no seconds."""
    return instant.astimezone(UTC).replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def ceiling(instant: datetime) -> str:
    """The full minute at or after an instant: rows of a minute that ``until`` cuts belong to this window and, again, to the next."""
    return minute(instant + timedelta(minutes=1) - timedelta(microseconds=1))


def legs_of(window: Window, form: Form, start: int | None, newest: int | None, *, app: str) -> list[Leg]:
    """The walks of a window. ``start`` is the highest id known before, None where none is. Raises BrokenReply without an update time."""
    updated = form.system_field("UPDATED_TIME")
    if updated is None:
        raise BrokenReply("kintone.field_gone", host="-", app=app, field="UPDATED_TIME", column="-")
    bounds: list[str] = []
    if window.since is not None:
        bounds.append(f'{updated.code} >= "{minute(window.since)}"')
    if window.until is not None:
        bounds.append(f'{updated.code} < "{ceiling(window.until)}"')
    changed = " and ".join(bounds)
    if window.until is not None or start is None:
        return [Leg("changed", Range(0, newest), changed)]
    new = [Leg("new", Range(start, newest))] if newest is not None and newest > start else []
    return [*new, Leg("changed", Range(0, start), changed)] if start else new


def _ranges(leg: Leg, total: int | None, workers: int) -> list[Range]:
    if leg.name == "changed" or leg.span.upto is None:
        return [leg.span]
    rows = leg.span.upto - leg.span.after
    return ranges_of(leg.span.after, leg.span.upto, min(rows, total or rows), workers)


def _cursor(reader: Reader, run: Run, progress: Progress) -> Cursor:
    """JSON values only: where this pull is, and what the next one is to remember of the app."""
    return Cursor(
        {
            "window": progress.window,
            "leg": progress.leg,
            "left": [[one.after, one.upto] for one in progress.left],
            "start": progress.start,
            "newest": progress.newest,
            "came": progress.came,
            "top": progress.top,
            "app_id": reader.app.id,
            "name": reader.app.name,
            "revision": reader.form.revision,
            "fingerprint": run.fingerprint,
            "precision": list(reader.form.precision) if reader.form.precision_known else None,
            "look": run.look.stored() if run.look else None,
        }
    )


def _resumed(reader: Reader, cursor: Cursor) -> Progress:
    state = cursor.state
    if state.get("app_id") != reader.app.id or "left" not in state:
        raise FixConfiguration("kintone.cursor_foreign", stream=reader.stream.id)
    if state["revision"] != reader.form.revision:
        raise BrokenReply(
            "kintone.schema_moved",
            host=reader.client.host,
            app=reader.app.label,
            before=state["revision"],
            after=reader.form.revision,
        )
    left: Any = state["left"]
    return Progress(
        window=str(state["window"]),
        leg=str(state["leg"]),
        left=tuple(Range(int(after), None if upto is None else int(upto)) for after, upto in left),
        start=None if state["start"] is None else int(state["start"]),
        newest=None if state["newest"] is None else int(state["newest"]),
        came=int(state["came"]),
    )


def _rest(legs: list[Leg], done: Progress, stream: str) -> list[Leg]:
    if not legs and not done.leg:
        return []
    names = [leg.name for leg in legs]
    if done.leg not in names:
        raise FixConfiguration("kintone.cursor_foreign", stream=stream)
    return legs[names.index(done.leg) :]


def _known_top(reader: Reader, run: Run, cursor: Cursor | None) -> int | None:
    """The highest of the ids known from the last published pull, from a cursor of another window, and from the options."""
    given = [run.memory.top, reader.stream.options.get("max_id")]
    if cursor is not None and cursor.state.get("app_id") == reader.app.id:
        given.append(cursor.state.get("top"))
    tops = [int(one) for one in given if one is not None]
    return max(tops) if tops else None
