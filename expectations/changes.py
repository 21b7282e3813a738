"""What a difference is: its kind by name, where, from what to what, and what the contract says to do about it."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    kind: Kind
    path: str
    label: str
    old: str
    new: str
    policy: Policy
    reload: bool = False

    @property
    def blocks(self) -> bool:
        return self.policy in ("ask", "stop")


@dataclass(frozen=True)
class Drift:
    """All differences of one stream. ``unchanged`` when the fingerprints are equal and nothing had to be compared."""

    stream: str
    contract_version: int
    fingerprint: str
    changes: tuple[Change, ...]

    @property
    def blocking(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.blocks)

    @property
    def reload(self) -> bool:
        """Whether the stream must be read whole before its rows are right again."""
        return any(change.reload for change in self.changes)
