from __future__ import annotations

from typing import Any

import httpx
import pytest
from sharepoint_world import Table, tenant

from connectors.errors import AddressUnknown
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.config import SourceSpec

SITE = "/v1.0/sites/contoso.sharepoint.example:/sites/quality"
DRIVES = "/v1.0/sites/h,C0,w/drives"
ITEMS = "/sites/quality/_api/web/lists(guid'L1')/items"
MANUALS = SourceSpec(site="/sites/quality", kind="library", name="手順")
RULES = SourceSpec(site="/sites/quality", kind="library", name="規程")


class Tenant:
    """One site with two libraries; ``clock`` is its Date header, ``unique`` whether its one item has rights of its own."""

    def __init__(self) -> None:
        self.clock, self.unique = "Sun, 01 Nov 2026 00:00:00 GMT", False
        self.graph = Table({
            SITE: lambda request: self._said({"id": "h,C0,w", "displayName": "品質"}),
            DRIVES: {"value": [{"id": "D1", "name": "手順"}, {"id": "D2", "name": "規程"}]},
            "/v1.0/drives/D1/root": {"id": "R1", "sharepointIds": {"listId": "L1"}},
            "/v1.0/drives/D2/root": {"id": "R2", "sharepointIds": {"listId": "L2"}},
        })  # fmt: skip
        self.rest = Table({
            "/sites/quality/_api/Web": {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
            "/sites/quality/_api/Web/lists/GetById('L1')": {"Id": "L1", "Title": "手順", "HasUniqueRoleAssignments": False},
            ITEMS: lambda request: httpx.Response(200, json={"value": [
                {"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/手順/a", "HasUniqueRoleAssignments": self.unique}]}),
        })  # fmt: skip
        self.at = Addresses(tenant(self.graph, self.rest))

    def _said(self, body: Any) -> httpx.Response:
        return httpx.Response(200, json=body, headers={"Date": self.clock})

    def tick(self, clock: str) -> None:
        """Any answer of Graph, which tells the time."""
        self.clock = clock
        self.at.tenant.graph.json("sites/contoso.sharepoint.example:/sites/quality")

    def asked(self, path: str) -> int:
        return sum(request.url.path == path for table in (self.graph, self.rest) for request in table.asked)


@pytest.fixture
def world() -> Tenant:
    return Tenant()


def test_a_site_is_asked_for_once_whatever_streams_it_holds_and_a_library_once_each(world: Tenant) -> None:
    assert [world.at.place(spec).list_id for spec in (MANUALS, RULES, MANUALS, RULES)] == ["L1", "L2", "L1", "L2"]
    assert (world.asked(SITE), world.asked(DRIVES), world.asked("/v1.0/drives/D1/root")) == (1, 2, 1)


def test_a_library_that_was_renamed_is_seen_when_it_is_asked_for_anew(world: Tenant) -> None:
    world.at.place(MANUALS)
    world.graph[DRIVES] = {"value": [{"id": "D1", "name": "手順書"}]}
    for _ in range(2):
        with pytest.raises(AddressUnknown, match="手順書"):
            world.at.place(MANUALS, anew=True)
    with pytest.raises(AddressUnknown):
        world.at.place(MANUALS)


def test_a_site_that_was_not_there_is_asked_for_again(world: Tenant) -> None:
    there = world.graph.pop(SITE)
    with pytest.raises(AddressUnknown):
        world.at.site(MANUALS)
    world.graph[SITE] = there
    assert world.at.site(MANUALS).id == "h,C0,w"


def test_the_scopes_that_were_read_for_the_rights_serve_a_feed_that_brought_nothing_once(world: Tenant) -> None:
    read = world.at.scopes(MANUALS)
    assert world.at.scopes_behind(MANUALS, quiet=True) is read and world.asked(ITEMS) == 1
    world.at.scopes_behind(MANUALS, quiet=True)
    assert world.asked(ITEMS) == 2, "and not for the pull after that"


def test_an_item_that_moved_after_the_rights_were_read_is_under_the_scope_where_it_lies_now(world: Tenant) -> None:
    world.at.scopes(MANUALS)
    world.unique = True
    assert world.at.scopes_behind(MANUALS, quiet=False).of("1") == "sharepoint:c0:item:g1"


@pytest.mark.parametrize(("later", "asked"), [("Sun, 01 Nov 2026 00:14:00 GMT", 1), ("Sun, 01 Nov 2026 00:16:00 GMT", 2)])
def test_scopes_of_long_ago_serve_no_feed(world: Tenant, later: str, asked: int) -> None:
    world.at.scopes(MANUALS)
    world.tick(later)
    world.at.scopes_behind(MANUALS, quiet=True)
    assert world.asked(ITEMS) == asked
