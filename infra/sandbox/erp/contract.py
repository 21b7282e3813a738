"""What a column of the ERP is: XSD types with their facets, elements, entities, and how a row becomes XML by them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

NAMESPACE = "urn:sakura-seiki.example:erp:"
TYPES_NAMESPACE = NAMESPACE + "types"

#: A row: element name to value. A missing name is an absent element, None is ``xsi:nil``, a dict is nested, a list is repeated.
Row = dict[str, Any]
#: In a row of an abstract type: which subtype it is.
TYPE = "xsi:type"


@dataclass(frozen=True)
class SimpleType:
    """An XSD simple type. ``base`` is a built-in's local name; a ``name`` makes it a global type, ``shared`` puts that into ``types.xsd``."""

    base: str
    name: str = ""
    shared: bool = False
    max_length: int | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None
    pattern: str = ""
    values: tuple[str, ...] = ()

    @property
    def restricted(self) -> bool:
        facets = (self.max_length, self.total_digits, self.fraction_digits)
        return bool(self.pattern or self.values) or any(facet is not None for facet in facets)


@dataclass(frozen=True)
class Element:
    """A column, a nested part (``children`` and ``type_name``) or, with ``many``, something repeated.

    With ``subtypes`` the part's own type is abstract: a value says by ``TYPE`` which of them it is, and has that one's elements besides.
    """

    name: str
    type: SimpleType | None = None
    min_occurs: int = 1
    nillable: bool = False
    many: bool = False
    children: tuple[Element, ...] = ()
    type_name: str = ""
    subtypes: tuple[tuple[str, tuple[Element, ...]], ...] = ()


@dataclass(frozen=True)
class Shape:
    """One entity of a service: ``key`` is its name in control verbs, ``identity`` the element that is its key, ``fixed`` what never changes."""

    key: str
    identity: str
    elements: tuple[Element, ...]
    fixed: frozenset[str]


@dataclass(frozen=True)
class Entity:
    """One page of the ERP.

    ``key`` is its name in control verbs and roles, ``plural`` the ending of its operations, ``row`` the element name of a row,
    ``identity`` the element that is the primary key, ``table_no`` the number inside its bookmarks, and ``included`` the complex types
    that sit in a second file ``include_file`` of the same namespace.
    """

    key: str
    plural: str
    row: str
    identity: str
    table_no: int
    elements: tuple[Element, ...]
    included: tuple[str, ...] = ()
    include_file: str = ""

    @property
    def fixed(self) -> frozenset[str]:
        """What the ERP pages by."""
        return frozenset(("Key", self.identity, "Last_Modified"))

    @property
    def namespace(self) -> str:
        return NAMESPACE + self.file.removesuffix(".xsd")

    @property
    def file(self) -> str:
        return self.key.replace("_", "-") + ".xsd"

    def bookmark(self, identity: object) -> str:
        """The opaque ``Key`` of the row with this primary key."""
        raw = f"{self.table_no}:{identity}".encode()
        return f"{len(raw)};{base64.b64encode(raw).decode()};{self.table_no}"

    def filterable(self) -> dict[str, SimpleType]:
        """Top-level single columns by name, ``Key`` and binary ones left out: what a filter may name."""
        return {e.name: e.type for e in self.elements if e.type and not e.many and e.name != "Key" and e.type.base != "base64Binary"}

    def complex_types(self) -> dict[str, tuple[Element, ...]]:
        """Every nested type by name, inner ones first."""

        def walk(elements: tuple[Element, ...]) -> Iterator[tuple[str, tuple[Element, ...]]]:
            for element in elements:
                if element.children:
                    yield from walk(element.children)
                    yield element.type_name, element.children

        return dict(walk(self.elements))


def _date_time(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="seconds")
    whole = value.astimezone(UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + (f".{whole.microsecond // 1000:03d}" if whole.microsecond else "") + "Z"


def text_of(value: object) -> str:
    """The lexical form of a simple value, not yet escaped. Decimals keep their digits, dateTimes are UTC with ``Z`` or have no zone at all."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case datetime():
            return _date_time(value)
        case date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case int() | float():
            return repr(value)
        case _:
            raise TypeError(f"no XML text for {type(value).__name__}")


def jsoned(value: Any) -> Any:
    """A row for a control verb: text where XML has text, null for nil, nothing where nothing is sent."""
    if isinstance(value, dict):
        return {key: jsoned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [jsoned(one) for one in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else text_of(value)


def _escaped(value: object) -> str:
    return escape(value) if isinstance(value, str) else text_of(value)


def writer(name: str, elements: tuple[Element, ...], attributes: str = "") -> Callable[[Row], str]:
    """A function that writes one row as ``<name>…</name>``, elements in the contract's order and without a prefix.

    ``attributes`` go into its start tag; where there are subtypes, they bind the prefix ``d`` to the types' namespace.
    """
    plan: list[tuple[str, bool, str, str, str, Callable[[Any], str]]] = []
    for element in elements:
        if element.children or element.subtypes:
            write = _dispatching(element) if element.subtypes else writer(element.name, element.children)
            plan.append((element.name, element.many, "", "", f'<{element.name} xsi:nil="true"/>', write))
        else:
            plan.append(
                (element.name, element.many, f"<{element.name}>", f"</{element.name}>", f'<{element.name} xsi:nil="true"/>', _escaped)
            )
    start, end = f"<{name}{attributes}>", f"</{name}>"

    def render(row: Row) -> str:
        parts = [start]
        for key, many, opening, closing, nil, write in plan:
            if key not in row:
                continue
            value = row[key]
            if value is None:
                parts.append(nil)
            elif many:
                parts.extend(opening + write(one) + closing for one in value)
            else:
                parts.append(opening + write(value) + closing)
        parts.append(end)
        return "".join(parts)

    return render


def _dispatching(element: Element) -> Callable[[Row], str]:
    writers = {name: writer(element.name, (*element.children, *own), f' xsi:type="d:{name}"') for name, own in element.subtypes}
    return lambda row: writers[row[TYPE]](row)
