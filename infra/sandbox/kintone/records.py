"""Reading records: ``record.json``, ``records.json`` and the cursors."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.sandbox.kintone.call import Answer, Call, Visible, json_answer
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.matching import Compiler, ordered
from infra.sandbox.kintone.query import DEFAULT_LIMIT, MAX_LIMIT, Query, parse, predicates
from infra.sandbox.kintone.reach import reach
from infra.sandbox.kintone.store import App

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


_BY_ID = ((("$id", False),), (("$id", True),), ())


def select(call: Call, app: App, query: Query, *, count: bool, limit: int | None) -> tuple[Sequence[int], int | None]:
    """Ids of the records of a query that the caller may view, and their number before limit and offset if ``count``."""
    rights = call.rights(app)
    compiler = Compiler(app, call.caller, call.domain.clock.now(), hidden=rights.hidden(None), others=call.domain.app_of)
    compiler.test(query.condition)
    by_words = any(one.op in ("like", "not like") for one in predicates(query.condition))
    near = reach(query.condition, app)
    test, viewer = compiler.test(near.rest), rights.viewer()
    offset = query.offset or 0
    upwards = query.order == (("$id", False),)
    if query.order in _BY_ID:
        if test is None and viewer is None:
            # The seek of every serious client: only the page's own records are touched.
            first, last = near.low + offset, near.high if limit is None else min(near.low + offset + limit, near.high)
            if not upwards and first < last:
                first, last = near.low + near.high - last, near.low + near.high - first
            page = near.ids[first:last] if first < last else near.ids[:0]
            return page if upwards else page[::-1], near.high - near.low if count else None
        enough = offset + limit if limit is not None and not count else None
        matching: list[int] = []
        for place in range(near.low, near.high) if upwards else range(near.high - 1, near.low - 1, -1):
            record = app.records[near.ids[place]]
            if (test is None or test(record)) and (viewer is None or viewer(record)):
                matching.append(record.id)
                if by_words and len(matching) == call.domain.search_limit:
                    call.aborted = True
                    break
                if len(matching) == enough:
                    break
        found: Sequence[int] = matching
    else:
        records = [app.records[number] for number in near.ids[near.low : near.high]]
        wanted = [record for record in records if (test is None or test(record)) and (viewer is None or viewer(record))]
        if by_words and len(wanted) > call.domain.search_limit:
            wanted, call.aborted = wanted[: call.domain.search_limit], True
        found = [record.id for record in ordered(app, wanted, query, compiler)]
    return found[offset:] if limit is None else found[offset : offset + limit], len(found) if count else None


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
        ids=list(found),
        fields=codes,
        size=size,
        expires=call.domain.clock.now() + CURSOR_LIFE,
    )
    live[cursor.id] = cursor
    return json_answer({"id": cursor.id, "totalCount": str(len(cursor.ids))})


def read_cursor(call: Call) -> Answer:
    cursor = _cursor(call)
    call.located(cursor.app)
    call.check(cursor.app, "recordViewable")
    ids = cursor.ids[cursor.place : cursor.place + cursor.size]
    cursor.place += cursor.size
    cursor.expires = call.domain.clock.now() + CURSOR_LIFE
    more = cursor.place < len(cursor.ids)
    if not more:
        del call.domain.cursors[cursor.id]
    # What was deleted since the cursor was made is simply not there: a page may be short, or empty with more to come.
    return Visible(call, cursor.app, cursor.fields).answer(ids, b'"next":true}' if more else b'"next":false}')


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
