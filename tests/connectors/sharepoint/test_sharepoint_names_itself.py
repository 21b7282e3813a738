"""Every request of a whole pull says whose it is: seen where requests leave, below httpx and below the library's and msal's requests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from sharepoint_world import config_of, options_of, rows_of, stream_of

from connectors.conformance import Holding
from connectors.protocol import Blob, Offer, Stream, Window
from connectors.sharepoint import connect


def stream(offer: Offer) -> Stream:
    return stream_of(offer.source, offer.schema.fields, offer.key[0])


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str]]]:
    """Method, URL and User-Agent of each request that left this process."""
    seen: list[tuple[str, str, str]] = []
    by_httpx, by_requests = httpx.HTTPTransport.handle_request, HTTPAdapter.send

    def first(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        seen.append((request.method, str(request.url), request.headers.get("User-Agent", "")))
        return by_httpx(self, request)

    def second(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        seen.append((str(request.method), str(request.url), str(request.headers.get("User-Agent", ""))))
        return by_requests(self, request, *args, **kwargs)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", first)
    monkeypatch.setattr(HTTPAdapter, "send", second)
    yield seen


def test_every_request_of_a_whole_pull_names_the_company_and_the_installed_version(founded: Path, left: list[tuple[str, str, str]]) -> None:
    one = connect("sharepoint", config_of(founded), options_of(founded))
    assert one.check().ok
    offers = list(one.discover())
    kinds = {str(offer.source["kind"]): stream(offer) for offer in offers}
    assert set(kinds) == {"library", "list", "pages"}
    for what in kinds.values():
        one.describe(what)
        one.access(what)
        pages = list(one.pull(what, Window()))
        list(one.pull(what, Window(), pages[-1].cursor, Holding(what, pages)))
        list(one.keys(what))
    row = next(row for row in rows_of(list(one.pull(kinds["library"], Window()))) if row["size"])
    b"".join(one.blob(kinds["library"], Blob(row["item_id"], row["name"], row["media_type"], row["size"])))
    one.watermark()
    one.close()
    where = " ".join(url for _, url, _ in left)
    for part in ("/oauth2/v2.0/token", "/.well-known/", "/root/delta", "token=", "RoleAssignments", "download.aspx", "/content"):
        assert part in where, f"{part} was not asked, so this pull was not whole"
    assert {agent for _, _, agent in left} == {f"NONISV|Sakura Seiki|fortnight/{metadata.version('fortnight')}"}


def test_the_units_of_a_pull_are_told(founded: Path) -> None:
    one = connect("sharepoint", config_of(founded), options_of(founded))
    offer = next(iter(one.discover()))
    list(one.pull(stream(offer), Window()))
    (said,) = [found for name, _, found in one.check().probes if name == "resource units"]
    assert int(said.split(" of ")[0]) > 10 and "at most 300000 a minute" in said
