"""Seals: the pure judgement of one stream and one closed day from claims, ticks, runs and checks. Each rule of "a day is green" is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal

from pipelines.evidence.calendar import Day
from pipelines.evidence.chain import fingerprint, instant_text
from pipelines.evidence.claims import Claim, ContractRef, Endpoint, Environment
from pipelines.evidence.examine import Attempt, Examined, Joined
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.witness import CheckFact, Run, Tick

Verdict = Literal["green", "red", "missing", "excused"]
#: A run takes two hours at the most (``defs.tags.MAX_RUNTIME``): what a sensor launches so shortly before the close may end beyond it.
_NEAR = timedelta(hours=2)
#: What one try came to: its claim (None: it left none), and what is wrong with it.
Outcome = tuple["Claim | None", "list[Reason]"]


@dataclass(frozen=True)
class MaintenanceWindow:
    """A maintenance of the source, declared before it began. A window declared later excuses nothing; nor does one of which only the word of
    one person says that it was (``proven`` is false)."""

    stream: str
    starts_at: datetime
    ends_at: datetime
    declared_at: datetime
    declared_by: str
    why: str
    proven: bool = True


@dataclass(frozen=True)
class SealPolicy:
    """How days are judged. Changing anything but the windows is a change of policy and restarts the count of green days.

    ``freshness`` is the longest gap allowed between good pulls (None: no limit); ``required_checks`` must stand in every run beside
    those the claim names; ``max_skew`` is how far the pull's clock may differ from the witness's.
    """

    environment: Environment
    warn_is_green: bool = False
    required_checks: tuple[str, ...] = ()
    freshness: timedelta | None = None
    max_skew: timedelta = timedelta(minutes=10)
    windows: tuple[MaintenanceWindow, ...] = ()

    def fingerprint(self) -> str:
        """Stands in every seal made under this policy."""
        return fingerprint(
            {
                "environment": self.environment,
                "warn_is_green": self.warn_is_green,
                "required_checks": sorted(self.required_checks),
                "freshness_seconds": None if self.freshness is None else int(self.freshness.total_seconds()),
                "max_skew_seconds": int(self.max_skew.total_seconds()),
            }
        )


@dataclass(frozen=True)
class Seal:
    """The verdict on one stream and one day. ``contract`` and ``endpoint`` are those of the day's last good pull; ``last_good_at`` is
    the instant (UTC) the freshness of the next day is measured from; ``evidence`` is empty on a seal read back from the ledger."""

    stream: str
    day: date
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy: str
    contract: ContractRef | None = None
    endpoint: Endpoint | None = None
    last_good_at: datetime | None = None
    evidence: tuple[Examined, ...] = ()

    @property
    def healed(self) -> int:
        """How many slots an automatic retry healed."""
        return sum(each.code == "seal.healed" for each in self.reasons)


def judge_day(
    stream: str,
    day: Day,
    slots: Sequence[datetime],
    claims: Sequence[Claim],
    ticks: Sequence[Tick],
    runs: Sequence[Run],
    checks: Sequence[CheckFact],
    policy: SealPolicy,
    *,
    last_good_at: datetime | None = None,
) -> Seal:
    """The seal of ``stream`` for ``day``. Order and repetition of what is handed in change nothing; claims of other days are ignored."""
    joined = Joined(stream, day, slots, ticks, runs)
    own = sorted(
        {claim for claim in claims if claim.stream == stream and claim.day == day.date},
        key=lambda claim: (claim.finished_at, claim.pull_id, repr(claim)),
    )
    examined = tuple(joined.examine(claim, policy.environment) for claim in own)

    def seal(verdict: Verdict, reasons: Sequence[Reason], good: Sequence[Claim], fresh_from: datetime | None) -> Seal:
        last = good[-1] if good else None
        return Seal(
            stream,
            day.date,
            verdict,
            tuple(dict.fromkeys(reasons)),
            policy.fingerprint(),
            last.contract if last else None,
            last.endpoint if last else None,
            fresh_from,
            examined,
        )

    due, notes = _due(stream, slots, policy)
    if not due:
        # The gap is measured anew after an excused day, or the day after it could never be green.
        return seal("excused", notes or [reason("seal.no_slots")], (), day.closes_at if last_good_at else None)

    faults: list[Reason] = []
    missed: list[Reason] = []
    good: list[Claim] = []
    for slot in due:
        # A change sensor launches the pulls of those streams alone that changed.
        chains = [chain for chain in joined.attempts(slot, examined) if any(attempt.concerns(stream) for attempt in chain)]
        if not any(attempt.claims or _went_badly(attempt, stream) for chain in chains for attempt in chain):
            missed.append(reason("seal.slot_missed", slot=instant_text(slot)))
            missed += [reason("seal.run_unknown", run_id=a.run_id) for chain in chains for a in chain if a.run is None]
            missed += [why for e in examined if e.slot in (slot, None) for why in e.reasons]
            continue
        found: list[tuple[Outcome, bool]] = []
        for chain in chains:
            outcomes = _outcomes(chain, stream, slot, day, checks, policy)
            tick = chain[0].tick
            found.append((outcomes[-1], tick.kind == "sensor" and tick.at >= day.closes_at - _NEAR))
            if outcomes[-1][0] is not None and not outcomes[-1][1] and any(why for _, why in outcomes[:-1]):
                notes.append(reason("seal.healed", slot=instant_text(slot), attempts=len(outcomes)))
        served = [claim for (claim, wrong), _ in found if claim is not None and not wrong]
        good += served
        for (_, wrong), near_closing in found:
            # A change sensor may launch a pull that ends after midnight: what the slot owed was there before.
            beyond = bool(served) and near_closing and all(_may_be_late(why) for why in wrong)
            (notes if beyond else faults).extend(wrong)
    good.sort(key=lambda claim: (claim.finished_at, claim.pull_id))
    faults += _gaps(good, last_good_at, policy)
    if len({claim.endpoint for claim in good}) > 1:
        faults.append(reason("seal.endpoint_changed_in_day"))
    fresh_from = good[-1].finished_at if good else last_good_at
    verdict: Verdict = "red" if faults else "missing" if missed else "green"
    return seal(verdict, [*faults, *missed, *notes], good, fresh_from)


def _due(stream: str, slots: Sequence[datetime], policy: SealPolicy) -> tuple[list[datetime], list[Reason]]:
    """The slots no declared window excuses, and what to say about the others."""
    due: list[datetime] = []
    notes: list[Reason] = []
    for slot in sorted(set(slots)):
        covering = [w for w in policy.windows if w.stream == stream and w.starts_at <= slot < w.ends_at]
        timely = [w for w in covering if w.declared_at <= w.starts_at and w.proven]
        if timely:
            notes.append(reason("seal.excused_window", slot=instant_text(slot), why=timely[0].why))
            continue
        due.append(slot)
        notes += [_not_excused(window) for window in covering]
    return due, notes


def _not_excused(window: MaintenanceWindow) -> Reason:
    starts_at = instant_text(window.starts_at)
    if window.declared_at <= window.starts_at:
        return reason("seal.window_by_one", starts_at=starts_at, declared_by=window.declared_by)
    return reason("seal.window_declared_late", starts_at=starts_at, declared_at=instant_text(window.declared_at))


def _may_be_late(why: Reason) -> bool:
    """What a pull that goes on beyond the day's close may show at the seal, and no more: it ended late, or did not end yet."""
    silent = why.code == "seal.run_without_claim" and why.params["status"] not in ("failed", "stopped")
    return silent or why.code in ("seal.late", "seal.run_unfinished")


def _went_badly(attempt: Attempt, stream: str) -> bool:
    run = attempt.run
    return run is not None and ((run.status in ("queued", "started") and run.concerns(stream)) or run.failed_for(stream))


def _outcomes(
    chain: Sequence[Attempt], stream: str, slot: datetime, day: Day, checks: Sequence[CheckFact], policy: SealPolicy
) -> list[Outcome]:
    """What each try in a run and its automatic retries came to. The last one decides.

    Within one run a later claim heals a pull that broke off, as a step that is tried again does; it takes back nothing that an earlier one
    found in a pull that ended.
    """
    outcomes: list[Outcome] = []
    for attempt in chain:
        pulls = [claim.pull_id for claim in attempt.claims]
        found: list[Reason] = []
        for claim in attempt.claims:
            wrong = [*found, *_wrong_with(claim, attempt.run, slot, day, checks, policy)]
            if claim.outcome == "succeeded":
                found = wrong
            if pulls.count(claim.pull_id) > 1:
                wrong.append(reason("seal.claims_contradict", slot=instant_text(slot), pull_id=claim.pull_id))
            outcomes.append((claim, wrong))
        if not attempt.claims and _went_badly(attempt, stream):
            status = attempt.run.status if attempt.run else "unknown"
            silent = reason("seal.run_without_claim", slot=instant_text(slot), run_id=attempt.run_id, status=status)
            outcomes.append((None, [silent]))
    if not outcomes:
        last = chain[-1]
        status = last.run.status if last.run else "unknown"
        outcomes.append((None, [reason("seal.run_without_claim", slot=instant_text(slot), run_id=last.run_id, status=status)]))
    return outcomes


def _wrong_with(
    claim: Claim, run: Run | None, slot_at: datetime, day: Day, checks: Sequence[CheckFact], policy: SealPolicy
) -> list[Reason]:
    """Everything that keeps one counted claim from being a good pull."""
    slot = instant_text(slot_at)
    wrong: list[Reason] = []
    if claim.outcome == "failed":
        wrong.append(reason("seal.pull_failed", slot=slot, error=claim.error or "unknown"))
    elif claim.outcome == "stopped":
        wrong.append(reason("seal.pull_stopped", slot=slot))
    if run is None or run.status in ("queued", "started"):
        wrong.append(reason("seal.run_unfinished", slot=slot, run_id=claim.run_id))
    elif run.failed_for(claim.stream):
        wrong.append(reason("seal.run_failed", slot=slot, run_id=claim.run_id, status=run.status))
    if claim.finished_at >= day.closes_at:
        wrong.append(reason("seal.late", slot=slot, finished_at=instant_text(claim.finished_at)))
    if _skewed(claim, run, slot_at, policy.max_skew):
        wrong.append(reason("seal.clock_skew", slot=slot, run_id=claim.run_id))
    wrong += _check_faults(claim, slot, checks, policy)
    # Of a source that can't count nobody knows whether the books balance: the reason after this one says so.
    if not claim.balance.exact and (claim.balance.verified or claim.balance.source is not None):
        wrong.append(reason("seal.unbalanced", slot=slot, source=claim.balance.source, accounted=claim.balance.accounted))
    if not claim.balance.verified:
        wrong.append(reason("seal.balance_unverified", slot=slot))
    if claim.drift_waiting:
        wrong.append(reason("seal.drift_waiting", slot=slot, count=claim.drift_waiting))
    return wrong


def _skewed(claim: Claim, run: Run | None, slot: datetime, allowed: timedelta) -> bool:
    if claim.finished_at < claim.started_at or claim.started_at < slot - allowed:
        return True
    # A simulated clock is the project's own and never meets the witness's.
    if run is None or claim.clock == "simulated":
        return False
    early = run.started_at is not None and claim.started_at < run.started_at - allowed
    return early or (run.finished_at is not None and claim.finished_at > run.finished_at + allowed)


def _check_faults(claim: Claim, slot: str, checks: Sequence[CheckFact], policy: SealPolicy) -> list[Reason]:
    """A check is believed when the claim names it and a finished record of this very run says the same; silence is not a pass.

    The witness's records win: what the claim leaves out, or calls a warning where the record says error, counts as recorded.
    """
    wrong: list[Reason] = []
    if not claim.checks:
        wrong.append(reason("seal.no_checks", slot=slot))
    named = {check.name for check in claim.checks}
    wrong += [reason("seal.check_missing", slot=slot, check=name) for name in policy.required_checks if name not in named]
    records = [fact for fact in checks if fact.stream == claim.stream and fact.run_id == claim.run_id]
    for check in claim.checks:
        own = [fact for fact in records if fact.name == check.name]
        warns = check.severity == "warn" and not any(_blocks(fact) for fact in own)
        finished = [fact for fact in own if fact.status in ("succeeded", "failed")]
        if warns and finished and policy.warn_is_green:
            continue
        if not check.passed and not (warns and policy.warn_is_green):
            wrong.append(reason("seal.check_warned" if warns else "seal.check_failed", slot=slot, check=check.name))
            continue
        # A step retried inside its run leaves a record per try: the newest speaks for the try that counts.
        newest = max((fact.recorded_at for fact in finished), default=None)
        if newest is None:
            wrong.append(reason("seal.check_unconfirmed", slot=slot, check=check.name))
        elif not all(fact.status == "succeeded" and fact.passed for fact in finished if fact.recorded_at == newest):
            wrong.append(reason("seal.check_disagrees", slot=slot, check=check.name))
    for fact in records:
        if fact.name in named or (fact.status == "succeeded" and fact.passed):
            continue
        if fact.status not in ("succeeded", "failed"):
            wrong.append(reason("seal.check_unconfirmed", slot=slot, check=fact.name))
        elif fact.severity == "error":
            wrong.append(reason("seal.check_failed", slot=slot, check=fact.name))
        elif not policy.warn_is_green:
            wrong.append(reason("seal.check_warned", slot=slot, check=fact.name))
    return wrong


def _blocks(fact: CheckFact) -> bool:
    """A finished record of a failed check of severity error."""
    return fact.severity == "error" and fact.status == "failed"


def _gaps(good: Sequence[Claim], last_good_at: datetime | None, policy: SealPolicy) -> list[Reason]:
    if policy.freshness is None:
        return []
    instants = [*([last_good_at] if last_good_at else []), *(claim.finished_at for claim in good)]
    limit = policy.freshness.total_seconds() / 3600
    gaps = [(after - before).total_seconds() / 3600 for before, after in pairwise(instants)]
    return [reason("seal.stale", gap_hours=round(gap, 2), limit_hours=round(limit, 2)) for gap in gaps if gap > limit]
