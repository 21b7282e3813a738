"""The calendar as a picture: a row for each stream, a cell for each day with its letter, in a PNG that Dagster's page shows in place.

Letters first, colour second: G green, R red, – missing, E excused, · not sealed. Inline SVG is stripped by Dagster's pages; a PNG data URI shows.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.evidence.spans import LETTERS

#: Verdict → background and letter colour; each pair has a contrast of at least 4.5 (WCAG 2.2, 1.4.3).
_COLOURS: Mapping[str, tuple[str, str]] = {
    "green": ("#1a7f37", "#ffffff"),
    "red": ("#b42318", "#ffffff"),
    "missing": ("#ffffff", "#8a1c12"),
    "excused": ("#d6e4ff", "#10306b"),
    "unsealed": ("#f2f2f2", "#595959"),
}
_CELL, _GAP, _HEAD, _SIZE = 24, 2, 20, 13
#: Dagster's asset page shows Markdown of fewer characters in place, and hides what is longer behind a click.
IN_PLACE = 1000
#: Which verdict is shown where the streams of a day differ: the first of these.
_WORST = ("missing", "red", "unsealed", "excused", "green")
_STRIP_DAYS = 14
#: So many streams and days fit a screen; a table beside the picture has them all.
_STREAMS, _DAYS = 24, 28


@dataclass(frozen=True)
class CalendarRow:
    """One stream: its days with their verdicts, oldest first, and its green days in a row."""

    stream: str
    days: tuple[tuple[date, str], ...]
    green_days: int


def letters(row: CalendarRow, days: Sequence[date]) -> str:
    """The row as letters, one a day; a space where the stream has no such day."""
    known = dict(row.days)
    return "".join(LETTERS.get(known[day], "?") if day in known else " " for day in days)


def alt_text(rows: Sequence[CalendarRow], required: int) -> str:
    """The same for who does not see pictures."""
    days = _shown(rows)
    span = f"{days[0]} to {days[-1]}" if days else "no sealed day"
    told = "; ".join(f"{row.stream} {row.green_days} of {required} ({letters(row, days).strip()})" for row in rows[:_STREAMS])
    return f"Calendar, {span}. G green, R red, – missing, E excused. {told}"


def picture(rows: Sequence[CalendarRow], required: int) -> bytes:
    """PNG bytes. Without a sealed day it holds the streams' names and no cells."""
    from PIL import Image, ImageDraw, ImageFont

    days, shown = _shown(rows), rows[:_STREAMS]
    font = ImageFont.load_default(_SIZE)
    names = [f"{row.stream}  {row.green_days}/{required}" for row in shown]
    left = int(max((font.getlength(name) for name in names), default=0)) + 12
    step = _CELL + _GAP
    image = Image.new("P", (left + max(len(days), 1) * step, _HEAD + max(len(shown), 1) * step), 0)
    image = image.convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, *image.size), fill="#ffffff")
    for at, day in enumerate(days):
        # Weeks by their Monday; otherwise the number of the day.
        draw.text((left + at * step + _CELL / 2, _HEAD / 2), f"{day.day}", fill="#404040", font=ImageFont.load_default(10), anchor="mm")
    for line, (row, name) in enumerate(zip(shown, names, strict=True)):
        top, known = _HEAD + line * step, dict(row.days)
        draw.text((2, top + _CELL / 2), name, fill="#202020", font=font, anchor="lm")
        for at, day in enumerate(days):
            if day not in known:
                continue
            fill, ink = _COLOURS.get(known[day], _COLOURS["unsealed"])
            box = (left + at * step, top, left + at * step + _CELL, top + _CELL)
            draw.rounded_rectangle(box, radius=4, fill=fill, outline="#8a1c12" if known[day] == "missing" else fill)
            middle = (box[0] + _CELL / 2, top + _CELL / 2)
            draw.text(middle, LETTERS.get(known[day], "?"), fill=ink, font=font, anchor="mm")
    out = io.BytesIO()
    # Few colours: a palette keeps it within what a page of metadata may carry.
    image.quantize(32).save(out, "PNG", optimize=True)
    return out.getvalue()


def worst_days(rows: Sequence[CalendarRow]) -> tuple[tuple[date, str], ...]:
    """One verdict a day for all streams together, of the last two weeks: the worst, for an index is as green as its least green stream."""
    found: list[tuple[date, str]] = []
    for day in _shown(rows)[-_STRIP_DAYS:]:
        of_day = {dict(row.days).get(day, "green") for row in rows}
        found.append((day, next((verdict for verdict in _WORST if verdict in of_day), "unsealed")))
    return tuple(found)


def strip(days: Sequence[tuple[date, str]]) -> bytes:
    """PNG bytes of one row of letters, small enough to be shown in place."""
    from PIL import Image, ImageDraw, ImageFont

    side = 20
    image = Image.new("RGB", (max(len(days), 1) * side, side), "#ffffff")
    draw = ImageDraw.Draw(image)
    # Smooth edges are many colours, and many bytes.
    draw.fontmode = "1"
    for at, (_, verdict) in enumerate(days):
        fill, ink = _COLOURS.get(verdict, _COLOURS["unsealed"])
        draw.rectangle((at * side, 0, at * side + side - 2, side - 1), fill=fill, outline=ink if verdict == "missing" else fill)
        draw.text((at * side + side / 2 - 1, side / 2), LETTERS.get(verdict, "?"), fill=ink, font=ImageFont.load_default(13), anchor="mm")
    out = io.BytesIO()
    image.quantize(8).save(out, "PNG", optimize=True)
    return out.getvalue()


def strip_markdown(rows: Sequence[CalendarRow]) -> str:
    """The strip with its letters as alt text, always short enough for the page to show it."""
    days = worst_days(rows)
    alt = f"{days[0][0]} to {days[-1][0]}: {''.join(LETTERS.get(verdict, '?') for _, verdict in days)}" if days else "no sealed day"
    return _markdown(alt, strip(days))


def as_markdown(rows: Sequence[CalendarRow], required: int) -> str:
    """The whole picture as Markdown with its alt text."""
    return _markdown(alt_text(rows, required), picture(rows, required))


def _markdown(alt: str, png: bytes) -> str:
    return f"![{alt.replace('[', '(').replace(']', ')')}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _shown(rows: Sequence[CalendarRow]) -> list[date]:
    return sorted({day for row in rows for day, _ in row.days})[-_DAYS:]
