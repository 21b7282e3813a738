"""Pages of a stream: asks page by page, types the rows, and lets nothing leave before its reply is whole and the counts agree.

Every paging ends on an empty page (a short one proves nothing), unless that says that there is more. A server that repeats itself is an error, never an endless loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import BrokenReply
from connectors.keys import key_text
from connectors.pages import empty, page_schema
from connectors.protocol import Column, Cursor, Page, Stream, Window
from connectors.soap.aside import MEGABYTE, Aside
from connectors.soap.asking import Asker, is_there
from connectors.soap.binary import portions
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec
from connectors.soap.decode import RawRow, Sink
from connectors.soap.headers import filled
from connectors.soap.notes import Notes
from connectors.soap.plan import compile_plan
from connectors.soap.presence import Presences
from connectors.soap.raw import texts_of
from connectors.soap.schema import operation
from connectors.soap.staging import Stage
from connectors.soap.steps import Plan
from connectors.soap.values import Rules, Where, batch


@dataclass
class _Gathered:
    """What one attempt at one page brought, block by block, as Arrow: raw text is let go as soon as it is typed.

    ``left`` is how many of its good rows were given before, by an earlier pull, and ``last_given`` the print of the last one of these now.
    """

    stage: Stage
    left: int = 0
    last_given: str = ""
    good: int = 0
    notes: Notes = field(default_factory=Notes)
    presences: Presences = field(default_factory=Presences)
    rows: int = 0
    first: RawRow | None = None
    last: RawRow | None = None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr((self.first, self.last)).encode()).hexdigest()


def pages(client: SoapClient, stream: Stream, spec: SourceSpec, window: Window, cursor: Cursor | None, scope: str) -> Iterator[Page]:
    """Typed pages of the window. At least one comes; the generator's normal end means that the source said so, or sent an empty page."""
    asker = Asker(client, stream, spec, window, cursor.state if cursor else {})
    rules = Rules(spec.timezone, frozenset(spec.null_values), spec.empty_as_null, spec.beyond, spec.finer, spec.zone)
    once = _Once(stream.key) if spec.paging.distinct or spec.chunks else None
    pager = asker.pager
    yielded = False
    # What was odd in replies without rows, which give no page; and the values that were named, over all pages.
    unsaid, named = Notes(), dict[str, set[str]]()
    while not pager.done:
        ask = asker.ask()
        gathered: list[_Gathered] = []

        def receiver(into: list[_Gathered] = gathered, plan: Plan = ask.plan) -> Sink:
            for before in into:
                before.stage.close()
            into[:] = [_Gathered(Stage(page_schema(stream.columns)), _left(cursor))]
            return lambda rows: _receive(into[0], rows, plan, rules, stream, asker.version, scope)

        try:
            # Rows are typed as they come, so what lies aside is no longer needed once the reply is whole.
            with Aside(spec.max_attachment * MEGABYTE) as aside:
                reply = asker.answer(ask, receiver, aside)
            page = gathered[0]
            met, page.notes = page.notes, Notes(named)
            page.notes.take(met)
            page.notes.take(reply.notes)
            page.presences.tell(page.notes)
            if unanswered := pager.unanswered(page.rows):
                page.notes.add(spec.paging.request or "position", "handles.unanswered", unanswered, fact=True)
            before = pager.state
            bookmark = page.last[ask.plan.slots[spec.paging.by_row]] if page.last is not None and spec.paging.by_row else None
            pager.took(
                page.rows, bookmark if isinstance(bookmark, str) else None, None if reply.nothing else reply.scalars, page.fingerprint
            )
            if page.rows:
                for part in _parts(page, stream, window, before, Cursor(pager.state), cursor if not yielded else None):
                    yielded = True
                    yield once.new(part) if once else part
                    del part
            else:
                unsaid.take(page.notes)
        finally:
            for attempt in gathered:
                attempt.stage.close()
    # What lay outside of the window was read, and never given to be taken once.
    came = once.count + pager.read - once.given if once else pager.read
    if pager.total is not None and came != pager.total:
        raise BrokenReply("soap.total_differs", operation=spec.operation, said=pager.total, came=came)
    if not yielded and spec.expect_nonempty and window.full and cursor is None and not pager.read:
        raise BrokenReply("soap.unexpectedly_empty", operation=spec.operation, stream=stream.id)
    if not yielded or unsaid.all():
        yield replace(empty(stream.columns, Cursor(pager.state), None), notes=unsaid.all())


class _Once:
    """Leaves out rows whose key came before, by this pull."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key = list(key)
        self._seen: set[tuple[Any, ...]] = set()
        self.count = self.given = 0

    def new(self, page: Page) -> Page:
        keys = list(zip(*(page.rows.column(name).to_pylist() for name in self._key), strict=True))
        keep: list[bool] = []
        for key in keys:
            keep.append(key not in self._seen)
            self._seen.add(key)
        rows = page.rows.filter(pa.array(keep, pa.bool_()))
        self.count += rows.num_rows + len(page.rejects)
        self.given += page.source_rows
        return replace(page, rows=rows, source_rows=rows.num_rows + len(page.rejects))


def count(client: SoapClient, spec: SourceSpec) -> int:
    """The number of rows by the declared count operation. Raises FixConfiguration when none is declared."""
    assert spec.count is not None
    contract = client.contract()
    called = operation(contract, spec.count.operation, client.config.wsdl)
    paths = [spec.count.path]
    ok = spec.ok if spec.ok and all(is_there(contract, called, path) for path in spec.ok.paths) else None
    paths += ok.paths if ok else ()
    plan = compile_plan(contract, called, rows=None, scalars=dict.fromkeys(paths))
    headers = filled(spec.headers, {"size": str(spec.paging.page)}, called.name)
    reply = client.call(called, spec.count.arguments, plan, lambda: lambda _: None, ok=ok, faults=spec.faults, headers=headers)
    text = reply.scalars.get(spec.count.path) or ""
    if not text.isdecimal():
        raise BrokenReply("soap.count_unreadable", operation=called.name, path=spec.count.path, text=text[:40] or "-")
    return int(text)


def keys(client: SoapClient, stream: Stream, spec: SourceSpec) -> Iterator[pa.RecordBatch]:
    """Key columns of every live row. A key that can't be typed is BrokenReply: left out, its row would count as deleted."""
    columns = tuple(column for column in stream.columns if column.name in stream.key)
    narrow = Stream(stream.system, stream.name, stream.source, stream.key, columns)
    for page in pages(client, narrow, spec, Window(), None, ""):
        if page.rejects:
            raise BrokenReply("soap.bad_key", stream=stream.id, reason=page.rejects[0].reason)
        yield page.rows.select([column.name for column in columns])


def _receive(into: _Gathered, block: Sequence[RawRow], plan: Plan, rules: Rules, stream: Stream, version: str, scope: str) -> None:
    slot = plan.slots.get(version, -1)
    into.first = into.first if into.first is not None else block[0]
    into.last = block[-1]
    for rows in portions(block, plan):
        versions = texts_of(rows, slot) if slot >= 0 else [""] * len(rows)
        where = Where(plan.operation, plan.rows, into.rows + 1)
        how: Any = {"key": stream.key, "versions": versions, "scope": scope, "checks": plan.checks}
        # Not named beyond its turn: a batch may be as large as an attachment, and is let go before the next one is made.
        good, rejects = batch(plan.cells, rows, rules, where, notes=into.notes, presences=into.presences, **how)
        if into.good < into.left <= into.good + good.num_rows:
            into.last_given = _print(good, into.left - into.good - 1, stream)
        into.good += good.num_rows
        into.stage.add(good, rejects)
        del good
        into.rows += len(rows)


def _parts(
    page: _Gathered, stream: Stream, window: Window, before: Mapping[str, Any], after: Cursor, resumed: Cursor | None
) -> Iterator[Page]:
    """The judged page, in parts that memory can hold. A part's cursor asks for the same page again and leaves out the rows before it,
    if it is still the same page: with the same ends, and with the same row at the place where the part ended.
    """
    state = resumed.state if resumed is not None else {}
    left = page.left if (state.get("of"), state.get("last")) == (page.fingerprint, page.last_given) else 0
    last_given = ""
    done = told = 0
    for rows, rejects in page.stage.parts():
        done += rows.num_rows
        last_given = _print(rows, rows.num_rows - 1, stream) if rows.num_rows else last_given
        told += rows.num_rows + len(rejects)
        rest = rows.slice(min(left, rows.num_rows))
        left -= rows.num_rows - rest.num_rows
        last = told == page.rows
        if rows.num_rows and not rest.num_rows and not rejects and not last:
            continue
        inside = _inside(rest, stream, window)
        del rows, rest
        cursor = after if last else Cursor({**before, "part": done, "of": page.fingerprint, "last": last_given})
        yield Page(inside, cursor, inside.num_rows + len(rejects), rejects, notes=page.notes.all() if last else ())
        del inside


def _left(cursor: Cursor | None) -> int:
    return int(cursor.state.get("part", 0)) if cursor is not None else 0


def _print(rows: pa.RecordBatch, at: int, stream: Stream) -> str:
    """What tells a row by its key, and shows nothing of it."""
    return hashlib.sha256(key_text([rows.column(name)[at].as_py() for name in stream.key]).encode()).hexdigest()


def _inside(rows: pa.RecordBatch, stream: Stream, window: Window) -> pa.RecordBatch:
    """Rows of the window exactly: the source filters by whole seconds and inclusive ends. Rows without an update time stay."""
    if window.full or stream.cursor is None or not pa.types.is_timestamp(rows.schema.field(stream.cursor).type):
        return rows
    kind = rows.schema.field(stream.cursor).type
    if kind.tz is None:
        return rows
    column = rows.column(stream.cursor)
    keep = pc.is_null(column)
    inside: Any = pa.array([True] * rows.num_rows)
    if window.since is not None:
        inside = pc.and_(inside, pc.fill_null(pc.greater_equal(column, pa.scalar(window.since, kind)), False))
    if window.until is not None:
        inside = pc.and_(inside, pc.fill_null(pc.less(column, pa.scalar(window.until, kind)), False))
    return rows.filter(pc.or_(keep, inside))


def text_columns(*sources: str) -> tuple[Column, ...]:
    """Columns that read these children as required text."""
    return tuple(Column(source, source, pa.string(), required=True) for source in dict.fromkeys(sources))
