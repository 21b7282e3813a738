"""A change is priced in who relies on it: indexes by the columns they show, questions by where their answer stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_contract, write_yaml

from connectors.errors import FixConfiguration
from expectations.changes import Change
from pipelines.consumers import columns_of, uses
from pipelines.project import Project, load

STREAM = "kintone/faq"
QUESTIONS: list[dict[str, Any]] = [
    {"id": "q1", "question": "?", "expect": [f"{STREAM}#1"], "fields": ["answer"]},
    {"id": "q2", "question": "?", "expect": [f"{STREAM}#2", "kintone/orders#7"]},
    {"id": "q3", "question": "?", "expect": ["kintone/orders#2"]},
    {"id": "q4", "question": "?", "expect": []},
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    index = {"streams": [STREAM], "evaluation": {"questions": "evaluation/support.jsonl", "recall_at_5": 0.9}}
    write_yaml(
        tmp_path / "project.yaml",
        {
            "name": "priced",
            "environment": "staging",
            "systems": {"kintone": {"kind": "kintone", "base_url": "https://k.example"}},
            "indexes": {"support": index, "other": {"streams": ["kintone/orders"]}},
        },
    )
    write_contract(
        load(tmp_path),
        {
            "stream": STREAM,
            "version": 1,
            "source": {},
            "key": ["id"],
            "fields": [{"name": name, "source": source, "type": "string"} for name, source in COLUMNS.items()],
            "document": {"title": "question", "body": ["answer"]},
        },
    )
    (tmp_path / "evaluation").mkdir()
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in QUESTIONS)
    (tmp_path / "evaluation" / "support.jsonl").write_text(lines, encoding="utf-8")
    return load(tmp_path)


COLUMNS = {"id": "$id", "question": "質問", "answer": "回答", "memo": "備考"}


def price(project: Project, *changes: Change) -> list[tuple[str, tuple[str, ...], tuple[str, ...], int]]:
    contract = project.contract(STREAM)
    return [(use.index, use.columns, use.questions, use.asked) for use in uses(project, contract, columns_of(contract, changes))]


def change(kind: Any, path: str, policy: Any = "stop") -> Change:
    return Change(kind, path, "", path, "", policy)


def test_a_field_that_documents_show_costs_the_questions_answered_from_it(project: Project) -> None:
    assert price(project, change("removed", "回答")) == [("support", ("answer",), ("q1", "q2"), 4)]
    assert price(project, change("removed", "質問")) == [("support", ("question",), ("q2",), 4)]


def test_a_field_that_only_the_template_of_documents_names_is_shown_too(project: Project) -> None:
    contract = project.contract(STREAM)
    assert contract.document is not None
    told = contract.model_copy(update={"document": contract.document.model_copy(update={"template": "Mind: {memo}"})})
    assert [(use.index, use.columns, use.questions) for use in uses(project, told, ["memo"])] == [("support", ("memo",), ("q2",))]


def test_a_field_that_nobody_shows_and_no_question_names_costs_nothing(project: Project) -> None:
    assert price(project, change("removed", "備考")) == []


def test_a_new_field_costs_nothing_and_another_source_costs_all(project: Project) -> None:
    assert price(project, change("added", "新項目", "report")) == []
    assert price(project, change("address", "app_id")) == [("support", ("question", "answer"), ("q1", "q2"), 4)]


def test_a_field_inside_of_a_table_is_its_tables_column(project: Project) -> None:
    assert columns_of(project.contract(STREAM), [change("removed", "回答.数量")]) == {"answer"}


@pytest.mark.parametrize(("line", "code"), [("{", "evaluation.not_json"), ('{"question": "?"}', "evaluation.invalid")])
def test_a_question_that_cannot_be_read_is_named_with_its_line(project: Project, line: str, code: str) -> None:
    path = project.folder / "evaluation" / "support.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + "\n" + line, encoding="utf-8")
    with pytest.raises(FixConfiguration) as error:
        price(project, change("removed", "回答"))
    assert error.value.code == code and "support.jsonl:5" in error.value.say("en")


def test_where_there_are_no_questions_yet_indexes_are_told_all_the_same(project: Project) -> None:
    (project.folder / "evaluation" / "support.jsonl").unlink()
    assert price(project, change("removed", "回答")) == [("support", ("answer",), (), 0)]
