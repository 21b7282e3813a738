"""What a contract could give: every operation with its shape, and whether the server obeys what it offers."""

from __future__ import annotations

import httpx
import pytest
from soap_fake import EMPTY, SCHEMA, SOURCE, WSDL, WSDL_URL, Fake, part, reply, stream
from test_soap_sources import NAV_WSDL, NETSUITE_WSDL, SAP_WSDL, wsdl

from connectors.capabilities import OperationShape
from connectors.protocol import Stream
from connectors.soap.bundle import fetch
from connectors.soap.components import Contract
from connectors.soap.config import SourceSpec, source_spec
from connectors.soap.discover import shapes
from connectors.soap.probe import Finding, probe_filter
from connectors.soap.wsdl import read

XSD_URL = "https://erp.example/ws/Parts?xsd=parts.xsd"
HANDLES = wsdl(
    "urn:h",
    '<xs:schema targetNamespace="urn:h" xmlns:t="urn:h"><xs:complexType name="Handle"><xs:sequence><xs:element name="Number" type="xs:int"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Handles"><xs:sequence><xs:element name="Handle" type="t:Handle" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Debtor"><xs:sequence><xs:element name="Name" type="xs:string"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Debtors"><xs:sequence><xs:element name="Debtor" type="t:Debtor" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Nothing"/><xs:element name="GetAll" type="t:Nothing"/><xs:element name="All"><xs:complexType><xs:sequence><xs:element name="Handles" type="t:Handles"/>'
    '</xs:sequence></xs:complexType></xs:element><xs:element name="GetData" type="t:Handles"/><xs:element name="Data" type="t:Debtors"/></xs:schema>',
    Debtor_GetAll=("t:GetAll", "t:All"),
    Debtor_GetDataArray=("t:GetData", "t:Data"),
)


def contract(text: str) -> Contract:
    documents = {WSDL_URL: text, XSD_URL: SCHEMA}
    return read(fetch(WSDL_URL, lambda url: (documents[url].encode(), "text/xml")))


def shape(text: str, name: str) -> OperationShape:
    return next(one for one in shapes(contract(text)) if one.operation == name)


@pytest.mark.parametrize(
    ("text", "operation", "rows", "paging"),
    [
        (WSDL, "ReadParts", "List/Part", "bookmark"),
        (NAV_WSDL, "ReadMultiple", "ReadMultiple_Result/Item", "bookmark"),
        (SAP_WSDL, "FindByElements", "Material", "token"),
        (HANDLES, "Debtor_GetAll", "Handles/Handle", "handles"),
        (HANDLES, "Debtor_GetDataArray", "Debtor", "none"),
    ],
)
def test_each_operation_shows_its_rows_and_the_paging_it_looks_like(text: str, operation: str, rows: str, paging: str) -> None:
    found = shape(text, operation)
    assert (found.rows, found.paging, found.readable) == (rows, paging, True)
    assert found.form == "1.1 document/literal"


def test_an_operation_that_lists_nothing_is_shown_and_is_not_readable() -> None:
    found = shape(NETSUITE_WSDL, "search")
    assert found.inputs == ("searchRecord",) and not found.readable


def test_an_operation_that_the_contract_leaves_in_pieces_is_shown_with_the_reason() -> None:
    broken = WSDL.replace('<w:part name="parameters" element="p:ReadParts_Result"/>', '<w:part name="parameters" element="p:Gone"/>')
    found = shape(broken, "ReadParts")
    assert "Gone is named but not defined" in found.dropped and not found.readable


def server(*, future: bytes, past: bytes, whole: bytes) -> Fake:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.content.decode()
        content = future if "2100" in asked else past if "1990" in asked else whole
        return httpx.Response(200, content=content, headers={"Content-Type": "text/xml"})

    return Fake(answer)


ROWS = reply(part("A"), part("B"))


def probed(fake: Fake, **source: object) -> Finding:
    what = stream(**source)
    spec: SourceSpec = source_spec(what.id, what.source)
    return probe_filter(fake.connector()._services.client("", stream="-"), Stream(what.system, what.name, what.source, (), ()), spec)


@pytest.mark.parametrize(
    ("future", "past", "whole", "verdict"),
    [
        (EMPTY, ROWS, ROWS, "obeyed"),
        (ROWS, ROWS, ROWS, "ignored"),
        (EMPTY, EMPTY, ROWS, "matches_nothing"),
        (EMPTY, EMPTY, EMPTY, "unknown"),
    ],
)
def test_a_probe_tells_a_filter_that_is_obeyed_from_one_that_is_not(future: bytes, past: bytes, whole: bytes, verdict: str) -> None:
    assert probed(server(future=future, past=past, whole=whole)).verdict == verdict


def test_a_probe_sees_an_ignored_filter_in_a_body_written_by_hand() -> None:
    body = '<ReadParts xmlns="urn:parts" xmlns:f="urn:fortnight:template"><filter f:when="since"><Field>Modified</Field><Criteria>{since?}..</Criteria></filter><setSize>{size}</setSize></ReadParts>'
    assert probed(server(future=ROWS, past=ROWS, whole=ROWS), body=body, paging={"kind": "none"}).verdict == "ignored"


def test_an_offer_says_that_the_server_ignores_the_filter() -> None:
    fake = server(future=ROWS, past=ROWS, whole=ROWS)
    fake.documents[XSD_URL] = SCHEMA
    (offer,) = fake.connector().discover()
    assert offer.source["changed_since"] == SOURCE["changed_since"]
    assert any("ignores the filter by Modified" in note for note in offer.notes)
    (good,) = server(future=EMPTY, past=ROWS, whole=ROWS).connector().discover()
    assert not any("filter by Modified" in note for note in good.notes)
