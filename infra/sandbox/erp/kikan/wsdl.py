"""The ERP's contract as documents: the WSDL with its two bindings, and the XSD files it imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from infra.sandbox.erp import xsd
from infra.sandbox.erp.contract import NAMESPACE, TYPES_NAMESPACE, Entity, SimpleType
from infra.sandbox.erp.kikan import roles
from infra.sandbox.erp.kikan.pages import ENTITIES, LOGIN, SHARED_TYPES
from infra.sandbox.erp.parsing import XSD

SERVICE_NAMESPACE = NAMESPACE + "service"
ROLES_NAMESPACE = NAMESPACE + "roles"


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


_IMPORT_TYPES = f'<xsd:import namespace="{TYPES_NAMESPACE}" schemaLocation="?xsd=types.xsd"/>\n'


def _message(name: str, body: str) -> str:
    return f'<xsd:element name="{name}"><xsd:complexType><xsd:sequence>{body}</xsd:sequence></xsd:complexType></xsd:element>\n'


_VERDICT = '<xsd:element name="ResultCode" type="t:ResultCode"/><xsd:element name="ResultMessage" type="xsd:string" minOccurs="0"/>'


def _entity_schema(entity: Entity) -> str:
    row, plural = entity.row, entity.plural
    filters = f'<xsd:element name="filter" type="tns:{row}_Filter" minOccurs="0" maxOccurs="unbounded"/>'
    enumerations = {e.type.name: e.type for e in entity.elements if e.type and e.type.name and not e.type.shared}
    body = "".join(xsd.simple_type(kind, name) + "\n" for name, kind in enumerations.items())
    body += "".join(xsd.complex_type(name, parts) for name, parts in entity.complex_types().items() if name not in entity.included)
    body += xsd.complex_type(row, entity.elements)
    body += xsd.simple_type(SimpleType("string", values=tuple(entity.filterable())), f"{row}_Fields") + "\n"
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
    return xsd.schema(entity.namespace, body, _IMPORT_TYPES + include)


def _roles_schema(entities: Iterable[str]) -> str:
    body = xsd.simple_type(SimpleType("string", values=(*entities, *roles.ELSEWHERE)), "Entity_Name") + "\n"
    body += '<xsd:complexType name="Role_Entry"><xsd:sequence><xsd:element name="Role" type="t:Code20"/><xsd:element name="Entity" type="tns:Entity_Name"/>'
    body += f'<xsd:element name="Login" type="t:{LOGIN.name}"/></xsd:sequence></xsd:complexType>\n'
    body += '<xsd:complexType name="Role_Entry_List"><xsd:sequence><xsd:element name="Role_Entry" type="tns:Role_Entry" minOccurs="0" maxOccurs="unbounded"/></xsd:sequence></xsd:complexType>\n'
    body += _message("ReadRoles", "")
    body += _message(
        "ReadRoles_Result",
        f'{_VERDICT}<xsd:element name="RowCount" type="xsd:int"/><xsd:element name="Roles" type="tns:Role_Entry_List" minOccurs="0"/>',
    )
    return xsd.schema(ROLES_NAMESPACE, body, _IMPORT_TYPES)


def schemas(entities: Mapping[str, Entity]) -> dict[str, str]:
    """Every XSD file by its ``?xsd=`` name, for the entities as they are now."""
    fault = '<xsd:element name="ErpFault"><xsd:complexType><xsd:sequence><xsd:element name="Code" type="tns:Code20"/></xsd:sequence></xsd:complexType></xsd:element>\n'
    files = {
        "types.xsd": xsd.schema(TYPES_NAMESPACE, "".join(xsd.simple_type(kind, kind.name) + "\n" for kind in SHARED_TYPES) + fault),
        "roles.xsd": _roles_schema(entities),
    }
    for entity in entities.values():
        files[entity.file] = _entity_schema(entity)
        if entity.include_file:
            parts = entity.complex_types()
            body = "".join(xsd.complex_type(name, parts[name]) for name in entity.included)
            files[entity.include_file] = xsd.schema(entity.namespace, body, _IMPORT_TYPES)
    return files


_INCLUDE = re.compile(r"<xsd:include [^>]*/>\n?")
_LOCATION = re.compile(r' schemaLocation="[^"]*"')


def flat(entities: Mapping[str, Entity], url: str, service: str, action_suffix: str = "") -> str:
    """The same interface in one document, as WCF serves it under ``?singleWsdl``: every schema within, imports without a place."""
    one_by_one = wsdl(entities, url, service, action_suffix)
    within = "".join(_INCLUDE.sub("", _LOCATION.sub("", text.removeprefix(xsd.HEAD))) for text in schemas(entities).values())
    start, end = one_by_one.index("<wsdl:types>"), one_by_one.index("</wsdl:types>")
    return f"{one_by_one[:start]}<wsdl:types>\n{within}{one_by_one[end:]}"


def wsdl(entities: Mapping[str, Entity], url: str, service: str, action_suffix: str = "") -> str:
    """The WSDL found at ``url`` (as the caller addressed it) of what is served at ``service``. Schema locations are absolute, as WCF writes them."""
    prefixes = {entity.namespace: f"p{place}" for place, entity in enumerate(entities.values(), start=1)} | {ROLES_NAMESPACE: "r"}
    files = {entity.namespace: entity.file for entity in entities.values()} | {ROLES_NAMESPACE: "roles.xsd"}
    address = quoteattr(service)
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
                f'<wsdl:operation name="{name}"><{soap}:operation soapAction={quoteattr(operation.action + action_suffix)} style="document"/>'
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
        f'{xsd.HEAD}<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        f'xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xsd="{XSD}" xmlns:t="{TYPES_NAMESPACE}" xmlns:tns="{SERVICE_NAMESPACE}"{declared} '
        f'name="SakuraErp" targetNamespace="{SERVICE_NAMESPACE}">\n<wsdl:documentation>{about}</wsdl:documentation>\n'
        f"<wsdl:types><xsd:schema>\n{imports}"
        f"<xsd:import namespace={quoteattr(TYPES_NAMESPACE)} schemaLocation={quoteattr(f'{url}?xsd=types.xsd')}/>\n</xsd:schema></wsdl:types>\n"
        f'{messages}<wsdl:message name="ErpFault"><wsdl:part name="detail" element="t:ErpFault"/></wsdl:message>\n'
        f'<wsdl:portType name="SakuraErpPort">\n{ports}</wsdl:portType>\n{bound}<wsdl:service name="SakuraErp">\n{served}</wsdl:service>\n</wsdl:definitions>\n'
    )
