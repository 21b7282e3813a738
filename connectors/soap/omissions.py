"""What an element may hold and its proposed columns do not show, and what they only guess: said for people, with what can be declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.protocol import LiveField
from connectors.soap.choices import branch_names, choices_of
from connectors.soap.components import ITSELF, ComplexType, Contract, Element, SimpleType
from connectors.soap.layout import is_xml
from connectors.soap.repeats import groups_of
from connectors.soap.schema import UNBOUNDED
from connectors.soap.xmltree import local


def left_out(contract: Contract, element: Element) -> tuple[str, ...]:
    """What an element may hold and no column of ``fields`` shows, as path and reason."""
    return tuple(_left_out(contract, element, "", (element.type,)))


def _left_out(contract: Contract, element: Element, prefix: str, trail: tuple[str, ...]) -> Iterator[str]:
    kind = contract.type(element)
    if isinstance(kind, SimpleType):
        if kind.builtin == "anyType":
            yield f"{prefix.removesuffix('/')} (xsd:anyType: its type is unknown; where elements stand in it, the column has them as XML)"
        return
    at = prefix.removesuffix("/") or "the row"
    whole = f"a column of type string with the source `{prefix.removesuffix('/') or ITSELF}` has all of it as XML"
    groups = {one.name: f"{source}/" for source, group in groups_of(contract, element.type) for one in group.elements}
    if kind.open:
        yield f"{at} (xsd:any: what the schema leaves open; {whole})"
    if kind.mixed:
        yield f"{at} (mixed content: the text between its elements; {whole})"
    for child in kind.elements:
        group = groups.get(child.name, "")
        path = prefix + group + local(child.name)
        if child.type in trail:
            kind, form = contract.type(child), "XML"
            if isinstance(kind, ComplexType) and not is_xml(kind):
                form = "JSON"
            many = child.many and not group
            whole = f"a column of type {'list of string' if many else 'string'} with the source `{path}` has all of it as {form}"
            yield f"{path} (recursive: {local(child.type)} holds itself; single columns of it can be declared, and {whole})"
        else:
            yield from _left_out(contract, child, path + "/", (*trail, child.type))


def undigited(live: Iterable[LiveField], prefix: str = "") -> tuple[str, ...]:
    """The fields whose contract states no digits, so that their proposed decimal is a guess."""
    found: list[str] = []
    for one in live:
        number = one.vendor_type.removeprefix("xsd:") in ("decimal", *UNBOUNDED)
        if number and "totalDigits" not in one.facets and not {"minInclusive", "maxInclusive"} <= one.facets.keys():
            found.append(prefix + one.source)
        found += undigited(one.children, f"{prefix}{one.source}/")
    return tuple(found)


def chosen(contract: Contract, element: Element) -> tuple[str, ...]:
    """What an element's choices and repeated groups mean for its columns."""
    return tuple(_chosen(contract, element, "", (element.type,)))


def _chosen(contract: Contract, element: Element, prefix: str, trail: tuple[str, ...]) -> Iterator[str]:
    kind = contract.type(element)
    if isinstance(kind, SimpleType):
        return
    at = f" of {prefix.removesuffix('/')}" if prefix else ""
    for source, choice in choices_of(contract, element.type):
        if len(choice.branches) > 1:
            column = f"`{prefix}{source}` as a column says which"
            yield f"only one of {', '.join(branch_names(choice))}{at} may stand in a row: {column}"
    groups = dict(groups_of(contract, element.type))
    for source, group in groups.items():
        column = f"`{prefix}{source}` has them in their order, and `$branch` in it says which came"
        yield f"{', '.join(group.names)}{at} repeat together: {column}"
    told = {one.name: source for source, group in groups.items() for one in group.elements}
    for names in kind.repeats:
        if not set(names) <= told.keys() and len(set(names)) > 1:
            yield f"{', '.join(map(local, dict.fromkeys(names)))}{at} repeat together: each becomes a list of its own, and the order between them is lost"
    for child in kind.elements:
        if child.type not in trail:
            step = f"{told[child.name]}/" if child.name in told else ""
            yield from _chosen(contract, child, f"{prefix}{step}{local(child.name)}/", (*trail, child.type))
