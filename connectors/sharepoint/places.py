"""Finding things by the names people give them: sites, libraries, lists. What is not there is told with what was tried and what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from connectors.errors import AddressUnknown, BrokenReply
from connectors.sharepoint.client import Api, Json, parsed
from connectors.sharepoint.config import SourceSpec

#: Templates that are not lists of records: libraries come as drives, the rest is SharePoint's own furniture.
_NOT_RECORDS = frozenset(
    {
        "documentLibrary",
        "webPageLibrary",
        "pictureLibrary",
        "xmlForm",
        "webTemplateCatalog",
        "masterPageCatalog",
        "survey",
        "userInformation",
    }
)


@dataclass(frozen=True)
class Site:
    """``path`` as configured; ``id`` is Graph's ``host,collection,web``; ``collection`` the GUID that keys site groups."""

    path: str
    id: str
    collection: str
    title: str


@dataclass(frozen=True)
class Place:
    """A library (``id`` is the drive's, ``list_id`` the list's behind it) or a list (both are the list's id)."""

    site: Site
    id: str
    list_id: str
    name: str
    web_url: str = ""

    @property
    def items_url(self) -> str:
        return f"sites/{self.site.id}/lists/{self.list_id}/items"


def find_site(graph: Api, host: str, path: str) -> Site:
    """The site at ``path``. Raises AddressUnknown when it is not there or not granted to this app (Graph tells neither apart)."""
    name = urlsplit(host).hostname or ""
    # Without Sites.Selected on it a site answers 404 or 403; only 404 is an address question.
    address = f"sites/{name}:{quote(path)}" if path else f"sites/{name}"
    response = graph.response(address, also={404})
    if response.status_code == 404:
        raise AddressUnknown("sharepoint.site_unknown", site=path or "/", tried=f"{name}:{path or '/'}", host=graph.transport.endpoint)
    body = parsed(response)
    id = str(body["id"]).replace("%2C", ",")
    parts = id.split(",")
    return Site(path, id, (parts[1] if len(parts) == 3 else id).lower(), str(body.get("displayName") or body.get("name") or path))


def libraries(graph: Api, site: Site) -> list[Place]:
    """The visible document libraries of a site."""
    return [
        Place(site, str(drive["id"]), "", str(drive.get("name", "")), str(drive.get("webUrl", "")))
        for drive in graph.values(f"sites/{site.id}/drives")
        if drive.get("driveType", "documentLibrary") == "documentLibrary"
    ]


def lists(graph: Api, site: Site) -> list[Place]:
    """The visible lists of records of a site."""
    found: list[Place] = []
    for one in graph.values(f"sites/{site.id}/lists"):
        facet: Json = one.get("list") or {}
        if facet.get("hidden") or facet.get("template") in _NOT_RECORDS or "system" in one:
            continue
        id = str(one["id"])
        found.append(Place(site, id, id, str(one.get("displayName") or one.get("name", "")), str(one.get("webUrl", ""))))
    return found


def find_library(graph: Api, site: Site, spec: SourceSpec) -> Place:
    """The library the contract names, with the id of the list behind it. Raises AddressUnknown with the libraries there are."""
    place = _choose(libraries(graph, site), spec, "library")
    root = graph.json(f"drives/{place.id}/root", params={"$select": "id,sharepointIds"})
    ids: Json = root.get("sharepointIds") or {}
    if not ids.get("listId"):
        raise BrokenReply("sharepoint.not_json", host=graph.transport.endpoint, what="a library's root without sharepointIds")
    return Place(site, place.id, str(ids["listId"]), place.name, place.web_url)


def find_list(graph: Api, site: Site, spec: SourceSpec) -> Place:
    """The list the contract names. Raises AddressUnknown with the lists there are."""
    return _choose(lists(graph, site), spec, "list")


def _choose(places: Sequence[Place], spec: SourceSpec, kind: str) -> Place:
    for place in places:
        if (place.id.lower() == spec.id.lower()) if spec.id else (place.name == spec.name):
            return place
    candidates = ", ".join(sorted(place.name for place in places)) or "none"
    raise AddressUnknown("sharepoint.list_unknown", kind=kind, name=spec.id or spec.name, site=spec.site, candidates=candidates)
