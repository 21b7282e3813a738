"""Values that a system sends as pairs of a name and a value: ``field[@column=DocumentNo]/val``, ``map-Entry[map-Key=partyId]/map-Value``.

Some systems have one schema for all of their tables: a row is a repeated element, each with the name of a field and its value. A predicate
says which of them is meant. Pairs are gathered as they come, and dealt out to the row's slots at its end, as strictly as elements with
names of their own: a name that comes twice is held, one that does not come is absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.soap.raw import Presence, Raw, RawRow
from connectors.soap.xmltree import BrokenXml

if TYPE_CHECKING:
    from connectors.soap.reply import Reply

_PREDICATE = re.compile(r"\[[^\[\]]*\]")
_PAIR = re.compile(r"([^\[\]@]+)\[([^\[\]=]+)=([^\[\]]+)\](?:/([^\[\]]+)|(@[^\[\]/]+))?")


class BrokenPair(BrokenXml):
    """Pairs outside of the rows that can't be told apart."""


@dataclass(frozen=True)
class Pair:
    """``path`` is the repeated element, ``name`` the source inside of it that must be ``wanted``, ``value`` the source that is read then.

    An empty ``value`` is the element's own text.
    """

    path: str
    name: str
    wanted: str
    value: str

    @property
    def naming(self) -> str:
        """The path of the name."""
        return f"{self.path}{'' if self.name.startswith('@') else '/'}{self.name}"

    @property
    def reading(self) -> str:
        """The path of the value."""
        return f"{self.path}{'' if not self.value or self.value.startswith('@') else '/'}{self.value}"


def pair_of(source: str) -> Pair | None:
    """The pair that a source names; None for a source without a predicate. Raises ValueError for a predicate that is none."""
    if "[" not in source and "]" not in source:
        return None
    found = _PAIR.fullmatch(source)
    if found is None:
        raise ValueError(f"{source} has no predicate of the form element[name=value]/value, or more than one")
    return Pair(found[1], found[2], found[3], found[4] or found[5] or "")


def plain(source: str) -> str:
    """The source without its predicates."""
    return _PREDICATE.sub("", source) if "[" in source else source


def divided(source: str) -> tuple[str, str]:
    """The path of a source, without predicates, and the attribute at its end, if any."""
    path, _, attribute = plain(source).partition("@")
    return path, attribute


def is_pair(source: str, path: str) -> bool:
    """Whether ``path``, the source without its predicates, is that of the pair itself, so that the value is its own text."""
    return "[" in source and source.endswith("]") and "/" not in source[source.rindex("]") :] and plain(source) == path


@dataclass
class Gathered:
    """The pairs of one raw row: they lie in ``slot``, each a raw row with its name at ``name``. ``of`` says for each name that is wanted
    where in the pair its values lie, and where in the row they go.
    """

    slot: int
    name: int
    of: dict[str, list[tuple[int, int]]] = field(default_factory=dict[str, list[tuple[int, int]]])


def deal(row: RawRow, gathered: Iterable[Gathered]) -> None:
    """Put the values of the pairs into the row's own slots."""
    for pairs in gathered:
        came = row[pairs.slot]
        # What is no list is why there is none: no pair came, or their wrapper came twice.
        unclear = came if came is Presence.TWICE else None
        seen: set[str] = set()
        held: list[Any] = came if isinstance(came, list) else []
        for one in held:
            if one is Presence.NIL:
                continue
            name = _name(one, pairs.name)
            if not isinstance(name, str):
                # It may be any of those that are wanted.
                unclear = Presence.MIXED
                continue
            for value, slot in pairs.of.get(name, ()):
                row[slot] = Presence.TWICE if name in seen else one[value]
            seen.add(name)
        if unclear is not None:
            for slots in pairs.of.values():
                for _, slot in slots:
                    row[slot] = unclear


def _name(pair: Raw, at: int) -> Raw:
    return pair if isinstance(pair, Presence) else pair[at]


@dataclass
class Around:
    """Pairs outside of the rows. While one is open, its name and values are collected at the reply's repeated paths ``naming`` and those
    in ``of``, which says for each wanted name where its values are collected, and as which paths they count. ``rows`` is the name of the
    pair that holds the rows, if one must.
    """

    naming: str
    of: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])
    rows: str = ""

    def holds_rows(self, repeated: Mapping[str, list[str]]) -> bool:
        """Whether the pair under way is the one with the rows."""
        return repeated.get(self.naming) == [self.rows]

    def close(self, reply: Reply) -> None:
        """The end of one pair. Raises BrokenPair for what is named twice, and for rows that came before the name of their pair did."""
        names = reply.repeated.pop(self.naming, [])
        passed, reply.passed = reply.passed, 0
        collected = {path: reply.repeated.pop(path, []) for path in {path for wanted in self.of.values() for path, _ in wanted}}
        if len(names) != 1:
            if passed or names or any(collected.values()):
                raise BrokenPair(f"a pair has {len(names) or 'no'} names at {self.naming}")
            return
        name = names[0]
        if passed and name == self.rows:
            raise BrokenPair(f"rows stand before the name {name} of the pair they are in")
        for path, counts_as in self.of.get(name, ()):
            values = collected[path]
            if counts_as in reply.scalars or len(values) > 1:
                raise BrokenPair(f"<{counts_as}> comes twice")
            reply.scalars[counts_as] = values[0] if values else None
