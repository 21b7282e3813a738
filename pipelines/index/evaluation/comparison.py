"""Two releases on the same questions: what one finds and the other does not, and whether that can be chance."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.index.evaluation.examination import Asked, Report
from pipelines.index.evaluation.figures import Interval, bootstrap_mean, mcnemar, reciprocal

#: Below this a difference is no chance.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """``after`` against ``before`` over the questions that count for both.

    ``won`` are found among the first five only after, ``lost`` only before; ``p`` is McNemar's for that split. ``mrr`` is the mean difference
    in reciprocal rank and ``interval`` its 95 % bootstrap interval. ``leaks`` are questions under which the later one shows what is forbidden.
    """

    n: int
    won: tuple[Asked, ...]
    lost: tuple[Asked, ...]
    p: float
    mrr: float
    interval: Interval
    leaks: tuple[Asked, ...]

    @property
    def worse(self) -> bool:
        """It leaks, or finds significantly less, or finds it significantly later."""
        fewer = len(self.lost) > len(self.won) and self.p < SIGNIFICANT
        return bool(self.leaks) or fewer or self.interval.high < 0


def compare(before: Report, after: Report) -> Comparison:
    """Pair two reports of the same questions. Raises ValueError where they are not of the same questions."""
    if [one.question for one in before.asked] != [one.question for one in after.asked]:
        raise ValueError("the reports are of different questions")
    pairs = [(old, new) for old, new in zip(before.asked, after.asked, strict=True) if old.counts and new.counts]
    differences = [reciprocal(new.place) - reciprocal(old.place) for old, new in pairs]
    won = tuple(new for old, new in pairs if _found(new) and not _found(old))
    lost = tuple(new for old, new in pairs if _found(old) and not _found(new))
    mean = sum(differences) / len(differences) if differences else 0.0
    return Comparison(len(pairs), won, lost, mcnemar(len(won), len(lost)), mean, bootstrap_mean(differences), after.leaks)


def _found(one: Asked) -> bool:
    return 0 < one.place <= 5
