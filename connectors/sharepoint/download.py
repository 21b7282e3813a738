"""The bytes of a file: a pre-authenticated link without our token, resumed by Range when it is cut, judged by size and QuickXorHash."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, BrokenReply, FileRefused, NoContent, SourceUnavailable
from connectors.gate import Gate
from connectors.redaction import Redactor
from connectors.sharepoint.client import Tenant, classify, error_code
from connectors.sharepoint.places import Place
from connectors.sharepoint.quickxor import QuickXor
from connectors.transport import Transport, TransportOptions, origin_of

#: A link of this status has run out: a fresh one is asked for, not the same one again.
_EXPIRED = frozenset({401, 403, 404, 410})
#: The same token has just read the item, so what these refuse is its bytes and not us; a refused token is a 401.
_FILE_ONLY = frozenset({403, 423})
_CHUNK = 1 << 16
#: So many files are fetched at once. More would only share what one tenant gives an app.
WORKERS = 8


class _ExpiredError(Exception):
    """The pre-authenticated link is no longer good."""


class Hosts:
    """The hosts that links lead to: one transport for each, whose connections all downloads share. None of them ever heard of our token.

    Safe to use from several threads.
    """

    def __init__(self, options: TransportOptions, gate: Gate | None) -> None:
        self._options = replace(options, concurrency=max(options.concurrency, WORKERS))
        self._gate = gate
        self._redactor = Redactor()
        self._known: dict[str, Transport] = {}
        self._finding = threading.Lock()

    def of(self, link: str) -> Transport:
        """Where to ask for this link, which shows in no log and no error from now on."""
        parts = urlsplit(link)
        self._redactor.learn_passing((link, parts.query, parts.path))
        origin = origin_of(link)
        with self._finding:
            found = self._known.get(origin)
            if found is None:
                found = Transport(origin, options=self._options, secrets=self._redactor, classify=classify, gate=self._gate)
                self._known[origin] = found
            return found

    def close(self) -> None:
        with self._finding:
            for one in self._known.values():
                one.close()
            self._known.clear()


def download(tenant: Tenant, place: Place, item: str, options: TransportOptions, hosts: Hosts | None = None) -> Iterator[bytes]:
    """The file's bytes in order, fetched in at most ``options.attempts`` pieces, through ``hosts`` where several are to be fetched.

    The link is a secret: it is asked without our token and without being logged. Raises AddressUnknown
    when the file is gone, NoContent for a folder, a notebook or an empty file, FileRefused when the source keeps back this one file (malware, a policy,
    a lock), AccessRefused when it refuses us, BrokenReply when what came is not what SharePoint hashed.
    """
    if hosts is None:
        own = Hosts(options, tenant.governor)
        try:
            yield from download(tenant, place, item, options, own)
        finally:
            own.close()
        return
    about = tenant.graph.json(f"drives/{place.id}/items/{item}", params={"$select": "id,name,size,file,malware,package"})
    name = str(about.get("name", item))
    if about.get("malware") is not None:
        raise FileRefused("sharepoint.file_blocked", name=name, host=tenant.graph.transport.endpoint)
    if about.get("file") is None:
        raise NoContent("sharepoint.not_a_file", name=name, host=tenant.graph.transport.endpoint)
    if about.get("size") == 0:
        # Nothing may stand behind its link, or there may be none: an empty file is known without asking.
        raise NoContent("sharepoint.file_empty", name=name, host=tenant.graph.transport.endpoint)
    hashing, got = QuickXor(), 0
    for attempt in range(1, options.attempts + 1):
        link = _link(tenant, place, item, name)
        transport = hosts.of(link)
        try:
            for chunk in _bytes(transport, link, got):
                if tenant.governor is not None:
                    tenant.governor.received(len(chunk))
                hashing.update(chunk)
                got += len(chunk)
                yield chunk
            break
        except (SourceUnavailable, _ExpiredError) as error:
            if attempt == options.attempts:
                if isinstance(error, SourceUnavailable):
                    raise
                raise AccessRefused("sharepoint.link_expired", name=name, host=transport.host) from error
    _judge(about, name, hashing.text(), got, tenant.graph.transport.endpoint)


def _judge(about: Mapping[str, Any], name: str, found: str, got: int, host: str) -> None:
    hashes = cast("Mapping[str, Any]", about["file"].get("hashes") or {})
    promised = hashes.get("quickXorHash")
    if promised is not None:
        if promised != found:
            raise BrokenReply("sharepoint.hash_mismatch", name=name, promised=promised, found=found, host=host)
    elif about.get("size") is not None and about["size"] != got:
        raise BrokenReply("sharepoint.size_mismatch", name=name, promised=about["size"], found=got, host=host)


def _link(tenant: Tenant, place: Place, item: str, name: str) -> str:
    """A fresh pre-authenticated link."""
    response = tenant.graph.response(f"drives/{place.id}/items/{item}/content", also=_FILE_ONLY)
    if response.status_code in _FILE_ONLY:
        raise _kept_back(response, name, tenant.graph.transport.endpoint)
    location = response.headers.get("Location", "")
    if response.status_code not in (301, 302, 303, 307, 308) or not urlsplit(location).netloc:
        raise BrokenReply("sharepoint.no_link", name=name, status=response.status_code, host=tenant.graph.transport.endpoint)
    return location


def _kept_back(response: httpx.Response, name: str, host: str) -> FileRefused:
    code = error_code(response)
    if code == "malwareDetected":
        return FileRefused("sharepoint.file_blocked", name=name, host=host)
    return FileRefused("sharepoint.file_refused", name=name, host=host, status=response.status_code, error_code=code)


def _bytes(transport: Transport, link: str, got: int) -> Iterator[bytes]:
    # Ranges and hashes speak of the stored bytes, so nothing may compress them on the way.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={got}-"} if got else {})}
    with transport.stream("GET", link, headers=headers) as response:
        if response.status_code in _EXPIRED:
            raise _ExpiredError
        if response.status_code == 416 and got:
            return  # everything was there already; the hash decides
        if response.status_code >= 400:
            raise BrokenReply(
                "sharepoint.unexpected_status", host=transport.endpoint, path="(download)", status=response.status_code, error_code=""
            )
        # A server may ignore Range and start over: what we have is skipped then.
        skip = got if response.status_code == 200 else _misplaced(response, got)
        for chunk in response.iter_bytes(_CHUNK):
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            yield chunk[skip:] if skip else chunk
            skip = 0


def _misplaced(response: httpx.Response, got: int) -> int:
    """Bytes to skip of a partial answer; a gap before it is a BrokenReply."""
    told = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    if not told.isdigit() or int(told) > got:
        raise BrokenReply("sharepoint.bad_range", host=f"{response.url.scheme}://{response.url.netloc.decode()}", told=told, asked=got)
    return got - int(told)
