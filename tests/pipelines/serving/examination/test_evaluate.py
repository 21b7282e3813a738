"""A project's questions put to its releases as the people who ask them, and what the ledger learns of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from examined import FAQ, INDEX, MORI, QUESTIONS, READERS, ROWS, SALES, SATO, House, house, question
from index.world import Hashed

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.evidence.facts import Fact, latest_facts
from pipelines.evidence.plan import ledger_of
from pipelines.index.evaluation.questions import dev_ids
from pipelines.index.evaluation.summary import Summary, recall_fact, refused
from pipelines.index.evaluation.tuning import read_tuned
from pipelines.index.parse import Parser
from pipelines.index.releases import candidate, newest_candidate
from pipelines.index.store import Weights
from pipelines.index.store.lance import LanceStore
from pipelines.serving.audit.log import audit_of
from pipelines.serving.examination.evaluate import compare, evaluate, examine_candidate, tune, unexamined
from pipelines.serving.reasons import AnswerWithheld, Reason


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as made:
        yield made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, parser: Parser) -> Path:
    """A project with one candidate. Tests work on copies of it."""
    made = house(tmp_path_factory.mktemp("built"), Hashed())
    made.publish()
    made.build(parser)
    return made.folder


@pytest.fixture
def here(built: Path, tmp_path: Path) -> House:
    return House(Path(shutil.copytree(built, tmp_path / "project")), Hashed())


def examined(here: House, part: str = "test", number: int | None = None) -> Summary:
    return evaluate(here.project, INDEX, part, here.clock, number=number, embedder=here.embedder)  # type: ignore[arg-type]


def facts(here: House) -> dict[str, Fact]:
    return {fact.name: fact for fact in latest_facts(ledger_of(here.project).read(), INDEX)}


def test_every_question_is_asked_as_its_person_and_none_is_in_the_readers_audit(here: House) -> None:
    found = [examined(here, part) for part in ("dev", "test")]
    assert sum(one.asked for one in found) == len(QUESTIONS)
    assert all(one.figures.hits_at_5 == one.figures.questions and not one.leaks and not one.apart for one in found)
    assert audit_of(here.project).rows() == []
    kept = DeltaTable(f"{here.root}/audit/examination").to_pyarrow_table().to_pylist()
    assert sorted(row["person"] for row in kept) == sorted(line["as"] for line in QUESTIONS)
    assert {(row["purpose"], row["release"], row["index"]) for row in kept} == {("evaluation", 1, INDEX)}
    assert len({row["run"] for row in kept}) == 2 and len({row["trace_id"] for row in kept}) == len(QUESTIONS)


def test_where_the_records_cannot_be_written_no_figure_is_reported(here: House) -> None:
    Path(here.root, "audit").mkdir(parents=True, exist_ok=True)
    Path(here.root, "audit", "examination").write_text("a file where the table should be")
    with pytest.raises(AnswerWithheld) as withheld:
        examined(here)
    assert withheld.value.reason is Reason.AUDIT_UNAVAILABLE
    assert "recall_at_5" not in facts(here)


def test_the_test_part_of_the_newest_candidate_is_a_fact_and_the_dev_part_is_none(here: House) -> None:
    examined(here, "dev")
    assert facts(here) == {}
    found = examined(here)
    told = facts(here)["recall_at_5"]
    assert (told.value, told.limit, told.passed) == (1.0, 0.9, True)
    assert "support/1" in told.evidence and f"{found.figures.lower:.3f}" in told.evidence
    assert (facts(here)["evaluation_size"].value, facts(here)["evaluation_size"].passed) == (len(QUESTIONS), False)


def test_a_leak_fails_the_fact_though_everything_was_found(here: House) -> None:
    # What everybody reads is called forbidden: a leak as the set sees it.
    here.ask(*(line if line["kind"] != "forbidden" else line | {"forbidden": [f"{FAQ}#1", f"{FAQ}#4"]} for line in QUESTIONS))
    found = [examined(here, part) for part in ("dev", "test")]
    assert sum(one.leaks for one in found) == 2
    leaky = next(one for one in found if one.leaks)
    assert not leaky.reaches and leaky.worst[0].leaked
    error = refused(leaky)
    assert error is not None and leaky.worst[0].id in str(error) and "{" not in error.say("ja")


def test_answers_that_are_gone_or_closed_today_are_named_and_with_too_many_the_fact_fails(here: House) -> None:
    later = here.later(hours=1)
    gone = {key: row for key, row in ROWS.items() if key != "1"}
    later.publish(gone, {**READERS, "sales": ("group:kintone:other",)})
    found = [examined(later, part) for part in ("dev", "test")]
    assert {one.id: one.why for part in found for one in part.apart} == {"q-1": "gone", "q-2": "unreadable", "q-5": "unreadable"}
    assert not facts(later)["recall_at_5"].passed
    assert any(error is not None and error.code == "evaluation.says_nothing" for error in map(refused, found))


def test_a_share_below_the_target_names_what_was_missed(here: House) -> None:
    here.ask(*(line if not line["expect"] else line | {"expect": [f"{FAQ}#{'4' if line['as'] == SATO else '1'}"]} for line in QUESTIONS))
    found = examined(here)
    assert found.figures.hits_at_1 == 0 and found.worst and found.worst[0].first
    missed = found.model_copy(update={"reaches": False})
    error = refused(missed)
    assert error is not None and error.code == "evaluation.below"
    assert not recall_fact(missed, here.at).passed


def test_todays_candidate_is_examined_once_and_again_when_anything_it_depends_on_changed(here: House, parser: Parser) -> None:
    manifest = newest_candidate(here.root, INDEX)
    assert manifest is not None

    def again(at: House) -> bool:
        newest = newest_candidate(at.root, INDEX)
        assert newest is not None
        return examine_candidate(at.project, INDEX, newest, at.clock, at.embedder)[1]

    assert [again(here), again(here.later(hours=1))] == [False, True]
    here.ask(*QUESTIONS, question("q-9", "食堂", SATO, "4"))
    assert [again(here), again(here)] == [False, True]
    later = here.later(hours=2)
    later.publish(groups={SATO: SALES, MORI: SALES})
    assert again(later) is False, "Mori belongs to other groups now"
    later.publish({**ROWS, "6": ("新しい手順", "新しい手順です。", "all")})
    later.build(parser)
    assert [again(later), again(later)] == [False, True]


def test_what_was_found_before_stays_dated_as_it_was(here: House) -> None:
    manifest = candidate(here.root, INDEX, 1)
    first, _ = examine_candidate(here.project, INDEX, manifest, here.clock, here.embedder)
    known, reused = examine_candidate(here.project, INDEX, manifest, here.later(hours=3).clock, here.embedder)
    assert reused and known == first and facts(here)["recall_at_5"].measured_at == here.at


def test_an_examination_that_could_not_be_made_is_a_fact_that_fails(here: House) -> None:
    examined(here)
    unexamined(here.project, INDEX, "line 3 is no question", here.clock)
    told = facts(here)["recall_at_5"]
    assert (told.passed, told.value, told.evidence) == (False, "not measured", "line 3 is no question")


def test_an_index_without_a_set_or_without_a_candidate_says_so(tmp_path: Path, here: House) -> None:
    empty = house(tmp_path / "empty", Hashed())
    empty.publish()
    with pytest.raises(AnswerIsNo) as nothing:
        examined(empty)
    assert nothing.value.code == "serving.no_candidate"
    with pytest.raises(FixConfiguration, match="number 9"):
        examined(here, number=9)
    text = (here.folder / "project.yaml").read_text().splitlines()
    kept = [line for line in text if not any(word in line for word in ("evaluation", "questions:", "recall_at_5"))]
    (here.folder / "project.yaml").write_text("\n".join(kept))
    with pytest.raises(FixConfiguration) as undeclared:
        examined(here)
    assert undeclared.value.code == "evaluation.none_declared" and "{{" not in undeclared.value.say("en")


def test_two_releases_are_compared_on_the_same_questions_and_the_worse_one_is_named(here: House, parser: Parser) -> None:
    same = compare(here.project, INDEX, 1, 1, "test", here.clock, embedder=here.embedder)
    assert (same.won, same.lost, same.p, same.worse) == ((), (), 1.0, False)
    part = [line for line in QUESTIONS if line["kind"] == "answerable"]
    more = [line | {"id": f"{line['id']}-{n}", "question": f"{line['question']} {n}"} for n in range(10) for line in part]
    here.ask(*more)
    later = here.later(hours=1)
    # The texts are lost to the index though the rows are there.
    later.publish({key: ("空", "。", scope) for key, (_, _, scope) in ROWS.items()})
    later.build(parser)
    worse = compare(later.project, INDEX, 1, 2, "test", later.clock, embedder=later.embedder)
    assert worse.worse and worse.interval.high < 0
    better = compare(later.project, INDEX, 2, 1, "test", later.clock, embedder=later.embedder)
    assert not better.worse and better.mrr == -worse.mrr


def test_tuning_asks_the_dev_questions_alone_and_the_next_release_is_examined_by_what_it_pins(here: House, parser: Parser) -> None:
    tuned, tried = tune(here.project, INDEX, here.clock, embedder=here.embedder)
    dev = dev_ids(line["id"] for line in QUESTIONS)
    people = {line["as"] for line in QUESTIONS if line["id"] in dev}
    kept = DeltaTable(f"{here.root}/audit/examination").to_pyarrow_table().to_pylist()
    assert {row["purpose"] for row in kept} == {"tuning"} and {row["person"] for row in kept} <= people
    assert len(kept) == len(dev) * len(tried)
    assert read_tuned(here.project, INDEX) == tuned and (tuned.release, tuned.n) == (
        "support/1",
        len([line for line in QUESTIONS if line["id"] in dev and line["expect"]]),
    )
    served = examined(here)
    assert not served.tuned and (served.lexical, served.vector) == (Weights().lexical, Weights().vector), "readers are answered so"
    here.build(parser, tuned.weights)
    found = examined(here)
    assert found.tuned and (found.lexical, found.vector) == (tuned.lexical, tuned.vector)
    assert "recall_at_5" in facts(here)


def test_tuning_tries_every_weighting_also_on_a_release_that_pins_one(here: House, parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    here.build(parser, Weights(0.9, 0.1))
    asked, real = list[Weights | None](), LanceStore.search

    def noted(self: LanceStore, *given: Any) -> Any:
        asked.append(given[5])
        return real(self, *given)

    monkeypatch.setattr(LanceStore, "search", noted)
    _, tried = tune(here.project, INDEX, here.clock, embedder=here.embedder)
    assert set(asked) == {weights for weights, _ in tried} and len(set(asked)) > 2


def test_access_that_is_too_old_refuses_an_examination_as_it_refuses_a_reader(here: House) -> None:
    with pytest.raises(AnswerWithheld) as withheld:
        examined(here.later(days=3))
    assert withheld.value.reason is Reason.OVERLAY_STALE


def test_an_embedder_of_another_model_may_not_examine(here: House) -> None:
    other = Hashed()
    other.model_id = "test/other"  # type: ignore[misc]
    with pytest.raises(AnswerWithheld) as withheld:
        examined(replace(here, embedder=other))
    assert withheld.value.reason is Reason.OTHER_MODEL
