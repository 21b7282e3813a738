from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sharepoint_world import Table, tenant

from connectors.errors import AddressUnknown
from connectors.sharepoint import addresses
from connectors.sharepoint.addresses import Addresses, StreamScopes
from connectors.sharepoint.config import SourceSpec
from connectors.sharepoint.scopes import Securable, Standing

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


def test_the_scopes_that_were_read_for_the_rights_serve_the_pull_that_follows_once(world: Tenant) -> None:
    read = world.at.scopes(MANUALS)
    assert world.at.just_read(MANUALS) is read and world.at.just_read(MANUALS) is None
    StreamScopes(world.at, MANUALS).whole()
    assert world.at.just_read(MANUALS) is None, "what a pull reads for itself is not for the next one"


@pytest.mark.parametrize(("minutes", "serves"), [(14, True), (16, False)])
def test_scopes_of_a_pull_that_failed_long_ago_serve_no_other(
    world: Tenant, monkeypatch: pytest.MonkeyPatch, minutes: int, serves: bool
) -> None:
    world.at.scopes(MANUALS)
    later = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(addresses, "_wall", lambda: later)
    assert (world.at.just_read(MANUALS) is not None) is serves


def test_an_item_asked_for_alone_says_whether_it_has_a_scope_of_its_own(world: Tenant) -> None:
    here = {"Id": 1, "UniqueId": "G1", "FileRef": "/sites/quality/手順/a", "FSObjType": 0, "HasUniqueRoleAssignments": True}
    world.rest[f"{ITEMS}(1)"] = here
    standing = world.at.standing(MANUALS, "1")
    assert standing is not None and (standing.own, standing.folder, standing.is_folder) == (
        "sharepoint:c0:item:g1",
        "/sites/quality/手順",
        False,
    )
    assert world.at.securable("sharepoint:c0:item:g1") == Securable("/sites/quality/手順/a", "L1", 1, level="item")
    world.rest[f"{ITEMS}(1)"] = {**here, "HasUniqueRoleAssignments": False}
    assert world.at.standing(MANUALS, "1") == Standing(
        "", "/sites/quality/手順", False, Securable("/sites/quality/手順/a", "L1", 1, level="item")
    )
    assert world.at.standing(MANUALS, "2") is None, "what is not there is nobody's"


def test_a_place_found_not_long_ago_is_asked_for_no_more_and_one_of_another_name_is(world: Tenant) -> None:
    world.at.place(MANUALS)
    note = world.at.note(MANUALS)
    other = Tenant()
    assert other.at.recall(MANUALS, note)
    place = other.at.place(MANUALS)
    assert (place.id, place.list_id, place.site.collection, other.graph.asked) == ("D1", "L1", "c0", [])
    assert not other.at.recall(RULES, note)
    old = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    assert not other.at.recall(MANUALS, {**note, "at": old}) and not other.at.recall(MANUALS, None)
