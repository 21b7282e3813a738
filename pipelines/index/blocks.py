"""The block stream every parser ends in – headings, paragraphs, items, tables, code, notes – and how Markdown becomes one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

BlockKind = Literal["heading", "paragraph", "item", "table", "code", "note"]

#: Characters between which no space belongs: kana, kanji, full-width punctuation.
CJK = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60\uff66-\uff9f"
_CJK_GAP = re.compile(rf"(?<=[{CJK}])[ \t\u00a0]+(?=[{CJK}])")
_IS_CJK = re.compile(rf"[{CJK}]")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~&$^=:\"'])")
_STRONG = re.compile(r"\*\*(\S(?:.*?\S)?)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(\S(?:[^*]*?\S)?)\*(?![\w*])")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^()\s]*\)")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\([^()\s]*\)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+(.*)$")
_RULE = re.compile(r"^\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)*\|?$")
_CELL = re.compile(r"(?<!\\)\|")
_SENTENCE_END = tuple("。．.!！?？」』）):：;；")


@dataclass(frozen=True)
class Block:
    """One piece of a document in reading order. ``level`` counts for headings (1 = top); ``rows`` for tables, header row first.

    Where it stood: ``page`` is the number of the page or slide, 0 where there are none; ``span`` the columns of a sheet's table (``B:F``) and
    ``lines`` the number of each of its rows there.
    """

    kind: BlockKind
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    page: int = 0
    span: str = ""
    lines: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.text.strip() and not any(cell.strip() for row in self.rows for cell in row)


def close_cjk_gaps(text: str) -> str:
    """Without the spaces that PDF line ends leave between two Japanese characters: they break words for search."""
    return _CJK_GAP.sub("", text)


def join_lines(lines: Sequence[str]) -> str:
    """Lines of one paragraph as one text: nothing between two Japanese characters, a space elsewhere. Spaces inside a line stay: they are the writer's."""
    joined = ""
    for line in filter(None, (line.strip() for line in lines)):
        gap = "" if not joined or (_IS_CJK.match(joined[-1]) and _IS_CJK.match(line)) else " "
        joined += gap + line
    return joined


def _inline(text: str) -> str:
    plain = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    plain = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", plain))
    return _ESCAPE.sub(r"\1", plain).strip()


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip()
    inner = inner.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(_inline(cell.strip()) for cell in _CELL.split(inner))


def _table(lines: Sequence[str]) -> Block:
    rows = [_cells(line) for number, line in enumerate(lines) if not (number == 1 and _RULE.match(line.strip()))]
    return Block("table", rows=tuple(row for row in rows if any(row)))


def markdown_blocks(markdown: str) -> Iterator[Block]:
    """Blocks of a Markdown text, empty ones left out. Marks of emphasis, links and escapes are taken off; the words stay."""
    paragraph: list[str] = []
    table: list[str] = []
    code: list[str] | None = None

    def flush() -> Iterator[Block]:
        if paragraph:
            yield Block("paragraph", join_lines([_inline(line) for line in paragraph]))
            paragraph.clear()
        if table:
            yield _table(table)
            table.clear()

    def found() -> Iterator[Block]:
        nonlocal code
        for line in markdown.splitlines():
            if line.lstrip().startswith("```"):
                if code is None:
                    yield from flush()
                    code = []
                else:
                    yield Block("code", "\n".join(code))
                    code = None
            elif code is not None:
                code.append(line)
            elif line.lstrip().startswith("|"):
                if paragraph:
                    yield from flush()
                table.append(line)
            elif not line.strip():
                yield from flush()
            elif heading := _HEADING.match(line):
                yield from flush()
                yield Block("heading", _inline(heading[2]), level=len(heading[1]))
            elif item := _ITEM.match(line):
                yield from flush()
                yield Block("item", _inline(item[1]))
            else:
                if table:
                    yield from flush()
                paragraph.append(line.lstrip("> ") if line.startswith(">") else line)
        if code is not None:
            yield Block("code", "\n".join(code))
        yield from flush()

    return (block for block in found() if not block.empty)


def join_broken_paragraphs(blocks: Sequence[Block]) -> list[Block]:
    """PDF only: a paragraph that stops in the middle of a Japanese sentence goes on in the next one."""
    joined: list[Block] = []
    for block in blocks:
        tidy = block if block.kind == "heading" else replace(block, text=close_cjk_gaps(block.text))
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.kind == tidy.kind == "paragraph"
            and len(before.text) >= 20
            and not before.text.endswith(_SENTENCE_END)
            and re.match(rf"[{CJK}]", tidy.text)
            and not re.match(r"[・●■◆※①-⑳（(第]", tidy.text)
        ):
            joined[-1] = replace(before, text=before.text + tidy.text)
        else:
            joined.append(tidy)
    return joined
