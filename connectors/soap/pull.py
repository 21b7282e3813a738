"""Pages of a stream: asks page by page, types the rows, and lets nothing leave before its reply is whole and the counts agree.

Every paging ends on an empty page (a short one proves nothing). A server that repeats itself is an error, never an endless loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import BrokenReply, FixConfiguration
from connectors.protocol import Column, Cursor, Page, Reject, Stream, Window
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.decode import RawRow
from connectors.soap.plan import Plan, compile_plan
from connectors.soap.schema import operation
from connectors.soap.values import Rules, Where, batch, page_schema
from connectors.soap.xmltree import local


@dataclass
class _Gathered:
    """What one attempt at one page brought, block by block, as Arrow: raw text is let go as soon as it is typed."""

    batches: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    rejects: list[Reject] = field(default_factory=list[Reject])
    rows: int = 0
    first: RawRow | None = None
    last: RawRow | None = None


def pages(client: SoapClient, stream: Stream, spec: SourceSpec, window: Window, cursor: Cursor | None, scope: str) -> Iterator[Page]:
    """Typed pages of the window. At least one comes; the generator's normal end means that the source sent an empty page."""
    contract = client.contract()
    chosen = operation(contract, spec.operation, client.config.wsdl)
    cursor_column = next((column for column in stream.columns if column.name == stream.cursor), None)
    version = cursor_column.source if cursor_column else spec.paging.from_
    plan = compile_plan(
        contract,
        chosen,
        rows=spec.rows,
        columns=stream.columns,
        extra=filter(None, (spec.paging.from_, version)),
        scalars=scalar_paths(spec),
    )
    arguments = {**spec.arguments, **_window_argument(contract, chosen, spec, window, stream.id)}
    rules = Rules(spec.timezone, frozenset(spec.null_values), spec.empty_as_null)
    position: Any = cursor.state.get("position") if cursor else None
    print_before: str | None = cursor.state.get("print") if cursor else None
    seen: set[str] = {str(position)}
    yielded = False
    while True:
        gathered: list[_Gathered] = []

        def receiver(into: list[_Gathered] = gathered) -> Callable[[list[RawRow]], None]:
            into[:] = [_Gathered()]
            return lambda rows: _receive(into[0], rows, plan, rules, stream, version, scope)

        paging = {} if spec.paging.kind == "none" else _paging_argument(spec, position)
        client.call(chosen, {**arguments, **paging}, plan, receiver, ok=spec.ok, message=spec.message, row_count=spec.row_count)
        page = gathered[0]
        if page.rows == 0:
            if not yielded:
                yield Page(
                    pa.RecordBatch.from_pylist([], schema=page_schema(stream.columns)),
                    Cursor({"position": position, "print": print_before}),
                    0,
                )
            return
        fingerprint = hashlib.sha256(repr((page.first, page.last)).encode()).hexdigest()
        position = _next_position(spec, plan, page, position, seen, fingerprint == print_before)
        print_before = fingerprint
        yield _page(page, stream, window, Cursor({"position": position, "print": print_before}))
        yielded = True
        if spec.paging.kind == "none":
            return


def scalar_paths(spec: SourceSpec) -> list[str]:
    """The paths outside of the rows that a reply of this stream is judged by."""
    return [path for path in (spec.ok.path if spec.ok else None, spec.message, spec.row_count) if path]


def count(client: SoapClient, spec: SourceSpec) -> int:
    """The number of rows by the declared count operation. Raises FixConfiguration when none is declared."""
    assert spec.count is not None
    contract = client.contract()
    chosen = operation(contract, spec.count.operation, client.config.wsdl)
    paths = [spec.count.path]
    ok = None
    if spec.ok:
        try:
            contract.walk(chosen.output, spec.ok.path.partition("@")[0])
        except UnknownPath:
            pass
        else:
            ok = spec.ok
            paths.append(spec.ok.path)
    plan = compile_plan(contract, chosen, rows=None, scalars=dict.fromkeys(paths))
    reply = client.call(chosen, {}, plan, lambda: lambda _: None, ok=ok)
    text = reply.scalars.get(spec.count.path) or ""
    if not text.isdecimal():
        raise BrokenReply("soap.count_unreadable", operation=chosen.name, path=spec.count.path, text=text[:40] or "-")
    return int(text)


def keys(client: SoapClient, stream: Stream, spec: SourceSpec) -> Iterator[pa.RecordBatch]:
    """Key columns of every live row. A key that can't be typed is BrokenReply: left out, its row would count as deleted."""
    columns = tuple(column for column in stream.columns if column.name in stream.key)
    narrow = Stream(stream.system, stream.name, stream.source, stream.key, columns)
    for page in pages(client, narrow, spec, Window(), None, ""):
        if page.rejects:
            raise BrokenReply("soap.bad_key", stream=stream.id, reason=page.rejects[0].reason)
        yield page.rows.select([column.name for column in columns])


def _receive(into: _Gathered, rows: list[RawRow], plan: Plan, rules: Rules, stream: Stream, version: str, scope: str) -> None:
    slot = plan.slots.get(version, -1)
    versions = [text if isinstance(text := row[slot], str) else "" for row in rows] if slot >= 0 else [""] * len(rows)
    where = Where(plan.operation, plan.rows, into.rows + 1)
    made, rejects = batch(plan.cells, rows, rules, where, key=stream.key, versions=versions, scope=scope)
    into.batches.append(made)
    into.rejects += rejects
    into.first = into.first if into.first is not None else rows[0]
    into.last = rows[-1]
    into.rows += len(rows)


def _next_position(spec: SourceSpec, plan: Plan, page: _Gathered, position: Any, seen: set[str], same_page: bool) -> Any:
    paging = spec.paging
    if paging.kind == "bookmark":
        assert page.last is not None
        bookmark = page.last[plan.slots[paging.from_]]
        if not isinstance(bookmark, str) or not bookmark:
            raise BrokenReply("soap.bookmark_missing", operation=spec.operation, source=paging.from_)
        if bookmark in seen or same_page:
            raise BrokenReply("soap.page_repeated", operation=spec.operation, paging=paging.request)
        seen.add(bookmark)
        return bookmark
    if same_page:
        raise BrokenReply("soap.page_repeated", operation=spec.operation, paging=paging.request)
    if paging.kind == "offset":
        return (position or 0) + page.rows
    if paging.kind == "page":
        return (paging.first if position is None else position) + 1
    return "end"


def _paging_argument(spec: SourceSpec, position: Any) -> dict[str, Any]:
    paging = spec.paging
    made: dict[str, Any] = {paging.size: paging.page} if paging.size else {}
    if paging.kind == "bookmark":
        return {**made, **({paging.request: position} if position is not None else {})}
    start = 0 if paging.kind == "offset" else paging.first
    return {**made, paging.request: start if position is None else position}


def _page(page: _Gathered, stream: Stream, window: Window, cursor: Cursor) -> Page:
    rows = pa.Table.from_batches(page.batches).combine_chunks().to_batches()
    whole = rows[0] if rows else pa.RecordBatch.from_pylist([], schema=page_schema(stream.columns))
    inside = _inside(whole, stream, window)
    return Page(inside, cursor, page.rows - (whole.num_rows - inside.num_rows), tuple(page.rejects))


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


def _window_argument(contract: Contract, chosen: Operation, spec: SourceSpec, window: Window, stream: str) -> dict[str, Any]:
    if window.full:
        return {}
    changed = spec.changed_since
    if changed is None:
        raise FixConfiguration("soap.no_changed_since", stream=stream, operation=spec.operation)
    try:
        element = contract.walk(chosen.output, f"{spec.rows}/{changed.field}")[-1]
    except UnknownPath as error:
        raise FixConfiguration(
            "soap.source_invalid", stream=stream, where="changed_since.field", why=f"the row has no {error.step}"
        ) from error
    builtin = contract.simple(element.type).builtin
    template = changed.criteria if window.until is None else changed.until if window.since is None else changed.between
    criteria = template.replace("{since}", _bound(window.since, builtin, spec, 0)).replace(
        "{until}", _bound(window.until, builtin, spec, 1)
    )
    names = {local(child.name) for child in contract.children(chosen.input)}
    if spec.filter.element not in names:
        raise FixConfiguration(
            "soap.source_invalid", stream=stream, where="filter.element", why=f"the request has no {spec.filter.element}"
        )
    # Filters that the contract holds by declaration are kept, and this one is added to them.
    held = spec.arguments.get(spec.filter.element, [])
    return {spec.filter.element: [*held, {spec.filter.field: changed.field, spec.filter.criteria: criteria}]}


def _bound(instant: datetime | None, builtin: str, spec: SourceSpec, up: int) -> str:
    """An instant in the field's form, rounded outwards. A plain date has no zone, so it reaches a day further."""
    if instant is None:
        return ""
    if builtin == "date":
        return (instant.astimezone(ZoneInfo(spec.timezone or "UTC")) + timedelta(days=1 if up else -1)).date().isoformat()
    whole = instant.replace(microsecond=0) + timedelta(seconds=1 if up and instant.microsecond else 0)
    if spec.timezone:
        return whole.astimezone(ZoneInfo(spec.timezone)).replace(tzinfo=None).isoformat()
    return whole.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def text_columns(*sources: str) -> tuple[Column, ...]:
    """Columns that read these children as required text."""
    return tuple(Column(source, source, pa.string(), required=True) for source in dict.fromkeys(sources))
