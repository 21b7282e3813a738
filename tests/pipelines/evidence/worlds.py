"""The small world the evidence tests live in: one project in Tokyo, streams pulled at 05:00, and a witness who saw it all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from expectations.contract import Contract, FieldSpec
from pipelines.evidence.additive import both
from pipelines.evidence.calendar import Cadence, Calendar, Day, StreamPlan, bounds, due_slots
from pipelines.evidence.claims import Balance, CheckVerdict, Claim, ContractRef, Endpoint
from pipelines.evidence.facts import REQUIRED_FACTS, Fact
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import Seal, SealPolicy, Verdict, judge_day
from pipelines.evidence.witness import CheckFact, Run, Tick, Witnessed

TOKYO = "Asia/Tokyo"
STREAM = "kintone/orders"
DATE = date(2026, 11, 16)
DAY: Day = bounds(DATE, TOKYO)
(SLOT,) = due_slots(Cadence(5), DATE, TOKYO)


def promised(*names: str) -> Contract:
    """A contract with these fields beside its key."""
    fields = tuple(FieldSpec(name=name, source=name, type="string") for name in ("id", *names))
    return Contract(stream=STREAM, version=3, source={"app_code": "ORDERS"}, key=("id",), fields=fields)


PROMISE, WIDER, NARROWER = promised("note"), promised("note", "tax"), promised("tax")
CONTRACT = ContractRef(3, PROMISE.fingerprint())


def acceptance_terms(before: Contract, after: Contract, change: str) -> Reason:
    """What somebody signs who accepts ``after`` as additive (or not): true or false, it brings both promises."""
    told = both(before, after) if change == "additive" else None
    return reason("decision.contract_accepted", before=before.fingerprint(), after=after.fingerprint(), change=change, promises=told)


ENDPOINT = Endpoint("sha256:endpoint", False)
MINUTE = timedelta(minutes=1)
PRODUCTION = SealPolicy("production")


def slot_on(day: date) -> datetime:
    return due_slots(Cadence(5), day, TOKYO)[0]


def claim(slot: datetime = SLOT, run_id: str = "run-1", after: timedelta = timedelta(0), **changes) -> Claim:
    """A good claim of a scheduled pull that ran two minutes, ``after`` its slot."""
    made = Claim(
        stream=STREAM,
        environment="production",
        clock="wall",
        slot=slot,
        day=DATE,
        trigger="schedule",
        pull_id=f"pull-{run_id}",
        run_id=run_id,
        root_run_id=run_id,
        started_at=slot + after + MINUTE,
        finished_at=slot + after + 3 * MINUTE,
        outcome="succeeded",
        checks=(CheckVerdict("keys_unique", "error", True), CheckVerdict("prices_plausible", "warn", True)),
        balance=Balance(100, 97, 2, 1, True),
        contract=CONTRACT,
        endpoint=ENDPOINT,
        code_version="1.0",
    )
    return replace(made, **changes)


def run_of(made: Claim, **changes) -> Run:
    ended = "succeeded" if made.outcome == "succeeded" else "failed"
    run = Run(made.run_id, made.root_run_id, None, ended, made.started_at, made.finished_at + MINUTE)
    return replace(run, **changes)


def tick_of(made: Claim, **changes) -> Tick:
    slot = made.slot or SLOT
    return replace(Tick("schedule", "orders_daily", slot, "success", (made.root_run_id,), (made.stream,)), **changes)


def checks_of(made: Claim) -> tuple[CheckFact, ...]:
    return tuple(
        CheckFact(made.stream, c.name, made.run_id, "succeeded" if c.passed else "failed", c.passed, c.severity, made.finished_at)
        for c in made.checks
    )


@dataclass
class World:
    """What one day left behind; each list can be bent before it is judged."""

    claims: list[Claim] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    checks: list[CheckFact] = field(default_factory=list)
    slots: tuple[datetime, ...] = (SLOT,)

    def judge(self, policy: SealPolicy = PRODUCTION, last_good_at: datetime | None = None) -> Seal:
        return judge_day(STREAM, DAY, self.slots, self.claims, self.ticks, self.runs, self.checks, policy, last_good_at=last_good_at)

    def add(self, made: Claim, *, tick: bool = True, **run_changes) -> World:
        self.claims.append(made)
        self.runs.append(run_of(made, **run_changes))
        self.checks += checks_of(made)
        if tick:
            self.ticks.append(tick_of(made))
        return self


def lived(**changes) -> World:
    """A day whose one scheduled pull went well, but for ``changes`` to its claim."""
    return World().add(claim(**changes))


def healed() -> World:
    """A pull that failed at 05:00 and was healed by the daemon's automatic retry."""
    world = World().add(claim(outcome="failed", error="source.unavailable"), will_retry=True, auto_retry_run_id="run-2")
    second = claim(run_id="run-2", root_run_id="run-1", after=10 * MINUTE, trigger="retry")
    return world.add(second, tick=False, parent_run_id="run-1", retry_number=1)


def codes(seal: Seal) -> list[str]:
    return [each.code for each in seal.reasons]


def witnessed_days(days: list[date], streams: tuple[str, ...] = (STREAM,)) -> tuple[list[Claim], Witnessed]:
    """Claims and witness of days on which every stream's pull went well."""
    world = World()
    for day in days:
        for stream in streams:
            run_id = f"{stream}-{day}"
            world.add(claim(slot_on(day), run_id, stream=stream, day=day))
    return world.claims, Witnessed(tuple(world.ticks), tuple(world.runs), tuple(world.checks))


def calendar(starts: date = DATE, streams: tuple[str, ...] = (STREAM,)) -> Calendar:
    return Calendar(TOKYO, tuple(StreamPlan(stream, Cadence(5), starts) for stream in streams))


def at(day: date, hour: int = 0, minute: int = 10) -> datetime:
    """An instant on a civil day in Tokyo, which has no summer time."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) - timedelta(hours=9)


def seal(day: date, verdict: Verdict = "green", stream: str = STREAM, **changes) -> Seal:
    made = Seal(stream, day, verdict, (), "sha256:policy", CONTRACT, ENDPOINT)
    return replace(made, **changes)


def ready(index: str = "product-support", measured_at: datetime | None = None) -> tuple[Fact, ...]:
    """Every required fact, holding."""
    instant = measured_at or at(DATE)
    return tuple(Fact(index, name, 1, "yes", 1, True, "fortnight gate status", instant) for name in REQUIRED_FACTS)
