"""The drawing office's contract: one WSDL with its schema inside, a SOAP 1.2 binding, and the policies that callers must meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from infra.sandbox.erp import xsd
from infra.sandbox.erp.contract import Shape
from infra.sandbox.erp.parsing import XSD
from infra.sandbox.erp.zumen.faults import WSU
from infra.sandbox.erp.zumen.pages import APPROVALS, DOCUMENT, NAMED_TYPES, NAMESPACE


@dataclass(frozen=True)
class Operation:
    """``signed`` where the body has to be signed; ``entity`` is the row's element in a list."""

    name: str
    kind: Literal["list", "get"]
    entity: str
    signed: bool = False

    @property
    def action(self) -> str:
        return f"{NAMESPACE}:{self.name}"

    @property
    def answered(self) -> str:
        return f"{self.action}Response"


OPERATIONS: dict[str, Operation] = {
    one.name: one
    for one in (
        Operation("ListDrawings", "list", "Drawing"),
        Operation("GetDrawing", "get", "Drawing"),
        Operation("ListApprovals", "list", "Approval", signed=True),
    )
}
_VERDICT = '<xsd:element name="ResultCode" type="tns:ResultCode"/><xsd:element name="Message" type="xsd:string" minOccurs="0"/>'
_PAGED = "".join(
    f'<xsd:element name="{name}" type="xsd:int"/>' for name in ("PageIndex", "PageSize", "RowCount", "TotalRows", "TotalPages")
)
_ASKED = (
    '<xsd:element name="PageIndex" type="xsd:int"/><xsd:element name="PageSize" type="xsd:int"/>'
    '<xsd:element name="ModifiedSince" type="xsd:dateTime" minOccurs="0"/>'
)
_FILE = (
    '<xsd:complexType name="Drawing_File"><xsd:sequence><xsd:element name="File_Name" type="tns:Text100"/>'
    '<xsd:element name="Length" type="xsd:long"/><xsd:element name="Sha256" type="xsd:hexBinary"/>'
    '<xsd:element name="Content" type="xsd:base64Binary" xmime:expectedContentTypes="application/pdf"/>'
    "</xsd:sequence></xsd:complexType>\n"
)
_PREFIXES = ' xmlns:xmime="http://www.w3.org/2005/05/xmlmime"'


def _wrapper(name: str, body: str) -> str:
    return f'<xsd:element name="{name}"><xsd:complexType><xsd:sequence>{body}</xsd:sequence></xsd:complexType></xsd:element>\n'


def _schema(drawings: Shape) -> str:
    kinds = {one.type.name: one.type for one in drawings.elements if one.type and one.type.name}
    body = "".join(xsd.simple_type(kind, kind.name) + "\n" for kind in ({one.name: one for one in NAMED_TYPES} | kinds).values())
    body += xsd.abstract_type(DOCUMENT)
    for element in drawings.elements:
        if element.children and not element.subtypes:
            body += xsd.complex_type(element.type_name, element.children)
    body += xsd.complex_type("Drawing", drawings.elements) + xsd.complex_type("Approval", APPROVALS.elements) + _FILE
    for operation in OPERATIONS.values():
        row = operation.entity
        if operation.kind == "list":
            body += (
                f'<xsd:complexType name="{row}_List"><xsd:sequence><xsd:element name="{row}" type="tns:{row}" minOccurs="0" '
                'maxOccurs="unbounded"/></xsd:sequence></xsd:complexType>\n'
            )
            body += _wrapper(operation.name, _ASKED)
            body += _wrapper(
                f"{operation.name}Response", f'{_VERDICT}{_PAGED}<xsd:element name="{row}s" type="tns:{row}_List" minOccurs="0"/>'
            )
        else:
            body += _wrapper(operation.name, '<xsd:element name="Drawing_No" type="tns:Drawing_No"/>')
            parts = f'<xsd:element name="{row}" type="tns:{row}" minOccurs="0"/><xsd:element name="File" type="tns:Drawing_File" minOccurs="0"/>'
            body += _wrapper(f"{operation.name}Response", _VERDICT + parts)
    return xsd.schema(NAMESPACE, body, prefixes=_PREFIXES).removeprefix(xsd.HEAD)


_SP = "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"
_POLICIES = (
    '<wsp:Policy wsu:Id="Caller"><wsp:ExactlyOne><wsp:All><wsam:Addressing><wsp:Policy/></wsam:Addressing>'
    f'<sp:SupportingTokens xmlns:sp="{_SP}"><wsp:Policy><sp:UsernameToken sp:IncludeToken="{_SP}/IncludeToken/AlwaysToRecipient">'
    "<wsp:Policy><sp:HashPassword/><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy></sp:SupportingTokens>"
    "</wsp:All></wsp:ExactlyOne></wsp:Policy>\n"
    f'<wsp:Policy wsu:Id="SignedBody"><wsp:ExactlyOne><wsp:All><sp:SignedParts xmlns:sp="{_SP}"><sp:Body/></sp:SignedParts>'
    f'<sp:EndorsingSupportingTokens xmlns:sp="{_SP}"><wsp:Policy><sp:X509Token sp:IncludeToken="{_SP}/IncludeToken/AlwaysToRecipient">'
    "<wsp:Policy><sp:WssX509V3Token10/></wsp:Policy></sp:X509Token></wsp:Policy></sp:EndorsingSupportingTokens>"
    "</wsp:All></wsp:ExactlyOne></wsp:Policy>\n"
    '<wsp:Policy wsu:Id="Attached"><wsp:ExactlyOne><wsp:All><wsoma:OptimizedMimeSerialization '
    'xmlns:wsoma="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization"/></wsp:All></wsp:ExactlyOne></wsp:Policy>\n'
)


def _reference(policy: str) -> str:
    return f'<wsp:PolicyReference URI="#{policy}"/>'


def wsdl(drawings: Shape, service: str, action_suffix: str = "") -> bytes:
    """The WSDL of what is served at ``service``, drawings being as they are now."""
    messages, ports, bindings = "", "", ""
    for one in OPERATIONS.values():
        name, action, answered = one.name, quoteattr(one.action + action_suffix), quoteattr(one.answered + action_suffix)
        messages += f'<wsdl:message name="{name}"><wsdl:part name="parameters" element="tns:{name}"/></wsdl:message>\n'
        messages += f'<wsdl:message name="{name}Response"><wsdl:part name="parameters" element="tns:{name}Response"/></wsdl:message>\n'
        ports += (
            f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}" wsam:Action={action}/>'
            f'<wsdl:output message="tns:{name}Response" wsam:Action={answered}/></wsdl:operation>\n'
        )
        signed = _reference("SignedBody") if one.signed else ""
        attached = _reference("Attached") if one.kind == "get" else ""
        bindings += (
            f'<wsdl:operation name="{name}">{signed}<soap12:operation soapAction={action} style="document"/>'
            f'<wsdl:input><soap12:body use="literal"/></wsdl:input><wsdl:output>{attached}<soap12:body use="literal"/></wsdl:output></wsdl:operation>\n'
        )
    about = escape("桜精機㈱ 図面管理 連携サービス。日時は日本時間（タイムゾーンなし）。1 ページは 100 件まで。")
    return (
        f'{xsd.HEAD}<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" '
        f'xmlns:xsd="{XSD}" xmlns:wsam="http://www.w3.org/2007/05/addressing/metadata" xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl" '
        f'xmlns:wsp="http://www.w3.org/ns/ws-policy" xmlns:wsu="{WSU}" xmlns:tns="{NAMESPACE}" name="Zumen" targetNamespace="{NAMESPACE}">\n'
        f"{_POLICIES}<wsdl:documentation>{about}</wsdl:documentation>\n<wsdl:types>\n{_schema(drawings)}</wsdl:types>\n"
        f'{messages}<wsdl:portType name="ZumenPort">\n{ports}</wsdl:portType>\n'
        f'<wsdl:binding name="ZumenSoap12" type="tns:ZumenPort">{_reference("Caller")}<wsaw:UsingAddressing wsdl:required="true"/>'
        f'<soap12:binding transport="http://schemas.xmlsoap.org/soap/http"/>\n{bindings}</wsdl:binding>\n'
        f'<wsdl:service name="Zumen"><wsdl:port name="ZumenSoap12" binding="tns:ZumenSoap12"><soap12:address location={quoteattr(service)}/>'
        "</wsdl:port></wsdl:service>\n</wsdl:definitions>\n"
    ).encode()
