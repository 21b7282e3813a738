"""What fuzzing against the reference model found: replies that once gave a value nobody sent. Each is read by events and by arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import SCHEMA, WSDL, WSDL_URL, envelope, part, reply

from connectors.protocol import Column, Reject
from connectors.soap.bundle import fetch
from connectors.soap.decode import NotSoap, RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read
from connectors.soap.xmltree import BrokenXml

CODE = Column("code", "Code", pa.string(), required=True)
LINES = Column("lines", "Lines/Line", pa.list_(pa.struct({"no": pa.int32()})), children=(Column("no", "No", pa.int32()),))
TYPES = """<xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:minLength value="1"/><xs:maxLength value="3"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Sku"><xs:restriction base="xs:token"><xs:pattern value="[A-Z]\\d{2}|ー+"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Percent"><xs:restriction base="xs:int"><xs:minInclusive value="0"/><xs:maxExclusive value="101"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Amount"><xs:restriction base="xs:decimal"><xs:totalDigits value="4"/><xs:fractionDigits value="1"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Half"><xs:restriction base="xs:decimal"><xs:minInclusive value="100.5"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Late"><xs:restriction base="xs:date"><xs:minInclusive value="2020-01-01"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Two"><xs:restriction base="xs:hexBinary"><xs:length value="2"/></xs:restriction></xs:simpleType>
</xs:schema>"""
ELEMENTS = """<xs:element name="Short" type="p:Short" minOccurs="0"/><xs:element name="Sku" type="p:Sku" minOccurs="0"/>
<xs:element name="Percent" type="p:Percent" minOccurs="0"/><xs:element name="Amount" type="p:Amount" minOccurs="0"/>
<xs:element name="Half" type="p:Half" minOccurs="0"/><xs:element name="Late" type="p:Late" minOccurs="0"/><xs:element name="Two" type="p:Two" minOccurs="0"/>
<xs:element name="Fixed" type="xs:int" minOccurs="0" fixed="7"/><xs:element name="Name" type="xs:QName" minOccurs="0"/>
<xs:element name="Hex" type="xs:hexBinary" minOccurs="0"/><xs:element name="B64" type="xs:base64Binary" minOccurs="0"/>
<xs:element name="Day" type="xs:gMonthDay" minOccurs="0"/><xs:element name="Words" type="xs:NMTOKENS" minOccurs="0"/>
<xs:element name="Opens" type="xs:time" minOccurs="0"/>"""


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def typed(arrays: bool, inner: str, *columns: Column, attributes: str = "", rules: Rules | None = None) -> tuple[Any, list[Reject]]:
    """What the columns after the code become in a row with ``inner``, and why it was rejected."""
    schema = SCHEMA.replace("</xs:schema>", TYPES).replace('<xs:element name="Opens" type="xs:time" minOccurs="0"/>', ELEMENTS)
    contract = read(fetch(WSDL_URL, lambda url: ((WSDL if url == WSDL_URL else schema).encode(), "text/xml")))
    plan = compile_plan(contract, contract.operations["ReadParts"], rows="List/Part", columns=(CODE, *columns), scalars=("RowCount",))
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []

    def sink(block: Sequence[RawRow]) -> None:
        good, bad = batch(
            plan.cells, block, rules or Rules(), Where("R", "List/Part", 1), key=("code",), versions=[""] * len(block), scope=""
        )
        rows.extend(good.to_pylist())
        rejects.extend(bad)

    # Rows before it, so that arrays know where rows begin.
    row = part("X", inner).replace("<Part>", f"<Part{attributes}>")
    decode(io.BytesIO(reply(*(part(f"A{at}") for at in range(9)), row)), plan, sink, arrays=arrays, head=400, chunk=200_000)
    last = [row for row in rows if row["code"] == "X"]
    assert len(rows) + len(rejects) == 10
    return ([last[0][column.name] for column in columns] if last else None), rejects


STOCK, CITY, SHELF = (
    Column("stock", "Stock", pa.int32()),
    Column("city", "Place/City", pa.string()),
    Column("shelf", "Place/Shelf", pa.int16()),
)
NAME, PRICE, CURRENCY = (
    Column("name", "名称", pa.string()),
    Column("price", "Price", pa.decimal128(10, 2)),
    Column("currency", "Price@currency", pa.string()),
)
TAG = Column("tag", "Tag", pa.list_(pa.string()))


@pytest.mark.parametrize(
    ("inner", "column"),
    [
        ("<Stock>1<b/>2</Stock>", STOCK),
        ("<Stock><b>1</b></Stock>", STOCK),
        ("<名称>a<b>b</b>c</名称>", NAME),
        ("<Tag>a</Tag><Tag>b<i/>c</Tag>", TAG),
        ("<Lines><Line><No>1<b/>2</No></Line></Lines>", LINES),
    ],
)
def test_a_value_with_an_element_inside_is_no_value(arrays: bool, inner: str, column: Column) -> None:
    _, rejects = typed(arrays, inner, column)
    assert [one.column for one in rejects] == [column.name] and "value.mixed" in rejects[0].reason


@pytest.mark.parametrize("nil", ["true", "1", " true ", "yes", "TRUE", ""])
def test_a_nil_element_that_holds_a_value_or_a_nil_that_is_no_boolean_is_rejected(arrays: bool, nil: str) -> None:
    _, rejects = typed(arrays, f'<Stock xsi:nil="{nil}">12</Stock>', STOCK)
    assert [one.column for one in rejects] == ["stock"] and "value.mixed" in rejects[0].reason


@pytest.mark.parametrize("nil", ["true", "1", " true ", "\n1"])
def test_a_nil_may_have_white_space_around_it(arrays: bool, nil: str) -> None:
    assert typed(arrays, f'<Stock xsi:nil="{nil}"></Stock><名称 xsi:nil="{nil}"/>', STOCK, NAME) == ([None, None], [])
    assert typed(arrays, '<Stock xsi:nil=" 0 ">5</Stock>', STOCK) == ([5], [])


@pytest.mark.parametrize(
    ("inner", "column"),
    [
        ("<Place><City>浜松</City></Place><Place><Shelf>1</Shelf></Place>", CITY),
        ("<Place/><Place><City>浜松</City></Place>", CITY),
        ('<Price currency="JPY">1</Price><Price>1</Price>', CURRENCY),
        ('<Price>1</Price><Price currency="JPY">1</Price>', CURRENCY),
        ("<Lines><Line><No>1</No></Line></Lines><Lines/>", LINES),
        ("<Lines/><Lines><Line><No>1</No></Line></Lines>", LINES),
        ('<Lines><Line><No>1</No></Line></Lines><Lines xsi:nil="true"/>', LINES),
    ],
)
def test_a_wrapper_that_comes_twice_is_said_and_never_merged(arrays: bool, inner: str, column: Column) -> None:
    _, rejects = typed(arrays, inner, column)
    assert [one.column for one in rejects] == [column.name] and "value.twice" in rejects[0].reason


@pytest.mark.parametrize(
    ("element", "kind", "good", "bad"),
    [
        ("Short", pa.string(), "高い山", ""),
        ("Short", pa.string(), "abc", "abcd"),
        ("Sku", pa.string(), " A12 ", "a12"),
        ("Sku", pa.string(), "ーー", "A123"),
        ("Percent", pa.int32(), "100", "101"),
        ("Percent", pa.int32(), "+0", "-1"),
        ("Amount", pa.decimal128(4, 1), "100.50", "100.55"),
        ("Amount", pa.decimal128(20, 10), "-0123.4000", "12.34"),
        ("Amount", pa.decimal128(20, 10), "1234", "12345"),
        ("Percent", pa.decimal128(2, 1), "9", "-1"),
        ("Half", pa.int32(), "101", "100"),
        ("Late", pa.date32(), "2020-01-01", "2019-12-31"),
        ("Two", pa.binary(), "0aFF", "0aFFFF"),
        ("Fixed", pa.int32(), "07", "8"),
        ("Day", pa.string(), "--02-29", "--02-30"),
        ("Day", pa.string(), "--11-30+14:00", "--11-30+14:01"),
        ("Hex", pa.binary(), "\n0aFF ", "0a FF"),
        ("B64", pa.binary(), "YQ = =\n", "YR=="),
        ("B64", pa.binary(), "YWI=", "YWJ="),
        ("B64", pa.binary(), "YWI=", "YW\u3000I="),
        ("Opens", pa.string(), "10:00:00-14:00", "10:00:00-14:30"),
    ],
)
def test_facets_and_forms_hold_for_every_value(arrays: bool, element: str, kind: pa.DataType, good: str, bad: str) -> None:
    column = Column("it", element, kind)
    values, rejects = typed(arrays, f"<{element}>{good}</{element}>", column)
    assert values and values[0] is not None and not rejects
    _, rejects = typed(arrays, f"<{element}>{bad}</{element}>", column)
    assert [one.column for one in rejects] == ["it"]


def test_a_list_is_cut_at_the_white_space_of_xml_and_at_no_other(arrays: bool) -> None:
    assert typed(arrays, "<Words>a\n b　c</Words>", Column("it", "Words", pa.list_(pa.string()))) == ([["a", "b　c"]], [])


@pytest.mark.parametrize(
    ("attributes", "text", "expected"),
    [
        (' xmlns:q="urn:q"', "q:部品", "{urn:q}部品"),
        (' xmlns:q="urn:q"', " q:x\n", "{urn:q}x"),
        ("", "x", "{urn:parts}x"),
        ("", "nix:x", None),
        ("", "a:b:c", None),
        ("", "", None),
        ("", "1x y", None),
    ],
)
def test_a_qualified_name_is_read_by_the_prefixes_in_scope(arrays: bool, attributes: str, text: str, expected: str | None) -> None:
    values, rejects = typed(arrays, f"<Name>{text}</Name>", Column("it", "Name", pa.string()), attributes=attributes)
    assert (values, len(rejects)) == (([expected], 0) if expected else (None, 1))


def test_a_count_with_an_element_inside_is_no_count(arrays: bool) -> None:
    from soap_replies import raw

    content = reply(count=12).replace(b">12<", b">1<b/>2<")
    with pytest.raises(NotSoap, match="RowCount"):
        raw(content, arrays=arrays)


@pytest.mark.parametrize(
    "encoding",
    ["hex", "zlib", "bz2", "rot13", "utf-7", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "uu"],
)
def test_a_codec_of_python_that_is_no_encoding_of_xml_is_unknown(encoding: str) -> None:
    from soap_replies import raw

    with pytest.raises(BrokenXml, match="unknown"):
        raw(envelope("+2AA-", head=f'<?xml version="1.0" encoding="{encoding}"?>'))


@pytest.mark.parametrize(
    "encoding",
    [
        "UTF-8",
        "utf8",
        "US-ASCII",
        "ISO-8859-1",
        "latin1",
        "ISO-8859-15",
        "windows-1252",
        "EUC-JP",
        "ISO-2022-JP",
        "Shift_JIS",
        "GB18030",
        "GBK",
        "Big5",
        "EUC-KR",
        "KOI8-R",
    ],
)
def test_encodings_that_servers_name_are_known(encoding: str) -> None:
    from soap_replies import raw

    rows, _, _ = raw(reply(part("A"), head=f'<?xml version="1.0" encoding="{encoding}"?>'))
    assert rows[0][:2] == ["k-A", "A"]
