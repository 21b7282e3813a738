"""SharePoint REST (``/sites/x/_api/…``) for certificate tokens: role assignments, users, groups, items; verbose or nometadata JSON."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, Response

from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import life
from infra.sandbox.sharepoint.access import mask
from infra.sandbox.sharepoint.answers import Ask, stamp
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.graph import own_audiences
from infra.sandbox.sharepoint.graph_items import login_name, upn
from infra.sandbox.sharepoint.world import ROLES, Entry, Listing, Principal, Site, World, scope_of

_SEGMENT = re.compile(r"/?([^/(']+)(?:\(((?:'(?:[^']|'')*'|[^')])*)\))?")
_TEMPLATES = {"documentLibrary": 101, "genericList": 100, "webPageLibrary": 119}
_UNAUTHORIZED = "-2147024891, System.UnauthorizedAccessException"
_PRINCIPAL_TYPES = {"user": 1, "entra": 4, "eeeu": 4, "site": 8}


class RestError(Exception):
    """A refusal: status, SharePoint's code (number, exception), sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Collection(list[dict[str, Any]]):
    """Entities with the address of the next page, if there is one."""

    following = ""


def segments(path: str) -> list[tuple[str, str]]:
    """``web/lists(guid'…')/items(3)`` as (name in lower case, argument without quotes and type prefix)."""
    found: list[tuple[str, str]] = []
    for name, argument in _SEGMENT.findall(path):
        plain = re.sub(r"^(?:guid|datetime|id=|listid=|@\w+=)?'(.*)'$", r"\1", argument.strip(), flags=re.IGNORECASE | re.DOTALL)
        found.append((name.lower(), plain.replace("''", "'")))
    return found


class Rest:
    """Answers asks below ``/sites/{site}/_api``; read-only but for contextinfo."""

    def __init__(self, world: World, authority: Authority, settings: Settings) -> None:
        self._world, self._authority, self._settings = world, authority, settings
        self._audiences = own_audiences(settings)

    def handle(self, site_key: str, path: str, ask: Ask) -> Response:
        """One request, errors in the dialect the client asked for. A token got with a secret is refused, as SharePoint does."""
        verbose = "odata=verbose" in ask.headers.get("accept", "").replace(" ", "").lower()
        try:
            claims = self._authority.claims(ask.headers.get("authorization", ""), self._audiences)
            if claims is None:
                raise RestError(401, _UNAUTHORIZED, "Access is denied: the token is missing, over or not for this host.")
            if claims.get("appidacr") != "2":
                raise RestError(401, _UNAUTHORIZED, "Unsupported app only token.")
            site = self._world.sites.get(site_key)
            if site is None:
                raise RestError(404, "-2147024894, System.IO.FileNotFoundException", "The site was not found.")
            life.catch_up(self._world, self._settings.clock)
            with self._world.lock:
                payload = _Walk(self._world, site, ask, self._settings.https_url).resolve(segments(path))
        except RestError as error:
            return self._error(error, verbose)
        return JSONResponse(_verbose(payload) if verbose else _plain(payload), headers=_headers(verbose))

    def _error(self, error: RestError, verbose: bool) -> Response:
        body = {"code": error.code, "message": {"lang": "ja-JP", "value": error.message}}
        headers = _headers(verbose)
        if error.status == 401:
            headers["x-ms-diagnostics"] = f'3001000;reason="{error.message}";category="invalid_client"'
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error" if verbose else "odata.error": body}, status_code=error.status, headers=headers)


def _headers(verbose: bool) -> dict[str, str]:
    kind = "verbose" if verbose else "nometadata"
    return {"SPRequestGuid": str(uuid.uuid4()), "SPRequestDuration": "5", "Content-Type": f"application/json;odata={kind};charset=utf-8"}


def _verbose(payload: Any) -> dict[str, Any]:
    if isinstance(payload, Collection):
        found: dict[str, Any] = {"results": [_nested(one) for one in payload]}
        if payload.following:
            found["__next"] = payload.following
        return {"d": found}
    return {"d": _nested(payload)}


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return {"results": [_nested(one) for one in value]}
    return {key.lstrip("!"): _nested(one) for key, one in value.items()} if isinstance(value, dict) else value


def _plain(payload: Any) -> Any:
    if isinstance(payload, Collection):
        found: dict[str, Any] = {"value": [_bare(one) for one in payload]}
        if payload.following:
            found["odata.nextLink"] = payload.following
        return found
    # A property or a function's result comes under its name in verbose JSON (marked with "!"), without it here.
    if isinstance(payload, dict) and len(payload) == 1 and next(iter(payload)).startswith("!"):
        value = _bare(next(iter(payload.values())))
        return value if isinstance(value, dict) else {"value": value}
    return _bare(payload)


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return {key: _bare(one) for key, one in value.items() if key != "__metadata"} if isinstance(value, dict) else value


class _Walk:
    """One request's way over the segments. A securable is (listing, entry): (None, None) is the web."""

    def __init__(self, world: World, site: Site, ask: Ask, https_url: str) -> None:
        self._world, self._site, self._ask = world, site, ask
        self._api = f"{ask.base}/sites/{site.key}/_api"
        self._web_url = f"{https_url}/sites/{site.key}"
        self._expand = {part.strip().lower() for part in ask.query.get("$expand", "").split(",") if part.strip()}
        self._select = [part.strip() for part in ask.query.get("$select", "").split(",") if part.strip()]

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

    def _unknown(self, name: str) -> Any:
        raise RestError(404, "-1, Microsoft.SharePoint.Client.ResourceNotFoundException", f"Cannot find resource for the request {name}.")

    def _meta(self, kind: str, place: str) -> dict[str, str]:
        return {"id": f"{self._api}/{place}", "uri": f"{self._api}/{place}", "type": kind}

    def _in_web(self, way: list[tuple[str, str]]) -> Any:
        if not way:
            return self._web()
        name, argument = way[0]
        if name == "lists":
            return self._lists(argument, way[1:])
        if name in ("siteusers", "sitegroups", "getuserbyid"):
            return self._principals("siteusers" if name == "getuserbyid" else name, argument, way[1:])
        if name == "roledefinitions":
            return Collection(self._role(role) for role in ROLES)
        if name == "title":
            return {"!Title": self._site.title}
        if name == "regionalsettings":
            return self._regional_settings([part for part, _ in way[1:]])
        return self._securable(None, None, way)

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

    def _selected(self, entity: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
        names = {part.split("/")[0] for part in self._select}
        if names and "*" not in names:
            return {key: value for key, value in entity.items() if key in names or key == "__metadata"}
        return {key: value for key, value in entity.items() if key not in optional or key in names}

    def _page(self, rows: list[Any], make: Callable[[Any], dict[str, Any]]) -> Collection:
        """``$top`` and ``$skip`` over what has no natural key."""
        skip, top = self._whole("$skip", 0), self._whole("$top", 100)
        found = Collection(make(row) for row in rows[skip : skip + top])
        if skip + top < len(rows):
            found.following = self._next(**{"$skip": str(skip + top)})
        return found

    def _whole(self, name: str, default: int) -> int:
        raw = self._ask.query.get(name, str(default))
        if not raw.isdigit():
            raise RestError(400, "-1, Microsoft.SharePoint.Client.InvalidClientQueryException", f"The query option {name} is not valid.")
        return int(raw)

    def _next(self, **changes: str) -> str:
        query = {key: value for key, value in self._ask.query.items() if key not in ("$skip", "$skiptoken")}
        return f"{self._ask.base}{quote(self._ask.path)}?{urlencode({**query, **changes}, quote_via=quote, safe='$')}"

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
        count = sum(1 for _ in listing.living())
        return self._selected(
            {
                "__metadata": self._meta("SP.List", f"Web/Lists(guid'{listing.guid}')"),
                "Id": listing.guid,
                "Title": listing.title,
                "Hidden": False,
                "BaseTemplate": _TEMPLATES[listing.template],
                "BaseType": 0 if listing.template == "genericList" else 1,
                "ItemCount": count,
                "ReadSecurity": 1,
                "WriteSecurity": 1,
                "EnableModeration": False,
                "DraftVersionVisibility": 0,
                "NoCrawl": False,
                "HasUniqueRoleAssignments": listing.guid in self._site.grants,
                "LastItemModifiedDate": stamp(listing.feed[-1][1]),
            },
            optional=("HasUniqueRoleAssignments",),
        )

    def _items(self, listing: Listing) -> Collection:
        after = re.search(r"p_ID=(\d+)", self._ask.query.get("$skiptoken", ""))
        top = min(self._whole("$top", 100), 5000)
        rest = [entry for entry in listing.living() if entry.number > (int(after[1]) if after else 0)]
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
            "FileSystemObjectType": int(entry.kind == "folder"),
            "Created": stamp(entry.created),
            "Modified": stamp(entry.modified),
            **{f"{role}Id": self._number(login) for role, login in people.items()},
            "Attachments": False,
            "FSObjType": str(int(entry.kind == "folder")),
            "FileRef": file_ref,
            "FileLeafRef": entry.name,
            "UniqueId": entry.guid,
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
        return self._selected(found, optional=("FSObjType", "FileRef", "FileLeafRef", "UniqueId", "HasUniqueRoleAssignments"))

    def _number(self, login: str) -> int:
        return next((one.number for one in self._site.principals.values() if (one.kind, one.key) == ("user", login)), 1073741823)

    # -- permissions ------------------------------------------------------------------------------------------------------------

    def _securable(self, listing: Listing | None, entry: Entry | None, way: list[tuple[str, str]]) -> Any:
        name, argument = way[0]
        own = entry.guid if entry else listing.guid if listing else "web"
        scope = scope_of(listing, entry) if listing else "web"
        if name == "hasuniqueroleassignments":
            return {"!HasUniqueRoleAssignments": own in self._site.grants}
        if name == "roleassignments":
            rows = list(self._site.grants[scope].items())
            return self._page(rows, lambda row: self._assignment(*row))
        if name == "firstuniqueancestorsecurableobject":
            return self._scope_owner(listing, scope)
        if name == "effectivebasepermissions":
            _, _, high, low = ROLES[1073741829]
            return {"!EffectiveBasePermissions": _permissions(high, low)}
        if name == "getusereffectivepermissions":
            asked = self._ask.query.get(argument, argument).strip("'")
            someone = next((one.login for one in PEOPLE if login_name("user", one.login) == asked.lower()), None)
            if someone is None:
                raise RestError(404, "-2146232832, Microsoft.SharePoint.SPException", "The specified user could not be found.")
            return {"!GetUserEffectivePermissions": _permissions(*mask(self._world, self._site, scope, someone))}
        return self._unknown(name)

    def _scope_owner(self, listing: Listing | None, scope: str) -> dict[str, Any]:
        if listing is None or scope == "web":
            return self._web()
        if scope == listing.guid:
            return self._list(listing)
        owner = next(entry for entry in listing.entries.values() if entry.guid == scope)
        return self._item(listing, owner)

    def _assignment(self, number: int, roles: set[int]) -> dict[str, Any]:
        place = f"RoleAssignments/GetByPrincipalId({number})"
        found: dict[str, Any] = {"__metadata": self._meta("SP.RoleAssignment", place), "PrincipalId": number}
        found["Member"] = (
            self._principal(self._site.principals[number], users="member/users" in self._expand)
            if self._expand & {"member", "member/users"}
            else {"__deferred": {"uri": f"{self._api}/{place}/Member"}}
        )
        found["RoleDefinitionBindings"] = (
            [self._role(role) for role in sorted(roles)]
            if "roledefinitionbindings" in self._expand
            else {"__deferred": {"uri": f"{self._api}/{place}/RoleDefinitionBindings"}}
        )
        return found

    def _role(self, role: int) -> dict[str, Any]:
        kind, name, high, low = ROLES[role]
        return {
            "__metadata": self._meta("SP.RoleDefinition", f"Web/RoleDefinitions({role})"),
            "Id": role,
            "Name": name,
            "Hidden": kind == 1,
            "RoleTypeKind": kind,
            "Description": "",
            "Order": kind,
            "BasePermissions": _permissions(high, low),
        }

    def _principals(self, kind: str, argument: str, way: list[tuple[str, str]]) -> Any:
        if not argument and way and way[0][0] == "getbyid":
            argument, way = way[0][1], way[1:]
        groups = kind == "sitegroups"
        rows = [one for one in self._site.principals.values() if (one.kind == "site") == groups]
        if not argument:
            wanted = re.fullmatch(r"IsSiteAdmin eq (true|false)", self._ask.query.get("$filter", ""), re.IGNORECASE)
            if wanted:
                rows = [one for one in rows if one.site_admin == (wanted[1].lower() == "true")]
            return self._page(rows, lambda one: self._selected(self._principal(one, users="users" in self._expand)))
        found = next((one for one in rows if str(one.number) == argument), None)
        if found is None:
            raise RestError(404, "-2146232832, Microsoft.SharePoint.SPException", f"{'Group' if groups else 'User'} cannot be found.")
        if way and way[0][0] == "users" and groups:
            members = [self._site.principals[number] for number in found.members]
            return self._page(members, lambda one: self._principal(one, users=False))
        return self._unknown(way[0][0]) if way else self._selected(self._principal(found, users="users" in self._expand))

    def _principal(self, one: Principal, *, users: bool) -> dict[str, Any]:
        common = {"Id": one.number, "Title": one.title, "PrincipalType": _PRINCIPAL_TYPES[one.kind], "IsHiddenInUI": False}
        if one.kind == "site":
            members = [self._principal(self._site.principals[number], users=False) for number in one.members]
            place = f"Web/SiteGroups/GetById({one.number})"
            return {
                "__metadata": self._meta("SP.Group", place),
                **common,
                "LoginName": one.title,
                "OwnerTitle": f"{self._site.title} 所有者",
                "OnlyAllowMembersViewMembership": False,
                "Users": members if users else {"__deferred": {"uri": f"{self._api}/{place}/Users"}},
            }
        human = one.kind == "user"
        return {
            "__metadata": self._meta("SP.User", f"Web/GetUserById({one.number})"),
            **common,
            "LoginName": login_name(one.kind, one.key),
            "Email": one.key if human else "",
            "IsSiteAdmin": one.site_admin,
            "UserPrincipalName": upn(one.key) if human else None,
            "IsShareByEmailGuestUser": human and person(one.key).guest,
            "IsEmailAuthenticationGuestUser": False,
            "Expiration": "",
        }


def _permissions(high: int, low: int) -> dict[str, Any]:
    return {"__metadata": {"type": "SP.BasePermissions"}, "High": str(high), "Low": str(low)}
