"""Times finer than a microsecond, and zones where a column has no place for one: held, or cut and counted where that is declared."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, with_parts

from connectors.protocol import Column, Note, Page, Window
from connectors.soap.lexical import value_of

SCHEMA = with_parts(
    "".join(
        f'<xs:element name="{name}" type="xs:{kind}" minOccurs="0"/>'
        for name, kind in (("Stamp", "dateTimeStamp"), ("Length", "dayTimeDuration"), ("Month", "gYearMonth"), ("Year", "gYear"))
    )
)
AT = Column("at", "Modified", pa.timestamp("us", "UTC"))
CLOCK = Column("at", "Modified", pa.timestamp("us"))
DAY = Column("day", "Since", pa.date32())
TOKYO = {"timezone": "Asia/Tokyo"}


def pulled(column: Column, *texts: str, **source: Any) -> Page:
    rows = (part(f"A{at}", f"<{column.source}>{text}</{column.source}>") for at, text in enumerate(texts))
    fake = Fake(reply(*rows), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    return next(iter(fake.connector().pull(stream(column, **source), Window())))


def values(page: Page) -> list[Any]:
    return page.rows.column(1).to_pylist()


def test_seven_digits_of_a_second_hold_the_row_only_where_one_would_be_lost() -> None:
    page = pulled(AT, "2026-11-01T00:00:00.1234560Z", "2026-11-01T00:00:00.1234567Z")
    assert values(page) == [datetime(2026, 11, 1, microsecond=123456, tzinfo=UTC)]
    assert len(page.rejects) == 1 and "value.inexact" in page.rejects[0].reason and page.notes == ()


def test_digits_below_the_microsecond_are_cut_off_and_counted_where_that_is_declared() -> None:
    texts = ["2026-11-01T00:00:00.1234567Z", "2026-11-01T09:00:00.1234569+09:00", "2026-11-01T00:00:00.1234560Z", "2026-11-01T00:00:00Z"]
    cut = datetime(2026, 11, 1, microsecond=123456, tzinfo=UTC)
    wanted = [cut, cut, cut, datetime(2026, 11, 1, tzinfo=UTC)]
    for source in ({"finer": "truncate"}, {"read": {"Modified": {"finer": "truncate"}}}):
        page = pulled(AT, *texts, **source)
        assert values(page) == wanted and page.notes == (Note("at", "value.truncated", 2, fact=True),)
    before = pulled(AT, "1969-12-31T23:59:59.9999999Z", finer="truncate")
    assert values(before) == [datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]


def test_a_time_that_is_wrong_stays_wrong_when_it_is_cut() -> None:
    page = pulled(AT, "2026-11-01T24:00:00.0000001Z", "2026-02-30T00:00:00.1234567Z", "2026-11-01T00:00:00.1234567x", finer="truncate")
    assert len(page.rejects) == 3 and page.notes == ()


def test_a_cut_time_that_is_declared_nothing_is_nothing() -> None:
    nothing = "0001-01-01T00:00:00.0000001Z"
    page = pulled(AT, nothing, "2026-11-01T00:00:00.1234567Z", finer="truncate", null_values=[nothing])
    assert values(page)[0] is None and page.notes == (Note("at", "value.truncated", 1, fact=True),)


def test_a_length_of_time_is_cut_like_a_time() -> None:
    length = Column("length", "Length", pa.int64())
    assert "value.inexact" in pulled(length, "PT0.0000019S").rejects[0].reason
    page = pulled(length, "PT0.0000019S", "-PT0.0000019S", finer="truncate")
    assert values(page) == [1, -1] and page.notes == (Note("length", "value.truncated", 2, fact=True),)


def test_a_stamp_without_its_zone_is_none_whatever_zone_is_declared() -> None:
    stamp = Column("stamp", "Stamp", pa.timestamp("us", "UTC"))
    page = pulled(stamp, "2026-11-01T09:00:00+09:00", "2026-11-01T09:00:00", **TOKYO)
    assert values(page) == [datetime(2026, 11, 1, tzinfo=UTC)]
    assert len(page.rejects) == 1 and "value.zone (no zone in an xsd:dateTimeStamp)" in page.rejects[0].reason


def test_a_contract_with_types_of_xml_schema_1_1_can_be_asked_also_with_such_an_argument() -> None:
    asked = SCHEMA.replace(
        '<xs:element name="setSize"', '<xs:element name="asOf" type="xs:dateTimeStamp" minOccurs="0"/><xs:element name="setSize"'
    )
    fake = Fake(reply(part("A")), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: asked})
    page = next(iter(fake.connector().pull(stream(arguments={"asOf": "2026-11-01T00:00:00Z"}), Window())))
    assert page.rows.num_rows == 1 and "asOf>2026-11-01T00:00:00Z<" in fake.asked[0]


@pytest.mark.parametrize("zone", ["+09:00", "Z", "-05:00"])
def test_a_date_with_a_zone_is_held_where_nothing_is_declared(zone: str) -> None:
    page = pulled(DAY, f"2026-11-01{zone}")
    assert page.rows.num_rows == 0 and "value.zone" in page.rejects[0].reason


def test_a_date_with_the_declared_zone_is_that_date_and_one_with_another_is_held() -> None:
    page = pulled(DAY, "2026-11-01+09:00", "2026-11-01", "2026-11-01Z", **TOKYO)
    assert values(page) == [date(2026, 11, 1)] * 2 and len(page.rejects) == 1 and page.notes == ()


def test_the_offset_of_a_day_is_that_at_its_beginning() -> None:
    berlin = {"timezone": "Europe/Berlin"}
    page = pulled(DAY, "2026-03-29+01:00", "2026-03-30+02:00", "2026-10-25+02:00", "2026-10-26+01:00", **berlin)
    assert len(values(page)) == 4
    assert len(pulled(DAY, "2026-03-29+02:00", "2026-03-30+01:00", **berlin).rejects) == 2


def test_a_zone_that_may_be_dropped_leaves_the_date_as_it_stands_and_is_counted() -> None:
    page = pulled(DAY, "2026-11-01+09:00", "2026-11-01Z", "2026-11-02", zone="drop")
    assert values(page) == [date(2026, 11, 1), date(2026, 11, 1), date(2026, 11, 2)]
    assert page.notes == (Note("day", "value.zone_dropped", 2, fact=True),)
    assert "value.lexical" in pulled(DAY, "2026-11-31Z", zone="drop").rejects[0].reason
    assert "value.lexical" in pulled(DAY, "2026-11-01+15:00", zone="drop").rejects[0].reason


def test_a_month_that_is_read_as_a_date_has_a_zone_like_one() -> None:
    month = Column("month", "Month", pa.date32())
    read: dict[str, Any] = {"Month": {"from": "gYearMonth"}}
    page = pulled(month, "2026-11+09:00", "2026-11Z", read=read, **TOKYO)
    assert values(page) == [date(2026, 11, 1)] and "value.zone" in page.rejects[0].reason


@pytest.mark.parametrize(
    ("source", "text", "kept", "dropped"),
    [
        ("Opens", "09:30:00+09:00", "09:30:00+09:00", "09:30:00"),
        ("Month", "2026-11Z", "2026-11Z", "2026-11"),
        ("Year", "2026", "2026", "2026"),
    ],
)
def test_a_text_keeps_its_zone_until_it_is_declared_to_be_dropped(source: str, text: str, kept: str, dropped: str) -> None:
    column = Column("text", source, pa.string())
    assert values(pulled(column, text)) == [kept] and pulled(column, text).notes == ()
    page = pulled(column, text, zone="drop")
    told = () if kept == dropped else (Note("text", "value.zone_dropped", 1, fact=True),)
    assert values(page) == [dropped] and page.notes == told


def test_a_time_on_the_clock_takes_the_declared_zone_or_drops_it() -> None:
    text = "2026-11-01T09:00:00+09:00"
    assert "value.zone" in pulled(CLOCK, text).rejects[0].reason
    assert values(pulled(CLOCK, text, **TOKYO)) == [datetime(2026, 11, 1, 9)]
    page = pulled(CLOCK, text, zone="drop")
    assert values(page) == [datetime(2026, 11, 1, 9)] and page.notes == (Note("at", "value.zone_dropped", 1, fact=True),)


def test_times_are_cut_by_whole_columns_and_equal_days_with_zones_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    careful: list[str] = []

    def counted(cell: Any, raw: Any, *rest: Any) -> Any:
        careful.append(raw)
        return value_of(cell, raw, *rest)

    monkeypatch.setattr("connectors.soap.values.value_of", counted)
    stamps = [f"2026-11-01T00:00:0{at}.1234567Z" for at in range(9)]
    assert pulled(AT, *stamps, finer="truncate").notes == (Note("at", "value.truncated", 9, fact=True),)
    assert careful == []
    assert len(values(pulled(DAY, *["2026-11-01+09:00"] * 9, **TOKYO))) == 9 and careful == ["2026-11-01+09:00"]
