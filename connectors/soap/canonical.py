"""A declaration of XML Schema as text that is the same however it is written: prefixes resolved, words for people left out, forms spelt out."""

from __future__ import annotations

from connectors.soap.components import XSD
from connectors.soap.xmltree import BrokenXml, Node, local, space

_X = f"{{{XSD}}}"
#: Attributes whose values are qualified names, or lists of them.
_NAMES = frozenset({"type", "ref", "base", "itemType", "memberTypes", "substitutionGroup", "refer"})
_ARRAY_TYPE = "{http://schemas.xmlsoap.org/wsdl/}arrayType"
#: What an attribute says by default, so that writing it down says nothing new.
_DEFAULTS = {
    "minOccurs": "1",
    "maxOccurs": "1",
    "nillable": "false",
    "abstract": "false",
    "mixed": "false",
    "use": "optional",
    "processContents": "strict",
}
_TRUE = {"1": "true", "0": "false"}
_BOOLEANS = frozenset({"nillable", "abstract", "mixed", "fixed"})


def canonical(node: Node, *, qualified: bool, attributes: bool, top: bool = True) -> str:
    """The text of a declaration. ``qualified`` and ``attributes`` say whether local elements and attributes are qualified where none says."""
    name = local(node.tag)
    said = dict(_said(node))
    forms = {"element": qualified, "attribute": attributes}
    if not top and name in forms and "ref" not in said:
        said.setdefault("form", "qualified" if forms[name] else "unqualified")
    inner = [
        canonical(child, qualified=qualified, attributes=attributes, top=False) for child in node.children if child.tag != f"{_X}annotation"
    ]
    # Only particles and facets' patterns stand in an order; the members of an `all` and attributes do not.
    if name in ("all", "attributeGroup"):
        inner.sort()
    elif name in ("complexType", "extension", "restriction"):
        inner = [one for one in inner if not one.startswith("<attribute")] + sorted(one for one in inner if one.startswith("<attribute"))
    return f"<{name} {sorted(said.items())}>{''.join(inner)}</>"


def _said(node: Node) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in node.attributes.items():
        if key == "id" or (space(key) and key != _ARRAY_TYPE):
            # Attributes of other namespaces are for tools.
            continue
        if key in _NAMES:
            value = " ".join(_expanded(node, one) for one in value.split())
        elif key == _ARRAY_TYPE:
            value = _expanded(node, value)
        elif key in _BOOLEANS and (key != "fixed" or local(node.tag) not in ("element", "attribute")):
            value = _TRUE.get(value, value)
        if _DEFAULTS.get(key) != value:
            found.append((key, value))
    return found


def _expanded(node: Node, name: str) -> str:
    try:
        return node.qname(name)
    except BrokenXml:
        # A prefix that is bound to nothing breaks what is read of it, and is told there.
        return name
