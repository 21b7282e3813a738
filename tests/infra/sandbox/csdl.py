"""What Microsoft's own description of Graph (CSDL) says: its types, and the type that an address answers with."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
#: Addressing by path (``/root:/a/b:``, ``/sites/host:/sites/a:``) stands for one item, whatever its names look like.
_BY_PATH = re.compile(r":/[^:]*(?::|$)")


@dataclass(frozen=True)
class Typed:
    """A type by its full name, or a collection of it."""

    name: str
    many: bool = False

    def __str__(self) -> str:
        return f"Collection({self.name})" if self.many else self.name


@dataclass(frozen=True)
class Property:
    """``nullable`` is that of the members where the property is a collection. ``navigation``: what it names has an address of its own."""

    name: str
    type: Typed
    nullable: bool
    navigation: bool


@dataclass(frozen=True)
class Structure:
    """An entity or complex type. ``properties`` are its own, without those of ``base``."""

    name: str
    base: str
    entity: bool
    abstract: bool
    open: bool
    properties: dict[str, Property]


@dataclass(frozen=True)
class Enumeration:
    members: frozenset[str]
    flags: bool


@dataclass(frozen=True)
class Function:
    """A bound function that needs no argument but what it is bound to."""

    name: str
    bound: Typed
    returns: Typed


@dataclass
class Csdl:
    """The description of a service. Names are full (``microsoft.graph.driveItem``)."""

    structures: dict[str, Structure] = field(default_factory=dict)
    enumerations: dict[str, Enumeration] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)
    roots: dict[str, Typed] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Csdl:
        tree = etree.fromstring(gzip.decompress(path.read_bytes()))
        schemas = list(tree.iter(f"{_EDM}Schema"))
        aliases = {one.get("Alias", one.get("Namespace")): one.get("Namespace") for one in schemas}
        found = cls()
        for schema in schemas:
            found._add(schema, aliases)
        return found

    def _add(self, schema: etree._Element, aliases: dict[str, str]) -> None:
        space = schema.get("Namespace")

        def typed(raw: str) -> Typed:
            many = raw.startswith("Collection(")
            prefix, _, name = raw.removeprefix("Collection(").rstrip(")").rpartition(".")
            return Typed(f"{aliases.get(prefix, prefix)}.{name}", many)

        def properties(one: etree._Element) -> dict[str, Property]:
            return {
                child.get("Name"): Property(
                    child.get("Name"), typed(child.get("Type")), child.get("Nullable") != "false", child.tag == f"{_EDM}NavigationProperty"
                )
                for child in one
                if child.tag in (f"{_EDM}Property", f"{_EDM}NavigationProperty")
            }

        for one in schema:
            kind = etree.QName(one).localname
            name = f"{space}.{one.get('Name')}"
            if kind in ("EntityType", "ComplexType"):
                base = typed(one.get("BaseType")).name if one.get("BaseType") else ""
                flags = (kind == "EntityType", one.get("Abstract") == "true", one.get("OpenType") == "true")
                self.structures[name] = Structure(name, base, *flags, properties(one))
            elif kind == "EnumType":
                members = frozenset(child.get("Name") for child in one.iter(f"{_EDM}Member"))
                self.enumerations[name] = Enumeration(members, one.get("IsFlags") == "true")
            elif kind == "Function" and one.get("IsBound") == "true":
                given = [typed(child.get("Type")) for child in one.iter(f"{_EDM}Parameter")]
                (returns,) = (typed(child.get("Type")) for child in one.iter(f"{_EDM}ReturnType"))
                if len(given) == 1:
                    self.functions.append(Function(one.get("Name"), given[0], returns))
            elif kind == "EntityContainer":
                self.roots |= {
                    child.get("Name"): Typed(typed(child.get("EntityType")).name, True) for child in one.iter(f"{_EDM}EntitySet")
                }
                self.roots |= {child.get("Name"): typed(child.get("Type")) for child in one.iter(f"{_EDM}Singleton")}

    def lineage(self, name: str) -> Iterator[Structure]:
        """The type and all it derives from, itself first."""
        while name in self.structures:
            yield self.structures[name]
            name = self.structures[name].base

    def properties(self, name: str) -> dict[str, Property]:
        """Own and inherited."""
        return {key: value for one in reversed(list(self.lineage(name))) for key, value in one.properties.items()}

    def is_a(self, name: str, base: str) -> bool:
        return any(one.name == base for one in self.lineage(name))

    def called(self, name: str, on: Typed) -> Typed | None:
        """What the function of this name gives, bound to ``on`` or to what it derives from."""
        plain = name.removeprefix("microsoft.graph.").removesuffix("()")
        fits = (one for one in self.functions if one.name == plain and one.bound.many == on.many and self.is_a(on.name, one.bound.name))
        return next((one.returns for one in fits), None)

    def answers(self, path: str) -> Typed | None:
        """The type at an address below ``/v1.0``; None where the description knows no such address."""
        first, *rest = _BY_PATH.sub("", path).strip("/").split("/")
        here = self.roots.get(first)
        for segment in rest:
            here = self._below(here, segment) if here is not None else None
        return here

    def _below(self, here: Typed, segment: str) -> Typed | None:
        called = self.called(re.sub(r"\(token='[^']*'\)$", "", segment), here)
        if called is not None:
            return called
        if segment in self.structures:
            return Typed(segment, here.many) if self.is_a(segment, here.name) else None
        if here.many:
            return Typed(here.name)
        known = self.properties(here.name).get(segment)
        return known.type if known is not None and known.navigation else None
