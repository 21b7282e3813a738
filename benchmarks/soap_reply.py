"""The reply that the SOAP measures read: a contract of 20 columns, and replies of any length made of the same few thousand rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.protocol import Column

#: Rows that differ; a longer reply repeats them.
PIECE = 4000
NS = "urn:parts"
#: Name, XSD type; then what becomes of it is said by ``columns``.
TYPES = {
    "Key": "string",
    "Code": "string",
    "Name": "string",
    "Town": "string",
    "Note": "string",
    "Stock": "int",
    "Minimum": "int",
    "Lot": "long",
    "Serial": "long",
    "Price": "decimal",
    "Cost": "decimal",
    "Tax": "decimal",
    "Total": "decimal",
    "Since": "date",
    "Until": "date",
    "Created": "dateTime",
    "Modified": "dateTime",
    "Active": "boolean",
    "Blocked": "boolean",
    "Weight": "double",
}
_ROW = "".join(f'<xs:element name="{name}" type="xs:{kind}" minOccurs="0" nillable="true"/>' for name, kind in TYPES.items())
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"><e:Body>'
)


def wsdl(endpoint: str) -> str:
    """A WSDL of one operation, ``ReadParts``, that takes nothing and answers with all rows at once."""
    return f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:p="{NS}"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{NS}">
<w:types><xs:schema targetNamespace="{NS}" elementFormDefault="qualified">
<xs:complexType name="Part"><xs:sequence>{_ROW}</xs:sequence></xs:complexType>
<xs:complexType name="Parts"><xs:sequence><xs:element name="Part" type="p:Part" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:element name="ReadParts"><xs:complexType><xs:sequence/></xs:complexType></xs:element>
<xs:element name="ReadParts_Result"><xs:complexType><xs:sequence><xs:element name="ResultCode" type="xs:string"/>
<xs:element name="RowCount" type="xs:int"/><xs:element name="List" type="p:Parts"/></xs:sequence></xs:complexType></xs:element>
</xs:schema></w:types>
<w:message name="In"><w:part name="parameters" element="p:ReadParts"/></w:message>
<w:message name="Out"><w:part name="parameters" element="p:ReadParts_Result"/></w:message>
<w:portType name="Port"><w:operation name="ReadParts"><w:input message="p:In"/><w:output message="p:Out"/></w:operation></w:portType>
<w:binding name="Binding" type="p:Port"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><w:operation name="ReadParts">
<s:operation soapAction="urn:parts:ReadParts" style="document"/><w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output>
</w:operation></w:binding>
<w:service name="Parts"><w:port name="Port" binding="p:Binding"><s:address location="{endpoint}"/></w:port></w:service></w:definitions>"""


SOURCE: dict[str, Any] = {
    "operation": "ReadParts",
    "rows": "List/Part",
    "ok": {"path": "ResultCode", "values": ["OK"]},
    "row_count": "RowCount",
}


def columns() -> tuple[Column, ...]:
    import pyarrow as pa

    from connectors.protocol import Column

    kinds = {
        "string": pa.string(),
        "int": pa.int32(),
        "long": pa.int64(),
        "decimal": pa.decimal128(18, 2),
        "date": pa.date32(),
        "dateTime": pa.timestamp("us", "UTC"),
        "boolean": pa.bool_(),
        "double": pa.float64(),
    }
    return tuple(Column(name.lower(), name, kinds[kind], name in ("Key", "Code")) for name, kind in TYPES.items())


def rows(*, typed: bool = False) -> bytes:
    """PIECE rows. ``typed`` spells them as an RPC/encoded server does, with its type on every element."""
    chance = random.Random(20261121)
    names = ("株式会社浜名製作所", "三ヶ日部品", "ベアリング 6204", "遠州ロジスティクス", "天竜第二倉庫")
    made: list[str] = []
    for at in range(PIECE):
        values = {
            "Key": f"32;EgAAAJ{chance.randrange(10**8):08d}",
            "Code": f"P-{at:07d}",
            "Name": f"{chance.choice(names)} {at}",
            "Town": chance.choice(names),
            "Note": f"棚 {at} &amp; 予備" if at % 7 == 0 else f"棚 {at}",
            "Stock": str(chance.randrange(100_000)),
            "Minimum": str(chance.randrange(1000)),
            "Lot": None if at % 5 == 0 else str(chance.randrange(10**9)),
            "Serial": str(chance.randrange(10**12)),
            **{name: f"{chance.randrange(10**8) / 100:.2f}" for name in ("Price", "Cost", "Tax", "Total")},
            "Since": f"20{chance.randrange(10, 26)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
            "Until": f"2030-{chance.randrange(1, 13):02d}-01",
            "Created": f"2026-01-{chance.randrange(1, 29):02d}T10:{at % 60:02d}:00Z",
            "Modified": f"2026-11-{chance.randrange(1, 29):02d}T10:{at % 60:02d}:00.120+09:00",
            "Active": "true" if at % 2 else "false",
            "Blocked": str(at % 2),
            "Weight": f"{chance.random() * 100:.6f}",
        }
        cells: list[str] = []
        for name, value in values.items():
            kind = f' xsi:type="xsd:{TYPES[name]}"' if typed else ""
            cells.append(f'<{name} xsi:nil="true"/>' if value is None else f"<{name}{kind}>{value}</{name}>")
        made.append(f"<Part>{''.join(cells)}</Part>")
    return "".join(made).encode()


def reply(count: int, *, typed: bool = False) -> Iterator[bytes]:
    """A reply of ``count`` rows, a multiple of PIECE, in pieces."""
    assert count % PIECE == 0
    piece = rows(typed=typed)
    inside = f' enc:arrayType="Part[{count}]"' if typed else ""
    yield f'{_ENVELOPE}<ReadParts_Result xmlns="{NS}"><ResultCode>OK</ResultCode><RowCount>{count}</RowCount><List{inside}>'.encode()
    for _ in range(count // PIECE):
        yield piece
    yield b"</List></ReadParts_Result></e:Body></e:Envelope>"


def large_wsdl(types: int) -> str:
    """The same contract with so many more complex types in it, each an extension of the one before or a struct of two of them."""
    made: list[str] = []
    for at in range(types):
        fields = "".join(
            f'<xs:element name="Field{at}_{n}" type="xs:{kind}" minOccurs="0"/>' for n, kind in enumerate(("string", "int", "date"))
        )
        if at % 4 == 3:
            base = f'<xs:complexContent><xs:extension base="p:Type{at - 1}"><xs:sequence>{fields}</xs:sequence></xs:extension></xs:complexContent>'
        else:
            inner = f'<xs:element name="Inner" type="p:Type{at - 2}" minOccurs="0" maxOccurs="unbounded"/>' if at >= 2 else ""
            base = f"<xs:sequence>{fields}{inner}</xs:sequence>"
        made.append(f'<xs:complexType name="Type{at}">{base}</xs:complexType>')
        made.append(
            f'<xs:simpleType name="Code{at}"><xs:restriction base="xs:string"><xs:enumeration value="A"/><xs:enumeration value="B"/>'
            "</xs:restriction></xs:simpleType>"
        )
    return wsdl("http://127.0.0.1/ws").replace("</xs:schema>", "".join(made) + "</xs:schema>")
