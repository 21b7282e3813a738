"""Many reads in one round trip: who answers what whatever the order, what is asked again and when, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from sharepoint_time import START, Time, governed
from sharepoint_world import GRAPH, TENANT, FakeTokens, Table, config_of, options_of, tenant

from connectors.errors import AccessRefused, BrokenReply, SourceUnavailable
from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.batch import read_many
from connectors.sharepoint.client import Api, connect_tenant
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.governor import Governor
from connectors.sharepoint.pages import read_pages
from connectors.sharepoint.places import Site
from connectors.transport import TransportOptions
from infra.sandbox import process

Part = dict[str, Any]
MEMBERS = [f"groups/g{number}/members?$select=id" for number in range(45)]


class Graph:
    """Answers batches part by part, the last first. ``part`` gives status, headers and body of one address."""

    def __init__(self, part: Callable[[str], tuple[int, dict[str, str], Any]]) -> None:
        self.part = part
        self.batches: list[list[str]] = []
        self.alone: list[str] = []
        self.changed: Callable[[list[Part]], Any] = lambda parts: {"responses": parts}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/$batch"):
            self.alone.append(request.url.path)
            status, headers, body = self.part(str(request.url).removeprefix(f"{GRAPH}/v1.0/"))
            return httpx.Response(status, headers=headers, json=body)
        asked = json.loads(request.content)["requests"]
        self.batches.append([part["url"].lstrip("/") for part in asked])
        parts: list[Part] = []
        for one in asked:
            assert one["method"] == "GET" and one["url"].startswith("/")
            status, headers, body = self.part(one["url"].lstrip("/"))
            parts.insert(0, {"id": one["id"], "status": status, "headers": headers, "body": body})
        return httpx.Response(200, json=self.changed(parts))

    def api(self, gate: Governor | None = None, attempts: int = 5) -> Api:
        options = TransportOptions(attempts=attempts, max_wait=200.0 if gate is not None else 0.01)
        handler = httpx.MockTransport(self)
        return Api(f"{GRAPH}/v1.0", GRAPH, cast("Tokens", FakeTokens()), options, accept="application/json", handler=handler, gate=gate)


def fine(url: str) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"value": [{"id": url}]}


def test_each_address_gets_its_own_answer_whatever_the_order_and_twenty_go_at_once() -> None:
    graph = Graph(fine)
    found = {url: reply.json()["value"][0]["id"] for url, reply in read_many(graph.api(), [*MEMBERS, *MEMBERS])}
    assert found == {url: url for url in MEMBERS}
    assert [len(one) for one in graph.batches] == [20, 20, 5]


def test_one_address_is_asked_without_a_batch() -> None:
    graph = Graph(fine)
    assert [url for url, _ in read_many(graph.api(), MEMBERS[:1])] == MEMBERS[:1]
    assert graph.batches == [] and graph.alone == ["/v1.0/groups/g0/members"]


def test_throttled_parts_are_asked_again_alone_after_the_longest_pause_any_of_them_named() -> None:
    time = Time()
    waits = {MEMBERS[3]: "4", MEMBERS[7]: "120", MEMBERS[9]: "30"}
    when: list[float] = []

    def part(url: str) -> tuple[int, dict[str, str], Any]:
        when.append(time.now - START)
        if url in waits:
            return 429, {"Retry-After": waits.pop(url)}, {"error": {"code": "activityLimitReached"}}
        return fine(url)

    graph, gate = Graph(part), governed(time)
    found = dict(read_many(graph.api(gate), MEMBERS[:20]))
    assert {reply.status_code for reply in found.values()} == {200} and list(found) != MEMBERS[:20]
    assert sorted(graph.batches[1]) == sorted([MEMBERS[3], MEMBERS[7], MEMBERS[9]]) and len(graph.batches) == 2
    assert when[19] < 10 and when[20] >= 120
    assert gate.used() == 2 * (20 + 3), "throttled parts cost, too; the batch around them does not"


def test_a_pause_of_one_part_stops_everybody_of_the_tenant() -> None:
    time = Time()
    gate = governed(time)
    graph = Graph(lambda url: (503, {"Retry-After": "50"}, {}) if url == MEMBERS[1] else fine(url))
    with pytest.raises(SourceUnavailable):
        list(read_many(graph.api(gate, attempts=1), MEMBERS[:2]))
    gate.admit(1)
    assert time.now - START >= 50


def test_parts_that_stay_throttled_end_in_an_error_and_the_others_have_come() -> None:
    graph = Graph(lambda url: (429, {}, {}) if url == MEMBERS[1] else fine(url))
    came: list[str] = []
    with pytest.raises(SourceUnavailable):
        came.extend(url for url, _ in read_many(graph.api(attempts=3), MEMBERS[:3]))
    assert graph.batches == [MEMBERS[:3], [MEMBERS[1]], [MEMBERS[1]]]


def test_parts_are_paid_one_by_one_before_anything_is_sent() -> None:
    graph = Graph(fine)
    gate = governed(Time(), units_per_minute=1_000_000, units_per_day=30, share=1.0)
    with pytest.raises(SourceUnavailable) as caught:
        list(read_many(graph.api(gate), MEMBERS[:20]))
    assert caught.value.code == "sharepoint.units_spent" and gate.used() == 30 and graph.batches == []


def test_a_refused_part_is_the_callers_to_judge() -> None:
    graph = Graph(lambda url: (403, {}, {"error": {"code": "Authorization_RequestDenied"}}) if url == MEMBERS[0] else fine(url))
    assert [reply.status_code for _, reply in read_many(graph.api(), MEMBERS[:2])] == [403, 200]


@pytest.mark.parametrize(
    "changed",
    [
        lambda parts: {"responses": parts[1:]},
        lambda parts: {"responses": [*parts, parts[0]]},
        lambda parts: {"responses": [{**parts[0], "id": "99"}, *parts[1:]]},
        lambda parts: {"responses": [{"id": part["id"]} for part in parts]},
        lambda parts: {"value": parts},
    ],
)
def test_an_answer_that_leaves_a_part_out_or_has_one_too_many_is_a_broken_reply(changed: Callable[[list[Part]], Any]) -> None:
    graph = Graph(fine)
    graph.changed = changed
    with pytest.raises(BrokenReply):
        list(read_many(graph.api(), MEMBERS[:3]))


def test_a_batch_that_is_refused_as_a_whole_is_an_error() -> None:
    refusing = httpx.MockTransport(lambda request: httpx.Response(403, json={"error": {"code": "accessDenied"}}))
    whole = Api(f"{GRAPH}/v1.0", GRAPH, cast("Tokens", FakeTokens()), TransportOptions(), accept="application/json", handler=refusing)
    with pytest.raises(AccessRefused, match="accessDenied"):
        list(read_many(whole, MEMBERS[:2]))


# --- where it is used ---------------------------------------------------------------------------------------------------------------


def group(id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.group", "id": id}


def person(id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.user", "id": id, "userPrincipalName": f"{id}@q.example"}


def test_groups_nested_side_by_side_are_read_in_one_round_trip_and_to_their_last_page() -> None:
    graph = Table({
        "/v1.0/users": {"value": []},
        "/v1.0/groups/top/members": {"value": [group("a"), group("b"), group("gone"), group("hidden")]},
        "/v1.0/groups/a/members": {"value": [person("u1"), group("b")], "@odata.nextLink": f"{GRAPH}/v1.0/groups/a/members?$skiptoken=2"},
        "/v1.0/groups/a/members?$skiptoken=2": {"value": [person("u2")]},
        "/v1.0/groups/b/members": {"value": [person("u3"), group("top")]},
        "/v1.0/groups/hidden/members": (403, {}, {"error": {"code": "Authorization_RequestDenied"}}),
    })  # fmt: skip
    directory = Directory(tenant(graph))
    token, trouble = directory.group("top")
    assert token == f"group:entra:{TENANT}/top" and trouble == "group hidden: Authorization_RequestDenied"
    edges = {(edge.group.rpartition("/")[2], edge.member.rpartition("/")[2]) for edge in directory.edges}
    assert edges == {("top", one) for one in ("a", "b", "gone", "hidden")} | {
        ("a", "u1"), ("a", "b"), ("a", "u2"), ("b", "u3"), ("b", "top"),
    }  # fmt: skip
    assert graph.batches == [4]
    directory.group("a")
    assert graph.batches == [4], "and each group once"


def test_pages_come_in_their_order_with_the_one_that_cannot_be_rendered_and_without_the_one_that_is_gone() -> None:
    ids = [f"p{number:02}" for number in range(23)]
    graph = Table({f"/v1.0/sites/S/pages/{id}/microsoft.graph.sitePage": {"id": id, "canvasLayout": {}} for id in ids if id != "p04"})
    broken = "/v1.0/sites/S/pages/p07/microsoft.graph.sitePage"
    graph[broken] = lambda request: (
        httpx.Response(400, json={"error": {"code": "invalidRequest"}}) if request.url.query else httpx.Response(200, json={"id": "p07"})
    )
    found = list(read_pages(tenant(graph).graph, Site("/sites/q", "S", "c", "Q"), ids))
    assert [id for id, _ in found] == ids and graph.batches == [20, 3]
    assert {id for id, page in found if page is None} == {"p04"}
    assert [id for id, page in found if page is not None and "canvasLayout" not in page] == ["p07"]


def test_the_sandboxs_batches_are_read_though_one_part_of_each_is_throttled(living: Path) -> None:
    whole = connect_tenant("sharepoint", config_of(living), options_of(living))
    groups = [str(one["id"]) for one in whole.graph.values("groups", params={"$select": "id"})]
    assert len(groups) > 1
    urls = [f"groups/{id}/members?$select=id" for id in groups]
    alone = {url: whole.graph.response(url).json()["value"] for url in urls}
    process.control(living, "fault", {"kind": "429", "count": 1, "retry_after": 1, "path": "/members"})
    assert {url: reply.json()["value"] for url, reply in read_many(whole.graph, urls)} == alone
