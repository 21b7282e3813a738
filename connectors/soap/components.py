"""What a contract is made of, whatever its prefixes, files and order: types with their facets, elements, operations, by expanded name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from connectors.soap.pairs import plain

XSD = "http://www.w3.org/2001/XMLSchema"
#: The path of a column that is the row itself: children of the row are gathered into a struct.
ITSELF = "."
#: The part of a struct that is the element's own text, where it has attributes beside it.
TEXT = "text()"
#: The attribute, in a column's source, that is the type which an element says it has.
TYPE_SAID = "xsi:type"


#: What ``source.read`` calls the type of an element that the contract leaves open.
ANY = "any"


@dataclass(frozen=True)
class SimpleType:
    """``builtin`` is the XSD built-in at the bottom (``decimal``); for a list that of its items, for a union ``string``.

    ``members`` are those of a union, in order, none of them a union itself: a value is one of the first that it fits.
    """

    name: str
    builtin: str
    facets: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, "str | tuple[str, ...]"])
    variety: Literal["atomic", "list", "union"] = "atomic"
    members: tuple[SimpleType, ...] = ()

    @property
    def spelt(self) -> str:
        """What is at the bottom, for people: ``decimal``, ``union(int|boolean)``."""
        return f"union({'|'.join(one.spelt for one in self.members)})" if self.members else self.builtin


@dataclass(frozen=True)
class Attribute:
    """An attribute where it stands. ``name`` is ``{namespace}local`` when qualified; ``default`` and ``fixed`` are as for an element, but
    an attribute's default is for one that is absent."""

    name: str
    type: str
    required: bool
    default: str | None = None
    fixed: bool = False


@dataclass(frozen=True)
class Element:
    """An element where it stands. ``name`` is ``{namespace}local`` when qualified; ``maximum`` None is unbounded.

    ``label`` is the contract's own documentation of it; it is for people and in no fingerprint. ``choice`` names the first branch of the
    innermost choice it is a branch of. ``fixed`` says that ``default`` is the only value allowed. ``substitutes`` are the global elements
    that may stand in its place; an ``abstract`` one never stands there itself.
    """

    name: str
    type: str
    minimum: int = 1
    maximum: int | None = 1
    nillable: bool = False
    default: str | None = None
    label: str = ""
    choice: str = ""
    fixed: bool = False
    substitutes: tuple[str, ...] = ()
    abstract: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it may have where it stands."""
        return (*(() if self.abstract else (self.name,)), *self.substitutes)

    @property
    def many(self) -> bool:
        return self.maximum is None or self.maximum > 1


@dataclass(frozen=True)
class Choice:
    """A choice among elements of a complex type. ``branches`` are the elements of each, by expanded name; ``name`` is the first one's own.

    ``required``: a branch must be there wherever the type is. ``repeated``: it is made again and again, so several may be there.
    """

    name: str
    branches: tuple[tuple[str, ...], ...]
    required: bool
    repeated: bool


@dataclass(frozen=True)
class ComplexType:
    """``text`` is the simple type of a simpleContent. ``open`` has ``any``. ``repeats`` are elements, by expanded name, that repeat together:
    between them there is an order that lists of each do not have.
    """

    name: str
    elements: tuple[Element, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    text: str | None = None
    open: bool = False
    abstract: bool = False
    mixed: bool = False
    bases: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    repeats: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Operation:
    """One operation of the chosen port. ``input`` and ``output`` are the Body's child; ``version`` is 1.1 or 1.2.

    ``headers`` are ``side:{namespace}message#part``, with ``!`` behind those that are required. ``policy`` is a digest of the
    WS-Policy that holds for it, empty where none is stated, and ``assertions`` are the names of what it asks for; ``addressing`` is the
    wsa:Action where the contract asks for WS-Addressing. ``headers_in`` are the elements of the request's headers, by expanded name.
    """

    name: str
    service: str
    port: str
    binding: str
    version: Literal["1.1", "1.2"]
    transport: str
    style: str
    use: str
    action: str
    input: Element
    output: Element
    headers: tuple[str, ...]
    faults: tuple[str, ...]
    endpoint: str
    policy: str = ""
    addressing: str = ""
    assertions: tuple[str, ...] = ()
    headers_in: tuple[str, ...] = ()


Problem = Literal["missing", "unbound", "one_way", "not_one", "no_type", "empty", "not_simple", "nothing", "itself", "prefix"]


@dataclass(frozen=True)
class Broken:
    """Why an operation can't be read: what is wrong with which thing. ``kind`` is a WSDL's or schema's own word, ``name`` is expanded.

    ``missing``: named and not defined. ``unbound``: bound, and in no portType. ``one_way``: without that message. ``not_one``: document style
    with other than one element. ``no_type``: no type of XML Schema. ``empty``: says nothing, or has no base. ``not_simple``: made of what is
    no simple type. ``nothing``, ``itself``: derives from that. ``prefix``: bound to no namespace.
    """

    problem: Problem
    kind: str
    name: str


class UnknownPath(KeyError):
    """A path of local names leads nowhere in this contract. ``have`` are the names that stand where it broke off."""

    def __init__(self, step: str, have: tuple[str, ...]) -> None:
        self.step = step
        self.have = have
        super().__init__(step)


@dataclass(frozen=True)
class Contract:
    """A WSDL and its schemas, resolved. ``broken`` names the operations that could not be, with the reason.

    ``declared`` is a digest of everything that the schemas declare, also of what nobody reads.
    """

    types: Mapping[str, SimpleType | ComplexType]
    elements: Mapping[str, Element]
    operations: Mapping[str, Operation]
    broken: Mapping[str, Broken]
    declared: str = ""

    def type(self, element: Element) -> SimpleType | ComplexType:
        return self.types[element.type]

    def children(self, element: Element) -> tuple[Element, ...]:
        kind = self.types[element.type]
        return kind.elements if isinstance(kind, ComplexType) else ()

    def walk(self, element: Element, path: str) -> tuple[Element, ...]:
        """The elements along a path of local names below ``element``, whatever its predicates. Raises UnknownPath at the first step that is
        not there.
        """
        found: list[Element] = []
        for step in plain(path).split("/"):
            have = self.children(found[-1] if found else element)
            child = next((one for one in have if one.name.rpartition("}")[2] == step), None) or self._substitute(have, step)
            if child is None:
                raise UnknownPath(step, tuple(name.rpartition("}")[2] for one in have for name in (one.names or (one.name,))))
            found.append(child)
        return tuple(found)

    def _substitute(self, have: tuple[Element, ...], step: str) -> Element | None:
        """The element of this name that may stand in the place of one of these: it need not come, and comes as often as that one may."""
        for head in have:
            for name in head.substitutes:
                if name.rpartition("}")[2] == step:
                    return replace(self.elements[name], minimum=0, maximum=head.maximum, choice=head.choice)
        return None

    def reach(self, element: Element, path: str) -> tuple[Element, ...]:
        """As ``walk``, where elements of derived types count too: an element may say by xsi:type that it has them."""
        found: list[Element] = []
        for step in plain(path).split("/"):
            at = found[-1] if found else element
            try:
                found += self.walk(at, step)
            except UnknownPath:
                for name in self._further(at):
                    if inside := [one for one in self.children(replace(at, type=name)) if one.name.rpartition("}")[2] == step]:
                        found += inside[:1]
                        break
                else:
                    raise
        return tuple(found)

    def left_open(self, element: Element, path: str) -> str | None:
        """The name of an element at the path that its parent's type allows without naming it (xsd:any), in the namespace of that type; None
        where the contract names it, or allows no such element.
        """
        above, _, name = path.rpartition("/")
        try:
            parent = self.reach(element, above)[-1] if above else element
        except UnknownPath:
            return None
        try:
            self.reach(parent, name)
        except UnknownPath:
            kind = self.types[parent.type]
            if not isinstance(kind, ComplexType) or not kind.open:
                return None
            space = kind.name.rpartition("}")[0]
            return f"{space}}}{name}" if space else name
        return None

    def attribute(self, owner: str, name: str) -> Attribute | None:
        """The attribute of this local (or expanded) name that elements of the type ``owner`` have; of two, the unqualified one."""
        kind = self.types[owner]
        have = kind.attributes if isinstance(kind, ComplexType) else ()
        return next((one for one in have if one.name == name), None) or next(
            (one for one in have if one.name.rpartition("}")[2] == name), None
        )

    def derived(self, name: str) -> tuple[str, ...]:
        """The types that derive from this one, directly or not."""
        return tuple(other for other, kind in self.types.items() if isinstance(kind, ComplexType) and name in kind.bases)

    def _further(self, element: Element) -> tuple[str, ...]:
        """The types that an element may have besides its own: by xsi:type, or as one that stands in its place."""
        return (*self.derived(element.type), *(self.elements[name].type for name in element.substitutes))

    def simple(self, name: str) -> SimpleType:
        """The simple type of this name; a complex type counts as its text, or as a string when it has none."""
        kind = self.types[name]
        if isinstance(kind, SimpleType):
            return kind
        return self.simple(kind.text) if kind.text else SimpleType(name, "string")
