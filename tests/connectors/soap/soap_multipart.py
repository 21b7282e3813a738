"""Multipart replies (MTOM) of the tiny ERP, written by hand."""

from __future__ import annotations

import pyarrow as pa
from soap_fake import SCHEMA

from connectors.protocol import Column

XSD_URL = "https://erp.example/ws/Parts?xsd=parts.xsd"
PICTURES = SCHEMA.replace(
    '<xs:element name="Since"', '<xs:element name="Picture" type="xs:base64Binary" minOccurs="0"/><xs:element name="Since"'
)
PICTURE = Column("picture", "Picture", pa.binary())
INCLUDE = '<Picture><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:{}"/></Picture>'
TYPE = 'multipart/related; type="application/xop+xml"; start="<root@erp>"; start-info="text/xml"; boundary="MIME==b"'


def head(id: str, *headers: str) -> bytes:
    """What stands before a part's content."""
    lines = [f"Content-ID: <{id}>", "Content-Type: application/xop+xml", *headers]
    return b"\r\n--MIME==b\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"


def piece(id: str, content: bytes, *headers: str) -> bytes:
    return head(id, *headers) + content


def multipart(*pieces: bytes) -> bytes:
    return b"".join(pieces)[2:] + b"\r\n--MIME==b--\r\n"
