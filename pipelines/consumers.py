"""Who relies on a column: which indexes show it in their documents, and which evaluation questions are answered from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import FixConfiguration
from connectors.validation import first_fault
from expectations.changes import Change
from expectations.contract import Contract
from pipelines.project import Project


class Question(BaseModel):
    """One line of ``evaluation/<index>.jsonl``, as far as it tells what the answer rests on.

    ``expect`` are rows that answer, as ``<stream>#<key>``; ``fields`` the columns of them that do, where the question's writer named them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    expect: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """An index whose documents show one of the columns, and its questions (ids) whose expected source is there, of ``asked`` in all."""

    index: str
    columns: tuple[str, ...]
    questions: tuple[str, ...]
    asked: int


def columns_of(contract: Contract, changes: Iterable[Change]) -> frozenset[str]:
    """The columns that changes concern: those that read the fields they name, or all where what changed is no field."""
    names = {field.source: field.name for field in contract.fields}
    found: set[str] = set()
    for change in changes:
        if change.kind == "added":
            continue
        source = next((one for one in names if change.path == one or change.path.startswith(one + ".")), None)
        found |= {names[source]} if source is not None else set(names.values()) if change.effect != "none" else set()
    return frozenset(found)


def uses(project: Project, contract: Contract, columns: Iterable[str]) -> tuple[Use, ...]:
    """Every index that is built from the stream and shows one of these columns. Raises FixConfiguration for questions that can't be read."""
    wanted = frozenset(columns)
    shown = _shown(contract)
    found: list[Use] = []
    for name, spec in project.file.indexes.items():
        if contract.stream not in spec.streams:
            continue
        questions = _questions(project, spec.evaluation.questions) if spec.evaluation else ()
        here = tuple(field.name for field in contract.fields if field.name in wanted & shown)
        asked = tuple(one.id for one in questions if _rests_on(one, contract, wanted, shown))
        if here or asked:
            found.append(Use(name, here, asked, len(questions)))
    return tuple(found)


def _rests_on(question: Question, contract: Contract, wanted: frozenset[str], shown: frozenset[str]) -> bool:
    expected = any(row.partition("#")[0] == contract.stream for row in question.expect)
    return expected and bool(wanted & (frozenset(question.fields) or shown))


def _shown(contract: Contract) -> frozenset[str]:
    """The columns that stand in the stream's documents, or name the files behind them."""
    names = set(contract.document.columns) if contract.document else set[str]()
    if contract.content:
        names.add(contract.content.ref)
    return frozenset(names)


def _questions(project: Project, place: str) -> tuple[Question, ...]:
    path = project.folder / place
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        # Whether there are questions at all is the gate's to ask.
        return ()
    found: list[Question] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Question.model_validate(json.loads(line)))
        except ValidationError as error:
            where, reason = first_fault(error, Question)
            raise FixConfiguration("evaluation.invalid", path=f"{path}:{number}", place=where, reason=reason) from error
        except json.JSONDecodeError as error:
            raise FixConfiguration("evaluation.not_json", path=f"{path}:{number}", reason=error.msg) from error
    return tuple(found)
