"""Elements that a WSDL leaves open (xsd:any), and elements that come again with the same text: read where a contract says so, strictly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import WSDL_URL, Fake, envelope
from test_soap_sources import wsdl

from connectors.errors import ContractBroken
from connectors.protocol import Column, Page, Stream, Window

NS = "urn:open"
SERVED = wsdl(
    NS,
    f'''<xs:schema targetNamespace="{NS}" xmlns:t="{NS}" elementFormDefault="qualified"><xs:element name="read"><xs:complexType/></xs:element>
<xs:element name="answer"><xs:complexType><xs:sequence><xs:element name="row" minOccurs="0" maxOccurs="unbounded" type="t:Row"/></xs:sequence></xs:complexType></xs:element>
<xs:complexType name="Row"><xs:sequence><xs:element name="Id" type="xs:string"/><xs:element name="More" minOccurs="0" type="t:More"/><xs:any namespace="##targetNamespace" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence></xs:complexType>
<xs:complexType name="More"><xs:sequence><xs:element name="Text" type="xs:string"/></xs:sequence></xs:complexType></xs:schema>''',
    Read=("t:read", "t:answer"),
)
ID = Column("id", "Id", pa.string(), required=True)
AMOUNT = Column("amount", "Amount", pa.decimal128(10, 2))
SOURCE: dict[str, Any] = {"operation": "Read", "rows": "row", "read": {"Amount": {"from": "any"}}}


def fake(rows: str) -> Fake:
    return Fake(envelope(f'<answer xmlns="{NS}">{rows}</answer>'), documents={WSDL_URL: SERVED})


def page(rows: str, *columns: Column, **source: Any) -> Page:
    what = Stream("erp", "rows", {**SOURCE, **source}, ("id",), (ID, *(columns or (AMOUNT,))))
    (found,) = fake(rows).connector().pull(what, Window())
    return found


def test_a_declared_element_of_what_is_left_open_is_read_by_the_contract_s_own_type() -> None:
    rows = "<row><Id>1</Id><Amount>12.5</Amount></row><row><Id>2</Id></row><row><Id>3</Id><Amount>12,5</Amount></row>"
    found = page(rows)
    assert [str(value) for value in found.rows.column("amount").to_pylist()] == ["12.50", "None"]
    assert found.rejects[0].key == "3" and "12,5" in found.rejects[0].reason


@pytest.mark.parametrize("inner", ["<Amount>1</Amount><Amount>1</Amount>", "<Amount><Value>1</Value></Amount>"])
def test_what_is_left_open_is_as_strict_as_the_rest(inner: str) -> None:
    found = page(f"<row><Id>1</Id>{inner}</row>")
    assert found.rows.num_rows == 0 and found.rejects[0].column == "amount"


def test_an_element_of_another_namespace_is_another_element() -> None:
    assert page('<row><Id>1</Id><Amount xmlns="urn:else">1</Amount></row>').rows.column("amount").to_pylist() == [None]


def test_an_element_that_nobody_declared_is_gone_and_not_open() -> None:
    with pytest.raises(ContractBroken) as caught:
        page("", read={})
    assert caught.value.code == "soap.column_gone"
    with pytest.raises(ContractBroken):
        page("", Column("inner", "More/Amount", pa.string()), read={"More/Amount": {"from": "any"}})


def test_the_live_schema_has_a_declared_element_of_what_is_left_open() -> None:
    found = fake("").connector().describe(Stream("erp", "rows", SOURCE, ("id",), (ID, AMOUNT)))
    assert {one.source: one.type for one in found.fields}["Amount"] == AMOUNT.type


@pytest.mark.parametrize(
    ("ids", "held"), [("<Id>1</Id><Id>1</Id>", False), ("<Id>1</Id><Id>1</Id><Id>1</Id>", False), ("<Id>1</Id><Id>2</Id>", True)]
)
def test_an_element_that_repeats_itself_is_one_and_one_that_contradicts_itself_is_held(ids: str, held: bool) -> None:
    found = page(f"<row>{ids}</row><row><Id>9</Id></row>", read={**SOURCE["read"], "Id": {"repeats": True}})
    assert found.rows.column("id").to_pylist() == (["9"] if held else ["1", "9"])
    assert [one.column for one in found.rejects] == (["id"] if held else [])


def test_an_element_of_a_body_may_be_there_only_without_a_bound() -> None:
    body = '<read xmlns="urn:open" xmlns:f="urn:fortnight:template"><a f:unless="since"/><b f:when="since">{since}</b></read>'
    for window, wanted in ((Window(), "<a/>"), (Window(since=datetime(2026, 11, 1, tzinfo=UTC)), "<b>2026-11-01T00:00:00Z</b>")):
        served = fake("")
        what = Stream("erp", "rows", {**SOURCE, "body": body, "changed_since": {"type": "dateTime"}}, ("id",), (ID, AMOUNT))
        list(served.connector().pull(what, window))
        assert wanted in served.asked[0] and ("<a/>" in served.asked[0]) is window.full
