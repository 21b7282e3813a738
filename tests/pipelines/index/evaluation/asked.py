"""Questions and answers made by hand, for figures that can be counted on fingers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.index.evaluation.examination import Answered, Piece, Report, Standing, examine
from pipelines.index.evaluation.questions import Question
from pipelines.index.store import FilterMode


def question(name: str, *expect: str, forbidden: Sequence[str] = (), slices: Sequence[str] = (), **changes: Any) -> Question:
    """A question that ``expect`` answers; without, it is forbidden or, without those rows too, unanswerable."""
    line: dict[str, Any] = {
        "id": name,
        "question": f"質問 {name}",
        "lang": "ja",
        "as": "misaki.sato@sakura-seiki.example",
        "kind": "answerable" if expect else "forbidden" if forbidden else "unanswerable",
        "expect": tuple(f"kintone/faq#{row}" for row in expect),
        "slices": tuple(slices),
        "forbidden": tuple(f"kintone/faq#{row}" for row in forbidden),
    }
    return Question.model_validate(line | changes)


class Scripted:
    """Answers by question id with these rows in order; every row is readable today unless ``standings`` says otherwise."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        standings: Mapping[str, Standing] | None = None,
        exact: Mapping[str, Sequence[str]] | None = None,
        visible: int = 50,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        self._answers, self._standings, self._exact = answers, standings or {}, exact
        self._visible, self._scores = visible, scores or {}

    def _answered(self, rows: Sequence[str], mode: FilterMode, name: str) -> Answered:
        best = self._scores.get(name, 1.0)
        pieces = tuple(Piece(f"c-{row}", f"kintone/faq#{row}", row, best / (at + 1)) for at, row in enumerate(rows))
        return Answered(pieces, self._visible, 100, mode, best if rows else 0.0)

    def ask(self, question: str, person: str, k: int) -> Answered:
        name = question.removeprefix("質問 ")
        return self._answered(self._answers.get(name, ())[:k], "exact" if self._exact is None else "ann", name)

    def exactly(self, question: str, person: str, k: int) -> Answered:
        name = question.removeprefix("質問 ")
        return self._answered((self._exact or {}).get(name, ())[:k], "exact", name)

    def standing(self, row: str, person: str) -> Standing:
        return self._standings.get(row.removeprefix("kintone/faq#"), "readable")


def found_at(places: Mapping[str, int]) -> Report:
    """A report in which each question's one row stands at that place (0: nowhere)."""
    questions = [question(name, "gold") for name in places]
    answers = {name: [*(f"x{n}" for n in range(at - 1)), "gold"] if at else ["x"] for name, at in places.items()}
    return examine(questions, Scripted(answers))
