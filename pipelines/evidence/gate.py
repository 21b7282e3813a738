"""The gate: the pure decision whether an index may be called eligible, from seals, readiness facts and history. What is unknown is not green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pipelines.evidence.calendar import DAY
from pipelines.evidence.chain import Entry, fingerprint
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.facts import REQUIRED_FACTS, Fact, latest_facts
from pipelines.evidence.history import GATE, Eligibility, History, Signed, effective_seals, history_of, nobody_signed
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import Seal, Verdict

DayVerdict = Verdict | Literal["unsealed"]
#: Nothing known of an index: not even a recorded policy, so never eligible.
NO_HISTORY = History()
_WORST_FIRST: tuple[Verdict, ...] = ("red", "missing", "excused", "green")


@dataclass(frozen=True)
class GatePolicy:
    """What an index must show. ``fact_valid_days`` says after how many days a fact must have been measured again (others do not age);
    ``timezone`` is the project's, in which ``today`` and the ages of facts are counted. ``streams`` are those the index is built from: taking
    a red one out is a change of policy."""

    green_days: int = 14
    fact_valid_days: tuple[tuple[str, int], ...] = (("rollback_drill", 90),)
    timezone: str = "Asia/Tokyo"
    streams: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.green_days < 1:
            raise ValueError(f"a gate needs at least one green day, not {self.green_days}")

    def fingerprint(self) -> str:
        """Recorded in the ledger; a gate whose policy differs from the recorded one starts again."""
        return fingerprint(
            {
                "green_days": self.green_days,
                "fact_valid_days": [[name, days] for name, days in sorted(self.fact_valid_days)],
                "timezone": self.timezone,
                "required_facts": sorted(REQUIRED_FACTS),
                "streams": sorted(self.streams),
            }
        )


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


@dataclass(frozen=True)
class _Row:
    """The walk over one stream's days: verdicts and running count of each day up to yesterday, and the days that restarted it."""

    green_days: int
    days: tuple[tuple[date, DayVerdict], ...]
    last_reason: Reason | None
    restarts: tuple[date, ...]
    counts: Mapping[date, int]


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
    names = sorted(set(streams))
    rows = {name: _walk(name, [seal for seal in seals if seal.stream == name], today, history) for name in names}
    green_days = min((row.green_days for row in rows.values()), default=0)
    states = tuple(StreamState(name, row.green_days, _window(row.days, policy.green_days), row.last_reason) for name, row in rows.items())
    short: list[Reason] = [] if names else [reason("gate.no_streams")]
    for state in states:
        # A stream that was never sealed has no day to explain: its history has yet to begin.
        if not state.days:
            short.append(reason("gate.no_sealed_day", stream=state.stream, required_days=policy.green_days))
        elif state.green_days < policy.green_days:
            short.append(reason("gate.streak_short", stream=state.stream, green_days=state.green_days, required_days=policy.green_days))
            if state.last_reason is not None and state.last_reason.code.startswith("gate."):
                short.append(state.last_reason)
    unready = _policy_reasons(policy, history) + _fact_reasons(index, facts, policy, today)
    eligibility, why = _standing(rows, short, unready, policy.green_days, today, history)
    return GateState(index, eligibility, green_days, policy.green_days, states, tuple(dict.fromkeys(why)))


def read_gate(
    ledger: Ledger,
    index: str,
    streams: Sequence[str],
    policy: GatePolicy,
    today: date,
    signed: Signed = nobody_signed,
    environment: Environment | None = None,
) -> GateState:
    """``decide`` over what stands in the ledger for ``environment``: evidence never crosses from one to another.

    Reading proves nothing: ``Ledger.verify`` is a separate question.
    """
    rows = ledger.read(kinds=("seal", "amendment", "decision", "fact"))
    rows = [row for row in rows if environment is None or row.entry.environment == environment]
    seals = effective_seals([row for row in rows if row.entry.subject in set(streams)], signed)
    return decide(index, streams, seals, latest_facts(rows, index), policy, today, history_of(rows, index, signed))


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


def _walk(stream: str, seals: Sequence[Seal], today: date, history: History) -> _Row:
    """Count forward from the first seal to yesterday; every day in between must be sealed. Without a seal no day was ever owed: no days."""
    by_day: dict[date, Seal] = {}
    for seal in seals:
        other = by_day.get(seal.day)
        # The sealer writes one seal a day; should two stand there, the worse is believed.
        if seal.day < today and (other is None or _WORST_FIRST.index(seal.verdict) < _WORST_FIRST.index(other.verdict)):
            by_day[seal.day] = seal
    yesterday = today - DAY
    count, last_reason = 0, None
    days: list[tuple[date, DayVerdict]] = []
    restarts: list[date] = []
    counts: dict[date, int] = {}
    before: Seal | None = None
    day = min(by_day, default=today)
    while day <= yesterday:
        seal = by_day.get(day)
        if seal is None:
            count, last_reason = 0, reason("gate.day_not_sealed", stream=stream, day=day.isoformat())
            days.append((day, "unsealed"))
        else:
            changed = _changed(before, seal, history)
            if changed is not None:
                count, last_reason = 0, changed
                restarts.append(day)
            if seal.verdict == "green":
                if history.count_from is None or day >= history.count_from:
                    count += 1
                else:
                    last_reason = reason("gate.policy_since", day=history.count_from.isoformat())
            elif seal.verdict != "excused":
                count, last_reason = 0, seal.reasons[0] if seal.reasons else None
            days.append((day, seal.verdict))
            before = _known(before, seal)
        counts[day] = count
        day += DAY
    return _Row(count, tuple(days), last_reason, tuple(restarts), counts)


def _known(before: Seal | None, seal: Seal) -> Seal:
    """The newest seal, with the contract and endpoint last seen where the day itself had no good pull."""
    if before is None:
        return seal
    return Seal(
        seal.stream,
        seal.day,
        seal.verdict,
        seal.reasons,
        seal.policy,
        seal.contract or before.contract,
        seal.endpoint or before.endpoint,
    )


def _changed(before: Seal | None, seal: Seal, history: History) -> Reason | None:
    """What restarts the count on this day. A contract change nobody accepted as additive is taken for a breaking one."""
    if before is None:
        return None
    at = seal.day.isoformat()
    if before.endpoint and seal.endpoint and before.endpoint != seal.endpoint:
        return reason("gate.endpoint_changed", stream=seal.stream, day=at)
    old = before.contract.fingerprint if before.contract else None
    new = seal.contract.fingerprint if seal.contract else None
    if old is not None and new is not None and old != new and (seal.stream, old, new) not in history.additive:
        return reason("gate.contract_changed", stream=seal.stream, day=at)
    if before.policy != seal.policy:
        return reason("gate.seal_policy_changed", stream=seal.stream, day=at)
    return None


def _window(days: Sequence[tuple[date, DayVerdict]], wanted: int) -> tuple[tuple[date, DayVerdict], ...]:
    seen, start = 0, len(days)
    while start > 0 and seen < wanted:
        start -= 1
        seen += days[start][1] != "excused"
    return tuple(days[start:])


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
        elif measured > today:
            wrong.append(reason("gate.fact_from_future", name=name, measured_on=on))
        elif name in valid_days and (today - measured).days > valid_days[name]:
            wrong.append(reason("gate.fact_expired", name=name, measured_on=on, valid_days=valid_days[name]))
    return wrong


def _standing(
    rows: Mapping[str, _Row], short: list[Reason], unready: list[Reason], required: int, today: date, history: History
) -> tuple[Eligibility, list[Reason]]:
    """From the open reasons to the one word, with the error budget once an index has been eligible."""
    open_reasons = short + unready
    if history.revoked_by is not None:
        return "revoked", [reason("gate.revoked_by", actor=history.revoked_by), *open_reasons]
    if history.suspended_by is not None:
        return "suspended", [reason("gate.suspended_by", actor=history.suspended_by), *open_reasons]
    if not open_reasons:
        return "eligible", []
    since = history.eligible_since
    restarted = since is not None and any(day >= since for row in rows.values() for day in row.restarts)
    if since is None or restarted or unready or not _had_earned_it(rows, since, required):
        return "ineligible", open_reasons
    bad = _bad_days(rows, max(since, history.resumed_on or since), today)
    spent = _overspent(bad)
    if spent is not None:
        return "suspended", [spent, *open_reasons]
    return "eligible", [reason("gate.budget_spent", bad_days=sum(is_bad for _, is_bad in bad))]


def _had_earned_it(rows: Mapping[str, _Row], since: date, required: int) -> bool:
    """Whether the seals themselves say so: a decision row alone opens nothing."""
    return all(row.counts.get(since - DAY, 0) >= required for row in rows.values())


def _bad_days(rows: Mapping[str, _Row], since: date, today: date) -> list[tuple[date, bool]]:
    """Each day since ``since`` that is not excused for every stream, and whether any stream was not green on it."""
    found: list[tuple[date, bool]] = []
    verdicts = [dict(row.days) for row in rows.values()]
    day = since
    while day < today:
        own = [verdict.get(day, "unsealed") for verdict in verdicts]
        if any(each != "excused" for each in own):
            found.append((day, any(each not in ("green", "excused") for each in own)))
        day += DAY
    return found


def _overspent(days: Sequence[tuple[date, bool]]) -> Reason | None:
    """Two bad days in a row, or three in fourteen."""
    bad: list[date] = []
    for at, (day, is_bad) in enumerate(days):
        if not is_bad:
            continue
        bad.append(day)
        if at > 0 and days[at - 1][1]:
            return reason("gate.two_bad_in_a_row", day=day.isoformat())
        if len(bad) >= 3 and (day - bad[-3]).days < 14:
            return reason("gate.three_bad_in_fourteen", day=day.isoformat())
    return None
