"""What a request costs in resource units, as far as Microsoft says: "Avoid getting throttled in SharePoint Online", resource units.

One: a single item, delta with a token, a download. Two: a collection, a write, the first delta. Five: whatever touches permissions. For
REST nothing is published but that it costs more than Graph, so it is never less than two here, and five where role assignments are read.
The directory has limits of its own, which these are not; counting it as if it had not errs on the side of fewer requests.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

_PERMISSIONS = 5
_MANY = 2
_ONE = 1
#: Segments that name a collection. What follows one is the id of a single member.
_COLLECTIONS = frozenset(
    {"bundles", "children", "columns", "contenttypes", "drives", "following", "getallsites", "groups", "items", "lists", "memberof"}
    | {"members", "operations", "owners", "pages", "sites", "special", "subscriptions", "transitivemembers", "users", "versions"}
)
#: Segments that name one thing though no id stands in them.
_SINGLES = frozenset({"root", "drive", "list", "content", "listitem", "driveitem", "fields", "me", "organization"})
_DELTA = re.compile(r"(?:^|/)(?:microsoft\.graph\.)?delta(?:\((.*)\))?$")
#: A path of the user's between colons (``sites/host:/sites/q:/lists``): it may be named like anything. It closes, or ends the address.
_ADDRESS = re.compile(r":/[^:]*:?")
_BY_ADDRESS = re.compile(r"[^:]*:/[^:]*:?")
_REST_RIGHTS = ("roleassignments", "roledefinitions", "hasuniqueroleassignments", "effectivepermissions", "effectivebasepermissions")


def units(method: str, url: str) -> int:
    """Resource units of one request. ``url`` is absolute, or a part's of a batch: from the version on, or relative to it."""
    split = urlsplit(url)
    path = unquote(split.path).lower()
    query = {name.lower().removeprefix("$"): " ".join(values).lower() for name, values in parse_qs(split.query).items()}
    if "/oauth2/" in path or path.startswith("/msi/") or "/.well-known/" in path or "/discovery/" in path:
        return 0
    if "/_api/" in path or path.startswith("_api/"):
        return _PERMISSIONS if any(one in path for one in _REST_RIGHTS) else _MANY
    if not split.netloc or path.startswith(("/v1.0/", "/beta/")):
        return _graph(method.upper(), re.sub(r"^/?(v1\.0|beta)/", "", path).strip("/"), query)
    return _ONE  # a pre-authenticated link


def _graph(method: str, path: str, query: dict[str, str]) -> int:
    if path == "$batch":
        return 0  # its parts are paid one by one
    segments = [one for one in _ADDRESS.sub("", path).split("/") if one and not re.fullmatch(r"microsoft\.graph\.\w+", one)]
    last = segments[-1] if segments else ""
    if "permissions" in segments or "permissions" in query.get("expand", "") or last in ("invite", "createlink"):
        return _PERMISSIONS
    if method not in ("GET", "HEAD"):
        return _MANY
    if delta := _DELTA.search(path):
        return _ONE if "token" in query or "token=" in (delta[1] or "") else _MANY
    if _BY_ADDRESS.fullmatch(path):
        return _ONE
    by_id = len(segments) > 1 and segments[-2] in _COLLECTIONS and last not in _COLLECTIONS
    return _ONE if by_id or last in _SINGLES else _MANY
