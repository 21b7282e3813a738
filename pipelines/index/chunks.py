"""Documents are cut along their structure into chunks: heading path on each, header row on every piece of a table, whole sentences."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.index.blocks import CJK, Block
from pipelines.index.documents import Document

#: Stands in the manifest: another cut is another content.
CHUNKER = "structure/1"
TARGET = 500
_OPEN, _CLOSE = "「『（(【〈《［[｛", "」』）)】〉》］]｝"
_END = "。！？!?"


@dataclass(frozen=True)
class Chunk:
    """A piece of one document, and all that serving needs to know of it.

    ``acl`` are the principals of its scope and ``field_acl`` those of the narrower scope of a restricted field (the same list where there is
    none): a reader must be in both. Both are empty where a scope is unresolved. ``lang`` is ``ja``, ``en`` or "" where the text is neither
    (figures, codes); ``media`` and ``changed_at`` are the document's; ``canonical`` is the id of the chunk whose text this one repeats
    nearly word for word, its own id where it repeats none.
    """

    id: str
    document: str
    row: str
    stream: str
    title: str
    heading_path: tuple[str, ...]
    ordinal: int
    text: str
    url: str
    kind: str
    scope: str
    narrow: str
    columns: tuple[str, ...]
    version: str
    row_hash: str
    pull_id: str
    acl: tuple[str, ...]
    field_acl: tuple[str, ...]
    lang: str = ""
    media: str = ""
    changed_at: str = ""
    canonical: str = ""

    @property
    def passage(self) -> str:
        """What is embedded: the text under its title and headings."""
        context = " > ".join(dict.fromkeys((self.title, *self.heading_path)))
        return f"{context}\n{self.text}"

    @property
    def search_text(self) -> str:
        return search_form(self.passage)


def search_form(text: str) -> str:
    """NFKC and lower case, for index and query alike: full-width digits and half-width katakana meet their usual forms."""
    return unicodedata.normalize("NFKC", text).lower()


_KANA_KANJI = re.compile(rf"[{CJK}]")
_LATIN = re.compile(r"[A-Za-z]")


def language(text: str) -> str:
    """``ja`` where a fifth of the letters or more are kana or kanji, ``en`` where the rest are Latin letters, "" where there are hardly any."""
    japanese, latin = len(_KANA_KANJI.findall(text)), len(_LATIN.findall(text))
    if japanese + latin < 8:
        return "ja" if japanese else ""
    return "ja" if japanese * 5 >= japanese + latin else "en"


def chunk_id(document: str, heading_path: Sequence[str], ordinal: int) -> str:
    """A hash of document id, heading path and place under that heading: another section's edit does not change it."""
    return hashlib.sha256(json.dumps([document, list(heading_path), ordinal], ensure_ascii=False).encode()).hexdigest()[:32]


def sentences(text: str) -> list[str]:
    """Sentences of a Japanese or English text. No cut inside brackets or quotes, none in ``3.5``; a closing bracket stays with its sentence.

    >>> sentences("停止する。（令和六年。）次へ！")
    ['停止する。', '（令和六年。）次へ！']
    """
    found: list[str] = []
    start = depth = 0
    for at, mark in enumerate(text):
        if mark in _OPEN:
            depth += 1
        elif mark in _CLOSE:
            depth = max(0, depth - 1)
        ends = mark in _END or (mark in ".!?" and text[at + 1 : at + 2] == " ") or mark == "\n"
        # A bracket nobody closes must not swallow the rest of the text.
        if ends and (depth == 0 or at - start > 2 * TARGET) and text[at + 1 : at + 2] not in tuple(_END):
            found.append(text[start : at + 1].strip())
            start, depth = at + 1, 0
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _wrap(text: str, size: int) -> list[str]:
    """A text without sentence ends, cut at commas or spaces where there are any."""
    pieces: list[str] = []
    while len(text) > size:
        cut = max(text.rfind(mark, size // 2, size) for mark in "、,，;； \n")
        cut = size if cut < 0 else cut + 1
        pieces.append(text[:cut].strip())
        text = text[cut:]
    return [piece for piece in [*pieces, text.strip()] if piece]


def _long_text(text: str, size: int) -> list[str]:
    pieces: list[str] = []
    held = ""
    for sentence in sentences(text):
        for part in _wrap(sentence, size):
            if held and len(held) + len(part) > size:
                pieces.append(held)
                held = part
            else:
                held += (" " if held and held[-1].isascii() and part[0].isascii() else "") + part
    return [*pieces, held] if held else pieces


def _line(row: Sequence[str]) -> str:
    return " | ".join(cell.replace("\n", " ") for cell in row)


def _table(block: Block, size: int) -> list[str]:
    """A table whole where it fits, else groups of rows, each under the header row."""
    header, *rows = block.rows
    head = _line(header)
    pieces: list[str] = []
    group: list[str] = []
    for line in (_line(row) for row in rows):
        for part in _wrap(line, max(size, len(head) + size // 2) - len(head)) or [""]:
            if group and len(head) + sum(len(held) + 1 for held in group) + len(part) > size:
                pieces.append("\n".join([head, *group]))
                group = []
            group.append(part)
    return [*pieces, "\n".join([head, *group])] if group or not pieces else pieces


def _pieces(block: Block, size: int) -> list[str]:
    if block.kind == "table":
        return _table(block, size)
    mark = {"item": "・", "note": "ノート: "}.get(block.kind, "")
    if block.kind == "code":
        return _wrap(block.text, size)
    return [mark + piece if number == 0 else piece for number, piece in enumerate(_long_text(block.text, size - len(mark)))]


def sections(blocks: Sequence[Block]) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Runs of blocks under the same headings. A heading with nothing beneath it is its own section, so that its words are found."""
    path: list[tuple[int, str]] = []
    held: list[Block] = []
    bare = False

    def section() -> tuple[tuple[str, ...], list[Block]]:
        return tuple(text for _, text in path), held

    for number, block in enumerate(blocks):
        if block.kind != "heading":
            held.append(block)
            bare = False
            continue
        deeper = bool(path) and block.level > path[-1][0]
        if held or (bare and not deeper):
            yield section()
            held = []
        while path and path[-1][0] >= block.level:
            path.pop()
        path.append((block.level, block.text))
        bare = True
        if number == len(blocks) - 1:
            yield section()
            return
    if held:
        yield section()


def chunks(document: Document, principals: Mapping[str, tuple[str, ...]], size: int = TARGET) -> Iterator[Chunk]:
    """The document's chunks of about ``size`` characters.

    ``principals`` gives the principals of each resolved scope; a scope that is not in it is unresolved and matches nobody.
    """
    acl = principals.get(document.scope, ())
    field_acl = principals.get(document.narrow, ()) if document.narrow else acl
    if not acl or not field_acl:
        acl = field_acl = ()
    ordinals: dict[tuple[str, ...], int] = {}
    for path, blocks in sections(document.blocks) if document.blocks else [((), list[Block]())]:
        for text in _packed(blocks, size) or [path[-1] if path else document.title]:
            ordinal = ordinals.get(path, 0)
            ordinals[path] = ordinal + 1
            yield Chunk(
                id=chunk_id(document.id, path, ordinal),
                document=document.id,
                row=document.row,
                stream=document.stream,
                title=document.title,
                heading_path=path,
                ordinal=ordinal,
                text=text,
                url=document.url,
                kind=document.kind,
                scope=document.scope,
                narrow=document.narrow,
                columns=document.columns,
                version=document.version,
                row_hash=document.row_hash,
                pull_id=document.pull_id,
                acl=acl,
                field_acl=field_acl,
                lang=language(text),
                media=document.media,
                changed_at=document.changed_at,
                canonical=chunk_id(document.id, path, ordinal),
            )


def _packed(blocks: Sequence[Block], size: int) -> list[str]:
    """Texts of the blocks, packed up to ``size``. A table never shares a chunk unless it fits whole."""
    packed: list[str] = []
    held = ""
    for block in blocks:
        for piece in _pieces(block, size):
            if held and len(held) + 1 + len(piece) > size:
                packed.append(held)
                held = ""
            held = f"{held}\n{piece}" if held else piece
    return [*packed, held] if held else packed


def principals_of(scopes: Sequence[Mapping[str, object]]) -> dict[str, tuple[str, ...]]:
    """From rows of the scopes table: the principals of each *resolved* scope, sorted. The scope ``unresolved`` never resolves."""
    found: dict[str, tuple[str, ...]] = {}
    for row in scopes:
        names = row["principals"]
        if row["resolved"] is True and row["scope"] != "unresolved" and isinstance(names, list):
            found[str(row["scope"])] = tuple(sorted({str(name) for name in names if re.match(r"[a-z]+:", str(name))}))  # pyright: ignore[reportUnknownVariableType]
    return found
