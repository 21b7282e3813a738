"""Blocks under one heading become texts of a chunk's size: whole tables or groups of rows under their header, whole sentences, code by lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.index.blocks import Block
from pipelines.index.sentences import pieces, wrapped
from pipelines.index.tokens import most_tokens

_MARKS = {"item": "・", "note": "ノート: "}
#: A header row that takes more of a chunk than this leaves too little room for rows under it.
_WIDE = 0.5


@dataclass(frozen=True)
class Piece:
    """A text and the page or slide on which it begins, 0 where there are none."""

    text: str
    page: int = 0


def packed(blocks: Sequence[Block], size: float) -> list[Piece]:
    """Texts of the blocks in their order, each of at most ``size`` tokens. What fits together stands together."""
    found: list[Piece] = []
    held: list[str] = []
    used, page = 0.0, 0
    for block in blocks:
        for text in _texts(block, size):
            cost = most_tokens(text) + 1
            if held and used + cost > size + 1:
                found.append(Piece("\n".join(held), page))
                held, used = [], 0.0
            if not held:
                page = block.page
            held.append(text)
            used += cost
    return [*found, Piece("\n".join(held), page)] if held else found


def _texts(block: Block, size: float) -> Sequence[str]:
    if block.kind == "table":
        return list(_table(block, size))
    if block.kind == "code":
        return wrapped(block.text, size)
    mark = _MARKS.get(block.kind, "")
    return [mark + piece if number == 0 else piece for number, piece in enumerate(pieces(block.text, size - len(mark)))]


def _line(row: Sequence[str]) -> str:
    return " | ".join(cell.replace("\n", " ") for cell in row)


def _range(block: Block, first: int, last: int) -> str:
    """``[B3:F20]`` for these rows of a sheet's table, and nothing elsewhere."""
    if not block.span:
        return ""
    left, _, right = block.span.partition(":")
    return f"[{left}{block.lines[first]}:{right}{block.lines[last]}]\n"


def _table(block: Block, size: float) -> Iterator[str]:
    """The table whole where it fits, else groups of rows, each under the header row. A row too wide for that has each cell under its own name."""
    header, *rows = block.rows
    head = _line(header)
    fixed = most_tokens(head) + len(_range(block, 0, len(rows))) + 1
    group: list[str] = []
    first, used = 1, fixed

    def grouped(last: int) -> str:
        return _range(block, first if last >= first else 0, last) + "\n".join([head, *group])

    if not rows:
        yield from (_range(block, 0, 0) + text for text in wrapped(head, size - len(_range(block, 0, 0))))
        return
    for number, row in enumerate(rows, 1):
        line = _line(row)
        cost = most_tokens(line) + 1
        if group and used + cost > size:
            yield grouped(number - 1)
            group, used = [], fixed
        if fixed > size * _WIDE or fixed + cost > size:
            yield from (_range(block, number, number) + text for text in _labelled(header, row, size - len(_range(block, number, number))))
            continue
        if not group:
            first = number
        group.append(line)
        used += cost
    if group:
        yield grouped(len(rows))


def _labelled(header: Sequence[str], row: Sequence[str], size: float) -> Iterator[str]:
    """One row as ``name: value`` pairs, in as many texts as it takes; its first cell stands in each, for it mostly says whose row it is."""
    names = [wrapped(name.replace("\n", " "), size / 4)[:1] for name in header]
    pairs = [f"{''.join(name)}: {cell.replace(chr(10), ' ')}" for name, cell in zip(names, row, strict=False) if cell]
    pairs += [cell.replace("\n", " ") for cell in row[len(header) :] if cell]
    key = pairs[0] if pairs and most_tokens(pairs[0]) <= size / 4 else ""
    held, used = "", 0.0
    for pair in pairs:
        for part in wrapped(pair, size - most_tokens(key) - 6):
            cost = most_tokens(part) + 3
            if held and used + cost > size:
                yield held
                held, used = (f"{key} | {part}", most_tokens(key) + 3 + cost) if key else (part, cost)
            else:
                held, used = (f"{held} | {part}" if held else part), used + cost
    if held:
        yield held
