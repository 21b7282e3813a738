"""The figures of retrieval and how sure they are: recall, reciprocal rank, Wilson intervals, paired tests. Pure numbers, no index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

#: Normal quantiles: two-sided 95 %, and one-sided 95 % for what a gate asks.
TWO_SIDED, ONE_SIDED = 1.959963984540054, 1.6448536269514722
#: How many first places count: hits below are no hits.
DEPTH = 10


@dataclass(frozen=True)
class Interval:
    """Of a share: both ends between 0 and 1."""

    low: float
    high: float


def wilson(hits: int, n: int, z: float = TWO_SIDED) -> Interval:
    """The Wilson score interval of ``hits`` of ``n`` (E. B. Wilson, 1927); of nothing it is everything, 0 to 1."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return Interval(0.0, 1.0)
    share, square = hits / n, z * z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At the ends the formula gives 0 and 1 exactly, floating point nearly so.
    return Interval(0.0 if hits == 0 else max(0.0, centre - half), 1.0 if hits == n else min(1.0, centre + half))


@dataclass(frozen=True)
class Score:
    """Of ``n`` questions: how many had an expected row among the first 1, 5, 10 pieces, and the mean reciprocal rank within ten.

    ``interval`` is the two-sided 95 % Wilson interval of recall@5, ``lower`` its one-sided 95 % lower bound: what the gate holds to its target.
    """

    n: int
    at1: int
    at5: int
    at10: int
    mrr: float
    interval: Interval
    lower: float

    @property
    def recall1(self) -> float:
        return self.at1 / self.n if self.n else 0.0

    @property
    def recall5(self) -> float:
        return self.at5 / self.n if self.n else 0.0

    @property
    def recall10(self) -> float:
        return self.at10 / self.n if self.n else 0.0


def score(places: Sequence[int]) -> Score:
    """The figures of these places, one a question: the place of its first expected row, 1 for the first, 0 where there is none."""
    n = len(places)
    at5 = _within(places, 5)
    mean = sum(reciprocal(place) for place in places) / n if n else 0.0
    return Score(n, _within(places, 1), at5, _within(places, DEPTH), mean, wilson(at5, n), wilson(at5, n, ONE_SIDED).low)


def reciprocal(place: int) -> float:
    """1 / place within the first ten, else 0."""
    return 1.0 / place if 0 < place <= DEPTH else 0.0


def _within(places: Sequence[int], k: int) -> int:
    return sum(0 < place <= k for place in places)


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided p of McNemar's test (1947): how likely so uneven a split of the questions that changed is, were both alike."""
    changed = wins + losses
    if changed == 0:
        return 1.0
    tail = sum(comb(changed, count) for count in range(min(wins, losses) + 1)) / 2**changed
    return min(1.0, 2 * tail)


def bootstrap_mean(differences: Sequence[float], rounds: int = 4000, seed: int = 20261127) -> Interval:
    """The 95 % percentile interval of the mean of paired differences (B. Efron, 1979). The same differences always give the same interval."""
    import numpy as np

    if not differences:
        return Interval(0.0, 0.0)
    values = np.asarray(differences, np.float64)
    chance = np.random.default_rng(seed)
    means = values[chance.integers(0, len(values), (rounds, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class Separation:
    """How well the best score of an answer tells whether anything answers: below ``threshold`` nothing is said to.

    ``refused`` of ``unanswerable`` and ``withheld`` of ``answerable`` fall below it. ``auc`` is the chance that an answerable question scores
    above an unanswerable one (0.5: the score says nothing).
    """

    threshold: float
    refused: int
    unanswerable: int
    withheld: int
    answerable: int
    auc: float


def separation(answerable: Sequence[float], unanswerable: Sequence[float], threshold: float) -> Separation:
    """What a threshold does to these best scores (0.0 where nothing was found)."""
    pairs = [(one > other) + (one == other) / 2 for one in answerable for other in unanswerable]
    return Separation(
        threshold,
        sum(value < threshold for value in unanswerable),
        len(unanswerable),
        sum(value < threshold for value in answerable),
        len(answerable),
        sum(pairs) / len(pairs) if pairs else 0.5,
    )


def best_threshold(answerable: Sequence[float], unanswerable: Sequence[float]) -> float:
    """The threshold with the highest sum of both rates of right decisions (Youden's J); the lowest of equals, for it withholds least.

    0.0, which withholds nothing, where one of the two kinds was never asked.
    """
    if not answerable or not unanswerable:
        return 0.0

    def right(threshold: float) -> float:
        found = separation(answerable, unanswerable, threshold)
        return found.refused / found.unanswerable - found.withheld / found.answerable

    return max(sorted({0.0, *answerable, *unanswerable}), key=lambda threshold: (round(right(threshold), 12), -threshold))
