"""The one path of every question: the right release to the right person, labelled, or the fact why not – and never anything in between."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_yaml
from deltalake.exceptions import DeltaError

from connectors.errors import AnswerIsNo, SourceUnavailable
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.history import Eligibility
from pipelines.index.store import Filters, LanceStore
from pipelines.project import Project, load
from pipelines.serving.audit.log import AuditLog
from pipelines.serving.audit.row import AuditRow
from pipelines.serving.board import HELD_OPEN, Boards
from pipelines.serving.callers.identity import GroupsNow
from pipelines.serving.callers.tokens import Caller
from pipelines.serving.doors import bodies
from pipelines.serving.examination.replay import replay
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.reception import Reception, Served
from pipelines.serving.traces import Spans

from .served_house import BOARD, BOOKS, FAQ, FAQS, INDEX, INJECTION, MANUALS, MORI, SATO, SECRET, SUZUKI, House, by, trace, user

QUESTION = "主軸の過熱"


def titles(served: Served) -> set[str]:
    return {hit.title for hit in served.answer.hits}


def refusal(reception: Reception, caller: Caller, **more: Any) -> Reason:
    with pytest.raises(AnswerWithheld) as withheld:
        reception.search(caller, QUESTION, 5, trace(), **more)
    return withheld.value.reason


def with_serving(house: House, **changed: Any) -> House:
    block = house.project.file.serving.model_copy(update=changed)
    return replace(house, project=replace(house.project, file=house.project.file.model_copy(update={"serving": block})))


def entra(mail: str, *groups: str) -> Caller:
    return Caller(key=user(mail), client="copilot", user=user(mail), now_in=GroupsNow(user(mail), frozenset(groups)))


def test_each_person_gets_what_they_may_read_from_production_with_its_age(house: House) -> None:
    reception = house.reception()
    house.later(hours=2)
    served = reception.search(by(SATO), QUESTION, 5, trace())
    assert titles(served) == {"主軸の過熱", "冷却水の交換", "過熱の再発防止会議", "会議の予定"}
    assert titles(reception.search(by(SUZUKI), QUESTION, 5, trace())) == {"主軸の過熱", "冷却水の交換", "過熱時のお客様対応"}
    body = bodies.answer(served)
    assert (body.label, body.eligibility, body.release, body.freshness.access_age_seconds) == ("production", "eligible", 1, 7200)
    assert {(one.stream, one.age_seconds) for one in body.freshness.sources} == {(FAQ, 7200), (MANUALS, 7200)}


def test_an_answer_names_the_age_of_no_stream_that_its_pieces_do_not_come_from(house: House) -> None:
    body = bodies.answer(house.reception().search(by(SUZUKI), QUESTION, 5, trace()))
    assert MANUALS not in body.model_dump_json()


def test_what_a_token_proves_is_an_account_and_the_same_person_elsewhere(house: House) -> None:
    served = house.reception().search(entra(SATO, BOARD), QUESTION, 5, trace())
    assert "過熱の再発防止会議" in titles(served) and "主軸の過熱" in titles(served)
    assert house.log.rows()[-1]["person"] == SATO


def test_groups_a_token_says_are_gone_are_gone_and_those_it_adds_are_there(house: House) -> None:
    reception = house.reception()
    assert "過熱の再発防止会議" not in titles(reception.search(entra(SATO), QUESTION, 5, trace()))
    assert "過熱の再発防止会議" in titles(reception.search(entra(SUZUKI, BOARD), QUESTION, 5, trace()))


def test_an_object_id_nobody_has_reaches_nothing_though_its_token_names_a_group(house: House) -> None:
    stranger = user(SATO)[:-1] + ("0" if user(SATO)[-1] != "0" else "1")
    served = house.reception().search(
        Caller(stranger, "c", user=stranger, now_in=GroupsNow(stranger, frozenset({BOARD}))), QUESTION, 5, trace()
    )
    assert (served.answer.hits, served.answer.reason) == ((), Reason.UNKNOWN_PERSON)


@pytest.mark.parametrize(
    ("eligibility", "reason"), [("ineligible", Reason.INELIGIBLE), ("suspended", Reason.SUSPENDED), ("revoked", Reason.REVOKED)]
)
def test_an_index_that_may_not_answer_says_so_and_nothing_else_unless_one_may_preview(
    house: House, eligibility: Eligibility, reason: Reason
) -> None:
    house.eligibility = eligibility
    reception = house.reception()
    assert refusal(reception, by(SATO)) is reason
    served = reception.search(by(MORI), QUESTION, 5, trace())
    assert (served.label, served.standing, titles(served)) == ("candidate", eligibility, {"主軸の過熱", "冷却水の交換"})
    with pytest.raises(AnswerWithheld):
        reception.fetch(by(SATO), served.answer.hits[0].chunk, trace())
    kept = [(row["person"], row["decision"], row["standing"], len(row["hits"])) for row in house.log.rows()]
    assert kept == [(SATO, reason.value, eligibility, 0), (MORI, "answered", eligibility, 2), (SATO, reason.value, eligibility, 0)]


def test_the_candidate_is_for_previewers_and_production_for_all(house: House) -> None:
    house.later(hours=1)
    house.publish(FAQ, [*FAQS, ("主軸の過熱の新版", "新しい手順です。", "all")])
    assert house.build() == 2
    reception = house.reception()
    assert reception.search(by(SATO), QUESTION, 5, trace()).answer.release == 1
    assert reception.search(by(MORI), QUESTION, 5, trace()).answer.release == 1
    house.eligibility = "suspended"
    house.later(seconds=10)
    assert reception.search(by(MORI), QUESTION, 5, trace()).answer.release == 2


def test_nothing_in_production_answers_nobody_without_the_right_to_preview(house: House) -> None:
    for record in (Path(house.project.root) / "indexes" / "support" / "production").glob("*.json"):
        record.unlink()
    reception = house.reception()
    assert refusal(reception, by(SATO)) is Reason.NO_RELEASE
    assert reception.search(by(MORI), QUESTION, 5, trace()).label == "candidate"


def test_a_kill_switch_is_seen_within_ten_seconds(house: House) -> None:
    reception = house.reception()
    reception.search(by(SATO), QUESTION, 5, trace())
    house.eligibility = "suspended"
    house.later(seconds=10)
    assert refusal(reception, by(SATO)) is Reason.SUSPENDED


def test_a_look_that_hangs_lets_nobody_go_on_with_an_old_word_of_the_gate(house: House) -> None:
    looking, ends, ended = threading.Event(), threading.Event(), list[Reason]()
    known = house.gate

    def slow(project: Project, index: str, now: Any) -> Any:
        looking.set()
        assert ends.wait(20)
        return known(project, index, now)

    reception = house.reception()
    reception.search(by(SATO), QUESTION, 5, trace())
    reception._boards._gate = slow  # pyright: ignore[reportPrivateUsage]
    house.eligibility = "suspended"
    house.later(seconds=6)
    first = threading.Thread(target=lambda: ended.append(refusal(reception, by(MORI), as_of=house.clock.now() - timedelta(days=9))))
    first.start()
    assert looking.wait(20)
    reception.search(by(SATO), QUESTION, 5, trace())
    house.later(seconds=4)
    second = threading.Thread(target=lambda: ended.append(refusal(reception, by(SATO))))
    second.start()
    second.join(0.3)
    assert second.is_alive() and not ended, "it waits for the word"
    ends.set()
    for thread in (first, second):
        thread.join(20)
    assert sorted(ended) == [Reason.NOTHING_THEN, Reason.SUSPENDED]


def test_a_ledger_that_does_not_hold_opens_nothing_to_anybody(house: House) -> None:
    house.broken_gate = LedgerBroken("ledger.broken", seq=1, why="hash")
    reception = house.reception()
    assert refusal(reception, by(SATO)) is Reason.GATE_UNKNOWN
    assert refusal(reception, by(MORI)) is Reason.GATE_UNKNOWN


def test_as_of_asks_the_release_of_that_instant_under_todays_denials(house: House) -> None:
    monday = house.clock.now()
    house.later(days=1)
    house.publish(FAQ, [*FAQS[1:], ("主軸の過熱の新版", "新しい手順です。", "all")])
    house.publish(MANUALS, BOOKS)
    house.promote(house.build(), after=1)
    reception = house.reception()
    now = reception.search(by(SATO), QUESTION, 9, trace())
    then = reception.search(by(SATO), QUESTION, 9, trace(), as_of=monday + timedelta(hours=1))
    assert ((now.answer.release, now.label), (then.answer.release, then.label)) == ((2, "production"), (1, "as_of"))
    # The keys moved up by one: of what stood under the last key the row is another's now, and of no old text a new right is made.
    assert "主軸の過熱の新版" not in titles(then)
    assert refusal(reception, by(SATO), as_of=monday - timedelta(hours=1)) is Reason.NOTHING_THEN
    assert house.log.rows()[-2]["as_of"] == (monday + timedelta(hours=1)).isoformat()


def test_filters_narrow_and_never_widen(house: House) -> None:
    reception = house.reception()
    for filters, found in (
        (Filters(systems=("kintone",)), {"主軸の過熱", "冷却水の交換"}),
        (Filters(streams=(MANUALS,)), {"過熱の再発防止会議", "会議の予定"}),
        (Filters(langs=("en",)), set[str]()),
        (Filters(streams=("x' OR 'a'='a",)), set[str]()),
        (Filters(changed_from="2020-01-01T00:00:00Z"), set[str]()),
    ):
        assert titles(reception.search(by(SATO), QUESTION, 9, trace(), filters=filters)) == found
    assert titles(reception.search(by(MORI), QUESTION, 9, trace(), filters=Filters(streams=(MANUALS,)))) == set()
    assert '"streams": ["sharepoint/manuals"]' in house.log.rows()[-1]["filters"]


def test_a_filter_that_leaves_nothing_is_not_told_as_a_person_who_may_read_nothing(house: House) -> None:
    served = house.reception().search(by(SATO), QUESTION, 9, trace(), filters=Filters(systems=("nowhere",)))
    assert (served.answer.hits, served.answer.reason) == ((), Reason.NO_MATCH)


def test_neighbours_are_checked_one_by_one_and_an_id_is_no_permission(house: House) -> None:
    reception = house.reception()
    secret = next(hit for hit in reception.search(by(SATO), "再発防止", 9, trace()).answer.hits if SECRET in hit.snippet)
    assert reception.fetch(by(SATO), secret.chunk, trace()).answer.hits[0].snippet == secret.snippet
    for ask in (reception.fetch, reception.neighbours):
        forbidden, absent = (ask(by(SUZUKI), chunk, trace()).answer for chunk in (secret.chunk, "nothing-like-it"))
        assert replace(forbidden, trace_id="") == replace(absent, trace_id="") and not forbidden.hits


def test_a_deletion_published_meanwhile_is_seen_within_seconds_and_a_lost_group_too(house: House) -> None:
    reception = house.reception()
    assert "主軸の過熱" in titles(reception.search(by(SATO), QUESTION, 9, trace()))
    house.later(seconds=10)
    house.publish(FAQ, (("別の題", "別の本文", "sales"), *FAQS[1:]))
    house.publish(MANUALS, BOOKS, sato_in=())
    assert titles(reception.search(by(SATO), QUESTION, 9, trace())) == {"冷却水の交換"}


def test_a_service_holds_few_releases_open_however_many_were_built(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.serving.board.candidate", lambda root, index, number: number)
    monkeypatch.setattr("pipelines.serving.board.open_for", lambda root, number: [number])
    boards = Boards(house.project, INDEX, house.clock, timedelta(seconds=5))
    production: Any = boards.release(1)
    for number in range(2, 3 * HELD_OPEN):
        found: Any = boards.release(number)
        assert found == [number] and boards.release(1) is production, "what is asked between the others stays open"
    assert len(boards._open) == HELD_OPEN


def test_access_that_is_too_old_refuses_even_those_who_preview(house: House) -> None:
    reception = house.reception()
    house.later(hours=27)
    for mail in (SATO, MORI):
        assert refusal(reception, by(mail)) is Reason.OVERLAY_STALE
    assert reception.ready() == "serving.overlay_stale"


def test_an_index_whose_pulls_stopped_is_stale_and_says_since_when(house: House) -> None:
    patient = with_serving(house, access_limit="P30D")
    reception = patient.reception()
    house.later(hours=49)
    with pytest.raises(AnswerWithheld, match="2026-11-02T09:00:00") as withheld:
        reception.search(by(SATO), QUESTION, 5, trace())
    assert withheld.value.reason is Reason.STALE
    assert reception.search(by(MORI), QUESTION, 5, trace()).label == "candidate"


def test_a_storage_that_falls_silent_gives_the_last_good_answer_marked_until_that_is_too_old(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception = house.reception()
    reception.search(by(SATO), QUESTION, 5, trace())

    def silent(*_: object) -> None:
        raise DeltaError("storage is down")

    monkeypatch.setattr("pipelines.serving.today.pinned", silent)
    house.later(minutes=5)
    served = reception.search(by(SATO), QUESTION, 5, trace())
    assert bodies.answer(served).freshness.degraded and titles(served)
    house.later(hours=27)
    assert refusal(reception, by(SATO)) is Reason.OVERLAY_STALE
    assert refusal(house.reception(), by(SATO)) is Reason.UNAVAILABLE


def test_a_reading_that_storage_is_slow_to_confirm_is_marked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.serving import today

    reading, ends, real = threading.Event(), threading.Event(), today.pinned
    reception = house.reception()

    def asked() -> tuple[Served, bool]:
        served = reception.search(by(SATO), QUESTION, 5, trace())
        return served, bodies.answer(served).freshness.degraded

    def slow(*given: Any) -> Any:
        reading.set()
        assert ends.wait(20)
        return real(*given)

    first, _ = asked()
    monkeypatch.setattr(today, "pinned", slow)
    house.later(seconds=6)
    other = threading.Thread(target=asked)
    other.start()
    assert reading.wait(20) and not asked()[1]
    house.later(seconds=4)
    assert asked()[1]
    ends.set()
    other.join(20)
    confirmed, degraded = asked()
    assert not degraded and confirmed.today.accounts is first.today.accounts, "nothing new is put in order anew"


def test_a_service_whose_audit_takes_nothing_is_not_ready_until_it_does(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reception, real = house.reception(log=AuditLog(f"{house.project.root}/another", key=b"k")), AuditLog._append
    assert reception.ready() == ""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AuditLog, "_append", full)
    assert refusal(reception, by(SATO)) is Reason.AUDIT_UNAVAILABLE and reception.ready() == "serving.audit_unavailable"
    monkeypatch.setattr(AuditLog, "_append", real)
    assert reception.ready() == "", "the look is enough: nobody has to ask in vain"


def test_a_service_is_ready_only_when_the_release_that_would_answer_is_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reception, read, real = house.reception(), list[LanceStore](), LanceStore.ready

    def broken(_: LanceStore) -> None:
        raise OSError("the disk is gone")

    def noted(store: LanceStore) -> None:
        read.append(store)
        real(store)

    monkeypatch.setattr(LanceStore, "ready", broken)
    assert reception.ready() == "serving.unavailable"
    monkeypatch.setattr(LanceStore, "ready", noted)
    assert reception.ready() == ""
    (made_ready,) = read
    assert made_ready is reception.search(by(SATO), "主軸", 5, trace()).release.store


@pytest.mark.parametrize("what", ["audit", "embedder", "store", "records"])
def test_whatever_dies_refuses_and_no_word_leaves(house: House, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(AuditLog):
        def record(self, row: AuditRow) -> None:
            raise OSError(28, "No space left on device")

    log = Down(house.log.uri) if what == "audit" else house.log
    reception = house.reception(log=log)
    if what == "embedder":
        house.embedder.broken = SourceUnavailable("source.unavailable", host="embedder", reason="HTTP 503", attempts=2)
    if what == "store":
        for path in (Path(house.project.root) / "indexes").rglob("*.lance"):
            path.rename(path.with_suffix(".gone"))
    if what == "records":
        monkeypatch.setattr("pipelines.serving.reception.read_record", lambda *_: (_ for _ in ()).throw(OSError("down")))
    with pytest.raises(AnswerWithheld) as withheld:
        reception.search(by(SATO), QUESTION, 5, trace())
    assert withheld.value.reason is (Reason.AUDIT_UNAVAILABLE if what == "audit" else Reason.UNAVAILABLE)
    for lang in ("ja", "en"):
        assert SECRET not in withheld.value.say(lang) and "冷却水" not in withheld.value.say(lang)
    if what != "audit":
        assert [row["decision"] for row in house.log.rows()] == ["unavailable"]


def test_an_app_without_a_person_reads_what_is_declared_public_and_by_default_nothing(house: House) -> None:
    app = Caller("app:x", "x", app_only=True)
    assert refusal(house.reception(), app) is Reason.APP_ONLY
    opened = with_serving(house, public=("everyone:kintone",))
    public = opened.reception()
    assert titles(public.search(app, QUESTION, 5, trace())) == {"主軸の過熱", "冷却水の交換"}
    opened.eligibility = "suspended"
    opened.later(seconds=10)
    assert refusal(public, app) is Reason.SUSPENDED


def test_a_caller_has_so_many_questions_a_minute_so_many_yen_a_day_and_others_are_not_held_up(house: House) -> None:
    limits = house.project.file.serving.budgets.model_copy(update={"per_minute": 3, "daily_jpy": 10.0})
    cost = house.project.file.serving.cost.model_copy(update={"per_question_jpy": 4.0})
    tight = with_serving(house, budgets=limits, cost=cost)
    reception = tight.reception()
    for _ in range(2):
        reception.search(by(SATO), QUESTION, 5, trace())
    with pytest.raises(AnswerWithheld) as spent:
        reception.search(by(SATO), QUESTION, 5, trace())
    assert spent.value.reason is Reason.BUDGET_SPENT and spent.value.retry_after == 6 * 3600, "midnight in Tokyo"
    reception.search(by(MORI), QUESTION, 5, trace())
    free = with_serving(house, budgets=limits.model_copy(update={"daily_jpy": 0.0})).reception()
    for _ in range(3):
        free.search(by(SATO), QUESTION, 5, trace())
    with pytest.raises(AnswerWithheld) as often:
        free.search(by(SATO), QUESTION, 5, trace())
    assert often.value.reason is Reason.TOO_MANY and often.value.retry_after == 60
    house.later(seconds=61)
    assert titles(free.search(by(SATO), QUESTION, 5, trace()))


def test_a_caller_has_so_many_questions_at_once(house: House) -> None:
    limits = house.project.file.serving.budgets.model_copy(update={"concurrent": 1})
    reception = with_serving(house, budgets=limits).reception()
    inside, leave = threading.Event(), threading.Event()
    real = house.embedder.embed_query

    def slow(texts: Any) -> Any:
        inside.set()
        assert leave.wait(20)
        return real(texts)

    house.embedder.embed_query = slow  # type: ignore[method-assign]
    asking = threading.Thread(target=lambda: reception.search(by(SATO), QUESTION, 5, trace()))
    asking.start()
    assert inside.wait(20)
    try:
        assert refusal(reception, by(SATO)) is Reason.TOO_MANY_AT_ONCE
    finally:
        leave.set()
        asking.join()


def test_a_service_that_drains_refuses_new_questions(house: House) -> None:
    reception = house.reception()
    reception.drain()
    assert refusal(reception, by(SATO)) is Reason.DRAINING and reception.ready() == "serving.draining"


def test_feedback_is_the_askers_own_and_makes_a_queue_and_a_cost(house: House) -> None:
    cost = house.project.file.serving.cost.model_copy(update={"per_question_jpy": 2.0, "monthly_jpy": 300.0})
    costly = with_serving(house, cost=cost)
    reception = costly.reception()
    first, second = (reception.search(by(SATO), QUESTION, 2, trace()).answer for _ in range(2))
    chunk = first.hits[0].chunk
    reception.feedback(by(SATO), first.trace_id, "wrong_source", chunk)
    reception.feedback(by(SATO), second.trace_id, "not_useful", "")
    reception.feedback(by(SATO), second.trace_id, "useful", "")
    from pipelines.serving.feedback import flagged

    (one,) = flagged(costly.log.rows())
    assert (one.trace_id, one.verdict, one.query, one.chunk) == (first.trace_id, "wrong_source", QUESTION, chunk)
    spent = reception.cost()
    assert (spent.numerator_jpy, spent.denominator, spent.value_jpy) == (2 * 2.0 + 300.0, 1, 304.0)
    for caller, trace_id, piece in ((by(MORI), first.trace_id, ""), (by(SATO), "0" * 32, ""), (by(SATO), first.trace_id, "another")):
        with pytest.raises(AnswerIsNo, match="no answer under"):
            reception.feedback(caller, trace_id, "useful", piece)
    assert costly.log.verify().ok


def test_the_status_says_whether_one_would_be_answered_and_the_inside_to_those_who_may_inspect(house: House) -> None:
    reception = house.reception()
    reader, operator = (bodies.status(reception, reception.situation(by(mail))) for mail in (SATO, MORI))
    assert (reader.answers, reader.code, reader.production, reader.inside) == (True, "serving.answered", 1, None)
    assert operator.inside is not None and {one.stream for one in operator.inside.streams} == {FAQ, MANUALS}
    house.eligibility = "ineligible"
    house.later(seconds=10)
    closed, preview = (bodies.status(reception, reception.situation(by(mail))) for mail in (SATO, MORI))
    assert (closed.answers, closed.code, preview.answers) == (False, "serving.ineligible", True)


def test_what_is_wrong_in_people_yaml_is_told_to_no_caller_and_answers_nobody(house: House) -> None:
    reception = house.reception()
    twice = [{"id": name, "mail": MORI} for name in ("mori", "mori-again")]
    write_yaml(house.project.folder / "people.yaml", {"people": twice})
    with pytest.raises(AnswerWithheld) as withheld:
        reception.search(by(SATO), QUESTION, 5, trace())
    assert withheld.value.reason is Reason.UNAVAILABLE
    for told in (withheld.value.say("ja"), withheld.value.say("en")):
        assert "mori" not in told and str(house.project.folder) not in told
    assert [row["decision"] for row in house.log.rows()] == ["unavailable"]
    write_yaml(house.project.folder / "people.yaml", {"people": twice[:1]})
    assert titles(reception.search(by(SATO), QUESTION, 5, trace()))


def test_a_status_whose_audit_cannot_be_read_is_a_refusal(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reception = house.reception()

    def silent(*_: object) -> None:
        raise DeltaError("storage is down")

    monkeypatch.setattr(AuditLog, "table", silent)
    with pytest.raises(AnswerWithheld) as withheld:
        bodies.status(reception, reception.situation(by(MORI)))
    assert withheld.value.reason is Reason.UNAVAILABLE
    assert bodies.status(reception, reception.situation(by(SATO))).answers, "a reader's needs no audit"


def test_an_old_answer_asked_again_is_the_same_until_something_was_taken_away_and_then_says_what_and_why(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.serving.examination.replay.embedder_of", lambda *_, **__: house.embedder)
    answer = house.reception().search(by(SATO), QUESTION, 4, trace()).answer
    house.later(hours=1)
    (same,) = replay(house.project, answer.trace_id, house.clock, by="operator")
    assert same.same and same.kept == tuple(hit.chunk for hit in answer.hits)
    house.publish(FAQ, [("主軸の過熱", "本文", "sales"), *FAQS[1:]])
    house.publish(MANUALS, BOOKS[1:])
    (other,) = replay(house.project, answer.trace_id, house.clock, by="operator")
    assert {(one.document, one.why) for one in other.lost} == {(f"{FAQ}#0", "scope"), (f"{MANUALS}#1", "deleted")}
    kept = house.log.rows()
    assert [row["action"] for row in kept] == ["search", "replay", "replay"]
    assert {(row["person"], row["query"]) for row in kept[1:]} == {("operator", "")}


def test_what_was_forgotten_or_refused_cannot_be_replayed_and_says_so(house: House) -> None:
    from pipelines.serving.audit.forgetting import erase

    reception = house.reception()
    answer = reception.search(by(SATO), QUESTION, 4, trace()).answer
    erase(house.log, SATO, at=house.clock.now(), why="w", by="b")
    house.later(seconds=10)
    house.eligibility = "revoked"
    refused = trace()
    with pytest.raises(AnswerWithheld):
        reception.search(by(SATO), QUESTION, 4, refused)
    for trace_id, why in ((answer.trace_id, "not kept"), (refused.trace_id, "not answered"), ("0" * 32, "holds nothing")):
        with pytest.raises(AnswerIsNo, match=why):
            replay(house.project, trace_id, house.clock, by="operator")


def test_spans_carry_the_callers_trace_and_neither_text_nor_person(house: House) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from pipelines.serving.traces import trace_of

    exporter = InMemorySpanExporter()
    reception = house.reception(spans=Spans(exporter, at_once=True))
    came = trace_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    answer = reception.search(by(SATO), QUESTION, 5, came).answer
    house.eligibility = "revoked"
    house.later(seconds=10)
    with pytest.raises(AnswerWithheld):
        reception.search(by(SATO), QUESTION, 5, trace())
    good, bad = exporter.get_finished_spans()
    assert answer.trace_id == came.trace_id == f"{good.context.trace_id:032x}" and f"{good.parent.span_id:016x}" == came.parent
    assert bad.attributes["error.type"] == "serving.revoked" and not bad.events
    said = f"{good.to_json()}{bad.to_json()}"
    assert "sato" not in said and "過熱" not in said and "\\u904e" not in said


def test_metrics_count_by_code_and_know_no_person(house: House) -> None:
    reception = house.reception()
    reception.search(by(SATO), QUESTION, 5, trace())
    house.eligibility = "revoked"
    house.later(seconds=10)
    refusal(reception, by(SATO))
    text = reception.measured().decode()
    assert 'fortnight_answers_total{action="search",index="support",outcome="ok"} 1.0' in text
    assert 'outcome="serving.revoked"} 1.0' in text and "fortnight_access_age_seconds" in text
    assert "sato" not in text


def test_a_scrape_alone_tells_how_old_access_is_and_no_age_where_none_is_known(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reception = house.reception()
    house.later(hours=2)
    assert b'fortnight_access_age_seconds{index="support"} 7200.0' in reception.measured()

    def silent(*_: object) -> None:
        raise DeltaError("storage is down")

    monkeypatch.setattr("pipelines.serving.today.pinned", silent)
    assert b'fortnight_access_age_seconds{index="support"} NaN' in house.reception().measured()


def test_an_instruction_in_a_document_comes_as_data_marked_as_such(house: House) -> None:
    body = bodies.answer(house.reception().search(by(MORI), "冷却水", 5, trace()))
    told = next(hit for hit in body.hits if INJECTION in hit.text)
    assert told.untrusted is True and told.source.stream == FAQ
    assert INJECTION not in body.notice["en"] + body.message["en"] and "not instruction" in body.notice["en"]


@pytest.mark.parametrize(
    "mail",
    [
        "o'brien@sakura-seiki.example",
        "x') OR ('a'='a",
        "ｍｉｓａｋｉ.sato@sakura-seiki.example",
        "mísaki.sato@sakura-seiki.example",
        "a" * 10_000,
    ],
)
def test_a_name_that_only_looks_like_somebodys_is_nobody(house: House, mail: str) -> None:
    served = house.reception().search(by(mail), QUESTION, 5, trace())
    assert (served.answer.reason, served.answer.hits) == (Reason.UNKNOWN_PERSON, ())


def test_a_serving_block_that_is_wrong_is_named(tmp_path: Path) -> None:
    from connectors.errors import FixConfiguration

    for block, place in (({"roles": {"boss": []}}, "roles"), ({"refresh": "5 s"}, "refresh"), ({"entra": {"tenant": "t"}}, "audience")):
        write_yaml(tmp_path / "project.yaml", {"name": "p", "environment": "sandbox", "systems": {}, "serving": block})
        with pytest.raises(FixConfiguration, match=place):
            load(tmp_path)


def test_production_without_entra_opens_no_door_and_makes_no_development_tokens(house: House) -> None:
    from connectors.errors import FixConfiguration
    from pipelines.serving.callers.entrance import development_tokens, tokens_of

    live: Project = replace(house.project, file=house.project.file.model_copy(update={"environment": "production"}))
    for ask in (tokens_of, development_tokens):
        with pytest.raises(FixConfiguration):
            ask(live)
