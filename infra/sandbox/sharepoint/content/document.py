"""A document as text: title, sections, tables. Reads the block format of the ``*.txt`` files beside this module."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from infra.sandbox.company import trade

#: Raise it when a renderer changes what it writes, so that cached files are made anew.
RENDERING = 1
_RANGE = re.compile(r"\{([\d.]+)-([\d.]+)/([\d.]+)\}")
_ITEM = re.compile(r"\{item:([A-Z]{2})\}")


@dataclass(frozen=True)
class Section:
    """One heading's worth: a chapter, a slide or a sheet. ``notes`` are speaker notes; ``table``'s first row is its header."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    notes: str = ""


@dataclass(frozen=True)
class Document:
    """One file to be made. ``path`` is library/folder/…/file (for a page: site/file); ``charset`` matters for html only."""

    path: str
    title: str
    sections: tuple[Section, ...]
    language: str = "ja"
    charset: str = "utf-8"

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def extension(self) -> str:
        return self.name.rsplit(".", 1)[-1]

    @property
    def text(self) -> str:
        """Everything a reader sees, for measuring and searching."""
        lines = [self.title]
        for section in self.sections:
            lines += [section.heading, *section.paragraphs, *(" ".join(row) for row in section.table), section.notes]
        return "\n".join(line for line in lines if line)

    @property
    def key(self) -> str:
        """Cache key: the file depends on nothing but the text, the format and the renderer's version (not on where it lies)."""
        return hashlib.sha256(
            repr((RENDERING, self.extension, self.charset, self.language, self.title, self.sections)).encode()
        ).hexdigest()

    def revised(self, revision: int, sentence: str) -> Document:
        """The same document with its revision note renewed; an older note gives way, so that texts do not grow day by day."""
        heading = f"改訂記録 第{revision}版" if self.language == "ja" else f"Revision {revision}"
        kept = tuple(s for s in self.sections if not s.heading.startswith(("改訂記録", "Revision ")))
        return replace(self, sections=(*kept, Section(heading, (sentence,))))


def fill(text: str, rng: random.Random, seed: int) -> str:
    """Replace ``{low-high/step}``, ``{item:SP}``, ``{customer}`` and ``{supplier}`` by what ``rng`` draws."""

    def number(match: re.Match[str]) -> str:
        low, high, step = (Decimal(part) for part in match.groups())
        return format(low + step * rng.randrange(int((high - low) / step) + 1), "f")

    def item(match: re.Match[str]) -> str:
        chosen = rng.choice([one for one in trade.items(seed) if one.category == match.group(1)])
        return f"{chosen.code} {chosen.name}"

    text = _ITEM.sub(item, _RANGE.sub(number, text))
    if "{customer}" in text:
        text = text.replace("{customer}", rng.choice(trade.customers(seed)).name)
    return text.replace("{supplier}", rng.choice(trade.suppliers(seed)).name) if "{supplier}" in text else text


def blocks(file: str) -> Iterator[tuple[str, list[str]]]:
    """The blocks of a text file beside this module, as (heading after ``=== ``, lines)."""
    for block in (Path(__file__).parent / file).read_text(encoding="utf-8").split("\n=== ")[1:]:
        head, _, body = block.partition("\n")
        yield head.strip(), [line for line in body.splitlines() if line.strip()]


def read(file: str, seed: int) -> list[Document]:
    """All documents of one text file, numbers drawn from ``seed`` and the document's path."""
    return [parse(head, lines, seed) for head, lines in blocks(file)]


def parse(head: str, lines: list[str], seed: int) -> Document:
    """One block as a document."""
    path, *flags = head.split()
    rng = random.Random(f"{seed}:{path}")
    title = ""
    sections: list[Section] = []
    for raw in lines:
        line = fill(raw.strip(), rng, seed)
        if line.startswith("# "):
            title = line[2:]
        elif line.startswith("## "):
            sections.append(Section(line[3:]))
        elif line.startswith("| "):
            row = tuple(cell.strip() for cell in line.strip("| ").split("|"))
            sections[-1] = replace(sections[-1], table=(*sections[-1].table, row))
        elif line.startswith("> "):
            sections[-1] = replace(sections[-1], notes=line[2:])
        else:
            sections[-1] = replace(sections[-1], paragraphs=(*sections[-1].paragraphs, line))
    return Document(path, title, tuple(sections), "en" if "en" in flags else "ja", "shift_jis" if "shift_jis" in flags else "utf-8")
