"""The ERP's contract as documents: the WSDL with its two bindings, and the XSD files it imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from infra.sandbox.erp.contract import NAMESPACE, TYPES_NAMESPACE, Element, Entity, SimpleType
from infra.sandbox.erp.pages import ENTITIES, LOGIN, SHARED_TYPES

SERVICE_NAMESPACE = NAMESPACE + "service"
ROLES_NAMESPACE = NAMESPACE + "roles"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_XSD = "http://www.w3.org/2001/XMLSchema"
_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True)
class Operation:
    """One operation; ``namespace`` is that of its request and reply elements, ``entity`` the page's key or empty for the roles."""

    name: str
    kind: Literal["read", "count", "roles"]
    entity: str
    namespace: str

    @property
    def action(self) -> str:
        return f"{self.namespace}:{self.name}"


OPERATIONS: dict[str, Operation] = {
    one.name: one
    for one in (
        *(Operation(f"ReadMultiple{entity.plural}", "read", entity.key, entity.namespace) for entity in ENTITIES),
        *(Operation(f"Count{entity.plural}", "count", entity.key, entity.namespace) for entity in ENTITIES),
        Operation("ReadRoles", "roles", "", ROLES_NAMESPACE),
    )
}


def _facets(kind: SimpleType) -> str:
    given = [
        ("maxLength", kind.max_length),
        ("totalDigits", kind.total_digits),
        ("fractionDigits", kind.fraction_digits),
        ("pattern", kind.pattern or None),
    ]
    given += [("enumeration", value) for value in kind.values]
    return "".join(f"<xsd:{facet} value={quoteattr(str(value))}/>" for facet, value in given if value is not None)


def _simple(kind: SimpleType, name: str = "") -> str:
    named = f" name={quoteattr(name)}" if name else ""
    return f'<xsd:simpleType{named}><xsd:restriction base="xsd:{kind.base}">{_facets(kind)}</xsd:restriction></xsd:simpleType>'


def _element(element: Element) -> str:
    occurs = f' minOccurs="{element.min_occurs}"' if element.min_occurs != 1 else ""
    occurs += ' maxOccurs="unbounded"' if element.many else ""
    occurs += ' nillable="true"' if element.nillable else ""
    start = f"<xsd:element name={quoteattr(element.name)}{occurs}"
    kind = element.type
    if kind is None:
        return f'{start} type="tns:{element.type_name}"/>'
    if kind.name:
        return f'{start} type="{"t" if kind.shared else "tns"}:{kind.name}"/>'
    if kind.restricted:
        return f"{start}>{_simple(kind)}</xsd:element>"
    return f'{start} type="xsd:{kind.base}"/>'


def _complex(name: str, elements: Iterable[Element]) -> str:
    return f'<xsd:complexType name="{name}"><xsd:sequence>{"".join(_element(e) for e in elements)}</xsd:sequence></xsd:complexType>\n'


def _schema(namespace: str, body: str, extra: str = "") -> str:
    return (
        f'{_HEAD}<xsd:schema xmlns:xsd="{_XSD}" xmlns:tns="{namespace}" xmlns:t="{TYPES_NAMESPACE}" '
        f'targetNamespace="{namespace}" elementFormDefault="qualified">\n{extra}{body}</xsd:schema>\n'
    )


_IMPORT_TYPES = f'<xsd:import namespace="{TYPES_NAMESPACE}" schemaLocation="?xsd=types.xsd"/>\n'


def _message(name: str, body: str) -> str:
    return f'<xsd:element name="{name}"><xsd:complexType><xsd:sequence>{body}</xsd:sequence></xsd:complexType></xsd:element>\n'


_VERDICT = '<xsd:element name="ResultCode" type="t:ResultCode"/><xsd:element name="ResultMessage" type="xsd:string" minOccurs="0"/>'


def _entity_schema(entity: Entity) -> str:
    row, plural = entity.row, entity.plural
    filters = f'<xsd:element name="filter" type="tns:{row}_Filter" minOccurs="0" maxOccurs="unbounded"/>'
    enumerations = {e.type.name: e.type for e in entity.elements if e.type and e.type.name and not e.type.shared}
    body = "".join(_simple(kind, name) + "\n" for name, kind in enumerations.items())
    body += "".join(_complex(name, parts) for name, parts in entity.complex_types().items() if name not in entity.included)
    body += _complex(row, entity.elements)
    body += _simple(SimpleType("string", values=tuple(entity.filterable())), f"{row}_Fields") + "\n"
    body += f'<xsd:complexType name="{row}_Filter"><xsd:sequence><xsd:element name="Field" type="tns:{row}_Fields"/>'
    body += '<xsd:element name="Criteria" type="xsd:string"/></xsd:sequence></xsd:complexType>\n'
    body += f'<xsd:complexType name="{row}_List"><xsd:sequence><xsd:element name="{row}" type="tns:{row}" minOccurs="0" maxOccurs="unbounded"/></xsd:sequence></xsd:complexType>\n'
    body += _message(
        f"ReadMultiple{plural}",
        filters
        + '<xsd:element name="bookmarkKey" type="xsd:string" minOccurs="0" nillable="true"/><xsd:element name="setSize" type="xsd:int"/>',
    )
    body += _message(
        f"ReadMultiple{plural}_Result",
        f'{_VERDICT}<xsd:element name="RowCount" type="xsd:int"/><xsd:element name="ReadMultiple_Result" type="tns:{row}_List" minOccurs="0"/>',
    )
    body += _message(f"Count{plural}", filters)
    body += _message(f"Count{plural}_Result", f'{_VERDICT}<xsd:element name="Count" type="xsd:long" minOccurs="0"/>')
    include = f'<xsd:include schemaLocation="?xsd={entity.include_file}"/>\n' if entity.include_file else ""
    return _schema(entity.namespace, body, _IMPORT_TYPES + include)


def _roles_schema(entities: Iterable[str]) -> str:
    body = _simple(SimpleType("string", values=tuple(entities)), "Entity_Name") + "\n"
    body += '<xsd:complexType name="Role_Entry"><xsd:sequence><xsd:element name="Role" type="t:Code20"/><xsd:element name="Entity" type="tns:Entity_Name"/>'
    body += f'<xsd:element name="Login" type="t:{LOGIN.name}"/></xsd:sequence></xsd:complexType>\n'
    body += '<xsd:complexType name="Role_Entry_List"><xsd:sequence><xsd:element name="Role_Entry" type="tns:Role_Entry" minOccurs="0" maxOccurs="unbounded"/></xsd:sequence></xsd:complexType>\n'
    body += _message("ReadRoles", "")
    body += _message(
        "ReadRoles_Result",
        f'{_VERDICT}<xsd:element name="RowCount" type="xsd:int"/><xsd:element name="Roles" type="tns:Role_Entry_List" minOccurs="0"/>',
    )
    return _schema(ROLES_NAMESPACE, body, _IMPORT_TYPES)


def schemas(entities: Mapping[str, Entity]) -> dict[str, str]:
    """Every XSD file by its ``?xsd=`` name, for the entities as they are now."""
    fault = '<xsd:element name="ErpFault"><xsd:complexType><xsd:sequence><xsd:element name="Code" type="tns:Code20"/></xsd:sequence></xsd:complexType></xsd:element>\n'
    files = {
        "types.xsd": _schema(TYPES_NAMESPACE, "".join(_simple(kind, kind.name) + "\n" for kind in SHARED_TYPES) + fault),
        "roles.xsd": _roles_schema(entities),
    }
    for entity in entities.values():
        files[entity.file] = _entity_schema(entity)
        if entity.include_file:
            parts = entity.complex_types()
            body = "".join(_complex(name, parts[name]) for name in entity.included)
            files[entity.include_file] = _schema(entity.namespace, body, _IMPORT_TYPES)
    return files


def wsdl(entities: Mapping[str, Entity], url: str) -> str:
    """The WSDL for a service at ``url`` (as the caller addressed it). Schema locations in it are absolute, as WCF writes them."""
    prefixes = {entity.namespace: f"p{place}" for place, entity in enumerate(entities.values(), start=1)} | {ROLES_NAMESPACE: "r"}
    files = {entity.namespace: entity.file for entity in entities.values()} | {ROLES_NAMESPACE: "roles.xsd"}
    address = quoteattr(url)
    imports = "".join(
        f"<xsd:import namespace={quoteattr(namespace)} schemaLocation={quoteattr(f'{url}?xsd={file}')}/>\n"
        for namespace, file in files.items()
    )
    messages, ports, bindings = "", "", {"soap": "", "soap12": ""}
    for operation in OPERATIONS.values():
        name, prefix = operation.name, prefixes[operation.namespace]
        messages += f'<wsdl:message name="{name}"><wsdl:part name="parameters" element="{prefix}:{name}"/></wsdl:message>\n'
        messages += f'<wsdl:message name="{name}_Result"><wsdl:part name="parameters" element="{prefix}:{name}_Result"/></wsdl:message>\n'
        ports += f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}"/><wsdl:output message="tns:{name}_Result"/>'
        ports += '<wsdl:fault name="ErpFault" message="tns:ErpFault"/></wsdl:operation>\n'
        for soap in bindings:
            bindings[soap] += (
                f'<wsdl:operation name="{name}"><{soap}:operation soapAction={quoteattr(operation.action)} style="document"/>'
                f'<wsdl:input><{soap}:body use="literal"/></wsdl:input><wsdl:output><{soap}:body use="literal"/></wsdl:output>'
                f'<wsdl:fault name="ErpFault"><{soap}:fault name="ErpFault" use="literal"/></wsdl:fault></wsdl:operation>\n'
            )
    bound, served = "", ""
    for soap, suffix in (("soap", "Soap"), ("soap12", "Soap12")):
        bound += f'<wsdl:binding name="SakuraErp{suffix}" type="tns:SakuraErpPort"><{soap}:binding transport="http://schemas.xmlsoap.org/soap/http"/>\n'
        bound += f"{bindings[soap]}</wsdl:binding>\n"
        served += f'<wsdl:port name="SakuraErp{suffix}" binding="tns:SakuraErp{suffix}"><{soap}:address location={address}/></wsdl:port>\n'
    declared = "".join(f' xmlns:{prefix}="{namespace}"' for namespace, prefix in prefixes.items())
    about = escape("桜精機㈱ 基幹システム 連携サービス。1 回の応答は 5,000 件まで。setSize が 0 でも同じ。空のページが返るまで読むこと。")
    return (
        f'{_HEAD}<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        f'xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xsd="{_XSD}" xmlns:t="{TYPES_NAMESPACE}" xmlns:tns="{SERVICE_NAMESPACE}"{declared} '
        f'name="SakuraErp" targetNamespace="{SERVICE_NAMESPACE}">\n<wsdl:documentation>{about}</wsdl:documentation>\n'
        f"<wsdl:types><xsd:schema>\n{imports}"
        f"<xsd:import namespace={quoteattr(TYPES_NAMESPACE)} schemaLocation={quoteattr(f'{url}?xsd=types.xsd')}/>\n</xsd:schema></wsdl:types>\n"
        f'{messages}<wsdl:message name="ErpFault"><wsdl:part name="detail" element="t:ErpFault"/></wsdl:message>\n'
        f'<wsdl:portType name="SakuraErpPort">\n{ports}</wsdl:portType>\n{bound}<wsdl:service name="SakuraErp">\n{served}</wsdl:service>\n</wsdl:definitions>\n'
    )
