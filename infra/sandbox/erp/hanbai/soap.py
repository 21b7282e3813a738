"""SOAP 1.1 RPC/encoded as NuSOAP reads and writes it: a call out of a request, a reply out of values, and its Faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from infra.sandbox.erp.contract import Element, Row, text_of
from infra.sandbox.erp.hanbai.pages import NAMESPACE
from infra.sandbox.erp.parsing import SOAP11, XSD, XSI, parsed

MEDIA_TYPE = "text/xml; charset=UTF-8"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_NIL = f"{{{XSI}}}nil"
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    f'<SOAP-ENV:Envelope SOAP-ENV:encodingStyle="{ENCODING}" xmlns:SOAP-ENV="{SOAP11}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}" '
    f'xmlns:SOAP-ENC="{ENCODING}" xmlns:tns="{NAMESPACE}"><SOAP-ENV:Body>'
)
_END = "</SOAP-ENV:Body></SOAP-ENV:Envelope>"


class NuSoapFaultError(Exception):
    """A request answered by a Fault; ``code`` is the fault code's local name."""

    def __init__(self, message: str, code: str = "Client") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Call:
    """One understood request: parts by name; a struct is a dict of texts. What was nil or not sent is not there."""

    operation: str
    parts: dict[str, str | dict[str, str]]

    def struct(self, name: str) -> dict[str, str]:
        found = self.parts.get(name)
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        found = self.parts.get(name)
        return found if isinstance(found, str) else ""


def parse(body: bytes, operations: Iterable[str]) -> Call:
    """The call in a request body; namespaces of parts and types do not matter, as they do not to NuSOAP. Raises NuSoapFaultError."""
    try:
        root = parsed(body)
    except ValueError as error:
        raise NuSoapFaultError(f"error in msg parsing:\nXML error parsing SOAP payload: {error}") from error
    found = root.findall(f"{{{SOAP11}}}Body/*")
    if root.tag != f"{{{SOAP11}}}Envelope" or len(found) != 1:
        raise NuSoapFaultError("error in msg parsing:\nno SOAP 1.1 body with one call in it")
    name = etree.QName(found[0]).localname
    if name not in operations:
        raise NuSoapFaultError(f"Operation '{name}' is not defined in the WSDL for this service")
    parts: dict[str, str | dict[str, str]] = {}
    for part in found[0]:
        if part.get(_NIL) not in ("1", "true"):
            children = {etree.QName(one).localname: one.text or "" for one in part if one.get(_NIL) not in ("1", "true")}
            parts[etree.QName(part).localname] = children if len(part) else part.text or ""
    return Call(name, parts)


def typed(name: str, element: Element, value: Any) -> str:
    """A value whose type the WSDL gave: every element says its type, nil ones too, and what is empty is an empty element of that type."""
    if element.many:
        array = f'SOAP-ENC:Array" SOAP-ENC:arrayType="tns:{element.type_name}[{len(value or ())}]"'
        if value is None:
            return f'<{name} xsi:nil="true" xsi:type="{array}/>'
        return f'<{name} xsi:type="{array}>{"".join(_struct("item", element, one) for one in value)}</{name}>'
    if element.children:
        return f'<{name} xsi:nil="true" xsi:type="tns:{element.type_name}"/>' if value is None else _struct(name, element, value)
    kind = f"xsd:{element.type.base}" if element.type else "xsd:string"
    if value is None:
        return f'<{name} xsi:nil="true" xsi:type="{kind}"/>'
    text = escape(text_of(value))
    return f'<{name} xsi:type="{kind}">{text}</{name}>' if text else f'<{name} xsi:type="{kind}"/>'


def _struct(name: str, element: Element, row: Row) -> str:
    inner = "".join(typed(child.name, child, row.get(child.name)) for child in element.children)
    return f'<{name} xsi:type="tns:{element.type_name}">{inner}</{name}>'


def untyped(name: str, row: Row) -> str:
    """An item of a list whose type NuSOAP did not find: its own type is ``xsd:``, its values say what PHP takes them for."""
    return f'<{name} xsi:type="xsd:">{"".join(_value(key, one) for key, one in row.items())}</{name}>'


def _value(name: str, value: Any) -> str:
    match value:
        case None:
            return f'<{name} xsi:nil="true"/>'
        case int():
            return f'<{name} xsi:type="xsd:int">{value}</{name}>'
        case list():
            # NuSOAP's own name for a struct that no soapval wraps.
            kind = f"unnamed_struct_use_soapval[{len(value)}]" if value else "xsd:anyType[0]"
            items = "".join(f"<item>{''.join(_value(key, one) for key, one in part.items())}</item>" for part in value)
            return f'<{name} xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="{kind}">{items}</{name}>'
        case _:
            return f'<{name} xsi:type="xsd:string">{escape(value)}</{name}>' if value else f'<{name} xsi:type="xsd:string"/>'


def listing(name: str, items: list[bytes], count: int) -> bytes:
    """A list as NuSOAP writes it when the array's item type has no name: ``:[n]``."""
    head = f'<{name} xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType=":[{count}]">'
    return b"".join((head.encode(), *items, f"</{name}>".encode()))


def reply(operation: str, code: str, label: str, *parts: bytes) -> bytes:
    """The envelope of a reply: the ``result`` struct first, then what else the operation gives."""
    said = f'<result_label xsi:type="xsd:string">{escape(label)}</result_label>' if label else '<result_label xsi:type="xsd:string"/>'
    head = (
        f'{_ENVELOPE}<ns1:{operation}Response xmlns:ns1="{NAMESPACE}"><result xsi:type="tns:result">'
        f'<result_code xsi:type="xsd:string">{code}</result_code>{said}</result>'
    )
    return b"".join((head.encode(), *parts, f"</ns1:{operation}Response>{_END}".encode()))


def fault(error: NuSoapFaultError) -> bytes:
    return (
        f'{_ENVELOPE}<SOAP-ENV:Fault><faultcode xsi:type="xsd:string">SOAP-ENV:{error.code}</faultcode><faultactor xsi:type="xsd:string"/>'
        f'<faultstring xsi:type="xsd:string">{escape(str(error))}</faultstring><detail xsi:type="xsd:string"/></SOAP-ENV:Fault>{_END}'
    ).encode()
