"""What the chain says about an index beside its seals: policies, decisions, acceptances and amendments, and the entries that write them.

A decision's date is never taken from the row, which could be dated back: it holds from the day after the last day sealed before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from pipelines.evidence.calendar import DAY
from pipelines.evidence.chain import ChainRow, Entry
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.reasons import reason
from pipelines.evidence.sealer import seal_of
from pipelines.evidence.seals import Seal

Eligibility = Literal["ineligible", "eligible", "suspended", "revoked"]
Change = Literal["additive", "breaking"]
#: Says whether a row carries a valid signature of the person it names; people's keys are the project's, not ours.
Signed = Callable[[ChainRow], bool]

GATE = "gate"
_STATES: tuple[Eligibility, ...] = ("ineligible", "eligible", "suspended", "revoked")


def nobody_signed(row: ChainRow) -> bool:
    """The answer where no keys are known: what needs a signature has no effect."""
    return False


@dataclass(frozen=True)
class History:
    """What happened to one index. Dates are the first civil day on which the thing holds.

    ``policy``: fingerprint last recorded. ``count_from``: green days before it do not count (a changed policy, a revocation).
    ``additive``: accepted contract changes (stream, fingerprint before, after) that do not restart the count. ``state`` and
    ``eligible_since``: what the gate last wrote down. ``resumed_on``: the error budget is counted anew from here.
    """

    policy: str | None = None
    count_from: date | None = None
    additive: frozenset[tuple[str, str, str]] = frozenset()
    state: Eligibility | None = None
    eligible_since: date | None = None
    resumed_on: date | None = None
    suspended_by: str | None = None
    revoked_by: str | None = None


def history_of(rows: Iterable[ChainRow], index: str, signed: Signed = nobody_signed) -> History:
    """Read the history of ``index`` out of seal and decision rows in chain order.

    Suspending and revoking work unsigned, for taking away is always safe; resuming and accepting a contract need a signature.
    """
    found = History()
    sealed: date | None = None
    for row in rows:
        entry = row.entry
        if entry.kind == "seal" and entry.day is not None:
            sealed = entry.day if sealed is None else max(sealed, entry.day)
        elif entry.kind == "decision" and entry.verdict == "accept":
            found = replace(found, additive=found.additive | _additive(row, signed))
        elif entry.kind == "decision" and entry.subject == index:
            found = _decided(found, row, None if sealed is None else sealed + DAY, signed)
    return found


def effective_seals(rows: Iterable[ChainRow], signed: Signed = nobody_signed) -> tuple[Seal, ...]:
    """The seals as the gate reads them: an amendment can exclude a day, never make one green.

    One amendment takes a green day away; a red or missing day is set aside only by two different people who both signed. Either way
    the day reads as ``excused`` here while its seal in the ledger stays what it is.
    """
    seals: list[Seal] = []
    anyone: dict[tuple[str, date], int] = defaultdict(int)
    signers: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in rows:
        entry = row.entry
        if entry.kind == "seal":
            seals.append(seal_of(row))
        elif entry.kind == "amendment" and entry.verdict == "exclude" and entry.day is not None:
            anyone[entry.subject, entry.day] += 1
            if entry.actor is not None and entry.signature is not None and signed(row):
                signers[entry.subject, entry.day].add(entry.actor)

    def effective(seal: Seal) -> Seal:
        key = (seal.stream, seal.day)
        excluded = anyone[key] > 0 if seal.verdict == "green" else len(signers[key]) >= 2
        return replace(seal, verdict="excused") if excluded else seal

    return tuple(effective(seal) for seal in seals)


def policy_entry(index: str, policy: str, environment: Environment, clock: ClockKind, now: datetime) -> Entry:
    """The gate's note that a policy (its fingerprint) is in force for ``index``: pushed when it is first set and whenever it changed."""
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=index,
        finished_at=now,
        verdict="policy",
        reasons=(reason("gate.policy_set", fingerprint=policy),),
        actor=GATE,
    )


def acceptance_entry(
    stream: str, before: str, after: str, change: Change, environment: Environment, clock: ClockKind, now: datetime, actor: str
) -> Entry:
    """A person accepts a contract change of ``stream`` (fingerprints before and after). To be signed by that person."""
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=stream,
        finished_at=now,
        verdict="accept",
        reasons=(reason("decision.contract_accepted", before=before, after=after, change=change),),
        actor=actor,
    )


def amendment_entry(stream: str, day: date, why: str, environment: Environment, clock: ClockKind, now: datetime, actor: str) -> Entry:
    """A person asks that a sealed day be left out of the count. To be signed by that person."""
    return Entry(
        kind="amendment",
        environment=environment,
        clock=clock,
        subject=stream,
        day=day,
        finished_at=now,
        verdict="exclude",
        reasons=(reason("amendment.excluded", why=why),),
        actor=actor,
    )


def _additive(row: ChainRow, signed: Signed) -> frozenset[tuple[str, str, str]]:
    if not signed(row):
        return frozenset()
    return frozenset(
        (row.entry.subject, str(each.params.get("before")), str(each.params.get("after")))
        for each in row.entry.reasons
        if each.code == "decision.contract_accepted" and each.params.get("change") == "additive"
    )


def _decided(found: History, row: ChainRow, holds_from: date | None, signed: Signed) -> History:
    entry = row.entry
    actor = entry.actor or "unknown"
    if entry.verdict == "policy":
        named = next((str(each.params.get("fingerprint")) for each in entry.reasons if each.code == "gate.policy_set"), None)
        # The first policy changes nothing; streams may have been green before an index was made of them.
        if found.policy is None or named == found.policy:
            return replace(found, policy=named)
        return replace(found, policy=named, count_from=holds_from, state=None, eligible_since=None)
    if entry.verdict in _STATES:
        began = entry.verdict == "eligible" and found.state != "eligible"
        return replace(found, state=entry.verdict, eligible_since=holds_from if began else found.eligible_since)
    if entry.verdict == "suspend":
        return replace(found, suspended_by=actor)
    if entry.verdict == "revoke":
        return replace(found, revoked_by=actor, count_from=holds_from, state=None, eligible_since=None)
    if entry.verdict == "resume" and signed(row):
        return replace(found, suspended_by=None, revoked_by=None, resumed_on=holds_from)
    return found
