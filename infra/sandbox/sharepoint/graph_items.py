"""Graph's drives: drive items as JSON, children, delta, permissions, and the pre-authenticated download behind ``/content``."""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import re
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from starlette.responses import RedirectResponse, Response

from infra.sandbox.company.people import DOMAIN, TENANT_ID, person, stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import feed
from infra.sandbox.sharepoint.answers import Ask, GraphError, answer, chosen, page, stamp
from infra.sandbox.sharepoint.world import (
    CONTRIBUTE,
    EDIT,
    EVERYONE_LOGIN,
    FULL_CONTROL,
    LIMITED_ACCESS,
    LISTING,
    READ,
    Entry,
    Link,
    Listing,
    Site,
    World,
    scope_of,
)

_ROLE_NAMES = {FULL_CONTROL: "owner", EDIT: "write", CONTRIBUTE: "write", READ: "read", LISTING: "sp.一覧のみ"}
_DOWNLOAD_SECONDS = 3600
#: How Graph writes the end of a link that has none.
_NEVER = "0001-01-01T00:00:00Z"
_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


def mime(name: str) -> str:
    return _TYPES.get(name.rsplit(".", 1)[-1]) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def site_id(site: Site) -> str:
    return f"localhost,{site.collection},{site.web}"


@lru_cache
def identity(login: str) -> dict[str, Any]:
    """A person as an identitySet; one dict for all who ask, not to be changed."""
    someone = person(login)
    return {"user": {"email": someone.mail, "id": someone.entra_id, "displayName": someone.name}}


class Drives:
    """Drive endpoints over one world."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._signing = secrets.token_bytes(32)

    def drive(self, listing: Listing) -> dict[str, Any]:
        owner = {"user": {"displayName": listing.site.title}}
        return {
            "id": listing.drive_id,
            "name": listing.title,
            "description": "",
            "driveType": "documentLibrary",
            "createdBy": owner,
            "owner": owner,
            "createdDateTime": stamp(listing.site.created),
            "lastModifiedDateTime": stamp(listing.feed[-1][1]),
            "webUrl": self.web_url(listing, None),
            "quota": {"state": "normal", "total": 27487790694400, "used": 0},
        }

    def web_url(self, listing: Listing, entry: Entry | None) -> str:
        return "/".join([self._settings.https_url, "sites", listing.site.key, listing.url_name, *(listing.path(entry) if entry else [])])

    def item(self, listing: Listing, entry: Entry, ask: Ask, *, in_delta: bool = False) -> dict[str, Any]:
        """A driveItem. A delta leaves out cTag and the parent's path, as SharePoint does."""
        parent: dict[str, Any] = {"driveType": "documentLibrary", "driveId": listing.drive_id, "siteId": site_id(listing.site)}
        if entry.parent:
            parent["id"] = entry.parent
            if not in_delta:
                above = listing.path(listing.entries[entry.parent])
                parent |= {"name": above[-1] if above else listing.title, "path": "/".join([f"/drives/{listing.drive_id}/root:", *above])}
        found: dict[str, Any] = {
            "id": entry.id,
            "name": entry.name,
            "eTag": entry.etag,
            "cTag": entry.ctag,
            "size": listing.size(entry),
            "createdDateTime": stamp(entry.created),
            "lastModifiedDateTime": stamp(entry.modified),
            "webUrl": self.web_url(listing, entry),
            "createdBy": identity(entry.author),
            "lastModifiedBy": identity(entry.editor),
            "parentReference": parent,
            "fileSystemInfo": {"createdDateTime": stamp(entry.created), "lastModifiedDateTime": stamp(entry.modified)},
        }
        if in_delta:
            del found["cTag"]
        if entry.kind == "root":
            found["root"] = {}
        if entry.kind == "package":
            found["package"] = {"type": "oneNote"}
        elif entry.stored is not None:
            found["file"] = {"mimeType": mime(entry.name), "hashes": {"quickXorHash": entry.stored.quick_xor}}
            if entry.malware:
                found["malware"] = {"description": entry.malware}
            elif not in_delta or {"@microsoft.graph.downloadUrl", "content.downloadUrl"} & set(ask.select):
                found["@microsoft.graph.downloadUrl"] = self.download_url(listing, entry, ask)
        else:
            found["folder"] = {"childCount": listing.child_count(entry)}
        if "publication" in ask.select or entry.checked_out or entry.level != "published":
            by = {"checkedOutBy": identity(entry.checked_out)} if entry.checked_out else {}
            found["publication"] = {"level": "checkout" if entry.checked_out else entry.level, "versionId": entry.label, **by}
        if "sharepointIds" in ask.select:
            found["sharepointIds"] = {
                "listId": listing.guid,
                "listItemId": str(entry.number),
                "listItemUniqueId": entry.guid,
                "siteId": listing.site.collection,
                "webId": listing.site.web,
                "tenantId": TENANT_ID,
                "siteUrl": f"{self._settings.https_url}/sites/{listing.site.key}",
            }
        self._add_sharing(found, listing, entry, ask)
        return found

    def _add_sharing(self, found: dict[str, Any], listing: Listing, entry: Entry, ask: Ask) -> None:
        """The sharing facet. Asked for by hierarchy, only what has rights of its own and the root carry one: empty without a link."""
        scope = scope_of(listing, entry)
        if "hierarchicalsharing" in ask.prefer:
            if scope == entry.guid or entry.kind == "root":
                found["shared"] = _shared(entry) or {}
        elif scope not in ("web", listing.guid):
            found["shared"] = _shared(self._owner(listing, entry)) or {"scope": "users"}

    def _owner(self, listing: Listing, entry: Entry) -> Entry:
        """The entry whose rights count for this one; the root where they are the list's or the web's."""
        while entry.kind != "root" and entry.guid not in listing.site.grants:
            entry = listing.entries[entry.parent]
        return entry

    def children(self, listing: Listing, entry: Entry, ask: Ask) -> dict[str, Any]:
        return page(ask, [self.item(listing, child, ask) for child in listing.children(entry)])

    def delta(self, listing: Listing, ask: Ask) -> dict[str, Any]:
        """One page of ``/drives/{d}/root/delta``."""
        round_ = feed.read(self._world, listing, ask, f"/drives/{listing.drive_id}/root/delta")
        incremental = bool(round_.entries) and listing.root not in round_.entries and round_.start > 0
        shown: list[dict[str, Any]] = []
        if incremental and "deltaexcludeparent" not in ask.headers:
            shown = [self.item(listing, above, ask, in_delta=True) for above in self._ancestors(listing, round_.entries)]
        telling_sharing = {"hierarchicalsharing", "deltashowsharingchanges"} <= ask.prefer
        for entry in round_.entries:
            if entry.deleted:
                parent = {"driveId": listing.drive_id, "driveType": "documentLibrary", "id": entry.parent, "siteId": site_id(listing.site)}
                shown.append({"id": entry.id, "parentReference": parent, "deleted": {"state": "deleted"}})
                continue
            told = self.item(listing, entry, ask, in_delta=True)
            if entry.id == round_.stale:
                told["name"] = entry.former_name or f"旧_{entry.name}"
            if telling_sharing and entry.sharing_changed > round_.start:
                told["@microsoft.graph.sharedChanged"] = "True"
            shown.append(told)
        context = f"{ask.base}/v1.0/$metadata#Collection(driveItem)"
        return {"@odata.context": context, **round_.link, "value": [chosen(one, ask.select) for one in shown]}

    def _ancestors(self, listing: Listing, entries: list[Entry]) -> list[Entry]:
        there = {entry.id for entry in entries}
        found: dict[str, Entry] = {}
        for entry in entries:
            parent = listing.entries.get(entry.parent)
            chain: list[Entry] = []
            while parent is not None:
                if parent.id not in there and not parent.deleted:
                    chain.append(parent)
                parent = listing.entries.get(parent.parent)
            found.update({above.id: above for above in reversed(chain)})
        return list(found.values())

    # -- permissions ------------------------------------------------------------------------------------------------------------

    def permissions(self, listing: Listing, entry: Entry, ask: Ask) -> dict[str, Any]:
        """Grants in force on the item, with the three ways real tenants show inheritance (``world.inherited_from``)."""
        site, scope = listing.site, scope_of(listing, entry)
        links = {link.group: link for link in self._owner(listing, entry).links if link.group}
        rows: list[dict[str, Any]] = []
        for number, roles in site.grants[scope].items():
            named = sorted({_ROLE_NAMES[role] for role in roles if role != LIMITED_ACCESS})
            if not named:
                continue
            row: dict[str, Any] = {"id": stable_id("permission", f"{scope}:{number}"), "roles": named, "shareId": f"u!{scope[:8]}{number}"}
            if number in links:
                row |= self._link(site, links[number])
            else:
                row["grantedToV2"] = granted_to(site, number)
            if scope != entry.guid and self._world.inherited_from != "absent":
                full = {"driveId": listing.drive_id, "id": entry.parent, "path": f"/drives/{listing.drive_id}/root:"}
                row["inheritedFrom"] = full if self._world.inherited_from == "full" else {}
            rows.append(row)
        # A link for those who have access already grants nothing, so it has no roles.
        rows += [{"roles": [], **self._link(site, link)} for link in entry.links if not link.group]
        return page(ask, rows)

    def _link(self, site: Site, link: Link) -> dict[str, Any]:
        members = site.principals[link.group].members if link.group else []
        return {
            "id": link.share_id,
            "shareId": link.share_id,
            "hasPassword": False,
            "expirationDateTime": stamp(link.expires) if link.expires else _NEVER,
            "grantedToIdentitiesV2": [granted_to(site, number) for number in members],
            "link": {
                "scope": link.scope,
                "type": link.type,
                "preventsDownload": False,
                "webUrl": f"{self._settings.https_url}/:b:/s/{site.key}/{link.share_id[2:14]}",
            },
        }

    # -- content ----------------------------------------------------------------------------------------------------------------

    def content(self, listing: Listing, entry: Entry, ask: Ask) -> Response:
        if entry.stored is None:
            raise GraphError(400, "notAllowed", f"A {entry.kind} has no content.")
        if entry.malware:
            raise GraphError(403, "malwareDetected", "Malware was detected in the file.", inner="malwareDetected")
        return RedirectResponse(self.download_url(listing, entry, ask), status_code=302, headers={"request-id": stable_id("r", entry.id)})

    def download_url(self, listing: Listing, entry: Entry, ask: Ask) -> str:
        """A short-lived address on another host name than the client used, needing and accepting no Authorization."""
        scheme, _, host = ask.base.partition("://")
        name, _, port = host.partition(":")
        other = f"{'127.0.0.1' if name == 'localhost' else 'localhost'}:{port}"
        until = int(datetime.now(UTC).timestamp()) + _DOWNLOAD_SECONDS
        ticket = f"v1.{until}.{ask.app}.{self._seal(entry.guid, until, ask.app)}"
        return (
            f"{scheme}://{other}/sites/{listing.site.key}/_layouts/15/download.aspx?UniqueId={entry.guid}&Translate=false&tempauth={ticket}"
        )

    def _seal(self, guid: str, until: int, app: str) -> str:
        return hmac.new(self._signing, f"{guid}:{until}:{app}".encode(), hashlib.sha256).hexdigest()

    def downloader(self, ask: Ask) -> str:
        """The app that was given this download address."""
        return _ticket(ask)[2]

    def download(self, ask: Ask) -> Response:
        """The file itself, whole or a range; 401 with an Authorization header or an expired ticket, 403 with a false one."""
        if "authorization" in ask.headers:
            return Response("A pre-authenticated address takes no Authorization header.", 401)
        guid = ask.query.get("UniqueId", "")
        version, until, app, seal = _ticket(ask)
        if version != "v1" or not until.isdigit() or not hmac.compare_digest(seal, self._seal(guid, int(until), app)):
            return Response("Access denied.", 403)
        if int(until) < datetime.now(UTC).timestamp():
            return Response("The link has expired.", 401)
        found = self._world.entry(guid)
        if found is None or found[1].stored is None:
            return Response("File not found.", 404)
        if found[1].malware:
            return Response("Malware was detected in the file.", 403)
        if found[0].site.status != "open":
            return Response("The site is locked.", 423 if found[0].site.status == "archived" else 403)
        entry = found[1]
        assert entry.stored is not None
        data = entry.stored.read()
        headers = {"Accept-Ranges": "bytes", "ETag": entry.etag, "Content-Type": mime(entry.name)}
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", ask.headers.get("range", ""))
        if match is None or match.groups() == ("", ""):
            return Response(data, headers=headers)
        low, high = match.groups()
        start = int(low) if low else max(len(data) - int(high), 0)
        end = min(int(high), len(data) - 1) if low and high else len(data) - 1
        if start > end:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
        return Response(data[start : end + 1], 206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"})


def _ticket(ask: Ask) -> tuple[str, str, str, str]:
    """Version, end, app and seal of a download address."""
    version, until, app, seal = [*ask.query.get("tempauth", "").split("."), "", "", "", ""][:4]
    return version, until, app, seal


def _shared(entry: Entry) -> dict[str, Any] | None:
    """The widest of an entry's links."""
    scopes = {link.scope for link in entry.links}
    widest = next((scope for scope in ("anonymous", "organization", "users") if scope in scopes), "")
    return {"scope": widest} if widest else None


def granted_to(site: Site, number: int) -> dict[str, Any]:
    """sharePointIdentitySet of a principal: always the site's own row beside the Entra object, where there is one."""
    principal = site.principals[number]
    if principal.kind == "site":
        return {"siteGroup": {"id": str(number), "displayName": principal.title, "loginName": principal.title}}
    row = {"id": str(number), "displayName": principal.title, "loginName": login_name(principal.kind, principal.key)}
    if principal.kind == "user":
        someone = person(principal.key)
        return {
            "user": {"id": someone.entra_id, "displayName": someone.name, "email": someone.mail},
            "siteUser": {**row, "email": someone.mail},
        }
    if principal.kind in ("entra", "m365"):
        return {"group": {"id": stable_id("group", principal.key), "displayName": principal.title}, "siteUser": row}
    return {"siteUser": row}


def upn(login: str) -> str:
    """User principal name; a guest's carries its home address and #EXT#, as Entra makes it."""
    someone = person(login)
    if not someone.guest:
        return someone.login
    return f"{someone.login.replace('@', '_')}#EXT#@{DOMAIN}"


def login_name(kind: str, key: str) -> str:
    """The claims login name SharePoint gives a principal."""
    if kind == "user":
        return f"i:0#.f|membership|{upn(key).lower()}"
    if kind == "everyone":
        return EVERYONE_LOGIN
    if kind in ("m365", "m365-owners"):
        return f"c:0o.c|federateddirectoryclaimprovider|{stable_id('group', key)}{'_o' if kind == 'm365-owners' else ''}"
    return f"c:0t.c|tenant|{stable_id('group', key)}" if kind == "entra" else f"c:0-.f|rolemanager|{key}"


def whole(ask: Ask, payload: dict[str, Any]) -> Response:
    """A single entity, ``$select`` applied."""
    return answer(ask, chosen(payload, ask.select))
