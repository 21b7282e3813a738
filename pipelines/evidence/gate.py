"""The gate: the pure decision whether an index may be called eligible, from seals, readiness facts and history. What is unknown is not green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipelines.evidence.budget import bad_days, overspent, reviews_missed
from pipelines.evidence.calendar import DAY
from pipelines.evidence.chain import Entry, fingerprint
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.facts import REQUIRED_FACTS, Fact
from pipelines.evidence.history import GATE, Eligibility, History
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import Seal
from pipelines.evidence.spans import DayVerdict, Span, spans_of
from pipelines.evidence.walk import Walked, walk, window

__all__ = ["DayVerdict", "GatePolicy", "GateState", "StreamState", "decide", "decide_spans", "state_entry"]
#: Nothing known of an index: not even a recorded policy, so never eligible.
NO_HISTORY = History()


@dataclass(frozen=True)
class GatePolicy:
    """What an index must show. ``fact_valid_days`` says after how many days a fact must have been measured again (others do not age);
    ``timezone`` is the project's, in which ``today`` and the ages of facts are counted. ``streams`` are those the index is built from: taking
    a red one out is a change of policy. ``review_days`` working days after promotion ask for the operator's sign-off; as many missing as
    ``review_misses`` suspend. ``recall_at_5`` is what the evaluation must reach (None: no evaluation is declared)."""

    green_days: int = 14
    fact_valid_days: tuple[tuple[str, int], ...] = (("rollback_drill", 90),)
    timezone: str = "Asia/Tokyo"
    streams: tuple[str, ...] = ()
    review_days: int = 10
    review_misses: int = 2
    recall_at_5: float | None = None

    def __post_init__(self) -> None:
        if self.green_days < 1:
            raise ValueError(f"a gate needs at least one green day, not {self.green_days}")

    def terms(self) -> dict[str, object]:
        """All that is decided by, as JSON types."""
        return {
            "green_days": self.green_days,
            "fact_valid_days": [[name, days] for name, days in sorted(self.fact_valid_days)],
            "timezone": self.timezone,
            "required_facts": sorted(REQUIRED_FACTS),
            "streams": sorted(self.streams),
            "review_days": self.review_days,
            "review_misses": self.review_misses,
            "recall_at_5": self.recall_at_5,
        }

    def fingerprint(self) -> str:
        """Recorded in the ledger; a gate whose policy differs from the recorded one starts again."""
        return fingerprint(self.terms())


@dataclass(frozen=True)
class StreamState:
    """One stream of an index: its consecutive green days ending yesterday, the days of the window oldest first (enough to hold
    ``required_days`` days that are not excused; none before the first seal), and the reason that last set the count back."""

    stream: str
    green_days: int
    days: tuple[tuple[date, DayVerdict], ...]
    last_reason: Reason | None


@dataclass(frozen=True)
class GateState:
    """The gate's answer. ``green_days`` is the least of the streams'. An eligible index may carry ``gate.budget_spent`` as its only reason."""

    index: str
    eligibility: Eligibility
    green_days: int
    required_days: int
    streams: tuple[StreamState, ...]
    reasons: tuple[Reason, ...]


def decide(
    index: str,
    streams: Sequence[str],
    seals: Sequence[Seal],
    facts: Sequence[Fact],
    policy: GatePolicy,
    today: date,
    history: History = NO_HISTORY,
) -> GateState:
    """Whether ``index`` may be called eligible on ``today`` (the project's civil date). Pure: order of seals and facts changes nothing.

    Seals are those ``effective_seals`` gives. Without a recorded policy in ``history`` the answer is never eligible.
    """
    return decide_spans(index, streams, spans_of(seals), facts, policy, today, history)


def decide_spans(
    index: str,
    streams: Sequence[str],
    spans: Mapping[str, Sequence[Span]],
    facts: Sequence[Fact],
    policy: GatePolicy,
    today: date,
    history: History = NO_HISTORY,
) -> GateState:
    """``decide`` over spans: the same days, told by their runs."""
    names = sorted(set(streams))
    last = max((span.last for name in names for span in spans.get(name, ())[-1:]), default=None)
    # A day that closes in the evening may be sealed before midnight: what is sealed is known, and a red day is not looked away from.
    rows = {name: walk(name, spans.get(name, ()), today + DAY if last == today else today, history) for name in names}
    green_days = min((row.green_days for row in rows.values()), default=0)
    states = tuple(
        StreamState(name, row.green_days, window(row.segments, policy.green_days), row.last_reason) for name, row in rows.items()
    )
    short: list[Reason] = [] if names else [reason("gate.no_streams")]
    if last is not None and last > today:
        # A day is sealed once it has closed. Either this clock is behind or the sealer's was ahead, and the days beyond may be red.
        short.append(reason("gate.sealed_ahead", today=today.isoformat(), day=last.isoformat()))
    for state in states:
        # A stream that was never sealed has no day to explain: its history has yet to begin.
        if not state.days:
            short.append(reason("gate.no_sealed_day", stream=state.stream, required_days=policy.green_days))
        elif state.green_days < policy.green_days:
            short.append(reason("gate.streak_short", stream=state.stream, green_days=state.green_days, required_days=policy.green_days))
            if state.last_reason is not None and state.last_reason.code.startswith("gate."):
                short.append(state.last_reason)
    unready = _policy_reasons(policy, history) + _fact_reasons(index, facts, policy, today) + _people_reasons(rows, history)
    eligibility, why = _standing(rows, short, unready, policy, today, history)
    return GateState(index, eligibility, green_days, policy.green_days, states, tuple(dict.fromkeys(why)))


def state_entry(state: GateState, environment: Environment, clock: ClockKind, now: datetime) -> Entry:
    """The gate's answer as a decision row. Write it whenever the eligibility differs from ``History.state``: the error budget starts
    at the row that says eligible."""
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=state.index,
        finished_at=now,
        verdict=state.eligibility,
        reasons=state.reasons,
        actor=GATE,
    )


def _policy_reasons(policy: GatePolicy, history: History) -> list[Reason]:
    if history.policy is None:
        return [reason("gate.policy_not_recorded")]
    if history.policy != policy.fingerprint():
        return [reason("gate.policy_changed", recorded=history.policy, current=policy.fingerprint())]
    return []


def _fact_reasons(index: str, facts: Sequence[Fact], policy: GatePolicy, today: date) -> list[Reason]:
    newest: dict[str, Fact] = {}
    # Of two facts of one instant the failing one is believed.
    for fact in sorted((f for f in facts if f.index == index), key=lambda f: (f.measured_at, not f.passed)):
        newest[fact.name] = fact
    valid_days = dict(policy.fact_valid_days)
    wrong: list[Reason] = []
    for name in REQUIRED_FACTS:
        fact = newest.get(name)
        if fact is None:
            wrong.append(reason("gate.fact_missing", name=name))
            continue
        measured = fact.measured_at.astimezone(ZoneInfo(policy.timezone)).date()
        on = measured.isoformat()
        if not fact.passed:
            wrong.append(reason("gate.fact_failed", name=name, value=fact.value, unit=fact.unit, limit=fact.limit))
        elif name == "recall_at_5" and policy.recall_at_5 is not None and not _reaches(fact.limit, policy.recall_at_5):
            wrong.append(reason("gate.fact_other_limit", name=name, limit=fact.limit, wanted=policy.recall_at_5))
        elif measured > today:
            wrong.append(reason("gate.fact_from_future", name=name, measured_on=on))
        elif name in valid_days and (today - measured).days > valid_days[name]:
            wrong.append(reason("gate.fact_expired", name=name, measured_on=on, valid_days=valid_days[name]))
    return wrong


def _reaches(limit: object, wanted: float) -> bool:
    """Whether a fact was held to at least what the policy asks for."""
    return isinstance(limit, int | float) and limit >= wanted


def _people_reasons(rows: Mapping[str, Walked], history: History) -> list[Reason]:
    """What people have yet to sign: the first week, and every contract that is not the one a stream began with."""
    wrong = [] if history.week_one is not None else [reason("gate.week_one_unsigned")]
    for stream, row in rows.items():
        if row.contract is not None and not _reached(stream, row, history):
            wrong.append(reason("gate.contract_not_accepted", stream=stream, fingerprint=row.contract))
    return wrong


def _reached(stream: str, row: Walked, history: History) -> bool:
    """Whether additive steps, each accepted by one person, lead from the first contract, or one that two persons accepted, to today's."""
    known = {row.first_contract} | {after for name, after in history.accepted if name == stream}
    steps = [(before, after) for name, before, after in history.additive if name == stream]
    grown = True
    while grown:
        more = {after for before, after in steps if before in known} - known
        known |= more
        grown = bool(more)
    return row.contract in known


def _standing(
    rows: Mapping[str, Walked], short: list[Reason], unready: list[Reason], policy: GatePolicy, today: date, history: History
) -> tuple[Eligibility, list[Reason]]:
    """From the open reasons to the one word, with the error budget once an index has been eligible."""
    open_reasons = short + unready
    if history.revoked_by is not None:
        return "revoked", [reason("gate.revoked_by", actor=history.revoked_by), *open_reasons]
    if history.suspended_by is not None:
        return "suspended", [reason("gate.suspended_by", actor=history.suspended_by), *open_reasons]
    missed = reviews_missed(history, policy.review_misses, today)
    if missed is not None:
        return "suspended", [missed, *open_reasons]
    if not open_reasons:
        return "eligible", []
    since = history.eligible_since
    restarted = since is not None and any(day >= since for row in rows.values() for day in row.restarts)
    if since is None or restarted or unready or not all(row.count_on(since - DAY) >= policy.green_days for row in rows.values()):
        # A decision row alone opens nothing: the seals themselves must say that it was earned.
        return "ineligible", open_reasons
    bad = bad_days([row.segments for row in rows.values()], max(since, history.resumed_on or since))
    spent = overspent(bad, [row.segments for row in rows.values()])
    if spent is not None:
        return "suspended", [spent, *open_reasons]
    return "eligible", [reason("gate.budget_spent", bad_days=len(bad))]
