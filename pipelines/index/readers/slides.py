"""PowerPoint files: slides in the order they are shown, each with its speaker notes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from pipelines.index.blocks import Block
from pipelines.index.readers.archive import part, relations
from pipelines.index.readers.reading import Left, Reading, Unreadable

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def read_slides(data: bytes) -> Reading:
    """kreuzberg drops notes and gives slides in the order they were made, so they are read here. A slide that is hidden from the show is left out."""
    blocks: list[Block] = []
    hidden: list[Left] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            deck = relations(archive, "ppt/presentation.xml")
            shown = [deck[entry.get(f"{_R}id", "")][1] for entry in part(archive, "ppt/presentation.xml").iter(f"{_P}sldId")]
            for number, name in enumerate(shown, 1):
                slide = part(archive, name)
                if slide.get("show") in ("0", "false"):
                    hidden.append(Left("hidden_slide", str(number)))
                    continue
                blocks += [block for block in _slide(archive, name, slide, number) if not block.empty]
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile) as error:
        raise Unreadable("damaged", "presentation parts") from error
    return Reading(tuple(blocks), tuple(hidden))


def _slide(archive: zipfile.ZipFile, name: str, slide: ElementTree.Element, number: int) -> Iterator[Block]:
    shapes = [element for element in slide.iter() if element.tag in (f"{_P}sp", f"{_P}graphicFrame")]
    titles = [shape for shape in shapes if _place(shape) in ("title", "ctrTitle") and any(_paragraphs(shape))]
    # A slide without a title would stand under the one before it.
    yield Block("heading", " ".join(text for shape in titles for text in _paragraphs(shape)) or f"#{number}", level=2, page=number)
    for shape in shapes:
        if shape in titles or _place(shape) in ("sldNum", "dt", "ftr"):
            continue
        tables = list(shape.iter(f"{_A}tbl"))
        for table in tables:
            rows = tuple(tuple(" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")) for row in table.iter(f"{_A}tr"))
            yield Block("table", rows=rows, page=number)
        if not tables:
            yield from (Block("paragraph", text, page=number) for text in _paragraphs(shape))
    for kind, target in relations(archive, name).values():
        if kind == "diagramData":
            yield from (Block("paragraph", text, page=number) for text in _paragraphs(part(archive, target)))
        elif kind == "notesSlide":
            # Only the notes' own text: not the slide's number, date, header or picture.
            notes = [shape for shape in part(archive, target).iter(f"{_P}sp") if _place(shape) == "body"]
            yield from (Block("note", text, page=number) for shape in notes for text in _paragraphs(shape))


def _place(shape: ElementTree.Element) -> str:
    place = shape.find(f".//{_P}nvPr/{_P}ph")
    return "" if place is None else place.get("type", "")


def _paragraphs(element: ElementTree.Element) -> Iterator[str]:
    for paragraph in element.iter(f"{_A}p"):
        text = "".join(
            run.text or "" if run.tag == f"{_A}t" else " " for run in paragraph.iter() if run.tag in (f"{_A}t", f"{_A}br")
        ).strip()
        if text:
            yield text
