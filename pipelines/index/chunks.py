"""Documents are cut along their structure into chunks: heading path on each, header row on every piece of a table, whole sentences."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.index.blocks import CJK, Block
from pipelines.index.cutting import Piece, packed
from pipelines.index.documents import Document
from pipelines.index.duplicates import group_of
from pipelines.index.tokens import CONTEXT, TARGET, cut, most_tokens

#: Stands in the manifest: another cut is another content.
CHUNKER = "structure/2"


@dataclass(frozen=True)
class Chunk:
    """A piece of one document, and all that serving needs to know of it.

    ``acl`` are the principals of its scope and ``field_acl`` those of the narrower scope of a restricted field (the same list where there is
    none): a reader must be in both. Both are empty where a scope is unresolved. ``lang`` is ``ja``, ``en`` or "" where the text is neither
    (figures, codes); ``media`` and ``changed_at`` are the document's; ``canonical`` names the group of near-copies that its words put it in
    (see ``duplicates``): chunks of one group say the same, and an answer shows one of those that its reader may see.
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
        """What is embedded: the text under its title and headings, never more than an embedder reads."""
        return f"{context(self.title, self.heading_path)}\n{self.text}"

    @property
    def search_text(self) -> str:
        return search_form(self.passage)


def context(title: str, heading_path: Sequence[str]) -> str:
    """Title and headings as one line. Where they are too long the upper headings go first: title and last heading say most."""
    names = list(dict.fromkeys((title, *heading_path)))
    while len(names) > 2 and most_tokens(" > ".join(names)) > CONTEXT:
        del names[1]
    line = " > ".join(names)
    if most_tokens(line) > CONTEXT:
        each = CONTEXT / len(names) - 3
        line = " > ".join(name[: cut(name, each)] if name else "" for name in names)
    return line


def search_form(text: str) -> str:
    """NFKC and lower case, for index and query alike: full-width digits and half-width katakana meet their usual forms."""
    return unicodedata.normalize("NFKC", text).lower()


_KANA_KANJI = re.compile(rf"[{CJK}]+")
_LATIN = re.compile(r"[A-Za-z]+")


def language(text: str) -> str:
    """``ja`` where a fifth of the letters or more are kana or kanji, ``en`` where the rest are Latin letters, "" where there are hardly any."""
    japanese, latin = (sum(map(len, pattern.findall(text))) for pattern in (_KANA_KANJI, _LATIN))
    if japanese + latin < 8:
        return "ja" if japanese else ""
    return "ja" if japanese * 5 >= japanese + latin else "en"


def chunk_id(document: str, heading_path: Sequence[str], ordinal: int, occurrence: int = 0) -> str:
    """A hash of document id, heading path and place under that heading: another section's edit does not change it, not even where both have
    the same headings (``occurrence`` counts those).
    """
    named = [document, list(heading_path), ordinal, *([occurrence] if occurrence else [])]
    return hashlib.sha256(json.dumps(named, ensure_ascii=False).encode()).hexdigest()[:32]


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


def chunks(document: Document, principals: Mapping[str, tuple[str, ...]], size: float = TARGET) -> Iterator[Chunk]:
    """The document's chunks of at most ``size`` tokens. The address of one that stands on a page of a PDF opens that page (RFC 8118, ``page``).

    ``principals`` gives the principals of each resolved scope; a scope that is not in it is unresolved and matches nobody.
    """
    acl = principals.get(document.scope, ())
    field_acl = principals.get(document.narrow, ()) if document.narrow else acl
    if not acl or not field_acl:
        acl = field_acl = ()
    ordinals: dict[tuple[str, ...], int] = {}
    occurrences: dict[tuple[str, ...], int] = {}
    for path, blocks in sections(document.blocks) if document.blocks else [((), list[Block]())]:
        occurrence = occurrences[path] = occurrences.get(path, -1) + 1
        for number, piece in enumerate(packed(blocks, size) or [_bare_heading(path[-1] if path else document.title, size)]):
            id = chunk_id(document.id, path, number, occurrence)
            ordinal = ordinals[path] = ordinals.get(path, -1) + 1
            yield Chunk(
                id=id,
                document=document.id,
                row=document.row,
                stream=document.stream,
                title=document.title,
                heading_path=path,
                ordinal=ordinal,
                text=piece.text,
                url=f"{document.url}#page={piece.page}" if document.media == "pdf" and document.url and piece.page else document.url,
                kind=document.kind,
                scope=document.scope,
                narrow=document.narrow,
                columns=document.columns,
                version=document.version,
                row_hash=document.row_hash,
                pull_id=document.pull_id,
                acl=acl,
                field_acl=field_acl,
                lang=language(piece.text),
                media=document.media,
                changed_at=document.changed_at,
                canonical=group_of(document.title, path, piece.text, record=document.kind == "record"),
            )


def _bare_heading(heading: str, size: float) -> Piece:
    return Piece(heading[: cut(heading, size)] if heading else "")


def principals_of(scopes: Sequence[Mapping[str, object]]) -> dict[str, tuple[str, ...]]:
    """From rows of the scopes table: the principals of each *resolved* scope, sorted. The scope ``unresolved`` never resolves."""
    found: dict[str, tuple[str, ...]] = {}
    for row in scopes:
        names = row["principals"]
        if row["resolved"] is True and row["scope"] != "unresolved" and isinstance(names, list):
            found[str(row["scope"])] = tuple(sorted({str(name) for name in names if re.match(r"[a-z]+:", str(name))}))  # pyright: ignore[reportUnknownVariableType]
    return found
