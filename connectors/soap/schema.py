"""What a stream looks like today: XSD types as Arrow types, and the fields of its row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Column, LiveField, Schema, Stream
from connectors.soap.beside import MEMBER, PARTS, has_part, member_names
from connectors.soap.choices import BRANCH, branch_names, choice_at, is_branch
from connectors.soap.components import (
    ANY,
    ITSELF,
    TEXT,
    TYPE_SAID,
    Attribute,
    ComplexType,
    Contract,
    Element,
    Operation,
    SimpleType,
    UnknownPath,
)
from connectors.soap.config import SourceSpec
from connectors.soap.fingerprint import contract_fingerprint, reader_fingerprint
from connectors.soap.identity import identity_of, usual_space
from connectors.soap.pairs import divided, is_pair
from connectors.soap.parts import parts
from connectors.soap.repeats import REPEAT, Group, groups_of, is_repeat, item_of, part_at, repeat_at
from connectors.soap.whole import field_of, kept_as_xml, layouts
from connectors.soap.xmltree import local, space

_INTEGERS: dict[str, pa.DataType] = {
    "byte": pa.int8(),
    "short": pa.int16(),
    "int": pa.int32(),
    "long": pa.int64(),
    # Delta has no unsigned types: the next wider signed one holds them all.
    "unsignedByte": pa.int16(),
    "unsignedShort": pa.int32(),
    "unsignedInt": pa.int64(),
    "unsignedLong": pa.decimal128(20, 0),
}
UNBOUNDED = frozenset({"integer", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger", "negativeInteger"})
_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "dateTime": pa.timestamp("us", "UTC"),
    "dateTimeStamp": pa.timestamp("us", "UTC"),
    "base64Binary": pa.binary(),
    "hexBinary": pa.binary(),
    "base64": pa.binary(),
}
#: Built-ins that are lists by themselves.
LISTS = frozenset({"NMTOKENS", "IDREFS", "ENTITIES"})


def arrow_type(kind: SimpleType) -> pa.DataType:
    """The Arrow type proposed for a simple type. A decimal that states no digits becomes decimal128(38, 10): a contract should narrow it."""
    if kind.variety == "union":
        made = {arrow_type(one) for one in kind.members}
        return made.pop() if len(made) == 1 else pa.string()
    item = arrow_type(replace(kind, variety="union")) if kind.members else _atomic(kind)
    return pa.list_(item) if kind.variety == "list" or kind.builtin in LISTS else item


def _atomic(kind: SimpleType) -> pa.DataType:
    total, fraction = _digits(kind, "totalDigits"), _digits(kind, "fractionDigits")
    if kind.builtin in UNBOUNDED:
        if total is not None and total <= 18:
            return pa.int64()
        return pa.decimal128(total, 0) if total is not None and total <= 38 else pa.decimal128(38, 0)
    if kind.builtin == "decimal":
        if total is None:
            return pa.decimal128(38, 10 if fraction is None else min(fraction, 38))
        if total > 38:
            return pa.string()
        if fraction is None:
            # Without fractionDigits the digits may stand on either side of the point.
            return pa.decimal128(min(38, 2 * total), min(total, 38 - total) if 2 * total > 38 else total)
        return pa.decimal128(max(total, fraction, 1), fraction)
    return _INTEGERS.get(kind.builtin) or _PLAIN.get(kind.builtin) or pa.string()


def _digits(kind: SimpleType, facet: str) -> int | None:
    value = kind.facets.get(facet)
    return int(value) if isinstance(value, str) and value.isdigit() else None


def row_element(contract: Contract, operation: Operation, rows: str) -> Element:
    """The repeated element that is a row. Raises AddressUnknown naming the step that is not there and what is."""
    try:
        return contract.walk(operation.output, rows)[-1]
    except UnknownPath as error:
        raise AddressUnknown(
            "soap.path_unknown", operation=operation.name, path=rows, step=error.step, candidates=", ".join(error.have) or "-"
        ) from error


def operation(contract: Contract, name: str, wsdl: str) -> Operation:
    """The operation of this name. Raises AddressUnknown with the names there are."""
    found = contract.operations.get(name)
    if found is None:
        raise AddressUnknown("soap.operation_unknown", operation=name, wsdl=wsdl, candidates=", ".join(sorted(contract.operations)) or "-")
    return found


def chosen(contract: Contract, spec: SourceSpec, wsdl: str, stream: str) -> tuple[Contract, Operation]:
    """The stream's operation, with its rows of the type that the contract's ``row_type`` names. Raises AddressUnknown, FixConfiguration."""
    found = operation(contract, spec.operation, wsdl)
    return with_rows(contract, found, spec.rows, spec.row_type, stream) if spec.row_type else (contract, found)


def with_rows(contract: Contract, found: Operation, rows: str, row_type: str, stream: str) -> tuple[Contract, Operation]:
    """The same contract where every row of this operation is of a type derived from the one it names."""
    declared = row_element(contract, found, rows).type
    named = [name for name, kind in contract.types.items() if row_type in (name, local(name)) and isinstance(kind, ComplexType)]
    fitting = [name for name in named if name == declared or declared in _bases(contract, name)]
    if len(fitting) != 1:
        why = f"{row_type} is not one type derived from {local(declared)}"
        raise FixConfiguration("soap.source_invalid", stream=stream, where="row_type", why=why)
    types = dict(contract.types)
    trail = (found.output, *contract.walk(found.output, rows))
    below = replace(trail[-1], type=fitting[0])
    for above in reversed(trail[:-1]):
        kind = types[above.type]
        assert isinstance(kind, ComplexType)
        key = f"{above.type}#rows"
        types[key] = replace(kind, name=key, elements=tuple(below if one.name == below.name else one for one in kind.elements))
        below = replace(above, type=key)
    return replace(contract, types=types), replace(found, output=below)


def _bases(contract: Contract, name: str) -> tuple[str, ...]:
    kind = contract.types[name]
    return kind.bases if isinstance(kind, ComplexType) else ()


def fields(contract: Contract, element: Element) -> tuple[LiveField, ...]:
    """Every column an element can give, by path below it: ``Name``, ``Lines/Line`` (a wrapped list), ``Amount@currency`` (an attribute),
    ``$repeat`` (elements that repeat together, in their order).

    Recursive types and ``xsd:any`` have no columns and are left out: ``omissions`` names them.
    """
    return _inside(contract, element, (element.type,))


def _inside(contract: Contract, element: Element, trail: tuple[str, ...]) -> tuple[LiveField, ...]:
    kind = contract.type(element)
    if isinstance(kind, SimpleType):
        return ()
    found = [_attribute(contract, "", one, one.required) for one in kind.attributes]
    children: list[LiveField] = []
    usual = usual_space(contract, element)
    groups = {one.name: (source, group) for source, group in _groups(contract, kind) for one in group.elements}
    for child in kind.elements:
        if child.name in groups:
            source, group = groups[child.name]
            if source not in (one.source for one in children):
                children.append(_together(contract, source, group, trail))
            continue
        found_here = _fields_of(contract, child, "", trail)
        own = {} if space(child.name) == usual or child.name == "*" else {"namespace": space(child.name) or "none"}
        children += [replace(one, facets={**one.facets, **own}) for one in found_here] if own else found_here
    first = {one.choice: local(one.name) for one in reversed(kind.elements) if one.choice}
    branches = {name: tuple(local(one.name) for one in kind.elements if one.choice == choice) for choice, name in first.items()}
    return (*found, *_placed(children, branches))


def _groups(contract: Contract, kind: ComplexType) -> Iterator[tuple[str, Group]]:
    """The groups that repeat among the type's own elements."""
    own = {one.name for one in kind.elements}
    yield from ((source, group) for source, group in groups_of(contract, kind.name) if all(one.name in own for one in group.elements))


def _together(contract: Contract, source: str, group: Group, trail: tuple[str, ...]) -> LiveField:
    """Elements that repeat together as a list of what came, each item with one of them."""
    inside, item = item_of(contract, group)
    children = (_branch(BRANCH, group.names), *_inside(inside, item, trail))
    struct = pa.struct([pa.field(child.source, child.type) for child in children])
    return LiveField(source, REPEAT, pa.list_(struct), "xsd:complexType", children=children)


def _branch(source: str, names: tuple[str, ...]) -> LiveField:
    return LiveField(source, BRANCH, pa.string(), "xsd:choice", False, {"options": names})


def _placed(found: list[LiveField], branches: Mapping[str, tuple[str, ...]]) -> Iterator[LiveField]:
    """The fields with their neighbours' names as ``slot``, by which a renamed one is known again, and the first of a choice with all its
    branches."""
    names = ["", *(one.source for one in found if "@" not in one.source), ""]
    for one in found:
        if "@" in one.source:
            yield one
            continue
        at = names.index(one.source)
        facets: dict[str, Any] = {**one.facets, "slot": f"{names[at - 1]}<{names[at + 1]}"}
        if one.source in branches:
            facets["choice"] = branches[one.source]
        yield replace(one, facets=facets)


def _fields_of(contract: Contract, element: Element, prefix: str, trail: tuple[str, ...]) -> list[LiveField]:
    kind = contract.type(element)
    source = prefix + local(element.name)
    required = element.minimum > 0 and not element.nillable and not element.many and not prefix
    facets: dict[str, Any] = {"nillable": True} if element.nillable else {}
    if element.default is not None:
        facets["fixed" if element.fixed else "default"] = element.default
    if element.substitutes:
        facets["substitutes"] = tuple(local(name) for name in element.names)
    if isinstance(kind, SimpleType) or kind.text:
        simple = contract.simple(element.type)
        inner = arrow_type(simple)
        facets |= _facets(simple)
        found = LiveField(
            source,
            element.label or local(element.name),
            pa.list_(inner) if element.many else inner,
            f"xsd:{simple.spelt}",
            required,
            facets,
        )
        attributes = kind.attributes if isinstance(kind, ComplexType) else ()
        if element.many and attributes:
            # A value with attributes that repeats: they belong together, value by value.
            children = (
                replace(found, source=TEXT, type=inner, required=False),
                *(_attribute(contract, "", one, one.required) for one in attributes),
            )
            struct = pa.struct([pa.field(child.source, child.type) for child in children])
            told = {name: fact for name, fact in facets.items() if name in ("nillable", "substitutes")}
            return [LiveField(source, found.label, pa.list_(struct), "xsd:complexType", required, told, children)]
        return [found, *(_attribute(contract, source, one, False) for one in attributes)]
    if element.type in trail or not (kind.elements or kind.attributes):
        return []
    deeper = (*trail, element.type)
    if not element.many and len(kind.elements) == 1 and kind.elements[0].many and not kind.attributes:
        # A wrapper around one repeated child is that list: absent wrapper null, empty wrapper an empty list.
        return _fields_of(contract, kind.elements[0], source + "/", deeper)
    children = _inside(contract, element, deeper)
    if not children:
        return []
    struct = pa.struct([pa.field(child.source, child.type) for child in children])
    name = element.label or local(element.name)
    return [LiveField(source, name, pa.list_(struct) if element.many else struct, "xsd:complexType", required, facets, children)]


def _attribute(contract: Contract, owner: str, one: Attribute, required: bool) -> LiveField:
    simple, name = contract.simple(one.type), local(one.name)
    facets = _facets(simple)
    if one.default is not None:
        facets["fixed" if one.fixed else "default"] = one.default
    if one.required:
        # A column of it is no more required for that: the element need not come.
        facets["use"] = "required"
    if space(one.name):
        facets["namespace"] = space(one.name)
    return LiveField(f"{owner}@{name}", name, arrow_type(simple), f"xsd:{simple.spelt}", required, facets)


def _facets(simple: SimpleType) -> dict[str, Any]:
    """The facets as a field tells them. Values that all members of a union list are its options; other facets of members are told by member."""
    found: dict[str, Any] = {_facet_name(name): _facet(value) for name, value in simple.facets.items()}
    if not simple.members or "options" in found:
        return found
    listed = [one.facets.get("enumeration") for one in simple.members]
    if all(isinstance(one, tuple) for one in listed):
        return {**found, "options": tuple(sorted({value for values in listed if isinstance(values, tuple) for value in values}))}
    told = tuple(f"{one.spelt} {dict(sorted(one.facets.items()))}" for one in simple.members if one.facets)
    return {**found, "members": told} if told else found


def _facet_name(name: str) -> str:
    return "options" if name == "enumeration" else name


def _facet(value: str | tuple[str, ...]) -> str | int | tuple[str, ...]:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def describe(contract: Contract, stream: Stream, spec: SourceSpec, wsdl: str, endpoint: str) -> Schema:
    """The live schema of a stream. A stream without columns (an offer) is described whole."""
    contract_as_served = contract
    contract, called = chosen(contract, spec, wsdl, stream.id)
    row = row_element(contract, called, spec.rows)
    wanted = {column.source: column for column in stream.columns}
    xml = kept_as_xml(spec.read)
    live = tuple(
        _completed(contract, row, one, wanted.get(one.source), xml, "") for one in _as_read(contract, row, fields(contract, row), wanted)
    )
    deeper = (column for column in stream.columns if column.source not in {one.source for one in live})
    opened = {source for source, reading in spec.read.items() if reading.from_ == ANY}
    inside = (found for column in deeper if (found := _found(contract, row, column, live, opened, xml)) is not None)
    columns = stream.columns or _every_column(live)
    resting = parts(contract, called, spec, {column.source for column in columns})
    reader = reader_fingerprint(contract, called, row, spec, columns, resting, dict(layouts(contract, row, columns, xml)))
    trail = (called.output, *contract.walk(called.output, spec.rows))
    revision, identity = contract_fingerprint(contract_as_served), identity_of(contract, called, trail, endpoint)
    return Schema((*live, *inside), reader, revision, identity, tuple(one.part for one in resting), decisive=True)


def _as_read(contract: Contract, owner: Element, live: Iterable[LiveField], wanted: Collection[str]) -> Iterator[LiveField]:
    """The fields, where a contract reads elements that repeat together as a list of each, or calls them by their first one, as it does."""
    for one in live:
        if not is_repeat(one.source) or one.source in wanted:
            yield one
            continue
        _, _, group = repeat_at(contract, owner, one.source)
        if (named := f"{REPEAT}:{group.name}") in wanted:
            yield replace(one, source=named)
        elif set(group.names) & {divided(source)[0].partition("/")[0] for source in wanted}:
            for element in group.elements:
                yield from _fields_of(contract, element, "", (owner.type,))
        else:
            yield one


def _found(
    contract: Contract, row: Element, column: Column, live: tuple[LiveField, ...], opened: Collection[str], xml: Collection[str]
) -> LiveField | None:
    if column.source in opened and contract.left_open(row, column.source) is not None:
        return LiveField(column.source, column.name, pa.string(), f"xsd:{ANY}")
    if (text := field_of(contract, row, column, xml=column.source in xml)) is not None:
        return text
    if column.source != ITSELF:
        found = _deep(contract, row, column.source)
        return _completed(contract, row, found, column, xml, "") if found is not None and is_repeat(column.source) else found
    by_source = {one.source: one for one in live}
    inner = (by_source.get(child.source) or _deep(contract, row, child.source) for child in column.children)
    children = tuple(one for one in inner if one is not None)
    struct = pa.struct([pa.field(child.source, child.type) for child in children])
    kind = pa.list_(struct) if isinstance(column.type, pa.ListType) else struct
    return LiveField(ITSELF, column.name, kind, "row", False, children=children)


def _completed(contract: Contract, owner: Element, one: LiveField, column: Column | None, xml: Collection[str], at: str) -> LiveField:
    """A nested field with what the contract reads in it besides: parts of parts, columns of derived types, the type that is said.

    ``xml`` are the paths that the contract keeps as XML, ``at`` is the path of what the field lies in.
    """
    if column is None or not one.children:
        return one
    if (text := field_of(contract, owner, column, xml=at + column.source in xml)) is not None:
        return replace(text, facets={**one.facets, **text.facets})
    known = {child.source: child for child in one.children}
    if TEXT in known and isinstance(column.type, pa.ListType) and not pa.types.is_struct(column.type.value_type):
        # A contract may want the values alone.
        return replace(known[TEXT], source=one.source, type=pa.list_(known[TEXT].type))
    inside, element = part_at(contract, owner, one.source)
    wanted, below = {child.source: child for child in column.children}, f"{at}{column.source}/"
    have = tuple(_as_read(inside, element, one.children, wanted))
    children = [_completed(inside, element, child, wanted.get(child.source), xml, below) for child in have]
    further = [child for child in column.children if child.source not in {one.source for one in have}]
    more = (field_of(inside, element, child, xml=below + child.source in xml) or _deep(inside, element, child.source) for child in further)
    return replace(one, children=(*children, *(found for found in more if found is not None)))


def _deep(contract: Contract, row: Element, source: str) -> LiveField | None:
    """A column that reads a value inside of a part of the row; None where there is no such value."""
    path, attribute = divided(source)
    try:
        if is_branch(source):
            return _branch(source, branch_names(choice_at(contract, row, source)[2]))
        if is_repeat(source):
            return replace(_together(contract, source, repeat_at(contract, row, source)[2], (row.type,)), source=source)
        trail = contract.reach(row, path) if path else (row,)
    except UnknownPath:
        return None
    last = replace(trail[-1], maximum=1) if is_pair(source, path) else trail[-1]
    if attribute in PARTS:
        simple = contract.simple(trail[-1].type)
        if not path or trail[-1].many or not has_part(simple, attribute):
            return None
        members = {"options": tuple(member_names(simple).values())} if attribute == MEMBER else {}
        return LiveField(source, attribute, pa.string(), "xsd:string", False, members)
    if attribute == TYPE_SAID:
        options = (trail[-1].type, *sorted(contract.derived(trail[-1].type)))
        return LiveField(source, attribute, pa.string(), "xsd:QName", False, {"options": options})
    if attribute:
        found = contract.attribute(trail[-1].type, attribute)
        return replace(_attribute(contract, path, found, False), source=source) if found is not None else None
    inside = _fields_of(contract, last, path.rpartition("/")[0] + "/" if "/" in path else "", (row.type,))
    found = next((one for one in inside if one.source == path), None)
    # A part of a part, or of a derived type, need not come in every row.
    return replace(found, source=source, required=False) if found is not None else None


def _every_column(live: tuple[LiveField, ...]) -> tuple[Column, ...]:
    return tuple(Column(one.source, one.source, one.type, one.required, _every_column(one.children)) for one in live)
