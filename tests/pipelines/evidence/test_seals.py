"""A day is green, or it is not: each sentence of the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evidence.claims import Balance, CheckVerdict, Endpoint
from pipelines.evidence.seals import MaintenanceWindow, SealPolicy
from pipelines.evidence.witness import CheckFact, Run, Tick

from .worlds import DAY, MINUTE, SLOT, STREAM, World, claim, codes, healed, lived, run_of

HOUR = timedelta(hours=1)


def test_a_scheduled_pull_that_went_well_makes_a_green_day():
    seal = lived().judge()
    assert (seal.verdict, seal.reasons) == ("green", ())
    assert seal.last_good_at == SLOT + 3 * MINUTE
    assert seal.contract is not None and seal.endpoint is not None


def test_a_slot_nobody_filled_is_missing():
    assert World().judge().verdict == "missing"
    assert codes(World().judge()) == ["seal.slot_missed"]


def test_a_tick_that_launched_nothing_is_missing():
    world = World(ticks=[Tick("schedule", "orders_daily", SLOT, "skipped", (), (STREAM,))])
    assert world.judge().verdict == "missing"


def test_a_run_that_died_without_a_claim_is_red():
    world = lived()
    world.claims.clear()
    world.runs = [replace(world.runs[0], status="failed")]
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.run_without_claim"])


def test_a_run_that_succeeded_without_a_claim_does_not_fill_its_slot():
    world = lived()
    world.claims.clear()
    assert world.judge().verdict == "missing"


@pytest.mark.parametrize("status", ["queued", "started"])
def test_a_run_still_going_when_the_day_closes_is_red(status: str):
    world = lived()
    world.runs = [replace(world.runs[0], status=status)]
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.run_unfinished"])


def test_a_second_claim_of_the_same_run_heals_nothing_that_the_first_one_found():
    for changed in ({"drift_waiting": 2}, {"balance": Balance(None, 97, 2, 1, False)}):
        world = lived(**changed)
        world.claims.append(claim(pull_id="pull-again", started_at=SLOT + 2 * MINUTE, finished_at=SLOT + 3 * MINUTE))
        assert world.judge().verdict == "red"


def test_a_window_of_which_one_person_says_that_it_was_declared_in_time_excuses_nothing():
    window = MaintenanceWindow(STREAM, SLOT - MINUTE, SLOT + MINUTE, SLOT - 2 * MINUTE, "ikeda", "why", proven=False)
    seal = World().judge(SealPolicy("production", windows=(window,)))
    assert seal.verdict == "missing" and "seal.window_by_one" in codes(seal)


def test_the_newest_record_of_a_check_speaks_for_a_run_that_tried_twice():
    world = lived()
    first = replace(world.checks[0], status="failed", passed=False, recorded_at=SLOT + MINUTE)
    world.checks.append(first)
    assert world.judge().verdict == "green"
    world.checks.append(replace(first, recorded_at=DAY.closes_at))
    assert codes(world.judge()) == ["seal.check_disagrees"]


def test_a_step_tried_again_inside_its_run_is_judged_by_its_last_try():
    world = lived()
    world.claims.append(claim(pull_id="pull-first", outcome="failed", error="source.cut", after=-MINUTE))
    seal = world.judge()
    assert (seal.verdict, seal.healed) == ("green", 1)


def test_a_failed_pull_nobody_retried_is_red_and_names_its_error():
    seal = lived(outcome="failed", error="source.unavailable").judge()
    assert seal.verdict == "red"
    assert seal.reasons[0].code == "seal.pull_failed" and seal.reasons[0].params["error"] == "source.unavailable"


def test_a_stopped_pull_is_red():
    assert "seal.pull_stopped" in codes(lived(outcome="stopped").judge())


def test_a_claim_of_success_in_a_failed_run_is_red():
    world = World().add(claim(), status="failed")
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.run_failed"])


def test_another_streams_failure_in_the_same_run_does_not_make_this_one_red():
    world = World().add(claim(), status="failed", failed_streams=("kintone/faq",))
    assert world.judge().verdict == "green"


def test_a_failed_blocking_check_is_red():
    world = lived(checks=(CheckVerdict("keys_unique", "error", False),))
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.check_failed"])


def test_a_warning_leaves_the_day_green_only_where_policy_says_so():
    warned = (CheckVerdict("keys_unique", "error", True), CheckVerdict("prices_plausible", "warn", False))
    assert codes(lived(checks=warned).judge()) == ["seal.check_warned"]
    assert lived(checks=warned).judge(SealPolicy("production", warn_is_green=True)).verdict == "green"


@pytest.mark.parametrize("change", [{"run_id": ""}, {"status": "planned", "passed": None}, {"status": "execution_failed", "passed": None}])
@pytest.mark.parametrize("silent", [False, True])
def test_a_warning_without_a_finished_record_in_that_run_is_not_green_even_where_warnings_are(change: dict, silent: bool):
    world = lived()
    world.checks = [world.checks[0], replace(world.checks[1], **change)]
    if silent and "run_id" not in change:
        world.claims = [replace(world.claims[0], checks=world.claims[0].checks[:1])]
    assert codes(world.judge(SealPolicy("production", warn_is_green=True))) == ["seal.check_unconfirmed"]


def test_a_check_without_a_finished_record_in_that_run_is_not_a_pass():
    world = lived()
    world.checks = [replace(fact, status="planned", passed=None) for fact in world.checks]
    assert "seal.check_unconfirmed" in codes(world.judge())
    world.checks = [replace(fact, status="succeeded", passed=True, run_id="") for fact in world.checks]
    assert "seal.check_unconfirmed" in codes(world.judge())


def test_a_claim_that_says_passed_where_the_record_says_failed_is_red():
    world = lived()
    world.checks = [replace(fact, status="failed", passed=False) for fact in world.checks]
    assert "seal.check_disagrees" in codes(world.judge())


def test_a_blocking_check_that_failed_in_the_run_counts_though_the_claim_is_silent_about_it():
    world = lived()
    world.checks.append(CheckFact(STREAM, "row_count", "run-1", "failed", False, "error", SLOT))
    assert codes(world.judge()) == ["seal.check_failed"]


def test_a_warning_the_claim_leaves_out_counts_as_it_was_recorded():
    world = lived()
    world.checks.append(CheckFact(STREAM, "access", "run-1", "failed", False, "warn", SLOT))
    assert (world.judge().verdict, codes(world.judge())) == ("red", ["seal.check_warned"])
    assert world.judge(SealPolicy("production", warn_is_green=True)).verdict == "green"


def test_a_second_claim_of_the_same_run_that_is_silent_about_the_warning_makes_nothing_green():
    warned = (CheckVerdict("keys_unique", "error", True), CheckVerdict("prices_plausible", "warn", False))
    world = lived(checks=warned)
    world.claims.append(claim(pull_id="pull-by-hand", checks=warned[:1], after=5 * MINUTE))
    assert world.judge().verdict == "red"


def test_an_error_the_claim_calls_a_warning_is_an_error_also_where_warnings_are_green():
    world = lived(checks=(CheckVerdict("keys_unique", "error", True), CheckVerdict("values", "warn", False)))
    world.checks = [replace(fact, severity="error") for fact in world.checks]
    assert codes(world.judge(SealPolicy("production", warn_is_green=True))) == ["seal.check_failed"]


def test_a_pull_without_any_check_is_red():
    assert codes(lived(checks=()).judge()) == ["seal.no_checks"]


def test_a_required_check_that_was_not_made_is_red():
    policy = SealPolicy("production", required_checks=("balance_exact",))
    assert codes(lived().judge(policy)) == ["seal.check_missing"]


@pytest.mark.parametrize(
    ("balance", "code"),
    [
        (Balance(100, 97, 2, 0, True), "seal.unbalanced"),
        (Balance(None, 97, 2, 1, True), "seal.unbalanced"),
        (Balance(100, 103, -3, 0, True), "seal.unbalanced"),
        (Balance(100, 97, 2, 1, False), "seal.balance_unverified"),
        (Balance(None, 97, 2, 1, False), "seal.balance_unverified"),
    ],
    ids=["one row lost", "the source was not counted", "a negative count", "not read back", "the source can not count"],
)
def test_books_that_do_not_balance_exactly_are_red(balance: Balance, code: str):
    assert codes(lived(balance=balance).judge()) == [code]


def test_drift_that_waits_for_a_decision_is_not_green():
    assert codes(lived(drift_waiting=2).judge()) == ["seal.drift_waiting"]


def test_a_gap_over_the_freshness_limit_is_red_and_one_under_it_is_not():
    policy = SealPolicy("production", freshness=timedelta(hours=26))
    assert codes(lived().judge(policy, last_good_at=SLOT - timedelta(hours=30))) == ["seal.stale"]
    assert lived().judge(policy, last_good_at=SLOT - timedelta(hours=24)).verdict == "green"


def test_a_pull_that_finished_after_the_close_is_red():
    world = lived(finished_at=DAY.closes_at)
    world.runs = [run_of(world.claims[0])]
    assert codes(world.judge()) == ["seal.late"]


@pytest.mark.parametrize(
    "shift",
    [
        {"started_at": SLOT - HOUR},
        {"started_at": SLOT + 2 * HOUR, "finished_at": SLOT + HOUR},
        {"finished_at": SLOT + HOUR},
    ],
    ids=["before its slot", "ends before it starts", "after its run ended"],
)
def test_a_pull_whose_clock_does_not_fit_the_witness_is_red(shift: dict):
    world = lived()
    world.claims = [replace(world.claims[0], **shift)]
    assert "seal.clock_skew" in codes(world.judge())


def test_two_claims_of_one_pull_that_contradict_each_other_are_red():
    world = lived()
    world.claims.append(replace(world.claims[0], balance=Balance(5, 5, 0, 0, True)))
    assert codes(world.judge()) == ["seal.claims_contradict"]


def test_a_day_with_two_slots_needs_both():
    second = SLOT + 6 * HOUR
    world = lived()
    world.slots = (SLOT, second)
    assert world.judge().verdict == "missing"
    assert world.add(claim(second, "run-2")).judge().verdict == "green"


def test_an_endpoint_that_changes_within_the_day_is_red():
    second = SLOT + 6 * HOUR
    world = lived()
    world.slots = (SLOT, second)
    world.add(claim(second, "run-2", endpoint=Endpoint("sha256:elsewhere", False)))
    assert codes(world.judge()) == ["seal.endpoint_changed_in_day"]


def test_a_day_without_slots_is_excused_and_freshness_starts_anew():
    world = World(slots=())
    seal = world.judge(last_good_at=SLOT - 24 * HOUR)
    assert (seal.verdict, codes(seal), seal.last_good_at) == ("excused", ["seal.no_slots"], DAY.closes_at)


def test_a_window_declared_before_it_began_excuses_and_one_declared_later_does_not():
    window = MaintenanceWindow(STREAM, SLOT - HOUR, SLOT + HOUR, SLOT - 24 * HOUR, "tanaka", "kintone の定期保守")
    assert World().judge(SealPolicy("production", windows=(window,))).verdict == "excused"
    late = replace(window, declared_at=SLOT)
    seal = World().judge(SealPolicy("production", windows=(late,)))
    assert seal.verdict == "missing" and "seal.window_declared_late" in codes(seal)
    other = replace(window, stream="kintone/faq")
    assert World().judge(SealPolicy("production", windows=(other,))).verdict == "missing"


def test_windows_are_no_part_of_the_policy_and_everything_else_is():
    policy = SealPolicy("production")
    window = MaintenanceWindow(STREAM, SLOT, SLOT + HOUR, SLOT, "tanaka", "保守")
    assert replace(policy, windows=(window,)).fingerprint() == policy.fingerprint()
    for change in ({"warn_is_green": True}, {"required_checks": ("a",)}, {"freshness": HOUR}, {"max_skew": HOUR}):
        assert replace(policy, **change).fingerprint() != policy.fingerprint()


def _busy() -> World:
    world = healed()
    second = SLOT + 6 * HOUR
    world.slots = (SLOT, second)
    world.add(claim(second, "run-3", drift_waiting=1))
    world.add(claim(run_id="run-hand", trigger="manual"), tick=False)
    return world.add(claim(run_id="run-forged"), tick=False)


@given(st.data())
def test_permuting_and_repeating_what_is_handed_in_changes_nothing(data: st.DataObject):
    world, plain = _busy(), _busy().judge()
    for name in ("claims", "ticks", "runs", "checks"):
        things = getattr(world, name)
        setattr(world, name, data.draw(st.permutations(things + things[:1]), label=name))
    assert world.judge() == plain


@given(
    outcome=st.sampled_from(["succeeded", "failed", "stopped"]),
    trigger=st.sampled_from(["schedule", "sensor", "retry", "manual", "backfill", "none"]),
    backfill=st.booleans(),
    minutes=st.integers(0, 600),
)
def test_no_manual_claim_whatever_it_says_of_itself_turns_missing_into_anything_else(outcome, trigger, backfill, minutes):
    made = claim(outcome=outcome, trigger=trigger, run_id="run-hand", after=minutes * MINUTE)
    world = World().add(made, tick=False, backfill=backfill)
    assert world.judge().verdict == "missing"
    again = Run("run-hand-2", "run-hand", "run-hand", "succeeded", made.started_at, made.finished_at, retry_number=1)
    world.runs.append(again)
    world.claims.append(replace(made, run_id="run-hand-2", pull_id="p2", outcome="succeeded"))
    assert world.judge().verdict == "missing"


@given(st.integers(0, 3))
def test_manual_claims_beside_a_good_one_change_nothing(extra: int):
    world = lived()
    for n in range(extra):
        world.add(claim(run_id=f"hand-{n}", trigger="manual", outcome="failed"), tick=False)
    assert world.judge().verdict == "green"
