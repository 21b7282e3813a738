"""The gate: fourteen green days and every fact, or not eligible; and the error budget afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.contract import Contract
from pipelines.evidence.chain import GENESIS, Entry, link
from pipelines.evidence.claims import ContractRef, Endpoint
from pipelines.evidence.decisions import decision_entry
from pipelines.evidence.facts import REQUIRED_FACTS, Fact, fact_entry
from pipelines.evidence.gate import GatePolicy, GateState, decide, state_entry
from pipelines.evidence.history import History, effective_seals, history_of, policy_entry
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reasons import reason
from pipelines.evidence.seals import Seal
from pipelines.evidence.standing import read_gate

from .worlds import CONTRACT, DATE, NARROWER, PROMISE, STREAM, WIDER, acceptance_terms, at, ready, seal

INDEX = "product-support"
FAQ = "kintone/faq"
POLICY = GatePolicy()
RECORDED = History(policy=POLICY.fingerprint(), week_one="suzuki")
ONE = timedelta(days=1)


def day(n: int) -> date:
    return DATE + n * ONE


def run(verdicts: str, stream: str = STREAM, first: int = 0) -> list[Seal]:
    """Seals from a string such as ``ggrme.``: green, red, missing, excused, and a dot for a day nobody sealed."""
    words = {"g": "green", "r": "red", "m": "missing", "e": "excused"}
    return [seal(day(first + n), words[v], stream) for n, v in enumerate(verdicts) if v != "."]


def gate(verdicts: str, *, facts=None, policy=POLICY, history=RECORDED, extra=(), streams=(STREAM,)) -> GateState:
    seals = [*run(verdicts), *extra]
    return decide(INDEX, streams, seals, ready() if facts is None else facts, policy, day(len(verdicts)), history)


def codes(state: GateState) -> list[str]:
    return [each.code for each in state.reasons]


def test_fourteen_green_days_and_every_fact_make_an_index_eligible():
    state = gate("g" * 14)
    assert (state.eligibility, state.green_days, state.required_days, state.reasons) == ("eligible", 14, 14, ())


def test_thirteen_do_not():
    state = gate("g" * 13)
    assert (state.eligibility, state.green_days, codes(state)) == ("ineligible", 13, ["gate.streak_short"])


@pytest.mark.parametrize("bad", ["r", "m", "."])
def test_a_day_that_is_red_missing_or_unsealed_starts_the_count_again(bad: str):
    assert gate("g" * 10 + bad + "g" * 13).green_days == 13


def test_a_clock_that_was_set_back_behind_the_last_seal_opens_nothing():
    """Or else the red days behind it would simply not have been yet."""
    seals = run("g" * 14 + "rr")
    state = decide(INDEX, (STREAM,), seals, ready(), POLICY, day(14), RECORDED)
    assert (state.eligibility, codes(state)) == ("ineligible", ["gate.sealed_ahead"])
    assert state.reasons[0].params == {"today": day(14).isoformat(), "day": day(15).isoformat()}


def test_a_day_that_was_sealed_before_midnight_counts_at_once_be_it_green_or_red():
    green = decide(INDEX, (STREAM,), run("g" * 14), ready(), POLICY, day(13), RECORDED)
    assert (green.eligibility, green.green_days) == ("eligible", 14)
    red = decide(INDEX, (STREAM,), run("g" * 14 + "r"), ready(), POLICY, day(14), RECORDED)
    assert (red.eligibility, red.green_days) == ("ineligible", 0), "a clock set back to the last sealed day hides nothing either"


def test_an_evaluation_held_to_less_than_the_policy_asks_for_does_not_count():
    policy = GatePolicy(recall_at_5=0.95)
    history = History(policy=policy.fingerprint(), week_one="suzuki")
    laxer = [replace(each, limit=0.9) if each.name == "recall_at_5" else each for each in ready()]
    as_asked = [replace(each, limit=0.95) if each.name == "recall_at_5" else each for each in ready()]
    assert codes(gate("g" * 14, policy=policy, history=history, facts=laxer)) == ["gate.fact_other_limit"]
    assert gate("g" * 14, policy=policy, history=history, facts=as_asked).eligibility == "eligible"


def test_asking_less_of_the_evaluation_is_another_policy():
    assert GatePolicy(recall_at_5=0.9).fingerprint() != GatePolicy(recall_at_5=0.5).fingerprint()


def test_yesterday_must_be_sealed():
    state = gate("g" * 14 + ".")
    assert (state.green_days, codes(state)) == (0, ["gate.streak_short", "gate.day_not_sealed"])


def test_an_excused_day_neither_counts_nor_breaks():
    assert gate("g" * 7 + "eee" + "g" * 7 + "e").green_days == 14
    assert gate("g" * 7 + "e" * 7).green_days == 7


def test_the_index_shows_the_least_of_its_streams():
    state = gate("g" * 14, extra=run("g" * 3, FAQ, first=11), streams=(STREAM, FAQ))
    assert state.green_days == 3
    assert [(each.stream, each.green_days) for each in state.streams] == [(FAQ, 3), (STREAM, 14)]


def test_a_stream_without_any_seal_keeps_the_index_closed():
    state = gate("g" * 14, streams=(STREAM, FAQ))
    assert (state.green_days, codes(state)) == (0, ["gate.no_sealed_day"]), "there is no day to explain: its history has yet to begin"


def test_no_day_is_shown_before_the_first_sealed_one():
    state = decide(INDEX, (STREAM, FAQ), run("gg", first=3), ready(), POLICY, day(6), RECORDED)
    assert {each.stream: each.days for each in state.streams} == {
        FAQ: (),
        STREAM: ((day(3), "green"), (day(4), "green"), (day(5), "unsealed")),
    }
    assert [each.last_reason for each in state.streams if each.stream == FAQ] == [None]


def test_an_index_without_streams_is_never_eligible():
    state = gate("g" * 14, streams=())
    assert (state.eligibility, state.green_days, codes(state)) == ("ineligible", 0, ["gate.no_streams"])


@pytest.mark.parametrize("name", REQUIRED_FACTS)
def test_each_fact_must_be_there_and_hold(name: str):
    without = [fact for fact in ready() if fact.name != name]
    assert codes(gate("g" * 14, facts=without)) == ["gate.fact_missing"]
    failing = [replace(fact, passed=fact.name != name) for fact in ready()]
    assert codes(gate("g" * 14, facts=failing)) == ["gate.fact_failed"]


def test_facts_of_another_index_say_nothing_here():
    assert set(codes(gate("g" * 14, facts=ready("hr-support")))) == {"gate.fact_missing"}


def test_the_newest_measurement_decides_whatever_the_order():
    newer = replace(ready()[4], passed=False, measured_at=at(day(1)))
    for facts in ([*ready(), newer], [newer, *ready()]):
        assert codes(gate("g" * 14, facts=facts)) == ["gate.fact_failed"]


def test_a_rollback_drill_loses_its_validity():
    assert gate("g" * 14, facts=ready(measured_at=at(day(14) - 90 * ONE))).eligibility == "eligible"
    assert codes(gate("g" * 14, facts=ready(measured_at=at(day(14) - 91 * ONE)))) == ["gate.fact_expired"]


def test_a_fact_from_the_future_is_not_believed():
    assert set(codes(gate("g" * 14, facts=ready(measured_at=at(day(15)))))) == {"gate.fact_from_future"}


def test_an_unrecorded_or_different_policy_keeps_the_gate_closed():
    assert codes(gate("g" * 14, history=replace(RECORDED, policy=None))) == ["gate.policy_not_recorded"]
    assert codes(gate("g" * 14, policy=GatePolicy(green_days=3))) == ["gate.policy_changed"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contract": ContractRef(4, "sha256:other")}, "gate.contract_changed"),
        ({"endpoint": Endpoint("sha256:elsewhere", False)}, "gate.endpoint_changed"),
        ({"policy": "sha256:laxer"}, "gate.seal_policy_changed"),
    ],
)
def test_a_new_contract_endpoint_or_seal_policy_starts_the_count_again(change: dict, code: str):
    after = [replace(each, **change) for each in run("g" * 5, first=14)]
    state = decide(INDEX, (STREAM,), [*run("g" * 14), *after], ready(), POLICY, day(19), RECORDED)
    unaccepted = ["gate.contract_not_accepted"] if code == "gate.contract_changed" else []
    assert state.green_days == 5 and codes(state) == ["gate.streak_short", code, *unaccepted]
    assert state.streams[0].last_reason == reason(code, stream=STREAM, day=day(14).isoformat())


def test_a_change_hidden_behind_an_excused_day_is_seen():
    hidden = [seal(day(14), "excused", contract=None, endpoint=None), seal(day(15), endpoint=Endpoint("sha256:elsewhere", False))]
    state = decide(INDEX, (STREAM,), [*run("g" * 14), *hidden], ready(), POLICY, day(16), RECORDED)
    assert state.green_days == 1


def acceptance(actor: str, change: str, after: Contract = WIDER) -> Entry:
    terms = acceptance_terms(PROMISE, after, change)
    return decision_entry("accept", STREAM, terms, "agreed with sales", GENESIS, "production", "wall", at(DATE), actor)


def test_an_additive_contract_change_that_was_signed_does_not_restart_the_count():
    after = replace(seal(day(14)), contract=ContractRef(4, WIDER.fingerprint()))
    seals = [*run("g" * 14), after]
    rows = link([acceptance("tanaka", "additive")], GENESIS)
    signed = replace(history_of(rows, INDEX, lambda row: True), policy=POLICY.fingerprint(), week_one="suzuki")
    unsigned = replace(history_of(rows, INDEX), policy=POLICY.fingerprint(), week_one="suzuki")
    assert decide(INDEX, (STREAM,), seals, ready(), POLICY, day(15), signed).green_days == 15
    assert decide(INDEX, (STREAM,), seals, ready(), POLICY, day(15), unsigned).green_days == 1


def test_what_one_person_calls_additive_and_takes_a_field_away_restarts_the_count():
    after = replace(seal(day(14)), contract=ContractRef(4, NARROWER.fingerprint()))
    rows = link([acceptance("tanaka", "additive", NARROWER)], GENESIS)
    lied = replace(history_of(rows, INDEX, lambda row: True), policy=POLICY.fingerprint(), week_one="suzuki")
    state = decide(INDEX, (STREAM,), [*run("g" * 14), after], ready(), POLICY, day(15), lied)
    assert state.green_days == 1 and "gate.contract_not_accepted" in codes(state)


def test_the_days_shown_hold_the_whole_window_oldest_first():
    days = gate("gggr" + "g" * 7 + "ee" + "g" * 6).streams[0].days
    assert [verdict for _, verdict in days] == ["red", *["green"] * 7, "excused", "excused", *["green"] * 6]
    assert days[0][0] == day(3) and days[-1][0] == day(18)


def test_a_broken_streak_says_what_broke_it():
    broken = [*run("ggg"), replace(seal(day(3), "red"), reasons=(reason("seal.pull_stopped", slot="x"),)), *run("gg", first=4)]
    assert decide(INDEX, (STREAM,), broken, ready(), POLICY, day(6), RECORDED).streams[0].last_reason == reason(
        "seal.pull_stopped", slot="x"
    )


def test_of_two_seals_of_one_day_the_worse_is_believed():
    state = gate("g" * 14, extra=[seal(day(13), "red")])
    assert state.green_days == 0


SEVERAL = st.text("grme.", max_size=40)


@given(SEVERAL, st.text("grme.", max_size=40))
def test_a_bad_day_among_the_last_fourteen_that_count_never_shows_fourteen(verdicts: str, other: str):
    width = max(len(verdicts), len(other))
    both = [verdicts.rjust(width, "."), other.rjust(width, ".")]
    state = decide(INDEX, (STREAM, FAQ), [*run(both[0]), *run(both[1], FAQ)], ready(), POLICY, day(width), RECORDED)
    clean = []
    for one in both:
        counting = one.replace("e", "")
        clean.append(len(counting) - len(counting.rstrip("g")))
    assert state.green_days == min(clean)
    assert (state.eligibility == "eligible") == (min(clean) >= 14)


@given(before=SEVERAL, excused=st.lists(st.integers(0, 13), max_size=5))
def test_fourteen_clean_days_always_open_it_whatever_went_before(before: str, excused: list[int]):
    clean = list("g" * 14)
    for place in sorted(excused, reverse=True):
        clean.insert(place, "e")
    assert gate(before + "".join(clean)).eligibility == "eligible"


@given(st.data())
def test_the_order_of_seals_and_facts_changes_nothing(data: st.DataObject):
    seals = [*run("ggrg" + "g" * 12), *run("g" * 16, FAQ)]
    shuffled = data.draw(st.permutations(seals))
    facts = data.draw(st.permutations(ready()))
    today = day(16)
    assert decide(INDEX, (FAQ, STREAM), shuffled, facts, POLICY, today, RECORDED) == decide(
        INDEX, (STREAM, FAQ), seals, ready(), POLICY, today, RECORDED
    )


# After an index has been eligible: the error budget. The mark was given on the morning of day 14.

ELIGIBLE = replace(RECORDED, state="eligible", eligible_since=day(14))


def after(verdicts: str, **changes) -> GateState:
    return gate("g" * 14 + verdicts, history=replace(ELIGIBLE, **changes))


def test_one_bad_day_is_within_the_budget():
    state = after("ggr")
    assert (state.eligibility, state.reasons) == ("eligible", (reason("gate.budget_spent", bad_days=1),))


@pytest.mark.parametrize("verdicts", ["rr", "rm", "r.", "rer", "rrggggggggggg"])
def test_two_bad_days_in_a_row_suspend(verdicts: str):
    state = after(verdicts)
    assert (state.eligibility, codes(state)[0]) == ("suspended", "gate.two_bad_in_a_row")


def test_three_bad_days_in_fourteen_suspend_and_three_in_more_do_not():
    assert codes(after("rgrgr"))[0] == "gate.three_bad_in_fourteen"
    assert after("rggggggrgggggr").eligibility == "suspended"
    assert after("rgggggggrgggggr").eligibility == "eligible"


def test_bad_days_of_two_streams_add_up():
    history = ELIGIBLE
    seals = [*run("g" * 14 + "rg"), *run("g" * 14 + "gr", FAQ)]
    state = decide(INDEX, (STREAM, FAQ), seals, ready(), POLICY, day(16), history)
    assert state.eligibility == "suspended"


def test_fourteen_green_days_lift_a_suspension():
    assert after("rr" + "g" * 13).eligibility == "suspended"
    assert after("rr" + "g" * 14).eligibility == "eligible"


def test_a_signed_resumption_counts_the_budget_anew():
    assert after("rrg", resumed_on=day(17)).eligibility == "eligible"


def test_a_fact_that_no_longer_holds_closes_the_gate_at_once():
    state = gate("g" * 15, facts=ready()[1:], history=ELIGIBLE)
    assert state.eligibility == "ineligible"


def test_a_breaking_change_after_eligibility_closes_the_gate_until_the_count_is_full_again():
    changed = replace(seal(day(14)), contract=ContractRef(9, "sha256:broken"))
    state = decide(INDEX, (STREAM,), [*run("g" * 14), changed], ready(), POLICY, day(15), ELIGIBLE)
    assert (state.eligibility, state.green_days) == ("ineligible", 1)


def test_a_decision_row_alone_opens_nothing():
    state = gate("ggg", history=replace(RECORDED, state="eligible", eligible_since=day(3)))
    assert state.eligibility == "ineligible"


def test_a_person_can_always_suspend_or_revoke():
    assert gate("g" * 14, history=replace(RECORDED, suspended_by="sato")).eligibility == "suspended"
    assert gate("g" * 14, history=replace(RECORDED, revoked_by="sato")).eligibility == "revoked"


# What the chain tells of an index.


def sealed(n: int, verdict: str = "green") -> Entry:
    return Entry(
        "seal",
        "production",
        "wall",
        STREAM,
        day(n),
        finished_at=at(day(n + 1)),
        contract=CONTRACT,
        verdict=verdict,
        reasons=(reason("seal.judged_under", policy="sha256:policy", last_good_at=None),),
    )


def decision(verdict: str, actor: str = "sato") -> Entry:
    # Dated far back on purpose: where a row stands in the chain counts, not what it says of its time.
    return Entry("decision", "production", "wall", INDEX, date(2020, 1, 1), finished_at=at(DATE), verdict=verdict, actor=actor)


def policy(n: int) -> Entry:
    return policy_entry(INDEX, GatePolicy(green_days=n).fingerprint(), "production", "wall", at(DATE))


def told(*entries: Entry, signed: bool = True) -> History:
    return history_of(link(entries, GENESIS), INDEX, lambda row: signed)


def test_a_changed_policy_counts_from_the_day_after_the_last_sealed_one_and_the_first_from_the_start():
    assert told(sealed(0), policy(14)).count_from is None
    assert told(policy(14), sealed(0), policy(14)).count_from is None
    history = told(policy(13), *(sealed(n) for n in range(14)), policy(14))
    assert history.count_from == day(14)
    state = gate("g" * 14, history=replace(history, week_one="suzuki"))
    assert (state.eligibility, state.green_days) == ("ineligible", 0)
    assert codes(state) == ["gate.streak_short", "gate.policy_since"]
    assert gate("g" * 20, history=history).green_days == 6


def test_a_changed_policy_takes_the_mark_away():
    history = told(policy(13), *(sealed(n) for n in range(14)), decision("eligible"), policy(14))
    assert history.eligible_since is None
    assert gate("g" * 14, history=history).eligibility == "ineligible"


def test_eligibility_begins_where_it_was_first_written_not_where_it_was_repeated():
    assert told(sealed(0), decision("eligible"), sealed(1), decision("eligible")).eligible_since == day(1)
    assert told(sealed(0), decision("eligible"), decision("suspended"), sealed(5), decision("eligible")).eligible_since == day(6)


def test_a_mark_that_was_lost_to_a_fact_is_earned_anew_by_full_days():
    """It used to come back with the fact, whatever the days since, and go again the next morning."""
    lost = told(policy(14), sealed(13), decision("eligible"), sealed(15, "red"), decision("ineligible"))
    assert lost.eligible_since is None
    assert gate("g" * 15 + "r", history=replace(lost, week_one="suzuki")).eligibility == "ineligible"


def test_a_mark_that_two_persons_resumed_goes_on_and_keeps_the_day_it_was_earned():
    both = (decision("resume"), decision("resume", "tanaka"))
    rows = (policy(14), sealed(13), decision("eligible"), sealed(15), decision("suspended"), *both, decision("eligible"))
    assert (told(*rows).eligible_since, told(*rows).resumed_on) == (day(14), day(16))
    assert gate("g" * 14 + "rrgg", history=replace(told(*rows), week_one="suzuki")).eligibility == "eligible", "also the days after"
    again = told(*rows, sealed(30), decision("suspended"), sealed(44), decision("eligible"))
    assert (again.eligible_since, again.resumed_on) == (day(45), None), "earned anew"


def test_suspending_needs_no_signature_and_resuming_two_persons():
    both = (decision("resume"), decision("resume", "tanaka"))
    assert told(decision("suspend"), signed=False).suspended_by == "sato"
    assert told(decision("suspend"), *both, signed=False).suspended_by == "sato"
    assert told(decision("suspend"), decision("resume"), decision("resume")).suspended_by == "sato", "one person twice"
    assert told(*both, decision("suspend")).suspended_by == "sato", "signed before"
    assert told(both[0], decision("suspend"), both[1]).suspended_by == "sato", "one of them before"
    assert told(decision("suspend"), *both).suspended_by is None


def test_a_revoked_index_counts_from_the_revocation_on():
    history = told(policy(14), sealed(13), decision("revoke"), decision("resume"), decision("resume", "tanaka"))
    assert gate("g" * 14, history=history).green_days == 0


def test_decisions_about_another_index_change_nothing():
    assert told(replace(decision("revoke"), subject="hr-support")).revoked_by is None


def amendment(actor: str, signature: str | None = "sig") -> Entry:
    made = decision_entry("exclude", STREAM, None, "工場停電", GENESIS, "production", "wall", at(day(3)), actor, day=DATE)
    return replace(made, signature=signature)


@pytest.mark.parametrize(
    ("verdict", "amendments", "reads_as"),
    [
        ("green", [amendment("sato", None)], "excused"),
        ("red", [amendment("sato")], "red"),
        ("red", [amendment("sato"), amendment("sato")], "red"),
        ("red", [amendment("sato"), amendment("tanaka", None)], "red"),
        ("red", [amendment("sato"), amendment("tanaka")], "excused"),
        ("missing", [amendment("sato"), amendment("tanaka")], "excused"),
    ],
    ids=["one takes a green day away", "one alone", "one person twice", "one unsigned", "two people", "two people, missing"],
)
def test_an_amendment_can_exclude_a_day_and_never_make_it_green(verdict: str, amendments: list[Entry], reads_as: str):
    rows = link([sealed(0, verdict), *amendments], GENESIS)
    assert [each.verdict for each in effective_seals(rows, lambda row: True)] == [reads_as]


def test_without_known_keys_nobody_sets_a_red_day_aside():
    rows = link([sealed(0, "red"), amendment("sato"), amendment("tanaka")], GENESIS)
    assert [each.verdict for each in effective_seals(rows)] == ["red"]


def test_the_gate_reads_all_of_it_from_the_ledger(tmp_path: Path):
    ledger = Ledger(str(tmp_path / "ledger"))
    pinned = GatePolicy(streams=(STREAM,))
    ledger.append([policy_entry(INDEX, pinned.fingerprint(), "production", "wall", at(DATE)), *(sealed(n) for n in range(14))])
    ledger.push(fact_entry(fact, "production", "wall") for fact in ready())
    unsigned = read_gate(ledger, INDEX, pinned, day(14))
    assert (unsigned.eligibility, codes(unsigned)) == ("ineligible", ["gate.week_one_unsigned"])
    ledger.push([state_entry(unsigned, "production", "wall", at(day(14)))])
    ledger.append([sealed(14, "red")])
    failing = Fact(INDEX, "recall_at_5", 0.82, "share", 0.9, False, "fortnight index evaluate", at(day(15)))
    ledger.push([fact_entry(failing, "production", "wall")])
    closed = read_gate(ledger, INDEX, pinned, day(15))
    assert closed.green_days == 0 and "gate.fact_failed" in codes(closed)
    assert ledger.verify().ok
