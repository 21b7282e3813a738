"""What a difference is: its kind by name, where, from what to what, and what the contract says to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, Self, get_args

from expectations.policy import Policy

Kind = Literal[
    "added",
    "removed",
    "renamed",
    "retyped",
    "widened",
    "required",
    "options",
    "label",
    "replaced",
    "restructured",
    "option_renamed",
    "computed",
    "states",
    "feature",
    "lookup",
    "settings",
    "address",
    "emptied",
    "rights",
    "login",
    "call",
    "namespace",
    "endpoint",
    "security",
    "headers",
    "narrowed",
    "nillable",
    "choice",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: What a change does to those who read our tables: ``breaks`` – a query fails, or a column is no longer filled or no longer of its type;
#: ``misleads`` – values under the old name mean something else; ``extends`` – more may come than before; ``none`` of it.
Effect = Literal["breaks", "misleads", "extends", "none"]
EFFECTS: Mapping[str, Effect] = {
    "added": "extends",
    "removed": "breaks",
    "renamed": "breaks",
    "retyped": "breaks",
    "widened": "extends",
    "required": "extends",
    "options": "extends",
    "label": "none",
    "replaced": "misleads",
    "restructured": "breaks",
    "option_renamed": "misleads",
    "computed": "misleads",
    "states": "misleads",
    "feature": "breaks",
    "lookup": "misleads",
    "settings": "none",
    "address": "misleads",
    "emptied": "misleads",
    "rights": "none",
    "login": "misleads",
    "call": "breaks",
    "namespace": "breaks",
    "endpoint": "misleads",
    "security": "breaks",
    "headers": "breaks",
    "narrowed": "none",
    "nillable": "extends",
    "choice": "extends",
}
#: Kinds that show in the values of single rows, so that a row which the contract can't take can be told from one that it can.
HELD: frozenset[Kind] = frozenset({"retyped", "replaced", "widened", "narrowed", "required", "nillable", "options", "option_renamed"})
#: Kinds that the next version of a contract can state without a reader noticing.
EVOLVED: frozenset[Kind] = frozenset({"added", "widened", "narrowed", "required", "nillable", "options", "label"})


@dataclass(frozen=True)
class Change:
    """One named difference. ``path`` is the source code (inner fields as ``table.field``); ``policy`` is what the contract says to do.

    ``reload``: rows that no window would bring differ now, so everything must be read once. Known only against the facts of the last pull.
    ``near`` is the name at the source that comes nearest to one that is not there, given only where nobody knows whether it ever was.
    """

    kind: Kind
    path: str
    label: str
    old: str
    new: str
    policy: Policy
    reload: bool = False
    near: str = ""

    @property
    def blocks(self) -> bool:
        return self.policy in ("ask", "stop")

    @property
    def effect(self) -> Effect:
        """See ``EFFECTS``. Of some kinds it depends on which way they went: what came breaks nothing, and nothing breaks where an option went."""
        if self.kind == "feature" and not self.old:
            return "extends"
        if self.kind == "address" and self.policy == "report":
            return "none"
        if self.kind == "headers" and self.policy == "report":
            return "none"
        return EFFECTS[self.kind]

    @property
    def line(self) -> str:
        """The change as ``accepted.changes`` of a contract names it."""
        return f"{self.kind} {self.path}: {self.old or '·'} → {self.new or '·'}"

    def settled(self) -> Self:
        """The change with a policy that its kind can have, where the contract's was meant for other kinds beside it.

        What can't be held row by row is asked about; what no contract states has nothing to evolve and is told.
        """
        if self.policy == "quarantine" and self.kind not in HELD:
            return replace(self, policy="ask")
        if self.policy == "evolve" and (self.kind not in EVOLVED or self.effect in ("breaks", "misleads")):
            return replace(self, policy="report" if self.effect in ("extends", "none") else "ask")
        return self


@dataclass(frozen=True)
class Drift:
    """All differences of one stream, from the contract alone where it is the ``first`` look: then what is not there may never have been.

    ``decisive``: see ``connectors.protocol.Schema``.
    """

    stream: str
    contract_version: int
    fingerprint: str
    changes: tuple[Change, ...]
    first: bool = False
    decisive: bool = False

    @property
    def misnamed(self) -> bool:
        """Whether all that stops a pull are names of the contract that the source does not have, and perhaps never had."""
        return self.first and bool(self.blocking) and all(change.kind in ("removed", "renamed") for change in self.blocking)

    @property
    def blocking(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.blocks)

    @property
    def evolving(self) -> tuple[Change, ...]:
        """The changes that a next version of the contract is to state."""
        return tuple(change for change in self.changes if change.policy == "evolve")

    @property
    def reload(self) -> bool:
        """Whether the stream must be read whole before its rows are right again."""
        return any(change.reload for change in self.changes)


def nearest(name: str, others: Iterable[str]) -> str:
    """The one of the other names that is most like this one, whatever its case; empty where none is."""
    folded = {one.casefold(): one for one in others}
    return next((folded[one] for one in get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)), "")
