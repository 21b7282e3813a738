"""Graph v1.0's front: bearer check, addresses to endpoints, and ``$batch``. The endpoints themselves are in ``graph_*.py``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.responses import Response

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import COMPANY, DOMAIN, TENANT_ID, stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import life, versions
from infra.sandbox.sharepoint.answers import Ask, GraphError, answer, page, refusal, stamp
from infra.sandbox.sharepoint.authority import GRAPH_AUDIENCES, Authority
from infra.sandbox.sharepoint.consent import controls, reads, reads_directory, reads_everywhere
from infra.sandbox.sharepoint.graph_directory import Directory, user_json
from infra.sandbox.sharepoint.graph_items import Drives, site_id, whole
from infra.sandbox.sharepoint.graph_lists import Lists
from infra.sandbox.sharepoint.subscriptions import Subscriptions
from infra.sandbox.sharepoint.throttle import ONE, Meter, graph_units
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World

_BATCH_LIMIT = 20
_PART_HEADERS = ("location", "retry-after", "content-type", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
_SITE_BY_PATH = re.compile(r"^/sites/(?P<host>[^/]+?):(?P<place>/[^:]*?)/?(?::(?P<rest>/.*)?)?$")
_ITEM = re.compile(r"^/drives/(?P<drive>[^/]+)/(?:root|items/(?P<item>[^/:]+))(?::/(?P<path>[^:]*?)/?(?::|$))?(?P<rest>/.*)?$")
_DELTA = re.compile(r"^/(?:microsoft\.graph\.)?delta(?:\((?:token='[^']*')?\))?$")


class Graph:
    """Answers asks below ``/v1.0``. ``faulted`` is asked before each part of a batch, as SharePoint throttles part by part."""

    def __init__(
        self,
        world: World,
        authority: Authority,
        settings: Settings,
        faulted: Callable[[str], tuple[int, int] | None],
        subscriptions: Subscriptions,
        meter: Meter | None = None,
    ) -> None:
        self._world, self._authority, self._settings, self._faulted = world, authority, settings, faulted
        self._subscriptions = subscriptions
        self._meter = meter or Meter(settings.clock)
        self._clock: SandboxClock = settings.clock
        self._drives, self._lists, self._directory = Drives(world, settings), Lists(world, settings), Directory(world)
        self._audiences = (*GRAPH_AUDIENCES, *own_audiences(settings))

    def handle(self, ask: Ask) -> Response:
        """One request, errors included."""
        claims = self._authority.claims(ask.headers.get("authorization", ""), self._audiences)
        if claims is None:
            error = GraphError(401, "InvalidAuthenticationToken", "Access token is empty, expired or meant for another audience.")
            where = f"{self._settings.https_url}/{TENANT_ID}/oauth2/v2.0/authorize"
            asked = self._authority.challenged
            more = f', error="insufficient_claims", claims="{asked}"' if asked else ""
            error.headers["WWW-Authenticate"] = f'Bearer realm="", authorization_uri="{where}"{more}'
            return refusal(ask, error)
        ask = replace(ask, claims=claims)
        life.catch_up(self._world, self._clock)
        if ask.path.startswith("/subscriptions"):
            return self._metered(ask)
        with self._world.lock:
            return self._batch(ask) if ask.path == "/$batch" else self._metered(ask)

    def _metered(self, ask: Ask) -> Response:
        """One request or one part of a batch, paid for in resource units."""
        ask = replace(ask, path=self._canonical(ask.path))
        token = bool(ask.query.get("token") or ask.query.get("$deltatoken") or "token='" in ask.path)
        verdict = self._meter.charge(ask.app, graph_units(ask.method, ask.path, token=token))
        try:
            if verdict.refused:
                raise GraphError(429, "activityLimitReached", "The request has been throttled.")
            response = self._route(ask)
        except GraphError as error:
            response = refusal(ask, error)
        response.headers.update(verdict.headers)
        return response

    def download(self, ask: Ask) -> Response:
        """What a pre-authenticated address leads to; it is counted for the app that was given the address."""
        verdict = self._meter.charge(self._drives.downloader(ask), ONE)
        if verdict.refused:
            return Response("Too many requests.", 429, verdict.headers)
        with self._world.lock:
            response = self._drives.download(ask)
        response.headers.update(verdict.headers)
        return response

    # -- addresses --------------------------------------------------------------------------------------------------------------

    def _canonical(self, path: str) -> str:
        """The path without its end marks, a site that is named by host and path named by its id."""
        path = path.rstrip("/").removesuffix(":")
        named = _SITE_BY_PATH.match(path)
        if named is None:
            return path
        host = named["host"].partition(":")[0].lower()
        match = re.fullmatch(r"/sites/([^/]+)", named["place"])
        site = self._world.sites.get(match[1]) if match and host in ("localhost", "127.0.0.1") else None
        return path if site is None else f"/sites/{site_id(site)}{named['rest'] or ''}"

    def _route(self, ask: Ask) -> Response:
        if ask.path.split("/")[1] == "subscriptions":
            return self._subscriptions.handle(ask)
        if ask.method not in ("GET", "HEAD"):
            raise GraphError(405, "notAllowed", f"The sandbox's Graph is read-only: {ask.method} is not answered.")
        path = ask.path
        if _SITE_BY_PATH.match(path):
            raise _not_found("The provided path does not exist, or does not represent a site")
        first, _, rest = path.lstrip("/").partition("/")
        if first == "sites":
            return self._sites(rest, ask)
        if first == "drives" and rest:
            return self._drive(path, ask)
        if first in ("users", "groups"):
            return self._people(first, rest, ask)
        if first == "organization" and not rest:
            return answer(
                ask, {"value": [{"id": TENANT_ID, "displayName": COMPANY, "verifiedDomains": [{"name": DOMAIN, "isDefault": True}]}]}
            )
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{first}'.")

    def _sites(self, rest: str, ask: Ask) -> Response:
        key, _, below = rest.partition("/")
        if key in ("", "getAllSites", "getAllSites()") and not below:
            # An app that was given single sites finds none: it has to be told where they are.
            if not reads_everywhere(ask.claims):
                raise GraphError(403, "accessDenied", "Access denied")
            return answer(ask, page(ask, [self._site(site) for site in self._world.sites.values()]))
        if key.lower() in ("root", "localhost"):
            if below in ("drives", "lists", "pages", "sites", "permissions"):
                return answer(ask, {"value": []})
            if below:
                raise GraphError(400, "BadRequest", f"Resource not found for the segment '{below}'.")
            return whole(ask, self._root())
        site = next((one for one in self._world.sites.values() if key.lower() in (site_id(one), one.collection)), None)
        if site is None:
            raise _not_found("Requested site could not be found")
        _entered(site, ask)
        if not below:
            return whole(ask, self._site(site))
        return self._in_site(site, below, ask)

    def _in_site(self, site: Site, below: str, ask: Ask) -> Response:
        head, _, rest = below.partition("/")
        libraries = [one for one in site.lists if one.template == "documentLibrary"]
        if head == "drive":
            return self._drive(f"/drives/{libraries[0].drive_id}{'/' + rest if rest else ''}", ask)
        if head == "drives":
            return self._drive(f"/drives/{rest}", ask) if rest else answer(ask, page(ask, [self._drives.drive(one) for one in libraries]))
        if head == "lists":
            return self._list(site, rest, ask)
        if head == "sites" and not rest:
            return answer(ask, {"value": []})
        if head == "permissions":
            return self._app_grants(site, rest, ask)
        if head == "pages":
            key, _, cast = rest.partition("/")
            if key in ("", "microsoft.graph.sitePage") and not cast:
                return answer(ask, self._lists.pages(site, ask))
            if cast in ("", "microsoft.graph.sitePage"):
                return whole(ask, self._lists.page(*self._lists.page_entry(site, key), ask))
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{head}'.")

    def _list(self, site: Site, rest: str, ask: Ask) -> Response:
        key, _, below = rest.partition("/")
        if not key:
            return answer(ask, page(ask, [self._lists.list_(one) for one in site.lists]))
        listing = self._lists.listing(site, key)
        head, _, tail = below.partition("/")
        if not head:
            return whole(ask, self._lists.list_(listing))
        if head == "columns" and not tail:
            return answer(ask, self._lists.columns(listing, ask))
        if head == "drive" and listing.template == "documentLibrary":
            return self._drive(f"/drives/{listing.drive_id}{'/' + tail if tail else ''}", ask)
        if head == "items" and not tail:
            return answer(ask, self._lists.items(listing, ask))
        if head == "items" and _DELTA.match(f"/{tail}"):
            return answer(ask, self._lists.delta(listing, ask))
        number, _, part = tail.partition("/")
        entry = listing.by_number(int(number)) if head == "items" and number.isdigit() else None
        if entry is None:
            raise _not_found("The specified item was not found.")
        if part == "fields":
            return answer(ask, self._lists.fields(listing, entry, ask.select))
        if part == "versions":
            return answer(ask, versions.of_item(entry, ask))
        if part == "driveItem" and listing.template == "documentLibrary":
            return whole(ask, self._drives.item(listing, entry, ask))
        if part == "driveItem/permissions" and listing.template == "documentLibrary":
            return answer(ask, self._drives.permissions(listing, entry, ask))
        if part:
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{part}'.")
        return answer(ask, self._lists.item(listing, entry, ask))

    def _drive(self, path: str, ask: Ask) -> Response:
        drive_id = path.split("/")[2]
        listing = self._world.drive(drive_id)
        if listing is None:
            raise _not_found("The drive was not found.")
        _entered(listing.site, ask)
        if path.count("/") == 2:
            return whole(ask, self._drives.drive(listing))
        match = _ITEM.match(path)
        if match is None:
            raise GraphError(400, "invalidRequest", "The address is malformed.")
        entry = self._entry(listing, match["item"], match["path"])
        rest = match["rest"] or ""
        if not rest:
            return whole(ask, self._drives.item(listing, entry, ask))
        if _DELTA.match(rest):
            if entry.kind != "root":
                raise GraphError(400, "notSupported", "Delta is answered for the root of a drive only.")
            return answer(ask, self._drives.delta(listing, ask))
        endpoints: dict[str, Callable[[], Response]] = {
            "/children": lambda: answer(ask, self._drives.children(listing, entry, ask)),
            "/content": lambda: self._drives.content(listing, entry, ask),
            "/versions": lambda: answer(ask, self._versions(entry, ask)),
            "/permissions": lambda: answer(ask, self._drives.permissions(listing, entry, ask)),
            "/listItem": lambda: answer(ask, self._lists.item(listing, entry, ask)),
        }
        if rest not in endpoints:
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{rest[1:]}'.")
        return endpoints[rest]()

    def _versions(self, entry: Entry, ask: Ask) -> dict[str, Any]:
        if entry.stored is None:
            raise GraphError(400, "notAllowed", "Only a file has versions.")
        return versions.of_file(entry, ask)

    def _entry(self, listing: Listing, item: str | None, path: str | None) -> Entry:
        start = listing.root if item in (None, "root") else listing.entries.get(item or "")
        if start is None or start.deleted:
            raise _not_found("The resource could not be found.")
        found = listing.find([*listing.path(start), *(part for part in (path or "").split("/") if part)]) if path else start
        if found is None:
            raise _not_found("The resource could not be found.")
        return found

    def _people(self, first: str, rest: str, ask: Ask) -> Response:
        if not reads_directory(ask.claims, first):
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        key, _, below = rest.partition("/")
        relation, _, cast = below.partition("/")
        if (cast and not cast.startswith("microsoft.graph.")) or "/" in cast:
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{cast}'.")
        if not key:
            return answer(ask, self._directory.users(ask) if first == "users" else self._directory.groups(ask))
        if first == "users":
            someone = self._directory.user(key)
            if not relation:
                return whole(ask, user_json(someone))
            if relation in ("memberOf", "transitiveMemberOf"):
                return answer(ask, self._directory.member_of(someone, ask, transitive=relation.startswith("t")))
        else:
            group = self._directory.group(key)
            if not relation:
                return whole(ask, self._directory.json(group.code))
            if relation == "owners":
                return answer(ask, self._directory.owners(group, ask))
            if relation in ("members", "transitiveMembers"):
                return answer(ask, self._directory.members(group, ask, transitive=relation.startswith("t")))
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{relation}'.")

    def _site(self, site: Site) -> dict[str, Any]:
        modified = max(listing.feed[-1][1] for listing in site.lists)
        return {
            "id": site_id(site),
            "name": site.key,
            "displayName": site.title,
            "webUrl": f"{self._settings.https_url}/sites/{site.key}",
            "createdDateTime": stamp(site.created),
            "lastModifiedDateTime": stamp(modified),
            "description": "",
            "isPersonalSite": False,
            "root": {},
            "siteCollection": {"hostname": "localhost"},
        }

    def _app_grants(self, site: Site, key: str, ask: Ask) -> Response:
        """What the site granted to apps. The collection leaves the roles out, whatever the documentation shows; a single grant has them."""
        if not controls(ask.claims, site) or not (self._world.tells_grants or reads_everywhere(ask.claims)):
            raise GraphError(403, "accessDenied", "Access denied")
        app = {"application": {"id": ask.app, "displayName": "Fortnight"}}
        granted = {"id": stable_id("app grant", site.key), "grantedToIdentitiesV2": [app]}
        if not key:
            return answer(ask, page(ask, [granted] if site.app_role else []))
        if not site.app_role or key != granted["id"]:
            raise _not_found("The permission was not found.")
        return answer(ask, {**granted, "roles": [site.app_role]})

    def _root(self) -> dict[str, Any]:
        collection, web = stable_id("site collection", "root"), stable_id("web", "root")
        return {
            "id": f"localhost,{collection},{web}",
            "name": "",
            "displayName": COMPANY,
            "webUrl": self._settings.https_url,
            "root": {},
            "siteCollection": {"hostname": "localhost"},
            "isPersonalSite": False,
        }

    # -- batch ------------------------------------------------------------------------------------------------------------------

    def _batch(self, ask: Ask) -> Response:
        """Up to 20 parts, answered last first: nobody may rely on their order."""
        try:
            requests = json.loads(ask.body)["requests"]
            numbers = [str(part["id"]) for part in requests]
            parts = [
                (number, part.get("method", "GET").upper(), part["url"], part.get("headers") or {})
                for number, part in zip(numbers, requests, strict=True)
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return refusal(ask, GraphError(400, "BadRequest", "Invalid batch payload format."))
        if len(parts) > _BATCH_LIMIT or len(set(numbers)) != len(numbers):
            return refusal(ask, GraphError(400, "BadRequest", f"A batch holds at most {_BATCH_LIMIT} requests with ids of their own."))
        return answer(ask, {"responses": [self._part(ask, *part) for part in reversed(parts)]})

    def _part(self, ask: Ask, number: str, method: str, url: str, headers: dict[str, str]) -> dict[str, Any]:
        path, _, query = url.partition("?")
        lowered = {key.lower(): str(value) for key, value in headers.items()}
        part = replace(
            ask,
            method=method,
            path="/" + unquote(path).lstrip("/"),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=lowered,
            body=b"",
        )
        fault = self._faulted(part.path)
        if fault is None:
            response = self._metered(part)
        else:
            # A part cannot lose its connection alone; a waiting drop shows here as 503.
            status, code = (429, "activityLimitReached") if fault[0] == 429 else (503, "serviceNotAvailable")
            headers = {"Retry-After": str(fault[1])} if fault[1] else {}
            response = refusal(part, GraphError(status, code, "The request has been throttled.", headers=headers))
        kept = {name.title(): value for name, value in response.headers.items() if name in _PART_HEADERS}
        told: dict[str, Any] = {"id": number, "status": response.status_code, "headers": kept}
        if response.body:
            told["body"] = json.loads(bytes(response.body))
        return told


def own_audiences(settings: Settings) -> tuple[str, ...]:
    """Audiences that name this server itself, by either host name."""
    return tuple(
        f"{scheme}://{host}:{port}"
        for scheme, port in (("https", settings.https_port), ("http", settings.http_port))
        for host in ("localhost", "127.0.0.1")
    )


def _entered(site: Site, ask: Ask) -> None:
    """Raises GraphError for a site that lets nobody in, or not this app; it is listed nevertheless."""
    if site.status == "archived":
        raise GraphError(423, "resourceLocked", "The site is archived and locked.", inner="siteArchived")
    if site.status == "refused" or not reads(ask.claims, site):
        raise GraphError(403, "accessDenied", "Access denied")


def _not_found(message: str) -> GraphError:
    return GraphError(404, "itemNotFound", message)
