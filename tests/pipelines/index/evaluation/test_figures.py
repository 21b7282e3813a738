"""The figures: right against an independent implementation, sure as they say, the same every time."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.evaluation.figures import (
    ONE_SIDED,
    best_threshold,
    bootstrap_mean,
    mcnemar,
    reciprocal,
    score,
    separation,
    wilson,
)

PLACES = st.lists(st.integers(0, 10), min_size=1, max_size=60)


@given(PLACES)
def test_recall_and_reciprocal_rank_agree_with_an_implementation_of_others(places: list[int]) -> None:
    import ir_measures
    from ir_measures import RR, Qrel, ScoredDoc, Success

    qrels = [Qrel(str(n), "gold", 1) for n in range(len(places))]
    run = [ScoredDoc(str(n), "gold" if at == place else f"x{at}", 11.0 - at) for n, place in enumerate(places) for at in range(1, 11)]
    theirs = ir_measures.calc_aggregate([Success @ 1, Success @ 5, Success @ 10, RR @ 10], qrels, run)
    ours = score(places)
    assert (ours.recall1, ours.recall5, ours.recall10) == pytest.approx((theirs[Success @ 1], theirs[Success @ 5], theirs[Success @ 10]))
    assert ours.mrr == pytest.approx(theirs[RR @ 10])


@pytest.mark.parametrize(("n", "least"), [(200, 187), (300, 279), (400, 370), (500, 462)])
def test_the_least_number_of_hits_whose_lower_bound_is_nine_tenths(n: int, least: int) -> None:
    assert wilson(least, n, ONE_SIDED).low >= 0.9 > wilson(least - 1, n, ONE_SIDED).low


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_share_and_narrows_with_the_questions(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    found, wider = wilson(hits, n), wilson(hits * 10, n * 10)
    assert 0 <= found.low <= hits / n <= found.high <= 1
    assert wider.high - wider.low < found.high - found.low


def test_of_nothing_everything_is_possible_and_nothing_is_claimed() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)
    assert (score([]).recall5, score([]).mrr, score([]).lower) == (0, 0, 0)
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


def test_a_row_below_the_tenth_place_is_not_found() -> None:
    assert (reciprocal(10), reciprocal(11), reciprocal(0)) == (0.1, 0, 0)
    assert score([11, 0]).at10 == 0


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_exact_test_counts_every_way_the_changed_questions_could_have_fallen(wins: int, losses: int) -> None:
    changed = wins + losses
    as_uneven = sum(
        Fraction(comb(changed, count), 2**changed) for count in range(changed + 1) if abs(2 * count - changed) >= abs(wins - losses)
    )
    assert mcnemar(wins, losses) == pytest.approx(float(as_uneven))
    assert mcnemar(wins, losses) == mcnemar(losses, wins)


def test_the_bootstrap_says_the_same_each_time_and_moves_with_the_difference() -> None:
    chance = random.Random(7)
    even = [chance.choice((-0.5, 0.5)) for _ in range(200)]
    worse = [value - 0.3 for value in even]
    assert bootstrap_mean(even) == bootstrap_mean(even)
    assert bootstrap_mean(even).low < 0 < bootstrap_mean(even).high
    assert bootstrap_mean(worse).high < 0
    assert bootstrap_mean([0.0] * 30) == bootstrap_mean([]) == bootstrap_mean([0.0])


SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_no_other_threshold_decides_better_than_the_one_chosen(answerable: list[float], unanswerable: list[float]) -> None:
    chosen = separation(answerable, unanswerable, best_threshold(answerable, unanswerable))

    def right(refused: int, withheld: int) -> float:
        return refused / len(unanswerable) - withheld / len(answerable)

    for other in (0.0, 0.05, 0.15, 0.25, 0.35, 0.45):
        found = separation(answerable, unanswerable, other)
        assert right(found.refused, found.withheld) <= right(chosen.refused, chosen.withheld) + 1e-9
    pairs = list(itertools.product(answerable, unanswerable))
    assert chosen.auc == pytest.approx(sum(1 if one > other else 0.5 if one == other else 0 for one, other in pairs) / len(pairs))


def test_where_one_kind_was_never_asked_no_threshold_withholds_anything() -> None:
    assert best_threshold([0.1, 0.9], []) == best_threshold([], [0.1]) == 0.0
