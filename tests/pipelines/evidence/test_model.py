"""Random histories, judged by the product and by sixty lines that know only the design's text: both say the same of every day and of the gate."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from soaking import rounds

from pipelines.evidence.calendar import Cadence, bounds, due_slots
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, link
from pipelines.evidence.claims import Balance, CheckVerdict, ContractRef, Endpoint
from pipelines.evidence.decisions import decision_entry
from pipelines.evidence.facts import fact_entry, latest_facts
from pipelines.evidence.gate import GatePolicy, GateState, decide, state_entry
from pipelines.evidence.history import effective_seals, history_of, policy_entry
from pipelines.evidence.places import places_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.seals import MaintenanceWindow, SealPolicy, judge_day
from pipelines.evidence.witness import Run, Tick

from . import model
from .worlds import CONTRACT, DATE, ENDPOINT, STREAM, TOKYO, World, acceptance_terms, at, checks_of, claim, promised, ready, run_of

ONE, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
ELSEWHERE, SANDBOX = Endpoint("sha256:elsewhere", False), Endpoint("sha256:endpoint", True)
BOOKS = (Balance(None, 97, 2, 1, True), Balance(101, 97, 2, 1, True), Balance(100, 97, 2, 1, False))
WARNED = (CheckVerdict("keys_unique", "error", True), CheckVerdict("prices_plausible", "warn", False))
FAILED = (CheckVerdict("keys_unique", "error", False), CheckVerdict("prices_plausible", "warn", True))

#: What can be different about one try: of its claim, its run, its check records, its tick.
CLAIMS = (
    *({"outcome": told} for told in ("failed", "stopped")),
    *({"balance": books} for books in BOOKS),
    *({"checks": told} for told in (WARNED, FAILED, (), WARNED[:1])),
    {"environment": "staging"},
    {"clock": "simulated"},
    {"endpoint": SANDBOX},
    {"endpoint": ELSEWHERE},
    {"drift_waiting": 1},
    {"contract": ContractRef(4, "sha256:wider")},
    {"slot": None},
    {"trigger": "manual"},
    {"root_run_id": "another"},
)
RUNS = (*({"status": told} for told in ("failed", "started", "queued", "stopped")), {"backfill": True}, {"will_retry": True})
RUNS = (*RUNS, {"status": "failed", "failed_streams": ("kintone/faq",)}, {"status": "failed", "failed_streams": (STREAM,)})
CHECKS = ("planned", "skipped", "execution_failed", "runless", "absent", "failed", "other run")
TICKS = ("none", "a second late", "other stream", "empty", "twice", "two runs", "another run", "sensor")
POLICIES = (
    SealPolicy("production"),
    SealPolicy("production", warn_is_green=True),
    SealPolicy("production", required_checks=("prices_plausible",)),
    SealPolicy("production", freshness=timedelta(hours=25)),
    SealPolicy("staging"),
)


def attempt(dice: random.Random, world: World, day: date, slot, number: int, before: Run | None, root: str, odd: float) -> Run:
    """One run for a slot, in some way odd with probability ``odd`` for each way; ``before`` is the run it tries again."""
    name = f"{root}.{number}" if number else root
    shift = number * 20 * MINUTE + (dice.choice((20 * HOUR, -HOUR, 2 * MINUTE)) if dice.random() < odd else 0 * MINUTE)
    made = claim(slot, name, shift, day=day, root_run_id=root, trigger="retry" if number else "schedule")
    if dice.random() < odd:
        made = replace(made, **dice.choice(CLAIMS))
    run = run_of(replace(made, root_run_id=root))
    if dice.random() < odd:
        run = replace(run, **dice.choice(RUNS))
    if run.status in ("started", "queued"):
        run = replace(run, finished_at=None)
    if before is not None:
        run = replace(run, parent_run_id=before.run_id, retry_number=number)
        if dice.random() < odd:
            run = replace(run, **dice.choice(({"retry_number": None}, {"parent_run_id": None}, {"root_run_id": name})))
    if dice.random() < odd:
        skew = dice.choice((-HOUR, HOUR))
        made = replace(made, started_at=made.started_at + skew, finished_at=made.finished_at + skew)
    records = list(checks_of(made))
    if dice.random() < odd and records:
        at, how = dice.randrange(len(records)), dice.choice(CHECKS)
        status = how if how in ("planned", "skipped", "execution_failed", "failed") else records[at].status
        passed = {"planned": None, "skipped": None, "execution_failed": None, "failed": False}.get(how, records[at].passed)
        changed = replace(records[at], status=status, passed=passed, run_id={"runless": "", "other run": "x"}.get(how, name))
        records[at : at + 1] = [] if how == "absent" else [changed]
    if dice.random() < odd / 2:
        made = replace(made, checks=made.checks[:1])  # The claim keeps silent about one.
    if dice.random() > odd / 2:
        world.claims += dice.choice(([made], [made, made], [made, replace(made, code_version="2.0")])) if dice.random() < odd else [made]
    if dice.random() > odd / 3:
        world.runs.append(run)
    world.checks += records
    return run


def ticked(dice: random.Random, world: World, slot, root: str, odd: float) -> None:
    how = dice.choice(TICKS) if dice.random() < odd else ""
    tick = Tick("schedule", "orders_daily", slot, "success", (root,), (STREAM,))
    changed = {
        "a second late": replace(tick, at=slot + timedelta(seconds=1)),
        "other stream": replace(tick, streams=("kintone/faq",)),
        "empty": replace(tick, run_ids=(), status="skipped"),
        "another run": replace(tick, run_ids=("another",)),
        "two runs": replace(tick, run_ids=(root, "another")),
        "sensor": replace(tick, kind="sensor", at=slot + MINUTE),
    }.get(how, tick)
    world.ticks += [] if how == "none" else [changed, changed] if how == "twice" else [changed]


def lived_day(dice: random.Random, day: date, odd: float) -> World:
    """What a day with one or two slots left behind; with ``odd`` at 0 it is green."""
    slots = due_slots(Cadence(5, more=((11, 0),) if dice.random() < 0.3 else ()), day, TOKYO)
    world = World(slots=slots if dice.random() > odd / 3 else ())
    for slot in slots:
        if dice.random() < odd / 3:
            continue
        root, fails = f"{STREAM}-{slot:%d%H}", dice.choice((0, 0, 0, 1, 2)) if odd else 0
        before = None
        for number in range(fails + 1):
            before = attempt(dice, world, day, slot, number, before, root, odd)
            if number < fails:  # The daemon meant to try again after this one.
                named = f"{root}.{number + 1}" if dice.random() > odd else dice.choice((None, "another"))
                failed = replace(before, status="failed", will_retry=dice.random() > odd, auto_retry_run_id=named)
                world.runs = [failed if run.run_id == before.run_id else run for run in world.runs]
                world.claims = [replace(c, outcome="failed") if c.run_id == before.run_id else c for c in world.claims]
        ticked(dice, world, slot, root, odd)
    return world


def windows_on(dice: random.Random, slots, odd: float) -> tuple[MaintenanceWindow, ...]:
    if not slots or dice.random() > odd:
        return ()
    starts = dice.choice(slots) + dice.choice((-HOUR, timedelta(0), timedelta(seconds=1)))
    ends = starts + dice.choice((HOUR, 2 * HOUR, 12 * HOUR))
    declared = starts + dice.choice((-ONE, -MINUTE, MINUTE))
    return (MaintenanceWindow(dice.choice((STREAM, STREAM, "kintone/faq")), starts, ends, declared, "tanaka", "定期保守"),)


@dataclass
class Told:
    """What the model is told of an index: never read from the chain, kept by the story as it goes."""

    today: date = DATE
    green_days: int = 3
    policy_known: bool = False
    count_from: date | None = None
    additive: set[tuple[str, str]] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    facts_hold: bool = False
    week_one: bool = False
    revoked: bool = False
    suspended: bool = False
    resumed_on: date | None = None
    eligible_since: date | None = None


INDEX, FAQ = "product-support", "kintone/faq"
PEOPLE = ("sato", "tanaka")


class Story:
    """One index lived day by day: what is written into the chain, and beside it what the model is told."""

    def __init__(self, dice: random.Random, odd: float) -> None:
        self.dice, self.odd, self.told = dice, odd, Told(green_days=dice.choice((2, 3, 5)))
        self.streams = (STREAM,) if dice.random() < 0.6 else (STREAM, FAQ)
        self.entries: list[Entry] = []
        self.rows: list[ChainRow] = []
        self.days: dict[str, dict[date, tuple]] = {stream: {} for stream in self.streams}
        self.raw: dict[tuple[str, date], str] = {}
        self.excluders: dict[tuple[str, date], set[str]] = {}
        self.policy, self.judged = GatePolicy(green_days=self.told.green_days, streams=self.streams), POLICIES[0]
        self.contract, self.endpoint = {s: CONTRACT for s in self.streams}, {s: ENDPOINT for s in self.streams}
        self.names: dict[str, tuple[str, ...]] = {s: ("note",) for s in self.streams}
        self.state: str | None = None
        self.now = DATE
        self.last: dict[str, datetime | None] = {}
        self.facts: dict[str, tuple[bool, date]] = {}

    @property
    def holds_from(self) -> date | None:
        """A decision holds from the day after the last one sealed before it, whatever its own date says: a day nobody sealed is still to come."""
        days = [day for _, day in self.raw]
        return max(days) + ONE if days else None

    def often(self, more: float = 1.0) -> bool:
        return self.dice.random() < self.odd * more

    def decide(
        self, verb: str, subject: str, persons: Sequence[str], terms=None, signature: str | None = "good", day: date | None = None
    ) -> None:
        for person in persons:
            made = decision_entry(
                verb, subject, terms, "why", GENESIS, "production", "wall", at(DATE), person, day=day, nonce=str(len(self.entries))
            )
            self.entries.append(replace(made, signature=signature))

    def measure(self) -> None:
        """Facts: once all of them hold, now and then one fails, is measured again, comes from tomorrow or grows old."""
        for fact in ready(INDEX, at(self.now)):
            if not self.facts.get(fact.name) or self.often(0.2) or not self.facts[fact.name][0]:
                passed, when = not self.often(0.1), self.now - (91 * ONE if self.often(0.1) else 0 * ONE)
                self.facts[fact.name] = (passed, when)
                self.entries.append(fact_entry(replace(fact, passed=passed, measured_at=at(when)), "production", "wall"))

    def people(self) -> None:
        told, dice = self.told, self.dice
        if not told.policy_known or self.often(0.1):
            changed = told.policy_known
            if changed:
                self.policy = replace(self.policy, review_days=self.policy.review_days + 1)
                told.count_from, told.eligible_since = self.holds_from, None
            told.policy_known = True
            self.entries.append(policy_entry(INDEX, self.policy.fingerprint(), "production", "wall", at(DATE)))
        if not told.week_one and dice.random() < 0.7:
            told.week_one = dice.random() < 0.8
            self.decide("week-one", INDEX, PEOPLE[:1], reason("decision.week_one", contracts="x"), "good" if told.week_one else None)
        if self.often(0.15):
            self.decide("suspend", INDEX, PEOPLE[:1], None, dice.choice((None, "good")))
            told.suspended = True
        if self.often(0.05):
            self.decide("revoke", INDEX, PEOPLE[:1], None, dice.choice((None, "good")))
            told.revoked, told.count_from, told.eligible_since = True, self.holds_from, None
        if (told.suspended or told.revoked or self.state == "suspended") and dice.random() < 0.3:
            how = dice.choice(("two", "one twice", "unsigned"))
            self.decide("resume", INDEX, PEOPLE if how != "one twice" else ("sato", "sato"), None, None if how == "unsigned" else "good")
            if how == "two":
                told.suspended = told.revoked = False
                told.resumed_on = self.holds_from
        for key, verdict in list(self.raw.items()):
            if self.often(0.05):
                who, signed = dice.choice((PEOPLE, PEOPLE[:1])), dice.choice((None, "good", "good"))
                self.decide("exclude", key[0], who, None, signed, day=key[1])
                self.excluders.setdefault(key, set()).update(who if signed else ())
                if verdict == "green" or len(self.excluders[key]) > 1:
                    self.days[key[0]][key[1]] = ("excused", *self.days[key[0]][key[1]][1:])

    def change(self, stream: str) -> None:
        """Another contract or endpoint from today on; perhaps agreed to, rightly or not."""
        if self.often(0.15):
            before, names = self.contract[stream], self.names[stream]
            how = self.dice.choice(("additive", "a lie", "breaking", "breaking by one", "unsigned", "nobody"))
            # Of this stream alone: the model is told of pairs of contracts, whichever stream they are of.
            more = f"{stream.split('/')[1]}_{self.now:%m%d}"
            self.names[stream] = (more,) if how == "a lie" else (*names, more)
            then, now = promised(*names), promised(*self.names[stream])
            after = ContractRef(before.version + 1, now.fingerprint())
            if how == "additive" and all(told[1] != before.fingerprint for told in self.days[stream].values()):
                how = "breaking"  # Of additive steps over a contract that no sealed day has seen the design says nothing.
            terms = acceptance_terms(then, now, "breaking" if how.startswith("breaking") else "additive")
            if how != "nobody":
                self.decide("accept", stream, PEOPLE if how == "breaking" else PEOPLE[:1], terms, None if how == "unsigned" else "good")
            if how == "additive":
                self.told.additive.add((before.fingerprint, after.fingerprint))
            if how == "breaking":
                self.told.accepted.add(after.fingerprint)
            self.contract[stream] = after
        if self.often(0.05):
            self.endpoint[stream] = replace(self.endpoint[stream], fingerprint=f"sha256:{self.now}")

    def live(self, stream: str) -> None:
        """A day of one stream, judged twice and sealed."""
        if self.often(0.1):
            return  # Nobody sealed it.
        world, day = lived_day(self.dice, self.now, self.odd / 6 if self.often() else 0), bounds(self.now, TOKYO)
        named = {"contract": self.contract[stream], "endpoint": self.endpoint[stream], "stream": stream}
        claims = [
            replace(c, **{k: v for k, v in named.items() if k == "stream" or getattr(c, k) in (CONTRACT, ENDPOINT)}) for c in world.claims
        ]
        ticks = [replace(t, streams=tuple(stream if s == STREAM else "kintone/none" for s in t.streams)) for t in world.ticks]
        checks = [replace(c, stream=stream) for c in world.checks]
        judged = replace(self.judged, windows=tuple(replace(w, stream=stream) for w in windows_on(self.dice, world.slots, self.odd / 2)))
        told = (stream, day, world.slots, claims, ticks, world.runs, checks, judged)
        seal = judge_day(*told, last_good_at=self.last.get(stream))
        verdict, good = model.verdict_of(*told, self.last.get(stream))
        assert (seal.verdict, seal.contract is None) == (verdict, not good), told
        self.last[stream] = seal.last_good_at
        last = max(good, key=lambda c: c.finished_at, default=None)
        self.raw[(stream, self.now)] = verdict
        self.days[stream][self.now] = (verdict, last and last.contract.fingerprint, last and last.endpoint, judged.fingerprint())
        told_under = reason("seal.judged_under", policy=seal.policy, last_good_at=None)
        self.entries.append(
            Entry(
                "seal",
                "production",
                "wall",
                stream,
                self.now,
                finished_at=at(self.now + ONE),
                contract=seal.contract,
                endpoint=seal.endpoint,
                verdict=seal.verdict,
                reasons=(told_under,),
            )
        )

    def lived(self, days: int) -> Iterator[tuple[GateState, tuple[str, int]]]:
        """Each morning's answer, the product's and the model's."""
        for _ in range(days):
            self.measure()
            self.people()
            if self.often(0.05):
                self.judged = replace(self.judged, warn_is_green=not self.judged.warn_is_green)
            for stream in self.streams:
                self.change(stream)
                self.live(stream)
            self.now += ONE
            yield self.morning()

    def morning(self) -> tuple[GateState, tuple[str, int]]:
        told, rows = self.told, self.rows
        rows += link(self.entries[len(rows) :], Head(rows[-1].seq, rows[-1].hash) if rows else GENESIS)
        told.today = self.now
        aged = self.facts.get("rollback_drill", (False, DATE))[1]
        told.facts_hold = all(passed for passed, _ in self.facts.values()) and (self.now - aged).days <= 90
        signed = lambda row: row.entry.signature == "good"  # noqa: E731
        places = places_of(rows)
        history = history_of(rows, INDEX, signed, places)
        state = decide(INDEX, self.streams, effective_seals(rows, signed), latest_facts(rows, INDEX), self.policy, self.now, history)
        said = model.standing(list(self.days.values()), told)
        if state.eligibility != history.state:
            self.entries.append(state_entry(state, "production", "wall", at(self.now)))
        if said[0] == "eligible" and (told.eligible_since is None or (self.state == "suspended" and told.resumed_on is None)):
            told.eligible_since = self.holds_from  # Earned anew; what two persons resumed goes on.
        if said[0] == "suspended" != self.state:
            told.resumed_on = None
        if said[0] in ("ineligible", "revoked"):
            told.eligible_since = None
        self.state = said[0]
        return state, said


def whole(dice: random.Random) -> None:
    story = Story(dice, dice.choice((0, 0.2, 0.5, 1)))
    for state, said in story.lived(dice.choice((5, 8, 16))):
        assert (state.eligibility, state.green_days) == said, (story.now, state.reasons, story.told)


def one_day(dice: random.Random) -> str:
    odd, day = dice.choice((0, 0.03, 0.1, 0.2)), bounds(DATE, TOKYO)
    world = lived_day(dice, DATE, odd)
    policy = replace(dice.choice(POLICIES), windows=windows_on(dice, world.slots, odd))
    last = dice.choice((None, day.opens_at - 19 * HOUR))
    told = (STREAM, day, world.slots, world.claims, world.ticks, world.runs, world.checks, policy)
    seal = judge_day(*told, last_good_at=last)
    verdict, good = model.verdict_of(*told, last)
    assert (seal.verdict, seal.contract is None) == (verdict, not good), (seal.reasons, world)
    return verdict


@settings(max_examples=300)
@seed(14)
@given(st.randoms(use_true_random=False))
def test_the_seal_of_a_random_day_is_what_the_model_says(dice: random.Random):
    one_day(dice)


@settings(max_examples=100)
@seed(14)
@given(st.randoms(use_true_random=True))
def test_the_gate_over_a_random_history_is_what_the_model_says(dice: random.Random):
    whole(dice)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(8))
def test_twenty_thousand_random_histories_are_judged_alike(part: int):
    for number in range(rounds(2_500)):
        whole(random.Random(f"{part}/{number}"))
        one_day(random.Random(f"{part}/{number}"))


def test_the_stories_know_every_verdict_and_every_word_of_the_gate():
    """Or the agreement above would say little."""
    dice, words = random.Random(14), Counter()
    verdicts = Counter(one_day(dice) for _ in range(100))
    for _ in range(12):
        words.update(state.eligibility for state, _ in Story(dice, 0.5).lived(8))
    assert verdicts.keys() == {"green", "red", "missing", "excused"} and words.keys() == {"ineligible", "eligible", "suspended", "revoked"}


def test_the_model_stays_under_sixty_lines():
    """So that a person can hold it against the design's text."""
    lines = Path(model.__file__).read_text().splitlines()
    code = [line for line in lines if line.strip() and '"""' not in line and not line.strip().startswith(("from ", "import ", "#"))]
    assert len(code) < 60
