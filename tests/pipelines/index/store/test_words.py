"""A version's words in memory say what BM25 says, and what the engine says of the same rows."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.world import EVERYONE, Hashed, chunk
from pipelines.index.store import LanceStore, words
from pipelines.index.store.terms import terms
from pipelines.index.store.words import words_of

TERM = st.sampled_from(["主", "主軸", "軸受", "sx200", "200", "油", "漏れ", "ß", "é"])


def bm25(rows: list[list[str]], asked: list[str]) -> list[float]:
    """As the textbook has it, row by row."""
    mean = sum(map(len, rows)) / len(rows) or 1.0
    found = [0.0] * len(rows)
    for term in set(asked):
        held = sum(term in row for row in rows)
        rare = math.log(1 + (len(rows) - held + 0.5) / (held + 0.5))
        for at, row in enumerate(rows):
            often = Counter(row)[term]
            found[at] += rare * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(row) / mean))
    return found


ROWS = st.lists(st.lists(TERM, max_size=12), min_size=1, max_size=12)


@given(ROWS, st.lists(TERM, max_size=8), st.sets(st.integers(0, 12)))
def test_every_row_gets_the_score_of_the_textbook_in_however_many_slices_it_is_read(
    rows: list[list[str]], asked: list[str], cuts: set[int]
) -> None:
    texts = [" ".join(row) for row in rows]
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(rows)), len(rows)]
    sliced = pa.chunked_array([texts[a:b] for a, b in itertools.pairwise(bounds)], pa.string())
    assert words_of(sliced).scores(asked).tolist() == pytest.approx(bm25(rows, asked), rel=1e-5)


@given(ROWS, st.lists(TERM, max_size=8), st.randoms(use_true_random=False))
def test_rows_that_come_in_another_order_have_the_scores_of_their_own_places(
    rows: list[list[str]], asked: list[str], chance: random.Random
) -> None:
    to = list(range(len(rows)))
    chance.shuffle(to)
    read = words.Read()
    for row in rows:
        read.add(pa.array([" ".join(row)]))
    scores = read.done(np.array(to)).scores(asked)
    assert [scores[place] for place in to] == pytest.approx(bm25(rows, asked), rel=1e-5)


def test_a_term_that_fills_a_row_counts_for_a_little_less_than_it_would_and_never_for_nothing() -> None:
    rows = [["油"] * 1_000, ["油"] * 256, ["軸"] * 256]
    found = words_of(pa.array([" ".join(row) for row in rows])).scores(["油"])
    assert found.tolist() == pytest.approx(bm25(rows, ["油"]), rel=0.02)


def test_no_row_and_rows_without_a_term_have_nothing_to_say() -> None:
    assert words_of(pa.array([], pa.string())).scores(["主軸"]).tolist() == []
    assert words_of(pa.array(["", ""])).scores(["主軸", ""]).tolist() == [0.0, 0.0]


def test_a_text_in_several_parts_is_read_as_one() -> None:
    parts = pa.chunked_array([["主軸 油"], [], ["油 油 漏れ"]], pa.string())
    assert words_of(parts).scores(["油"]).tolist() == words_of(parts.combine_chunks()).scores(["油"]).tolist()


def test_the_engine_itself_gives_the_same_rows_the_same_scores(tmp_path: Path) -> None:
    chance = random.Random(7)
    said = ["主軸の点検", "油漏れを拭く", "ＳＸ－２００の原点復帰", "see SP-1140", "警報 1140 が出た", "ベルトの張り", "grease the spindle"]
    chunks = [chunk(f"c{n}", "。".join(chance.choices(said, k=chance.randint(1, 6))), [EVERYONE]) for n in range(200)]
    store = LanceStore(str(tmp_path), "t", Hashed.dim)
    store.write(chunks, Hashed().embed_passage([item.passage for item in chunks]))
    table = store._table()  # pyright: ignore[reportPrivateUsage]  # the engine as it stands under the store
    found = table.search().select(["search_text"]).with_row_id(True).limit(200).to_arrow()
    rows, held = found["_rowid"].to_pylist(), words_of(found["search_text"])
    for question in ("主軸の点検", "SP-1140 grease", "警報1140", "どこにもない語"):
        asked = list(dict.fromkeys(terms(question)))
        told = (
            table.search(" ".join(asked), query_type="fts", fts_columns="search_text")
            .select(["_score"])
            .with_row_id(True)
            .limit(200)
            .to_arrow()
        )
        engine = dict(zip(told["_rowid"].to_pylist(), told["_score"].to_pylist(), strict=True))
        ours = {row: score for row, score in zip(rows, held.scores(asked).tolist(), strict=True) if score}
        assert ours.keys() == engine.keys()
        assert [ours[row] for row in engine] == pytest.approx(list(engine.values()), rel=1e-5)
