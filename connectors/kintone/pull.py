"""Reading an app: whole by ``$id`` seek, or what changed since an instant, in pages that can be resumed and never end early.

Offset paging stops at 10,000 and shifts under deletes, cursors are ten a domain and die after ten minutes; the seek needs nothing of
the source but its order. Update times carry no seconds, so a window starts at the full minute and is inclusive: rows come again, never
too few. Replaying a window gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone.address import App
from connectors.kintone.client import PAGE, Client, seek
from connectors.kintone.config import SourceSpec
from connectors.kintone.decode import Decoded, PageDecoder
from connectors.kintone.rules import RowScopes, Rules, moving, read_rules, searches
from connectors.kintone.schema import Form, read_form, revision_now
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, UNRESOLVED, Column, Cursor, Page, Stream, Window


@dataclass(frozen=True)
class Leg:
    """One seek: ``bounds`` is its condition besides the contract's own, from above ``after`` up to ``upto``."""

    name: str
    bounds: str = ""
    after: int = 0
    upto: int | None = None


@dataclass(frozen=True)
class Progress:
    """What a cursor remembers. ``top`` is the highest id ever seen; the next window takes new records from above it."""

    window: str
    leg: str
    after: int
    top: int
    revision: str
    start: int = 0

    def cursor(self) -> Cursor:
        return Cursor(
            {"window": self.window, "leg": self.leg, "after": self.after, "top": self.top, "revision": self.revision, "start": self.start}
        )


def pull(client: Client, stream: Stream, spec: SourceSpec, app: App, window: Window, cursor: Cursor | None) -> Iterator[Page]:
    """Pages of the window, ascending by ``$id`` within each leg; at least one, even when empty.

    A full window is one leg. A window with ``since`` alone has two: records above the highest id known (admins may post records with an
    old update time), then records updated since, up to that id; the two never overlap. The highest id known comes with the cursor of an
    earlier pull or from ``stream.options`` (``max_id``, or ``last_cursor`` of the last published pull); without either only the second leg runs, unbounded.

    Raises BrokenReply ``kintone.schema_moved`` when the app's settings changed between the first and the last call, or since the pull
    that ``cursor`` would resume: nothing of that pull is to be kept.
    """
    condition = own_condition(stream, spec)
    form = read_form(client, app)
    name = window_name(window)
    known = _known_top(stream, cursor)
    done = _progress(cursor) if cursor is not None and cursor.state.get("window") == name else None
    if done is not None and done.revision != form.revision:
        raise BrokenReply("kintone.schema_moved", host=client.host, app=app.label, before=done.revision, after=form.revision)
    start = done.start if done else known
    legs = legs_of(window, form, start, app=app)
    progress = done or Progress(window=name, leg=legs[0].name, after=legs[0].after, top=start, revision=form.revision, start=start)
    if done is not None:
        names = [leg.name for leg in legs]
        if done.leg not in names:
            raise FixConfiguration("kintone.cursor_foreign", stream=stream.id)
        legs = legs[names.index(done.leg) :]
        legs[0] = replace(legs[0], after=done.after)
    decoder = PageDecoder(form, stream.columns, host=client.host, app=app.label)
    rules = read_rules(client, app)
    yielded = False
    for leg in legs:
        progress = replace(progress, leg=leg.name, after=leg.after)
        for decoded, scopes in _leg(client, app, leg, condition, decoder, rules):
            if decoded.last is not None:
                progress = replace(progress, after=decoded.last, top=max(progress.top, decoded.last))
            elif yielded:
                continue
            yielded = True
            yield _page(stream.columns, decoded, scopes, progress)
    now = revision_now(client, app)
    if now != form.revision:
        raise BrokenReply("kintone.schema_moved", host=client.host, app=app.label, before=form.revision, after=now)


def keys(client: Client, stream: Stream, spec: SourceSpec, app: App) -> Iterator[pa.RecordBatch]:
    """The key columns of every live row, ascending by ``$id``; only those fields travel. At least one batch.

    Raises BrokenReply when the settings change meanwhile, or when a key does not fit its type: a short list would look like deletes.
    """
    condition = own_condition(stream, spec)
    form = read_form(client, app)
    columns = tuple(column for name in stream.key for column in stream.columns if column.name == name)
    decoder = PageDecoder(form, columns, host=client.host, app=app.label)
    fields = list(dict.fromkeys(["$id", "$revision", *(column.source for column in columns)]))
    after = 0
    first = True
    while True:
        decoded = decoder.decode(client.records(app.id, {"query": seek(condition, after), "fields": fields}, app.guest_space), after)
        if decoded.rejects:
            raise BrokenReply(
                "kintone.key_unfit", host=client.host, app=app.label, record=decoded.rejects[0].key, reason=decoded.rejects[0].reason
            )
        if first or decoded.source_rows:
            yield pa.RecordBatch.from_arrays(list(decoded.columns), schema=_schema(columns))
        first = False
        if decoded.source_rows < PAGE or decoded.last is None:
            break
        after = decoded.last
    now = revision_now(client, app)
    if now != form.revision:
        raise BrokenReply("kintone.schema_moved", host=client.host, app=app.label, before=form.revision, after=now)


def count(client: Client, stream: Stream, spec: SourceSpec, app: App) -> int:
    """What the source itself counts, under the contract's own condition."""
    condition = own_condition(stream, spec)
    return client.total(app.id, f"({condition})" if condition else "", app.guest_space)


def own_condition(stream: Stream, spec: SourceSpec) -> str:
    """The contract's condition. Raises FixConfiguration for one whose answer moves with time or person, or that is a word search."""
    condition = spec.condition.strip()
    if moving(condition) or searches(condition):
        raise FixConfiguration("kintone.condition_unsafe", stream=stream.id)
    return condition


def window_name(window: Window) -> str:
    """A window in words, by which a cursor knows its own."""
    return f"{minute(window.since) if window.since else ''}..{ceiling(window.until) if window.until else ''}"


def minute(instant: datetime) -> str:
    """The full minute at or before an instant, as a kintone literal: update times carry no seconds."""
    return instant.astimezone(UTC).replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def ceiling(instant: datetime) -> str:
    """The full minute at or after an instant: rows of a minute that ``until`` cuts belong to this window and, again, to the next."""
    return minute(instant + timedelta(minutes=1) - timedelta(microseconds=1))


def legs_of(window: Window, form: Form, top: int, *, app: App) -> list[Leg]:
    """The seeks of a window. ``top`` is the highest id known before, 0 for none. Raises BrokenReply when the form has no update time."""
    if window.full:
        return [Leg("full")]
    updated = form.system_field("UPDATED_TIME")
    if updated is None:
        raise BrokenReply("kintone.field_gone", host="-", app=app.label, field="UPDATED_TIME", column="-")
    bounds: list[str] = []
    if window.since is not None:
        bounds.append(f'{updated.code} >= "{minute(window.since)}"')
    if window.until is not None:
        bounds.append(f'{updated.code} < "{ceiling(window.until)}"')
    changed = " and ".join(bounds)
    if window.until is not None or top == 0:
        return [Leg("changed", changed)]
    return [Leg("new", after=top), Leg("changed", changed, upto=top)]


def _leg(client: Client, app: App, leg: Leg, condition: str, decoder: PageDecoder, rules: Rules) -> Iterator[tuple[Decoded, list[str]]]:
    both = " and ".join(part for part in (f"({condition})" if condition else "", leg.bounds) if part)
    scopes = None if rules.unreadable else RowScopes(client, app, rules, condition=leg.bounds, after=leg.after)
    after = leg.after
    while True:
        body = client.records(app.id, {"query": seek(both, after, upto=leg.upto)}, app.guest_space)
        decoded = decoder.decode(body, after)
        yield decoded, [UNRESOLVED] * len(decoded.ids) if scopes is None else scopes.of(decoded.ids)
        # A page shorter than asked for is the last one; both of Cybozu's clients rely on it.
        if decoded.source_rows < PAGE or decoded.last is None:
            return
        after = decoded.last


def _page(columns: Sequence[Column], decoded: Decoded, scopes: list[str], progress: Progress) -> Page:
    rows = len(decoded.ids)
    arrays = [
        *decoded.columns,
        pa.array(["upsert"] * rows, pa.string()),
        pa.array(decoded.revisions, pa.string()),
        pa.array(scopes, pa.string()),
    ]
    schema = pa.schema([*_schema(columns), (OP, pa.string()), (SOURCE_VERSION, pa.string()), (SCOPE, pa.string())])
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return Page(batch, progress.cursor(), decoded.source_rows, decoded.rejects)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in columns])


def _progress(cursor: Cursor) -> Progress:
    state = cursor.state
    return Progress(
        window=str(state["window"]),
        leg=str(state["leg"]),
        after=int(state["after"]),
        top=int(state["top"]),
        revision=str(state["revision"]),
        start=int(state["start"]),
    )


def _known_top(stream: Stream, cursor: Cursor | None) -> int:
    last = stream.options.get("last_cursor") or {}
    given = max(int(stream.options.get("max_id", 0)), int(last.get("top", 0)))
    return max(given, int(cursor.state.get("top", 0)) if cursor is not None else 0)
