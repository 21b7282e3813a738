"""A workbook is read as its readers see it: every row, merged cells, dates without midnights, and nothing that was hidden."""

from __future__ import annotations

import io
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook

from index.compound import xls
from index.hostile import sheet
from pipelines.index.readers.reading import Left, Unreadable
from pipelines.index.readers.sheets import read_workbook


def saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def inspection() -> bytes:
    """A sheet as people make them: a title merged over the table, an empty row, a column merged downwards, a hidden sheet."""
    book = Workbook()
    made = book.active
    assert made is not None
    made.title = "点検"
    made["B2"] = "2026年度 点検表"
    made.merge_cells("B2:E2")
    for row, values in {
        4: ["号機", "点検日", "割合", "完了"],
        5: ["1号機", date(2026, 4, 1), 0.25, True],
        6: [None, datetime(2026, 4, 1, 9, 30), 3.0, False],
        8: ["2号機", time(9, 30), 1e21, None],
    }.items():
        for column, value in enumerate(values, 2):
            made.cell(row, column, value)
    made.merge_cells("B5:B6")
    book.create_sheet("裏").append(["秘密"])
    book["裏"].sheet_state = "hidden"
    book.create_sheet("空")
    book.create_sheet("一覧").append(["ひとつ目"])
    book["一覧"].append(["ふたつ目"])
    return saved(book)


def test_a_sheet_keeps_its_name_its_title_and_the_range_of_its_table(inspection: bytes) -> None:
    found = read_workbook(inspection)
    name, title, table, *rest = found.blocks
    assert (name.kind, name.text) == ("heading", "点検")
    assert (title.kind, title.text) == ("paragraph", "2026年度 点検表")
    assert (table.span, table.lines) == ("B:E", (4, 5, 6, 8))
    assert [block.text or block.rows for block in rest] == ["一覧", "ひとつ目", "ふたつ目"]


def test_cells_are_written_as_a_person_would(inspection: bytes) -> None:
    table = read_workbook(inspection).blocks[2]
    assert table.rows == (
        ("号機", "点検日", "割合", "完了"),
        ("1号機", "2026-04-01", "0.25", "TRUE"),
        ("1号機", "2026-04-01 09:30", "3", "FALSE"),
        ("2号機", "09:30", "1e+21", ""),
    )


def test_a_hidden_sheet_is_left_out_by_name(inspection: bytes) -> None:
    found = read_workbook(inspection)
    assert found.left == (Left("hidden_sheet", "裏"),)
    assert "秘密" not in str(found.blocks)


def test_what_a_formula_came_to_is_read_and_not_the_formula() -> None:
    made = sheet(lambda _: _of(b'<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1+1</f><v>2</v></c></row>'))
    assert read_workbook(made).blocks[1].rows == (("1", "2"),)


def test_rows_beyond_a_dimension_tag_are_read() -> None:
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>%d</v></c><c r="B%d"><v>7</v></c></row>' % (n, n, n, n) for n in range(1, 41))
    assert len(read_workbook(sheet(lambda _: _of(b"", rows, dimension=b'<dimension ref="A1:A2"/>'))).blocks[1].rows) == 40


def test_a_sentence_below_a_table_is_a_paragraph_and_a_row_of_one_cell_is_none() -> None:
    book = Workbook()
    made = book.active
    assert made is not None
    for row in (["品番", "最少数"], ["SX-1", 8], ["SX-2"], ["最少数を割ったら、購買部へ依頼する。"]):
        made.append(row)
    table, below = read_workbook(saved(book)).blocks[1:]
    assert table.rows == (("品番", "最少数"), ("SX-1", "8"), ("SX-2", ""))
    assert below.text == "最少数を割ったら、購買部へ依頼する。"


def test_an_old_workbook_is_read_like_a_new_one() -> None:
    found = read_workbook(xls("点検", [["号機", "値"], ["1号機", 2.5]]))
    assert [block.text or block.rows for block in found.blocks] == ["点検", (("号機", "値"), ("1号機", "2.5"))]


def test_a_sheet_without_an_end_is_damaged() -> None:
    with pytest.raises(Unreadable) as refused:
        read_workbook(sheet(lambda _: b"<worksheet><sheetData><row"))
    assert refused.value.code == "damaged"


def _of(*rows: bytes, dimension: bytes = b"") -> bytes:
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + dimension + b"<sheetData>"
    return head + b"".join(rows) + b"</sheetData></worksheet>"
