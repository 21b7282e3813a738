"""Comments on records as a stream of their own (``source: {app_code: …, part: comments}``).

kintone gives comments record by record, ten at a time, and says nowhere which records have any or when one was written last; whether a
comment moves its record's update time is not documented, so it is assumed not to. What follows from that:

- A full window costs at least one call a record, and it is the only one after which every comment is certain to be here.
- A window with ``since`` reads the records that changed, and each time a further share of all records in turn (``ROLLING`` of them). A
  comment on a record that did not change comes when its turn comes: after ``records / ROLLING`` pulls at the latest.
- ``count`` reads what a full window reads. Called within a run it remembers which records have comments, and the pull that follows asks
  only those again; a comment written in between on another record comes with that record's turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import pyarrow as pa

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration
from connectors.kintone.address import App
from connectors.kintone.client import PAGE, Client
from connectors.kintone.decode import Decoded
from connectors.kintone.parts import RECORD, RECORD_ID, Keys, Tally, fingerprint_of, keys_of, named, parents, settled, with_records
from connectors.kintone.pull import pull
from connectors.kintone.reader import Reader
from connectors.kintone.run import Run
from connectors.kintone.schema import ENTITY, TIMESTAMP
from connectors.kintone.seek import Fetched, Range
from connectors.pages import gone, page_schema
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Column, Cursor, Known, LiveField, Offer, Page, Schema, Stream, Window

#: Records whose comments are read again in each window with ``since``, besides the changed ones: one call each.
ROLLING = 200
#: Comments of one call (cybozu.dev, "Get comments").
_CALL = 10
_MENTION = pa.struct([("code", pa.string()), ("type", pa.string())])
COMMENT = "comment_id"


@dataclass(frozen=True)
class Counted:
    """Records with comments among those up to ``upto``, and how many comments there were."""

    upto: int
    records: frozenset[int]
    comments: int


def comments_schema(schema: Schema) -> Schema:
    """What a comment has; kintone fixes it, so no change of the app's form touches it."""
    fields = (
        LiveField(RECORD, "レコードID", pa.int64(), "__ID__", required=True),
        LiveField(COMMENT, "コメントID", pa.int64(), "__COMMENT_ID__", required=True),
        LiveField("text", "コメント", pa.string(), "COMMENT"),
        LiveField("created_at", "投稿日時", TIMESTAMP, "COMMENT_TIME", required=True),
        LiveField("creator", "投稿者", ENTITY, "COMMENT_CREATOR", required=True),
        LiveField("mentions", "宛先", pa.list_(_MENTION), "COMMENT_MENTIONS"),
    )
    return replace(schema, fields=fields, fingerprint=fingerprint_of(fields))


def comments_offer(client: Client, app: App, offer: Offer, *, most: int) -> Iterator[Offer]:
    """The comments of an app that is offered, where comments are on. ``most`` is the day's limit of calls. One call."""
    guest = cast("int | None", offer.source.get("guest_space"))
    try:
        settings = client.get("app/settings", {"app": app.id, "lang": "default"}, guest_space=guest, app=app.label)
    except AccessRefused:
        return
    if settings.get("enableComments") not in (True, "true"):
        return
    calls = offer.rows or 0
    notes = [f"comments: at least {calls:,} API calls for a full load, one a record; later {ROLLING} and one for each changed record"]
    if calls > most:
        notes.append(f"that is more than the {most:,} calls a day allowed here: narrow the records with source.condition")
    yield Offer(
        name=f"{offer.name}-comments",
        title=f"{offer.title} コメント",
        source={**offer.source, "part": "comments"},
        schema=comments_schema(offer.schema),
        key=(RECORD, COMMENT),
        cursor="created_at",
        rows=None,
        notes=tuple(notes),
    )


def pull_comments(
    client: Client, stream: Stream, run: Run, window: Window, cursor: Cursor | None, known: Known | None, *, counted: Counted | None = None
) -> Iterator[Page]:
    """Comments of the window, a page for a page of records, each under its record's scope; then what is gone (see ``parts.settled``).

    Raises FixConfiguration when the contract's key is not record id and comment id, or a column asks for something a comment has not.
    """
    keys = keys_of(stream, COMMENT)
    reader = Reader(client, parents(stream), run)
    state = stream.options.get("last_cursor") or {}
    tally = Tally(above=run.memory.top or 0)
    rolled = int(state.get("rolled") or 0)
    total: int | None = None
    done: set[int] = set()
    for page in pull(reader, run, window, cursor, None, workers=1):
        total = page.total if page.total is not None else total
        ids: list[int] = page.rows.column(RECORD_ID).to_pylist()
        done.update(ids)
        cursor = with_records(page.cursor, total, {"rolled": rolled})
        scopes: list[str] = page.rows.column(SCOPE).to_pylist()
        yield from _pages(client, run, stream, keys, ids, scopes, tally, cursor, counted if window.full else None)
    assert cursor is not None
    if window.since is not None and window.until is None:
        ids, scopes, rolled = _turn(reader, rolled, done)
        cursor = with_records(cursor, total, {"rolled": rolled})
        yield from _pages(client, run, stream, keys, ids, scopes, tally, cursor, None)
    before = state.get("records")
    yield from settled(reader, stream, keys, tally, cursor, known, window, records=total, before=None if before is None else int(before))


def count_comments(client: Client, stream: Stream, run: Run) -> Counted:
    """How many comments there are now: at least one call a record."""
    found: set[int] = set()
    comments, upto = 0, 0
    for ids, _ in Reader(client, parents(stream), run).listing(Range(0)):
        for id in ids:
            here = len(_comments(client, run, id) or ())
            comments += here
            upto = id
            if here:
                found.add(id)
    return Counted(upto, frozenset(found), comments)


def _turn(reader: Reader, rolled: int, done: set[int]) -> tuple[list[int], list[str], int]:
    """The next records in turn after id ``rolled`` with their scopes, without those ``done``; and where the turn after them begins."""
    with closing(cast("Generator[tuple[Fetched, Decoded, list[str]]]", reader.pages("", [Range(rolled)], 1))) as pages:
        fetched, decoded, scopes = next(pages)
    taken = list(zip(decoded.ids, scopes, strict=True))[: min(ROLLING, PAGE)]
    last = 0 if len(taken) == len(decoded.ids) and not fetched.more else taken[-1][0]
    fresh = [(id, scope) for id, scope in taken if id not in done]
    return [id for id, _ in fresh], [scope for _, scope in fresh], last


def _pages(
    client: Client,
    run: Run,
    stream: Stream,
    keys: Keys,
    ids: Sequence[int],
    scopes: Sequence[str],
    tally: Tally,
    cursor: Cursor,
    counted: Counted | None,
) -> Iterator[Page]:
    """The comments of these records as one page; before it, what went of a record that this pull read before."""
    rows: list[dict[str, Any]] = []
    read: list[int] = []
    for id, scope in zip(ids, scopes, strict=True):
        found = [] if counted is not None and id <= counted.upto and id not in counted.records else _comments(client, run, id)
        if found is None:
            continue
        read.append(id)
        rows += [{**_row(stream, run, client.host, id, one), OP: "upsert", SOURCE_VERSION: "1", SCOPE: scope} for one in found]
    batch = pa.RecordBatch.from_pylist(rows, schema=page_schema(stream.columns))
    of, parts = batch.column(keys.record.name).cast(pa.int64()), batch.column(keys.part.name).cast(pa.int64())
    stale = tally.take(pa.array(read, pa.int64()), of, parts)
    if stale is not None:
        yield from gone(stream.columns, named(keys, stale), cursor, None)
    yield Page(batch, cursor, len(rows))


def _comments(client: Client, run: Run, record: int) -> list[dict[str, Any]] | None:
    """All comments of one record, newest first, each once; None when the record went meanwhile."""
    found: dict[str, dict[str, Any]] = {}
    offset = idle = 0
    while True:
        asked = {"app": run.app.id, "record": record, "order": "desc", "offset": offset, "limit": _CALL}
        try:
            reply = client.get("record/comments", asked, guest_space=run.app.guest_space, app=run.app.label)
        except AddressUnknown as error:
            if error.code == "kintone.record_unknown":
                return None
            raise
        page = cast("list[dict[str, Any]]", reply["comments"])
        before = len(found)
        for one in page:
            found.setdefault(str(one["id"]), one)
        if reply.get("older") not in (True, "true") or not page:
            return list(found.values())
        # A comment written meanwhile moves the others down: what comes twice is kept once. Ten at once between two calls, and ten again,
        # nobody writes: a list that goes on so has no end.
        idle = 0 if len(found) > before else idle + 1
        if idle > 1:
            reason = f"no end of comments of record {record}"
            raise BrokenReply("kintone.reply_shape", host=client.host, app=run.app.label, resource="record/comments", reason=reason)
        offset += len(page)


def _row(stream: Stream, run: Run, host: str, record: int, comment: dict[str, Any]) -> dict[str, Any]:
    try:
        values: dict[str, Any] = {
            RECORD: record,
            COMMENT: int(comment["id"]),
            "text": str(comment.get("text") or ""),
            "created_at": datetime.fromisoformat(str(comment["createdAt"])),
            "creator": {name: comment["creator"].get(name) for name in ("code", "name")},
            "mentions": [{name: one.get(name) for name in ("code", "type")} for one in comment.get("mentions") or []],
        }
    except (KeyError, ValueError, AttributeError, OverflowError) as error:
        raise BrokenReply(
            "kintone.reply_shape", host=host, app=run.app.label, resource="record/comments", reason=f"{type(error).__name__}: {error}"
        ) from error
    unknown = [column.source for column in stream.columns if column.source not in values]
    if unknown:
        raise FixConfiguration("kintone.comment_column", stream=stream.id, columns=", ".join(unknown))
    return {column.name: _named(values[column.source], column) for column in stream.columns}


def _named(value: Any, column: Column) -> Any:
    """The value with its inner parts under the contract's names."""
    if not column.children or value is None:
        return value
    if isinstance(value, list):
        return [_named(one, column) for one in cast("list[Any]", value)]
    return {child.name: value.get(child.source) for child in column.children}
