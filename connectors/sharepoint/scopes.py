"""Which scope each item of a list points at: the nearest object above it, itself included, that has role assignments of its own.

Read in bulk through SharePoint REST (``HasUniqueRoleAssignments``), because Graph's ``inheritedFrom`` cannot be relied on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.access import UNRESOLVED
from connectors.readings import Readings
from connectors.sharepoint import office
from connectors.sharepoint.client import Api, parsed
from connectors.sharepoint.places import Site

NO_CERTIFICATE = "permissions need a certificate: SharePoint REST refuses tokens bought with a client secret"
#: ``ReadSecurity`` of a list whose people read only what they wrote themselves.
_OWN_ITEMS_ONLY = 2
#: BasePermissions that people need to see what is not published: to edit items, or to approve them where only approvers may see it.
_EDIT, _APPROVE = 0x4, 0x10
#: ``DraftVersionVisibility`` by which only approvers, and the author, see drafts.
_APPROVERS = 2
_LIST = (
    "Id", "Title", "BaseType", "HasUniqueRoleAssignments", "ReadSecurity", "EnableModeration", "EnableMinorVersions", "DraftVersionVisibility",
)  # fmt: skip
#: ``BaseType`` of a library: only files are checked out, and only libraries have the columns that tell.
_LIBRARY = 1
_CHECKOUT = ("CheckoutUserId", "OData__UIVersionString")


@dataclass(frozen=True)
class Securable:
    """Whose role assignments a scope has: a list item's, else a list's, else (both empty) the web's.

    ``author`` narrows it to one site user (own-items-only lists), ``demand`` to those whose permissions hold these bits as well (drafts).
    ``parent`` is the scope that would hold if it inherited.
    """

    title: str
    list_id: str = ""
    item: int | None = None
    author: int | None = None
    demand: int = 0
    parent: str = ""
    level: str = ""


@dataclass(frozen=True)
class ScopeMap:
    """``items`` maps list item ids (text) to scope ids, ``unique_ids`` the items' GUIDs to list item ids, ``objects`` scope ids to objects.

    ``own`` are the scopes of items that have role assignments of their own, by list item id; ``folders`` those of folders, by their path.
    ``default`` holds for what inherits up to the list. ``by_item``: each item is judged by what only a whole reading shows (its author, its
    state of publication).
    """

    items: Mapping[str, str] = field(default_factory=dict[str, str])
    unique_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    objects: Mapping[str, Securable] = field(default_factory=dict[str, Securable])
    reason: str = ""
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: Mapping[str, str] = field(default_factory=dict[str, str])
    default: str = UNRESOLVED
    by_item: bool = False

    def of(self, item: str) -> str:
        """The scope of a list item; ``unresolved`` for one that was not there when the map was read."""
        return self.items.get(item, UNRESOLVED)

    def own_of(self, item: str) -> str:
        """The scope of its own that a list item has: empty where it inherits, ``unresolved`` where it was not there."""
        return self.own.get(item, "") if item in self.items else UNRESOLVED

    def of_unique(self, guid: str) -> str:
        """The scope of the item with this GUID."""
        return self.of(self.unique_ids.get(guid.strip("{}").lower(), ""))


@dataclass(frozen=True)
class Standing:
    """What one item says of itself: the scope of its own, empty where it inherits; the folder it lies in; whether it is a folder."""

    own: str
    folder: str
    is_folder: bool
    securable: Securable


def digest(scopes: Iterable[tuple[str, str]]) -> str:
    """A hash of which item points where, by which a resumed pull knows that nothing moved meanwhile."""
    text = "\n".join(f"{item} {scope}" for item, scope in sorted(scopes))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _Item:
    id: str
    guid: str
    ref: str
    folder: str
    level: str
    unique: bool
    author: int | None
    draft: bool
    checked_out: bool


def read_scopes(rest: Api | None, site: Site, list_id: str, readings: Readings | None = None) -> ScopeMap:
    """The scope map of one list or library now; empty, with the reason, where there is no certificate.

    Of unpublished drafts and items awaiting approval the readers are those who may edit, or approve, where they lie: a scope of its own.
    A file that was never checked in is shown by SharePoint to one person only, and here to nobody: ``unresolved``.
    """
    if rest is None:
        return ScopeMap(reason=NO_CERTIFICATE)
    prefix = f"sharepoint:{site.collection}"
    readings = readings or Readings()
    web = readings.once(("web", site.id), lambda: office.entity(rest, site, lambda web: web, "Id", "Title", "HasUniqueRoleAssignments"))
    about = office.entity(rest, site, lambda web: web.lists.get_by_id(list_id), *_LIST)
    default = f"{prefix}:{_web_part(site, web)}"
    tops = {default: Securable(str(web.get("Title") or ""), level="web")}
    if about.get("HasUniqueRoleAssignments"):
        tops[f"{prefix}:list:{list_id.lower()}"] = Securable(str(about.get("Title") or ""), list_id, parent=default, level="list")
        *_, default = tops
    own_only = about.get("ReadSecurity") == _OWN_ITEMS_ONLY
    drafts = bool(about.get("EnableModeration")) or bool(about.get("EnableMinorVersions") and about.get("DraftVersionVisibility"))
    demand = _APPROVE if about.get("DraftVersionVisibility") == _APPROVERS else _EDIT
    items = _items(rest, site, list_id, own_only=own_only, drafts=drafts, files=about.get("BaseType") == _LIBRARY)
    found = _mapped(items, list_id, prefix, default, tops, own_only=own_only, demand=demand)
    return replace(found, by_item=own_only or drafts)


def read_standing(rest: Api, site: Site, list_id: str, item: str, *, file: bool = False) -> Standing | None:
    """One item as it stands now; None where it is not there. For lists that are not judged ``by_item``; ``file`` says it lies in a library."""
    url = f"{site.path}/_api/web/lists(guid'{list_id}')/items({int(item)})".lstrip("/")
    select = ["Id", "UniqueId", "FileRef", "FSObjType", "HasUniqueRoleAssignments", *(_CHECKOUT if file else ())]
    response = rest.response(url, params={"$select": ",".join(select)}, also={404})
    if response.status_code == 404:
        return None
    row = parsed(response)
    ref, guid = str(row.get("FileRef", "")), str(row.get("UniqueId", "")).strip("{}").lower()
    own = f"sharepoint:{site.collection}:item:{guid or item}" if row["HasUniqueRoleAssignments"] else ""
    own, level = UNRESOLVED if _never_checked_in(row) else own, _level(row)
    return Standing(own, ref.rpartition("/")[0], level == "folder", Securable(ref, list_id, int(item), level=level))


def _never_checked_in(row: Mapping[str, Any]) -> bool:
    # Its only version is the one somebody works on: what was checked in once has a version that others see.
    return row.get("CheckoutUserId") is not None and str(row.get("OData__UIVersionString", "0.")).startswith("0.")


def _level(row: Mapping[str, Any]) -> str:
    return "folder" if str(row.get("FSObjType", "0")) == "1" else "item"


def _items(rest: Api, site: Site, list_id: str, *, own_only: bool, drafts: bool, files: bool) -> list[_Item]:
    """Every item of the list, by httpx: here are as many rows as the list has, in a third of the bytes the library would ask for."""
    list_url = f"{site.path}/_api/web/lists(guid'{list_id}')".lstrip("/")
    select = ["Id", "UniqueId", "FileRef", "FSObjType", "HasUniqueRoleAssignments"]
    select += ["AuthorId"] if own_only else []
    select += _CHECKOUT if files else []
    select += ["OData__UIVersionString", "OData__ModerationStatus"] if drafts else []
    select = list(dict.fromkeys(select))
    found: list[_Item] = []
    # Paging by id without a filter is what keeps a list of any length under the view threshold.
    for row in rest.values(f"{list_url}/items", params={"$select": ",".join(select), "$top": "1000"}):
        ref = str(row.get("FileRef", ""))
        found.append(
            _Item(
                id=str(row["Id"] if "Id" in row else row["ID"]), guid=str(row.get("UniqueId", "")).strip("{}").lower(),
                ref=ref, folder=ref.rpartition("/")[0], level=_level(row), unique=bool(row["HasUniqueRoleAssignments"]),
                author=row.get("AuthorId"), draft=drafts and _is_draft(row),
                checked_out=_never_checked_in(row),
            )
        )  # fmt: skip
    return found


def _is_draft(row: Mapping[str, Any]) -> bool:
    # Moderation status 0 is approved; a version that does not end in .0 was never published. What is not said counts as a draft.
    status = row.get("OData__ModerationStatus")
    version = row.get("OData__UIVersionString")
    return (status is not None and str(status) not in ("0", "Approved")) or version is None or not str(version).endswith(".0")


def _mapped(
    items: list[_Item], list_id: str, prefix: str, default: str, tops: Mapping[str, Securable], *, own_only: bool, demand: int
) -> ScopeMap:
    """``tops`` are the web and, where it has role assignments of its own, the list; ``default`` is the one that what inherits points at."""
    objects = dict(tops)
    own: dict[str, str] = {}
    unique: dict[str, str] = {}
    for item in items:
        if item.unique:
            scope = f"{prefix}:item:{item.guid or item.id}"
            own[item.id] = unique[item.ref] = scope
    folders: dict[str, str] = {}

    def above(folder: str) -> str:
        if folder not in folders:
            folders[folder] = unique.get(folder) or (above(folder.rpartition("/")[0]) if folder else default)
        return folders[folder]

    for item in items:
        if item.unique:
            objects[own[item.id]] = Securable(item.ref, list_id, int(item.id), parent=above(item.folder), level=item.level)
    scopes: dict[str, str] = {}
    for item in items:
        scope = own.get(item.id) or above(item.folder)
        if item.draft:
            base, scope = objects[scope], f"{scope}/draft"
            objects[scope] = replace(base, demand=demand)
        if own_only:
            base, scope = objects[scope], f"{scope}/author:{item.author}"
            objects[scope] = replace(base, author=item.author if item.author is not None else 0)
        scopes[item.id] = UNRESOLVED if item.checked_out else scope
    used = {*scopes.values(), *tops}
    # A folder that nothing lies in today may hold a file tomorrow.
    used.update(() if own_only else unique.values())
    # What is judged by item has no own scope that others could inherit; each has the one found for it.
    alone = {**own, **{item.id: scopes[item.id] for item in items if own_only or item.draft or item.checked_out}}
    return ScopeMap(
        scopes,
        {item.guid: item.id for item in items if item.guid},
        {id: one for id, one in objects.items() if id in used},
        own=alone,
        folders=unique,
        default=default,
    )


def _web_part(site: Site, web: Mapping[str, Any]) -> str:
    """``web`` for a collection's top site; a site below it is named by its own id. Collections live at the root, /sites/x and /teams/x."""
    parts = [part for part in site.path.lower().split("/") if part]
    top = not parts or (len(parts) == 2 and parts[0] in ("sites", "teams"))
    return "web" if top else f"web:{str(web.get('Id', '')).lower()}"
