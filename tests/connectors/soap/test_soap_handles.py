"""Handles of several parts: listed once, asked for in slices, gone on from where a pull was cut."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import WSDL_URL, Fake, envelope, part, reply, stream
from test_soap_sources import wsdl

from connectors.errors import BrokenReply, FixConfiguration
from connectors.protocol import Column, Cursor, Stream, Window

BODY = """<ReadParts xmlns="urn:parts" xmlns:f="urn:fortnight:template">
<filter f:each="position"><Field>{item.Key}</Field><Criteria>{item.Code}</Criteria></filter><setSize>{size}</setSize></ReadParts>"""
LISTED: dict[str, Any] = {"operation": "ReadParts", "rows": "List/Part", "source": ["Key", "Code"]}
PAGING: dict[str, Any] = {"kind": "handles", "request": "filter", "page": 2, "handles": LISTED}


def asked(fake: Fake) -> list[list[tuple[str, str]]]:
    return [re.findall(r"<(?:\w+:)?Field>([^<]*)</(?:\w+:)?Field><(?:\w+:)?Criteria>([^<]*)<", one) for one in fake.asked]


def test_a_body_has_a_place_for_each_part_of_a_handle() -> None:
    fake = Fake(reply(part("C"), part("A"), part("B")), reply(part("A"), part("B")), reply(part("C")))
    pages = list(fake.connector().pull(stream(body=BODY, paging=PAGING, arguments={"setSize": 1}), Window()))
    assert [value for page in pages for value in page.rows.column("code").to_pylist()] == ["A", "B", "C"]
    assert asked(fake)[1:] == [[("k-A", "A"), ("k-B", "B")], [("k-C", "C")]]


def test_a_pull_goes_on_after_the_last_handle_of_several_parts_that_it_read() -> None:
    source: dict[str, Any] = {"body": BODY, "paging": PAGING, "arguments": {"setSize": 1}}
    listing = reply(part("A"), part("B"), part("C"))
    first = next(iter(Fake(listing, reply(part("A"), part("B"))).connector().pull(stream(**source), Window())))
    fake = Fake(listing, reply(part("C")))
    rest = list(fake.connector().pull(stream(**source), Window(), Cursor(json.loads(json.dumps(first.cursor.state)))))
    assert [page.rows.column("code").to_pylist() for page in rest] == [["C"]] and asked(fake)[1:] == [[("k-C", "C")]]


def test_a_handle_that_lacks_a_part_is_named() -> None:
    lacking = reply(part("A"), "<Part><Key/><Code>B</Code></Part>")
    with pytest.raises(BrokenReply, match="Key, Code"):
        list(Fake(lacking).connector().pull(stream(body=BODY, paging=PAGING, arguments={"setSize": 1}), Window()))


NS = "urn:lines"
SERVED = wsdl(
    NS,
    f'''<xs:schema targetNamespace="{NS}" xmlns:t="{NS}" elementFormDefault="qualified">
<xs:complexType name="Handle"><xs:sequence><xs:element name="Id" type="xs:int"/><xs:element name="Number" type="xs:int"/></xs:sequence></xs:complexType>
<xs:complexType name="Handles"><xs:sequence><xs:element name="LineHandle" type="t:Handle" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:element name="GetAll"><xs:complexType/></xs:element>
<xs:element name="GetAllResponse"><xs:complexType><xs:sequence><xs:element name="GetAllResult" type="t:Handles"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="GetDataArray"><xs:complexType><xs:sequence><xs:element name="entityHandles" type="t:Handles"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="GetDataArrayResponse"><xs:complexType><xs:sequence><xs:element name="Line" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="Handle" type="t:Handle"/></xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>''',
    GetAll=("t:GetAll", "t:GetAllResponse"),
    GetDataArray=("t:GetDataArray", "t:GetDataArrayResponse"),
)
LINES: dict[str, Any] = {
    "operation": "GetDataArray",
    "rows": "Line",
    "paging": {
        "kind": "handles",
        "request": "entityHandles/LineHandle",
        "page": 2,
        "handles": {"operation": "GetAll", "rows": "GetAllResult/LineHandle", "source": ["Id", "Number"]},
    },
}


def handle(id: int, number: int, name: str = "LineHandle") -> str:
    return f"<{name}><Id>{id}</Id><Number>{number}</Number></{name}>"


def test_without_a_body_the_request_has_an_element_of_all_parts_for_each_handle() -> None:
    listing = "".join(handle(7, number) for number in (2, 1, 3))

    def lines(*numbers: int) -> bytes:
        inner = "".join(f"<Line>{handle(7, number, 'Handle')}</Line>" for number in numbers)
        return envelope(f'<GetDataArrayResponse xmlns="{NS}">{inner}</GetDataArrayResponse>')

    fake = Fake(
        envelope(f'<GetAllResponse xmlns="{NS}"><GetAllResult>{listing}</GetAllResult></GetAllResponse>'),
        lines(1, 2),
        lines(3),
        documents={WSDL_URL: SERVED},
    )
    columns = (Column("id", "Handle/Id", pa.int32(), required=True), Column("number", "Handle/Number", pa.int32(), required=True))
    pages = list(fake.connector().pull(Stream("erp", "lines", LINES, ("id", "number"), columns), Window()))
    assert [page.rows.column("number").to_pylist() for page in pages] == [[1, 2], [3]]
    sent = [re.findall(r"<(?:\w+:)?(LineHandle|Id|Number)>([^<]*)", one) for one in fake.asked[1:]]
    assert sent == [
        [("LineHandle", ""), ("Id", "7"), ("Number", "1"), ("LineHandle", ""), ("Id", "7"), ("Number", "2")],
        [("LineHandle", ""), ("Id", "7"), ("Number", "3")],
    ]


def test_the_handles_of_changes_have_as_many_parts_as_those_of_all() -> None:
    changed = {"operation": "ReadParts", "request": "setSize", "source": "Key"}
    with pytest.raises(FixConfiguration, match="as many parts"):
        list(Fake(b"").connector().pull(stream(body=BODY, paging={**PAGING, "handles": {**LISTED, "changed": changed}}), Window()))


def test_handles_for_which_no_row_came_are_told() -> None:
    """They may be rows that went meanwhile, and just as well those beyond what a server gives at once."""
    fake = Fake(reply(*(part(code) for code in "ABCDE")), reply(part("A")), reply(part("C"), part("D")), reply())
    source: dict[str, Any] = {"body": BODY, "paging": PAGING, "arguments": {"setSize": 1}}
    notes = [
        (one.column, one.what, one.count, one.fact) for page in fake.connector().pull(stream(**source), Window()) for one in page.notes
    ]
    assert notes == [("filter", "handles.unanswered", 1, True), ("filter", "handles.unanswered", 1, True)]
