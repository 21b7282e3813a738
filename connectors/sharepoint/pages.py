"""Modern site pages: their text web parts in reading order, as HTML and as plain text.

Source: Microsoft Graph v1.0, sitePage and canvasLayout. Wiki and publishing pages are not sitePages and do not come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any, cast

import httpx

from connectors.errors import AddressUnknown
from connectors.sharepoint.batch import batches, read_many
from connectors.sharepoint.client import Api, Json, parsed, refusal
from connectors.sharepoint.decode import instant
from connectors.sharepoint.places import Site

_TYPE = "microsoft.graph.sitePage"
_META = "id,name,title,webUrl,eTag,createdDateTime,lastModifiedDateTime"
#: Tags after which plain text starts a new line.
_BLOCKS = frozenset({"p", "div", "br", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "hr"})


def list_pages(graph: Api, site: Site) -> list[Json]:
    """Every page without its layout, in order of id. Expanding layouts here would let one broken page fail the whole site."""
    return sorted(graph.values(f"sites/{site.id}/pages/{_TYPE}", params={"$select": _META}), key=lambda page: str(page["id"]))


def read_pages(graph: Api, site: Site, ids: Iterable[str]) -> Iterator[tuple[str, Json | None]]:
    """These pages with their layouts, in their order; without it where the source cannot render one (400), None when one is gone by now.

    Read in batches, of which one is held at a time.
    """
    urls = {id: f"sites/{site.id}/pages/{id}/{_TYPE}" for id in ids}
    for some in batches(urls):
        expanded = {f"{urls[id]}?$expand=canvasLayout": id for id in some}
        replies = {expanded[url]: reply for url, reply in read_many(graph, expanded)}
        yield from ((id, _page(graph, urls[id], replies[id])) for id in some)


def _page(graph: Api, url: str, reply: httpx.Response) -> Json | None:
    try:
        if reply.status_code == 400:
            return graph.json(url)
        if reply.status_code > 400:
            raise refusal(reply)
        return parsed(reply)
    except AddressUnknown:
        return None


def page_values(page: Json) -> dict[str, Any]:
    """A page's values by source code. ``html`` and ``text`` are None where the source gave no layout, and empty for an empty page."""
    layout = page.get("canvasLayout")
    html = None if layout is None else "\n".join(_text_parts(cast("Json", layout)))
    return {
        "page_id": page.get("id"), "name": page.get("name"), "title": page.get("title"), "html": html,
        "text": None if html is None else plain_text(html), "web_url": page.get("webUrl"),
        "created_at": instant(page.get("createdDateTime")), "modified_at": instant(page.get("lastModifiedDateTime")),
    }  # fmt: skip


def plain_text(html: str) -> str:
    """The text of an HTML fragment, blocks on lines of their own, white space within a line folded."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _text_parts(layout: Json) -> Iterator[str]:
    sections = cast("Sequence[Json]", layout.get("horizontalSections") or ())
    for section in sorted(sections, key=_order):
        for column in sorted(cast("Sequence[Json]", section.get("columns") or ()), key=_order):
            yield from _inner(column)
    yield from _inner(cast("Json", layout.get("verticalSection") or {}))


def _inner(holder: Json) -> Iterator[str]:
    for part in cast("Sequence[Json]", holder.get("webparts") or holder.get("webParts") or ()):
        inner = part.get("innerHtml")
        if isinstance(inner, str):
            yield inner
        data: Json = part.get("data") or {}
        content: Json = data.get("serverProcessedContent") or {}
        # A part of another kind (a list of links, an image with its caption) says here what of it can be searched.
        yield from _said(content.get("htmlStrings"))
        yield from (f"<p>{escape(text)}</p>" for text in _said(content.get("searchablePlainTexts")))


def _said(texts: object) -> Iterator[str]:
    """The values of a part's texts: pairs of a key and a value."""
    for one in cast("Sequence[Json]", texts) if isinstance(texts, list) else ():
        if isinstance(value := one.get("value"), str):
            yield value


def _order(one: Json) -> float:
    """Sections and columns carry their order as ``id``, a number in text; what has none keeps its place (the sort is stable)."""
    try:
        return float(one.get("id", 0))
    except (TypeError, ValueError):
        return 0.0


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data.replace("\n", " "))
