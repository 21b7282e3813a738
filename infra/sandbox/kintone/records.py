"""Reading records: ``record.json``, ``records.json`` and the cursors."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.sandbox.kintone.call import Answer, Call, Visible, json_answer
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.matching import Compiler, id_range, ordered
from infra.sandbox.kintone.query import DEFAULT_LIMIT, MAX_LIMIT, Query, parse
from infra.sandbox.kintone.store import App, Record

MAX_FIELDS = 1_000
MAX_CURSORS = 10
CURSOR_LIFE = timedelta(minutes=10)
DEFAULT_CURSOR_SIZE = 100


@dataclass
class Cursor:
    """Set and order are frozen; values are read at each fetch. ``place`` counts the ids already given out."""

    id: str
    app: App
    ids: list[int]
    fields: list[str]
    size: int
    expires: datetime
    place: int = 0


def select(call: Call, app: App, query: Query, *, count: bool, limit: int | None) -> tuple[list[Record], int | None]:
    """The records of a query that the caller may view, and their number before limit and offset if ``count``."""
    rights = call.rights(app)
    compiler = Compiler(app, call.caller, call.domain.clock.now(), hidden=rights.hidden(None))
    low, high, rest = id_range(query.condition, app.ids)
    test, viewer = compiler.test(rest), rights.viewer()
    offset = query.offset or 0
    if test is None and viewer is None:
        candidates = app.ids[low:high]
        if query.order in ((("$id", False),), (("$id", True),), ()):
            # The seek of every serious client: only the page's own records are touched.
            if query.order != (("$id", False),):
                candidates.reverse()
            page = candidates[offset:] if limit is None else candidates[offset : offset + limit]
            return [app.records[number] for number in page], len(candidates) if count else None
        matching = [app.records[number] for number in candidates]
    else:
        matching = []
        enough = offset + limit if limit is not None and not count and query.order == (("$id", False),) else None
        for number in app.ids[low:high]:
            record = app.records[number]
            if (test is None or test(record)) and (viewer is None or viewer(record)):
                matching.append(record)
                if len(matching) == enough:
                    break
    page_of = ordered(app, matching, query, compiler)
    return page_of[offset:] if limit is None else page_of[offset : offset + limit], len(matching) if count else None


def get_record(call: Call) -> Answer:
    app = call.app("recordViewable")
    number = call.number("id")
    record = app.records.get(number)
    if record is None:
        raise KintoneError("GAIA_RE01", {"id": number})
    if not call.rights(app).of(record).viewable:
        raise KintoneError("CB_NO02")
    return Answer(b'{"record":' + Visible(call, app).json(record) + b"}")


def get_records(call: Call) -> Answer:
    app = call.app("recordViewable")
    query = parse(call.text("query", ""))
    codes = call.texts("fields", most=MAX_FIELDS)
    count = call.flag("totalCount")
    found, total = select(call, app, query, count=count, limit=DEFAULT_LIMIT if query.limit is None else query.limit)
    tail = b'"totalCount":null}' if total is None else b'"totalCount":"%d"}' % total
    return Visible(call, app, codes).answer(found, tail)


def create_cursor(call: Call) -> Answer:
    app = call.app("recordViewable")
    query = parse(call.text("query", ""))
    if query.limit is not None or query.offset is not None:
        raise invalid("query", "no_paging")
    size = call.number("size", DEFAULT_CURSOR_SIZE, low=1, high=MAX_LIMIT)
    codes = call.texts("fields", most=MAX_FIELDS)
    live = _live(call)
    if len(live) >= MAX_CURSORS:
        raise KintoneError("GAIA_TM12")
    found, _ = select(call, app, query, count=False, limit=None)
    cursor = Cursor(
        id=secrets.token_hex(16),
        app=app,
        ids=[record.id for record in found],
        fields=codes,
        size=size,
        expires=call.domain.clock.now() + CURSOR_LIFE,
    )
    live[cursor.id] = cursor
    return json_answer({"id": cursor.id, "totalCount": str(len(cursor.ids))})


def read_cursor(call: Call) -> Answer:
    cursor = _cursor(call)
    call.check(cursor.app, "recordViewable")
    ids = cursor.ids[cursor.place : cursor.place + cursor.size]
    cursor.place += cursor.size
    cursor.expires = call.domain.clock.now() + CURSOR_LIFE
    more = cursor.place < len(cursor.ids)
    if not more:
        del call.domain.cursors[cursor.id]
    # What was deleted since the cursor was made is simply not there: a page may be short, or empty with more to come.
    there = [record for number in ids if (record := cursor.app.records.get(number)) is not None]
    return Visible(call, cursor.app, cursor.fields).answer(there, b'"next":true}' if more else b'"next":false}')


def delete_cursor(call: Call) -> Answer:
    del call.domain.cursors[_cursor(call).id]
    return json_answer({})


def _live(call: Call) -> dict[str, Cursor]:
    now = call.domain.clock.now()
    for cursor in [one for one in call.domain.cursors.values() if one.expires < now]:
        del call.domain.cursors[cursor.id]
    return call.domain.cursors


def _cursor(call: Call) -> Cursor:
    found = _live(call).get(call.text("id"))
    if found is None:
        raise KintoneError("GAIA_CN01")
    return found
