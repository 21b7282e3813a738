"""SOAP headers that a stream asks with and that are no secrets (NetSuite's SearchPreferences): filled in, and put into the envelope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from connectors.soap.sources import Header
from connectors.soap.template import Value, filled_text


def filled(headers: Iterable[Header], places: Mapping[str, Value], operation: str) -> tuple[Header, ...]:
    """The headers with their places filled in; what holds an optional place without a value is left out."""
    return tuple(one.model_copy(update={"values": _filled(one.values, places, operation)}) for one in headers)


def _filled(value: Any, places: Mapping[str, Value], operation: str) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _filled(one, places, operation) for name, one in cast("Mapping[str, Any]", value).items()}
        return {name: one for name, one in inner.items() if one is not None}
    if isinstance(value, list | tuple):
        return [made for one in cast("list[Any]", value) if (made := _filled(one, places, operation)) is not None]
    return filled_text(str(value), places, operation)


def with_headers(content: bytes, headers: Iterable[tuple[str, str, Any]]) -> bytes:
    """The envelope with these headers, each a namespace, a name and what is in it, before those that the wire's security adds."""
    headers = tuple(headers)
    if not headers:
        return content
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    root: Any = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    block = header_of(root)
    for namespace, name, value in headers:
        put(block, namespace, name, value)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def header_of(envelope: Any) -> Any:
    """The Header of an envelope (lxml elements), made where there is none."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    name = f"{envelope.tag.rpartition('}')[0]}}}Header"
    found = envelope.find(name)
    if found is None:
        found = etree.Element(name)
        envelope.insert(0, found)
    return found


def put(parent: Any, namespace: str, name: str, value: Any = None) -> Any:
    """A new last child, or an attribute for ``@name``: its text, or what is in it by name. A list makes one of each. Names are in the
    namespace, if they say no other one themselves. Returns the last element made.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    made: Any = parent
    if isinstance(value, list | tuple):
        for one in cast("list[Any]", value):
            made = put(parent, namespace, name, one)
        return made
    if name.startswith("@"):
        parent.set(name[1:], str(value))
        return made
    made = etree.SubElement(parent, name.removeprefix("{}") if name.startswith("{") else f"{{{namespace}}}{name}" if namespace else name)
    if isinstance(value, Mapping):
        for inner, one in cast("Mapping[str, Any]", value).items():
            put(made, namespace, inner, one)
    elif value is not None:
        made.text = str(value)
    return made
