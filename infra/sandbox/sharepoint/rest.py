"""SharePoint REST (``/sites/x/_api/…``) for certificate tokens: the way over web, lists and items.

Rights are told by ``rest_rights``, the change log by ``rest_changes``.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from infra.sandbox.company.people import person
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import life
from infra.sandbox.sharepoint.answers import Ask, stamp
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.consent import controls, reads
from infra.sandbox.sharepoint.graph import own_audiences
from infra.sandbox.sharepoint.rest_answers import Asked, Collection, RestError, dialect, headers, in_dialect
from infra.sandbox.sharepoint.rest_changes import Changes
from infra.sandbox.sharepoint.rest_files import BY_PATH, Files
from infra.sandbox.sharepoint.rest_rights import Rights
from infra.sandbox.sharepoint.throttle import Meter, Verdict, rest_units
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World, scope_of

_SEGMENT = re.compile(r"/?([^/(']+)(?:\(((?:'(?:[^']|'')*'|[^')])*)\))?")
_TEMPLATES = {"documentLibrary": 101, "genericList": 100, "webPageLibrary": 119}
#: What an item tells only when it is named.
_ASKED_FOR = ("FSObjType", "FileRef", "FileLeafRef", "UniqueId", "HasUniqueRoleAssignments", "OData__ModerationStatus")
_RIGHTS = ("roleassignments", "getusereffectivepermissions")
_OF_THE_LOG = ("getchanges", "currentchangetoken")
_UNAUTHORIZED = "-2147024891, System.UnauthorizedAccessException"


def segments(path: str) -> list[tuple[str, str]]:
    """``web/lists(guid'…')/items(3)`` as (name in lower case, argument without quotes and type prefix)."""
    found: list[tuple[str, str]] = []
    for name, argument in _SEGMENT.findall(path):
        plain = re.sub(
            r"^(?:guid|datetime|id=|listid=|decodedurl=|@\w+=)?'(.*)'$", r"\1", argument.strip(), flags=re.IGNORECASE | re.DOTALL
        )
        found.append((name.lower(), plain.replace("''", "'")))
    return found


class Rest:
    """Answers asks below ``/sites/{site}/_api``; read-only: contextinfo and GetChanges are posted and change nothing."""

    def __init__(self, world: World, authority: Authority, settings: Settings, meter: Meter | None = None) -> None:
        self._world, self._authority, self._settings = world, authority, settings
        self._meter = meter or Meter(settings.clock)
        self._audiences = own_audiences(settings)

    def handle(self, site_key: str, path: str, ask: Ask) -> Response:
        """One request, errors in the dialect the client asked for. A token got with a secret is refused, as SharePoint does.

        Throttling alone is told in a page of HTML.
        """
        way, verdict = segments(path), Verdict()
        kind = dialect(ask.headers.get("accept", ""))
        try:
            claims = self._authority.claims(ask.headers.get("authorization", ""), self._audiences)
            if claims is None:
                raise RestError(401, _UNAUTHORIZED, "Access is denied: the token is missing, over or not for this host.")
            if claims.get("appidacr") != "2":
                raise RestError(401, _UNAUTHORIZED, "Unsupported app only token.")
            ask = replace(ask, claims=claims)
            verdict = self._meter.charge(ask.app, rest_units(way))
            if verdict.refused:
                return HTMLResponse("<html><body><h1>429 Too Many Requests</h1></body></html>", 429, verdict.headers)
            site = self._world.sites.get(site_key)
            if site is None:
                raise RestError(404, "-2147024894, System.IO.FileNotFoundException", "The site was not found.")
            if site.status == "archived":
                raise RestError(423, "-1, Microsoft.SharePoint.Client.ServerException", "The site is archived and locked.")
            closed = site.status == "refused" or not reads(claims, site)
            if closed or (way and way[-1][0] in _RIGHTS and not controls(claims, site)):
                raise RestError(403, _UNAUTHORIZED, "Access denied.")
            life.catch_up(self._world, self._settings.clock)
            with self._world.lock:
                payload = _Walk(self._world, site, ask, self._settings).resolve(way)
        except RestError as error:
            response = self._error(error, kind)
        else:
            if isinstance(payload, bytes):
                return Response(payload, media_type="application/octet-stream", headers=verdict.headers)
            response = JSONResponse(in_dialect(payload, kind, f"{ask.base}/sites/{site.key}/_api"), headers=headers(kind))
        response.headers.update(verdict.headers)
        return response

    def _error(self, error: RestError, kind: str) -> Response:
        body = {"code": error.code, "message": {"lang": "ja-JP", "value": error.message}}
        marks = headers(kind)
        if error.status == 401:
            marks["x-ms-diagnostics"] = f'3001000;reason="{error.message}";category="invalid_client"'
            marks["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error" if kind == "verbose" else "odata.error": body}, status_code=error.status, headers=marks)


class _Walk(Asked):
    """One request's way over the segments. A securable is (listing, entry): (None, None) is the web."""

    def __init__(self, world: World, site: Site, ask: Ask, settings: Settings) -> None:
        super().__init__(world, site, ask, settings.https_url)
        self._rights = Rights(world, site, ask, settings.https_url)
        self._files = Files(world, site, ask, settings.https_url, self._item)
        self._changes = Changes(world, site, ask, settings.https_url)
        self._now = settings.clock.now()

    def resolve(self, way: list[tuple[str, str]]) -> Any:
        head = way[0][0] if way else ""
        if head == "contextinfo":
            digest = f"0x{uuid.uuid4().hex.upper()},{datetime.now(UTC).strftime('%d %b %Y %H:%M:%S')} -0000"
            return {
                "!GetContextWebInformation": {
                    "__metadata": {"type": "SP.ContextWebInformation"},
                    "FormDigestTimeoutSeconds": 1800,
                    "FormDigestValue": digest,
                    "LibraryVersion": "16.0.0.0",
                    "SiteFullUrl": self._web_url,
                    "WebFullUrl": self._web_url,
                    "SupportedSchemaVersions": ["15.0.0.0"],
                }
            }
        if head == "site":
            if len(way) > 1 and way[1][0] in _OF_THE_LOG:
                return self._logged("site", None, way[1][0])
            if len(way) > 1:
                return {"!Id": self._site.collection} if way[1][0] == "id" else self._unknown(way[1][0])
            return {
                "__metadata": self._meta("SP.Site", "site"),
                "Id": self._site.collection,
                "Url": self._web_url,
                "ServerRelativeUrl": f"/sites/{self._site.key}",
            }
        if head == "web":
            return self._in_web(way[1:])
        return self._unknown(head)

    def _in_web(self, way: list[tuple[str, str]]) -> Any:
        if not way:
            return self._web()
        name, argument = way[0]
        if name == "lists":
            return self._lists(argument, way[1:])
        if name in BY_PATH:
            return self._files.by_path(name, argument, way[1:])
        if name in ("siteusers", "sitegroups", "getuserbyid"):
            return self._rights.principals("siteusers" if name == "getuserbyid" else name, argument, way[1:])
        if name == "roledefinitions":
            return self._rights.roles()
        if name == "title":
            return {"!Title": self._site.title}
        if name == "regionalsettings":
            return self._regional_settings([part for part, _ in way[1:]])
        if name in _OF_THE_LOG:
            return self._logged("web", None, name)
        return self._securable(None, None, way)

    def _logged(self, level: str, listing: Listing | None, name: str) -> Any:
        if name == "getchanges":
            return self._changes.get(level, listing, self._now)
        return {"!CurrentChangeToken": self._changes.current(level, listing, self._now)}

    def _regional_settings(self, way: list[str]) -> dict[str, Any]:
        """SP.RegionalSettings: a Japanese site, whose date-only columns are dates in UTC+9 (time zone 20 in SharePoint's list)."""
        zone = {
            "__metadata": self._meta("SP.TimeZone", "web/RegionalSettings/TimeZone"),
            "Id": 20,
            "Description": "(UTC+09:00) Osaka, Sapporo, Tokyo",
            "Information": {"Bias": -540, "DaylightBias": -60, "StandardBias": 0},
        }
        if way == ["timezone"]:
            return self._selected(zone)
        if not way:
            return self._selected(
                {"__metadata": self._meta("SP.RegionalSettings", "web/RegionalSettings"), "LocaleId": 1041, "TimeZone": zone}
            )
        return self._unknown("/".join(way))

    def _web(self) -> dict[str, Any]:
        return self._selected(
            {
                "__metadata": self._meta("SP.Web", "Web"),
                "Id": self._site.web,
                "Title": self._site.title,
                "Url": self._web_url,
                "Language": 1041,
                "ServerRelativeUrl": f"/sites/{self._site.key}",
                "WebTemplate": "STS",
                "Created": stamp(self._site.created),
                "HasUniqueRoleAssignments": True,
            },
            optional=("HasUniqueRoleAssignments",),
        )

    # -- lists and items --------------------------------------------------------------------------------------------------------

    def _lists(self, argument: str, way: list[tuple[str, str]]) -> Any:
        if not argument and way and way[0][0] in ("getbytitle", "getbyid"):
            argument, way = way[0][1], way[1:]
        if not argument:
            return self._page(self._site.lists, self._list)
        listing = next((one for one in self._site.lists if argument.lower() in (one.guid, one.title.lower())), None)
        if listing is None:
            raise RestError(404, "-1, System.ArgumentException", f"List '{argument}' does not exist at this site.")
        if not way:
            return self._list(listing)
        if way[0][0] == "rootfolder":
            return self._files.of(listing, listing.root, way[1:])
        if way[0][0] in _OF_THE_LOG:
            return self._logged("list", listing, way[0][0])
        if way[0][0] != "items":
            return self._securable(listing, None, way)
        number, rest = way[0][1], way[1:]
        if not number and rest and rest[0][0] in ("getbyid", "getitembyid"):
            number, rest = rest[0][1], rest[1:]
        if not number:
            return self._items(listing)
        entry = listing.by_number(int(number)) if number.isdigit() else None
        if entry is None:
            raise RestError(404, "-2130575338, System.ArgumentException", "Item does not exist. It may have been deleted by another user.")
        return self._securable(listing, entry, rest) if rest else self._item(listing, entry)

    def _list(self, listing: Listing) -> dict[str, Any]:
        return self._selected(
            {
                "__metadata": self._meta("SP.List", f"Web/Lists(guid'{listing.guid}')"),
                "Id": listing.guid,
                "Title": listing.title,
                "Hidden": False,
                "BaseTemplate": _TEMPLATES[listing.template],
                "BaseType": 0 if listing.template == "genericList" else 1,
                "ItemCount": listing.count(),
                "ReadSecurity": listing.read_security,
                "WriteSecurity": 1,
                "EnableModeration": False,
                "EnableVersioning": True,
                "EnableMinorVersions": listing.drafts,
                "DraftVersionVisibility": int(listing.drafts),
                "NoCrawl": False,
                "HasUniqueRoleAssignments": listing.guid in self._site.grants,
                "LastItemModifiedDate": stamp(listing.feed[-1][1]),
            },
            optional=("HasUniqueRoleAssignments",),
        )

    def _items(self, listing: Listing) -> Collection:
        after = re.search(r"p_ID=(\d+)", self._ask.query.get("$skiptoken", ""))
        top = min(self._whole("$top", 100), 5000)
        rest = listing.after(int(after[1]) if after else 0, top + 1)
        found = Collection(self._item(listing, entry) for entry in rest[:top])
        if len(rest) > top:
            found.following = self._next(**{"$skiptoken": f"Paged=TRUE&p_ID={rest[top - 1].number}"})
        return found

    def _item(self, listing: Listing, entry: Entry) -> dict[str, Any]:
        file_ref = "/".join(["/sites", self._site.key, listing.url_name, *listing.path(entry)])
        people = {"Author": entry.author, "Editor": entry.editor}
        values = {(f"OData_{key}" if key.startswith("_") else key): value for key, value in entry.fields.items() if "@" not in key}
        found: dict[str, Any] = {
            "__metadata": {
                **self._meta(f"SP.Data.{listing.url_name}Item", f"Web/Lists(guid'{listing.guid}')/Items({entry.number})"),
                "etag": entry.etag,
            },
            **values,
            "Id": entry.number,
            "ID": entry.number,
            "GUID": entry.guid,
            "Title": entry.fields.get("Title") or entry.name,
            "FileSystemObjectType": int(entry.kind in ("folder", "package")),
            "Created": stamp(entry.created),
            "Modified": stamp(entry.modified),
            **{f"{role}Id": self._number(login) for role, login in people.items()},
            "Attachments": False,
            "FSObjType": str(int(entry.kind in ("folder", "package"))),
            "FileRef": file_ref,
            "FileLeafRef": entry.name,
            "UniqueId": entry.guid,
            "OData__UIVersionString": entry.label,
            "OData__ModerationStatus": 0 if entry.level == "published" and not entry.checked_out else 3,
            "CheckoutUserId": self._number(entry.checked_out) if entry.checked_out else None,
            "HasUniqueRoleAssignments": entry.guid in self._site.grants,
        }
        for role, login in people.items():
            if role.lower() in self._expand:
                found[role] = {
                    "__metadata": {"type": "SP.Data.UserInfoItem"},
                    "Title": person(login).name,
                    "EMail": login,
                    "Id": self._number(login),
                }
        return self._selected(found, optional=_ASKED_FOR)

    def _number(self, login: str) -> int:
        return next((one.number for one in self._site.principals.values() if (one.kind, one.key) == ("user", login)), 1073741823)

    # -- permissions ------------------------------------------------------------------------------------------------------------

    def _securable(self, listing: Listing | None, entry: Entry | None, way: list[tuple[str, str]]) -> Any:
        name, argument = way[0]
        if name == "firstuniqueancestorsecurableobject":
            return self._scope_owner(listing, scope_of(listing, entry) if listing else "web")
        return self._rights.of(listing, entry, name, argument)

    def _scope_owner(self, listing: Listing | None, scope: str) -> dict[str, Any]:
        if listing is None or scope == "web":
            return self._web()
        if scope == listing.guid:
            return self._list(listing)
        owner = next(entry for entry in listing.entries.values() if entry.guid == scope)
        return self._item(listing, owner)
