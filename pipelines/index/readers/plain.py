"""Text, Markdown and CSV files."""

from __future__ import annotations

import csv
import io
import re

from pipelines.index.blocks import Block, join_lines, markdown_blocks
from pipelines.index.readers.encodings import decode
from pipelines.index.readers.reading import Reading, Unreadable


def read_text(data: bytes) -> Reading:
    parts = re.split(r"\n[ \t\u3000]*\n", _lines(data))
    return Reading(tuple(Block("paragraph", joined) for part in parts if (joined := join_lines(part.splitlines()))))


def read_markdown(data: bytes) -> Reading:
    return Reading(tuple(markdown_blocks(_lines(data))))


def read_csv(data: bytes) -> Reading:
    """The first row is the header; the separator is the one of comma, tab and semicolon that stands most often in it."""
    text = _lines(data)
    head = text.split("\n", 1)[0]
    separator = max(",\t;", key=head.count)
    try:
        rows = [tuple(cell.strip() for cell in row) for row in csv.reader(io.StringIO(text), delimiter=separator)]
    except csv.Error as error:
        raise Unreadable("damaged", "csv") from error
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    return Reading((Block("table", rows=tuple(row for _, row in numbered), lines=tuple(number for number, _ in numbered)),))


def _lines(data: bytes) -> str:
    text = decode(data)
    if "\0" in text:
        raise Unreadable("undecodable", "NUL")
    return text.replace("\r\n", "\n").replace("\r", "\n")
