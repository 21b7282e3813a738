from __future__ import annotations

from typing import Any

import pytest
from sharepoint_world import GRAPH, Table, api

from connectors.errors import BrokenReply, SourceUnavailable
from connectors.sharepoint.feed import Settled, Spool, settle

ROOT = "drives/D/root/delta"


def page(*items: dict[str, Any], following: str = "", delta: str = "") -> dict[str, Any]:
    links = {"@odata.nextLink": f"{GRAPH}/v1.0/{ROOT}?{following}"} if following else {"@odata.deltaLink": f"{GRAPH}/v1.0/{ROOT}?{delta}"}
    return {"value": list(items), **links}


def settled(table: Table, start: str | None = None) -> tuple[Settled, dict[str, bytes | None]]:
    with Spool() as spool:
        outcome = settle(api(table), ROOT, start, spool)
        return outcome, dict(spool.items())


def test_an_item_on_two_pages_ends_as_its_last_occurrence() -> None:
    table = Table({
        f"/v1.0/{ROOT}": page({"id": "F1", "name": "old"}, following="token=2"),
        f"/v1.0/{ROOT}?token=2": page({"id": "F2", "deleted": {"state": "deleted"}}, {"id": "F1", "name": "new"}, delta="token=end"),
    })  # fmt: skip
    outcome, items = settled(table)
    assert outcome == Settled(f"/v1.0/{ROOT}?token=end", True)
    assert items["F2"] is None and b'"new"' in (items["F1"] or b"")


def test_an_empty_page_with_a_next_link_is_not_the_end() -> None:
    table = Table({
        f"/v1.0/{ROOT}": page(following="token=2"),
        f"/v1.0/{ROOT}?token=2": page({"id": "F1"}, delta="token=end"),
    })  # fmt: skip
    assert set(settled(table)[1]) == {"F1"}


def test_a_410_is_read_again_from_its_location_and_forgets_what_came_before() -> None:
    gone = (410, {"Location": f"{GRAPH}/v1.0/{ROOT}?token=fresh"}, {"error": {"code": "resyncRequired"}})
    table = Table({
        f"/v1.0/{ROOT}?token=old": page({"id": "STALE"}, following="token=half"),
        f"/v1.0/{ROOT}?token=half": gone,
        f"/v1.0/{ROOT}?token=fresh": page({"id": "F1"}, delta="token=end"),
    })  # fmt: skip
    outcome, items = settled(table, f"/v1.0/{ROOT}?token=old")
    assert outcome.complete and set(items) == {"F1"}


def test_a_resync_that_never_settles_fails_by_name() -> None:
    gone = (410, {"Location": f"{GRAPH}/v1.0/{ROOT}?token=again"}, {"error": {"code": "resyncRequired"}})
    table = Table({f"/v1.0/{ROOT}?token=old": gone, f"/v1.0/{ROOT}?token=again": gone})
    with pytest.raises(SourceUnavailable, match="resyncRequired"):
        settled(table, f"/v1.0/{ROOT}?token=old")
    assert len(table.asked) == 3


def test_a_next_link_that_names_its_own_page_is_a_broken_reply() -> None:
    table = Table({f"/v1.0/{ROOT}": page(following="token=2"), f"/v1.0/{ROOT}?token=2": page(following="token=2")})
    with pytest.raises(BrokenReply, match="came back"):
        settled(table)


def test_a_link_to_another_host_is_never_followed() -> None:
    table = Table({f"/v1.0/{ROOT}": {"value": [], "@odata.nextLink": "https://evil.example/v1.0/drives"}})
    with pytest.raises(BrokenReply, match=r"evil\.example"):
        settled(table)
    assert len(table.asked) == 1


def test_a_page_with_neither_link_is_a_broken_reply_and_not_an_end() -> None:
    with pytest.raises(BrokenReply, match="deltaLink"):
        settled(Table({f"/v1.0/{ROOT}": {"value": [{"id": "F1"}]}}))


def test_token_latest_behind_a_delta_link_is_taken_off() -> None:
    table = Table({f"/v1.0/{ROOT}": page(delta="token=end&token=latest")})
    assert settled(table)[0].link == f"/v1.0/{ROOT}?token=end"


def test_a_delta_link_that_only_says_latest_is_refused() -> None:
    with pytest.raises(BrokenReply):
        settled(Table({f"/v1.0/{ROOT}": page(delta="token=latest")}))
