"""What of a driveItem we read: a page of them as typed objects, and those as the columns of a library's row. Source: Microsoft Graph v1.0,
driveItem.

A page is decoded in one go. Where something in it is not of its type, it is decoded item by item and value by value: what is wrong with a
value is told beside the item, and what is wrong with its place in the tree is a broken reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from connectors.sharepoint.decode import instant
from connectors.sharepoint.feed import UNREADABLE
from connectors.sharepoint.rows import MisfitError
from connectors.sharepoint.schema import INSTANT

#: Asked of every feed and listing of a drive.
SELECT = "id,name,size,file,folder,package,root,deleted,parentReference,eTag,createdDateTime,lastModifiedDateTime,lastModifiedBy,webUrl,sharepointIds,publication"
#: Enough to tell files from folders.
SELECT_KIND = "id,name,file,folder,package,root,deleted,parentReference"

_Size = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


# No item refers to itself, so none needs the collector; walking a hundred thousand of them would cost it more than decoding them.
class _User(msgspec.Struct, gc=False):
    email: str | None = None
    userPrincipalName: str | None = None
    displayName: str | None = None


class _Identities(msgspec.Struct, gc=False):
    user: _User | None = None
    application: _User | None = None


class _Reference(msgspec.Struct, gc=False):
    id: str | None = None


class _Ids(msgspec.Struct, gc=False):
    listItemId: str | None = None


class _Hashes(msgspec.Struct, gc=False):
    quickXorHash: str | None = None


class _File(msgspec.Struct, gc=False):
    mimeType: str | None = None
    hashes: _Hashes | None = None


class _Facet(msgspec.Struct, gc=False):
    """There or not; its inside does not matter."""


class _Publication(msgspec.Struct, gc=False):
    level: str | None = None


class Item(msgspec.Struct, gc=False):
    """Of deleted items there is little more than the id."""

    id: str
    name: str = ""
    parentReference: _Reference | None = None
    sharepointIds: _Ids | None = None
    file: _File | None = None
    folder: _Facet | None = None
    package: _Facet | None = None
    root: _Facet | None = None
    deleted: _Facet | None = None
    size: _Size | None = None
    eTag: str | None = None
    createdDateTime: str | None = None
    lastModifiedDateTime: str | None = None
    lastModifiedBy: _Identities | None = None
    webUrl: str | None = None
    publication: _Publication | None = None


class _Page(msgspec.Struct):
    value: list[Item]
    following: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)


class _RawPage(msgspec.Struct):
    value: list[msgspec.Raw]
    following: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)


_PAGE = msgspec.json.Decoder(_Page)
_RAW_PAGE = msgspec.json.Decoder(_RawPage)
_RAW_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: The column in which a value of an item shows, and what it is where it is not of its type. What is not here makes the tree.
_SHOWS = {
    "name": ("name", "value.not_text"), "size": ("size", "value.not_whole_number"), "eTag": ("etag", "value.not_text"),
    "file": ("media_type", "value.not_struct"), "sharepointIds": ("list_item_id", "value.not_struct"),
    "createdDateTime": ("created_at", "value.not_instant"), "lastModifiedDateTime": ("modified_at", "value.not_instant"),
    "lastModifiedBy": ("modified_by", "value.not_struct"), "webUrl": ("web_url", "value.not_text"),
    "publication": ("publication", "value.not_struct"),
}  # fmt: skip
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Item)}

#: What is wrong with an item's values: the source code of a column, and why.
Faults = Mapping[str, str]


class Decoded(msgspec.Struct):
    """The items of one page, and what is wrong with those at these places. ``following`` or ``delta`` is where the feed goes on."""

    items: list[Item]
    following: str | None
    delta: str | None
    faults: Mapping[int, Faults] = {}


def decode(body: bytes) -> Decoded:
    """A page of items. Raises ``UNREADABLE`` for one that is no page, or whose items have no readable place in the tree."""
    try:
        page = _PAGE.decode(body)
    except UNREADABLE:
        raw = _RAW_PAGE.decode(body)
        items, faults = list[Item](), dict[int, Faults]()
        for at, one in enumerate(raw.value):
            item, wrong = _value_by_value(one)
            items.append(item)
            if wrong:
                faults[at] = wrong
        return Decoded(items, raw.following, raw.delta, faults)
    return Decoded(page.value, page.following, page.delta)


def texts(body: bytes) -> list[str]:
    """Each item of a page as it came, to be kept with what is wrong with it."""
    return [bytes(one).decode(errors="replace") for one in _RAW_PAGE.decode(body).value]


def _value_by_value(raw: msgspec.Raw) -> tuple[Item, Faults]:
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, value in _RAW_FIELDS.decode(raw).items():
        if name in _TYPES:
            try:
                values[name] = msgspec.json.decode(value, type=_TYPES[name])
            except UNREADABLE:
                if name not in _SHOWS:
                    raise
                column, reason = _SHOWS[name]
                faults[column] = reason
    if "id" not in values:
        raise msgspec.ValidationError("an item without an id")
    return Item(**values), faults


def is_older(created: str | None, than: str | None) -> bool:
    """Whether a folder was made before the instant ``than``, or may have been."""
    try:
        made = instant(created)
    except MisfitError:
        made = None
    return made is None or than is None or made <= datetime.fromisoformat(than)


def person(identities: _Identities | None) -> str | None:
    """Mail of the user, or the display name where there is no mail (deleted users, applications)."""
    if identities is None:
        return None
    for one in (identities.user, identities.application):
        if one is not None and (found := one.email or one.userPrincipalName or one.displayName):
            return found
    return None


_NO_FILE, _NO_HASH = _File(), _Hashes()


def columns(items: Sequence[Item], faults: dict[int, dict[str, str]]) -> dict[str, pa.Array]:
    """The values of these items by source code, but for the path. An instant that is none is added to ``faults``."""
    files = [item.file or _NO_FILE for item in items]
    text = pa.string()
    return {
        "item_id": pa.array([item.id for item in items], text),
        "name": pa.array([item.name for item in items], text),
        "media_type": pa.array([file.mimeType for file in files], text),
        "size": pa.array([item.size for item in items], pa.int64()),
        "quick_xor_hash": pa.array([(file.hashes or _NO_HASH).quickXorHash for file in files], text),
        "etag": pa.array([item.eTag for item in items], text),
        "created_at": _instants([item.createdDateTime for item in items], "created_at", faults),
        "modified_at": _instants([item.lastModifiedDateTime for item in items], "modified_at", faults),
        "modified_by": pa.array([person(item.lastModifiedBy) for item in items], text),
        "web_url": pa.array([item.webUrl for item in items], text),
        "list_item_id": pa.array([(item.sharepointIds and item.sharepointIds.listItemId) or None for item in items], text),
        "publication": pa.array([(item.publication and item.publication.level) or None for item in items], text),
    }


def _instants(texts: list[str | None], column: str, faults: dict[int, dict[str, str]]) -> pa.Array:
    """As ``instant`` reads them. What Arrow reads of ISO 8601, that reads alike; the rest is read one by one."""
    try:
        return pa.array(texts, pa.string()).cast(INSTANT)
    except pa.ArrowInvalid:
        found: list[datetime | None] = []
        for at, text in enumerate(texts):
            try:
                found.append(instant(text))
            except MisfitError as misfit:
                faults.setdefault(at, {})[column] = str(misfit)
                found.append(None)
        return pa.array(found, INSTANT)
