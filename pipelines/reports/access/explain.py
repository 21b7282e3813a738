"""``access explain``: who can read one item and why, and what one person can reach, each with the chain that gives it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from connectors.errors import AnswerIsNo
from pipelines.reports.access.paths import Chain, Membership
from pipelines.reports.access.tables import Tables


@dataclass(frozen=True)
class Asked:
    """Somebody as the project links them: ``own`` are their own principals, ``reached`` by stream (``system/stream``) all they act under."""

    id: str
    name: str
    own: tuple[str, ...]
    reached: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Way:
    """One reason why a person reads: ``chain`` from the person up to the principal that holds ``role`` on ``place``.

    ``first_observed`` is when we first saw the part of it that we saw last (the grant, or a membership where readings of those are kept), and
    ``older`` that this part stood there at its ``first_scan`` already; since when, nobody knows.
    """

    person: str
    chain: Chain
    names: tuple[str, ...]
    role: str
    via: str
    place: str
    first_observed: datetime | None
    first_scan: datetime | None
    older: bool


@dataclass(frozen=True)
class LinksThere:
    """Links on the scope: by these whoever holds the URL reads, too, and is not among the readers. ``named`` are the principals that links
    for named people name, ``names`` the same for people to read."""

    link_scope: str
    link_type: str
    count: int
    without_expiry: int
    named: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class ItemExplained:
    """One item and its readers. ``readers`` counts people, ``found`` their ways, of which ``ways`` are the first. Unresolved: nobody, with
    the ``reason``."""

    stream: str
    item: str
    path: str
    place: str
    level: str
    scope: str
    resolved: bool
    reason: str
    readers: int
    found: int
    read_at: datetime
    ways: tuple[Way, ...]
    links: tuple[LinksThere, ...]


@dataclass(frozen=True)
class Reached:
    """A scope that a person reads: how many items of ``stream`` lie in it, and one way in."""

    stream: str
    place: str
    level: str
    scope: str
    items: int
    way: Way


@dataclass(frozen=True)
class PersonExplained:
    """What one person reaches: ``items`` and ``scopes`` in all, the widest of them in ``reached``."""

    person: str
    name: str
    principals: tuple[str, ...]
    items: int
    scopes: int
    reached: tuple[Reached, ...]


def explain_item(tables: Tables, what: str, top: int, asked: Asked | None = None) -> tuple[int, tuple[ItemExplained, ...]]:
    """The items called ``what`` (an id, a path from the library's root, a name, each also behind ``stream:``) and how many there are.

    With ``asked`` only that person's ways count. Raises AnswerIsNo where nothing is called so.
    """
    rows = tables.rows(f"SELECT stream, item, path, scope FROM items WHERE {_called(what)} ORDER BY stream, path, item")
    if not rows:
        raise AnswerIsNo("access.unknown_item", item=what, system=tables.system)
    found = _Explainer(tables)
    return len(rows), tuple(found.item(row, top, asked) for row in rows[:top])


def explain_person(tables: Tables, asked: Asked, top: int) -> PersonExplained:
    """Everything the person reaches, by scope, the one with the most items first."""
    found = _Explainer(tables)
    counts = tables.rows("SELECT stream, scope, count(*) AS items FROM items GROUP BY stream, scope")
    items = {(row["stream"], row["scope"]): int(row["items"]) for row in counts}
    readings = tables.rows("SELECT stream, scope, title, level, principals FROM scope_readings WHERE resolved")
    open_to = [row for row in readings if asked.reached.get(f"{tables.system}/{row['stream']}", frozenset()) & set(row["principals"])]
    # A scope that none of a stream's rows point at is listed by it only so that others can be compared with it.
    held = [row for row in open_to if (row["stream"], row["scope"]) in items]
    held.sort(key=lambda row: (-items[row["stream"], row["scope"]], row["title"], row["scope"], row["stream"]))
    reached = [
        Reached(row["stream"], row["title"], row["level"] or "", row["scope"], items[row["stream"], row["scope"]], ways[0])
        for row in held[:top]
        if (ways := found.ways_of(row["stream"], row["scope"], row["title"], row["principals"], asked))
    ]
    total = sum(items[row["stream"], row["scope"]] for row in held)
    return PersonExplained(asked.id, found.name(asked), asked.own, total, len({row["scope"] for row in held}), tuple(reached))


class _Explainer:
    """What several answers share: each stream's edges and the names are read once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._names: dict[str, str] = {row["principal"]: row["title"] for row in tables.rows("SELECT principal, title FROM names")}
        self._edges: dict[str, Membership] = {}
        self._read_at = {pin.stream: pin.read_at for pin in tables.pins}
        self._people: dict[str, frozenset[str]] = {}
        joined = tables.rows('SELECT "group", member, first_observed, first_scan, older FROM joined')
        self._joined: dict[tuple[str, str], dict[str, Any]] = {(row["group"], row["member"]): row for row in joined}

    def name(self, asked: Asked) -> str:
        """What this system calls somebody; others may know them by their login alone."""
        return next((self._names[own] for own in asked.own if own in self._names), asked.name)

    def item(self, row: Mapping[str, Any], top: int, asked: Asked | None) -> ItemExplained:
        stream, scope = row["stream"], row["scope"] or ""
        readings = self._tables.rows(
            f"SELECT title, level, resolved, reason, principals FROM scope_readings WHERE stream = {_text(stream)} AND scope = {_text(scope)}"
        )
        where = (stream, row["item"], row["path"] or row["item"])
        if not readings or not readings[0]["resolved"]:
            reason = readings[0]["reason"] if readings else "no reading of this scope"
            title, level = (readings[0]["title"], readings[0]["level"]) if readings else (scope, "")
            return ItemExplained(*where, title, level or "", scope, False, reason, 0, 0, self._read_at[stream], (), self._links(scope))
        (found,) = readings
        ways = self.ways_of(stream, scope, found["title"], found["principals"], asked)
        return ItemExplained(
            *where, found["title"], found["level"] or "", scope, True, "", len({way.chain[0] for way in ways}), len(ways),
            self._read_at[stream], tuple(ways[:top]), self._links(scope),
        )  # fmt: skip

    def ways_of(self, stream: str, scope: str, place: str, principals: Iterable[str], asked: Asked | None) -> list[Way]:
        """A way for each person and each principal that lets them in: those of the scope that the source itself resolved, no others."""
        edges, holds, found = self._membership(stream), self._holds(scope), list[Way]()
        for principal in sorted(principals):
            for chain in self._chains(stream, edges, principal, asked):
                for hold in holds.get(principal, [_UNSAID]):
                    found.append(self._way(chain, hold, place))
        return sorted(found, key=lambda way: (way.names[0], way.chain[0], len(way.chain), way.role, way.chain))

    def _chains(self, stream: str, edges: Membership, principal: str, asked: Asked | None) -> list[Chain]:
        active = self._active(stream)
        if asked is None:
            return edges.chains(principal, active)
        if principal not in asked.reached.get(f"{self._tables.system}/{stream}", frozenset()):
            return []
        found = [chain for own in asked.own if own in active for chain in edges.chains_of(own, principal)]
        # Reached by a rule of another system, whose edges are not this stream's: then the principal stands for itself.
        return found or [(*asked.own[:1], principal)]

    def _way(self, chain: Chain, hold: Mapping[str, Any], place: str) -> Way:
        steps = [self._joined.get((group, member)) for member, group in pairwise(chain)]
        if len(chain) > 1:
            steps.append(hold["joined"].get(chain[-2]))
        # A way is as young as its youngest part. Where that part stood at its own first scan already, the way may be older than that.
        parts = [one for one in (hold, *steps) if one is not None and one["first_observed"] is not None]
        latest = max(parts, key=lambda one: (one["first_observed"], not one["older"]), default=_UNSAID)
        names = tuple(self._names.get(one, one) for one in chain)
        return Way(
            names[0], chain, names, hold["role"], hold["via"], place, latest["first_observed"], latest["first_scan"], latest["older"]
        )  # fmt: skip

    def _holds(self, scope: str) -> dict[str, list[dict[str, Any]]]:
        """What stands on a scope, by principal, the memberships of a site group beside it."""
        grants = self._tables.rows(
            "SELECT principal, role, via, first_observed, first_scan, older FROM holds"
            f" WHERE on_scope = {_text(scope)} AND reads AND via <> 'link' AND principal <> '' ORDER BY principal, role, via"
        )
        inside = self._tables.rows(
            "SELECT m.scope, m.principal, m.first_observed, m.first_scan, m.older FROM grants m WHERE m.via = 'group'"
            f" AND m.scope IN (SELECT principal FROM holds WHERE on_scope = {_text(scope)})"
        )
        joined: dict[str, dict[str, dict[str, Any]]] = {}
        for row in inside:
            joined.setdefault(row["scope"], {})[row["principal"]] = row
        found: dict[str, list[dict[str, Any]]] = {}
        for row in grants:
            found.setdefault(row["principal"], []).append({**row, "joined": joined.get(row["principal"], {})})
        return found

    def _links(self, scope: str) -> tuple[LinksThere, ...]:
        rows = self._tables.rows(
            "SELECT link_scope, link_type, count(DISTINCT link_digest) AS count,"
            " count(DISTINCT link_digest) FILTER (WHERE link_expires IS NULL AND link_password IS NOT NULL) AS without_expiry,"
            " array_sort(array_agg(DISTINCT principal) FILTER (WHERE principal <> '')) AS named"
            f" FROM holds WHERE on_scope = {_text(scope)} AND via = 'link' GROUP BY link_scope, link_type ORDER BY link_scope, link_type"
        )
        named: list[tuple[str, ...]] = [tuple(row.pop("named") or ()) for row in rows]
        return tuple(
            LinksThere(**row, named=each, names=tuple(self._names.get(one, one) for one in each))
            for row, each in zip(rows, named, strict=True)
        )

    def _membership(self, stream: str) -> Membership:
        if stream not in self._edges:
            rows = self._tables.rows(f'SELECT "group", member FROM members WHERE stream = {_text(stream)}')
            self._edges[stream] = Membership((row["group"], row["member"]) for row in rows)
        return self._edges[stream]

    def _active(self, stream: str) -> frozenset[str]:
        if stream not in self._people:
            rows = self._tables.rows(
                f"SELECT DISTINCT p.principal AS person FROM above a JOIN people p ON p.number = a.number WHERE a.stream = {_text(stream)}"
            )
            self._people[stream] = frozenset(row["person"] for row in rows)
        return self._people[stream]


#: A principal the source resolved for the scope and that no grant row names: the author of an item in a list of one's own items only, or a
#: stream pulled before grants were kept.
_UNSAID: Mapping[str, Any] = {"role": "", "via": "", "first_observed": None, "first_scan": None, "older": False, "joined": {}}


def _called(what: str) -> str:
    """The condition under which an item is called so."""
    wanted = unicodedata.normalize("NFC", what.strip())
    stream, colon, rest = wanted.partition(":")
    plain = f"(item = {_text(wanted)} OR path = {_text(wanted)} OR name = {_text(wanted)})"
    if not (colon and rest):
        return plain
    rest = rest.strip()
    inner = f"(item = {_text(rest)} OR path = {_text(rest)} OR name = {_text(rest)})"
    return f"({plain} OR (stream = {_text(stream)} AND {inner}))"


def _text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
