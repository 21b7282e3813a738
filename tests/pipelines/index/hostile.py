"""Files that would hurt whoever opens them, each made here and each with the reason that must be given for it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

from .compound import compound, xls
from .office import docx, pdf, xlsx


def _zip(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return target.getvalue()


def edited(file: bytes, part: str, edit: Callable[[bytes], bytes]) -> bytes:
    """An office file with one of its parts changed."""
    source = zipfile.ZipFile(io.BytesIO(file))
    return _zip({name: edit(source.read(name)) if name == part else source.read(name) for name in source.namelist()})


def laughing(part: bytes) -> bytes:
    """A part in which ten entities of ten entities … would make a thousand million words."""
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    declared, _, rest = part.rpartition(b"?>")
    return (
        (declared + b"?>" if declared else b"")
        + f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]>'.encode()
        + rest.replace("本文".encode(), b"&l9;")
    )


def late(part: bytes, encoding: str = "utf-8") -> bytes:
    """A part whose document type stands behind a comment longer than any reader's first look, and says what its text is."""
    declared, _, rest = part.decode().rpartition("?>")
    text = f'<!--{"x" * 400_000}--><!DOCTYPE x [<!ENTITY said "別の文">]>{rest.replace("本文", "&said;")}'
    return f"{declared.replace('UTF-8', encoding)}?>{text}".encode(encoding) if declared else text.encode(encoding)


def rows_of(count: int) -> bytes:
    """A sheet of so many rows, with a dimension tag that knows of two."""
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:A2"/><sheetData>'
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>%d</v></c></row>' % (n, n, n % 97) for n in range(1, count + 1))
    return head + rows + b"</sheetData></worksheet>"


def endless_pdf() -> bytes:
    """A PDF whose tree of pages has itself as its child."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2147483647>>endobj\n"
        b"trailer<</Root 1 0 R>>\n"
    )


def bombed_pdf() -> bytes:
    """A page whose content unpacks to hundreds of megabytes of drawing."""
    content = zlib.compress(zlib.compress(b"0 0 m 9 9 l S\n" * 20_000_000, 1), 9)
    head = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n4 0 obj<</Filter[/FlateDecode/FlateDecode]/Length "
    )
    return head + b"%d>>stream\n" % len(content) + content + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n"


def _word() -> bytes:
    return docx(title="題", sections=[("節", "本文")])


def _book() -> bytes:
    return xlsx({"表": [["甲", "乙"], ["1", "2"]]})


def sheet(part: Callable[[bytes], bytes]) -> bytes:
    return edited(_book(), "xl/worksheets/sheet1.xml", part)


_FAR = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
#: File name → how it is made, and the reasons of which one must be given for it.
CORPUS: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "bomb.docx": (lambda: _zip({"word/document.xml": b"\0" * 40_000_000}), {"zip_bomb"}),
    "many.docx": (lambda: _zip({f"word/{n}.xml": b"" for n in range(20_001)}), {"zip_bomb"}),
    "laughs.docx": (lambda: edited(_word(), "word/document.xml", laughing), {"damaged"}),
    "laughs.xlsx": (lambda: sheet(laughing), {"damaged"}),
    "late.docx": (lambda: edited(_word(), "word/document.xml", late), {"damaged"}),
    "wide.docx": (lambda: edited(_word(), "word/document.xml", lambda part: late(part, "utf-16")), {"damaged"}),
    "late.xlsx": (lambda: sheet(late), {"damaged"}),
    "sectors.xls": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, {"mislabelled"}),
    "rows.xlsx": (lambda: sheet(lambda _: rows_of(210_000)), {"too_many_rows"}),
    "far.xlsx": (lambda: sheet(lambda _: rows_of(0).replace(b"</sheetData>", _FAR)), {"too_many_rows"}),
    "quoted.xlsx": (
        lambda: sheet(lambda _: rows_of(0).replace(b"</sheetData>", _FAR.replace(b'c r="', b"c s='0' r='").replace(b'"><v', b"'><v"))),
        {"too_many_rows"},
    ),
    "endless.pdf": (endless_pdf, {"damaged", "no_text", "too_slow", "too_many_pages"}),
    "locked.docx": (lambda: compound({"EncryptedPackage": b"x" * 5000, "EncryptionInfo": b"y" * 200}), {"encrypted"}),
    "old.doc": (lambda: compound({"WordDocument": b"x" * 5000}), {"old_office"}),
    "deep.html": (lambda: b"<div>" * 200_000 + "底".encode(), {"too_deep"}),
    "broken.docx": (lambda: _word()[:9000], {"damaged"}),
    "torn.xlsx": (lambda: _book()[:200] + b"\0" * 400 + _book()[600:], {"damaged"}),
    "wrong.docx": (lambda: pdf([("章", ["文。"])]), {"mislabelled"}),
    "wrong.pdf": (_word, {"mislabelled"}),
    "wrong.xlsx": (lambda: xls("表", [["甲"]]), {"mislabelled"}),
    "wrong.txt": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 100, {"mislabelled"}),
    "picture.png": (lambda: b"\x89PNG\r\n\x1a\n", {"unsupported"}),
    "nul.txt": (lambda: b"abc\0def", {"undecodable"}),
    "empty.csv": (lambda: b"\n\n", {"no_text"}),
}
