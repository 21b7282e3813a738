"""Which claims count: what launched a run as Dagster saw it, whatever tags and words say; retries, sensors and what lies beside the slots."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.evidence.claims import Endpoint
from pipelines.evidence.examine import FINDINGS
from pipelines.evidence.seals import SealPolicy
from pipelines.evidence.witness import Run, Tick

from .worlds import DAY, MINUTE, SLOT, STREAM, World, claim, codes, healed, lived, run_of, tick_of

HOUR = timedelta(hours=1)


def test_a_run_that_dagster_no_longer_knows_does_not_count():
    world = lived()
    world.runs.clear()
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.run_unknown" in codes(seal)


def test_a_manual_run_never_counts():
    seal = World().add(claim(trigger="manual"), tick=False).judge()
    assert seal.verdict == "missing" and "seal.manual" in codes(seal)


def test_a_run_that_calls_itself_scheduled_but_stands_in_no_tick_never_counts():
    world = World().add(claim(), tick=False)
    world.ticks.append(Tick("schedule", "orders_daily", SLOT, "success", ("another-run",), (STREAM,)))
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.not_in_tick" in codes(seal)


def test_a_backfill_never_counts_even_when_a_tick_lists_it():
    seal = World().add(claim(), backfill=True).judge()
    assert seal.verdict == "missing" and "seal.backfill" in codes(seal)


def test_a_runless_claim_never_counts():
    world = lived()
    world.claims = [replace(world.claims[0], run_id="", root_run_id="")]
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.runless" in codes(seal)


def test_a_pull_by_hand_from_the_command_line_does_not_count_and_is_no_finding():
    world = lived()
    world.claims = [replace(world.claims[0], run_id="", root_run_id="", trigger="manual")]
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.by_hand" in codes(seal) and "seal.by_hand" not in FINDINGS


def test_a_tick_of_another_stream_launches_nothing_here():
    world = lived()
    world.ticks = [replace(world.ticks[0], streams=("kintone/faq",))]
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.tick_of_other_stream" in codes(seal)


def test_a_tick_beside_the_slot_fills_nothing():
    world = lived(slot=SLOT)
    world.ticks = [replace(world.ticks[0], at=SLOT + MINUTE)]
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.off_calendar" in codes(seal)


def test_a_claim_that_names_another_slot_than_its_tick_does_not_count():
    world = lived()
    world.claims = [replace(world.claims[0], slot=SLOT + HOUR)]
    assert "seal.slot_disagrees" in codes(world.judge())


def test_a_sensor_fills_the_latest_slot_that_had_come_due():
    made = claim(slot=SLOT, after=2 * HOUR, trigger="sensor")
    world = World().add(replace(made, slot=None), tick=False)
    world.ticks = [tick_of(made, kind="sensor", name="orders_changed", at=SLOT + 2 * HOUR)]
    assert world.judge().verdict == "green"


def test_a_sensor_before_the_first_slot_fills_nothing():
    world = World().add(claim(trigger="sensor"), tick=False)
    world.ticks = [tick_of(world.claims[0], kind="sensor", at=SLOT - HOUR)]
    assert world.judge().verdict == "missing"


def test_simulated_time_cannot_count_in_production_and_can_in_a_sandbox():
    assert "seal.simulated_clock" in codes(lived(clock="simulated").judge())
    assert lived(clock="simulated").judge().verdict == "missing"
    assert lived(clock="simulated", environment="sandbox").judge(SealPolicy("sandbox")).verdict == "green"


def test_a_sandbox_endpoint_cannot_count_in_production_and_can_in_staging():
    sandbox = Endpoint("sha256:local", True)
    assert "seal.sandbox_endpoint" in codes(lived(endpoint=sandbox).judge())
    assert lived(endpoint=sandbox, environment="staging").judge(SealPolicy("staging")).verdict == "green"


def test_evidence_never_crosses_environments():
    seal = lived(environment="staging").judge()
    assert seal.verdict == "missing" and "seal.wrong_environment" in codes(seal)


def test_an_automatic_retry_heals_inside_the_day_and_shows_as_healed():
    seal = healed().judge()
    assert (seal.verdict, codes(seal), seal.healed) == ("green", ["seal.healed"], 1)


def test_an_automatic_retry_after_the_close_heals_nothing():
    world = healed()
    late = replace(world.claims[1], started_at=DAY.closes_at, finished_at=DAY.closes_at + MINUTE)
    world.claims[1] = late
    world.runs[1] = replace(world.runs[1], started_at=late.started_at, finished_at=late.finished_at)
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.late"])


@pytest.mark.parametrize(
    "forged",
    [
        {"retry_number": None},
        {"parent_run_id": "nobody"},
        {"root_run_id": "another-root"},
    ],
    ids=["no retry number", "an unknown parent", "another root"],
)
def test_a_person_running_it_again_heals_nothing(forged: dict):
    world = healed()
    world.runs[1] = replace(world.runs[1], **forged)
    assert world.judge().verdict == "red"


@pytest.mark.parametrize("named", [None, "run-3"], ids=["no run", "another run"])
def test_a_retry_that_the_run_before_it_does_not_name_is_a_persons_whatever_its_tags_say(named: str | None):
    world = healed()
    world.runs[0] = replace(world.runs[0], auto_retry_run_id=named)
    assert world.judge().verdict == "red"


def test_a_retry_behind_a_persons_own_try_is_the_daemons_all_the_same():
    """The daemon numbers its retry by all the runs of the group, a person's among them."""
    world = healed()
    world.runs[1] = replace(world.runs[1], retry_number=2)
    world.runs.append(replace(world.runs[0], run_id="by-hand", parent_run_id="run-1", will_retry=False, auto_retry_run_id=None))
    assert world.judge().verdict == "green"


def test_a_retry_of_a_siblings_step_that_hangs_leaves_the_other_streams_day_alone():
    world = lived()
    world.runs[0] = replace(world.runs[0], status="failed", failed_streams=("kintone/faq",), will_retry=True, auto_retry_run_id="run-2")
    again = Run("run-2", "run-1", "run-1", "started", SLOT + 5 * MINUTE, None, retry_number=1, streams=("kintone/faq",))
    world.runs.append(again)
    assert world.judge().verdict == "green"
    world.runs[-1] = replace(again, streams=None)
    assert world.judge().verdict == "red", "a run of which nobody knows what it pulls"


def test_a_change_sensors_pull_that_ends_after_midnight_takes_nothing_from_a_day_whose_slot_was_filled():
    world = lived()
    late = claim(run_id="run-2", trigger="sensor", started_at=DAY.closes_at - MINUTE, finished_at=DAY.closes_at + MINUTE)
    world.add(late, tick=False)
    world.ticks.append(Tick("sensor", "kintone_changes", DAY.closes_at - 2 * MINUTE, "success", ("run-2",), (STREAM,)))
    assert (world.judge().verdict, codes(world.judge())) == ("green", ["seal.late"])
    world.claims[1] = replace(late, drift_waiting=1)
    assert world.judge().verdict == "red", "late, and something else is wrong"


@pytest.mark.parametrize(
    "changed",
    [{"streams": ("kintone/faq",)}, {"streams": ("kintone/faq",), "status": "started", "finished_at": None}],
    ids=["ended", "under way"],
)
def test_a_sensors_run_that_pulls_other_streams_only_leaves_this_ones_day_alone(changed: dict):
    world = lived()
    world.runs.append(replace(run_of(claim(run_id="run-2")), **changed))
    world.ticks.append(Tick("sensor", "kintone_changes", SLOT + 5 * MINUTE, "success", ("run-2",), (STREAM, "kintone/faq")))
    assert world.judge().verdict == "green"
    world.runs[-1] = replace(world.runs[-1], streams=None)
    assert world.judge().verdict == "red", "nobody knows what it was to pull"


@pytest.mark.parametrize(
    ("before_close", "changed", "verdict"),
    [
        (1, {"status": "started", "finished_at": None}, "green"),
        (1, {"status": "queued", "finished_at": None, "started_at": None}, "green"),
        (1, {"status": "succeeded"}, "green"),
        (1, {"status": "failed"}, "red"),
        (121, {"status": "started", "finished_at": None}, "red"),
    ],
)
def test_what_a_sensor_launched_shortly_before_the_close_may_go_on_beyond_it(before_close: int, changed: dict, verdict: str):
    world = lived()
    world.runs.append(replace(run_of(claim(run_id="run-2")), **changed))
    world.ticks.append(Tick("sensor", "kintone_changes", DAY.closes_at - before_close * MINUTE, "success", ("run-2",), (STREAM,)))
    assert world.judge().verdict == verdict


def test_a_retry_of_a_run_the_daemon_did_not_mean_to_retry_heals_nothing():
    world = healed()
    world.runs[0] = replace(world.runs[0], will_retry=False)
    assert world.judge().verdict == "red"


def test_a_retry_of_a_run_that_did_not_fail_is_not_the_daemons():
    world = healed()
    world.runs[0] = replace(world.runs[0], status="succeeded")
    seal = world.judge()
    assert seal.verdict == "red" and [each.counts for each in seal.evidence] == [True, False]


def test_a_claim_that_names_another_root_than_dagster_does_not_count():
    world = lived()
    world.claims = [replace(world.claims[0], root_run_id="elsewhere")]
    seal = world.judge()
    assert seal.verdict == "missing" and "seal.root_disagrees" in codes(seal)


def test_a_pull_that_keeps_an_index_fresh_fills_no_slot_and_is_no_finding():
    """Its sensor launched it, honestly, and far more often than anything is due; one that fails takes nothing from the day either."""
    world = lived()
    for run_id, outcome in (("run-2", "succeeded"), ("run-3", "failed")):
        world.add(replace(claim(run_id=run_id, trigger="sensor", outcome=outcome), slot=None), tick=False)
        world.ticks.append(Tick("sensor", "index_support_fresh", SLOT + MINUTE, "success", (run_id,), ()))
    seal = world.judge()
    assert seal.verdict == "green"
    beside = [each for each in seal.evidence if each.claim.run_id != "run-1"]
    assert [[why.code for why in each.reasons] for each in beside] == [["seal.for_freshness"], ["seal.for_freshness"]]
    assert not {why.code for each in beside for why in each.reasons} & FINDINGS
    alone = World(claims=world.claims[1:], ticks=world.ticks[1:], runs=world.runs[1:], checks=world.checks)
    assert alone.judge().verdict == "missing", "and none in the place of the slot's own pull"
