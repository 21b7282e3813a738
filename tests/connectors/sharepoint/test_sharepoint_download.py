from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sharepoint_world import Table, tenant

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FileRefused, NoContent, SourceUnavailable
from connectors.sharepoint.download import download
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.quickxor import quick_xor
from connectors.transport import TransportOptions

DATA = bytes(range(256)) * 1200
PLACE = Place(Site("/sites/q", "h,c,w", "c", "Q"), "D", "L", "文書")
OPTIONS = TransportOptions(attempts=3, max_wait=0.01)


class Store:
    """A download host of its own. ``script`` says what each request meets: a status, how many bytes come before the line is cut, or None."""

    def __init__(self, script: list[Any]) -> None:
        self.script, self.seen = script, list[dict[str, str]]()
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.seen.append({key.lower(): value for key, value in self.headers.items()})
                now = store.script.pop(0) if store.script else None
                if isinstance(now, tuple):
                    self.send_error(now[0])
                    return
                start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
                ignored = now == "whole"
                body = DATA if ignored else DATA[start:]
                self.send_response(206 if start and not ignored else 200)
                if start and not ignored:
                    self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:now] if isinstance(now, int) else body)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/download.aspx?tempauth=very-secret-link"


@pytest.fixture
def stores() -> Iterator[list[Store]]:
    made: list[Store] = []
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def fetched(stores: list[Store], *script: Any, about: dict[str, Any] | None = None) -> tuple[bytes, Store, Table]:
    store = Store(list(script))
    stores.append(store)
    described = about or {"id": "F", "name": "図面.pdf", "size": len(DATA), "file": {"hashes": {"quickXorHash": quick_xor(DATA)}}}
    graph = Table({"/v1.0/drives/D/items/F": described, "/v1.0/drives/D/items/F/content": (302, {"Location": store.link}, {})})
    return b"".join(download(tenant(graph), PLACE, "F", OPTIONS)), store, graph


def test_the_other_host_never_sees_our_token(stores: list[Store]) -> None:
    data, store, graph = fetched(stores)
    assert data == DATA
    assert "authorization" in graph.asked[-1].headers and "authorization" not in store.seen[0]


def test_a_cut_download_goes_on_where_it_broke(stores: list[Store]) -> None:
    data, store, _ = fetched(stores, 200_000)
    assert data == DATA and int(store.seen[1]["range"].removeprefix("bytes=").rstrip("-")) > 0


def test_a_server_that_ignores_the_range_does_not_double_the_bytes(stores: list[Store]) -> None:
    assert fetched(stores, 200_000, "whole")[0] == DATA


def test_an_expired_link_is_asked_for_anew(stores: list[Store]) -> None:
    data, store, graph = fetched(stores, (403,))
    assert data == DATA and len(store.seen) == 2
    assert [request.url.path for request in graph.asked].count("/v1.0/drives/D/items/F/content") == 2


def test_links_that_keep_expiring_end_in_an_error_without_the_link_in_it(stores: list[Store]) -> None:
    with pytest.raises(AccessRefused) as refused:
        fetched(stores, (403,), (403,), (403,))
    assert "very-secret-link" not in refused.value.say() + refused.value.say("ja")


def test_a_line_that_is_cut_every_time_is_source_unavailable(stores: list[Store]) -> None:
    with pytest.raises(SourceUnavailable):
        fetched(stores, 10, 10, 10)


def test_bytes_that_are_not_what_sharepoint_hashed_are_a_broken_reply(stores: list[Store]) -> None:
    with pytest.raises(BrokenReply, match="hashed"):
        fetched(stores, about={"id": "F", "name": "x", "size": len(DATA), "file": {"hashes": {"quickXorHash": quick_xor(b"other")}}})


def test_without_a_hash_the_size_is_held_to(stores: list[Store]) -> None:
    with pytest.raises(BrokenReply, match="promised"):
        fetched(stores, about={"id": "F", "name": "x", "size": 5, "file": {}})


def test_a_file_with_malware_is_not_even_asked_for(stores: list[Store]) -> None:
    with pytest.raises(FileRefused, match="malware"):
        fetched(stores, about={"id": "F", "name": "x.exe", "file": {}, "malware": {"description": "found"}})


def asked(status: int, code: str) -> None:
    """Download a file that can be seen, and whose bytes are answered like this."""
    about = {"id": "F", "name": "図面.pdf", "size": 3, "file": {}}
    graph = Table({"/v1.0/drives/D/items/F": about, "/v1.0/drives/D/items/F/content": (status, {}, {"error": {"code": code}})})
    list(download(tenant(graph), PLACE, "F", OPTIONS))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "malwareDetected", "sharepoint.file_blocked"),
        (403, "accessDenied", "sharepoint.file_refused"),
        (423, "resourceLocked", "sharepoint.file_refused"),
    ],
)
def test_bytes_that_are_kept_back_of_a_file_we_can_see_are_that_files_matter(status: int, code: str, said: str) -> None:
    with pytest.raises(FileRefused) as refused:
        asked(status, code)
    assert refused.value.code == said and "図面.pdf" in refused.value.say("ja")


def test_a_token_that_is_refused_on_the_way_to_the_bytes_is_our_matter() -> None:
    with pytest.raises(AccessRefused) as refused:
        asked(401, "unauthenticated")
    assert not isinstance(refused.value, FileRefused) and refused.value.code == "sharepoint.token_refused"


def test_a_file_that_cannot_even_be_seen_is_not_taken_for_a_blocked_one() -> None:
    graph = Table({"/v1.0/drives/D/items/F": (403, {}, {"error": {"code": "accessDenied"}})})
    with pytest.raises(AccessRefused) as refused:
        list(download(tenant(graph), PLACE, "F", OPTIONS))
    assert not isinstance(refused.value, FileRefused)


def test_a_notebook_is_there_and_has_no_content(stores: list[Store]) -> None:
    with pytest.raises(NoContent, match="会議ノート"):
        fetched(stores, about={"id": "F", "name": "会議ノート", "package": {"type": "oneNote"}})


def test_a_file_that_is_gone_is_not_taken_for_a_notebook() -> None:
    with pytest.raises(AddressUnknown) as unknown:
        list(download(tenant(Table()), PLACE, "F", OPTIONS))
    assert not isinstance(unknown.value, NoContent)
