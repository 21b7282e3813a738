"""Rows, and what stands around them, as pairs of a name and a value: predicates in sources and paths, and how strict they are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import WSDL_URL, Fake, envelope
from test_soap_sources import wsdl

from connectors.errors import BrokenReply, FixConfiguration, SourceError
from connectors.protocol import Column, Page, Stream, Window

NS = "urn:pairs"
SERVED = wsdl(
    NS,
    f'''<xs:schema targetNamespace="{NS}" xmlns:t="{NS}" elementFormDefault="qualified">
<xs:complexType name="Field"><xs:sequence><xs:element name="val" type="xs:string" minOccurs="0" nillable="true"/><xs:element name="date" type="xs:date" minOccurs="0"/></xs:sequence>
<xs:attribute name="column" type="xs:string" use="required"/></xs:complexType>
<xs:complexType name="Note"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="kind" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="Row"><xs:sequence><xs:element name="fields" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="field" type="t:Field" minOccurs="0" maxOccurs="unbounded" nillable="true"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="note" type="t:Note" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Entry"><xs:sequence><xs:element name="key" type="xs:string" minOccurs="0" maxOccurs="unbounded"/><xs:element name="text" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
<xs:element name="row" type="t:Row" minOccurs="0" maxOccurs="unbounded"/><xs:element name="late" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:element name="read"><xs:complexType/></xs:element>
<xs:element name="answer"><xs:complexType><xs:sequence><xs:element name="entry" type="t:Entry" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element></xs:schema>''',
    Read=("t:read", "t:answer"),
)
SOURCE: dict[str, Any] = {
    "operation": "Read",
    "rows": "entry[key=list]/row",
    "ok": {"path": "entry[key=status]/text", "values": ["success"]},
}
NUMBER = Column("number", "fields/field[@column=DocumentNo]/val", pa.string(), required=True)
DAY = Column("day", "fields/field[@column=DateOrdered]/date", pa.date32())


def field(name: str, inner: str) -> str:
    return f'<field column="{name}">{inner}</field>'


def row(*fields: str, notes: str = "") -> str:
    return f"<row><fields>{''.join(fields)}</fields>{notes}</row>"


def entry(key: str, inner: str) -> str:
    return f"<entry><key>{key}</key>{inner}</entry>"


STATUS = entry("status", "<text>success</text>")


def pages(*entries: str, columns: tuple[Column, ...] = (NUMBER, DAY), **source: Any) -> list[Page]:
    fake = Fake(envelope(f'<answer xmlns="{NS}">{"".join(entries)}</answer>'), documents={WSDL_URL: SERVED})
    return list(fake.connector().pull(Stream("erp", "orders", {**SOURCE, **source}, ("number",), columns), Window()))


def rows(*given: str, columns: tuple[Column, ...] = (NUMBER, DAY)) -> Page:
    (page,) = pages(STATUS, entry("list", "".join(given)), columns=columns)
    return page


WHOLE = (field("DocumentNo", "<val>80001</val>"), field("DateOrdered", "<date>2026-11-02</date>"))


def test_a_value_is_found_by_its_name_in_whatever_order_the_pairs_come() -> None:
    page = rows(row(*WHOLE), row(field("Unknown", "<val>x</val>"), *reversed(WHOLE)))
    assert page.rejects == () and page.rows.column("number").to_pylist() == ["80001", "80001"]
    assert [str(day) for day in page.rows.column("day").to_pylist()] == ["2026-11-02"] * 2


def test_a_name_that_does_not_come_is_absent_and_a_pair_without_a_value_is_too() -> None:
    page = rows(row(WHOLE[0]), row(WHOLE[0], field("DateOrdered", "")), "<row/>")
    assert page.rows.column("day").to_pylist() == [None, None]
    (reject,) = page.rejects
    assert reject.column == "number" and "value.absent" in reject.reason and "row[3]/fields/field[@column=DocumentNo]/val" in reject.reason


def test_a_nil_value_is_null_where_it_may_be_and_a_value_that_does_not_fit_holds_the_row() -> None:
    page = rows(row(WHOLE[0], field("DateOrdered", "<date>2026/11/02</date>")))
    assert page.rows.num_rows == 0 and "2026/11/02" in page.rejects[0].reason and page.rejects[0].key == "80001"
    description = Column("text", "fields/field[@column=Description]/val", pa.string())
    nil = '<val xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'
    page = rows(row(WHOLE[0], field("Description", nil)), columns=(NUMBER, description))
    assert page.rows.column("text").to_pylist() == [None]


def test_a_name_that_comes_twice_holds_its_row_also_when_both_say_the_same() -> None:
    page = rows(row(*WHOLE, WHOLE[1]), row(*WHOLE))
    assert page.rows.num_rows == 1 and page.rejects[0].column == "day" and "twice" in page.rejects[0].reason


def test_pairs_in_a_wrapper_that_comes_twice_hold_their_row() -> None:
    twice = f"<row><fields>{WHOLE[0]}</fields><fields>{WHOLE[1]}</fields></row>"
    page = rows(twice, row(*WHOLE))
    assert page.rows.num_rows == 1 and "twice" in page.rejects[0].reason


def test_a_pair_without_a_name_may_be_any_so_its_row_is_held_unless_it_is_nil() -> None:
    nil = '<field xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'
    page = rows(row(*WHOLE, "<field><val>x</val></field>"), row(*WHOLE, nil))
    assert page.rows.num_rows == 1 and "value.mixed" in page.rejects[0].reason


def test_the_pair_s_own_text_and_an_attribute_of_it_are_values_too() -> None:
    memo = Column("memo", "note[@kind=memo]", pa.string())
    page = rows(row(*WHOLE, notes='<note kind="log">a</note><note kind="memo">急ぎ</note>'), row(*WHOLE), columns=(NUMBER, memo))
    assert page.rows.column("memo").to_pylist() == ["急ぎ", None]


def test_two_names_are_one_list_s_two_columns_and_of_types_of_their_own() -> None:
    total = Column("total", "fields/field[@column=GrandTotal]/val", pa.string())
    page = rows(row(*WHOLE, field("GrandTotal", "<val>1200.50</val>")), columns=(NUMBER, DAY, total))
    assert page.rows.column("total").to_pylist() == ["1200.50"]


def test_rows_of_another_pair_are_not_the_stream_s() -> None:
    (page,) = pages(STATUS, entry("other", row(field("DocumentNo", "<val>no</val>"))), entry("list", row(*WHOLE)))
    assert page.rows.column("number").to_pylist() == ["80001"]


def test_a_status_is_looked_up_by_its_name_and_without_one_nothing_counts() -> None:
    with pytest.raises(SourceError) as caught:
        pages(entry("text", "<text>success</text>"), entry("status", "<text>error</text>"), message="entry[key=why]/text")
    assert caught.value.code == "soap.not_ok"
    with pytest.raises(BrokenReply) as missing:
        pages(entry("list", row(*WHOLE)))
    assert missing.value.code == "soap.ok_missing"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ((STATUS, STATUS), "comes twice"),
        ((entry("status", "<text>success</text><text>success</text>"),), "comes twice"),
        (("<entry><key>a</key><key>status</key><text>success</text></entry>",), "2 names"),
        (("<entry><text>success</text></entry>",), "no names"),
        ((STATUS, f"<entry>{row(*WHOLE)}</entry>"), "no names"),
        ((STATUS, f"<entry>{row(*WHOLE)}<key>list</key></entry>"), "before the name list"),
    ],
)
def test_pairs_around_the_rows_that_can_t_be_told_apart_break_the_reply(entries: tuple[str, ...], why: str) -> None:
    with pytest.raises(BrokenReply, match=why):
        pages(*entries)


@pytest.mark.parametrize(
    "source", ["fields/field[@column]/val", "fields/field[@a=b][@c=d]/val", "fields/field[@column=a/val", "note[@kind=a]b"]
)
def test_a_predicate_that_is_none_is_named(source: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        rows(columns=(NUMBER, Column("x", source, pa.string())))
    assert caught.value.code == "soap.predicate"


@pytest.mark.parametrize(
    "other", [Column("all", "fields/field", pa.list_(pa.struct([("v", pa.string())])), children=(Column("v", "val", pa.string()),))]
)
def test_pairs_are_read_by_name_or_as_a_list_and_not_both(other: Column) -> None:
    with pytest.raises(FixConfiguration) as caught:
        rows(columns=(NUMBER, other))
    assert caught.value.code == "soap.column_twice"


def test_the_live_schema_has_such_columns_with_the_type_of_their_value() -> None:
    fake = Fake(envelope(""), documents={WSDL_URL: SERVED})
    memo = Column("memo", "note[@kind=memo]", pa.string())
    found = fake.connector().describe(Stream("erp", "orders", SOURCE, ("number",), (NUMBER, DAY, memo)))
    types = {one.source: (one.type, one.required) for one in found.fields}
    assert types[NUMBER.source] == (pa.string(), False) and types[DAY.source] == (pa.date32(), False)
    assert types[memo.source] == (pa.string(), False)
    other = fake.connector().describe(Stream("erp", "orders", SOURCE, ("number",), (NUMBER,)))
    assert found.fingerprint != other.fingerprint
