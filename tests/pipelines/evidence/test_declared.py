"""What a project declares is looked at, not taken at its word: three people, real questions, a runbook that helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_yaml

from pipelines.evidence.declared import RUNBOOK_SECTIONS, declared_facts
from pipelines.evidence.facts import Fact
from pipelines.project import load

from .worlds import DATE, at

INDEX = "support"
SUZUKI, MORI, IKEDA = (f"{name}@sakura-seiki.example" for name in ("kenta.suzuki", "akari.mori", "riku.ikeda"))
OWNERS = {"business": SUZUKI, "technical": MORI, "operator": IKEDA}


def fact(folder: Path, name: str, **index: Any) -> Fact:
    """The fact of that name for a project whose index says this."""
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.example"}}
    write_yaml(
        folder / "project.yaml",
        {"name": "x", "environment": "staging", "systems": systems, "indexes": {INDEX: {"streams": ["a/b"]} | index}},
    )
    return next(each for each in declared_facts(load(folder), INDEX, at(DATE)) if each.name == name)


def test_three_different_people_own_an_index(tmp_path: Path) -> None:
    assert fact(tmp_path, "owners", owners=OWNERS).passed


@pytest.mark.parametrize("operator", ["", " ", "TBD", "未定", "-", "123", SUZUKI.upper(), f"  {MORI} "])
def test_an_owner_who_is_nobody_or_somebody_else_again_is_no_third(tmp_path: Path, operator: str) -> None:
    found = fact(tmp_path, "owners", owners=OWNERS | {"operator": operator})
    assert (found.passed, found.value) == (False, 2)


def test_where_people_are_listed_an_owner_is_one_of_them(tmp_path: Path) -> None:
    people = [{"id": "suzuki", "mail": SUZUKI, "roles": ["business"]}, {"id": MORI}, {"id": "ikeda", "mail": IKEDA.upper()}]
    write_yaml(tmp_path / "people.yaml", {"people": people})
    assert fact(tmp_path, "owners", owners=OWNERS).passed
    write_yaml(tmp_path / "people.yaml", {"people": people[:2]})
    assert fact(tmp_path, "owners", owners=OWNERS).value == 2


def test_one_person_under_two_names_is_one_owner(tmp_path: Path) -> None:
    write_yaml(tmp_path / "people.yaml", {"people": [{"id": "suzuki", "mail": SUZUKI}, {"id": "mori", "mail": MORI}]})
    found = fact(tmp_path, "owners", owners={"business": SUZUKI, "technical": MORI, "operator": "suzuki"})
    assert (found.passed, found.value) == (False, 2)


@pytest.mark.parametrize("text", ["people: [", "- just\n- a list\n", "people: 3\n", "", "\udcff"])
def test_a_list_of_people_that_cannot_be_read_lists_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert fact(tmp_path, "owners", owners=OWNERS).value == 0


def question(number: int, **changes: Any) -> str:
    line = {"question": f"質問{number}", "as": SUZUKI, "kind": "answerable", "expect": ["kintone/faq#1"]}
    return json.dumps(line | changes, ensure_ascii=False)


def evaluated(folder: Path, lines: list[str]) -> Fact:
    (folder / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return fact(folder, "evaluation_size", evaluation={"questions": "q.jsonl", "recall_at_5": 0.9})


@pytest.mark.parametrize(("count", "passed"), [(199, False), (200, True), (500, True), (501, False)])
def test_an_evaluation_has_two_hundred_to_five_hundred_questions(tmp_path: Path, count: int, passed: bool) -> None:
    found = evaluated(tmp_path, [question(number) for number in range(count)])
    assert (found.value, found.passed) == (count, passed)


def test_two_hundred_lines_of_anything_are_no_evaluation(tmp_path: Path) -> None:
    assert not evaluated(tmp_path, ["x"] * 200).passed
    assert evaluated(tmp_path, [question(1)] * 200).value == 1, "the same question again is no other question"
    (tmp_path / "q.jsonl").write_bytes(b"\xff\xfe" * 500)
    assert fact(tmp_path, "evaluation_size", evaluation={"questions": "q.jsonl", "recall_at_5": 0.9}).value == 0


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '{"question": "q"}',
        question(1, question=" "),
        question(1, expect="kintone/faq#1"),
        question(1, expect=[]),
        question(1, expect=["somewhere"]),
        question(1, **{"as": ""}),
        question(1, kind="perhaps"),
        question(1, kind="forbidden"),
        question(1, kind="unanswerable"),
    ],
)
def test_one_line_that_is_no_question_fails_the_set_and_is_named(tmp_path: Path, line: str) -> None:
    found = evaluated(tmp_path, [*(question(number) for number in range(2, 250)), line])
    assert not found.passed and "line 249" in found.evidence


def test_questions_that_nothing_answers_or_that_must_not_be_answered_are_questions_too(tmp_path: Path) -> None:
    nothing = question(1, kind="unanswerable", expect=[])
    closed = question(3, kind="forbidden", expect=[], forbidden=["kintone/faq#9"])
    found = evaluated(tmp_path, [nothing, closed, question(2), question(2, **{"as": MORI})])
    assert found.value == 4 and "line" not in found.evidence, "the same words asked as somebody else are another question"


def runbook(folder: Path, text: str) -> Fact:
    (folder / "runbook.md").write_text(text, encoding="utf-8")
    return fact(folder, "runbook", runbook="runbook.md")


SECTIONS = "\n".join(f"## `{code}` のとき\n\n夜間の当番に電話する。\n" for code in RUNBOOK_SECTIONS)


def test_a_runbook_has_a_section_with_text_for_each_code_of_the_morning(tmp_path: Path) -> None:
    assert runbook(tmp_path, SECTIONS).passed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Runbook\n",
        "\n".join(f"## {code}" for code in RUNBOOK_SECTIONS),
        "# Codes\n\n" + ", ".join(RUNBOOK_SECTIONS),
        SECTIONS.replace("seal.unbalanced", "seal.unbalanced_verified"),
        f"```\n{SECTIONS}\n```",
    ],
    ids=["empty", "a title", "headings without text", "codes in passing", "another code", "quoted"],
)
def test_any_file_is_no_runbook(tmp_path: Path, text: str) -> None:
    assert not runbook(tmp_path, text).passed


def test_a_runbook_that_lacks_a_section_says_which(tmp_path: Path) -> None:
    found = runbook(tmp_path, SECTIONS.replace("seal.drift_waiting", "drift"))
    assert found.value == "runbook.md, without seal.drift_waiting"


def test_an_address_proves_no_section_and_the_fact_says_what_to_name_instead(tmp_path: Path) -> None:
    assert runbook(tmp_path, SECTIONS).passed
    found = fact(tmp_path, "runbook", runbook="https://wiki.example/runbook.md")
    assert not found.passed
    assert found.value == (
        "https://wiki.example/runbook.md, an address, which is never fetched: name the file in the project that it serves"
    )


def test_a_runbook_that_is_not_there_or_is_a_folder_fails(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    assert not fact(tmp_path, "runbook", runbook="nowhere.md").passed
    assert not fact(tmp_path, "runbook", runbook="folder.md").passed
    assert fact(tmp_path, "runbook").value == "none"
