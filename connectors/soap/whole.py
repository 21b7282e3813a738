"""Columns that have an element whole, as text: a type that holds itself, what lies deeper than columns go, mixed content, what is left open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from connectors.protocol import Column, LiveField
from connectors.soap.components import ITSELF, Contract, Element, SimpleType, UnknownPath
from connectors.soap.layout import Layout, is_xml
from connectors.soap.reading import Reading
from connectors.soap.repeats import part_at
from connectors.soap.steps import Inside
from connectors.soap.xmltree import local


def kept_as_xml(readings: Mapping[str, Reading]) -> frozenset[str]:
    """The paths of columns that the contract wants as XML, though they could be JSON."""
    return frozenset(path for path, reading in readings.items() if reading.inside == "xml")


def inside_of(contract: Contract, element: Element, column: Column, *, xml: bool = False) -> Inside | None:
    """How the inside of an element is a column's text, where the column wants the element whole; None where it does not.

    That is a column of type string (or a list of them, for a repeated element) at an element that may hold elements. It is JSON, unless only
    XML has all of it or the contract wants ``xml``.
    """
    repeated = element.many and column.source != ITSELF
    wanted = column.type.value_type if repeated and isinstance(column.type, pa.ListType) else column.type
    kind = contract.type(element)
    if not pa.types.is_string(wanted):
        return None
    if column.source == ITSELF and (isinstance(kind, SimpleType) or kind.text is not None):
        # A row that is a value has nothing to lay out.
        return "always"
    if isinstance(kind, SimpleType):
        return "elements" if kind.builtin == "anyType" else None
    if kind.text is not None:
        return None
    return "always" if xml or is_xml(kind) else Layout.of(contract, element)


def layouts(
    contract: Contract, owner: Element, columns: Sequence[Column], xml: Collection[str], at: str = ""
) -> Iterator[tuple[str, Layout]]:
    """Every column that is JSON, however deep, by its path, and how it is laid out. ``xml`` are the paths that are kept as XML."""
    for column in columns:
        path = at + column.source
        try:
            inside, part = (contract, owner) if column.source == ITSELF else part_at(contract, owner, column.source)
        except UnknownPath:
            continue
        found = inside_of(inside, part, column, xml=path in xml)
        if isinstance(found, Layout):
            yield path, found
        elif column.children:
            yield from layouts(inside, part, column.children, xml, at if column.source == ITSELF else f"{path}/")


def field_of(contract: Contract, owner: Element, column: Column, *, xml: bool) -> LiveField | None:
    """The field of a column that wants an element whole. Whether it is JSON belongs to its type, and what is a list in it to its facets."""
    if column.source == ITSELF:
        found = inside_of(contract, owner, column, xml=xml)
        if found is None:
            return None
        return _told(LiveField(ITSELF, column.name, pa.string(), "row"), found)
    try:
        last = contract.reach(owner, column.source)[-1]
    except UnknownPath:
        return None
    found = None if isinstance(contract.type(last), SimpleType) else inside_of(contract, last, column, xml=xml)
    if found is None:
        return None
    required = "/" not in column.source and last.minimum > 0 and not last.nillable and not last.many
    return _told(LiveField(column.source, last.label or local(last.name), column.type, "xsd:complexType", required), found)


def _told(one: LiveField, inside: Inside) -> LiveField:
    if not isinstance(inside, Layout):
        return one
    lists = inside.lists()
    return replace(one, vendor_type=f"{one.vendor_type}/json", facets={"lists": lists} if lists else {})
