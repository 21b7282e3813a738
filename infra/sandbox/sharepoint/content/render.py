"""Makes real office files of documents, byte for byte the same each time: fixed zip times, fixed properties, reportlab's invariant mode."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.sandbox.company.people import COMPANY
from infra.sandbox.sharepoint.content.document import Document

#: Properties inside the files; no relation to the item's own dates in SharePoint.
_MADE = datetime(2024, 4, 1, 9, 0, 0, tzinfo=UTC)
_ZIP_TIME = (2024, 4, 1, 9, 0, 0)
_CORE_DATE = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")


def render(document: Document) -> bytes:
    """The file's bytes. Raises KeyError for an extension nobody renders."""
    return _RENDERERS[document.extension](document)


def _repacked(raw: bytes) -> bytes:
    """A zip with its entries' times (and core.xml's dates) fixed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = _CORE_DATE.sub(rb"\g<1>2024-04-01T09:00:00Z\g<2>", data)
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            target.writestr(info, data, compresslevel=6)
    return out.getvalue()


def _properties(properties: Any, document: Document) -> None:
    properties.title, properties.author, properties.last_modified_by = document.title, COMPANY, COMPANY
    properties.created = properties.modified = _MADE


def _docx(document: Document) -> bytes:
    import docx

    made = docx.Document()
    _properties(made.core_properties, document)
    made.add_heading(document.title, level=0)
    for section in document.sections:
        made.add_heading(section.heading, level=1)
        if section.table:
            table = made.add_table(rows=0, cols=len(section.table[0]), style="Table Grid")
            for row in section.table:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
        for paragraph in section.paragraphs:
            made.add_paragraph(paragraph)
    out = io.BytesIO()
    made.save(out)
    return _repacked(out.getvalue())


def _xlsx(document: Document) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    book.remove(first)
    _properties_of_book = book.properties
    _properties_of_book.title, _properties_of_book.creator = document.title, COMPANY
    for number, section in enumerate(document.sections):
        sheet = book.create_sheet(re.sub(r"[\\/*?:\[\]]", "_", section.heading)[:31])
        if number == 0:
            sheet.append([document.title])
        for row in section.table:
            sheet.append(list(row))
        for paragraph in section.paragraphs:
            sheet.append([paragraph])
    out = io.BytesIO()
    book.save(out)
    return _repacked(out.getvalue())


def _pptx(document: Document) -> bytes:
    import pptx
    from pptx.util import Cm

    deck = pptx.Presentation()
    _properties(deck.core_properties, document)
    for number, section in enumerate(document.sections):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        title = slide.shapes.title
        assert title is not None
        title.text = f"{document.title}: {section.heading}" if number == 0 else section.heading
        body: Any = slide.placeholders[1]
        body.text_frame.text = "\n".join(section.paragraphs)
        if section.table:
            rows, columns = len(section.table), len(section.table[0])
            table = slide.shapes.add_table(rows, columns, Cm(2), Cm(9), Cm(21), Cm(1) * rows).table
            for r, row in enumerate(section.table):
                for c, value in enumerate(row):
                    table.cell(r, c).text = value
        if section.notes:
            frame = slide.notes_slide.notes_text_frame
            assert frame is not None
            frame.text = section.notes
    out = io.BytesIO()
    deck.save(out)
    return _repacked(out.getvalue())


def _pdf(document: Document) -> bytes:
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

    font = "HeiseiKakuGo-W5"
    if font not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    # The CID font knows the Greek letter but not the micro sign, which would come out as a blank.
    shown = {ord("µ"): "μ"}
    wrap = "CJK" if document.language == "ja" else None
    plain = ParagraphStyle("plain", fontName=font, fontSize=10, leading=15, wordWrap=wrap)
    title = ParagraphStyle("title", parent=plain, fontSize=16, leading=24)
    heading = ParagraphStyle("heading", parent=plain, fontSize=12, leading=20)
    story: list[Any] = [Paragraph(html.escape(document.title.translate(shown)), title), Spacer(1, 8)]
    for section in document.sections:
        story.append(Paragraph(html.escape(section.heading.translate(shown)), heading))
        if section.table:
            cells = [[Paragraph(html.escape(value.translate(shown)), plain) for value in row] for row in section.table]
            story.append(Table(cells, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)])))
        story.extend(Paragraph(html.escape(text.translate(shown)), plain) for text in section.paragraphs)
        story.append(Spacer(1, 6))
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, title=document.title, author=COMPANY, invariant=1).build(story)
    return out.getvalue()


def _html(document: Document) -> bytes:
    shift_jis = document.charset == "shift_jis"
    parts = [
        f'<!DOCTYPE html>\n<html lang="{document.language}"><head><meta charset="{"Shift_JIS" if shift_jis else "utf-8"}">'
        f"<title>{html.escape(document.title)}</title></head><body>\n<h1>{html.escape(document.title)}</h1>"
    ]
    for section in document.sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        if section.table:
            header, *rows = section.table
            parts.append("<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in header) + "</tr>")
            parts += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
            parts.append("</table>")
        parts += [f"<p>{html.escape(text)}</p>" for text in section.paragraphs]
    text = "\n".join([*parts, "</body></html>\n"])
    # Windows writes its own superset and calls it Shift_JIS; it has the Greek mu but no micro sign.
    return text.replace("µ", "μ").encode("cp932") if shift_jis else text.encode()


def _aspx(document: Document) -> bytes:
    """What a modern page's file holds: a stub; the text is in the page's canvas, not here."""
    title = html.escape(document.title)
    return f'<%@ Page language="C#" Inherits="Microsoft.SharePoint.WebPartPages.WebPartPage" %>\n<title>{title}</title>\n'.encode()


_RENDERERS: dict[str, Callable[[Document], bytes]] = {
    "docx": _docx,
    "xlsx": _xlsx,
    "pptx": _pptx,
    "pdf": _pdf,
    "html": _html,
    "aspx": _aspx,
}
