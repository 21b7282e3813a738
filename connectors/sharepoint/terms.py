"""Labels of managed metadata: what app-only callers are told a number for is looked up where the site collection keeps the terms it uses.

Graph gives such callers a term's number within the collection (``WssId``) in its label's place. That number is the id of an item of the
collection's hidden list of terms, whose title is the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from connectors.protocol import Note, Page
from connectors.sharepoint.client import Api
from connectors.sharepoint.places import Site

#: SharePoint's own name of the list, in every language.
_HIDDEN_LIST = "TaxonomyHiddenList"
#: The note of a term whose label nobody told: its GUID stands all the same.
UNKNOWN = "term.label_unknown"


class Terms:
    """The labels of one site's terms, read with the first one that is missing. Without a certificate (``rest`` None) none is known."""

    def __init__(self, rest: Api | None, site: Site) -> None:
        self._rest, self._site = rest, site
        self._missing: Counter[str] = Counter()

    def label(self, column: str, term: Mapping[str, Any]) -> str | None:
        """The term's label. None where there is none to be had, which is counted for ``column``."""
        told, number = term.get("Label"), str(term.get("WssId"))
        if told is not None and str(told) != number:
            return str(told)
        if told is None:
            return None
        found = self._labels.get(number)
        if found is None:
            self._missing[column] += 1
        return found

    def noted(self, page: Page) -> Page:
        """The page with a note for each column in which a label was missing since the last one."""
        if not self._missing:
            return page
        notes = tuple(Note(column, UNKNOWN, count) for column, count in sorted(self._missing.items()))
        self._missing.clear()
        return replace(page, notes=(*page.notes, *notes))

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        if self._rest is None:
            return {}
        url = f"{_collection(self._site)}/_api/web/lists/getbytitle('{_HIDDEN_LIST}')/items".lstrip("/")
        # Whoever may not read it, or has none, has no labels; the rows come all the same.
        if self._rest.response(url, params={"$select": "Id", "$top": "1"}, also={403, 404}).status_code != 200:
            return {}
        rows = self._rest.values(url, params={"$select": "Id,Title", "$top": "1000"})
        return {str(row["Id"]): str(row["Title"]) for row in rows if row.get("Title")}


def _collection(site: Site) -> str:
    """The path of the collection's top site: collections live at the root, /sites/x and /teams/x."""
    parts = site.path.strip("/").split("/")
    return "/" + "/".join(parts[:2]) if parts[0].lower() in ("sites", "teams") else ""
