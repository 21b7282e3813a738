"""The sheet of a drawing as a PDF, the same bytes each time, and of any size: what makes it big is an unused stream in an update section."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from infra.sandbox.company.people import COMPANY

_CHUNK = 65_536
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_ROOT = re.compile(rb"/Root (\d+ \d+ R)")
_SIZE = re.compile(rb"/Size (\d+)")


@dataclass(frozen=True)
class Chunks:
    """``head``, then ``size`` bytes made up on the way, then ``tail``; can be walked more than once."""

    head: bytes
    size: int = 0
    tail: bytes = b""

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        block, left = _filling(), self.size
        while left > 0:
            yield block[:left]
            left -= len(block)
        if self.tail:
            yield self.tail


def sheet(number: str, title: str, revision: str, material: str, extra: int = 0) -> Chunks:
    """The PDF, with about ``extra`` more bytes than it needs."""
    plain = _pdf(number, title, revision, material)
    return Chunks(plain) if extra <= 0 else _with_stream(plain, extra)


def _with_stream(plain: bytes, extra: int) -> Chunks:
    """An incremental update (ISO 32000-1 §7.5.6) that adds one stream object nobody refers to."""
    start, root, size = _START.search(plain), _ROOT.search(plain), _SIZE.search(plain)
    assert start and root and size, "reportlab writes a plain cross-reference table"
    identity = int(size.group(1))
    head = plain.rstrip() + b"\n%d 0 obj\n<< /Length %d >>\nstream\n" % (identity, extra)
    end = b"\nendstream\nendobj\n"
    table_at = len(head) + extra + len(end)
    tail = end + b"xref\n%d 1\n%010d 00000 n \ntrailer\n<< /Size %d /Root %s /Prev %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        identity,
        len(plain.rstrip()) + 1,
        identity + 1,
        root.group(1),
        start.group(1),
        table_at,
    )
    return Chunks(head, extra, tail)


@lru_cache(maxsize=1)
def _filling() -> bytes:
    """Bytes that no compression and no accident of encoding leaves as they were not."""
    return b"".join(hashlib.sha256(b"zumen:%d" % place).digest() for place in range(_CHUNK // 32))


@lru_cache(maxsize=256)
def _pdf(number: str, title: str, revision: str, material: str) -> bytes:
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiKakuGo-W5"))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=landscape(A4), invariant=1)
    canvas.setTitle(f"{number} {title}")
    canvas.setAuthor(COMPANY)
    width, height = landscape(A4)
    canvas.rect(28, 28, width - 56, height - 56)
    canvas.setFont("HeiseiKakuGo-W5", 11)
    lines = (f"図番 {number}", f"図名 {title}", f"版 {revision}", f"材質 {material or '－'}", COMPANY)
    for place, text in enumerate(lines):
        canvas.drawString(width - 300, 40 + 18 * (len(lines) - 1 - place), text)
    for step in range(1, 6):
        canvas.circle(width / 2 - 60, height / 2 + 30, 22 * step)
    canvas.line(60, height / 2 + 30, width - 120, height / 2 + 30)
    canvas.showPage()
    canvas.save()
    return out.getvalue()
