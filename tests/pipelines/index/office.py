"""Real office files, made by the libraries that companies' files are made with."""

from __future__ import annotations

import io
from collections.abc import Sequence


def docx(*, title: str, sections: Sequence[tuple[str, str]], table: Sequence[Sequence[str]] = ()) -> bytes:
    from docx import Document

    document = Document()
    document.add_heading(title, 1)
    for heading, text in sections:
        document.add_heading(heading, 2)
        document.add_paragraph(text)
    if table:
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(grid.add_row().cells, row, strict=True):
                cell.text = text
    return _saved(document.save)


def xlsx(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return _saved(book.save)


def pptx(slides: Sequence[tuple[str, str, str]], order: Sequence[int] | None = None) -> bytes:
    """Slides as (title, text, notes). ``order`` moves them after they were made, as people do."""
    from pptx import Presentation

    deck = Presentation()
    for title, text, notes in slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    if order:
        listed = deck.slides._sldIdLst
        entries = list(listed)
        for entry in entries:
            listed.remove(entry)
        for number in order:
            listed.append(entries[number])
    return _saved(deck.save)


def pdf(pages: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    """Pages as (heading, lines)."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen import canvas

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer)
    for heading, lines in pages:
        sheet.setFont("HeiseiMin-W3", 20)
        sheet.drawString(60, 780, heading)
        sheet.setFont("HeiseiMin-W3", 11)
        for number, line in enumerate(lines):
            sheet.drawString(60, 740 - 16 * number, line)
        sheet.showPage()
    sheet.save()
    return buffer.getvalue()


def _saved(save: object) -> bytes:
    buffer = io.BytesIO()
    save(buffer)  # type: ignore[operator]
    return buffer.getvalue()


def report(*parts: str | list[list[str]], between: int = 20) -> bytes:
    """A PDF as a word processor lays it out: text set in lines, tables ruled; ``"# …"`` is a heading and ``"---"`` a new page."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    heading = ParagraphStyle("heading", fontName="HeiseiMin-W3", fontSize=18, leading=22)
    text = ParagraphStyle("text", fontName="HeiseiMin-W3", fontSize=10.5, leading=16, wordWrap="CJK")
    ruled = [("GRID", (0, 0), (-1, -1), 0.5, "black"), ("FONT", (0, 0), (-1, -1), "HeiseiMin-W3", 10)]
    story: list[object] = []
    for part in parts:
        if isinstance(part, list):
            story.append(Table(part, style=ruled))
        elif part == "---":
            story.append(PageBreak())
        else:
            story.append(Paragraph(part.removeprefix("# "), heading if part.startswith("# ") else text))
        story.append(Spacer(1, between))
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer).build(story)
    return buffer.getvalue()
