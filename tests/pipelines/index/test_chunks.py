"""Chunks follow the structure of a document, and say where they stand in it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.blocks import Block, markdown_blocks
from pipelines.index.chunks import chunks, principals_of, search_form
from pipelines.index.documents import Document
from pipelines.index.sentences import sentences
from pipelines.index.tokens import TARGET, most_tokens

from .world import EVERYONE, scopes


def document(*blocks: Block, title: str = "手順書", narrow: str = "", url: str = "", media: str = "") -> Document:
    return Document("s/t#1", "s/t#1", "s/t", title, url, "record", "all", narrow, ("body",), "1", "h", "p", blocks, media)


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


PARAGRAPHS = st.lists(st.sampled_from(["電源を切る。" * 9, "弁を閉じる。", "SX-200 の値は 3.5 です。" * 20]), max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["点検", "交換", "付録"]), PARAGRAPHS), min_size=2, max_size=6), st.data())
def test_editing_one_section_changes_the_chunks_of_no_other_even_where_two_have_one_heading(
    parts: list[tuple[str, list[str]]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(parts) - 1))
    edited = [(heading, data.draw(PARAGRAPHS) if number == at else texts) for number, (heading, texts) in enumerate(parts)]

    def cut(parts: list[tuple[str, list[str]]]) -> list[list[tuple[str, str]]]:
        """Ids and texts, section by section."""
        blocks = [[Block("heading", heading, level=1), *(Block("paragraph", text) for text in texts)] for heading, texts in parts]
        made = iter(chunks(document(*(block for section in blocks for block in section)), {}))
        counts = [len(list(chunks(document(*section), {}))) for section in blocks]
        return [[(chunk.id, chunk.text) for chunk in itertools.islice(made, count)] for count in counts]

    before, after = cut(parts), cut(edited)
    assert [section for number, section in enumerate(before) if number != at] == [
        section for number, section in enumerate(after) if number != at
    ]
    every = [id for section in before for id, _ in section]
    assert len(set(every)) == len(every)


def test_rows_of_a_sheet_say_where_they_stand() -> None:
    rows = (("品番", "名称"), *((f"SX-{n:03}", "とても長い名前のボルト" * 3) for n in range(40)))
    pieces = texts(Block("table", rows=rows, span="B:C", lines=tuple(range(3, 44))))
    assert pieces[0].startswith("[B4:C")
    assert pieces[-1].splitlines()[0].endswith(":C43]")
    ends = [line.strip("[]").replace("B", "").replace("C", "").split(":") for line in (piece.splitlines()[0] for piece in pieces)]
    assert [int(row) for end in ends for row in range(int(end[0]), int(end[1]) + 1)] == list(range(4, 44)), "each row in one piece"
    assert all(piece.splitlines()[1] == "品番 | 名称" for piece in pieces)


def test_a_row_too_wide_for_a_chunk_has_each_value_under_its_own_name() -> None:
    names = tuple(f"測定項目{n:02}の結果" for n in range(60))
    pieces = texts(Block("table", rows=(names, ("SX-200", *("良好" for _ in names[1:])))))
    assert len(pieces) > 1
    assert all(piece.startswith("測定項目00の結果: SX-200 | ") for piece in pieces)
    assert all(sum(f"{name}: 良好" in piece for piece in pieces) == 1 for name in names[1:])


def test_a_cell_longer_than_a_chunk_is_cut_and_keeps_its_name() -> None:
    pieces = texts(Block("table", rows=(("番号", "経過"), ("1", "異音がした。" * 200))))
    assert len(pieces) > 2
    assert all(piece.startswith("番号: 1 | ") or piece == "番号: 1" for piece in pieces)


def test_a_chunk_of_a_pdf_opens_the_page_it_begins_on() -> None:
    blocks = [Block("paragraph", "一頁目。" * 60, page=1), Block("paragraph", "二頁目。" * 60, page=2)]
    urls = {chunk.url for chunk in chunks(document(*blocks, url="https://x.example/a.pdf", media="pdf"), {})}
    assert urls == {"https://x.example/a.pdf#page=1", "https://x.example/a.pdf#page=2"}
    assert {chunk.url for chunk in chunks(document(*blocks, url="https://x.example/a.pptx", media="pptx"), {})} == {
        "https://x.example/a.pptx"
    }


def test_headings_too_long_for_an_embedder_keep_the_title_and_the_last_of_them() -> None:
    path = tuple(f"第{n}章 とても長い見出しがここにあります" for n in range(9))
    made = list(chunks(document(*(Block("heading", text, level=n + 1) for n, text in enumerate(path)), Block("paragraph", "文。")), {}))
    assert made[-1].heading_path == path
    assert made[-1].passage.startswith("手順書 > ")
    assert made[-1].passage.endswith(f"{path[-1]}\n文。")


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
