"""Word files: the body through kreuzberg, and what it passes over – headers, footnotes, endnotes, comments – from the parts themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from pipelines.index.blocks import Block, markdown_blocks
from pipelines.index.readers.archive import part, relations
from pipelines.index.readers.markdown import extract
from pipelines.index.readers.reading import Reading, Unreadable

MEDIA = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_RUNNING, _NOTES = ("header", "footer"), ("footnotes", "endnotes", "comments")
#: Relation type → the element that is one entry of that part, where a part has several.
_ENTRIES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}
_LABELS = {"header": "ヘッダー", "footer": "フッター", "footnotes": "脚注", "endnotes": "文末脚注", "comments": "コメント"}
#: Entries that only draw the line above the notes (ECMA-376 part 1, 17.18.33).
_RULES = ("separator", "continuationSeparator", "continuationNotice")


def read_word(data: bytes) -> Reading:
    body = tuple(markdown_blocks(extract(data, MEDIA).markdown))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            beside = _beside(archive)
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile) as error:
        raise Unreadable("damaged", "document parts") from error
    # What runs along every page stands once and first: after the text it would be found under the last heading.
    running = [Block("paragraph", f"{_LABELS[kind]}: {text}") for kind in _RUNNING for text in beside[kind]]
    notes = [block for kind in _NOTES if beside[kind] for block in _headed(_LABELS[kind], beside[kind])]
    return Reading((*running, *body, *notes))


def _headed(heading: str, texts: list[str]) -> Iterator[Block]:
    yield Block("heading", heading, level=1)
    yield from (Block("paragraph", text) for text in texts)


def _beside(archive: zipfile.ZipFile) -> dict[str, list[str]]:
    """Texts beside the body by kind, each once: headers of first, odd and even pages mostly say the same."""
    main = next((target for kind, target in relations(archive, "").values() if kind == "officeDocument"), "word/document.xml")
    found: dict[str, dict[str, None]] = {kind: {} for kind in _LABELS}
    for kind, target in sorted(relations(archive, main).values()):
        if kind not in _LABELS or target not in archive.namelist():
            continue
        root = part(archive, target)
        for entry in root.iter(f"{_W}{_ENTRIES[kind]}") if kind in _ENTRIES else [root]:
            text = " ".join(_paragraphs(entry))
            # A page number alone says nothing.
            if entry.get(f"{_W}type") not in _RULES and any(mark.isalpha() for mark in text):
                found[kind][text] = None
    return {kind: list(texts) for kind, texts in found.items()}


def _paragraphs(element: ElementTree.Element) -> Iterator[str]:
    for paragraph in element.iter(f"{_W}p"):
        text = "".join(
            run.text or "" if run.tag == f"{_W}t" else " " for run in paragraph.iter() if run.tag in (f"{_W}t", f"{_W}tab")
        ).strip()
        if text:
            yield text
