"""Word files: the body, and once what stands beside it: headers, footers, footnotes, endnotes, comments."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from pipelines.index.blocks import Block
from pipelines.index.readers.archive import part, relations
from pipelines.index.readers.reading import Reading, Unreadable
from pipelines.index.readers.wordml import W, body_blocks, styles_of

_RUNNING, _NOTES = ("header", "footer"), ("footnotes", "endnotes", "comments")
#: Relation type → the element that is one entry of that part, where a part has several.
_ENTRIES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}
_LABELS = {"header": "ヘッダー", "footer": "フッター", "footnotes": "脚注", "endnotes": "文末脚注", "comments": "コメント"}
#: Entries that only draw the line above the notes (ECMA-376 part 1, 17.18.33).
_RULES = ("separator", "continuationSeparator", "continuationNotice")


def read_word(data: bytes) -> Reading:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            main = next((target for kind, target in relations(archive, "").values() if kind == "officeDocument"), "word/document.xml")
            related = sorted(relations(archive, main).values())
            styles = styles_of(next((part(archive, target) for kind, target in related if kind == "styles"), None))
            body = tuple(body_blocks(part(archive, main), styles))
            beside = _beside(archive, related)
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile) as error:
        raise Unreadable("damaged", "document parts") from error
    # What runs along every page stands once and first: after the text it would be found under the last heading.
    running = [Block("paragraph", f"{_LABELS[kind]}: {text}") for kind in _RUNNING for text in beside[kind]]
    notes = [block for kind in _NOTES if beside[kind] for block in _headed(_LABELS[kind], beside[kind])]
    return Reading((*running, *body, *notes))


def _headed(heading: str, texts: list[str]) -> Iterator[Block]:
    yield Block("heading", heading, level=1)
    yield from (Block("paragraph", text) for text in texts)


def _beside(archive: zipfile.ZipFile, related: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Texts beside the body by kind, each once: headers of first, odd and even pages mostly say the same."""
    found: dict[str, dict[str, None]] = {kind: {} for kind in _LABELS}
    for kind, target in related:
        if kind not in _LABELS or target not in archive.namelist():
            continue
        root = part(archive, target)
        for entry in root.iter(f"{W}{_ENTRIES[kind]}") if kind in _ENTRIES else [root]:
            text = " ".join(block.text or " ".join(cell for row in block.rows for cell in row) for block in body_blocks(entry, {}))
            # A page number alone says nothing.
            if entry.get(f"{W}type") not in _RULES and any(mark.isalpha() for mark in text):
                found[kind][text] = None
    return {kind: list(texts) for kind, texts in found.items()}
