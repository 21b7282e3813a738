"""Lines of a PDF page as PDFium sets them, and how they become headings and paragraphs: by their size, their distance, their ends."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.index.blocks import Block, join_lines

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

#: A heading is so much taller than most of the text, and no longer than this.
_TALLER, _LONGEST_HEADING = 1.15, 80
_BULLET = re.compile(r"[・●■◆○※▪•‣–]|\d{1,3}[.)．]\s|[①-⑳]|[(（]\d{1,2}[)）]")
_ENDS = tuple("。．.!！?？:：")
_FIGURES = re.compile(r"[\d\s/／\-–—.()（）ページpageof]+", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One line of text: ``size`` is that of its first letter as it is shown, in points, the edges are measured from the page's lower left corner."""

    page: int
    text: str
    size: float
    left: float
    right: float
    top: float
    bottom: float


def lines_of(document: PdfDocument) -> Iterator[list[Line]]:
    """The lines of each page in the order of the page's own text. A page whose letters cannot be placed gives lines of size 0."""
    for number, page in enumerate(document, 1):
        text_page: Any = page.get_textpage()
        text: str = text_page.get_text_range()
        placed = len(text) == text_page.count_chars()
        lines: list[Line] = []
        at = 0
        for raw in text.split("\r\n"):
            if shown := raw.replace("\ufffe", "").replace("\x02", "").strip():
                first = at + len(raw) - len(raw.lstrip())
                last = at + len(raw.rstrip()) - 1
                lines.append(_line(number, shown, text_page, first, last) if placed else Line(number, shown, 0, 0, 0, 0, 0))
            at += len(raw) + 2
        text_page.close()
        page.close()
        yield lines


def _line(page: int, text: str, text_page: Any, first: int, last: int) -> Line:
    import pypdfium2.raw as pdfium

    boxes = []
    for index in (first, last):
        box = pdfium.FS_RECTF()
        pdfium.FPDFText_GetLooseCharBox(text_page.raw, index, ctypes.byref(box))
        boxes.append(box)
    start, end = boxes
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(text_page.raw, first, ctypes.byref(matrix))
    size = pdfium.FPDFText_GetFontSize(text_page.raw, first) * math.hypot(matrix.c, matrix.d)
    return Line(page, text, size, start.left, end.right, start.top, start.bottom)


def without_running(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Without page numbers, and with what runs along the top or bottom of most pages where it stands first."""
    edges = [{_bare(line.text) for line in (*page[:1], *page[-1:])} for page in pages]
    counted = Counter(text for edge in edges for text in edge)
    running = {text for text, count in counted.items() if count > 2 and count > len(pages) / 2 and text}
    seen: set[str] = set()
    kept: list[list[Line]] = []
    for page in pages:
        mine: list[Line] = []
        for at, line in enumerate(page):
            bare = _bare(line.text)
            edge = at in (0, len(page) - 1)
            if edge and ((not bare and len(pages) > 1) or (bare in running and bare in seen)):
                continue
            seen.add(bare)
            mine.append(line)
        kept.append(mine)
    return kept


def _bare(text: str) -> str:
    return _FIGURES.sub("", text)


def blocks_of(pages: Sequence[Sequence[Line]]) -> list[Block]:
    """Headings by size, the tallest of all as level 1; paragraphs of the lines between them."""
    weights: Counter[float] = Counter()
    for page in pages:
        for line in page:
            weights[round(line.size, 1)] += len(line.text)
    body = weights.most_common(1)[0][0] if weights else 0
    levels = _levels(sorted({round(line.size, 1) for page in pages for line in page if _is_heading(line, body)}, reverse=True))
    found: list[Block] = []
    for page in pages:
        width = max((line.right for line in page), default=0)
        held: list[Line] = []
        for line in page:
            heading = _is_heading(line, body)
            if held and (heading or _is_heading(held[-1], body) or _parts(held[-1], line, width)):
                found.append(_block(held, levels))
                held = []
            held.append(line)
        if held:
            found.append(_block(held, levels))
    return found


def _levels(sizes: Sequence[float]) -> dict[float, int]:
    """Size → level, the tallest as 1. Sizes that no eye tells apart are one level."""
    levels: dict[float, int] = {}
    level, at = 0, 0.0
    for size in sizes:
        if not levels or size < at * 0.95:
            level, at = min(6, level + 1), size
        levels[size] = level
    return levels


def _is_heading(line: Line, body: float) -> bool:
    return body > 0 and line.size >= body * _TALLER and len(line.text) <= _LONGEST_HEADING


def _block(lines: Sequence[Line], levels: dict[float, int]) -> Block:
    text, first = join_lines([line.text for line in lines]), lines[0]
    level = levels.get(round(first.size, 1), 0) if len(lines) == 1 else 0
    return Block("heading", text, level=level, page=first.page) if level else Block("paragraph", text, page=first.page)


def _parts(before: Line, line: Line, width: float) -> bool:
    """Whether a new paragraph begins between two lines of text: they lie apart, differ in size, or the first one ended early."""
    if not line.size:
        return before.text.endswith(_ENDS)
    gap = before.bottom - line.top
    if gap > line.size * 0.9 or gap < -3 * line.size or abs(before.size - line.size) > 0.1 * line.size or _BULLET.match(line.text):
        return True
    short = before.right < width - 2.5 * line.size
    return short and before.text.endswith(_ENDS)
