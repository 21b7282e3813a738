"""HTML pages, and SharePoint's .aspx pages, whose text stands in web parts inside the head."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from pipelines.index.readers.encodings import decode
from pipelines.index.readers.markup import html_blocks
from pipelines.index.readers.reading import Reading, Unreadable

#: Where SharePoint keeps what a page says: modern canvas, wiki page, publishing page. The value is escaped HTML.
_CONTENT = re.compile(r"(?is)<mso:(CanvasContent1|WikiField|PublishingPageContent)\b[^>]*>(.*?)</mso:\1\s*>")
_PART = re.compile(r'(?is)<\w+\b(?:[^>"]|"[^"]*")*?\bdata-sp-webpartdata="([^"]*)"(?:[^>"]|"[^"]*")*>')
_COMPONENT = re.compile(r"(?is)<div\b[^>]*\bdata-sp-componentid\b[^>]*>[^<]*</div\s*>")


def read_page(data: bytes) -> Reading:
    """Raises Unreadable for a page that is nested too deeply or holds no text."""
    text = decode(data, html=True)
    if "\0" in text:
        raise Unreadable("undecodable", "NUL")
    if parts := list(_CONTENT.finditer(text)):
        text = "\n".join(canvas(html.unescape(found[2])) for found in parts)
    return Reading(tuple(html_blocks(text)))


def canvas(content: str) -> str:
    """The canvas with the text that a web part holds only as JSON (``serverProcessedContent``) written out behind its tag."""
    shown = html.unescape(_PART.sub("", content))

    def said(found: re.Match[str]) -> str:
        try:
            part: Any = json.loads(html.unescape(found[1]))
        except ValueError:
            return found[0]
        return found[0] + "".join(f"<p>{text}</p>" for text in dict.fromkeys(_texts(part)) if html.unescape(text) not in shown)

    return _PART.sub(said, _COMPONENT.sub("", content))


def _texts(part: Any) -> Iterator[str]:
    """What SharePoint itself would search of a web part: its title and plain texts, escaped here, and its HTML as it is."""
    told: dict[str, Any] = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
    if title := told.get("title"):
        yield html.escape(str(title))
    processed: Any = told.get("serverProcessedContent")
    for kind in ("searchablePlainTexts", "htmlStrings") if isinstance(processed, dict) else ():
        held: Any = cast("dict[str, Any]", processed).get(kind)
        for text in cast("dict[str, Any]", held).values() if isinstance(held, dict) else ():
            if isinstance(text, str) and text.strip():
                yield html.escape(text) if kind == "searchablePlainTexts" else text
