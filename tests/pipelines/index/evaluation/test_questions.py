"""The evaluation set: a line that is no question is named, and a question's part never changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import FixConfiguration
from pipelines.index.evaluation.questions import Question, dev_ids, next_id, read_questions

from .asked import question

SATO = "misaki.sato@sakura-seiki.example"


def line(name: str, **changes: Any) -> str:
    told: dict[str, Any] = {
        "id": name,
        "question": f"{name} はどこですか",
        "lang": "ja",
        "as": SATO,
        "kind": "answerable",
        "expect": ["kintone/faq#1"],
        "slices": ["ja"],
        "answer": "棚の上",
        "note": "",
    }
    return json.dumps({**told, **changes}, ensure_ascii=False)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "support.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_line_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    forbidden = line("q-2", kind="forbidden", expect=[], forbidden=["sharepoint/manuals#a/b.docx"])
    path = written(tmp_path, line("q-1"), "", forbidden)
    found = read_questions(path)
    assert [one.line() for one in found.questions] == [line("q-1"), forbidden]
    assert found.questions[1].forbidden == ("sharepoint/manuals#a/b.docx",)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "Expecting"),
        ("[]", "no JSON object"),
        (line("q", question="  "), "blank"),
        (line("q", **{"as": ""}), "as"),
        (line("q", lang="fr"), "lang"),
        (line("q", expect=[]), "expect names rows"),
        (line("q", kind="unanswerable"), "expect names rows"),
        (line("q", kind="forbidden", expect=[]), "names in forbidden"),
        (line("q", expect=["faq 1"]), "no row id"),
        (line("q", forbidden=["kintone/faq#1"]), "both expected and forbidden"),
        (line("q", slices=["Low Overlap"]), "no slice"),
        (line("q", split="dev"), "split"),
    ],
)
def test_a_line_that_is_no_question_is_named_with_its_number(tmp_path: Path, bad: str, why: str) -> None:
    with pytest.raises(FixConfiguration) as refused:
        read_questions(written(tmp_path, line("q-1"), "", bad))
    assert "line 3" in str(refused.value) and why in str(refused.value)
    assert "3 行目" in refused.value.say("ja")


@pytest.mark.parametrize("again", [line("q-1", question="別の質問"), line("q-2", question="Ｑ-1　はどこですか")])
def test_a_line_that_repeats_another_is_named_with_both_numbers(tmp_path: Path, again: str) -> None:
    with pytest.raises(FixConfiguration, match="line 2 .*repeats line 1"):
        read_questions(written(tmp_path, line("q-1"), again))


def test_the_same_words_of_somebody_else_are_another_question(tmp_path: Path) -> None:
    other = line("q-2", question="q-1 はどこですか", **{"as": "mori@sakura-seiki.example"})
    assert len(read_questions(written(tmp_path, line("q-1"), other)).questions) == 2


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_a_file_that_asks_nothing_is_no_set(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "support.jsonl"
    path.write_bytes(content)
    with pytest.raises(FixConfiguration):
        read_questions(path)
    with pytest.raises(FixConfiguration):
        read_questions(tmp_path / "absent.jsonl")


def test_a_third_is_for_tuning_and_no_question_is_in_both_parts(tmp_path: Path) -> None:
    every = read_questions(written(tmp_path, *(line(f"ps-{n:04d}") for n in range(1, 451))))
    dev, test = every.part("dev"), every.part("test")
    assert (len(dev), len(test)) == (150, 300)
    assert {one.id for one in dev} | {one.id for one in test} == {one.id for one in every.questions}


@given(st.integers(1, 120), st.integers(1, 12))
def test_questions_that_are_added_move_no_other_question_to_another_part(count: int, more: int) -> None:
    questions: list[Question] = [question(f"q-{n:03d}", "1") for n in range(count)]
    for _ in range(more):
        before = {one.id: one.id in dev_ids(each.id for each in questions) for one in questions}
        questions.append(question(next_id(questions), "1"))
        after = dev_ids(one.id for one in questions)
        assert all((name in after) == part for name, part in before.items())
        assert questions[-1].id not in before
