"""What the gate, the ledger and the sealer cost at the size of a large company: a thousand streams and a year of days."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import gate_days, gate_location
from benchmarks.measure import Measure, Sample, in_turn, quick, tried

if TYPE_CHECKING:
    from pipelines.evidence.chain import Entry
    from pipelines.evidence.claims import Claim
    from pipelines.evidence.ledger import Ledger

PARTS = ("decide", "append", "seal", "logic", *gate_location.PARTS, *gate_days.PARTS)
STREAMS = 50 if quick() else 1_000
DAYS = 60 if quick() else 365
LONG = 2_000 if quick() else 100_000
FIRST = date(2026, 1, 1)
NAMES = tuple(f"bench/stream-{number:04d}" for number in range(STREAMS))
POLICY, CONTRACT, ENDPOINT = "sha256:" + "p" * 64, "sha256:" + "c" * 64, "sha256:" + "e" * 64


def measures(parts: Sequence[str] = PARTS) -> Iterator[Measure]:
    """Every part makes its own ledger in a folder of its own."""
    wanted = {"decide": _decide, "append": _append, "seal": _seal, "logic": _logic}
    for part in wanted:
        if part in parts or "" in parts:
            yield tried(f"gate.{part}.seconds", wanted[part])
    yield from gate_location.measures(parts)
    yield from gate_days.measures(parts)


def _decide() -> Measure:
    """The gate's answer, from the ledger on disk to the word. The peer reads the same columns of the same files and does nothing with them."""
    from pipelines.evidence.book import open_book
    from pipelines.evidence.columns import NAMES as COLUMNS
    from pipelines.evidence.gate import GatePolicy
    from pipelines.evidence.standing import state_of

    with tempfile.TemporaryDirectory() as folder:
        ledger, proof = _year(Path(folder)), Path(folder) / "proof.json"
        policy, today = GatePolicy(streams=NAMES), FIRST + timedelta(days=DAYS)
        open_book(ledger, "production", proof)

        def ours() -> None:
            state = state_of(open_book(ledger, "production", proof), "bench", policy, today)
            assert state.green_days == 14, state.green_days

        def peer() -> None:
            import pyarrow.compute as pc

            ledger.now().columns(COLUMNS, pc.field("kind") == "seal")

        return in_turn(
            "gate.decide.seconds",
            "s",
            f"{STREAMS:,} streams x {DAYS} sealed days (two in a hundred red), verified before: read, compared with what was verified, judged; "
            "the peer only reads the same columns",
            lambda: _timed(ours),
            lambda: _timed(peer),
            bound="< 1 s",
            holds=None if quick() else lambda value, _: value < 1,
        )


def _append() -> Measure:
    """One row behind a long chain. The peer writes a row of the same size into a Delta table that holds nothing else."""
    from deltalake import write_deltalake

    from pipelines.evidence.chain import link
    from pipelines.evidence.table import table_of

    with tempfile.TemporaryDirectory() as folder:
        ledger = _ledger(Path(folder) / "long", LONG)
        bare, one = str(Path(folder) / "bare"), table_of(link([_entry(0, 0)], ledger.head()))
        counter = iter(range(1, 1_000_000))

        def ours() -> None:
            ledger.append([_entry(next(counter), 0)])

        return in_turn(
            "gate.append.seconds",
            "s",
            f"one row behind {LONG:,}: find the head, link, commit; the peer is a bare Delta commit of one row",
            lambda: _timed(ours, 20),
            lambda: _timed(lambda: write_deltalake(bare, one, mode="append"), 20),
            bound="< 0.05 s",
            holds=None if quick() else lambda value, _: value < 0.05,
        )


def _seal() -> Measure:
    """One day of every stream: claims read, joined, judged, written. The peer writes the very rows that came of it."""
    from deltalake import write_deltalake

    from pipelines.evidence.claims import ClaimStore
    from pipelines.evidence.ledger import Ledger
    from pipelines.evidence.sealer import seal_closed_days
    from pipelines.evidence.table import table_of

    with tempfile.TemporaryDirectory() as folder:
        store = ClaimStore(f"{folder}/claims")
        claims, seen, calendar = _lived(1)
        _write_claims(store, claims)
        counter = iter(range(1_000))
        rows: list[Any] = []

        def ours() -> None:
            ledger = Ledger(f"{folder}/ledger-{next(counter)}")
            seals = seal_closed_days(ledger, store, seen, calendar, _policy(), _after(1), "wall")
            assert len(seals) == STREAMS and all(seal.verdict == "green" for seal in seals)
            rows[:] = ledger.read()

        def peer() -> None:
            write_deltalake(f"{folder}/peer-{next(counter)}", table_of(rows), mode="append")

        return in_turn(
            "gate.seal.seconds",
            "s",
            f"one day of {STREAMS:,} streams, each with a claim, a run, a tick and six checks; the peer only writes the rows that came of it",
            lambda: _timed(ours),
            lambda: _timed(peer),
            bound="< 10 s",
            holds=None if quick() else lambda value, _: value < 10,
        )


def _logic() -> Measure:
    """Fourteen days of every stream judged in memory, and the gate over them. The peer hashes the fourteen days' seals as chain rows."""
    from pipelines.evidence.calendar import bounds, slots_of
    from pipelines.evidence.chain import GENESIS, link
    from pipelines.evidence.gate import GatePolicy, decide
    from pipelines.evidence.sealer import Facts, judge

    claims, seen, calendar = _lived(14)
    by_day: dict[tuple[str, date], list[Claim]] = {}
    for claim in claims:
        by_day.setdefault((claim.stream, claim.day), []).append(claim)

    def ours() -> None:
        facts, seals = Facts(seen), []
        for number in range(14):
            day = bounds(FIRST + timedelta(days=number), calendar.timezone)
            for plan in calendar.streams:
                own = by_day[plan.stream, day.date]
                seals.append(judge(plan, day, slots_of(plan, day, calendar), own, facts, _policy(), None))
        state = decide("bench", NAMES, seals, (), GatePolicy(streams=NAMES), FIRST + timedelta(days=14))
        assert state.green_days == 14

    entries = [_entry(stream, number) for number in range(14) for stream in range(STREAMS)]
    return in_turn(
        "gate.logic.seconds",
        "s",
        f"14 days of {STREAMS:,} streams judged one by one, and the gate over them; the peer only hashes the seals into a chain",
        lambda: _timed(ours),
        lambda: _timed(lambda: link(entries, GENESIS)),
        bound="< 10 s",
        holds=None if quick() else lambda value, _: value < 10,
    )


def _timed(run: Callable[[], object], times: int = 1) -> Sample:
    """Seconds for one run, the mean of ``times``."""
    wall, cpu = time.perf_counter(), sum(os.times()[:2])
    for _ in range(times):
        run()
    took = (time.perf_counter() - wall) / times
    return Sample(took, took, (sum(os.times()[:2]) - cpu) / times, 0.0)


def _year(folder: Path) -> Ledger:
    """A ledger of a year of seals, two days in a hundred red and the last fourteen green; a commit a month, as upkeep leaves it."""
    from pipelines.evidence.ledger import Ledger

    ledger = Ledger(str(folder / "year"))
    for first in range(0, DAYS, 30):
        days = range(first, min(first + 30, DAYS))
        ledger.append([_entry(stream, number, DAYS - number > 14) for number in days for stream in range(STREAMS)])
    return ledger


def _ledger(folder: Path, rows: int) -> Ledger:
    from pipelines.evidence.ledger import Ledger

    ledger = Ledger(str(folder))
    for start in range(0, rows, 1_000):
        ledger.append([_entry(number, start // 1_000) for number in range(1_000)])
    return ledger


def _entry(stream: int, number: int, may_be_red: bool = False) -> Entry:
    from pipelines.evidence.chain import Entry
    from pipelines.evidence.claims import ContractRef, Endpoint
    from pipelines.evidence.reasons import reason

    day = FIRST + timedelta(days=number)
    red = may_be_red and (stream * 7919 + number * 104729) % 50 == 0
    told = reason("seal.judged_under", policy=POLICY, last_good_at=f"{day.isoformat()}T20:02:00.000000Z")
    why = [reason("seal.slot_missed", slot=f"{day.isoformat()}T20:00:00.000000Z")] if red else []
    return Entry(
        "seal",
        "production",
        "wall",
        NAMES[stream % STREAMS],
        day,
        finished_at=datetime(day.year, day.month, day.day, 16, 10, tzinfo=UTC),
        contract=ContractRef(1, CONTRACT),
        endpoint=Endpoint(ENDPOINT, False),
        verdict="red" if red else "green",
        reasons=(told, *why),
        actor="sealer",
    )


def _policy() -> Any:
    from pipelines.evidence.seals import SealPolicy

    return SealPolicy("production")


def _after(days: int) -> datetime:
    day = FIRST + timedelta(days=days)
    return datetime(day.year, day.month, day.day, 0, 10, tzinfo=UTC) - timedelta(hours=9)


def _lived(days: int) -> tuple[list[Claim], Any, Any]:
    """Claims, witness and calendar of days on which every stream's pull went well."""
    from pipelines.evidence.calendar import Cadence, Calendar, StreamPlan, due_slots
    from pipelines.evidence.claims import Balance, CheckVerdict, Claim, ContractRef, Endpoint
    from pipelines.evidence.witness import STREAM_CHECKS, CheckFact, Run, Tick, Witnessed

    cadence, minute = Cadence(5), timedelta(minutes=1)
    checks = tuple(CheckVerdict(name, "error", True) for name in STREAM_CHECKS)
    claims: list[Claim] = []
    runs: list[Run] = []
    ticks: list[Tick] = []
    facts: list[CheckFact] = []
    for number in range(days):
        day = FIRST + timedelta(days=number)
        (slot,) = due_slots(cadence, day, "Asia/Tokyo")
        for stream in NAMES:
            run = f"{stream}@{day}"
            started, finished = slot + minute, slot + 3 * minute
            claim = Claim(
                stream, "production", "wall", slot, day, "schedule", f"pull-{run}", run, run, started, finished, "succeeded",
                checks, Balance(100, 97, 2, 1, True), ContractRef(1, CONTRACT), Endpoint(ENDPOINT, False), "1.0",
            )  # fmt: skip
            claims.append(claim)
            runs.append(Run(run, run, None, "succeeded", started, finished + minute))
            ticks.append(Tick("schedule", stream, slot, "success", (run,), (stream,)))
            facts += [CheckFact(stream, check.name, run, "succeeded", True, "error", finished) for check in checks]
    plans = tuple(StreamPlan(stream, cadence, FIRST, required_checks=STREAM_CHECKS) for stream in NAMES)
    return claims, Witnessed(tuple(ticks), tuple(runs), tuple(facts)), Calendar("Asia/Tokyo", plans)


def _write_claims(store: Any, claims: list[Claim]) -> None:
    """All at once: how a thousand pulls append one by one is another measure."""
    store.append_all(claims)
