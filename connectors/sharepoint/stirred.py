"""Whether a feed has news: the kept deltaLink's first page alone. Nothing is consumed by it; the pull reads the same link again.

Rules (Microsoft Graph, driveItem: delta): a deltaLink may be asked any number of times; 410 means that the feed must be read anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.errors import BrokenReply
from connectors.sharepoint.client import Api
from connectors.sharepoint.feed import UNREADABLE
from connectors.sharepoint.library import PREFER


class _Item(msgspec.Struct):
    id: str
    etag: str = msgspec.field(name="eTag", default="")
    root: Any = None
    deleted: Any = None


class _Page(msgspec.Struct):
    value: list[_Item]
    following: str | None = msgspec.field(name="@odata.nextLink", default=None)


def stirred(graph: Api, state: Mapping[str, Any] | None, *, library: bool) -> str | None:
    """See ``capabilities.Stirs``. ``state`` is the cursor of the last pull's last page; None where it holds no link (pages have no feed)."""
    link = (state or {}).get("start")
    if not isinstance(link, str):
        return None
    # The same preferences as the pull's: the feed names re-shared items only to who asks for them.
    response = graph.response(graph.absolute(link), headers={"Prefer": PREFER} if library else None, also={410})
    if response.status_code == 410:
        return "resync"
    try:
        page = msgspec.json.decode(response.content, type=_Page)
    except UNREADABLE as error:
        raise BrokenReply("sharepoint.not_json", host=graph.transport.endpoint, what=str(error)) from error
    # The root alone, which some answers repeat, is nothing.
    named = sorted(f"{item.id}:{item.etag}:{item.deleted is not None}" for item in page.value if item.root is None)
    if not named:
        return "more" if page.following is not None else ""
    return f"{len(named)}:{hashlib.sha256(' '.join(named).encode()).hexdigest()[:16]}"
