"""kintone's ordered rights, and the allow list of principals they come to.

In every list the first entry that fits a person decides. So an entry that denies matters only where a later one would allow; then, and
where two lists must both allow, the allow list is worked out person by person, and what stands in the index is never a NOT.

An entry may name its persons by a field of the record (FIELD_ENTITY); it takes part in the order like any other once the record's
values are put in its place. The group of everyone has the lowest priority; a list that shows it higher is read both ways, and only whom
both let view is let view. Guests of guest spaces are no part of everyone: they reach what names them, in every list that decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from connectors.access import principal
from connectors.kintone.directory import EVERYONE, Directory, is_guest, user_principal

Kind = Literal["USER", "GROUP", "ORGANIZATION", "FIELD"]
#: What the codes in a field are, by the field's type; other types name nobody.
FieldOf = Literal["user", "group", "org"]
FIELD_KINDS: dict[str, FieldOf] = {
    "CREATOR": "user",
    "MODIFIER": "user",
    "STATUS_ASSIGNEE": "user",
    "USER_SELECT": "user",
    "GROUP_SELECT": "group",
    "ORGANIZATION_SELECT": "org",
}
_BOUND: dict[FieldOf, Kind] = {"user": "USER", "group": "GROUP", "org": "ORGANIZATION"}


@dataclass(frozen=True)
class Right:
    """One entry: whom it means and whether it lets them view. ``subs``: organisations below count too.

    For ``FIELD`` the code is a field's, and ``of`` says what stands in it.
    """

    kind: Kind
    code: str
    subs: bool
    allowed: bool
    of: FieldOf | None = None

    @property
    def everyone(self) -> bool:
        return self.kind == "GROUP" and self.code == EVERYONE


@dataclass(frozen=True)
class Rights:
    """An ordered list. ``reason`` says why it can't be resolved to principals, where it can't."""

    entries: tuple[Right, ...]
    reason: str = ""

    @property
    def fields(self) -> tuple[tuple[str, FieldOf], ...]:
        """The fields that name persons, each once, in the order of the list."""
        return tuple(dict.fromkeys((entry.code, entry.of) for entry in self.entries if entry.of is not None))

    def bound(self, values: Mapping[str, Sequence[str]]) -> Rights:
        """The list of one record: every field's entry replaced by one for each code in ``values``."""
        entries: list[Right] = []
        for entry in self.entries:
            if entry.of is None:
                entries.append(entry)
            else:
                entries += [replace(entry, kind=_BOUND[entry.of], code=code, of=None) for code in values[entry.code]]
        return Rights(tuple(entries), self.reason)

    def readings(self) -> tuple[Rights, ...]:
        """The list as it stands and, where everyone stands above others, with everyone moved to the end."""
        ours = [entry for entry in self.entries if entry.everyone]
        if not ours or self.entries[-1] == ours[0]:
            return (self,)
        others = tuple(entry for entry in self.entries if not entry.everyone)
        return (self, replace(self, entries=(*others, ours[0])))


def rights_of(
    entries: Iterable[Mapping[str, Any]],
    allowed: str,
    *,
    creator: str = "",
    fields: Mapping[str, str] | None = None,
    levels: tuple[str, ...] = (),
) -> Rights:
    """The list as kintone sends it. ``allowed`` is the key that decides; ``levels`` its allowing values where it is no boolean.

    In the app's list the entity CREATOR is the person ``creator``. In lists of records and fields, ``fields`` maps the form's field codes
    to their types: there CREATOR is whoever made the record, and FIELD_ENTITY whoever stands in the field.
    """
    found: list[Right] = []
    for entry in entries:
        entity = cast("dict[str, Any]", entry.get("entity") or {})
        kind, code = str(entity.get("type")), str(entity.get("code") or "")
        value = entry.get(allowed)
        may = value in levels if levels else value in (True, "true")
        subs = entry.get("includeSubs") in (True, "true")
        if kind == "CREATOR" and fields is not None:
            kind, code = "FIELD_ENTITY", next((one for one, type_ in fields.items() if type_ == "CREATOR"), "")
        elif kind == "CREATOR" and creator:
            kind, code = "USER", creator
        if kind == "FIELD_ENTITY" and fields is not None:
            of = FIELD_KINDS.get(fields.get(code, ""))
            if of is None:
                return Rights((), f"the rule names persons by the field {code}, which the form does not show or which holds no persons")
            found.append(Right("FIELD", code, subs, may, of))
        elif kind in ("USER", "GROUP", "ORGANIZATION"):
            found.append(Right(kind, code, subs, may))
        else:
            return Rights((), f"the rule names persons by {kind} {code}".rstrip())
    return Rights(tuple(found))


class Readers:
    """Allow lists under the lists that hold for a whole app (``base``: the app's own, and its space's)."""

    def __init__(self, base: Sequence[Rights], directory: Directory, system: str) -> None:
        """Callers check every list's ``reason`` first."""
        self._directory, self._system = directory, system
        self._base = [reading for layer in base for reading in layer.readings()]
        self._reach: frozenset[str] | None = None

    def principals(self, *more: Rights, values: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
        """The principals whom the base and every list of ``more`` let view; ``values`` are the codes in the record's fields.

        One narrow list keeps its groups and organisations as tokens; several, or one with a deny before an allow, become users.
        """
        directory = self._directory
        layers = [reading.bound(values or {}) for layer in more for reading in layer.readings()]
        whole = [*self._base, *layers]
        narrow = [layer for layer in whole if not _open(layer)]
        if not narrow:
            # A guest is no part of everyone, and is let in by lists that all name them beside it.
            named = _all(whole, directory) if whole else frozenset[str]()
            return (principal("everyone", self._system), *sorted(user_principal(user) for user in named if is_guest(user)))
        if len(narrow) == 1 and not _denies(narrow[0]):
            rest = [_viewers(layer, directory) for layer in whole if layer is not narrow[0]]
            tokens: set[str] = set()
            for entry in narrow[0].entries:
                # Everyone's lists let in whom the directory has; a guest must be named by them too.
                if entry.allowed and not (is_guest(entry.code) and not all(entry.code in one for one in rest)):
                    tokens.update(_tokens(entry, directory, self._system))
            return tuple(sorted(tokens))
        if self._reach is None:
            self._reach = _all(self._base, directory)
        users = self._reach & _all(layers, directory) if layers else self._reach
        return tuple(sorted(user_principal(user) for user in users))


def _all(layers: Sequence[Rights], directory: Directory) -> frozenset[str]:
    """The users whom every layer lets view; at least one layer."""
    return frozenset[str].intersection(*(_viewers(layer, directory) for layer in layers))


def _open(layer: Rights) -> bool:
    return any(entry.everyone and entry.allowed for entry in layer.entries) and all(entry.allowed for entry in layer.entries)


def _denies(layer: Rights) -> bool:
    allows = [entry.allowed for entry in layer.entries]
    return any(not one and any(allows[at:]) for at, one in enumerate(allows))


def _tokens(entry: Right, directory: Directory, system: str) -> tuple[str, ...]:
    if entry.everyone:
        return (principal("everyone", system),)
    if entry.kind == "USER":
        return tuple(user_principal(user) for user in _people(entry, directory))
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
        return frozenset({entry.code}) if is_guest(entry.code) else directory.active & {entry.code}
    if entry.kind == "GROUP":
        return directory.groups.get(entry.code, frozenset())
    return directory.within(entry.code, subs=entry.subs)
