"""Chunks follow the structure of a document, and say where they stand in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.blocks import Block, markdown_blocks
from pipelines.index.chunks import chunks, principals_of, search_form
from pipelines.index.documents import Document
from pipelines.index.sentences import sentences
from pipelines.index.tokens import TARGET, most_tokens

from .world import EVERYONE, scopes


def document(*blocks: Block, title: str = "手順書", narrow: str = "") -> Document:
    return Document("s/t#1", "s/t#1", "s/t", title, "", "record", "all", narrow, ("body",), "1", "h", "p", blocks)


def texts(*blocks: Block) -> list[str]:
    return [chunk.text for chunk in chunks(document(*blocks), {"all": (EVERYONE,)})]


def test_sentences_end_at_full_stops_but_not_inside_brackets_quotes_or_numbers() -> None:
    assert sentences("電源を切る。（令和六年。）「止めろ。」と言う。値は3.5です！？ See Fig. 2.") == [
        "電源を切る。",
        "（令和六年。）「止めろ。」と言う。",
        "値は3.5です！？",
        "See Fig. 2.",
    ]


def test_a_bracket_that_is_never_closed_does_not_swallow_the_text() -> None:
    found = sentences("（注意。" + "次の文です。" * 400)
    assert max(len(sentence) for sentence in found) < 3 * TARGET


def test_every_piece_of_a_long_table_repeats_the_header_row() -> None:
    rows = (("品番", "名称"), *((f"SX-{n:03}", "とても長い名前のボルト" * 3) for n in range(60)))
    pieces = texts(Block("table", rows=rows))
    assert len(pieces) > 3
    assert all(piece.startswith("品番 | 名称\n") for piece in pieces)
    assert sum(piece.count("SX-") for piece in pieces) == 60


def test_chunks_carry_the_headings_they_stand_under() -> None:
    made = list(
        chunks(
            document(*markdown_blocks("# 保守\n\n## 点検\n\n毎日見る。\n\n## 交換\n\n年に一度。\n\n# 付録\n\n表。")), {"all": (EVERYONE,)}
        )
    )
    assert [(chunk.heading_path, chunk.text) for chunk in made] == [
        (("保守", "点検"), "毎日見る。"),
        (("保守", "交換"), "年に一度。"),
        (("付録",), "表。"),
    ]
    assert made[0].passage == "手順書 > 保守 > 点検\n毎日見る。"


def test_an_edit_in_one_section_changes_no_id_in_another() -> None:
    before = markdown_blocks("# 甲\n\n一。\n\n# 乙\n\n二。")
    after = markdown_blocks("# 甲\n\n" + "増えた文です。" * 200 + "\n\n# 乙\n\n二。")
    ids = [{chunk.heading_path: chunk.id for chunk in chunks(document(*blocks), {})}[("乙",)] for blocks in (before, after)]
    assert ids[0] == ids[1]


def test_a_heading_with_nothing_beneath_it_can_still_be_found() -> None:
    assert texts(Block("heading", "廃止", level=1), Block("heading", "予備", level=1), Block("paragraph", "文。")) == ["廃止", "文。"]


def test_a_scope_nobody_could_resolve_gives_chunks_for_nobody() -> None:
    known = principals_of(scopes(all=None, unresolved=[EVERYONE]).to_pylist())
    assert known == {}
    assert [(chunk.acl, chunk.field_acl) for chunk in chunks(document(Block("paragraph", "文。")), known)] == [((), ())]


def test_an_unresolved_narrower_scope_closes_the_part_even_where_the_row_is_open() -> None:
    made = list(chunks(document(Block("paragraph", "原価。"), narrow="cost"), {"all": (EVERYONE,)}))
    assert [(chunk.acl, chunk.field_acl) for chunk in made] == [((), ())]


def test_full_width_digits_and_half_width_katakana_meet_their_usual_forms() -> None:
    assert search_form("ＳＸ－２００ ｼﾘﾝﾀﾞ") == search_form("sx-200 シリンダ")


@given(st.lists(st.text(alphabet="あ漢a。、「」（） 1", min_size=1, max_size=900), min_size=1, max_size=5))
def test_no_character_of_a_text_is_lost_and_no_piece_is_too_long(paragraphs: list[str]) -> None:
    made = texts(*(Block("paragraph", text) for text in paragraphs))
    kept = "".join("".join(made).split())
    assert kept == ("".join("".join(paragraphs).split()) or "手順書")
    assert all(most_tokens(piece) <= TARGET for piece in made)


@given(st.lists(st.lists(st.text(alphabet="あb| ", max_size=30), min_size=2, max_size=2), min_size=1, max_size=80))
def test_ids_are_unique_and_the_same_every_time(rows: list[list[str]]) -> None:
    made = document(
        Block("heading", "表", level=1),
        Block("table", rows=tuple(tuple(row) for row in rows)),
        Block("heading", "表", level=1),
        Block("paragraph", "終。"),
    )
    first, second = ([chunk.id for chunk in chunks(made, {})] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)
