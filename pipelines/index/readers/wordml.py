"""The body of a Word file as blocks (ECMA-376 part 1, 17): headings by their styles, lists, tables, text boxes; what is deleted or hidden is none.

kreuzberg drops ``<``, ``>`` and ``&`` from the text of Word files, and "below < 3 mm" is then another sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from pipelines.index.blocks import Block, join_lines

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
#: What Word shows as gone, or does not show at all.
_GONE = frozenset({f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}delText", f"{W}rt", f"{_CHOICE}Fallback", f"{W}pPr", f"{W}rPr"})
_BREAKS = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_HEADING = re.compile(r"(?i)^(?:heading|見出し)\s*(\d)$")


@dataclass(frozen=True)
class Style:
    """What a paragraph's style says of it: ``level`` of a heading, 0 for none; whether it is an item of a ``list``."""

    level: int = 0
    list: bool = False


def styles_of(root: Element | None) -> dict[str, Style]:
    """Style id → style, with what it takes over from the style it is based on."""
    told = {one.get(f"{W}styleId", ""): one for one in (root.iter(f"{W}style") if root is not None else ())}

    def style(id: str, depth: int = 0) -> Style:
        one = told.get(id)
        if one is None or depth > 10:
            return Style()
        name = _value(one.find(f"{W}name"))
        based = style(_value(one.find(f"{W}basedOn")), depth + 1)
        heading = _HEADING.match(name)
        level = int(heading[1]) if heading else 1 if name.lower() == "title" else _outline(one.find(f"{W}pPr")) or based.level
        listed = one.find(f"{W}pPr/{W}numPr") is not None or name.lower().startswith("list ") or based.list
        return Style(min(level, 6), listed and not level)

    return {id: style(id) for id in told}


def body_blocks(parent: Element, styles: Mapping[str, Style]) -> Iterator[Block]:
    """Blocks of a body, a cell or a text box, in order. A text box follows the paragraph it hangs on."""
    for child in parent:
        if child.tag == f"{W}p":
            yield from _paragraph(child, styles)
        elif child.tag == f"{W}tbl":
            yield from _table(child, styles)
        elif child.tag not in _GONE:
            # Content controls, custom XML, what was inserted as a whole.
            yield from body_blocks(child, styles)


def _paragraph(element: Element, styles: Mapping[str, Style]) -> Iterator[Block]:
    boxes: list[Element] = []
    text = join_lines("".join(_words(element, boxes)).split("\n"))
    told = element.find(f"{W}pPr")
    style = styles.get(_value(told.find(f"{W}pStyle")) if told is not None else "", Style())
    level = _outline(told) or style.level
    number = told.find(f"{W}numPr/{W}numId") if told is not None else None
    listed = _value(number) != "0" if number is not None else style.list
    if text:
        yield Block("heading", text, level=level) if level else Block("item" if listed else "paragraph", text)
    for box in boxes:
        yield from body_blocks(box, styles)


def _words(element: Element, boxes: list[Element]) -> Iterator[str]:
    """The words that a paragraph shows; text boxes in it are put aside."""
    for child in element:
        if child.tag == f"{W}txbxContent":
            boxes.append(child)
        elif child.tag in (f"{W}t", f"{_M}t"):
            yield child.text or ""
        elif child.tag in _BREAKS:
            yield _BREAKS[child.tag]
        elif child.tag not in _GONE and not _hidden(child):
            yield from _words(child, boxes)


def _hidden(run: Element) -> bool:
    vanish = run.find(f"{W}rPr/{W}vanish")
    return vanish is not None and _value(vanish) not in ("0", "false", "off")


def _table(element: Element, styles: Mapping[str, Style]) -> Iterator[Block]:
    """A table, a merged cell in all places it covers. One of a single column is a frame around text, and gives the text."""
    rows: list[list[str]] = []
    frames: list[list[Block]] = []
    for line in _nearest(element, f"{W}tr"):
        if line.find(f"{W}trPr/{W}del") is not None:
            continue
        row: list[str] = []
        for cell in _nearest(line, f"{W}tc"):
            blocks = list(body_blocks(cell, styles))
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            text = " ".join(block.text or " ".join(cell for line in block.rows for cell in line) for block in blocks)
            if merged is not None and _value(merged) != "restart" and rows and len(row) < len(rows[-1]):
                text = rows[-1][len(row)]
            span = _value(cell.find(f"{W}tcPr/{W}gridSpan"))
            row += [text] * (min(int(span), 200) if span.isdecimal() else 1)
            frames.append(blocks)
        rows.append(row)
    if max(map(len, rows), default=0) < 2:
        yield from (block for blocks in frames for block in blocks)
        return
    width = max(map(len, rows))
    yield Block("table", rows=tuple(tuple(row + [""] * (width - len(row))) for row in rows if any(row)))


def _nearest(element: Element, tag: str) -> list[Element]:
    """Descendants of a tag that no inner table holds: rows and cells may stand in content controls."""
    found: list[Element] = []
    for child in element:
        if child.tag == tag:
            found.append(child)
        elif child.tag != f"{W}tbl" and child.tag not in _GONE:
            found += _nearest(child, tag)
    return found


def _outline(told: Element | None) -> int:
    """1 to 6 for a paragraph that stands in the outline, 0 for body text (17.3.1.20: the value counts from 0, 9 is body text)."""
    level = _value(told.find(f"{W}outlineLvl")) if told is not None else ""
    return min(int(level) + 1, 6) if level.isdecimal() and int(level) < 9 else 0


def _value(element: Element | None) -> str:
    return element.get(f"{W}val", "") if element is not None else ""
