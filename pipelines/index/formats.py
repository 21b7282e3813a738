"""Which reader a file goes to, by its name, its media type and what its first bytes say. Runs inside the parse worker only."""

from __future__ import annotations

from pathlib import PurePosixPath

from pipelines.index.readers.archive import check_archive, true_kind
from pipelines.index.readers.encodings import Undecodable
from pipelines.index.readers.mail import read_mail
from pipelines.index.readers.pdf import read_pdf
from pipelines.index.readers.plain import read_csv, read_markdown, read_text
from pipelines.index.readers.reading import Reading, Unreadable
from pipelines.index.readers.sheets import read_workbook
from pipelines.index.readers.slides import read_slides
from pipelines.index.readers.web import read_page
from pipelines.index.readers.word import read_word

_OOXML = "application/vnd.openxmlformats-officedocument."
#: Media type → format, where the name says nothing.
_BY_TYPE = {
    _OOXML + "wordprocessingml.document": "docx",
    _OOXML + "spreadsheetml.sheet": "xlsx",
    _OOXML + "presentationml.presentation": "pptx",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-outlook": "msg",
    "application/msword": "doc",
    "application/vnd.ms-powerpoint": "ppt",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
}
#: Endings of one format; macros are never run, so a file that may hold some is read like one that may not.
_SAME = {"htm": "html", "aspx": "html", "docm": "docx", "xlsm": "xlsx", "pptm": "pptx", "text": "txt", "tsv": "csv", "markdown": "md"}
_READERS = {
    "docx": read_word,
    "xlsx": read_workbook,
    "xls": read_workbook,
    "pptx": read_slides,
    "pdf": read_pdf,
    "msg": read_mail,
    "html": read_page,
    "txt": read_text,
    "md": read_markdown,
    "csv": read_csv,
}
#: Known, and not read: what there is to read them leaves out text without saying so.
_OLD = ("doc", "ppt")
_BINARY = ("docx", "xlsx", "pptx", "pdf", "xls", "msg")


def format_of(name: str, media_type: str) -> str | None:
    """The format by file name ending, else by media type; None where we have no parser."""
    ending = PurePosixPath(name.lower()).suffix.removeprefix(".")
    ending = _SAME.get(ending, ending)
    if ending in _READERS or ending in _OLD:
        return ending
    return _BY_TYPE.get(media_type.split(";")[0].strip().lower())


def read_file(name: str, media_type: str, data: bytes) -> Reading:
    """All blocks of the file. Raises Unreadable: a file is read whole or not at all, and only as what it says it is."""
    kind, true = format_of(name, media_type), true_kind(data)
    if kind is None:
        raise Unreadable("unsupported", PurePosixPath(name).suffix or media_type)
    if true == "encrypted":
        raise Unreadable("encrypted", kind)
    if kind in _OLD:
        raise Unreadable("old_office", kind)
    if true and true != kind:
        raise Unreadable("mislabelled", f"{kind}: {true}")
    if not true and kind in _BINARY:
        raise Unreadable("damaged", f"no {kind}")
    if kind in ("docx", "xlsx", "pptx"):
        check_archive(data)
    try:
        reading = _READERS[kind](data)
    except Undecodable as error:
        raise Unreadable("undecodable", str(error)) from error
    if not any(not block.empty for block in reading.blocks):
        raise Unreadable("no_text")
    return reading
