from __future__ import annotations

from collections.abc import Iterator

import pytest
from sharepoint_store import DATA, OPTIONS, PLACE, Store, fetched
from sharepoint_world import Table, tenant

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FileRefused, NoContent, SourceUnavailable
from connectors.sharepoint.download import download
from connectors.sharepoint.quickxor import quick_xor


@pytest.fixture
def stores() -> Iterator[list[Store]]:
    made: list[Store] = []
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


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
