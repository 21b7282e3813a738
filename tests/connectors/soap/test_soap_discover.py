"""What a contract could give: every operation with its shape, and whether the server obeys what it offers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from soap_fake import EMPTY, SCHEMA, SOURCE, WSDL, WSDL_URL, Fake, part, reply, stream
from test_soap_sources import NAV_WSDL, NETSUITE_WSDL, SAP_WSDL, wsdl

from connectors.capabilities import OperationShape
from connectors.protocol import Offer, Stream
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


JUCHU = wsdl(
    "urn:juchu",
    '<xs:schema targetNamespace="urn:juchu" xmlns:t="urn:juchu" elementFormDefault="qualified">'
    '<xs:complexType name="Row"><xs:sequence><xs:element name="更新日時" type="xs:dateTime"/><xs:element name="受注番号" type="xs:string"/>'
    '<xs:element name="単価" type="xs:decimal"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Result"><xs:sequence><xs:element name="結果コード" type="xs:int"/><xs:element name="メッセージ" type="xs:string"/>'
    '<xs:element name="総件数" type="xs:int"/><xs:element name="受注" type="t:Row" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Asked"><xs:sequence><xs:element name="offset" type="xs:int"/><xs:element name="count" type="xs:int"/>'
    '<xs:element name="changedSince" type="xs:dateTime" minOccurs="0"/><xs:element name="kaisha" type="xs:string"/>'
    '<xs:element name="soko" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>'
    '<xs:element name="GetOrders" type="t:Asked"/><xs:element name="Orders" type="t:Result"/></xs:schema>',
    GetOrders=("t:GetOrders", "t:Orders"),
)


def offered(text: str, **config: Any) -> Offer:
    return next(iter(Fake(httpx.Response(500), documents={WSDL_URL: text}).connector(**config).discover()))


def test_an_offer_reads_japanese_names_and_a_request_that_counts_and_takes_an_instant() -> None:
    source = offered(JUCHU).source
    assert source["ok"] == {"path": "結果コード", "values": ["0"]} and source["message"] == "メッセージ"
    assert source["paging"] == {"kind": "offset", "request": "offset", "size": "count", "page": 1000} and source["total"] == "総件数"
    assert source["changed_since"] == {"field": "更新日時", "request": "changedSince", "type": "dateTime"}
    assert "row_count" not in source


def test_the_key_of_an_offer_holds_no_update_time() -> None:
    assert offered(JUCHU).key == ("受注番号",)
    unnamed = JUCHU.replace("受注番号", "件名")
    assert offered(unnamed).key == ("件名", "単価")


def test_an_offer_names_the_elements_of_the_request_that_nothing_gives() -> None:
    said = "\n".join(offered(JUCHU).notes)
    assert "nothing gives these elements of the request: kaisha (string, required), soko (string)." in said
    assert "kaisha" not in "\n".join(offered(JUCHU, auth={"body": {"kaisha": "01"}}).notes)


def test_an_offer_names_headers_that_the_wsdl_has_and_the_project_does_not_give() -> None:
    header = '<s:header message="t:In" part="Ninsho" use="literal"/>'
    text = WSDL.replace('<w:input><s:body use="literal"/>', f'<w:input><s:body use="literal"/>{header}')
    assert "the WSDL has headers for it: Ninsho." in "\n".join(offered(text).notes)
    given = {"headers": [{"name": "Ninsho", "namespace": "urn:parts", "values": {"User": "a"}}]}
    assert "headers for it" not in "\n".join(offered(text, auth=given).notes)
