"""kintone's ordered rights, and the allow list of principals they come to.

In every list the first entry that fits a person decides. So an entry that denies matters only where a later one would allow; then, and
where two lists must both allow, the allow list is worked out person by person, and what stands in the index is never a NOT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from connectors.kintone.directory import EVERYONE, Directory, user_principal
from connectors.protocol import principal

Kind = Literal["USER", "GROUP", "ORGANIZATION"]


@dataclass(frozen=True)
class Right:
    """One entry: whom it means and whether it lets them view. ``subs``: organisations below count too."""

    kind: Kind
    code: str
    subs: bool
    allowed: bool

    @property
    def everyone(self) -> bool:
        return self.kind == "GROUP" and self.code == EVERYONE


@dataclass(frozen=True)
class Rights:
    """An ordered list. ``reason`` says why it can't be resolved to principals, where it can't."""

    entries: tuple[Right, ...]
    reason: str = ""


def rights_of(entries: Iterable[Mapping[str, Any]], allowed: str, *, creator: str = "", levels: tuple[str, ...] = ()) -> Rights:
    """The list as kintone sends it. ``allowed`` is the key that decides; ``levels`` its allowing values where it is no boolean.

    ``creator`` stands in for the entity CREATOR. A FIELD_ENTITY names persons record by record, so the list is unresolved.
    """
    found: list[Right] = []
    for entry in entries:
        entity = cast("dict[str, Any]", entry.get("entity") or {})
        kind, code = str(entity.get("type")), str(entity.get("code") or "")
        value = entry.get(allowed)
        may = value in levels if levels else value in (True, "true")
        if kind == "CREATOR" and creator:
            kind, code = "USER", creator
        if kind not in ("USER", "GROUP", "ORGANIZATION"):
            return Rights((), f"the rule names persons by {kind} {code}".rstrip())
        found.append(Right(kind, code, entry.get("includeSubs") in (True, "true"), may))
        if found[-1].everyone:
            break
    return Rights(tuple(found))


def allow_list(layers: Sequence[Rights], directory: Directory, system: str) -> tuple[str, ...]:
    """The principals whom every layer lets view. Callers check ``reason`` first.

    One narrow layer keeps its groups and organisations as tokens; several narrow layers, or one with a deny before an allow, become users.
    """
    narrow = [layer for layer in layers if not _open(layer)]
    if not narrow:
        return (principal("everyone", system),)
    if len(narrow) == 1 and not _denies(narrow[0]):
        return tuple(sorted({token for entry in narrow[0].entries if entry.allowed for token in _tokens(entry, directory, system)}))
    users = directory.active
    for layer in narrow:
        users &= _viewers(layer, directory)
    return tuple(sorted(user_principal(user) for user in users))


def _open(layer: Rights) -> bool:
    return any(entry.everyone and entry.allowed for entry in layer.entries) and all(entry.allowed for entry in layer.entries)


def _denies(layer: Rights) -> bool:
    allows = [entry.allowed for entry in layer.entries]
    return any(not one and any(allows[at:]) for at, one in enumerate(allows))


def _tokens(entry: Right, directory: Directory, system: str) -> tuple[str, ...]:
    if entry.everyone:
        return (principal("everyone", system),)
    if entry.kind == "USER":
        return (user_principal(entry.code),)
    if entry.kind == "GROUP":
        return (principal("group", "kintone", entry.code),)
    if entry.subs:
        return (principal("org", "kintone", entry.code),)
    # Membership edges lead down to sub-organisations, so an organisation without them has no token of its own.
    return tuple(user_principal(user) for user in directory.within(entry.code, subs=False))


def _viewers(layer: Rights, directory: Directory) -> frozenset[str]:
    decided: set[str] = set()
    may: set[str] = set()
    for entry in layer.entries:
        fits = _people(entry, directory) - decided
        decided |= fits
        if entry.allowed:
            may |= fits
    return frozenset(may)


def _people(entry: Right, directory: Directory) -> frozenset[str]:
    if entry.everyone:
        return directory.active
    if entry.kind == "USER":
        return directory.active & {entry.code}
    if entry.kind == "GROUP":
        return directory.groups.get(entry.code, frozenset())
    return directory.within(entry.code, subs=entry.subs)
