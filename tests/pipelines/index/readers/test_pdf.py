"""A PDF keeps its headings, its tables and its order, each block with its page; no line is there twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.office import pdf, report
from pipelines.index.blocks import Block
from pipelines.index.readers.pdf import RuledTable, continued, ranges, read_pdf, with_table
from pipelines.index.readers.reading import Left, Unreadable

TORQUE = [["品番", "名称", "トルク"], ["SX-1", "六角ボルト 長", "10"], ["SX-2", "", "12"]]


def shown(blocks: tuple[Block, ...]) -> list[tuple[int, str, str]]:
    return [(block.page, block.kind, block.text or "/".join("|".join(row) for row in block.rows)) for block in blocks]


def test_a_ruled_table_stands_between_the_paragraphs_it_stood_between_and_its_text_is_not_repeated() -> None:
    lines = "主軸の温度が上がったときは、運転を止めてから冷却水の弁を閉じ、カバーを外して点検してください。型番は NSK 7014 です。"
    found = read_pdf(report("# 保守規程", lines, TORQUE, "表の後の文です。", "---", "# 交換手順", "次の頁の文です。"))
    assert shown(found.blocks) == [
        (1, "heading", "保守規程"),
        (1, "paragraph", lines),
        (1, "table", "品番|名称|トルク/SX-1|六角ボルト 長|10/SX-2||12"),
        (1, "paragraph", "表の後の文です。"),
        (2, "heading", "交換手順"),
        (2, "paragraph", "次の頁の文です。"),
    ]


def test_two_tables_on_a_page_keep_their_order_and_one_that_goes_on_overleaf_is_one() -> None:
    long = [["番号", "点検項目"], *([f"K-{n:03}", "異音がないこと"] for n in range(60))]
    found = read_pdf(report("# 点検表", TORQUE, "次に全項目を示します。", long, "以上です。"))
    kinds = [(block.kind, len(block.rows)) for block in found.blocks]
    assert kinds == [("heading", 0), ("table", 3), ("paragraph", 0), ("table", 61), ("paragraph", 0)]
    assert [row[0] for row in found.blocks[3].rows[1:]] == [f"K-{n:03}" for n in range(60)]


def test_a_page_without_text_is_named_and_the_others_are_read() -> None:
    found = read_pdf(pdf([("第一章", ["本文です。"]), ("", []), ("", []), ("第二章", ["続きです。"])]))
    assert found.left == (Left("pages_without_text", "2-3"),)
    assert {block.page for block in found.blocks} == {1, 4}


def test_a_pdf_behind_a_password_says_so() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen import canvas

    sheet = canvas.Canvas("", encrypt=StandardEncryption("user", canPrint=0))
    sheet.drawString(60, 700, "secret")
    with pytest.raises(Unreadable) as refused:
        read_pdf(sheet.getpdfdata())
    assert refused.value.code == "encrypted"


def test_a_table_whose_text_is_nowhere_stands_at_the_end_of_its_page() -> None:
    blocks = [Block("paragraph", "一頁目。", page=1), Block("paragraph", "二頁目。", page=2)]
    found = with_table(blocks, RuledTable(1, (("甲", "乙"), ("1", "2")), ("甲 乙", "1 2")))
    assert [(block.page, block.kind) for block in found] == [(1, "paragraph"), (1, "table"), (2, "paragraph")]


def test_a_table_in_the_middle_of_what_was_taken_for_one_paragraph_parts_it() -> None:
    blocks = [Block("paragraph", "前の文。 品番 数 SX-1 3 後の文。", page=1)]
    found = with_table(blocks, RuledTable(1, (("品番", "数"), ("SX-1", "3")), ("品番 数", "SX-1 3")))
    assert [block.text or block.rows for block in found] == ["前の文。", (("品番", "数"), ("SX-1", "3")), "後の文。"]


def test_a_table_of_another_width_overleaf_is_another_table() -> None:
    tables = [Block("table", rows=(("a", "b"), ("1", "2")), page=1), Block("table", rows=(("a", "b", "c"), ("1", "2", "3")), page=2)]
    assert continued(tables) == tables


@given(st.sets(st.integers(1, 60), min_size=1))
def test_ranges_name_each_page_once(numbers: set[int]) -> None:
    named: list[int] = []
    for run in ranges(sorted(numbers)).split(", "):
        first, _, last = run.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)
