"""The nearest of very many vectors in memory: what a shortlist finds, held against comparing each, however much a reader may see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.index.store.best import best
from pipelines.index.store.near import near_of

ROWS, DIM = 12_000, 192


def clustered(rng: np.random.Generator) -> Any:
    """As of a real model: around many centres, and in some directions far more than in others."""
    scale = (1 / np.arange(1, DIM + 1) ** 0.5).astype(np.float32)
    centres = rng.standard_normal((600, DIM)).astype(np.float32) * scale
    made = centres[rng.integers(0, 600, ROWS)] + 0.5 * rng.standard_normal((ROWS, DIM)).astype(np.float32) * scale
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.003, 0.05, 0.34, 0.61, 1.0])
def test_a_shortlist_finds_what_comparing_each_finds_in_every_band(share: float) -> None:
    rng = np.random.default_rng(7)
    vectors = clustered(rng)
    near, each = near_of(vectors.copy(), 0, 300), near_of(vectors.copy(), ROWS, 300)
    found = wanted = 0
    for _ in range(20):
        places = np.flatnonzero(rng.random(ROWS) < share)
        asked = (vectors[rng.integers(ROWS)] + 0.3 * rng.standard_normal(DIM) / DIM**0.5).tolist()
        ours, scores = near.nearest(asked, places, 10)
        theirs, _ = each.nearest(asked, places, 10)
        assert set(ours) <= set(places.tolist()) and len(set(ours)) == min(10, len(places))
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx(each.nearest(asked, np.array(ours), 10)[1], abs=2e-6)
        found, wanted = found + len(set(ours) & set(theirs)), wanted + len(theirs)
        assert near.compares(len(places), 10) == (len(places) <= 300)
    assert found / wanted >= 0.98


def test_all_are_found_where_all_are_asked_for() -> None:
    vectors = clustered(np.random.default_rng(8))[:900]
    near, places = near_of(vectors, 0, 10), np.arange(0, 900, 2)
    assert sorted(near.nearest(vectors[0].tolist(), places, 450)[0]) == places.tolist()
    assert len(near.nearest(vectors[0].tolist(), places, 100)[0]) == 100


def test_the_same_vectors_read_again_give_the_same_answer() -> None:
    vectors = clustered(np.random.default_rng(9))
    first, again = near_of(vectors.copy(), 0, 200), near_of(vectors.copy(), 0, 200)
    for at in (3, 700, 9_000):
        asked, places = vectors[at].tolist(), np.arange(at % 2, ROWS, 2)
        assert first.nearest(asked, places, 50) == again.nearest(asked, places, 50)


def test_of_copies_the_earlier_comes_first_on_a_shortlist_too() -> None:
    vectors = clustered(np.random.default_rng(10))
    vectors[5_000:5_040] = vectors[17]
    found, scores = near_of(vectors.copy(), 0, 60).nearest(vectors[17].tolist(), np.arange(ROWS), 41)
    assert found == [17, *range(5_000, 5_040)] and len(set(scores)) == 1


@given(hnp.arrays(np.float64, st.integers(0, 60), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9])), st.integers(1, 70))
def test_the_best_are_those_of_a_stable_sort_however_few_are_asked_for(scores: Any, depth: int) -> None:
    order = sorted(range(len(scores)), key=lambda at: -scores[at])[:depth]
    assert best(np.arange(len(scores)) * 3, scores, depth) == ([3 * at for at in order], [scores[at] for at in order])
