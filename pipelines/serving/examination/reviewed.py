"""A real question, reviewed by a person, becomes one more line of the evaluation set. Lines that stand there are never touched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.index.chunks import language
from pipelines.index.evaluation.questions import Kind, Part, Question, next_id, parse_questions, read_questions
from pipelines.project import Project
from pipelines.serving.audit.log import audit_of
from pipelines.serving.desk import as_person
from pipelines.serving.examination.evaluate import questions_path
from pipelines.serving.examination.examiner import Access, standing_of, todays_access


@dataclass(frozen=True)
class Draft:
    """What a reviewer says of a question. What ``trace`` (of the retrieval audit) knows need not be said: its words and who asked."""

    reviewer: str
    kind: Kind = "answerable"
    expect: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    answer: str = ""
    question: str = ""
    person: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Added:
    """The line that was added, the part it belongs to, and how many questions there are now."""

    question: Question
    part: Part
    count: int
    path: Path


def add_question(project: Project, index: str, draft: Draft) -> Added:
    """Append a reviewed question under an id that moves no other question to another part.

    Raises FixConfiguration for what is incomplete or repeats a line, AnswerIsNo for a trace the audit does not hold, and for a row that is
    gone, that is expected and closed to the asker, or forbidden and open to them.
    """
    if not draft.reviewer.strip():
        raise FixConfiguration("eval.no_reviewer")
    path = questions_path(project, index)
    known = read_questions(path)
    words, person = _asked(project, index, draft)
    note = f"reviewed by {draft.reviewer.strip()}" + (f", trace {draft.trace}" if draft.trace else "")
    try:
        question = Question.model_validate(
            {
                "id": next_id(known.questions),
                "question": words,
                "lang": "ja" if language(words) == "ja" else "en",
                "as": person,
                "kind": draft.kind,
                "expect": draft.expect,
                "slices": draft.slices,
                "answer": draft.answer,
                "note": note,
                "forbidden": draft.forbidden,
            }
        )
    except ValidationError as error:
        raise FixConfiguration("eval.bad_question", reason=str(error.errors()[0]["msg"])) from None
    _judge(question, todays_access(project, index))
    before = path.read_text(encoding="utf-8")
    line = ("" if before.endswith("\n") else "\n") + question.line() + "\n"
    every = parse_questions(before + line, path)
    # Appended in one write: whatever else is being appended, no line lands inside another.
    with path.open("ab", buffering=0) as target:
        target.write(line.encode())
    part: Part = "dev" if any(each.id == question.id for each in every.part("dev")) else "test"
    return Added(question, part, len(every.questions), path)


def _asked(project: Project, index: str, draft: Draft) -> tuple[str, str]:
    """The question's words and who asks it: as said, else as the trace has it."""
    words, person = draft.question.strip(), draft.person.strip()
    if draft.trace:
        found = [row for row in audit_of(project).find(draft.trace) if row["action"] == "search"]
        if not found or found[0]["index"] != index:
            raise AnswerIsNo("eval.no_trace", trace=draft.trace)
        words, person = words or found[0]["query"] or "", person or found[0]["person"] or ""
        if not words:
            raise AnswerIsNo("eval.no_words", trace=draft.trace)
    if not words or not person:
        raise FixConfiguration("eval.nothing_asked")
    return words, person


def _judge(question: Question, access: Access) -> None:
    """Today's access must bear out what the line says of its rows."""
    asker = as_person(question.as_, access.directories, access.read_at, "", "fortnight eval add")
    for row in (*question.expect, *question.forbidden):
        standing = standing_of(access.overlay, row, asker)
        if standing == "gone":
            raise AnswerIsNo("eval.row_gone", row=row)
        if standing == "unreadable" and row in question.expect:
            raise AnswerIsNo("eval.row_unreadable", row=row, person=question.as_)
        if standing == "readable" and row in question.forbidden:
            raise AnswerIsNo("eval.row_readable", row=row, person=question.as_)
