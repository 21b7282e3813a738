"""Two models as one: a likeness that counts more between two languages than within one, whatever store compares the vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.index.chunks import language
from pipelines.index.pair import OTHER, SAME, Pair, UseM3

Vectors = NDArray[np.float32]
JAPANESE, ENGLISH, NEITHER = "主軸の交換手順を教えてください", "How do I change the spindle bearing", "12 345"
TEXTS = st.lists(st.sampled_from([JAPANESE, ENGLISH, NEITHER]), min_size=1, max_size=4)


class Drawn:
    """Unit vectors by chance, the same for the same text."""

    model_id, dim = "test/drawn", 6

    def __init__(self, seed: int) -> None:
        self.revision = str(seed)

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passage([f"? {text}" for text in texts])

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        drawn = [np.random.default_rng([int(self.revision), *text.encode()]).normal(size=self.dim) for text in texts]
        return np.stack([one / np.linalg.norm(one) for one in drawn]).astype(np.float32)


@pytest.fixture(scope="module")
def use() -> UseM3:
    return UseM3()


@given(TEXTS, TEXTS, st.integers(0, 2**16))
def test_one_product_weighs_the_second_model_by_both_languages(questions: list[str], passages: list[str], seed: int) -> None:
    first, second = Drawn(seed), Drawn(seed + 1)
    pair = Pair(first, second)
    asked, found = pair.embed_query(questions), pair.embed_passage(passages)
    assert asked.shape == (len(questions), pair.dim) and found.shape == (len(passages), pair.dim)
    assert np.allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5) and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    one = first.embed_query(questions) @ first.embed_passage(passages).T
    two = second.embed_query(questions) @ second.embed_passage(passages).T
    for at, question in enumerate(questions):
        said = [language(passage) for passage in passages]
        if "" in (language(question), *said):
            continue
        expected = [one[at, to] + (SAME if language(question) == of else OTHER) * two[at, to] for to, of in enumerate(said)]
        # Of a question all products are shortened alike, which changes no order.
        length = np.linalg.norm([1, SAME, OTHER]) * np.sqrt(2)
        assert np.allclose(asked[at] @ found.T * length, expected, atol=1e-5)


def test_another_half_is_another_model() -> None:
    pairs = [Pair(Drawn(1), Drawn(2)), Pair(Drawn(1), Drawn(3)), Pair(Drawn(2), Drawn(2))]
    assert len({(pair.model_id, pair.revision) for pair in pairs}) == 3


def test_shares_change_only_together_with_the_name_of_their_form() -> None:
    """Other shares give other vectors: under the old name kept ones would be taken for theirs."""
    form = Pair(Drawn(1), Drawn(2)).revision.split()[-1]
    assert {form: (SAME, OTHER)} == {"pair/1": (0.25, 0.5)}


def test_no_texts_have_no_vectors() -> None:
    empty = Pair(UseM3(), UseM3()).embed_passage([])
    assert empty.shape == (0, 3 * UseM3.dim)


def test_the_kept_means_are_those_the_model_gives(use: UseM3) -> None:
    assert np.allclose(np.stack([use.kept_means["ja"], use.kept_means["en"]]), use.measured_means(), atol=5e-3)


def test_the_second_model_knows_a_translation_and_reads_any_text(use: UseM3) -> None:
    (query,) = use.embed_query(["How long is the bearing under warranty?"])
    answer, other = use.embed_passage(["軸受の保証期間は納入から一年です。", "How the company bus runs on public holidays"])
    assert float(query @ answer) > float(query @ other) + 0.2
    assert np.isfinite(use.embed_passage(["", "\x00", "\ud800", "一" * 3000])).all()
