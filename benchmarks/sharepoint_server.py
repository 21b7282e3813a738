"""A SharePoint of the measures' own: prebuilt pages, one write an answer, a count of requests and of resource units.

The sandbox makes each answer when it is asked and would be what is measured. Addresses and shapes are the sandbox's, as far as a pull
goes; units are priced as Microsoft's throttling page has them (1 for one thing, 2 for a collection, 5 for permissions).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks import sharepoint_world as world

#: Items of a delta page, as Graph gives by itself; rows of a REST page, as our connector asks for.
PAGE, ROWS = 200, 1000
#: Files that may be downloaded, all of the same bytes; the link leads to the other name of this machine, as SharePoint's leads elsewhere.
FILE_BYTES = 4 * 1024 * 1024
_CHUNK = 64 * 1024
_PERMISSION, _COLLECTION, _SINGLE = 5, 2, 1

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """Everything there is to answer, and how often it was asked. ``items`` are in library 0; the others have three items each."""

    def __init__(self, port: int, items: int, libraries: int) -> None:
        self.requests = self.units = 0
        self._base = f"http://127.0.0.1:{port}"
        self._libraries = [world.Library(number, items if number == 0 else 3) for number in range(libraries + 1)]
        self._delta: dict[tuple[int, int], bytes] = {}
        self._rest: dict[tuple[int, int], bytes] = {}
        for library in self._libraries:
            self._prebuild(library)
        data = bytes(range(256)) * (FILE_BYTES // 256)
        self.file, self._hash = data, _hash(data)
        self._routes: list[tuple[re.Pattern[str], Callable[..., Answer], int]] = [
            (re.compile(pattern, re.IGNORECASE), answer, units)
            for pattern, answer, units in (
                (r"/v1\.0/sites/root", partial(self._json, {"id": world.SITE_ID}), _SINGLE),
                (rf"/v1\.0/sites/[^/]+:{world.SITE}", partial(self._json, {"id": world.SITE_ID, "displayName": "bench"}), _SINGLE),
                (r"/v1\.0/sites/[^/]+/drives", partial(self._page, [world.drive(one.number) for one in self._libraries]), _COLLECTION),
                (r"/v1\.0/drives/b!D(\d+)/root", self._root, _SINGLE),
                (r"/v1\.0/drives/b!D(\d+)/(?:root|items/root)/(?:microsoft\.graph\.)?delta(?:\(\))?", self._changes, _COLLECTION),
                (r"/v1\.0/drives/b!D0/items/([^/]+)", self._about, _SINGLE),
                (r"/v1\.0/drives/b!D0/items/([^/]+)/content", self._content, _SINGLE),
                (r"/v1\.0/users", self._users, _COLLECTION),
                (r"/v1\.0/groups/[0-9-]+-0*(\d+)/members", self._members, _COLLECTION),
                (rf"{world.SITE}/_api/web", self._verbose_one({"Id": "w", "Title": "bench", "HasUniqueRoleAssignments": True}), _SINGLE),
                (rf"{world.SITE}/_api/web/lists/getbyid\('L\d+'\)", self._verbose_one(_LIST), _SINGLE),
                (rf"{world.SITE}/_api/web/lists\(guid'L(\d+)'\)/items", self._rows, _COLLECTION),
                (rf"{world.SITE}/_api/web(?:/.*?)?(?:/items/getbyid\((\d+)\))?/roleassignments", self._assignments, _PERMISSION),
                (rf"{world.SITE}/_api/web/siteusers", self._site_users, _COLLECTION),
                (rf"{world.SITE}/_api/web/sitegroups/getbyid\((\d+)\)/users", self._group_users, _COLLECTION),
            )
        ]

    def answer(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == "/_bench/traffic":
            told = {"requests": self.requests, "units": self.units}
            self.requests = self.units = 0
            return self._json(told, {})
        self.requests += 1
        for pattern, answer, units in self._routes:
            if match := pattern.fullmatch(path):
                # A delta is a collection when it starts, and one thing where it goes on from a token.
                self.units += _SINGLE if "token" in query else units
                return answer(*(part or "" for part in match.groups()), query)
        return 404, {}, json.dumps({"error": {"code": "itemNotFound", "message": path}}).encode()

    # -- prebuilt ----------------------------------------------------------------------------------------------------------------

    def _prebuild(self, library: world.Library) -> None:
        entries = list(library.delta())
        place = f"{self._base}/v1.0/drives/b!D{library.number}/root/delta?token="
        for start in range(0, len(entries), PAGE):
            last = start + PAGE >= len(entries)
            link = {"@odata.deltaLink": f"{place}end"} if last else {"@odata.nextLink": f"{place}{start + PAGE}"}
            self._delta[library.number, start] = _dumped({"value": entries[start : start + PAGE], **link})
        self._delta[library.number, -1] = _dumped({"value": [], "@odata.deltaLink": f"{place}end"})
        rows = list(library.rest())
        place = f"{self._base}{world.SITE}/_api/web/lists(guid'L{library.number}')/items?$skiptoken=Paged%3dTRUE%26p_ID%3d"
        for start in range(0, len(rows), ROWS):
            link = {} if start + ROWS >= len(rows) else {"odata.nextLink": f"{place}{start + ROWS}"}
            self._rest[library.number, start] = _dumped({"value": rows[start : start + ROWS], **link})

    def _changes(self, drive: str, query: dict[str, list[str]]) -> Answer:
        token = query.get("token", ["0"])[0]
        return 200, {}, self._delta[int(drive), -1 if token == "end" else int(token)]

    def _rows(self, drive: str, query: dict[str, list[str]]) -> Answer:
        token = query.get("$skiptoken", ["p_ID=0"])[0]
        return 200, {}, self._rest[int(drive), int(token.rpartition("=")[2])]

    # -- made when asked ---------------------------------------------------------------------------------------------------------

    def _json(self, body: Any, _: Any) -> Answer:
        return 200, {}, _dumped(body)

    def _page(self, rows: list[Any], _: Any) -> Answer:
        return 200, {}, _dumped({"value": rows})

    def _root(self, drive: str, _: Any) -> Answer:
        return 200, {}, _dumped({"id": f"root{drive}", "sharepointIds": {"listId": f"L{drive}"}})

    def _users(self, query: dict[str, list[str]]) -> Answer:
        start = int(query.get("$skiptoken", ["0"])[0])
        rows = [world.user(number) for number in range(start, min(start + 999, world.PEOPLE))]
        more = {"@odata.nextLink": f"{self._base}/v1.0/users?$skiptoken={start + 999}"} if start + 999 < world.PEOPLE else {}
        return 200, {}, _dumped({"value": rows, **more})

    def _members(self, group: str, _: Any) -> Answer:
        return 200, {}, _dumped({"value": world.members(int(group))})

    def _assignments(self, item: str, _: Any) -> Answer:
        return 200, {}, _dumped({"d": {"results": world.assignments(int(item or 0))}})

    def _group_users(self, number: str, _: Any) -> Answer:
        return 200, {}, _dumped({"d": {"results": world.site_group_users(int(number))}})

    def _verbose_one(self, body: dict[str, Any]) -> Callable[[Any], Answer]:
        return lambda _: (200, {}, _dumped({"d": body}))

    def _site_users(self, query: dict[str, list[str]]) -> Answer:
        """Who administers the site, nobody, in the verbose dialect; or everybody's object id, by pages."""
        if "AadObjectId" not in query.get("$select", [""])[0]:
            return 200, {}, _dumped({"d": {"results": []}})
        start, most = int(query.get("$skip", ["0"])[0]), int(query.get("$top", ["100"])[0])
        return 200, {}, _dumped({"value": [world.site_user(number) for number in range(start, min(start + most, world.PEOPLE))]})

    def _about(self, item: str, _: Any) -> Answer:
        return 200, {}, _dumped({"id": item, "name": item, "size": FILE_BYTES, "file": {"hashes": {"quickXorHash": self._hash}}})

    def _content(self, item: str, _: Any) -> Answer:
        return 302, {"Location": self._base.replace("127.0.0.1", "localhost") + f"/_download/{item}?tempauth=secret"}, b""


_LIST = {
    "Id": "L",
    "Title": "library",
    "HasUniqueRoleAssignments": False,
    "ReadSecurity": 1,
    "EnableModeration": False,
    "EnableMinorVersions": False,
    "DraftVersionVisibility": 0,
}


class _Connection(asyncio.Protocol):
    def __init__(self, site: Site, gate: _Gate) -> None:
        self._site, self._gate = site, gate
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            target = self._came[: self._came.index(b"\r\n")].split(b" ")[1].decode()
            self._came = self._came[end + 4 :]
            parts = urlsplit(target)
            if parts.path.startswith("/_download/"):
                self._task = asyncio.ensure_future(self._paced())
                return
            status, headers, body = self._site.answer(unquote(parts.path), parse_qs(parts.query))
            self._transport.write(_head(status, len(body), headers) + body)

    async def _paced(self) -> None:
        """The file, no faster than all downloads together may go."""
        data = memoryview(self._site.file)
        self._transport.write(_head(200, len(data), {"Content-Type": "application/octet-stream"}))
        for start in range(0, len(data), _CHUNK):
            await self._gate.wait(_CHUNK)
            if self._transport.is_closing():
                return
            self._transport.write(data[start : start + _CHUNK])


class _Gate:
    """So many bytes a second for everybody together."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free = rate, 0.0

    async def wait(self, size: int) -> None:
        now = time.monotonic()
        self._free = max(self._free, now) + size / self._rate
        if self._free > now:
            await asyncio.sleep(self._free - now)


def serve(items: int, libraries: int, bandwidth: float) -> None:
    """Serve on a free port of this machine, which is printed once everything is made. ``bandwidth`` is bytes a second of downloads."""

    async def run() -> None:
        found: list[Site] = []
        gate = _Gate(bandwidth)
        server = await asyncio.get_running_loop().create_server(lambda: _Connection(found[0], gate), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        found.append(Site(port, items, libraries))
        print(port, flush=True)
        await server.serve_forever()

    asyncio.run(run())


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    told = {"Content-Type": "application/json", "Content-Length": str(length), "Date": formatdate(usegmt=True), **headers}
    return (f"HTTP/1.1 {status} OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n").encode()


def _dumped(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _hash(data: bytes) -> str:
    from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash

    return quick_xor_hash(data)
