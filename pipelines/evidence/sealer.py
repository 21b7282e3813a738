"""The sealer: writes each closed day once, in order, one commit a day. It copies what was witnessed into the ledger beside the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from pipelines.evidence.calendar import DAY, Calendar, Day, StreamPlan, bounds, closed_until
from pipelines.evidence.chain import ChainRow, Entry, Head, instant_text, link
from pipelines.evidence.claims import Claim, ClaimStore, ClockKind, Environment
from pipelines.evidence.columns import seal_columns
from pipelines.evidence.errors import ClockAhead, ClockWentBack
from pipelines.evidence.examine import FINDINGS, Examined
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.memory import SealMemory
from pipelines.evidence.reading import Reading
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import Seal, SealPolicy, judge_day
from pipelines.evidence.timetable import KINDS, changed_after, day_of, due_of, record, recorded
from pipelines.evidence.witness import CheckFact, Run, Runless, Tick, Witnessed

SEALER = "sealer"
#: As many days are sealed at once without being asked for: a long holiday with the daemon off, and less than a clock is wrong by.
AT_ONCE = 31
#: Of what somebody posted about one subject on one day, as much is told one by one; the rest is counted.
_POSTED_EACH = 20


def unsealed_days(ledger: Ledger, calendar: Calendar, now: datetime, environment: Environment) -> tuple[Day, ...]:
    """The closed days nobody sealed yet in ``environment``, oldest first: the days whose ticks, runs and checks the witness must still have.

    Raises ClockWentBack when ``now`` (aware) lies before the instant of the last seal.
    """
    last = ledger.last_seal(environment)
    if last is not None and last.entry.finished_at is not None and now < last.entry.finished_at:
        raise ClockWentBack("ledger.clock_back", now=instant_text(now), last=instant_text(last.entry.finished_at))
    starts = [plan.starts for plan in calendar.streams]
    if not starts:
        return ()
    first = min(starts) if last is None or last.entry.day is None else max(min(starts), last.entry.day + DAY)
    span = (closed_until(calendar, now) - first).days
    return tuple(bounds(first + timedelta(days=n), calendar.timezone, calendar.close_hour) for n in range(span + 1))


def asked_for(days: Sequence[Day], through: date | None) -> None:
    """Whether these days may be sealed in one go: a clock that is a year ahead for one night would seal a year, for ever.

    Raises ClockAhead for more than ``AT_ONCE`` where no person named the last of them, and for a last day that is another than theirs.
    """
    if days and through not in (None, days[-1].date):
        raise ClockAhead("ledger.through_other", given=through, last=days[-1].date)
    if len(days) > AT_ONCE and through is None:
        raise ClockAhead("ledger.clock_ahead", days=len(days), first=days[0].date, last=days[-1].date, limit=AT_ONCE)


def seal_closed_days(
    ledger: Ledger,
    claim_store: ClaimStore,
    witnessed: Witnessed,
    calendar: Calendar,
    policy: SealPolicy,
    now: datetime,
    clock: ClockKind,
    memory: SealMemory | None = None,
) -> tuple[Seal, ...]:
    """Seal every closed day that has none yet; return the new seals (none when there was nothing to do). ``memory`` is told of each day's.

    A day's evidence, findings and seals are one commit, so a day is sealed whole or not at all. A stream that joins late is judged from
    the first day after the last sealed one. The calendar is written into the chain first, and each day is judged under the one that
    stood there before it began. Raises ClockWentBack, CalendarError, and HeadMoved when another sealer was first.
    """
    written: list[Seal] = []
    days = unsealed_days(ledger, calendar, now, policy.environment)
    if days:
        record(ledger, calendar, policy.environment, clock, now)
    read = ledger.now()
    known = recorded(read.read(kinds=KINDS), policy.environment, seal_columns(read, policy.environment).places)
    head, last = read.head(), read.last_seal(policy.environment)
    if memory is not None and last is not None:
        # Of the very rows that are written behind: whoever was asked before may have been overtaken.
        memory.hold(last.seq, last.hash)
    fresh_from = _fresh_from(read, policy.environment)
    of_stream = Facts(witnessed)
    for on in (each.date for each in days):
        day = day_of(known, calendar, on)
        if now < day.closes_at:
            break
        claims: dict[str, list[Claim]] = defaultdict(list)
        for claim in claim_store.read(day=day.date):
            claims[claim.stream].append(claim)
        seals: list[Seal] = []
        edited: dict[str, Reason] = {}
        for plan in sorted(calendar.streams, key=lambda plan: plan.stream):
            if plan.starts > day.date:
                continue
            due = due_of(known, calendar, plan, day)
            seals.append(judge(plan, day, due, claims[plan.stream], of_stream, policy, fresh_from.get(plan.stream)))
            late = changed_after(known, calendar, plan, day, due)
            if late is not None:
                edited[plan.stream] = late
        posted = [each for each in witnessed.runless if day.opens_at <= each.at < day.closes_at]
        head = _write(ledger, seals, [*_posted(posted, day, policy, now, clock)], edited, head, policy, now, clock, memory)
        fresh_from.update({seal.stream: seal.last_good_at for seal in seals})
        written += seals
    return tuple(written)


def seal_of(row: ChainRow) -> Seal:
    """A seal row as the seal it was, without its evidence. A row that is no seal is a ValueError."""
    entry = row.entry
    under = next((each for each in entry.reasons if each.code == "seal.judged_under"), None)
    if entry.kind != "seal" or entry.day is None or under is None or entry.verdict not in ("green", "red", "missing", "excused"):
        raise ValueError(f"row {row.seq} is no seal")
    at = under.params["last_good_at"]
    return Seal(
        entry.subject,
        entry.day,
        entry.verdict,
        tuple(each for each in entry.reasons if each is not under),
        str(under.params["policy"]),
        entry.contract,
        entry.endpoint,
        None if at is None else datetime.fromisoformat(str(at)),
    )


class Facts:
    """Witnessed facts by stream, so that a thousand streams do not each look through all of them."""

    def __init__(self, witnessed: Witnessed) -> None:
        self.ticks: dict[str, list[Tick]] = defaultdict(list)
        self.checks: dict[str, list[CheckFact]] = defaultdict(list)
        self._by_id = {run.run_id: run for run in witnessed.runs}
        self._by_root: dict[str, list[Run]] = defaultdict(list)
        self._tick_of: dict[str, Tick] = {}
        for tick in witnessed.ticks:
            for stream in tick.streams:
                self.ticks[stream].append(tick)
            for run_id in tick.run_ids:
                self._tick_of[run_id] = tick
        for fact in witnessed.checks:
            self.checks[fact.stream].append(fact)
        for run in witnessed.runs:
            self._by_root[run.root_run_id].append(run)

    def of(self, stream: str, day: Day, claims: Sequence[Claim]) -> tuple[list[Tick], list[Run], list[CheckFact]]:
        """Ticks, runs and checks that can bear on ``stream`` that day: its own ticks, and whatever launched the runs its claims name."""
        ticks = {tick for tick in self.ticks[stream] if day.opens_at <= tick.at < day.closes_at}
        named = {self._by_id[claim.run_id].root_run_id for claim in claims if claim.run_id in self._by_id}
        ticks |= {self._tick_of[root] for root in named if root in self._tick_of}
        roots = named | {run_id for tick in ticks for run_id in tick.run_ids}
        runs = {run.run_id: run for root in roots for run in self._by_root[root]}
        return list(ticks), list(runs.values()), self.checks[stream]


def judge(
    plan: StreamPlan,
    day: Day,
    due: Sequence[datetime],
    claims: Sequence[Claim],
    facts: Facts,
    policy: SealPolicy,
    last_good_at: datetime | None,
) -> Seal:
    """One stream's seal, from the facts of all."""
    ticks, runs, checks = facts.of(plan.stream, day, claims)
    own = replace(
        policy,
        freshness=plan.freshness or policy.freshness,
        required_checks=tuple(sorted({*policy.required_checks, *plan.required_checks})),
    )
    return judge_day(plan.stream, day, due, claims, ticks, runs, checks, own, last_good_at=last_good_at)


def _fresh_from(read: Reading, environment: Environment) -> dict[str, datetime | None]:
    last = read.last_seal(environment)
    if last is None or last.entry.day is None:
        return {}
    seals = (row for row in read.read(kinds=("seal",), day=last.entry.day) if row.entry.environment == environment)
    return {row.entry.subject: seal_of(row).last_good_at for row in seals}


def _write(
    ledger: Ledger,
    seals: Sequence[Seal],
    posted: Sequence[Entry],
    edited: Mapping[str, Reason],
    head: Head,
    policy: SealPolicy,
    now: datetime,
    clock: ClockKind,
    memory: SealMemory | None,
) -> Head:
    entries: list[Entry] = list(posted)
    for seal in seals:
        entries += [_evidence(each, policy) for each in seal.evidence]
        entries += _findings(seal, edited.get(seal.stream), policy, now, clock)
    entries += [_seal_entry(seal, policy, now, clock) for seal in seals]
    if memory is not None and seals:
        memory.about_to_write(link(entries, head)[-1].hash)
    return ledger.append(entries, after=head)


def _evidence(examined: Examined, policy: SealPolicy) -> Entry:
    claim = examined.claim
    said: list[Reason] = list(examined.reasons)
    slot = instant_text(examined.slot or claim.slot or claim.started_at)
    if claim.error is not None:
        said.append(reason("seal.pull_failed", slot=slot, error=claim.error))
    if claim.drift_waiting:
        said.append(reason("seal.drift_waiting", slot=slot, count=claim.drift_waiting))
    return Entry(
        kind="evidence",
        environment=policy.environment,
        clock=claim.clock,
        subject=claim.stream,
        day=claim.day,
        slot=examined.slot,
        trigger=examined.trigger,
        pull_id=claim.pull_id,
        run_id=claim.run_id,
        root_run_id=claim.root_run_id,
        tick=examined.tick.label if examined.tick else None,
        started_at=claim.started_at,
        finished_at=claim.finished_at,
        outcome=claim.outcome,
        checks=claim.checks,
        balance=claim.balance,
        contract=claim.contract,
        endpoint=claim.endpoint,
        code_version=claim.code_version,
        verdict="counted" if examined.counts else "not_counted",
        reasons=tuple(said),
    )


def _findings(seal: Seal, edited: Reason | None, policy: SealPolicy, now: datetime, clock: ClockKind) -> list[Entry]:
    """What somebody should look into: words that the witness contradicts, and a calendar edited after the day."""

    def finding(reasons: Sequence[Reason], claim: Claim | None) -> Entry:
        return Entry(
            kind="finding",
            environment=policy.environment,
            clock=clock,
            subject=seal.stream,
            day=seal.day,
            pull_id=claim.pull_id if claim else None,
            run_id=claim.run_id if claim else None,
            finished_at=now,
            reasons=tuple(reasons),
            actor=SEALER,
        )

    found = [(tuple(r for r in each.reasons if r.code in FINDINGS), each.claim) for each in seal.evidence]
    entries = [finding(reasons, claim) for reasons, claim in found if reasons]
    rest = [r for r in seal.reasons if r.code in FINDINGS and not any(r in reasons for reasons, _ in found)]
    rest += [edited] if edited else []
    return [*entries, finding(rest, None)] if rest else entries


def _posted(found: Sequence[Runless], day: Day, policy: SealPolicy, now: datetime, clock: ClockKind) -> list[Entry]:
    """Events that name no run: they change nothing, and somebody should ask who posted them. The ledger is for ever, so a flood is told by its
    count."""

    def entry(subject: str, told: Reason) -> Entry:
        return Entry(
            kind="finding",
            environment=policy.environment,
            clock=clock,
            subject=subject,
            day=day.date,
            finished_at=now,
            reasons=(told,),
            actor=SEALER,
        )

    alike: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for each in sorted(found, key=lambda each: (each.at, each.subject, each.name)):
        alike[each.subject, each.kind, each.name].append(each.at)
    entries: list[Entry] = []
    for (subject, kind, name), times in alike.items():
        entries += [entry(subject, reason("seal.runless_event", kind=kind, name=name, at=instant_text(at))) for at in times[:_POSTED_EACH]]
        if rest := times[_POSTED_EACH:]:
            span = {"since": instant_text(rest[0]), "until": instant_text(rest[-1])}
            entries.append(entry(subject, reason("seal.runless_events", kind=kind, name=name, count=len(rest), **span)))
    return entries


def _seal_entry(seal: Seal, policy: SealPolicy, now: datetime, clock: ClockKind) -> Entry:
    last = None if seal.last_good_at is None else instant_text(seal.last_good_at)
    return Entry(
        kind="seal",
        environment=policy.environment,
        clock=clock,
        subject=seal.stream,
        day=seal.day,
        finished_at=now,
        contract=seal.contract,
        endpoint=seal.endpoint,
        verdict=seal.verdict,
        reasons=(reason("seal.judged_under", policy=seal.policy, last_good_at=last), *seal.reasons),
        actor=SEALER,
    )
