"""How an element is told as JSON, by what the contract says of it alone: what is an object, a list or a text in it, and what its keys are.

How often something came, or what it held, decides nothing: a text that is read tomorrow has its values where today's has them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from connectors.soap.components import ComplexType, Contract, Element, SimpleType
from connectors.soap.known import Known
from connectors.soap.repeats import REPEAT, tells
from connectors.soap.xmltree import local

#: ``object``: its attributes and children. ``items``: an array of SOAP encoding, whose items have no names. ``text``: a value. ``xml``: its
#: inside as XML. ``open``: its text, or XML where elements stand in it.
Way = Literal["object", "items", "text", "xml", "open"]
#: As many paths as are told one by one.
_TOLD = 40


@dataclass(frozen=True)
class Child:
    """A child in its parent's object: under ``key``, in a list where it is ``many``. One of a group is in the group's list instead."""

    key: str
    many: bool
    group: str
    layout: Layout


class Layout:
    """Of elements whose declared type is one of ``types``. Read from the contract when first asked for, so recursive types end nowhere."""

    def __init__(self, contract: Contract, types: frozenset[str], made: dict[frozenset[str], Layout] | None = None) -> None:
        self._contract, self.types = contract, types
        self._made: dict[frozenset[str], Layout] = made if made is not None else {}
        self._made.setdefault(types, self)

    @classmethod
    def of(cls, contract: Contract, element: Element) -> Layout:
        return cls(contract, frozenset((element.type, *(contract.elements[name].type for name in element.substitutes))))

    @cached_property
    def _declared(self) -> tuple[SimpleType | ComplexType, ...]:
        return tuple(self._contract.types[name] for name in sorted(self.types))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The declared types and those that derive from them. A value that is declared without attributes is not looked at for any."""
        heads = (name for name in self.types if isinstance(self._contract.types[name], ComplexType))
        return tuple(sorted({*self.types, *(one for name in heads for one in self._contract.derived(name))}))

    @cached_property
    def _kinds(self) -> tuple[SimpleType | ComplexType, ...]:
        return tuple(self._contract.types[name] for name in self._names)

    @cached_property
    def _complex(self) -> tuple[ComplexType, ...]:
        return tuple(kind for kind in self._kinds if isinstance(kind, ComplexType))

    @cached_property
    def way(self) -> Way:
        if any(isinstance(kind, SimpleType) and kind.builtin == "anyType" for kind in self._declared):
            return "open"
        if any(isinstance(kind, ComplexType) and is_xml(kind) for kind in self._declared):
            return "xml"
        if any(one.name == "*" for kind in self._complex for one in kind.elements):
            return "items"
        if any(kind.text is None for kind in self._complex):
            return "object"
        return "object" if self.attributes else "text"

    @cached_property
    def valued(self) -> bool:
        """Whether the text in an object is its value."""
        return all(isinstance(kind, SimpleType) or kind.text is not None for kind in self._kinds)

    @cached_property
    def qualified(self) -> bool:
        """Whether its text is a qualified name."""
        return self.valued and any(self._qualifies(name) for name in self.types)

    def _qualifies(self, name: str) -> bool:
        return self._contract.simple(name).builtin in ("QName", "NOTATION")

    @cached_property
    def attributes(self) -> Mapping[str, bool]:
        """The attributes that the contract has for it, by name as expat gives it, and whether each is a qualified name."""
        return {one.name.removeprefix("{"): self._qualifies(one.type) for kind in self._complex for one in kind.attributes}

    @cached_property
    def children(self) -> Mapping[str, Child]:
        """By name as expat gives it; ``*`` is an item of an encoded array, whatever its name."""
        heads: dict[str, frozenset[str]] = {}
        many: set[str] = set()
        for kind in self._complex:
            came = Counter(name for one in kind.elements for name in set(one.names))
            for one in kind.elements:
                for name in one.names:
                    known = self._contract.elements[name].type if name in one.substitutes else one.type
                    heads[name] = heads.get(name, frozenset()) | {known}
                    if one.many or came[name] > 1:
                        many.add(name)
        shared = Counter(map(local, heads))
        groups = self._groups()
        return {
            name.removeprefix("{"): Child(
                _spelt(name) if shared[local(name)] > 1 else local(name), name in many, groups.get(name, ""), self._below(types)
            )
            for name, types in heads.items()
        }

    def _groups(self) -> Mapping[str, str]:
        """For each element that repeats together with others, the key of their list."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for kind in self._complex:
            for names in kind.repeats:
                if len(set(names)) < 2 or not tells(kind, names):
                    continue
                may = {name for one in kind.elements if one.name in names for name in one.names}
                found.setdefault(names, tuple(sorted(may)))
        several = len(found) > 1
        return {one: f"{REPEAT}:{local(names[0])}" if several else REPEAT for names, every in found.items() for one in every}

    def _below(self, types: frozenset[str]) -> Layout:
        made = self._made.get(types)
        if made is None:
            made = self._made[types] = Layout(self._contract, types, self._made)
        return made

    @cached_property
    def space(self) -> str:
        """The namespace that most of the children are in: one that the contract does not know is called by its local name there."""
        spaces = Counter(name.rpartition("}")[0] for name in self.children if name != "*")
        return max(spaces, key=lambda one: (spaces[one], one)) if spaces else ""

    @cached_property
    def known(self) -> Known:
        return Known(self._contract, frozenset(self._names))

    def unknown_key(self, name: str) -> str:
        """The key of a child that the contract does not know: its local name, where that can be no other's."""
        uri, _, last = name.rpartition("}")
        taken = uri != self.space or any(local(one) == last for one in self.children)
        return f"{{{uri}}}{last}" if taken else last

    def written(self) -> list[Any]:
        """All of it in one form, for a fingerprint: every layout that can be reached once, and its children by number."""
        numbers = {self.types: 0}
        todo, made = list[Layout]([self]), list[Any]()
        for one in todo:
            inside: list[Any] = []
            for name, child in sorted(one.children.items()) if one.way in ("object", "items") else ():
                if child.layout.types not in numbers:
                    numbers[child.layout.types] = len(todo)
                    todo.append(child.layout)
                inside.append([name, child.key, child.many, child.group, numbers[child.layout.types]])
            made.append([one.way, one.valued, sorted(one.attributes), inside])
        return made

    def lists(self) -> tuple[str, ...]:
        """The paths of all that is a list in it, for a line of drift; of very many the first, and a digest."""
        found: dict[str, None] = {}
        todo, seen = list[tuple[str, Layout]]([("", self)]), {self.types}
        for path, one in todo:
            for _, child in sorted(one.children.items()) if one.way in ("object", "items") else ():
                at = f"{path}{child.group}/{child.key}" if child.group else f"{path}{child.key}"
                if child.group:
                    found[f"{path}{child.group}"] = None
                elif child.many:
                    found[at] = None
                if child.layout.types not in seen:
                    seen.add(child.layout.types)
                    todo.append((f"{at}/", child.layout))
        every = sorted(found)
        if len(every) <= _TOLD:
            return tuple(every)
        return (*every[:_TOLD], hashlib.sha256("\n".join(every).encode()).hexdigest()[:12])


def is_xml(kind: ComplexType) -> bool:
    """Whether only XML has all of what such an element holds: text between elements, what the schema leaves open, or an order between
    elements that repeat together and may stand alone, too.
    """
    return kind.mixed or kind.open or any(len(set(names)) > 1 and not tells(kind, names) for names in kind.repeats)


def _spelt(name: str) -> str:
    return name if name.startswith("{") else f"{{}}{name}"
