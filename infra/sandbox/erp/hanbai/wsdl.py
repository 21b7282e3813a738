"""The sales system's WSDL as NuSOAP prints it: RPC/encoded, said to be ISO-8859-1, with an import that points to schemas.xmlsoap.org."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from infra.sandbox.erp.contract import Element, Shape
from infra.sandbox.erp.hanbai.pages import (
    AUTHENTICATION,
    CUSTOMER,
    CUSTOMERS,
    FILTER_CUSTOMERS,
    FILTER_INVOICES,
    INVOICE,
    LINE,
    NAMESPACE,
    RESULT,
    VERSIONS,
)
from infra.sandbox.erp.hanbai.soap import ENCODING
from infra.sandbox.erp.parsing import SOAP11, XSD, XSI


@dataclass(frozen=True)
class Operation:
    """``inputs`` come after ``authentication``, ``outputs`` after ``result``; each is a part's name and type."""

    name: str
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    about: str

    @property
    def action(self) -> str:
        return f"{NAMESPACE}#{self.name}"


_ONE = (("id", "xsd:string"), ("ref", "xsd:string"), ("ref_ext", "xsd:string"))
OPERATIONS: dict[str, Operation] = {
    one.name: one
    for one in (
        Operation("getVersions", (), tuple((element.name, "xsd:string") for element in VERSIONS), "WS to get versions"),
        Operation("getCustomer", _ONE, (("customer", "tns:customer"),), "WS to get a customer"),
        Operation(
            "getListOfCustomers",
            (("filtercustomer", "tns:filtercustomer"),),
            (("customers", "tns:CustomersArray"),),
            "WS to list customers",
        ),
        Operation("getInvoice", _ONE, (("invoice", "tns:invoice"),), "WS to get a sales invoice"),
        Operation(
            "getListOfInvoices",
            (("filterinvoice", "tns:filterinvoice"),),
            (("invoices", "tns:InvoicesArray"),),
            "WS to list sales invoices",
        ),
        # Whoever added this one forgot its type: a reader of WSDLs drops the message, and the operation with it.
        Operation("getListOfPayments", (), (("payments", "tns:PaymentsArray"),), "WS to list payments"),
    )
}


def _struct(name: str, elements: Iterable[Element]) -> str:
    inner = "".join(f'   <xsd:element name="{one.name}" type="{_type(one)}"/>\n' for one in elements)
    return f' <xsd:complexType name="{name}">\n  <xsd:all>\n{inner}  </xsd:all>\n </xsd:complexType>\n'


def _type(element: Element) -> str:
    if element.children:
        return "tns:LinesArray"
    return f"xsd:{element.type.base}" if element.type else "xsd:string"


def _array(name: str, item: str) -> str:
    return (
        f' <xsd:complexType name="{name}">\n  <xsd:complexContent>\n   <xsd:restriction base="SOAP-ENC:Array">\n'
        f'    <xsd:attribute ref="SOAP-ENC:arrayType" wsdl:arrayType="tns:{item}[]"/>\n'
        "   </xsd:restriction>\n  </xsd:complexContent>\n </xsd:complexType>\n"
    )


def _types(invoices: Shape) -> str:
    structs = (
        ("authentication", AUTHENTICATION),
        ("result", RESULT),
        ("filtercustomer", FILTER_CUSTOMERS),
        ("filterinvoice", FILTER_INVOICES),
        ("customer", CUSTOMER),
        ("customer_short", CUSTOMERS.elements),
        ("line", LINE),
        ("invoice", INVOICE),
        ("invoice_short", invoices.elements),
    )
    arrays = (("LinesArray", "line"), ("CustomersArray", "customer_short"), ("InvoicesArray", "invoice_short"))
    return (
        f'<types>\n<xsd:schema targetNamespace="{NAMESPACE}"\n>\n'
        f' <xsd:import namespace="{ENCODING}" schemaLocation="{ENCODING}"/>\n'
        f"{''.join(_struct(*one) for one in structs)}{''.join(_array(*one) for one in arrays)}</xsd:schema>\n</types>\n"
    )


def wsdl(invoices: Shape, service: str, action_suffix: str = "") -> bytes:
    """The WSDL of what is served at ``service``, the list of invoices being as it is now. Pure ASCII under its Latin-1 label."""
    messages, ports, bindings = "", "", ""
    body = f'<soap:body use="encoded" namespace="{NAMESPACE}" encodingStyle="{ENCODING}"/>'
    for one in OPERATIONS.values():
        for kind, parts in (
            ("Request", (("authentication", "tns:authentication"), *one.inputs)),
            ("Response", (("result", "tns:result"), *one.outputs)),
        ):
            inner = "".join(f'\n  <part name="{name}" type="{type_name}" />' for name, type_name in parts)
            messages += f'<message name="{one.name}{kind}">{inner}</message>\n'
        ports += (
            f'  <operation name="{one.name}">\n    <documentation>{escape(one.about)}</documentation>\n'
            f'    <input message="tns:{one.name}Request"/>\n    <output message="tns:{one.name}Response"/>\n  </operation>\n'
        )
        bindings += (
            f'  <operation name="{one.name}">\n    <soap:operation soapAction={quoteattr(one.action + action_suffix)} style="rpc"/>\n'
            f"    <input>{body}</input>\n    <output>{body}</output>\n  </operation>\n"
        )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        f'<definitions xmlns:SOAP-ENV="{SOAP11}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}" xmlns:SOAP-ENC="{ENCODING}" xmlns:tns="{NAMESPACE}" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        f'xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="{NAMESPACE}">\n'
        f'{_types(invoices)}{messages}<portType name="HanbaiPortType">\n{ports}</portType>\n'
        '<binding name="HanbaiBinding" type="tns:HanbaiPortType">\n'
        f'  <soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>\n{bindings}</binding>\n'
        '<service name="Hanbai">\n  <port name="HanbaiPort" binding="tns:HanbaiBinding">\n'
        f"    <soap:address location={quoteattr(service)}/>\n  </port>\n</service>\n</definitions>"
    ).encode("iso-8859-1", "xmlcharrefreplace")
