"""Readiness facts that the project's files themselves declare: owners, success measure, cost line, runbook, size of the evaluation set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from connectors.errors import FixConfiguration
from pipelines.evidence.facts import Fact
from pipelines.people import FILE as PEOPLE
from pipelines.people import folded, read_people
from pipelines.project import Project

MIN_QUESTIONS, MAX_QUESTIONS = 200, 500
#: What an operator may find in the morning and must find a section for in the runbook: its heading names the code, text stands under it.
RUNBOOK_SECTIONS = (
    "seal.slot_missed",
    "seal.pull_failed",
    "seal.check_failed",
    "seal.unbalanced",
    "seal.drift_waiting",
    "gate.suspended_by",
)
_NOBODY = frozenset({"", "-", "?", "n/a", "na", "nobody", "none", "tba", "tbd", "todo", "x", "なし", "未定"})
_HEADING = re.compile(r"#{1,6}\s+(.*)")


def declared_facts(project: Project, index: str, now: datetime) -> tuple[Fact, ...]:
    """What the project's files say about ``index``, as facts. What they do not say is a fact that fails, so that the gate can name it.

    A file that cannot be read counts as absent; nothing here is believed for its name alone.
    """
    spec = project.index(index)
    where = f"project.yaml indexes.{index}"
    owners = named_owners(project, (spec.owners.business, spec.owners.technical, spec.owners.operator))
    questions, broken = questions_of(project.folder / spec.evaluation.questions) if spec.evaluation else (0, 0)
    runbook, whole = _runbook(project, spec.runbook)
    return (
        Fact(index, "owners", len(owners), "persons", 3, len(owners) == 3, f"{where}.owners", now),
        Fact(
            index,
            "success_measure",
            spec.success.target if spec.success else "none",
            spec.success.unit if spec.success else "",
            "a number with a unit",
            spec.success is not None and bool(spec.success.unit.strip()),
            f"{where}.success",
            now,
        ),
        Fact(
            index,
            "cost_line",
            spec.cost.line if spec.cost else "none",
            "",
            "a named line",
            spec.cost is not None and bool(spec.cost.line.strip()),
            f"{where}.cost",
            now,
        ),
        Fact(
            index,
            "evaluation_size",
            questions,
            "questions",
            f"{MIN_QUESTIONS} to {MAX_QUESTIONS}",
            not broken and MIN_QUESTIONS <= questions <= MAX_QUESTIONS,
            f"{where}.evaluation" + (f": line {broken} is no question with its expected answer" if broken else ""),
            now,
        ),
        Fact(index, "runbook", runbook, "", "a section for each code of the morning", whole, f"{where}.runbook", now),
    )


def access_fact(index: str, share: float, release: str, now: datetime) -> Fact:
    """On how many of a candidate's chunks access is resolved; the gate wants all of them."""
    return Fact(index, "access_coverage", round(share, 6), "share", 1.0, share >= 1.0, f"release {release}", now)


def changed(facts: Iterable[Fact], known: Iterable[Fact]) -> list[Fact]:
    """Those facts whose value or verdict differs from what the ledger already knows: the ledger is not a heartbeat. What is known from a later
    instant than now was measured by a clock that was ahead, and is measured again."""
    before = {fact.name: fact for fact in known}

    def same(fact: Fact, then: Fact) -> bool:
        told = (then.value, then.limit, then.passed, then.evidence) == (fact.value, fact.limit, fact.passed, fact.evidence)
        return told and then.measured_at <= fact.measured_at

    return [fact for fact in facts if fact.name not in before or not same(fact, before[fact.name])]


def named_owners(project: Project, owners: Iterable[str]) -> frozenset[str]:
    """The different persons among ``owners``: those of people.yaml where the project has one (by ``mail`` or ``id``, which are one person), else
    real-looking names. A people.yaml that cannot be read lists nobody."""
    named = {name for owner in owners if (name := folded(owner)) not in _NOBODY and any(mark.isalpha() for mark in name)}
    if not (project.folder / PEOPLE).exists():
        return frozenset(named)
    try:
        people = read_people(project.folder)
    except FixConfiguration:
        return frozenset()
    return frozenset(person.id for name in named if (person := people.who(name)) is not None)


def questions_of(path: Path) -> tuple[int, int]:
    """How many different questions a JSONL file asks, and the number of the first line that is none (0: all are).

    A line is an object with ``question`` and ``as`` (text), and what should come of it: ``expect`` (row ids) where ``kind`` is answerable,
    ``forbidden`` (row ids) where it is forbidden, nothing where it is unanswerable. The same words asked as somebody else are another
    question. An examination reads each line more closely (``fortnight index evaluate``).
    """
    asked: set[tuple[str, str]] = set()
    broken = 0
    for number, line in enumerate((_text(path) or "").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found: object = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        told = cast(Mapping[str, Any], found) if isinstance(found, dict) else {}
        question, person = told.get("question"), told.get("as")
        if isinstance(question, str) and question.strip() and isinstance(person, str) and person.strip() and _says_what_should_come(told):
            asked.add((folded(question), folded(person)))
        else:
            broken = broken or number
    return len(asked), broken


def lacking_sections(path: Path) -> tuple[str, ...]:
    """Which of the sections a runbook (Markdown) must have it lacks: no heading names the code, or no text stands under it."""
    written: dict[str, bool] = {}
    heading, fenced = "", False
    for line in (_text(path) or "").splitlines():
        fenced ^= line.lstrip().startswith("```")
        found = None if fenced else _HEADING.match(line)
        if found:
            heading = found[1]
        elif heading and line.strip(" `"):
            written[heading] = True
    return tuple(
        code for code in RUNBOOK_SECTIONS if not any(re.search(rf"(?<![\w.]){re.escape(code)}(?![\w.])", title) for title in written)
    )


def is_address(runbook: str) -> bool:
    """Whether a runbook is named by its address. What stands there is never fetched, so it proves no section: readiness must not hang on what
    somebody's server says in the moment, and the ledger could not show later what it said."""
    return "://" in runbook


def _runbook(project: Project, given: str) -> tuple[str, bool]:
    """What is said of a runbook, and whether it has every section it must have."""
    if not given:
        return "none", False
    if is_address(given):
        return f"{given}, an address, which is never fetched: name the file in the project that it serves", False
    lacking = lacking_sections(project.folder / given)
    return (f"{given}, without {', '.join(lacking)}", False) if lacking else (given, True)


def _says_what_should_come(told: Mapping[str, Any]) -> bool:
    kind = told.get("kind")
    rows: object = told.get({"answerable": "expect", "forbidden": "forbidden"}.get(str(kind), ""))
    if kind == "unanswerable":
        return not told.get("expect")
    named = cast("list[object]", rows) if isinstance(rows, list) else []
    return bool(named) and all(isinstance(row, str) and "#" in row for row in named)


def _text(path: Path) -> str | None:
    """The file's text; None where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError):
        return None
