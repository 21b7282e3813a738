"""What a tenant could give: each configured site's visible libraries and lists, and its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.errors import AccessRefused, AddressUnknown
from connectors.messages import Said
from connectors.protocol import Offer
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.closed import is_closed, reason
from connectors.sharepoint.library import file_ids
from connectors.sharepoint.pages import list_pages
from connectors.sharepoint.places import Place, Site, find_site, libraries, lists
from connectors.sharepoint.records import item_ids
from connectors.sharepoint.schema import LIBRARY, PAGES, list_fields, schema
from connectors.sharepoint.scopes import NO_CERTIFICATE


def discover(tenant: Tenant) -> Iterator[Offer]:
    """Offers, site by site. Names are ASCII (``quality-library-1``) because display names are mostly Japanese; titles hold those.

    ``rows`` is what the source lists now, which walks it once. A site that is locked, refused or not there does not keep the others
    back: their offers come first, and then its AddressUnknown or AccessRefused is raised, or one AccessRefused that names them all.
    """
    notes = () if tenant.rest is not None else (NO_CERTIFICATE,)
    shut: list[tuple[str, AddressUnknown | AccessRefused]] = []
    for path in tenant.config.sites:
        try:
            yield from _offers(tenant, path, notes)
        except (AddressUnknown, AccessRefused) as error:
            if not is_closed(error):
                raise
            shut.append((path, error))
    if len(shut) == 1:
        raise shut[0][1]
    if shut:
        sites = ", ".join(f"{path or '/'} ({reason(error)})" for path, error in shut)
        raise AccessRefused("sharepoint.sites_closed", host=tenant.graph.transport.endpoint, sites=sites)


def _offers(tenant: Tenant, path: str, notes: tuple[str, ...]) -> Iterator[Offer]:
    site = find_site(tenant.graph, tenant.config.host, path)
    stem = re.sub(r"[^a-z0-9]+", "-", path.rpartition("/")[2].lower()).strip("-") or "root"
    for number, place in enumerate(libraries(tenant.graph, site), start=1):
        yield _library(tenant, site, place, f"{stem}-library-{number}", notes)
    for number, place in enumerate(lists(tenant.graph, site), start=1):
        yield _list(tenant, site, place, f"{stem}-list-{number}", notes)
    pages = list_pages(tenant.graph, site)
    if pages:
        live = schema(PAGES, {"site": site.path, "site_id": site.id})
        source = {"site": site.path, "kind": "pages"}
        yield Offer(f"{stem}-pages-1", f"{site.title} ページ", source, live, ("page_id",), "modified_at", len(pages), notes)


def reachable(tenant: Tenant, path: str) -> tuple[bool, str]:
    """Whether a site can be read, and its title or the sentence that says why not."""
    try:
        return True, find_site(tenant.graph, tenant.config.host, path).title
    except (AddressUnknown, AccessRefused) as error:
        return False, Said(error.say, error.code, error.exit_code)


def identity(place: Place) -> dict[str, str]:
    """The resolved address of a library or list."""
    return {"site": place.site.path, "site_id": place.site.id, "id": place.id, "name": place.name}


def _library(tenant: Tenant, site: Site, place: Place, name: str, notes: tuple[str, ...]) -> Offer:
    source = {"site": site.path, "kind": "library", "name": place.name, "id": place.id}
    rows = sum(1 for _ in file_ids(tenant.graph, place))
    return Offer(name, place.name, source, schema(LIBRARY, identity(place)), ("item_id",), "modified_at", rows, notes)


def _list(tenant: Tenant, site: Site, place: Place, name: str, notes: tuple[str, ...]) -> Offer:
    source = {"site": site.path, "kind": "list", "name": place.name, "id": place.id}
    fields = list_fields(tenant.graph.values(f"sites/{site.id}/lists/{place.id}/columns"))
    rows = sum(1 for _ in item_ids(tenant.graph, place))
    return Offer(name, place.name, source, schema(fields, identity(place)), ("id",), "lastModifiedDateTime", rows, notes)
