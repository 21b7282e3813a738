"""Choices of a contract in the rows that are read: which branch an element made, and that it is one where one may be (XSD part 1 §3.8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from connectors.soap.checks import Check
from connectors.soap.components import Choice, ComplexType, Contract, Element, UnknownPath
from connectors.soap.raw import ABSENT, Block, Presence, Raw, RawRow, Texts, Unfit
from connectors.soap.xmltree import local

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The last step of a column's source that is the branch which an element made; ``$branch:Name`` where it has several choices.
BRANCH = "$branch"


@dataclass(frozen=True)
class ChoiceMade(Check):
    """At most one branch came, and one did where one must. ``branches`` are slots by the branch's first element: it came if one of them is
    not absent. ``within`` is the slot of the element that has the choice, where that need not be there itself; else -1.
    """

    branches: tuple[tuple[str, tuple[int, ...]], ...]
    required: bool
    within: int = -1

    def said(self, row: RawRow) -> Raw:
        """The branch that a raw row made; absent where it is none, or more than one."""
        made = self._made(row)
        return made[0] if len(made) == 1 else Presence.ABSENT

    def said_by_all(self, rows: Sequence[RawRow]) -> Sequence[Raw] | Texts:
        """The same for every row of a block."""
        if not isinstance(rows, Block):
            return [self.said(row) for row in rows]
        import numpy as np

        there = np.stack([self._came(rows, slots) for _, slots in self.branches])
        one = there.sum(axis=0) == 1
        names = pa.array([name for name, _ in self.branches], pa.string())
        return Texts(names.take(pa.array(there.argmax(axis=0), mask=~one)), np.where(one, 0, ABSENT).astype(np.int8))

    def broken(self, row: RawRow) -> Unfit | None:
        made = self._made(row)
        if len(made) > 1:
            return Unfit("choice.several (the contract allows one of these)", ", ".join(made))
        if made or not self.required or (self.within >= 0 and isinstance(row[self.within], Presence)):
            return None
        return Unfit("choice.none (the contract wants one of these)", ", ".join(name for name, _ in self.branches))

    def _made(self, row: RawRow) -> list[str]:
        return [name for name, slots in self.branches if any(row[slot] is not Presence.ABSENT for slot in slots)]

    def _suspects(self, block: Block) -> Sequence[int]:
        import numpy as np

        count = np.sum([self._came(block, slots) for _, slots in self.branches], axis=0)
        return pc.indices_nonzero(pa.array((count > 1) | (self.required and count == 0))).to_pylist()

    def _came(self, block: Block, slots: tuple[int, ...]) -> NDArray[np.bool_]:
        import numpy as np

        came = np.zeros(len(block), np.bool_)
        for slot in slots:
            gaps = block.column(slot).gaps
            came |= True if gaps is None else gaps != ABSENT
        return came


def is_branch(source: str) -> bool:
    """Whether a column's source is the branch of a choice."""
    last = source.rpartition("/")[2]
    return last == BRANCH or last.startswith(f"{BRANCH}:")


def choices_of(contract: Contract, name: str) -> Iterator[tuple[str, Choice]]:
    """The choices of a type and of those that derive from it, each with the last step of its source.

    Not those that are made again and again, and none where an element's name does not tell its branch.
    """
    found: dict[Choice, None] = {}
    for at in (name, *contract.derived(name)):
        kind = contract.types[at]
        if isinstance(kind, ComplexType):
            # What a derived type wants besides, only its own rows have.
            own = (one if at == name else replace(one, required=False) for one in kind.choices if _tells(kind, one))
            found.update(dict.fromkeys(one for one in own if one not in found and replace(one, required=True) not in found))
    for one in found:
        yield BRANCH if len(found) == 1 else f"{BRANCH}:{one.name}", one


def choice_at(contract: Contract, owner: Element, source: str) -> tuple[tuple[Element, ...], str, Choice]:
    """The elements below ``owner`` down to the one that has the choice, the choice's full source, and the choice. Raises UnknownPath."""
    path, _, last = source.rpartition("/")
    trail = contract.reach(owner, path) if path else ()
    have = dict(choices_of(contract, (owner, *trail)[-1].type))
    for name, one in have.items():
        if last in (name, f"{BRANCH}:{one.name}"):
            return trail, f"{path}/{name}" if path else name, one
    raise UnknownPath(last, tuple(have))


def branch_names(choice: Choice) -> tuple[str, ...]:
    return tuple(local(names[0]) for names in choice.branches)


def _tells(kind: ComplexType, choice: Choice) -> bool:
    """Whether an element of a branch's names can only be of that branch."""
    if choice.repeated:
        return False
    own, any_ = Counter(one.name for one in kind.elements), Counter(name for one in kind.elements for name in set(one.names))
    for names in choice.branches:
        stated = Counter(names)
        inside = Counter(name for one in kind.elements if one.name in names for name in set(one.names))
        if any(own[name] != stated[name] for name in stated) or any(any_[name] != inside[name] for name in inside):
            return False
    return True
