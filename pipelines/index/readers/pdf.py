"""PDF files: lines through PDFium, ruled tables through pdfplumber on the pages that have rulings, put where their text stood.

kreuzberg finds no ruled table, takes prose for one, and then drops what stood above it; so it does not read PDFs here.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.index.blocks import Block, join_broken_paragraphs, join_lines
from pipelines.index.readers.reading import Left, Reading, Unreadable
from pipelines.index.readers.typeset import Line, blocks_of, lines_of, without_running

MAX_PAGES = 5_000
#: Fewer drawn paths make no ruled table of two rows.
_FEWEST_PATHS = 3


@dataclass(frozen=True)
class RuledTable:
    """A table with the page it stands on, and the page's lines of text inside it as a reader's eye takes them."""

    page: int
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


def read_pdf(data: bytes) -> Reading:
    """Blocks with their page numbers. Pages without text (scans) are named as left out; with no other page, it is Unreadable."""
    pages, ruled = _typeset(data)
    blank = [number for number, lines in enumerate(pages, 1) if not lines]
    if len(blank) == len(pages):
        raise Unreadable("no_text")
    blocks = blocks_of(without_running(pages))
    for table in _tables(data, ruled):
        blocks = with_table(blocks, table)
    left = (Left("pages_without_text", ranges(blank)),) if blank else ()
    return Reading(tuple(join_broken_paragraphs(continued(blocks))), left)


def _typeset(data: bytes) -> tuple[list[list[Line]], list[int]]:
    """The lines of all pages, and the numbers of those with rulings: pdfplumber takes tenths of a second for a page, PDFium hardly any time."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(data)
        if len(document) > MAX_PAGES:
            raise Unreadable("too_many_pages", str(len(document)))
        ruled: list[int] = []
        for number, page in enumerate(document, 1):
            paths = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH])
            if len(list(itertools.islice(paths, _FEWEST_PATHS))) == _FEWEST_PATHS:
                ruled.append(number)
        return list(lines_of(document)), ruled
    except pypdfium2.PdfiumError as error:
        raise Unreadable("encrypted" if "password" in str(error).lower() else "damaged", "PDF") from error


def _tables(data: bytes, pages: Sequence[int]) -> Iterator[RuledTable]:
    """Tables of at least two rows and columns, from the top of each page. Raises Unreadable for a file pdfplumber cannot follow."""
    if not pages:
        return
    import pdfplumber
    from pdfminer.pdfexceptions import PDFException
    from pdfplumber.utils.exceptions import PdfminerException

    try:
        with pdfplumber.open(io.BytesIO(data), pages=list(pages)) as document:
            for page in document.pages:
                for table in sorted(page.find_tables(), key=lambda table: table.bbox[1]):
                    rows = tuple(tuple(join_lines((cell or "").splitlines()) for cell in row) for row in table.extract())
                    rows = tuple(row for row in rows if any(row))
                    if len(rows) > 1 and len(rows[0]) > 1:
                        lines = page.crop(table.bbox, strict=False).extract_text_lines(return_chars=False)
                        yield RuledTable(page.page_number, rows, tuple(str(line["text"]) for line in lines))
                page.close()
    except (PDFException, PdfminerException) as error:
        raise Unreadable("damaged", "PDF") from error


def _bare(text: str) -> str:
    return "".join(text.split())


def with_table(blocks: Sequence[Block], table: RuledTable) -> list[Block]:
    """The blocks with the table in the place of the text that its cells gave. Where that text is not found, it stands at its page's end."""
    first = next((at for at, block in enumerate(blocks) if block.page >= table.page), len(blocks))
    end = next((at for at, block in enumerate(blocks) if block.page > table.page), len(blocks))
    # A paragraph may have begun on the page before.
    first = max(0, first - 1)
    places = [(at, offset) for at in range(first, end) for offset, mark in enumerate(blocks[at].text) if not mark.isspace()]
    text = "".join(blocks[at].text[offset] for at, offset in places)
    gone = {places[position] for position in _inside(text, list(filter(None, map(_bare, table.lines))))}
    made = Block("table", rows=table.rows, page=table.page)
    if not gone:
        return [*blocks[:end], made, *blocks[end:]]
    pieces: list[Block] = []
    put = False
    for at in range(first, end):
        block = blocks[at]
        offsets = [offset for where, offset in gone if where == at]
        if not offsets:
            pieces.append(block)
            continue
        begin, stop = min(offsets), max(offsets) + 1
        kept = "".join("" if (at, offset) in gone else mark for offset, mark in enumerate(block.text[begin:stop], begin)).strip()
        pieces.append(replace(block, text=block.text[:begin].strip()))
        if not put:
            pieces.append(made)
            put = True
        pieces.append(replace(block, text=f"{kept} {block.text[stop:]}".strip()))
    return [*blocks[:first], *(piece for piece in pieces if not piece.empty), *blocks[end:]]


def _inside(text: str, lines: Sequence[str]) -> Iterator[int]:
    """Positions in ``text`` that these lines cover: all in a row, else line by line in their order, short ones only close to the one before."""
    whole = "".join(lines)
    at = text.find(whole) if whole else -1
    if at >= 0:
        yield from range(at, at + len(whole))
        return
    after = -1
    for line in lines:
        near = after + 40 if after >= 0 and len(line) < 6 else len(text)
        at = text.find(line, max(after, 0), near) if len(line) >= 6 or after >= 0 else -1
        if at >= 0:
            yield from range(at, at + len(line))
            after = at + len(line)


def continued(blocks: Sequence[Block]) -> list[Block]:
    """A table that goes on at the top of the next page as one table; a header row that is repeated there stands once."""
    joined: list[Block] = []
    for block in blocks:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.kind == block.kind == "table"
            and block.page == before.page + 1
            and len(block.rows[0]) == len(before.rows[0])
        ):
            rows = block.rows[1:] if block.rows[0] == before.rows[0] else block.rows
            joined[-1] = replace(before, rows=(*before.rows, *rows), page=block.page)
        else:
            joined.append(block)
    return joined


def ranges(numbers: Sequence[int]) -> str:
    """``1-3, 7`` for 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(str(end) for end in run) for run in runs)
