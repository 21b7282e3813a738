"""The evaluation set: one question a line, who asks it, what should answer it. Which part a question belongs to follows from its id."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.errors import FixConfiguration

Part = Literal["dev", "test"]
Kind = Literal["answerable", "unanswerable", "forbidden"]
_ROW = r"^[^/#\s]+/[^/#\s]+#.+$"
_SLICE = r"^[a-z][a-z0-9-]*$"


class Question(BaseModel):
    """One line. ``expect`` are row ids (``<stream>#<key>``) any of which answers it; ``forbidden`` are rows that may never be shown to ``as_``.

    ``kind`` says whether the documents answer it (``answerable``), none does (``unanswerable``), or one does that the asker may not read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str = Field(min_length=1)
    question: str = Field(min_length=1, max_length=2000)
    lang: Literal["ja", "en"]
    as_: str = Field(alias="as", min_length=1)
    kind: Kind
    expect: tuple[str, ...]
    slices: tuple[str, ...] = ()
    answer: str = ""
    note: str = ""
    forbidden: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Question:
        import re

        if not self.question.strip() or not self.as_.strip() or not self.id.strip():
            raise ValueError("id, question and as must not be blank")
        if (self.kind == "answerable") != bool(self.expect):
            raise ValueError("expect names rows where kind is answerable, and only there")
        if self.kind == "forbidden" and not self.forbidden:
            raise ValueError("a forbidden question names in forbidden what must not be shown")
        for row in (*self.expect, *self.forbidden):
            if not re.fullmatch(_ROW, row):
                raise ValueError(f"{row!r} is no row id of the form <system>/<stream>#<key>")
        for name in self.slices:
            if not re.fullmatch(_SLICE, name):
                raise ValueError(f"{name!r} is no slice: lower-case letters, digits and hyphens")
        if both := set(self.expect) & set(self.forbidden):
            raise ValueError(f"{sorted(both)[0]} is both expected and forbidden")
        return self

    @property
    def named_slices(self) -> tuple[str, ...]:
        """Its language, then its other slices."""
        return tuple(dict.fromkeys((self.lang, *self.slices)))

    def line(self) -> str:
        """As it stands in the file, without the line's end. ``forbidden`` is left out where there is none."""
        told = self.model_dump(mode="json", by_alias=True)
        if not self.forbidden:
            del told["forbidden"]
        return json.dumps(told, ensure_ascii=False)


@dataclass(frozen=True)
class QuestionSet:
    """All questions in the file's order. ``sha256`` is of the questions as read, whatever their spacing in the file."""

    questions: tuple[Question, ...]
    sha256: str

    def part(self, part: Part) -> tuple[Question, ...]:
        """The questions of a part, in the file's order."""
        dev = dev_ids(question.id for question in self.questions)
        return tuple(question for question in self.questions if (question.id in dev) == (part == "dev"))


def id_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def dev_ids(ids: Iterable[str]) -> frozenset[str]:
    """The third of these ids, rounded down, with the smallest SHA-256."""
    every = sorted(ids, key=id_hash)
    return frozenset(every[: len(every) // 3])


def read_questions(path: Path) -> QuestionSet:
    """The evaluation set at ``path``. Raises FixConfiguration naming the first line that is no question, or that repeats another one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FixConfiguration("evaluation.no_file", path=str(path), reason=_short(str(error))) from error
    return parse_questions(text, path)


def parse_questions(text: str, path: Path) -> QuestionSet:
    """``read_questions`` for what stands, or is to stand, at ``path``."""
    found: list[Question] = []
    lines: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            question = Question.model_validate(_object(line))
        except (ValueError, RecursionError) as error:
            raise FixConfiguration("evaluation.bad_line", path=str(path), line=number, reason=_reason(error)) from None
        for mark in ((question.id,), _asking(question)):
            before = lines.setdefault(mark, number)
            if before != number:
                raise FixConfiguration("evaluation.repeated", path=str(path), line=number, before=before, id=question.id)
        found.append(question)
    if not found:
        raise FixConfiguration("evaluation.empty", path=str(path))
    digest = hashlib.sha256("\n".join(question.line() for question in found).encode()).hexdigest()
    return QuestionSet(tuple(found), digest)


def next_id(questions: Sequence[Question]) -> str:
    """An id for one more question, counted on from the last one, under which no question changes its part."""
    prefix, number, width = _counted(questions[-1].id)
    taken = {question.id for question in questions}
    dev = dev_ids(taken)
    while True:
        number += 1
        name = f"{prefix}{number:0{width}d}"
        if name not in taken and dev_ids(taken | {name}) - {name} == dev:
            return name


def _counted(name: str) -> tuple[str, int, int]:
    digits = len(name) - len(name.rstrip("0123456789"))
    return (name[:-digits], int(name[-digits:]), digits) if digits else (f"{name}-", 0, 4)


def _object(line: str) -> dict[str, object]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("the line is no JSON object")
    return found


def _asking(question: Question) -> tuple[str, ...]:
    """The same words asked as another person are another question: one may read the answer, one may not."""
    return " ".join(unicodedata.normalize("NFKC", question.question).casefold().split()), question.as_.strip().casefold()


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        return _short(f"{place}: {first['msg']}" if place else str(first["msg"]))
    return _short(str(error) or type(error).__name__)


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
