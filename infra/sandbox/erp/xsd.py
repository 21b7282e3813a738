"""XSD of what ``contract`` declares: simple types with their facets, elements, complex types, a schema around them."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from infra.sandbox.erp.contract import TYPES_NAMESPACE, Element, SimpleType
from infra.sandbox.erp.parsing import XSD

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def _facets(kind: SimpleType) -> str:
    given = [
        ("maxLength", kind.max_length),
        ("totalDigits", kind.total_digits),
        ("fractionDigits", kind.fraction_digits),
        ("pattern", kind.pattern or None),
    ]
    given += [("enumeration", value) for value in kind.values]
    return "".join(f"<xsd:{facet} value={quoteattr(str(value))}/>" for facet, value in given if value is not None)


def simple_type(kind: SimpleType, name: str = "") -> str:
    named = f" name={quoteattr(name)}" if name else ""
    return f'<xsd:simpleType{named}><xsd:restriction base="xsd:{kind.base}">{_facets(kind)}</xsd:restriction></xsd:simpleType>'


def element_of(element: Element) -> str:
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
        return f"{start}>{simple_type(kind)}</xsd:element>"
    return f'{start} type="xsd:{kind.base}"/>'


def complex_type(name: str, elements: Iterable[Element]) -> str:
    return f'<xsd:complexType name="{name}"><xsd:sequence>{"".join(element_of(e) for e in elements)}</xsd:sequence></xsd:complexType>\n'


def abstract_type(element: Element) -> str:
    """The abstract type of an element with subtypes, and these after it."""
    base = f'<xsd:complexType name="{element.type_name}" abstract="true"><xsd:sequence>{"".join(element_of(e) for e in element.children)}</xsd:sequence></xsd:complexType>\n'
    return base + "".join(
        f'<xsd:complexType name="{name}"><xsd:complexContent><xsd:extension base="tns:{element.type_name}">'
        f"<xsd:sequence>{''.join(element_of(e) for e in own)}</xsd:sequence></xsd:extension></xsd:complexContent></xsd:complexType>\n"
        for name, own in element.subtypes
    )


def schema(namespace: str, body: str, extra: str = "", prefixes: str = f' xmlns:t="{TYPES_NAMESPACE}"') -> str:
    return (
        f'{HEAD}<xsd:schema xmlns:xsd="{XSD}" xmlns:tns="{namespace}"{prefixes} '
        f'targetNamespace="{namespace}" elementFormDefault="qualified">\n{extra}{body}</xsd:schema>\n'
    )
