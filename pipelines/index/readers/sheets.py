"""Workbooks through calamine, which reads what stands in the cells and not what a dimension tag claims: rows counted, ranges carried."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO, TYPE_CHECKING

from pipelines.index.blocks import Block
from pipelines.index.readers.reading import Left, Reading, Unreadable

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

#: A sheet with more rows is a table for a database, not a document that people read; cells count empty ones inside the used range.
MAX_ROWS = 200_000
MAX_CELLS = 3_000_000
_ROW = re.compile(rb"<(?:\w+:)?row[\s>/]")
_CELL_AT = re.compile(rb"<(?:\w+:)?c\s(?:[^>]*?\s)?r\s*=\s*[\"']([A-Z]{1,3})(\d{1,7})[\"']")
_PIECE = 1 << 20


def read_workbook(data: bytes) -> Reading:
    """Each visible sheet under its name: lines with a single cell above the table as text, the rest as one table with its cell range.

    Sheets that are hidden are left out by name: who hid them did not mean them for readers. A merged cell stands in all cells it covers.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    if data.startswith(b"PK"):
        _check_sizes(data)
    blocks: list[Block] = []
    left: list[Left] = []
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            for sheet in book.sheets_metadata:
                if sheet.visible != SheetVisibleEnum.Visible:
                    left.append(Left("hidden_sheet", sheet.name))
                elif sheet.typ == SheetTypeEnum.WorkSheet:
                    found = list(_sheet(book.get_sheet_by_name(sheet.name)))
                    blocks += [Block("heading", sheet.name, level=1), *found] if found else []
    except PasswordError as error:
        raise Unreadable("encrypted", "workbook") from error
    except CalamineError as error:
        raise Unreadable("damaged", type(error).__name__) from error
    return Reading(tuple(blocks), tuple(left))


def _check_sizes(data: bytes) -> None:
    """calamine lays out the whole used range in memory, so rows and range are measured first, in pieces."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                    with archive.open(entry) as stream:
                        _check_sheet(stream)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise Unreadable("damaged", "zip") from error


def _check_sheet(stream: IO[bytes]) -> None:
    rows, held = 0, b""
    lowest = furthest = 0
    widths: set[bytes] = set()
    while piece := stream.read(_PIECE):
        held += piece
        # What a piece ends in the middle of is counted with the next one.
        whole, held = held[: held.rfind(b"<")], held[held.rfind(b"<") :]
        rows += len(_ROW.findall(whole))
        if cells := _CELL_AT.findall(whole):
            widths |= {column for column, _ in cells}
            numbers = [int(row) for _, row in (cells[0], cells[-1])]
            lowest, furthest = min(lowest or numbers[0], *numbers), max(furthest, *numbers)
        width = max((_number(column) for column in widths), default=0) - min((_number(column) for column in widths), default=0) + 1
        height = furthest - lowest + 1
        if rows > MAX_ROWS or width * height > MAX_CELLS:
            raise Unreadable("too_many_rows", f"{max(rows, height)} × {width}")


def _number(column: bytes) -> int:
    found = 0
    for letter in column:
        found = found * 26 + letter - 64
    return found


def _letters(number: int) -> str:
    """The name of the column with this number, counted from 0: A, B, …, Z, AA."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def _sheet(sheet: CalamineSheet) -> Iterator[Block]:
    if sheet.start is None:
        return
    top, first = sheet.start
    rows = [[_text(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]
    _spread(rows, sheet, top, first)
    numbered = [(top + at + 1, tuple(row)) for at, row in enumerate(rows) if any(row)]
    # A title above a table fills one cell, or one merged over all columns. A sheet of nothing else is text.
    table = next((at for at, (_, row) in enumerate(numbered) if len({cell for cell in row if cell}) > 1), len(numbered))
    yield from (Block("paragraph", next(cell for cell in row if cell)) for _, row in numbered[:table])
    numbered = numbered[table:]
    if not numbered:
        return
    end = len(numbered)
    while end > 2 and _remark(numbered[end - 1][1]) and len(numbered[0][1]) > 1:
        end -= 1
    numbered, below = numbered[:end], numbered[end:]
    used = [at for at in range(len(numbered[0][1])) if any(row[at] for _, row in numbered)]
    yield Block(
        "table",
        rows=tuple(tuple(row[at] for at in used) for _, row in numbered),
        span=f"{_letters(first + used[0])}:{_letters(first + used[-1])}",
        lines=tuple(number for number, _ in numbered),
    )
    yield from (Block("paragraph", next(cell for cell in row if cell)) for _, row in below)


def _remark(row: Sequence[str]) -> bool:
    """Whether a row is a sentence below a table: one cell, and more than a name or a figure in it."""
    cells = {cell for cell in row if cell}
    return len(cells) == 1 and (len(text := cells.pop()) > 20 or text.endswith(("。", ".")))


def _spread(rows: Sequence[list[str]], sheet: CalamineSheet, top: int, first: int) -> None:
    """Write what stands in a merged cell into all cells it covers."""
    for (up, from_), (down, to) in sheet.merged_cell_ranges or ():
        if not 0 <= up - top < len(rows) or not 0 <= from_ - first < len(rows[up - top]):
            continue
        text = rows[up - top][from_ - first]
        for row in rows[up - top : down - top + 1] if text else ():
            for at in range(from_ - first, min(to - first + 1, len(row))):
                row[at] = row[at] or text


def _text(value: int | float | str | bool | time | date | datetime | timedelta) -> str:
    """A cell as a person would write it: no midnight behind a date, no ``.0`` behind a whole number."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.strftime("%Y-%m-%d %H:%M" if not value.second else "%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M" if not value.second else "%H:%M:%S")
    return " ".join(str(value).split())
