"""Small real files for defects: a PNG photograph, a PDF report in Japanese, a measurement log as Shift_JIS CSV, a UTF-8 note."""

from __future__ import annotations

import random
import struct
import zlib


def photograph(seed: str) -> bytes:
    """A grey 64 by 48 picture of a surface with a few dark spots."""
    rng = random.Random(seed)
    width, height = 64, 48
    spots = [(rng.randrange(width), rng.randrange(height), rng.randrange(2, 6)) for _ in range(4)]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            dark = any((x - sx) ** 2 + (y - sy) ** 2 < radius * radius for sx, sy, radius in spots)
            rows.append(60 if dark else 176 + (x * 7 + y * 13) % 24)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + _chunk(b"IEND", b"")


def report(title: str, lines: list[str]) -> bytes:
    """A one-page A4 PDF. The text is in a Japanese CID font with a ToUnicode map, so that it can be read back."""
    drawn = [b"BT /F1 16 Tf 60 780 Td <%s> Tj ET" % _hex(title)]
    drawn += [b"BT /F1 10 Tf 60 %d Td <%s> Tj ET" % (748 - 18 * place, _hex(line)) for place, line in enumerate(lines)]
    cmap = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n" + _identity_ranges() + b"endcmap end end"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        _stream(b"\n".join(drawn)),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiKakuGo-W5 /Encoding /UniJIS-UCS2-H /DescendantFonts [6 0 R] /ToUnicode 8 0 R >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiKakuGo-W5 /DW 1000 /FontDescriptor 7 0 R"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> >>",
        b"<< /Type /FontDescriptor /FontName /HeiseiKakuGo-W5 /Flags 4 /FontBBox [-92 -250 1010 922] /ItalicAngle 0 /Ascent 752"
        b" /Descent -221 /CapHeight 737 /StemV 114 >>",
        _stream(cmap),
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places: list[int] = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def measurements(seed: str, lot: str) -> bytes:
    """A measuring machine's log: CSV in Shift_JIS with CRLF, as such machines write it."""
    rng = random.Random(seed)
    rows = ["ロット番号,測定点,寸法(mm),振れ(µm)".replace("µ", "μ")]
    rows += [f"{lot},{place},{rng.gauss(25.0, 0.004):.4f},{abs(rng.gauss(2.0, 1.2)):.1f}" for place in range(1, 13)]
    return ("\r\n".join(rows) + "\r\n").encode("cp932")


def note(lines: list[str]) -> bytes:
    """A plain text in UTF-8."""
    return ("\n".join(lines) + "\n").encode("utf-8")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(packed) + packed + b"\nendstream"


def _hex(text: str) -> bytes:
    return text.encode("utf-16-be").hex().upper().encode("ascii")


def _identity_ranges() -> bytes:
    ranges = [b"<%02X00> <%02XFF> <%02X00>\n" % (high, high, high) for high in range(256) if not 0xD8 <= high <= 0xDF]
    blocks = [ranges[at : at + 100] for at in range(0, len(ranges), 100)]
    return b"".join(b"%d beginbfrange\n" % len(block) + b"".join(block) + b"endbfrange\n" for block in blocks)
