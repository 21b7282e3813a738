"""One examination: every question asked as its person, and what that says of the release. Whoever answers stands behind a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pipelines.index.evaluation.figures import DEPTH, Score, Separation, score, separation
from pipelines.index.evaluation.questions import Question
from pipelines.index.store import FilterMode

#: Up to this share of the answerable questions may be stale or unreadable; with more the set speaks of another company than today's.
MOST_APART = 0.1
#: How many of the worst questions a report names.
WORST = 10
#: Upper ends of the bands of visibility, as shares of all chunks, each with its name.
BANDS = ((0.01, "under 1 %"), (0.1, "1 to 10 %"), (0.4, "10 to 40 %"), (1.0, "over 40 %"))

#: What today's access says of a row and a person.
Standing = Literal["readable", "unreadable", "gone"]


@dataclass(frozen=True)
class Piece:
    """One piece of an answer, in its place: the row it comes from, its fused score."""

    chunk: str
    row: str
    title: str
    score: float


@dataclass(frozen=True)
class Answered:
    """An answer as the person got it. ``visible`` of ``chunks`` may be read by them; ``mode`` is how they were searched.

    ``best`` is what the search has to say of how well it fits: the higher, the likelier something answers. 0.0 where nothing was found.
    """

    pieces: tuple[Piece, ...]
    visible: int
    chunks: int
    mode: FilterMode
    best: float


class Answerer(Protocol):
    """Answers as serving does. ``exactly`` asks again with every visible chunk compared."""

    def ask(self, question: str, person: str, k: int) -> Answered: ...
    def exactly(self, question: str, person: str, k: int) -> Answered: ...
    def standing(self, row: str, person: str) -> Standing: ...


@dataclass(frozen=True)
class Asked:
    """A question and what came of it: ``place`` of the first expected row (0: not among the ten), rows shown that are forbidden.

    ``apart`` says why an answerable question does not count: its rows are ``gone``, or its person may read none of them (``unreadable``).
    """

    question: Question
    answered: Answered
    place: int
    leaked: tuple[str, ...]
    apart: Literal["", "gone", "unreadable"]

    @property
    def counts(self) -> bool:
        return self.question.kind == "answerable" and not self.apart


@dataclass(frozen=True)
class Band:
    """Questions whose askers see such a share of the chunks. Of ``approximate`` ones, ``kept`` of ``wanted`` pieces of the exact answer came."""

    name: str
    questions: int
    approximate: int
    kept: int
    wanted: int

    @property
    def recall(self) -> float | None:
        """Of the approximate search against the exact one; None where none was approximate."""
        return self.kept / self.wanted if self.wanted else None


@dataclass(frozen=True)
class Report:
    """What an examination found. ``score`` and ``slices`` are over the answerable questions that count; ``unanswered`` is None without both kinds."""

    asked: tuple[Asked, ...]
    score: Score
    slices: Mapping[str, Score]
    bands: tuple[Band, ...]
    unanswered: Separation | None

    @property
    def leaks(self) -> tuple[Asked, ...]:
        return tuple(one for one in self.asked if one.leaked)

    @property
    def apart(self) -> tuple[Asked, ...]:
        """Answerable questions that were not counted."""
        return tuple(one for one in self.asked if one.apart)

    @property
    def speaks(self) -> bool:
        """Whether enough of the answerable questions counted for the figures to mean anything."""
        answerable = self.score.n + len(self.apart)
        return bool(self.score.n) and len(self.apart) <= MOST_APART * answerable

    def reaches(self, target: float) -> bool:
        """No leak, a set that speaks, and a share of recall@5 at the target or above."""
        return not self.leaks and self.speaks and self.score.recall5 >= target

    def surely(self, target: float) -> bool:
        """``reaches``, with the one-sided 95 % lower bound at the target, too."""
        return self.reaches(target) and self.score.lower >= target

    def worst(self, most: int = WORST) -> tuple[Asked, ...]:
        """Leaks first, then counted questions by place, those not found at all before those found late; found first is not bad at all."""
        missed = sorted((one for one in self.asked if one.counts and one.place != 1), key=lambda one: -(one.place or DEPTH + 1))
        return (*self.leaks, *(one for one in missed if not one.leaked))[:most]


def examine(
    questions: Sequence[Question], answerer: Answerer, threshold: float = 0.0, progress: Callable[[int, int], None] | None = None
) -> Report:
    """Ask each question as its person, ten pieces deep. ``threshold`` is the best score below which nothing is said to answer."""
    asked: list[Asked] = []
    again: dict[int, Answered] = {}
    for number, question in enumerate(questions):
        answered = answerer.ask(question.question, question.as_, DEPTH)
        asked.append(_judged(question, answered, answerer))
        if answered.mode == "ann":
            again[number] = answerer.exactly(question.question, question.as_, DEPTH)
        if progress:
            progress(number + 1, len(questions))
    return report(asked, again, threshold)


def report(asked: Sequence[Asked], exact: Mapping[int, Answered], threshold: float) -> Report:
    """The figures of what was asked; ``exact`` holds, by number, the exact answers to questions that were searched approximately."""
    counted = [one for one in asked if one.counts]
    names = dict.fromkeys(name for one in counted for name in one.question.named_slices)
    slices = {name: score([one.place for one in counted if name in one.question.named_slices]) for name in sorted(names)}
    nothing = [one.answered.best for one in asked if one.question.kind == "unanswerable"]
    something = [one.answered.best for one in counted]
    both = separation(something, nothing, threshold) if nothing and something else None
    return Report(tuple(asked), score([one.place for one in counted]), slices, _bands(asked, exact), both)


def place_of(expected: Sequence[str], pieces: Sequence[Piece]) -> int:
    """The place of the first piece of an expected row, 1 for the first; 0 where there is none."""
    return next((place for place, piece in enumerate(pieces, start=1) if piece.row in expected), 0)


def _judged(question: Question, answered: Answered, answerer: Answerer) -> Asked:
    standings = {answerer.standing(row, question.as_) for row in question.expect}
    apart: Literal["", "gone", "unreadable"] = ""
    if question.kind == "answerable" and "readable" not in standings:
        apart = "unreadable" if "unreadable" in standings else "gone"
    shown = {piece.row for piece in answered.pieces}
    leaked = tuple(row for row in question.forbidden if row in shown)
    return Asked(question, answered, place_of(question.expect, answered.pieces), leaked, apart)


def _bands(asked: Sequence[Asked], exact: Mapping[int, Answered]) -> tuple[Band, ...]:
    found: list[Band] = []
    low = 0.0
    for high, name in BANDS:
        within = [
            (number, one)
            for number, one in enumerate(asked)
            if one.answered.visible and low < one.answered.visible / max(1, one.answered.chunks) <= high
        ]
        pairs = [(one.answered.pieces, exact[number].pieces) for number, one in within if number in exact]
        kept = sum(len({piece.chunk for piece in ours} & {piece.chunk for piece in theirs}) for ours, theirs in pairs)
        found.append(Band(name, len(within), len(pairs), kept, sum(len(theirs) for _, theirs in pairs)))
        low = high
    return tuple(found)
