"""A real question becomes a line of the evaluation set only when a person reviewed it and today's access bears it out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examined import FAQ, INDEX, MORI, SATO, House, house
from index.world import Hashed

from connectors.errors import FortnightError
from pipelines.index.evaluation.questions import read_questions
from pipelines.index.parse import Parser
from pipelines.index.releases import point_production
from pipelines.serving.examination.past import replay
from pipelines.serving.examination.reviewed import Added, Draft, add_question


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A project in whose audit stands one question of Sato's, and its trace."""
    made = house(tmp_path_factory.mktemp("reviewed"), Hashed())
    made.publish()
    with Parser() as parser:
        made.build(parser)
    point_production(made.root, INDEX, 1, at=made.at, actor="akari.mori", reason="promoted")
    found = replay(made.project, INDEX, "冷却水はどこを見る？", SATO, made.at, 5, made.clock, made.embedder)
    yield made.folder, found.answer.trace_id


@pytest.fixture
def here(asked: tuple[Path, str], tmp_path: Path) -> House:
    return House(Path(shutil.copytree(asked[0], tmp_path / "project")), Hashed())


def added(here: House, **said: Any) -> Added:
    return add_question(here.project, INDEX, Draft(**({"reviewer": "akari.mori", "expect": (f"{FAQ}#1",)} | said)))


def test_a_question_of_the_audit_is_added_with_its_words_its_person_and_who_reviewed_it(here: House, asked: tuple[Path, str]) -> None:
    path = here.folder / "evaluation" / f"{INDEX}.jsonl"
    before = path.read_bytes()
    done = added(here, trace=asked[1], answer="冷却水の量", slices=("low-overlap",))
    told = read_questions(path).questions[-1]
    assert told == done.question and path.read_bytes().startswith(before) and path.read_bytes().count(b"\n") == before.count(b"\n") + 1
    assert (told.question, told.as_, told.lang, told.expect) == ("冷却水はどこを見る？", SATO, "ja", (f"{FAQ}#1",))
    assert "akari.mori" in told.note and asked[1] in told.note


def test_a_question_may_be_given_in_words_and_no_other_changes_its_part(here: House) -> None:
    path = here.folder / "evaluation" / f"{INDEX}.jsonl"
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    parts = {part: {one.id for one in read_questions(path).part(part)} for part in ("dev", "test")}
    done = added(here, question="Where do I check the coolant?", person=MORI)
    every = read_questions(path)
    assert (done.question.lang, done.count, len(every.questions)) == ("en", 9, 9)
    assert all({one.id for one in every.part(part)} - {done.question.id} == ids for part, ids in parts.items())
    assert done.question.id in {one.id for one in every.part(done.part)}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"reviewer": " ", "question": "食堂", "person": SATO}, "eval.no_reviewer"),
        ({"trace": "0" * 32}, "eval.no_trace"),
        ({}, "eval.nothing_asked"),
        ({"question": "食堂"}, "eval.nothing_asked"),
        ({"question": "食堂", "person": SATO, "expect": ()}, "eval.bad_question"),
        ({"question": "食堂", "person": SATO, "expect": (f"{FAQ}#99",)}, "eval.row_gone"),
        ({"question": "原因", "person": SATO, "expect": (f"{FAQ}#3",)}, "eval.row_unreadable"),
        ({"question": "原因", "person": MORI, "kind": "forbidden", "expect": (), "forbidden": (f"{FAQ}#3",)}, "eval.row_readable"),
        ({"question": "忘年会は十二月に本社の食堂", "person": MORI, "expect": (f"{FAQ}#4",)}, "evaluation.repeated"),
    ],
)
def test_what_nobody_reviewed_or_access_does_not_bear_out_is_not_added(here: House, said: dict[str, Any], code: str) -> None:
    path = here.folder / "evaluation" / f"{INDEX}.jsonl"
    before = path.read_bytes()
    with pytest.raises(FortnightError) as refused:
        added(here, **said)
    assert refused.value.code == code and path.read_bytes() == before
    assert "{" not in refused.value.say("ja") + refused.value.say("en")


def test_what_must_not_be_shown_is_added_with_the_row_that_must_not_be(here: House) -> None:
    done = added(here, question="予圧不足の原因", person=SATO, kind="forbidden", expect=(), forbidden=(f"{FAQ}#3",))
    assert (done.question.kind, done.question.forbidden) == ("forbidden", (f"{FAQ}#3",))
