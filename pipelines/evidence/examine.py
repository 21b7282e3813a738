"""Which claims count: each claim joined with the tick and the run that launched it. Tags and words can be forged; a tick's run list is what stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.evidence.calendar import Day
from pipelines.evidence.chain import instant_text
from pipelines.evidence.claims import Claim, Environment, Trigger
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.witness import Run, Tick

#: Reasons that mean somebody said what is not so; the sealer writes them down as findings.
FINDINGS = frozenset({"seal.runless", "seal.not_in_tick", "seal.root_disagrees", "seal.claims_contradict", "seal.check_disagrees"})


@dataclass(frozen=True)
class Examined:
    """A claim after the join: what launched it as witnessed, the slot it fills, and why it does not count (nothing: it counts)."""

    claim: Claim
    trigger: Trigger
    tick: Tick | None
    slot: datetime | None
    reasons: tuple[Reason, ...]

    @property
    def counts(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Attempt:
    """One witnessed run of a tick, or an automatic retry of one; ``run`` is None when Dagster no longer knows it."""

    run_id: str
    run: Run | None
    claims: tuple[Claim, ...]
    tick: Tick

    def concerns(self, stream: str) -> bool:
        """True unless this run is known to have left ``stream`` alone."""
        return bool(self.claims) or self.run is None or self.run.concerns(stream)


@dataclass(frozen=True)
class Launch:
    """How the witness says a run began."""

    trigger: Trigger
    tick: Tick | None
    why_not: Reason | None = None


class Joined:
    """Ticks and runs of one stream and day, indexed for the join."""

    def __init__(self, stream: str, day: Day, slots: Sequence[datetime], ticks: Sequence[Tick], runs: Sequence[Run]) -> None:
        self._stream = stream
        self._day = day
        self._slots = tuple(sorted(slots))
        self._ticks = tuple(sorted(set(ticks), key=lambda tick: (tick.at, tick.kind, tick.name)))
        self._runs: Mapping[str, Run] = {run.run_id: run for run in runs}
        self._tick_of: dict[str, Tick] = {}
        for tick in self._ticks:
            for run_id in tick.run_ids:
                self._tick_of.setdefault(run_id, tick)

    def launch(self, run_id: str) -> Launch:
        """What launched ``run_id``. An automatic retry needs the daemon's marks on both sides: it carries a number, and the parent failed, was to be
        retried, and says in its log that this very run was launched for it. A person's re-execution may carry the number and no more."""
        run = self._runs.get(run_id)
        if run is None:
            return Launch("none", None, reason("seal.run_unknown", run_id=run_id))
        if run.backfill:
            return Launch("backfill", None, reason("seal.backfill", run_id=run_id))
        if run.parent_run_id is None:
            tick = self._tick_of.get(run_id)
            return Launch("manual", None, reason("seal.manual", run_id=run_id)) if tick is None else Launch(tick.kind, tick)
        parent = self._runs.get(run.parent_run_id)
        automatic = (
            parent is not None
            and run.retry_number is not None
            and run.retry_number > (parent.retry_number or 0)
            and parent.status == "failed"
            and parent.will_retry
            and parent.auto_retry_run_id == run.run_id
            and parent.root_run_id == run.root_run_id
        )
        if parent is None or not automatic:
            return Launch("manual", None, reason("seal.manual", run_id=run_id))
        # Retry numbers fall with every step towards the root, so this ends.
        first = self.launch(parent.run_id)
        return first if first.why_not else Launch("retry", first.tick)

    def slot_of(self, tick: Tick) -> datetime | None:
        """The due slot a tick fills: a schedule's exact second, for a sensor the latest slot that had come due that day."""
        if tick.kind == "schedule":
            return tick.at if tick.at in self._slots else None
        if not self._day.opens_at <= tick.at < self._day.closes_at:
            return None
        return max((slot for slot in self._slots if slot <= tick.at), default=None)

    def examine(self, claim: Claim, environment: Environment) -> Examined:
        """Every sentence of "a claim counts only when"."""
        why: list[Reason] = []
        if claim.environment != environment:
            why.append(reason("seal.wrong_environment", claimed=claim.environment, expected=environment))
        if environment == "production" and claim.clock != "wall":
            why.append(reason("seal.simulated_clock"))
        if environment == "production" and claim.endpoint.sandbox:
            why.append(reason("seal.sandbox_endpoint"))
        if not claim.run_id:
            # The CLI pulls without Dagster and says so; only who claims a schedule without a run is a finding.
            by_hand = claim.trigger in ("manual", "backfill")
            told = reason("seal.by_hand" if by_hand else "seal.runless", pull_id=claim.pull_id)
            return Examined(claim, "none", None, None, (*why, told))
        launch = self.launch(claim.run_id)
        tick, slot = launch.tick, None
        if launch.why_not is not None:
            pretended = launch.why_not.code == "seal.manual" and claim.trigger in ("schedule", "sensor", "retry")
            why.append(reason("seal.not_in_tick", run_id=claim.run_id, trigger=claim.trigger) if pretended else launch.why_not)
        elif tick is not None:
            slot = self.slot_of(tick)
            if not tick.streams:
                why.append(reason("seal.for_freshness", tick=tick.label))
            elif self._stream not in tick.streams:
                why.append(reason("seal.tick_of_other_stream", run_id=claim.run_id, tick=tick.label))
            if slot is None:
                why.append(reason("seal.off_calendar", tick=tick.label))
            elif claim.slot is not None and claim.slot != slot:
                why.append(reason("seal.slot_disagrees", claimed=instant_text(claim.slot), witnessed=instant_text(slot)))
            root = self._runs[claim.run_id].root_run_id
            if claim.root_run_id != root:
                why.append(reason("seal.root_disagrees", claimed=claim.root_run_id, witnessed=root))
        return Examined(claim, launch.trigger, tick, slot, tuple(why))

    def attempts(self, slot: datetime, examined: Sequence[Examined]) -> tuple[tuple[Attempt, ...], ...]:
        """For each run a tick launched for ``slot``: that run and its automatic retries, in order, with the claims that count."""
        chains: list[tuple[Attempt, ...]] = []
        for tick in self._ticks:
            if self._stream not in tick.streams or self.slot_of(tick) != slot:
                continue
            for root in tick.run_ids:
                retries = sorted(
                    (run for run in self._runs.values() if run.root_run_id == root and self.launch(run.run_id).trigger == "retry"),
                    key=lambda run: (run.retry_number or 0, run.run_id),
                )
                run_ids = (root, *(run.run_id for run in retries if run.run_id != root))
                chains.append(
                    tuple(
                        Attempt(
                            run_id,
                            self._runs.get(run_id),
                            tuple(e.claim for e in examined if e.counts and e.claim.run_id == run_id),
                            tick,
                        )
                        for run_id in run_ids
                    )
                )
        return tuple(chains)
