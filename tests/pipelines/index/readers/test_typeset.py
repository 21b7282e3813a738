"""Lines become headings by their size and paragraphs by where they end; what runs along the pages stands once."""

from __future__ import annotations

from pipelines.index.readers.typeset import Line, blocks_of, without_running


def line(text: str, *, page: int = 1, size: float = 10, right: float = 500, top: float = 700) -> Line:
    return Line(page, text, size, 60, right, top, top - size)


def page(*texts: str, number: int = 1) -> list[Line]:
    """Lines of one size under each other."""
    return [line(text, page=number, top=700 - 14 * at) for at, text in enumerate(texts)]


def kinds(lines: list[Line]) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, block.text) for block in blocks_of([lines])]


def test_taller_lines_are_headings_and_the_tallest_stand_above_the_others() -> None:
    lines = [
        line("保守規程", size=18),
        line("第一節", size=14, top=670),
        line("本文の行がここに続き、", top=650),
        line("ここで終わる。", top=636, right=200),
        line("第二節", size=14.2, top=600),
        line("次の本文です。", top=580),
    ]
    assert kinds(lines) == [
        ("heading", 1, "保守規程"),
        ("heading", 2, "第一節"),
        ("paragraph", 0, "本文の行がここに続き、ここで終わる。"),
        ("heading", 2, "第二節"),
        ("paragraph", 0, "次の本文です。"),
    ]


def test_a_new_paragraph_begins_after_a_gap_after_a_short_last_line_and_with_a_bullet() -> None:
    lines = [
        line("一つ目の段落は長く、", top=700),
        line("ここで終わる。", top=686, right=200),
        line("二つ目の段落。", top=672),
        line("離れた段落", top=620),
        line("・箇条の行", top=606),
    ]
    assert [text for _, _, text in kinds(lines)] == ["一つ目の段落は長く、ここで終わる。", "二つ目の段落。", "離れた段落", "・箇条の行"]


def test_a_long_line_of_large_letters_is_no_heading() -> None:
    assert kinds([line("大きな文字で書かれた注意。" * 10, size=20), *page("本文。" * 30)])[0][0] == "paragraph"


def test_what_runs_along_the_pages_stands_once_and_page_numbers_nowhere() -> None:
    pages = [page("規程 QM-12", f"{number} 頁目だけの文。", f"- {number} / 4 -", number=number) for number in range(1, 5)]
    shown = [line.text for lines in without_running(pages) for line in lines]
    assert shown == ["規程 QM-12", *(f"{number} 頁目だけの文。" for number in range(1, 5))]


def test_a_line_of_figures_inside_a_page_is_kept() -> None:
    pages = [page("表", "12.5", "終わり", number=1), page("別の表", "13.5", "終わり", number=2)]
    assert "12.5" in [line.text for lines in without_running(pages) for line in lines]


def test_lines_that_cannot_be_placed_are_still_read() -> None:
    lines = [Line(1, text, 0, 0, 0, 0, 0) for text in ("一行目は、", "続く。", "二つ目。")]
    assert [text for _, _, text in kinds(lines)] == ["一行目は、続く。", "二つ目。"]
