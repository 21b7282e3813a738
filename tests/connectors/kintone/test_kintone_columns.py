"""The quick way over a whole page gives what going cell by cell gives, and what plain Python makes of the same cells."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AccessRefused, BrokenReply, SourceError
from connectors.kintone import repeats
from connectors.kintone.columns import PageColumns
from connectors.kintone.decode import Decoded, PageDecoder
from connectors.kintone.schema import ENTITY, FILE, ID, REVISION, TIMESTAMP, Field, Form, Shape
from connectors.protocol import Column

PRICE = pa.decimal128(16, 4)
LINES = pa.list_(pa.struct([("id", pa.int64()), ("数量", PRICE)]))
OPTIONS = ("標準", "特注", "修理")
#: Field code → kintone's type, shape, Arrow type.
FIELDS: dict[str, tuple[str, Shape, pa.DataType]] = {
    "件名": ("SINGLE_LINE_TEXT", "text", pa.string()),
    "備考": ("RICH_TEXT", "text", pa.large_string()),
    "区分": ("DROP_DOWN", "text", pa.string()),
    "単価": ("NUMBER", "number", PRICE),
    "原価": ("NUMBER", "number", PRICE),
    "受注日": ("DATE", "date", pa.date32()),
    "更新日時": ("UPDATED_TIME", "timestamp", TIMESTAMP),
    "開始": ("TIME", "time", pa.string()),
    "所要": ("CALC", "minutes", pa.int64()),
    "タグ": ("CHECK_BOX", "texts", pa.list_(pa.string())),
    "作成者": ("CREATOR", "entity", ENTITY),
    "担当者": ("USER_SELECT", "entities", pa.list_(ENTITY)),
    "部署": ("ORGANIZATION_SELECT", "entities", pa.list_(pa.string())),
    "添付": ("FILE", "files", pa.list_(FILE)),
    "明細": ("SUBTABLE", "table", LINES),
}
_SURROGATES = st.characters(blacklist_categories=("Cs",))
_EMPTY = st.sampled_from(["", None])
_TEXT = _EMPTY | st.text(_SURROGATES, max_size=20)
_NUMBER = _EMPTY | st.decimals(min_value=-(10**11), max_value=10**11, places=4).map(lambda one: f"{one:f}") | st.integers(0, 999).map(str)
_PERSON = st.builds(
    lambda code, name: {"code": code, "name": name},
    st.sampled_from(["sato", "鈴木", "guest/x@y.example", ""]),
    st.text(_SURROGATES, max_size=5),
)
_PEOPLE = st.lists(_PERSON, max_size=3) | st.none()
_FILES = st.lists(
    st.builds(
        lambda name, size: {"fileKey": "k", "name": name, "contentType": "text/plain", "size": str(size)},
        st.text(_SURROGATES, max_size=5),
        st.integers(0, 10**12),
    ),
    max_size=2,
)
_ROWS = st.lists(st.builds(lambda at, number: {"id": str(at), "value": {"数量": {"type": "NUMBER", "value": number}}}, st.integers(1, 999), _NUMBER), max_size=3)  # fmt: skip
_MINUTES = st.builds(lambda sign, hours, minutes: f"{sign}{hours}:{minutes:02}", st.sampled_from(["", "-"]), st.integers(0, 999), st.integers(0, 59))  # fmt: skip
#: Cells that fit.
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "件名": _TEXT,
    "備考": _TEXT,
    "区分": _EMPTY | st.sampled_from(OPTIONS),
    "単価": _NUMBER,
    "原価": _NUMBER,
    "受注日": _EMPTY | st.dates(date(1000, 1, 1), date(9999, 12, 31)).map(date.isoformat),
    "更新日時": _EMPTY
    | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda one: one.replace(second=0).strftime("%Y-%m-%dT%H:%M:%SZ")),
    "開始": _EMPTY | st.times().map(lambda one: f"{one:%H:%M}"),
    "所要": _EMPTY | _MINUTES,
    "タグ": st.none() | st.lists(st.sampled_from(["甲", "乙", "null", "", "丙"]), max_size=4),
    "作成者": st.none() | _PERSON,
    "担当者": _PEOPLE,
    "部署": _PEOPLE,
    "添付": _FILES,
    "明細": _ROWS,
}
#: Texts of which each fits some type and not another.
_NASTY_TEXT = st.sampled_from(
    [
        "1e400",
        "1e3",
        "+5",
        ".5",
        "5.",
        " 5",
        "５",
        "十二",
        "99999999999999",
        "0.00001",
        "1.50000",
        "-0",
        "NaN",
        "inf",
        "0x1F",
        "1_000",
        "25:01",
        "9:30",
        "0９:30",
        "24:00",
        "#ERROR!",
        "-0:30",
        "1:60",
        "2026-02-30",
        "2026-2-3",
        "令和8年1月1日",
        "2026-11-21",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00+09:00",
        "2026-11-21T10:00",
        "2026-11-21T10:00:00.123456789Z",
        "null",
        "\x00",
        "\\",
        '"',
    ]
)
_TEXTUAL = ("text", "number", "timestamp", "date", "time", "minutes")
NASTY = {code: good | _NASTY_TEXT if FIELDS[code][1] in _TEXTUAL else good for code, good in GOOD.items()}


def records(cells: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(cells), max_size=6)


def settings_of(code: str) -> dict[str, Any]:
    return {"options": {name: {"label": name, "index": str(at)} for at, name in enumerate(OPTIONS)}} if code == "区分" else {}


def form() -> Form:
    inner = (Field("数量", "数量", "NUMBER", "number", {}),)
    fields = {
        code: Field(code, code, kind, shape, settings_of(code), inner if shape == "table" else ())
        for code, (kind, shape, _) in FIELDS.items()
    }
    return Form("1", {"$id": ID, "$revision": REVISION, **fields}, (16, 4), precision_known=True)


def decoder(*, people: tuple[str, ...] = (), columns: tuple[str, ...] = tuple(FIELDS)) -> PageDecoder:
    wanted = [Column("record_id", "$id", pa.int64()), *(Column(code, code, FIELDS[code][2]) for code in columns)]
    return PageDecoder(form(), wanted, host="k.example", app="ORDERS", people=people)


def body(rows: list[dict[str, Any]], first: int = 1) -> bytes:
    sent = [
        {"$id": {"type": "__ID__", "value": str(number)}, "$revision": {"type": "__REVISION__", "value": "3"}}
        | {code: {"type": FIELDS[code][0], "value": value} for code, value in row.items()}
        for number, row in enumerate(rows, first)
    ]
    return json.dumps({"records": sent, "totalCount": None}, ensure_ascii=False).encode()


def outcome(work: Any) -> Any:
    """What a way of decoding says: everything of the page, or the error's code."""
    try:
        found: Decoded = work()
    except SourceError as error:
        return error.code
    columns = [one.to_pylist() for one in found.columns]
    return (
        [one.type for one in found.columns],
        columns,
        found.ids,
        found.revisions,
        found.source_rows,
        found.last,
        found.rejects,
        found.people,
    )


@given(records(NASTY))
def test_the_quick_way_says_what_going_cell_by_cell_says(rows: list[dict[str, Any]]) -> None:
    quick = decoder(people=("担当者", "作成者"))
    page = body(rows)
    assert outcome(lambda: quick.decode(page, 0)) == outcome(lambda: quick._cell_by_cell(page, 0))


@given(records(GOOD))
def test_a_page_in_which_everything_fits_goes_the_quick_way(rows: list[dict[str, Any]]) -> None:
    asked = decoder(people=("部署",))
    built = asked._page.read(body(rows))
    assert (built is not None) == bool(rows)
    if built is not None:
        for array in built.columns:
            array.validate(full=True)


def plainly(code: str, value: Any) -> Any:
    """The cell as plain Python reads kintone's documentation; ValueError where it does not fit."""
    shape = FIELDS[code][1]
    if shape in ("texts", "entities", "files", "table"):
        listed = value or []
        match shape:
            case "texts":
                return sorted(listed)
            case "files":
                return [{**one, "name": one["name"] or None, "size": int(one["size"])} for one in listed]
            case "table":
                return [{"id": int(one["id"]), "数量": plainly("単価", one["value"]["数量"]["value"])} for one in listed]
            case _:
                return [one["code"] for one in listed] if code == "部署" else [plainly("作成者", one) for one in listed]
    if value in ("", None):
        return None
    match shape:
        case "number":
            try:
                number = Decimal(value)
            except InvalidOperation as error:
                raise ValueError from error
            if not number.is_finite() or number.quantize(Decimal("0.0001")) != number or abs(number) >= 10**12:
                raise ValueError
            return number
        case "date":
            return date.fromisoformat(value)
        case "timestamp":
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        case "minutes":
            found = re.fullmatch(r"(-?)(\d+):([0-5]\d)", value)
            assert found is not None
            return (-1 if found[1] else 1) * (int(found[2]) * 60 + int(found[3]))
        case "entity":
            return {"code": value["code"] or None, "name": value["name"] or None}
        case _:
            return value


@given(records(GOOD))
def test_every_value_arrives_as_plain_python_reads_it(rows: list[dict[str, Any]]) -> None:
    found = decoder().decode(body(rows), 0)
    assert found.rejects == ()
    for at, code in enumerate(FIELDS, 1):
        assert found.columns[at].to_pylist() == [plainly(code, row[code]) for row in rows], code


@pytest.mark.parametrize("hidden", sorted(FIELDS))
def test_a_key_absent_from_one_record_of_a_page_holds_that_record_back_whatever_its_type(hidden: str) -> None:
    good = {code: None for code in FIELDS}
    found = decoder().decode(body([good, {code: None for code in FIELDS if code != hidden}, good]), 0)
    assert found.ids == [1, 3] and found.columns[0].to_pylist() == [1, 3]
    assert [(one.key, one.column, one.reason) for one in found.rejects] == [("2", hidden, "field.absent")]


def test_people_are_told_for_each_row_that_fits_whether_or_not_a_column_asks_for_them() -> None:
    sato, suzuki = {"code": "sato", "name": "佐藤"}, {"code": "suzuki", "name": "鈴木"}
    rows = [
        {"件名": "a", "単価": "1", "担当者": [suzuki, sato], "作成者": sato},
        {"件名": "b", "単価": "1e400", "担当者": [sato], "作成者": suzuki},
        {"件名": "c", "単価": "", "担当者": [], "作成者": None},
    ]
    for columns in (("件名", "単価"), ("件名", "単価", "担当者")):
        found = decoder(people=("担当者", "作成者"), columns=columns).decode(body(rows), 0)
        assert found.ids == [1, 3]
        assert found.people == {"担当者": [("suzuki", "sato"), ()], "作成者": [("sato",), ()]}


def test_people_that_may_not_be_seen_hold_their_row_back_or_stop_the_read() -> None:
    asked = decoder(people=("担当者",), columns=("件名",))
    found = asked.decode(body([{"件名": "a", "担当者": []}, {"件名": "b"}]), 0)
    assert found.ids == [1] and [(one.column, one.reason) for one in found.rejects] == [("担当者", "field.absent")]
    with pytest.raises(AccessRefused) as caught:
        asked.decode(body([{"件名": "a"}, {"件名": "b"}]), 0)
    assert caught.value.code == "kintone.field_hidden"


def test_a_field_that_holds_no_people_cannot_name_readers() -> None:
    with pytest.raises(BrokenReply):
        decoder(people=("件名",))
    with pytest.raises(BrokenReply):
        decoder(people=("旧担当者",))


def test_a_field_whose_people_do_not_repeat_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST", 20)
    asked = decoder(people=("担当者",), columns=("件名", "担当者", "タグ"))
    for start in range(1, 200, 50):
        people = [[{"code": f"user{number}", "name": f"担当 {number}"}] for number in range(start, start + 50)]
        rows = [{"件名": "x", "担当者": one, "タグ": ["甲"]} for one in people]
        found = asked.decode(body(rows, start), start - 1)
        assert found.columns[2].to_pylist() == people
        assert found.people["担当者"] == [(one[0]["code"],) for one in people]
        assert found.columns[3].to_pylist() == [["甲"]] * 50


def test_an_option_deleted_since_is_kept_as_it_stands_and_costs_no_page_after_it_the_quick_way() -> None:
    asked = decoder(columns=("区分",))
    sent = ["特注", "廃止済み", None, "", "修理"]
    found = asked.decode(body([{"区分": one} for one in sent]), 0)
    assert found.columns[1].to_pylist() == ["特注", "廃止済み", None, None, "修理"]
    built = asked._page.read(body([{"区分": "廃止済み"}]))
    assert built is not None and built.columns[1].to_pylist() == ["廃止済み"]


def test_one_bad_cell_does_not_take_the_quick_way_from_the_pages_after_it() -> None:
    asked = decoder(columns=("単価", "担当者"))
    good = {"単価": "1", "担当者": [{"code": "a", "name": "b"}]}
    assert len(asked.decode(body([good, {**good, "単価": "x"}]), 0).rejects) == 1
    assert isinstance(asked._page, PageColumns) and asked._page.read(body([good])) is not None


def test_ids_that_are_no_plain_digits_break_the_reply() -> None:
    page = body([{"件名": "a"}]).replace(b'"value": "1"', b'"value": "x1"')
    with pytest.raises(BrokenReply):
        decoder(columns=("件名",)).decode(page, 0)
