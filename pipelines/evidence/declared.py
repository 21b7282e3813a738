"""Readiness facts that the project file itself declares: owners, success measure, cost line, runbook, size of the evaluation set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipelines.evidence.facts import Fact
from pipelines.project import Project

MIN_QUESTIONS, MAX_QUESTIONS = 200, 500


def declared_facts(project: Project, index: str, now: datetime) -> tuple[Fact, ...]:
    """What project.yaml says about ``index``, as facts. What it does not say is a fact that fails, so that the gate can name it."""
    spec = project.index(index)
    named = [owner for owner in (spec.owners.business, spec.owners.technical, spec.owners.operator) if owner]
    questions = _questions(project, spec.evaluation.questions) if spec.evaluation else 0
    where = f"project.yaml indexes.{index}"
    runbook = bool(spec.runbook) and (project.folder / spec.runbook).is_file()
    return (
        Fact(index, "owners", len(set(named)), "persons", 3, len(set(named)) == 3, f"{where}.owners", now),
        Fact(
            index,
            "success_measure",
            spec.success.target if spec.success else "none",
            spec.success.unit if spec.success else "",
            "a number with a unit",
            spec.success is not None and bool(spec.success.unit),
            f"{where}.success",
            now,
        ),
        Fact(
            index,
            "cost_line",
            spec.cost.line if spec.cost else "none",
            "",
            "a named line",
            spec.cost is not None and bool(spec.cost.line),
            f"{where}.cost",
            now,
        ),
        Fact(
            index,
            "evaluation_size",
            questions,
            "questions",
            f"{MIN_QUESTIONS} to {MAX_QUESTIONS}",
            MIN_QUESTIONS <= questions <= MAX_QUESTIONS,
            f"{where}.evaluation",
            now,
        ),
        Fact(index, "runbook", spec.runbook or "none", "", "a file", runbook, f"{where}.runbook", now),
    )


def access_fact(index: str, share: float, release: str, now: datetime) -> Fact:
    """On how many of a candidate's chunks access is resolved; the gate wants all of them."""
    return Fact(index, "access_coverage", round(share, 6), "share", 1.0, share >= 1.0, f"release {release}", now)


def changed(facts: Iterable[Fact], known: Iterable[Fact]) -> list[Fact]:
    """Those facts whose value or verdict differs from what the ledger already knows: the ledger is not a heartbeat."""
    before = {fact.name: (fact.value, fact.limit, fact.passed, fact.evidence) for fact in known}
    return [fact for fact in facts if before.get(fact.name) != (fact.value, fact.limit, fact.passed, fact.evidence)]


def _questions(project: Project, path: str) -> int:
    found = project.folder / path
    if not found.is_file():
        return 0
    return sum(1 for line in found.read_text(encoding="utf-8").splitlines() if line.strip())
