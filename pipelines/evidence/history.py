"""What the chain says about an index beside its seals: policies, decisions, acceptances and amendments, and the entries that write them.

A decision's date is never taken from the row, which could be dated back: it holds from the day after the last day sealed before it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, cast

from pipelines.evidence.calendar import DAY
from pipelines.evidence.chain import ChainRow, Entry, canonical
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.decisions import OPEN_DAYS, persons_needed, terms_of
from pipelines.evidence.places import Places, places_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.sealer import seal_of
from pipelines.evidence.seals import Seal

Eligibility = Literal["ineligible", "eligible", "suspended", "revoked"]
Change = Literal["additive", "breaking"]
#: Says whether a row carries a valid signature of the person it names (``decisions.verified``).
Signed = Callable[[ChainRow], bool]

GATE = "gate"
_STATES: tuple[Eligibility, ...] = ("ineligible", "eligible", "suspended", "revoked")


def nobody_signed(row: ChainRow) -> bool:
    """The answer where no keys are known: what needs a signature has no effect."""
    return False


@dataclass(frozen=True)
class Promotion:
    """Two persons decided that ``release`` of the index (its number and content hash) is to serve. ``rows`` are the two rows' numbers."""

    release: int
    content_hash: str
    rows: tuple[int, int]
    actors: tuple[str, str]


@dataclass(frozen=True)
class Proposal:
    """What one person signed and a second has yet to sign."""

    verb: str
    subject: str
    terms: tuple[tuple[str, object], ...]
    actor: str
    row: int


@dataclass(frozen=True)
class History:
    """What happened to one index. Dates are the first civil day on which the thing holds.

    ``policy``: fingerprint last recorded. ``count_from``: green days before it do not count (a changed policy, a revocation).
    ``additive``: accepted contract changes (stream, fingerprint before, after) that do not restart the count; ``accepted``: contracts
    (stream, fingerprint) that two persons accepted. ``state`` and ``eligible_since``: what the gate last wrote down. ``resumed_on``: the
    error budget is counted anew from here. ``week_one``: who signed the first week off. ``promotion``: the newest that still holds;
    ``promoted_on``: the first day in production. ``reviewed``: days the operator signed off; ``review_days``: those that ask for it.
    ``proposals`` wait for a second person.
    """

    policy: str | None = None
    count_from: date | None = None
    additive: frozenset[tuple[str, str, str]] = frozenset()
    accepted: frozenset[tuple[str, str]] = frozenset()
    state: Eligibility | None = None
    eligible_since: date | None = None
    resumed_on: date | None = None
    suspended_by: str | None = None
    revoked_by: str | None = None
    week_one: str | None = None
    promotion: Promotion | None = None
    promoted_on: date | None = None
    reviewed: frozenset[date] = frozenset()
    review_days: tuple[date, ...] = ()
    proposals: tuple[Proposal, ...] = ()


def history_of(rows: Iterable[ChainRow], index: str, signed: Signed = nobody_signed, places: Places | None = None) -> History:
    """Read the history of ``index`` out of decision rows in chain order (seal rows among them tell places, where ``places`` does not).

    Suspending and revoking work unsigned, for taking away is always safe; everything else needs its signatures, and what needs two persons
    holds from the second one's row on.
    """
    listed = list(rows)
    where = places or places_of(listed)
    found = History()
    for row in listed:
        entry = row.entry
        if entry.kind == "decision" and entry.verdict == "accept":
            found = _accepted(found, row, where, signed)
        elif entry.kind == "decision" and entry.subject == index:
            found = _decided(found, row, where, signed)
    return replace(found, proposals=tuple(one for one in found.proposals if where.sealed_since(one.row) <= OPEN_DAYS))


def exclusions(rows: Iterable[ChainRow], signed: Signed = nobody_signed) -> Callable[[str, date, str], bool]:
    """Says whether a stream's day with this verdict is left out of the count by amendments.

    One amendment takes a green day away; a red or missing day is set aside only by two different people who both signed.
    """
    anyone: dict[tuple[str, date], int] = defaultdict(int)
    signers: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in rows:
        entry = row.entry
        if entry.kind == "amendment" and entry.verdict == "exclude" and entry.day is not None:
            anyone[entry.subject, entry.day] += 1
            if entry.actor is not None and entry.signature is not None and signed(row):
                signers[entry.subject, entry.day].add(entry.actor)

    def excluded(stream: str, day: date, verdict: str) -> bool:
        return anyone.get((stream, day), 0) > 0 if verdict == "green" else len(signers.get((stream, day), ())) >= 2

    return excluded


def amended_days(rows: Iterable[ChainRow]) -> frozenset[tuple[str, date]]:
    """Every stream's day that some amendment speaks of."""
    entries = (row.entry for row in rows)
    return frozenset((e.subject, e.day) for e in entries if e.kind == "amendment" and e.verdict == "exclude" and e.day is not None)


def effective_seals(rows: Iterable[ChainRow], signed: Signed = nobody_signed) -> tuple[Seal, ...]:
    """The seals as the gate reads them: a day that amendments leave out reads as ``excused``; its seal in the ledger stays what it is."""
    listed = list(rows)
    excluded = exclusions(listed, signed)
    seals = [seal_of(row) for row in listed if row.entry.kind == "seal"]
    return tuple(replace(seal, verdict="excused") if excluded(seal.stream, seal.day, seal.verdict) else seal for seal in seals)


def policy_entry(
    index: str, policy: str, environment: Environment, clock: ClockKind, now: datetime, terms: Mapping[str, object] | None = None
) -> Entry:
    """The gate's note that a policy (its fingerprint) is in force for ``index``: pushed when it is first set and whenever it changed. Its
    ``terms`` decide nothing: they are there so that people can be told what was changed."""
    told = (reason("gate.policy_terms", terms=canonical(dict(terms)).decode()),) if terms is not None else ()
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=index,
        finished_at=now,
        verdict="policy",
        reasons=(reason("gate.policy_set", fingerprint=policy), *told),
        actor=GATE,
    )


def recorded_terms(rows: Iterable[ChainRow], index: str) -> Mapping[str, object] | None:
    """The terms of the policy that was last recorded for ``index``; None where there is none, or its row, an older one, names them only by
    their fingerprint."""
    policies = [row for row in rows if row.entry.kind == "decision" and row.entry.subject == index and row.entry.verdict == "policy"]
    told = terms_of(policies[-1].entry, "gate.policy_terms") if policies else None
    return None if told is None else cast("Mapping[str, object]", json.loads(str(told["terms"])))


def _agreed(found: History, row: ChainRow, places: Places) -> tuple[History, Proposal | None]:
    """Put a signed row beside what others signed. The proposal it completes, and a history without it; or None, and the row as a proposal."""
    entry = row.entry
    told = next((each for each in entry.reasons if each.code not in ("decision.why", "decision.bound")), None)
    terms = tuple(sorted(told.params.items())) if told else ()
    own = Proposal(str(entry.verdict), entry.subject, terms, str(entry.actor), row.seq)
    open_ = [one for one in found.proposals if places.sealed_between(one.row, row.seq) <= OPEN_DAYS]
    same = [one for one in open_ if (one.verb, one.subject, one.terms) == (own.verb, own.subject, own.terms)]
    other = next((one for one in same if one.actor != own.actor), None)
    rest = tuple(one for one in open_ if one not in same)
    if other is not None:
        return replace(found, proposals=rest), other
    return replace(found, proposals=(*rest, *(same or [own]))), None


def _accepted(found: History, row: ChainRow, places: Places, signed: Signed) -> History:
    told = terms_of(row.entry, "decision.contract_accepted")
    if told is None or not signed(row):
        return found
    stream, after = row.entry.subject, str(told.get("after"))
    if persons_needed(row.entry) == 1:
        before = str(told.get("before"))
        found = replace(found, additive=found.additive | {(stream, before, after)})
        return replace(found, accepted=found.accepted | {(stream, after)}) if (stream, before) in found.accepted else found
    found, first = _agreed(found, row, places)
    return found if first is None else replace(found, accepted=found.accepted | {(stream, after)})


def _decided(found: History, row: ChainRow, places: Places, signed: Signed) -> History:
    entry = row.entry
    sealed = places.sealed_before(row.seq)
    holds_from = None if sealed is None else sealed + DAY
    if entry.verdict == "policy":
        return _policy_set(found, entry, holds_from)
    if entry.verdict in _STATES:
        return _stated(found, entry.verdict, holds_from)
    if entry.verdict in ("suspend", "revoke"):
        # What was proposed before is not what somebody would sign now.
        found = replace(found, promotion=None, proposals=())
        actor = entry.actor or "unknown"
        if entry.verdict == "suspend":
            return replace(found, suspended_by=actor)
        return replace(found, revoked_by=actor, count_from=holds_from, state=None, eligible_since=None, promoted_on=None)
    return _signed_decision(found, row, sealed, holds_from, places) if signed(row) else found


def _stated(found: History, state: Eligibility, holds_from: date | None) -> History:
    """What the gate wrote down. A mark that two persons resumed goes on; one that was lost, or earned again, begins anew or not at all."""
    if state == "suspended":
        return replace(found, state=state, resumed_on=None if found.state != state else found.resumed_on)
    if state != "eligible":
        return replace(found, state=state, eligible_since=None)
    resumed = found.state == "suspended" and found.resumed_on is not None and found.eligible_since is not None
    goes_on = found.state == "eligible" or resumed
    return replace(found, state=state, eligible_since=found.eligible_since if goes_on else holds_from)


def _policy_set(found: History, entry: Entry, holds_from: date | None) -> History:
    told = terms_of(entry, "gate.policy_set")
    named = None if told is None else str(told["fingerprint"])
    # The first policy changes nothing; streams may have been green before an index was made of them.
    if found.policy is None or named == found.policy:
        return replace(found, policy=named)
    return replace(found, policy=named, count_from=holds_from, state=None, eligible_since=None, promotion=None, proposals=())


def _signed_decision(found: History, row: ChainRow, sealed: date | None, holds_from: date | None, places: Places) -> History:
    entry = row.entry
    if entry.verdict == "week-one":
        return replace(found, week_one=entry.actor)
    if entry.verdict == "review" and entry.day is not None:
        # A review looks back one day at most: it cannot be signed for a week at once, nor afterwards.
        timely = sealed is None or 0 <= (entry.day - sealed).days <= 2
        return replace(found, reviewed=found.reviewed | {entry.day}) if timely else found
    if entry.verdict not in ("promote", "resume"):
        return found
    told = terms_of(entry, "decision.promote")
    if entry.verdict == "promote" and told is None:
        return found
    found, first = _agreed(found, row, places)
    if first is None:
        return found
    if entry.verdict == "resume":
        return replace(found, suspended_by=None, revoked_by=None, resumed_on=holds_from)
    terms = cast("Mapping[str, object]", told)
    made = Promotion(int(str(terms["release"])), str(terms["content_hash"]), (first.row, row.seq), (first.actor, str(entry.actor)))
    return replace(found, promotion=made, promoted_on=found.promoted_on or holds_from)


def working_days(since: date, until: date, wanted: int, is_working: Callable[[date], bool]) -> tuple[date, ...]:
    """The first ``wanted`` working days from ``since`` on that lie before ``until``."""
    found: list[date] = []
    day = since
    while day < until and len(found) < wanted:
        if is_working(day):
            found.append(day)
        day += DAY
    return tuple(found)


def names(proposals: Sequence[Proposal], subject: str) -> tuple[Proposal, ...]:
    """Those about one subject."""
    return tuple(one for one in proposals if one.subject == subject)
