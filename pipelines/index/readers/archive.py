"""Office containers from the outside: what a file really is, whether it may be unpacked, and its XML parts without entities."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree

from pipelines.index.readers.reading import Unreadable

MAX_ENTRIES = 20_000
MAX_UNPACKED = 300_000_000
MAX_RATIO = 200
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_SECTORS = 4096
#: Sectors are of 512 or 4,096 bytes ([MS-CFB] 2.2); a header that says otherwise is damaged.
_SECTOR_SHIFTS = (9, 12)
_PIECE = 1 << 20
_DOCTYPES = [mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
_LONGEST = max(map(len, _DOCTYPES))
#: Names of streams in an old container and what they say it is, the most telling first.
_OLE_KINDS = (
    ("EncryptedPackage", "encrypted"),
    ("__properties_version1.0", "msg"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
)
_OOXML_KINDS = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))


def true_kind(data: bytes) -> str:
    """What the first bytes say a file is: ``pdf``, ``docx``, ``xlsx``, ``pptx``, ``zip``, ``xls``, ``doc``, ``ppt``, ``msg``, ``encrypted``,
    ``ole``, ``image``, or "" for text and whatever else.
    """
    if data.lstrip()[:5] == b"%PDF-":
        return "pdf"
    if data.startswith(_OLE):
        names = set(_stream_names(data))
        return next((kind for name, kind in _OLE_KINDS if name in names), "ole")
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")):
        return "image"
    if data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = archive.namelist()
        except zipfile.BadZipFile:
            return ""
        return next((kind for folder, kind in _OOXML_KINDS if any(name.startswith(folder) for name in names)), "zip")
    return ""


def _stream_names(data: bytes) -> Iterator[str]:
    """The names in an old container's directory ([MS-CFB] 2.2 header, 2.3 FAT, 2.6 directory); fewer where it is damaged."""
    if len(data) < 512:
        return
    shift = int.from_bytes(data[30:32], "little")
    if shift not in _SECTOR_SHIFTS:
        return
    size = 1 << shift

    def word(at: int) -> int:
        return int.from_bytes(data[at : at + 4], "little")

    sector, per_sector = word(48), size // 4
    for _ in range(_MOST_SECTORS):
        start = (sector + 1) * size
        if start >= len(data):
            return
        for entry in range(start, start + size, 128):
            length = int.from_bytes(data[entry + 64 : entry + 66], "little")
            if 2 < length <= 64:
                yield data[entry : entry + length - 2].decode("utf-16-le", "replace")
        # The table's own sectors stand in the header, up to 109 of them: enough for a directory, which comes early.
        if sector // per_sector >= 109:
            return
        sector = word((word(76 + 4 * (sector // per_sector)) + 1) * size + 4 * (sector % per_sector))


def check_archive(data: bytes) -> None:
    """Refuse a zip that would unpack beyond reason, before anything of it is unpacked; then one of which a part is damaged or declares a
    document type. No office writes one, and readers that pass over its entities give the text without what stood in them.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive.infolist())
            for entry in archive.infolist():
                markup, before = entry.filename.endswith((".xml", ".rels", ".vml")), b""
                with archive.open(entry) as stream:
                    # To the end of each part, where its checksum is compared. A declaration may stand behind a comment of any length.
                    while piece := stream.read(_PIECE):
                        if markup and any(mark in before + piece for mark in _DOCTYPES):
                            raise Unreadable("damaged", "a document type in an office file")
                        before = piece[-_LONGEST:]
    # zipfile raises NotImplementedError for a way of packing it does not know, and OSError for a part that lies outside of the file.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise Unreadable("damaged", "zip") from error


def _check_sizes(entries: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED:
        raise Unreadable("zip_bomb", f"{len(entries)} entries, {unpacked} bytes unpacked")
    for entry in entries:
        if entry.flag_bits & 1:
            raise Unreadable("encrypted", "zip")
        if entry.file_size > 1_000_000 and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise Unreadable("zip_bomb", f"one entry packed more than {MAX_RATIO}:1")


def part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    """One XML part. Raises Unreadable where it declares a document type: none that an office writes does, and entities come that way."""
    raw = archive.read(name)
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Unreadable("damaged", "a document type in an office file")
    return ElementTree.fromstring(raw)


def relations(archive: zipfile.ZipFile, of: str) -> dict[str, tuple[str, str]]:
    """Relation id → (type's last word, target part) of a part (ECMA-376 part 2, relationships)."""
    path = PurePosixPath(of)
    name = str(path.parent / "_rels" / (path.name + ".rels"))
    if name not in archive.namelist():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for relation in part(archive, name):
        target = relation.get("Target", "")
        base = [] if target.startswith("/") else list(path.parent.parts)
        for step in PurePosixPath(target.lstrip("/")).parts:
            base = base[:-1] if step == ".." else [*base, step]
        found[relation.get("Id", "")] = (relation.get("Type", "").rsplit("/", 1)[-1], "/".join(base))
    return found
