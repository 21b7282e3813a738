"""Which elements a contract knows, wherever in a reply they stand; what stands there besides is counted, and never passed over in silence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from connectors.soap.components import ComplexType, Contract, Element, SimpleType
from connectors.soap.notes import Notes

#: What stands for an attachment inside of a value (XOP 1.0).
INCLUDE = "http://www.w3.org/2004/08/xop/include}Include"
#: As much of a name or a path as a note tells.
_SHOWN = 120
#: So many names say what stands where rows should.
_FEW = 5


class Known:
    """What may stand in an element: the children of its type, of every type derived from that, and of what may stand in its place.

    Read from the contract when first asked for, so recursive types end nowhere and large ones cost what a reply holds of them.
    """

    def __init__(self, contract: Contract | None, types: frozenset[str], children: Mapping[str, Known] | None = None) -> None:
        self._contract = contract
        self._types = types
        if children is not None:
            self.children = children

    @classmethod
    def of(cls, contract: Contract, element: Element) -> Known:
        return cls(contract, _types(contract, element))

    @cached_property
    def _kinds(self) -> tuple[SimpleType | ComplexType, ...]:
        return tuple(self._contract.types[name] for name in self._types) if self._contract is not None else ()

    @cached_property
    def open(self) -> bool:
        """Whether the contract leaves open what stands here (xs:any, xs:anyType)."""
        return any(kind.open if isinstance(kind, ComplexType) else kind.builtin == "anyType" for kind in self._kinds)

    @cached_property
    def children(self) -> Mapping[str, Known]:
        """By name as expat gives it; ``*`` is an item of an encoded array, whatever its name."""
        if self._contract is None:
            return {}
        found: dict[str, frozenset[str]] = {}
        for kind in self._kinds:
            for child in kind.elements if isinstance(kind, ComplexType) else ():
                inside = _types(self._contract, child)
                for name in child.names:
                    key = name.removeprefix("{")
                    found[key] = found.get(key, frozenset()) | inside
        return {name: Known(self._contract, types) for name, types in found.items()}

    def at(self, name: str) -> Known | None:
        """What may stand in the child of this name; None for a child that the contract does not know."""
        found = self.children.get(name) or self.children.get("*")
        return found or (ANYTHING if self is ANYTHING or self.open or name == INCLUDE else None)

    def told(self, name: str) -> str:
        """The name of an unknown child for people: with its namespace where one of this local name is known in another."""
        local = name.rpartition("}")[2]
        alike = any(one.rpartition("}")[2] == local for one in self.children)
        return f"{{{name}"[:_SHOWN] if alike and "}" in name else local[:_SHOWN]


#: Below what the contract leaves open.
ANYTHING = Known(None, frozenset())


def _types(contract: Contract, element: Element) -> frozenset[str]:
    heads = [element.type, *(contract.elements[name].type for name in element.substitutes)]
    further = (one for head in heads if isinstance(contract.types[head], ComplexType) for one in contract.derived(head))
    return frozenset((*heads, *further))


class Passing:
    """The elements of one reply that no step is for, as they come. ``beside`` names the unknown ones that stand where rows should."""

    def __init__(self, notes: Notes) -> None:
        self.beside: dict[str, None] = {}
        self._notes = notes
        self._open: list[tuple[Known | None, str]] = []

    def enter(self, known: Known | None, path: str, name: str, *, beside: bool = False) -> None:
        """An element that is passed over begins below one that is not, for which ``known`` and ``path`` are given."""
        if beside and known is not None and len(self.beside) < _FEW and known.at(name) is None:
            self.beside[known.told(name)] = None
        self._open = [self._inside(known, path, name)]

    def deeper(self, name: str, depth: int) -> None:
        """An element begins inside of one that is passed over; ``depth`` counts from 1 at that one."""
        del self._open[depth - 1 :]
        self._open.append(self._inside(*self._open[-1], name))

    def _inside(self, known: Known | None, path: str, name: str) -> tuple[Known | None, str]:
        if known is None or known is ANYTHING:
            return None, ""
        found = known.at(name)
        if found is None:
            unknown(self._notes, known, path, name)
        return found, f"{path}/{name.rpartition('}')[2]}"


def unknown(notes: Notes, known: Known, path: str, name: str, count: int = 1) -> None:
    """Note an element that the contract does not know below the one at ``path``."""
    notes.add(path[-_SHOWN:], f"element.unknown {known.told(name)}", count)
