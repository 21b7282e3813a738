"""What a difference is: its kind by name, where, from what to what, and what the contract says to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from expectations.contract import Policy

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
    def reload(self) -> bool:
        """Whether the stream must be read whole before its rows are right again."""
        return any(change.reload for change in self.changes)


def nearest(name: str, others: Iterable[str]) -> str:
    """The one of the other names that is most like this one, whatever its case; empty where none is."""
    folded = {one.casefold(): one for one in others}
    return next((folded[one] for one in get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)), "")
