"""A run's streams share the directory and an app's rules; another run, and whatever is to be known now, asks again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from kintone_world import World, connector, order, stream

from connectors.access import Access
from connectors.kintone.connector import KintoneConnector
from connectors.protocol import Column, Stream, Window
from connectors.readings import Readings
from connectors.transport import TransportOptions

AT = datetime(2026, 11, 21, tzinfo=UTC)
SUBJECT = Column("subject", "件名", pa.string())
RIGHTS = ("app/acl", "record/acl", "field/acl")
DIRECTORY = ("/users", "/groups", "/group/users")


def world_of(**more: Any) -> World:
    app = {"appId": "12", "code": "ORDERS", "name": "受注", "spaceId": None, "creator": {"code": "owner"}}
    return World(
        records=[order(number) for number in range(1, 4)],
        groups={"quality": ["sato"]},
        app=app | {"modifiedAt": "2026-11-01T00:00:00.000Z"} | more,
    )


def opened(world: World, **more: Any) -> KintoneConnector:
    return connector(world, options=TransportOptions(attempts=1, readings=Readings(lambda: AT)), **more)


def other() -> Stream:
    return replace(stream(SUBJECT), name="orders-too")


def asked(world: World, *resources: str) -> dict[str, int]:
    counts = Counter(request.url.path for request in world.asked)
    return {one: sum(count for path, count in counts.items() if path.endswith(f"{one}.json")) for one in resources}


def pulled(one: KintoneConnector, told: Stream) -> Access:
    one.describe(told)
    found = one.access(told)
    list(one.pull(told, Window()))
    return found


def test_two_streams_of_an_app_take_one_reading_of_directory_and_rules() -> None:
    world = world_of()
    one = opened(world)
    first, second = pulled(one, stream(SUBJECT)), pulled(one, other())
    assert first == second
    assert set(asked(world, *RIGHTS).values()) == {1}
    # ``/users`` ends the path of a group's members, too.
    assert asked(world, *DIRECTORY) == {"/users": 2, "/groups": 1, "/group/users": 1}


def test_another_run_reads_anew() -> None:
    world = world_of()
    pulled(opened(world), stream(SUBJECT))
    world.groups = {"quality": ["sato", "suzuki"]}
    found = pulled(opened(world), stream(SUBJECT))
    assert asked(world, "/group/users", *RIGHTS) == dict.fromkeys(("/group/users", *RIGHTS), 2)
    assert "user:kintone:suzuki" in {edge.member for edge in found.members if edge.group == "group:kintone:quality"}


def test_two_domains_do_not_mix_though_one_clock_dates_their_readings() -> None:
    here, there = world_of(), world_of()
    there.groups = {"quality": ["suzuki"]}
    found = [opened(world).access(stream(SUBJECT)) for world in (here, there)]
    assert [[edge.member for edge in one.members if edge.group == "group:kintone:quality"] for one in found] == [
        ["user:kintone:sato"],
        ["user:kintone:suzuki"],
    ]


def test_rules_are_read_again_once_the_settings_of_the_app_moved() -> None:
    world = world_of()
    one = opened(world)
    before = pulled(one, stream(SUBJECT)).view
    world.app["modifiedAt"], world.revision = "2026-11-20T00:00:00.000Z", 8
    world.app_acl = [{"entity": {"type": "USER", "code": "sato"}, "recordViewable": True, "includeSubs": False}]
    after = pulled(one, other())
    assert after.view != before and asked(world, *RIGHTS) == dict.fromkeys(RIGHTS, 2)
    assert after.scopes[0].principals == ("user:kintone:sato",)
    assert asked(world, "/groups") == {"/groups": 1}


def test_what_decides_our_view_is_told_now_and_as_access_tells_it() -> None:
    world = world_of()
    one = opened(world)
    view = pulled(one, stream(SUBJECT)).view
    with one.readings.anew():
        assert one.view_now(stream(SUBJECT)) == view
    assert asked(world, *RIGHTS, "/groups") == {**dict.fromkeys(RIGHTS, 2), "/groups": 1}, (
        "records come by token: no membership bears on it"
    )


def test_a_login_that_left_a_group_is_seen_at_once_where_records_are_read_by_it() -> None:
    world = world_of()
    world.users["service"], world.groups = True, {"quality": ["service"]}
    one = opened(world, tokens=False)
    view = pulled(one, stream(SUBJECT)).view
    world.groups = {"quality": []}
    assert one.access(stream(SUBJECT)).view == view, "shared"
    with one.readings.anew():
        assert one.view_now(stream(SUBJECT)) != view
    assert one.access(stream(SUBJECT)).view != view, "the newer reading is what is shared from now on"


def test_where_the_run_took_longer_the_directory_is_read_again() -> None:
    world, now = world_of(), [AT]
    one = connector(world, options=TransportOptions(attempts=1, readings=Readings(lambda: now[0])))
    one.access(stream(SUBJECT))
    now[0] += timedelta(minutes=6)
    one.access(stream(SUBJECT))
    assert asked(world, "/groups") == {"/groups": 2}
