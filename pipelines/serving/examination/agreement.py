"""How far our tables and the source agree on who may read what: sampled pairs of person and row, asked of both, and the rate that came out.

Ours is exactly what a question meets (``desk``): the closures a person asks under and today's scope of the row, not a second reading of it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from connectors.access import UNRESOLVED
from connectors.capabilities import Confirms
from connectors.errors import AnswerIsNo
from connectors.messages import told
from connectors.protocol import SCOPE, Connector
from pipelines.clock import Clock
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Check
from pipelines.serving.callers.identity import Directory, Person, closures
from pipelines.serving.desk import directories

PAIRS = 200
#: What stands behind it in a scope's id narrows the scope: to its drafts, to one author's items. The source's own answer knows of neither.
_NARROWED = "/"
#: ``open``: we let in whom the source does not. ``narrower``: we keep out whom it lets in, by a rule of ours or one that its answer does not
#: count; ``closed``: the same without such a rule. ``unsaid``: the source can say nothing of the pair, or its
#: yes is no answer to what we decided.
Verdict = Literal["agree", "open", "closed", "narrower", "unsaid"]


@dataclass(frozen=True)
class Pair:
    """One person (by principal) and one row, with both answers."""

    stream: str
    key: str
    scope: str
    principal: str
    ours: bool
    source: bool | None = None
    verdict: Verdict = "unsaid"
    why: str = ""


@dataclass(frozen=True)
class Agreement:
    """What one sample came to. ``rate`` is None where the source said nothing at all."""

    system: str
    sample: str
    at: datetime
    pairs: tuple[Pair, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(1 for pair in self.pairs if pair.verdict == verdict)

    @property
    def said(self) -> int:
        return len(self.pairs) - self.count("unsaid")

    @property
    def rate(self) -> float | None:
        """Share of the pairs the source spoke of on which both say the same."""
        return self.count("agree") / self.said if self.said else None


@dataclass(frozen=True)
class _Ours:
    """What holds for one stream today: its rows by scope, whom each scope lets in, who is there, and the scopes that links lead to."""

    directory: Directory
    rows: Mapping[str, Sequence[str]]
    readers: Mapping[str, frozenset[str]]
    people: Mapping[str, Person]
    linked: frozenset[str]

    def allows(self, principal: str, scope: str) -> bool:
        """As a question finds out."""
        reached = closures(self.people[principal], [self.directory])[self.directory.stream]
        return not reached.isdisjoint(self.readers.get(scope, frozenset()))

    def behind(self, scope: str) -> frozenset[str]:
        """The people whom the scope lets in, from its groups downwards: where to look for a pair, never what is said of one."""
        return frozenset(_below(self.readers.get(scope, frozenset()), self._inside) & self.people.keys())

    @cached_property
    def _inside(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.directory.members.select(["group", "member"]).to_pylist():
            found.setdefault(edge["group"], []).append(edge["member"])
        return found


def agree(project: Project, system: str, clock: Clock, sample: str, connector: Connector | None = None, pairs: int = PAIRS) -> Agreement:
    """Ask both about ``pairs`` pairs chosen by the text ``sample``, half of them allowed by us, and keep the answers in storage.

    Raises AnswerIsNo for a system that cannot be asked, or of which nothing was published yet, and what the source raises.
    """
    own = connector is None
    opened = connector or project.connect(system)
    try:
        if not isinstance(opened, Confirms):
            raise AnswerIsNo("agreement.cannot_ask", system=system, kind=opened.kind)
        chosen, of = _chosen(project, system, sample, pairs)
        answered: list[Pair] = []
        for stream in sorted({pair.stream for pair in chosen}):
            mine = [pair for pair in chosen if pair.stream == stream]
            answers = opened.may_read(project.contract(stream).told(), [(pair.principal, pair.key) for pair in mine])
            answered += [_judged(pair, answer, of[stream]) for pair, answer in zip(mine, answers, strict=True)]
        found = Agreement(system, sample, clock.now(), tuple(answered))
        with storing(project.root):
            _keep(Warehouse(project.root), found)
        return found
    finally:
        if own:
            opened.close()


def last_sample(project: Project, system: str) -> Agreement:
    """The newest sample that is kept. Raises AnswerIsNo where none is."""
    table = Warehouse(project.root).open("agreement", system)
    if table is None:
        raise AnswerIsNo("agreement.none_yet", system=system)
    import pyarrow.compute as pc

    rows = table.to_pyarrow_table()
    rows = rows.filter(pc.equal(rows["at"], pc.max(rows["at"]))).to_pylist()
    names = ("stream", "key", "scope", "principal", "ours", "source", "verdict", "why")
    return Agreement(system, rows[0]["sample"], rows[0]["at"], tuple(Pair(**{name: row[name] for name in names}) for row in rows))


def agreement_check(found: Agreement) -> Check:
    """Fails where we let in somebody whom the source does not; warns where we keep out without a reason, or where nothing could be asked."""
    wrong = [pair for pair in found.pairs if pair.verdict in ("open", "closed")]
    rows = tuple(
        {
            "stream": pair.stream,
            "row": pair.key,
            "person": pair.principal,
            "ours": "reads" if pair.ours else "",
            "source": "reads" if pair.source else "",
            "verdict": "FAIL" if pair.verdict == "open" else "warn",
        }
        for pair in sorted(wrong, key=lambda pair: (pair.verdict != "open", pair.stream, pair.key))
    )
    share = "" if found.rate is None else f"{found.rate:.4f}"
    verdicts: tuple[Verdict, ...] = ("agree", "open", "closed", "narrower", "unsaid")
    counts = {name: found.count(name) for name in verdicts}
    summary = told("check.agreement", said=found.said, share=share or "–", **counts)
    numbers = {name: float(count) for name, count in counts.items()}
    if found.rate is not None:
        numbers["rate"] = found.rate
    return Check(
        "agreement", not wrong and found.rate is not None, "critical" if found.count("open") else "warning", summary, rows, numbers
    )


def _chosen(project: Project, system: str, sample: str, pairs: int) -> tuple[list[Pair], Mapping[str, _Ours]]:
    """The sample: streams in turn, a scope as likely as any other however many rows it has, half of the pairs allowed by us and half not."""
    warehouse = Warehouse(project.root)
    pins = [pin for stream in project.contracts if stream.partition("/")[0] == system and (pin := snapshot(warehouse, stream)) is not None]
    if not pins:
        raise AnswerIsNo("roster.nothing_pulled", system=system)
    found, _ = directories(project, pins)
    of = {pin.stream: _ours(pin, each) for pin, each in zip(pins, found, strict=True)}
    of = {stream: ours for stream, ours in of.items() if ours.rows and ours.people}
    # The same sample of the same tables is the same pairs: a person can look at them again.
    dice = random.Random(f"{system} {sample}")
    wanted: dict[tuple[str, str, str], Pair] = {}
    streams = sorted(of)
    for number in range(pairs * 4 if streams else 0):
        if len(wanted) == pairs:
            break
        stream = streams[number % len(streams)]
        ours = of[stream]
        scope = dice.choice(sorted(ours.rows))
        inside = ours.behind(scope)
        people = sorted(inside if number // len(streams) % 2 == 0 else ours.people.keys() - inside)
        if people:
            who, key = dice.choice(people), dice.choice(ours.rows[scope])
            wanted.setdefault((stream, key, who), Pair(stream, key, scope, who, ours.allows(who, scope)))
    return list(wanted.values()), of


def _ours(pin: Snapshot, directory: Directory) -> _Ours:
    rows, scopes, grants = pin.live(), pin.read("scopes"), pin.read("grants")
    by_scope: dict[str, list[str]] = {}
    if rows is not None:
        for row in rows.select(["_key", SCOPE]).to_pylist():
            by_scope.setdefault(row[SCOPE] or UNRESOLVED, []).append(row["_key"])
    shown = [] if scopes is None else scopes.to_pylist()
    readers = {row["scope"]: frozenset(row["principals"]) for row in shown if row["resolved"]}
    system = pin.stream.partition("/")[0]
    people = {
        account["principal"]: Person(account["login"] or "", account["name"] or "", {system: account["principal"]})
        for account in directory.accounts.to_pylist()
        if account["active"] is True
    }
    held = [] if grants is None else grants.to_pylist()
    linked = {row["scope"] for row in held if row["via"] == "link" and row["gone_at"] is None}
    return _Ours(directory, {scope: sorted(keys) for scope, keys in by_scope.items()}, readers, people, frozenset(linked))


def _below(groups: Collection[str], inside: Mapping[str, Sequence[str]]) -> set[str]:
    found, waiting = set(groups), list(groups)
    while waiting:
        for member in inside.get(waiting.pop(), ()):
            if member not in found:
                found.add(member)
                waiting.append(member)
    return found


def _judged(pair: Pair, source: bool | None, ours: _Ours) -> Pair:
    if source is None:
        return pair
    if source and pair.ours and _NARROWED in pair.scope:
        # Its yes is to what lies there; whether it shows this person this item too, it was not asked.
        return replace(pair, source=source, why="own items or drafts only")
    if source == pair.ours:
        return replace(pair, source=source, verdict="agree")
    if pair.ours:
        return replace(pair, source=source, verdict="open")
    why = _narrower(pair.scope, ours)
    return replace(pair, source=source, verdict="narrower" if why else "closed", why=why)


def _narrower(scope: str, ours: _Ours) -> str:
    """The rule by which we let in fewer than the source's own answer does; empty where there is none."""
    if scope not in ours.readers:
        return "unresolved"
    if _NARROWED in scope:
        return "own items or drafts only"
    return "sharing link" if scope in ours.linked else ""


def _keep(warehouse: Warehouse, found: Agreement) -> None:
    """Append the sample: at (instant, UTC), sample, stream, key, scope, principal, ours, source (null where it said nothing), verdict, why."""
    import pyarrow as pa

    text = pa.string()
    schema = pa.schema(
        [
            ("at", pa.timestamp("us", tz="UTC")),
            *((name, text) for name in ("sample", "stream", "key", "scope", "principal")),
            *((name, pa.bool_()) for name in ("ours", "source")),
            *((name, text) for name in ("verdict", "why")),
        ]
    )
    rows: list[dict[str, Any]] = [{"at": found.at, "sample": found.sample, **vars(pair)} for pair in found.pairs]
    batch = pa.Table.from_pylist(rows, schema=schema)
    warehouse.append("agreement", found.system, batch.to_batches(), schema)
