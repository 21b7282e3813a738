"""HTML to blocks: what a reader of the page sees, to whatever depth. kreuzberg drops all that is nested deeper than 62 elements, in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.index.blocks import Block, join_lines
from pipelines.index.readers.reading import Unreadable

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

#: Deeper than any page a person wrote. Elements whose end may be left out (``p``, ``li``, ``td``) count once they are closed.
MAX_DEPTH = 300
_UNSEEN = frozenset(
    {"script", "style", "template", "noscript", "head", "title", "nav", "svg", "object", "iframe", "select", "button", "input", "textarea"}
)
_INLINE = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "ruby",
        "rb",
    }
    | {"s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
)
_NOT_SHOWN = re.compile(r"(?i)display\s*:\s*none|visibility\s*:\s*hidden")
_SPACES = re.compile(r"[ \t\r\f\xa0]+")


def html_blocks(text: str) -> list[Block]:
    """Blocks of a page or a part of one. What is not shown (``hidden``, ``display: none``) is not text: instructions hide there.

    Raises Unreadable for elements nested deeper than ``MAX_DEPTH``.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    if not text.strip():
        return []
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode(), parser)
    if root is None:
        return []
    _check_depth(root)
    return [block for block in _Walk().blocks(root) if not block.empty]


def _check_depth(root: Element) -> None:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    # Not by calling itself: such a walk would die of what it looks for.
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise Unreadable("too_deep", str(MAX_DEPTH))


class _Walk:
    """One walk over a page: inline text gathers until an element ends the line."""

    def __init__(self) -> None:
        self._held: list[str] = []

    def blocks(self, element: Element) -> Iterator[Block]:
        yield from self._inside(element)
        yield from self._flush()

    def _flush(self, kind: str = "paragraph", level: int = 0) -> Iterator[Block]:
        text = _joined("".join(self._held))
        self._held.clear()
        if text:
            yield Block("heading" if level else "item" if kind == "item" else "paragraph", text, level=level)

    def _inside(self, element: Element, kind: str = "paragraph") -> Iterator[Block]:
        self._held.append(element.text or "")
        for child in element:
            yield from self._one(child, kind)
            self._held.append(child.tail or "")

    def _one(self, element: Element, kind: str) -> Iterator[Block]:
        tag = element.tag if isinstance(element.tag, str) else ""
        if not _shown(element, tag):
            return
        if tag == "br":
            self._held.append("\n")
        elif tag == "img":
            self._held.append(element.get("alt") or "")
        elif tag in ("rt", "rp"):
            # The reading above a word is no part of the sentence.
            return
        elif tag in _INLINE:
            yield from self._inside(element, kind)
        else:
            yield from self._flush(kind)
            yield from self._block(element, tag, kind)

    def _block(self, element: Element, tag: str, kind: str) -> Iterator[Block]:
        if tag == "table" and (rows := _rows(element)):
            yield Block("table", rows=rows)
        elif tag == "pre":
            yield Block("code", "".join(_words(element)).strip("\n"))
        elif tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self._held.append("".join(_words(element)))
            yield from self._flush(level=int(tag[1]))
        else:
            kind = "item" if tag in ("li", "dd") else "paragraph" if tag in ("ul", "ol", "dl") else kind
            yield from self._inside(element, kind)
            yield from self._flush(kind)


def _shown(element: Element, tag: str) -> bool:
    return bool(tag) and tag not in _UNSEEN and element.get("hidden") is None and not _NOT_SHOWN.search(element.get("style") or "")


def _joined(text: str) -> str:
    return join_lines([_SPACES.sub(" ", line) for line in text.split("\n")])


def _words(element: Element) -> Iterator[str]:
    """Text shown inside an element, in order."""
    yield element.text or ""
    for child in element:
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag in ("br", "p", "div", "li"):
            yield "\n"
        if tag == "img":
            yield child.get("alt") or ""
        elif _shown(child, tag) and tag not in ("rt", "rp"):
            yield from _words(child)
        yield child.tail or ""


def _rows(table: Element) -> tuple[tuple[str, ...], ...]:
    """Rows of a table of data, a spanning cell in all places it spans; none for one that only lays out a page."""
    if next(table.iterdescendants("table", "h1", "h2", "h3", "h4", "h5", "h6"), None) is not None:
        return ()
    rows: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}
    for line in table.iterdescendants("tr"):
        row: list[str] = []
        cells = [cell for cell in line if cell.tag in ("td", "th")]
        while cells or len(row) in below:
            if held := below.pop(len(row), None):
                if held[0] > 1:
                    below[len(row)] = (held[0] - 1, held[1])
                row.append(held[1])
                continue
            cell = cells.pop(0)
            text = _joined("".join(_words(cell)))
            for _ in range(_span(cell, "colspan")):
                if (down := _span(cell, "rowspan")) > 1:
                    below[len(row)] = (down - 1, text)
                row.append(text)
        rows.append(row)
    width = max(map(len, rows), default=0)
    filled = tuple(tuple(row + [""] * (width - len(row))) for row in rows if any(row))
    return filled if width > 1 and len(filled) > 1 else ()


def _span(cell: Element, name: str) -> int:
    told = cell.get(name) or "1"
    return min(max(1, int(told)), 200) if told.isdecimal() else 1
