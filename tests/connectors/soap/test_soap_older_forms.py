"""How SAP and JD Edwards write numbers, days, times and amounts, declared column by column."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soap_fake import EMPTY, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, with_parts

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column, Page, Window
from connectors.soap.forms import Currency, shifted, written

FIELD = (
    '<xs:complexType name="Item"><xs:sequence><xs:element name="Net" type="xs:decimal"/><xs:element name="Waers" type="xs:string" minOccurs="0"/>'
    "</xs:sequence></xs:complexType>"
    '<xs:complexType name="Items"><xs:sequence><xs:element name="item" type="p:Item" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
)
SCHEMA = with_parts(
    '<xs:element name="Text" type="xs:string" minOccurs="0"/><xs:element name="Number" type="xs:decimal" minOccurs="0"/>'
    '<xs:element name="Dmbtr" type="xs:decimal" minOccurs="0"/><xs:element name="Waers" type="xs:string" minOccurs="0"/>'
    '<xs:element name="Items" type="p:Items" minOccurs="0"/>',
    FIELD,
)
CURRENCY: dict[str, Any] = {"source": "Waers", "decimals": {"JPY": 0, "BHD": 3, "*": 2}}
AMOUNT = Column("amount", "Dmbtr", pa.decimal128(15, 3))


def pulled(*rows: str, columns: tuple[Column, ...], **source: Any) -> Page:
    fake = Fake(reply(*(part(f"A{at}", row) for at, row in enumerate(rows))), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    return next(iter(fake.connector().pull(stream(*columns, **source), Window())))


def text(value: str, kind: pa.DataType, form: str, **more: Any) -> Page:
    return pulled(f"<Text>{value}</Text>", columns=(Column("it", "Text", kind),), read={"Text": {"from": "string", "form": form}}, **more)


@pytest.mark.parametrize(
    ("form", "kind", "sent", "value"),
    [
        ("trailing_minus", pa.decimal128(9, 2), " 12.50-", Decimal("-12.50")),
        ("trailing_minus", pa.decimal128(9, 2), "12.5 ", Decimal("12.50")),
        ("trailing_minus", pa.int32(), "-7", -7),
        ("trailing_minus", pa.int32(), "7-", -7),
        ("grouped", pa.decimal128(12, 2), "1,234,567.50", Decimal("1234567.50")),
        ("grouped", pa.decimal128(12, 2), " -12,345 ", Decimal("-12345.00")),
        ("grouped", pa.decimal128(12, 2), "999", Decimal("999.00")),
        ("grouped", pa.int64(), "1,200", 1200),
        ("cyyddd", pa.date32(), "126315", date(2026, 11, 11)),
        ("cyyddd", pa.date32(), "99365", date(1999, 12, 31)),
        ("cyyddd", pa.date32(), "1", date(1900, 1, 1)),
        ("cyyddd", pa.date32(), "124366", date(2024, 12, 31)),
        ("cyyddd", pa.date32(), "0", None),
        ("dats", pa.date32(), "20261101", date(2026, 11, 1)),
        ("dats", pa.date32(), "2026-11-01", date(2026, 11, 1)),
        ("dats", pa.date32(), "00000000", None),
        ("dats", pa.date32(), "0000-00-00", None),
        ("dats", pa.date32(), "99991231", date(9999, 12, 31)),
        ("tims", pa.string(), "093000", "09:30:00"),
        ("tims", pa.string(), "00:00:00", "00:00:00"),
    ],
)
def test_an_older_form_is_the_value_it_means(form: str, kind: pa.DataType, sent: str, value: object) -> None:
    page = text(sent, kind, form)
    assert page.rejects == () and page.rows.column("it").to_pylist() == [value]


@pytest.mark.parametrize(
    ("form", "kind", "sent", "why"),
    [
        ("trailing_minus", pa.decimal128(9, 2), "-12.50-", "value.lexical"),
        ("trailing_minus", pa.decimal128(9, 2), "12.505-", "value.inexact"),
        *[
            ("grouped", pa.decimal128(12, 2), sent, "value.lexical")
            for sent in ("12,34", "1,2345", "1234,567", "1.234,50", ",123", "1,234,", "1,,234")
        ],
        ("cyyddd", pa.date32(), "126366", "no such day"),
        ("cyyddd", pa.date32(), "126000", "no such day"),
        ("cyyddd", pa.date32(), "2026315", "CYYDDD"),
        ("cyyddd", pa.date32(), "１", "CYYDDD"),
        ("dats", pa.date32(), "20261131", "value.lexical"),
        ("dats", pa.date32(), "2026-1101", "YYYYMMDD"),
        ("dats", pa.date32(), "", "value.lexical"),
        ("tims", pa.string(), "0930", "HHMMSS"),
        ("tims", pa.string(), "246000", "value.lexical"),
    ],
)
def test_what_is_not_of_the_declared_form_holds_its_row_with_the_text_that_was_sent(
    form: str, kind: pa.DataType, sent: str, why: str
) -> None:
    page = text(sent, kind, form)
    assert page.rows.num_rows == 0 and why in page.rejects[0].reason and f"= {sent!r}" in page.rejects[0].reason


def test_what_a_stream_calls_nothing_is_nothing_in_the_form_it_is_sent_in() -> None:
    assert text("99991231", pa.date32(), "dats", null_values=["99991231"]).rows.column("it").to_pylist() == [None]
    assert text(" ", pa.date32(), "dats", empty_as_null=True).rows.column("it").to_pylist() == [None]


def test_the_point_of_an_amount_stands_where_its_currency_has_it() -> None:
    rows = [f"<Dmbtr>{amount}</Dmbtr><Waers>{unit}</Waers>" for amount, unit in (("123.45", "JPY"), ("-123.45", "EUR"), ("123.40", "BHD"))]
    page = pulled(*rows, columns=(AMOUNT,), read={"Dmbtr": {"from": "decimal", "currency": CURRENCY}})
    assert page.rows.column("amount").to_pylist() == [Decimal(12345), Decimal("-123.45"), Decimal("12.34")]


def test_equal_texts_of_different_currencies_are_different_amounts() -> None:
    rows = [f"<Dmbtr>1.00</Dmbtr><Waers>{unit}</Waers>" for unit in ("JPY", "EUR", "JPY")]
    columns = (AMOUNT, Column("unit", "Waers", pa.string()))
    page = pulled(*rows, columns=columns, read={"Dmbtr": {"from": "decimal", "currency": CURRENCY}})
    assert page.rows.select(["amount", "unit"]).to_pylist() == [
        {"amount": Decimal(100), "unit": "JPY"},
        {"amount": Decimal(1), "unit": "EUR"},
        {"amount": Decimal(100), "unit": "JPY"},
    ]


def test_an_amount_without_a_currency_that_is_known_holds_its_row_and_nothing_needs_none() -> None:
    strict = {"source": "Waers", "decimals": {"JPY": 0}}
    rows = ("<Dmbtr>1.00</Dmbtr>", "<Dmbtr>1.00</Dmbtr><Waers>EUR</Waers>", "<Dmbtr>0.00</Dmbtr>", "<Waers>JPY</Waers>")
    page = pulled(*rows, columns=(AMOUNT,), read={"Dmbtr": {"from": "decimal", "currency": strict}})
    assert page.rows.column("amount").to_pylist() == [Decimal(0), None]
    assert all("value.currency" in one.reason and "= '1.00'" in one.reason for one in page.rejects) and len(page.rejects) == 2


def test_amounts_of_a_list_go_by_the_currency_of_their_own_line() -> None:
    items = Column(
        "items", "Items/item", pa.list_(pa.struct([("net", pa.decimal128(15, 2))])), children=(Column("net", "Net", pa.decimal128(15, 2)),)
    )
    row = "<Items><item><Net>1.00</Net><Waers>JPY</Waers></item><item><Net>1.00</Net><Waers>USD</Waers></item></Items>"
    page = pulled(row, columns=(items,), read={"Items/item/Net": {"from": "decimal", "currency": CURRENCY}})
    assert page.rows.column("items").to_pylist() == [[{"net": Decimal(100)}, {"net": Decimal(1)}]]


def test_an_amount_may_have_its_currency_as_an_attribute_and_its_minus_behind() -> None:
    said = {"source": "Text@unit", "decimals": {"JPY": 0}}
    schema = SCHEMA.replace(
        'name="Text" type="xs:string" minOccurs="0"/><xs:element name="Number"',
        'name="Text" type="p:Paid" minOccurs="0"/><xs:element name="Number"',
    ).replace(
        "</xs:schema>",
        '<xs:complexType name="Paid"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="unit" type="xs:string"/></xs:extension>'
        "</xs:simpleContent></xs:complexType></xs:schema>",
    )
    fake = Fake(reply(part("A", '<Text unit="JPY">123.45-</Text>')), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: schema})
    column = Column("it", "Text", pa.decimal128(15, 0))
    told = stream(column, read={"Text": {"from": "string", "form": "trailing_minus", "currency": said}})
    assert next(iter(fake.connector().pull(told, Window()))).rows.column("it").to_pylist() == [Decimal(-12345)]


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_an_amount_keeps_every_digit_wherever_its_point_goes(minor: int, places: int) -> None:
    stored = format(Decimal(minor).scaleb(-2), "f")
    assert Decimal(shifted(stored, "XXX", Currency(source="W", decimals={"XXX": places}))) == Decimal(minor).scaleb(-places)


@given(st.dates(date(1900, 1, 1), date(2899, 12, 31)))
def test_every_day_is_read_from_its_two_forms(day: date) -> None:
    assert written("cyyddd", str((day.year - 1900) * 1000 + day.timetuple().tm_yday)) == day.isoformat()
    assert written("dats", f"{day:%Y%m%d}") == day.isoformat()


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ({"form": "dats"}, "need `from`"),
        ({"currency": CURRENCY}, "need `from`"),
        ({"from": "string", "form": "dats", "currency": CURRENCY}, "no currency"),
        ({"from": "string", "form": "dats", "epoch": "seconds"}, "one of"),
        ({"from": "string", "form": "dats", "mask": True}, "masked"),
        ({"from": "string", "form": "wareki"}, "dats"),
        ({"from": "decimal", "currency": {"source": "Waers", "decimals": {}}}, "at least 1"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_by_name(reading: dict[str, Any], why: str) -> None:
    with pytest.raises(FixConfiguration, match=why):
        pulled("", columns=(AMOUNT,), read={"Dmbtr": reading})


@pytest.mark.parametrize(
    ("form", "kind"),
    [("dats", pa.string()), ("cyyddd", pa.int32()), ("tims", pa.date32()), ("trailing_minus", pa.string()), ("grouped", pa.string())],
)
def test_a_form_and_a_column_that_can_not_hold_it_contradict_each_other(form: str, kind: pa.DataType) -> None:
    with pytest.raises(FixConfiguration, match="can't hold"):
        text("1", kind, form)


@pytest.mark.parametrize("source", ["Gone", "Dmbtr", "Tag", "Items"])
def test_a_currency_that_is_no_single_text_beside_the_amount_is_refused_by_name(source: str) -> None:
    with pytest.raises(ContractBroken, match=source):
        pulled("", columns=(AMOUNT,), read={"Dmbtr": {"from": "decimal", "currency": {"source": source, "decimals": {"JPY": 0}}}})
