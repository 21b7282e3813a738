"""A Word file gives its text, and once what stands beside it: headers, footnotes, comments, text boxes."""

from __future__ import annotations

import io

import docx
import pytest

from index.hostile import edited
from pipelines.index.readers.reading import Reading
from pipelines.index.readers.word import read_word

_BOX = (
    '<w:p><w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox><w:txbxContent><w:p><w:r><w:t>枠の中の注意</w:t></w:r></w:p>'
    "</w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>"
    '<w:p><w:ins w:id="9" w:author="x"><w:r><w:t>足した文</w:t></w:r></w:ins><w:del w:id="10" w:author="x"><w:r><w:delText>消した文</w:delText>'
    "</w:r></w:del></w:p>"
)


@pytest.fixture(scope="module")
def reading() -> Reading:
    made = docx.Document()
    made.add_heading("据付手順", 1)
    run = made.add_paragraph("水平を").add_run("確かめる")
    made.add_comment(run, text="図を足すこと", author="甲")
    for section in (made.sections[0], made.add_section()):
        section.header.is_linked_to_previous = False
        section.header.paragraphs[0].text = "規程 QM-12 社外秘"
        section.footer.paragraphs[0].text = "3 / 12"
    made.add_paragraph("GR&R は < 10 % で良い。a * b * c")
    made.add_paragraph("# 見出しではない")
    made.add_paragraph("工具を揃える", style="List Bullet")
    made.add_table(1, 1).cell(0, 0).text = "枠で囲んだ注意"
    made.add_paragraph("見える").add_run("隠した指示").font.hidden = True
    table = made.add_table(2, 2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "結合した見出し"
    table.cell(1, 0).text, table.cell(1, 1).text = "甲", "乙"
    buffer = io.BytesIO()
    made.save(buffer)

    def boxed(part: bytes) -> bytes:
        return part.replace(b"<w:sectPr", _BOX.encode() + b"<w:sectPr", 1) if part.count(b"<w:sectPr") == 1 else _before_last(part)

    return read_word(edited(buffer.getvalue(), "word/document.xml", boxed))


def _before_last(part: bytes) -> bytes:
    head, mark, tail = part.rpartition(b"<w:sectPr")
    return head + _BOX.encode() + mark + tail


def texts(reading: Reading) -> list[str]:
    return [block.text or "/".join("|".join(row) for row in block.rows) for block in reading.blocks]


def test_a_header_stands_once_and_first_and_a_page_number_nowhere(reading: Reading) -> None:
    assert texts(reading)[:2] == ["ヘッダー: 規程 QM-12 社外秘", "据付手順"]
    assert "3 / 12" not in str(reading)


def test_text_boxes_and_what_was_inserted_are_text_and_what_was_deleted_is_not(reading: Reading) -> None:
    assert {"枠の中の注意", "足した文"} <= set(texts(reading))
    assert "消した文" not in str(reading)


def test_comments_stand_under_a_heading_of_their_own(reading: Reading) -> None:
    assert texts(reading)[-2:] == ["コメント", "図を足すこと"]


def test_signs_that_mean_something_in_markup_are_letters_like_others(reading: Reading) -> None:
    assert {"GR&R は < 10 % で良い。a * b * c", "# 見出しではない"} <= set(texts(reading))


def test_items_of_a_list_are_items_and_a_frame_around_text_is_no_table(reading: Reading) -> None:
    kinds = {block.text: block.kind for block in reading.blocks}
    assert (kinds["工具を揃える"], kinds["枠で囲んだ注意"]) == ("item", "paragraph")


def test_hidden_text_is_not_read(reading: Reading) -> None:
    assert "隠した指示" not in str(reading)


def test_a_merged_cell_stands_in_each_cell_it_covers(reading: Reading) -> None:
    assert "結合した見出し|結合した見出し/甲|乙" in texts(reading)
