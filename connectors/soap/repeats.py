"""Groups of elements that repeat together (a choice or a sequence that may come again): what they are, and one turn of theirs as an element.

Lists of each branch do not have the order between the branches. So such a group is one list, ``$repeat``, of what came in the order of the
document; each item has one of the branches, and says by ``$branch`` which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from connectors.soap.components import Choice, ComplexType, Contract, Element, UnknownPath
from connectors.soap.xmltree import local

#: The last step of a column's source that is such a group; ``$repeat:Name``, by its first element, where a type has several.
REPEAT = "$repeat"


@dataclass(frozen=True)
class Group:
    """Elements that repeat together in the type ``owner``, each once. ``name`` is the first one's own."""

    owner: str
    name: str
    elements: tuple[Element, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The elements' local names, which are the sources of their columns in an item."""
        return tuple(local(one.name) for one in self.elements)


def is_repeat(source: str) -> bool:
    """Whether a column's source is a group that repeats."""
    last = source.rpartition("/")[2]
    return last == REPEAT or last.startswith(f"{REPEAT}:")


def groups_of(contract: Contract, name: str) -> Iterator[tuple[str, Group]]:
    """The groups of a type and of those that derive from it that can be told, each with the last step of its source."""
    found: dict[tuple[str, ...], Group] = {}
    for at in (name, *contract.derived(name)):
        kind = contract.types[at]
        if isinstance(kind, ComplexType):
            for one in _of(kind):
                if len(set(one.names)) == len(one.names):
                    found.setdefault(tuple(element.name for element in one.elements), one)
    for one in found.values():
        yield REPEAT if len(found) == 1 else f"{REPEAT}:{one.name}", one


def _of(kind: ComplexType) -> Iterator[Group]:
    for names in kind.repeats:
        if len(set(names)) > 1 and tells(kind, names):
            by_name = {one.name: one for one in reversed(kind.elements)}
            yield Group(kind.name, local(names[0]), tuple(by_name[name] for name in dict.fromkeys(names)))


def tells(kind: ComplexType, names: tuple[str, ...]) -> bool:
    """Whether an element of a group's names can only be of that group: whether none of them may stand outside of it, too."""
    inside = Counter(name for one in kind.elements if one.name in names for name in set(one.names))
    stated, everywhere = Counter(names), Counter(name for one in kind.elements for name in set(one.names))
    own = Counter(one.name for one in kind.elements)
    return (
        "*" not in names
        and all(own[name] == count for name, count in stated.items())
        and all(everywhere[one] == inside[one] for one in inside)
    )


def repeat_at(contract: Contract, owner: Element, source: str) -> tuple[tuple[Element, ...], str, Group]:
    """The elements below ``owner`` down to the one that has the group, the group's full source, and the group. Raises UnknownPath."""
    path, _, last = source.rpartition("/")
    trail = contract.reach(owner, path) if path else ()
    have = dict(groups_of(contract, (owner, *trail)[-1].type))
    for name, one in have.items():
        if last in (name, f"{REPEAT}:{one.name}"):
            return trail, source, one
    raise UnknownPath(last, tuple(have))


def item_of(contract: Contract, group: Group) -> tuple[Contract, Element]:
    """One item of the list as an element of its own, that makes a choice among the group's: in the contract with a type for it."""
    key = f"{group.owner}#{REPEAT}:{group.name}"
    elements = tuple(replace(one, minimum=0, maximum=1, choice=group.name) for one in group.elements)
    choice = Choice(group.name, tuple((one.name,) for one in elements), required=False, repeated=False)
    types = {**contract.types, key: ComplexType(key, elements, choices=(choice,))}
    return replace(contract, types=types), Element(REPEAT, key, 0, None)


def part_at(contract: Contract, owner: Element, source: str) -> tuple[Contract, Element]:
    """The element that a column with parts is, or an item of the group that it is. Raises UnknownPath."""
    if is_repeat(source):
        return item_of(contract, repeat_at(contract, owner, source)[2])
    return contract, contract.reach(owner, source)[-1]
