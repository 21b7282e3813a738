"""A tiny ERP without sockets, for the connector's tests: one WSDL with one schema beside it, and replies that a test writes by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pyarrow as pa

from connectors.protocol import Column, Stream
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.transport import TransportOptions

WSDL_URL = "https://erp.example/ws/Parts?wsdl"
NS = "urn:parts"

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:parts" targetNamespace="urn:parts" elementFormDefault="qualified">
<xs:simpleType name="Grade"><xs:restriction base="xs:string"><xs:enumeration value="A"/><xs:enumeration value="B"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Price"><xs:restriction base="xs:decimal"><xs:totalDigits value="10"/><xs:fractionDigits value="2"/></xs:restriction></xs:simpleType>
<xs:complexType name="Money"><xs:simpleContent><xs:extension base="p:Price"><xs:attribute name="currency" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="Line"><xs:sequence><xs:element name="No" type="xs:int"/><xs:element name="Text" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="Lines"><xs:sequence><xs:element name="Line" type="p:Line" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Place"><xs:sequence><xs:element name="City" type="xs:string"/><xs:element name="Shelf" type="xs:short" nillable="true"/></xs:sequence></xs:complexType>
<xs:complexType name="Part"><xs:sequence>
<xs:element name="Key" type="xs:string"/><xs:element name="Code" type="xs:string"/>
<xs:element name="名称" type="xs:string" minOccurs="0" nillable="true"/><xs:element name="Grade" type="p:Grade" minOccurs="0"/>
<xs:element name="Stock" type="xs:int" nillable="true" minOccurs="0"/><xs:element name="Price" type="p:Money" minOccurs="0"/>
<xs:element name="Since" type="xs:date" minOccurs="0"/><xs:element name="Active" type="xs:boolean" minOccurs="0"/>
<xs:element name="Place" type="p:Place" minOccurs="0"/><xs:element name="Lines" type="p:Lines" minOccurs="0"/>
<xs:element name="Tag" type="xs:token" minOccurs="0" maxOccurs="unbounded"/>
<xs:element name="Opens" type="xs:time" minOccurs="0"/><xs:element name="Modified" type="xs:dateTime" minOccurs="0"/>
</xs:sequence></xs:complexType>
<xs:complexType name="Parts"><xs:sequence><xs:element name="Part" type="p:Part" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Filter"><xs:sequence><xs:element name="Field" type="xs:string"/><xs:element name="Criteria" type="xs:string"/></xs:sequence></xs:complexType>
<xs:element name="ReadParts"><xs:complexType><xs:sequence><xs:element name="filter" type="p:Filter" minOccurs="0" maxOccurs="unbounded"/>
<xs:element name="bookmarkKey" type="xs:string" minOccurs="0" nillable="true"/><xs:element name="setSize" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="ReadParts_Result"><xs:complexType><xs:sequence><xs:element name="ResultCode" type="xs:string"/>
<xs:element name="ResultMessage" type="xs:string" minOccurs="0"/><xs:element name="RowCount" type="xs:int"/>
<xs:element name="List" type="p:Parts" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""

WSDL = """<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:p="urn:parts"
 xmlns:t="urn:parts:service" xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:parts:service">
<w:types><xs:schema><xs:import namespace="urn:parts" schemaLocation="Parts?xsd=parts.xsd"/></xs:schema></w:types>
<w:message name="In"><w:part name="parameters" element="p:ReadParts"/></w:message>
<w:message name="Out"><w:part name="parameters" element="p:ReadParts_Result"/></w:message>
<w:portType name="Port"><w:operation name="ReadParts"><w:input message="t:In"/><w:output message="t:Out"/></w:operation></w:portType>
<w:binding name="Binding" type="t:Port"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
<w:operation name="ReadParts"><s:operation soapAction="urn:parts:ReadParts" style="document"/><w:input><s:body use="literal"/></w:input>
<w:output><s:body use="literal"/></w:output></w:operation></w:binding>
<w:service name="Parts"><w:port name="Port" binding="t:Binding"><s:address location="https://erp.example/ws/Parts"/></w:port></w:service>
</w:definitions>"""

SOURCE: dict[str, Any] = {
    "operation": "ReadParts",
    "rows": "List/Part",
    "ok": {"path": "ResultCode", "values": ["OK"], "refused": ["BAD_CREDENTIALS"], "empty": ["NOT_FOUND"]},
    "message": "ResultMessage",
    "row_count": "RowCount",
    "paging": {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 2, "from": "Key"},
    "changed_since": {"field": "Modified", "criteria": "{since}.."},
}
CODE = Column("code", "Code", pa.string(), required=True)

Answer = bytes | httpx.Response | Callable[[httpx.Request], httpx.Response]


class Fake:
    """Serves documents by URL and the queued replies in turn; the last reply repeats. ``asked`` holds the request bodies."""

    def __init__(self, *answers: Answer, documents: dict[str, str] | None = None) -> None:
        self.documents = {WSDL_URL: WSDL, "https://erp.example/ws/Parts?xsd=parts.xsd": SCHEMA, **(documents or {})}
        self.answers = list(answers)
        self.asked: list[str] = []
        self.fetched: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.fetched.append(str(request.url))
            text = self.documents.get(str(request.url))
            return httpx.Response(404) if text is None else httpx.Response(200, content=text.encode(), headers={"Content-Type": "text/xml"})
        self.asked.append(request.content.decode())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            return answer(request)
        return (
            answer
            if isinstance(answer, httpx.Response)
            else httpx.Response(200, content=answer, headers={"Content-Type": "text/xml; charset=utf-8"})
        )

    def connector(self, **config: Any) -> SoapConnector:
        made = Config.model_validate({"wsdl": WSDL_URL, "auth": {"basic": {"user": "reader", "password": "correct-horse"}}, **config})
        return SoapConnector("erp", made, TransportOptions(attempts=1), httpx.MockTransport(self))


def stream(*columns: Column, key: Sequence[str] = ("code",), cursor: str | None = None, **source: Any) -> Stream:
    return Stream("erp", "parts", {**SOURCE, **source}, tuple(key), (CODE, *columns), cursor)


def part(code: str, inner: str = "") -> str:
    return f"<Part><Key>k-{code}</Key><Code>{code}</Code>{inner}</Part>"


def envelope(
    body: str, *, head: str = '<?xml version="1.0" encoding="utf-8"?>', version: str = "http://schemas.xmlsoap.org/soap/envelope/"
) -> bytes:
    return (
        f'{head}<e:Envelope xmlns:e="{version}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>{body}</e:Body></e:Envelope>'
    ).encode()


def reply(
    *parts: str,
    code: str = "OK",
    message: str = "",
    count: int | None = None,
    ns: str = NS,
    head: str = '<?xml version="1.0" encoding="utf-8"?>',
) -> bytes:
    said = len(parts) if count is None else count
    return envelope(
        f'<ReadParts_Result xmlns="{ns}"><ResultCode>{code}</ResultCode><ResultMessage>{message}</ResultMessage><RowCount>{said}</RowCount>'
        f"<List>{''.join(parts)}</List></ReadParts_Result>",
        head=head,
    )


EMPTY = reply()
