"""One file's bytes to blocks, format by format. Runs inside the parse worker only, where a bad file can hurt nobody."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree

from pipelines.index.blocks import Block, join_broken_paragraphs, join_lines, markdown_blocks
from pipelines.index.encodings import Undecodable, decode

_OOXML = "application/vnd.openxmlformats-officedocument."
#: File name ending → (format, media type the parser wants).
FORMATS = {
    "docx": _OOXML + "wordprocessingml.document",
    "xlsx": _OOXML + "spreadsheetml.sheet",
    "pptx": _OOXML + "presentationml.presentation",
    "pdf": "application/pdf",
    "html": "text/html",
    "htm": "text/html",
    "aspx": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
}
_BY_TYPE = {media: ending for ending, media in reversed(FORMATS.items())}

MAX_ENTRIES = 20_000
MAX_UNPACKED = 300_000_000
MAX_RATIO = 200
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


class Unreadable(ValueError):
    """This file gives no document. ``code`` stands in the catalogue as ``index.unparsed.<code>``; ``detail`` is short and holds no content."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


def format_of(name: str, media_type: str) -> str | None:
    """The format by file name ending, else by media type; None where we have no parser."""
    ending = PurePosixPath(name.lower()).suffix.removeprefix(".")
    if ending in FORMATS:
        return "html" if FORMATS[ending] == "text/html" else ending
    found = _BY_TYPE.get(media_type.split(";")[0].strip().lower())
    return "html" if found in ("htm", "aspx") else found


def read_file(name: str, media_type: str, data: bytes) -> list[Block]:
    """All blocks of the file. Raises Unreadable: a file is read whole or not at all."""
    kind = format_of(name, media_type)
    if kind is None:
        raise Unreadable("unsupported", PurePosixPath(name).suffix or media_type)
    if kind in ("docx", "xlsx", "pptx"):
        check_archive(data)
    try:
        blocks = _READERS[kind](data)
    except Undecodable as error:
        raise Unreadable("undecodable", str(error)) from error
    if not any(not block.empty for block in blocks):
        raise Unreadable("no_text")
    return blocks


def check_archive(data: bytes) -> None:
    """Refuse a zip that would unpack beyond reason, before anything of it is unpacked."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("encrypted_or_old_office")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Unreadable("damaged", "zip") from error
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED:
        raise Unreadable("zip_bomb", f"{len(entries)} entries, {unpacked} bytes unpacked")
    for entry in entries:
        if entry.flag_bits & 1:
            raise Unreadable("encrypted_or_old_office")
        if entry.file_size > 1_000_000 and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise Unreadable("zip_bomb", f"one entry packed more than {MAX_RATIO}:1")


def _markdown(data: bytes, kind: str) -> str:
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,  # pyright: ignore[reportCallIssue]  (its stub is behind its code)
        output_format="markdown",
    )
    try:
        return kreuzberg.extract_bytes_sync(data, FORMATS[kind], config).content
    except kreuzberg.KreuzbergError as error:
        raise Unreadable("damaged", type(error).__name__) from error


#: The smallest PDF with a page. kreuzberg unpacks its PDF library into the temporary folder when it reads its first one.
_SMALLEST_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n"
)


def unpack() -> None:
    """Let the libraries write what they write once, while a process still may. Raises Unreadable where they can't."""
    _markdown(_SMALLEST_PDF, "pdf")


def _docx(data: bytes) -> list[Block]:
    return list(markdown_blocks(_markdown(data, "docx")))


def _pdf(data: bytes) -> list[Block]:
    if not data.lstrip()[:5].startswith(b"%PDF-"):
        raise Unreadable("damaged", "not a PDF")
    return join_broken_paragraphs(list(markdown_blocks(_markdown(data, "pdf"))))


def _xlsx(data: bytes) -> list[Block]:
    # A date cell comes out with a midnight nobody wrote.
    return list(markdown_blocks(re.sub(r"(\d{4}-\d{2}-\d{2}) 00:00:00(?= *\|)", r"\1", _markdown(data, "xlsx"))))


def _html(data: bytes) -> list[Block]:
    text = decode(data, html=True)
    # The head's title and meta would come out as front matter, its charset is no longer true.
    text = re.sub(r"(?is)<head\b.*?</head\s*>|<!--.*?-->", "", text)
    return list(markdown_blocks(_markdown(f'<meta charset="utf-8">{text}'.encode(), "html")))


def _text(data: bytes) -> list[Block]:
    parts = re.split(r"\n\s*\n", decode(data).replace("\r\n", "\n").replace("\r", "\n"))
    return [Block("paragraph", joined) for part in parts if (joined := join_lines(part.splitlines()))]


def _md(data: bytes) -> list[Block]:
    return list(markdown_blocks(decode(data)))


def _csv(data: bytes) -> list[Block]:
    rows = tuple(tuple(cell.strip() for cell in row) for row in csv.reader(io.StringIO(decode(data))))
    return [Block("table", rows=tuple(row for row in rows if any(row)))]


def _pptx(data: bytes) -> list[Block]:
    """Slides in the order they are shown, each with its speaker notes. kreuzberg drops notes and gives slides in the order they were made."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            deck = _relations(archive, "ppt/presentation.xml")
            shown = [deck[entry.get(f"{_R}id", "")][1] for entry in _part(archive, "ppt/presentation.xml").iter(f"{_P}sldId")]
            return [block for slide in shown for block in _slide(archive, slide) if not block.empty]
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile) as error:
        raise Unreadable("damaged", "presentation parts") from error


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    raw = archive.read(name)
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Unreadable("damaged", "a document type in an office file")
    return ElementTree.fromstring(raw)


def _relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Relation id → (type's last word, target part) of a part."""
    path = PurePosixPath(part)
    name = str(path.parent / "_rels" / (path.name + ".rels"))
    if name not in archive.namelist():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for relation in _part(archive, name):
        target = relation.get("Target", "")
        base = [] if target.startswith("/") else list(path.parent.parts)
        for step in PurePosixPath(target.lstrip("/")).parts:
            base = base[:-1] if step == ".." else [*base, step]
        found[relation.get("Id", "")] = (relation.get("Type", "").rsplit("/", 1)[-1], "/".join(base))
    return found


def _slide(archive: zipfile.ZipFile, name: str) -> Iterator[Block]:
    slide = _part(archive, name)
    shapes = [element for element in slide.iter() if element.tag in (f"{_P}sp", f"{_P}graphicFrame")]
    titles = [shape for shape in shapes if _place(shape) in ("title", "ctrTitle")]
    for shape in titles:
        yield Block("heading", " ".join(_paragraphs(shape)), level=2)
    for shape in shapes:
        if shape in titles or _place(shape) in ("sldNum", "dt", "ftr"):
            continue
        tables = list(shape.iter(f"{_A}tbl"))
        for table in tables:
            yield Block(
                "table", rows=tuple(tuple(" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")) for row in table.iter(f"{_A}tr"))
            )
        if not tables:
            yield from (Block("paragraph", text) for text in _paragraphs(shape))
    for kind, part in _relations(archive, name).values():
        if kind == "diagramData":
            yield from (Block("paragraph", text) for text in _paragraphs(_part(archive, part)))
        elif kind == "notesSlide":
            # Only the notes' own text: not the slide's number, date, header or picture.
            notes = [shape for shape in _part(archive, part).iter(f"{_P}sp") if _place(shape) == "body"]
            yield from (Block("note", text) for shape in notes for text in _paragraphs(shape))


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


_READERS = {"docx": _docx, "xlsx": _xlsx, "pptx": _pptx, "pdf": _pdf, "html": _html, "txt": _text, "md": _md, "csv": _csv}
