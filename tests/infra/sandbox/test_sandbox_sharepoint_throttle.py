"""Resource units in the SharePoint sandbox: what each request costs, what answers say from 80 % on, and when an app is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sharepoint_talk import Server, serving

from infra.sandbox.clock import SandboxClock
from infra.sandbox.sharepoint.throttle import Limit, Meter, Verdict, graph_units, rest_units


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """A tenant in a minute of its own, with no limit afterwards."""
    running.control("advance", minutes=2)
    running.control("units", reset=True)
    yield running
    running.control("throttle")


def rest(server: Server, path: str) -> httpx.Response:
    return server.get(f"{server.told['site_urls'][0]}/_api/{path}", headers={"Accept": "application/json;odata=nometadata"})


def spent(server: Server, path: str) -> int:
    """Units of one request, by the sandbox's own meter."""
    server.control("units", reset=True)
    (rest(server, path) if not path.startswith(("/v1.0/", "http")) else server.get(path)).read()
    return server.control("units")["units"]


@pytest.mark.parametrize(
    ("path", "units"),
    [
        ("/sites/x", 1),
        ("/sites/x/drives", 2),
        ("/sites/getAllSites", 2),
        ("/drives/d", 1),
        ("/drives/d/root", 1),
        ("/drives/d/items/i", 1),
        ("/drives/d/root:/a/b.docx", 1),
        ("/drives/d/items/i/children", 2),
        ("/drives/d/items/i/permissions", 5),
        ("/drives/d/items/i/versions", 2),
        ("/drives/d/root:/a/b.docx:/permissions", 5),
        ("/drives/d/items/i/content", 0),
        ("/sites/x/lists/l/items", 2),
        ("/sites/x/lists/l/items/3", 1),
        ("/sites/x/pages/microsoft.graph.sitePage", 2),
        ("/sites/x/pages/p/microsoft.graph.sitePage", 1),
        ("/groups/g/transitiveMembers", 2),
        ("/users/u", 1),
    ],
)
def test_a_single_query_costs_one_a_collection_two_permissions_five(path: str, units: int) -> None:
    assert graph_units("GET", path, token=False) == units


@pytest.mark.parametrize("path", ["/drives/d/root/delta", "/drives/d/root/delta()", "/sites/x/lists/l/items/delta(token='t')"])
def test_a_delta_costs_one_from_a_place_in_its_feed_and_two_from_the_start(path: str) -> None:
    assert (graph_units("GET", path, token=True), graph_units("GET", path, token=False)) == (1, 2)


def test_rest_is_priced_by_what_its_way_ends_in() -> None:
    web, items = ("web", ""), [("lists", "guid"), ("items", "")]
    assert rest_units([web, *items]) == 2
    assert rest_units([web, *items[:1], ("items", "3")]) == 1
    assert rest_units([web, *items[:1], ("items", "3"), ("roleassignments", "")]) == 5
    assert rest_units([web, ("sitegroups", "3"), ("users", "")]) == 2


def test_the_meter_counts_what_was_asked_each_part_of_a_batch_and_a_download_once(server: Server) -> None:
    drive = server.drive("quality", "品質規程")
    item = f"/v1.0/drives/{drive}/root:/検査/受入検査規程.docx"
    assert spent(server, "/v1.0/sites/localhost:/sites/quality:/drives") == 2
    assert spent(server, item) == 1
    assert spent(server, f"{item}:/permissions") == 5
    assert spent(server, "web/RoleAssignments?$expand=Member") == 5
    where = server.get(f"{item}:/content").headers["location"]
    server.control("units", reset=True)
    assert server.client.get(where).status_code == 200
    assert server.control("units")["requests_by_price"] == {"1": 1}
    server.control("units", reset=True)
    parts = [{"id": str(n), "method": "GET", "url": f"/drives/{drive}/root/delta"} for n in range(3)]
    server.get("/v1.0/$batch", method="POST", json={"requests": parts})
    told = server.control("units")
    assert (told["units"], told["requests"]) == (6, 3)
    assert list(told["apps"]) == [server.told["client_id"]]


def test_headers_say_what_is_left_from_eighty_percent_on_and_above_the_limit_comes_429_until_the_minute_ends(server: Server) -> None:
    server.control("throttle", units_per_minute=10)
    drive = f"/v1.0/drives/{server.drive('quality', '品質規程')}"
    server.control("advance", minutes=1.1)
    replies = [server.get(drive) for _ in range(11)]
    assert [one.status_code for one in replies] == [200] * 10 + [429]
    assert ["ratelimit-remaining" in one.headers for one in replies] == [False] * 7 + [True] * 4
    assert [one.headers["ratelimit-remaining"] for one in replies[7:]] == ["2", "1", "0", "0"]
    refused = replies[-1]
    assert refused.json()["error"]["code"] == "activityLimitReached"
    assert refused.headers["ratelimit-limit"] == "10" and 50 <= int(refused.headers["retry-after"]) <= 60
    assert rest(server, "web").status_code == 429 and "<html>" in rest(server, "web").text
    server.control("advance", minutes=1.1)
    assert server.get(drive).status_code == 200
    assert server.control("units")["throttled"] == 3


def test_a_throttled_part_of_a_batch_says_in_its_own_headers_when_to_come_again(server: Server) -> None:
    server.control("throttle", units_per_minute=3)
    server.control("advance", minutes=1.1)
    parts = [{"id": str(n), "method": "GET", "url": "/sites/root"} for n in range(4)]
    found = server.get("/v1.0/$batch", method="POST", json={"requests": parts})
    assert found.status_code == 200
    by_id = {one["id"]: one for one in found.json()["responses"]}
    assert sorted(one["status"] for one in by_id.values()) == [200, 200, 200, 429]
    (refused,) = [one for one in by_id.values() if one["status"] == 429]
    assert int(refused["headers"]["Retry-After"]) > 0


def test_a_download_beyond_the_limit_is_refused_to_the_app_that_was_given_the_address(server: Server) -> None:
    item = f"/v1.0/drives/{server.drive('quality', '品質規程')}/root:/検査/受入検査規程.docx"
    where = server.get(f"{item}:/content").headers["location"]
    server.control("throttle", units_per_minute=1)
    server.control("advance", minutes=1.1)
    assert [server.client.get(where).status_code for _ in range(2)] == [200, 429]


def test_the_licences_of_a_tenant_set_the_limits() -> None:
    assert [Limit.of(n).minute for n in (500, 1_000, 1_001, 15_000, 50_000, 50_001)] == [1_250, 1_250, 2_500, 3_750, 5_000, 6_250]
    assert (Limit.of(1).day, Limit.of(100_000).day) == (1_200_000, 6_000_000)


def test_a_day_that_is_spent_is_refused_until_it_ends_whatever_the_minute_holds() -> None:
    clock = SandboxClock(datetime(2026, 4, 1, tzinfo=UTC))
    meter = Meter(clock)
    meter.limit = Limit(minute=100, day=5)
    assert meter.charge("app", 5) == Verdict()
    refused = meter.charge("app", 1)
    assert refused.refused and set(refused.headers) == {"Retry-After"} and int(refused.headers["Retry-After"]) > 86_000
    assert meter.charge("another", 5) == Verdict(), "each app has its own"
    clock.advance(timedelta(hours=25))
    assert meter.charge("app", 5) == Verdict()
