"""Where an app is: found by code, by name, or verified by number; a re-created one is followed only where it is surely the same."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from kintone_world import World, answered, connector, field_of, order, refused, stream
from test_kintone_gone import NEW, OLD, TICK, Held, Pulling, deleted, loaded, number, truth, upserted

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Window


def several(world: World, *apps: dict[str, Any]) -> None:
    """More apps in the domain's list than the one that answers."""

    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        if not request.url.path.endswith("/apps.json"):
            return None
        found = [world.app, *apps]
        code, name, space = (request.url.params.get(one) for one in ("codes[0]", "name", "spaceIds[0]"))
        if code:
            found = [app for app in found if app["code"] == code]
        if name:
            found = [app for app in found if name.lower() in app["name"].lower()]
        if space:
            found = [app for app in found if app["spaceId"] == space]
        return answered({"apps": found if request.url.params["offset"] == "0" else []})

    world.before = before


def app(id: int, name: str, *, code: str = "", space: str | None = None) -> dict[str, Any]:
    return {"appId": str(id), "code": code, "name": name, "spaceId": space, "creator": {"code": "owner"}}


def test_an_app_without_a_code_is_found_by_its_exact_name_in_its_space() -> None:
    world = World(records=[order(1)])
    world.app |= {"code": "", "spaceId": "5"}
    several(world, app(13, "受注", space="6"), app(14, "受注（旧）", space="5"))
    schema = connector(world).describe(stream(source={"app_name": "受注", "space_id": 5}))
    assert schema.identity["app_id"] == "12"
    with pytest.raises(AddressUnknown) as caught:
        connector(world).describe(stream(source={"app_name": "受注"}))
    assert caught.value.code == "kintone.app_name_unknown"
    assert "id 12" in str(caught.value) and "id 13" in str(caught.value) and "id 14" not in str(caught.value)
    with pytest.raises(AddressUnknown) as none:
        connector(world).describe(stream(source={"app_name": "受注一覧"}))
    assert "(id 12, 受注)" in str(none.value)


def test_two_apps_of_one_code_are_never_chosen_from() -> None:
    world = World()
    several(world, app(13, "受注の複製", code="ORDERS"))
    with pytest.raises(AddressUnknown) as caught:
        connector(world).describe(stream())
    assert caught.value.params["found"] == 2


def test_by_token_alone_name_and_number_must_agree() -> None:
    world = World(records=[order(1)])
    assert connector(world, login=False).describe(stream(source={"app_name": "受注", "app_id": 12})).identity["app_id"] == "12"
    with pytest.raises(AddressUnknown) as caught:
        connector(world, login=False).describe(stream(source={"app_name": "請求", "app_id": 12}))
    assert caught.value.code == "kintone.app_named_other"


def test_by_token_alone_the_number_of_the_last_pull_is_good_for_a_contract_without_one() -> None:
    world = World(records=[order(1)])
    with pytest.raises(FixConfiguration):
        connector(world, login=False).describe(stream(source={"app_code": "ORDERS"}))
    told = stream(source={"app_code": "ORDERS"}, options={"last_cursor": {"app_id": "12", "top": 1}})
    assert connector(world, login=False).describe(told).identity["app_id"] == "12"


def test_an_app_that_lost_its_number_names_the_apps_it_may_be_now() -> None:
    world = World()

    def gone(request: httpx.Request, _: World) -> httpx.Response | None:
        return refused("GAIA_AP01", 404) if request.url.path.endswith("/app.json") else None

    world.before = gone
    told = stream(source={"app_id": 9}, options={"last_cursor": {"app_id": "9", "name": "受注", "top": 1}})
    with pytest.raises(AddressUnknown) as caught:
        connector(world).describe(told)
    assert caught.value.code == "kintone.app_number_unknown"
    assert "ORDERS (id 12, 受注)" in str(caught.value) and "GAIA_AP01" in str(caught.value)


def test_an_app_is_looked_up_once_a_run_and_again_in_the_next() -> None:
    pulling = loaded(3)
    pulling.tick()
    assert sum(request.url.path.endswith("/apps.json") for request in pulling.world.asked) == 1
    opened = connector(pulling.world)
    list(opened.pull(stream(), Window()))
    pulling.world.app["appId"] = "13"
    assert opened.describe(stream()).identity["app_id"] == "13"


def replaced(world: World, **more: Any) -> None:
    """The same code now means another app, whose records have other numbers."""
    world.app |= {"appId": "77", **more}
    world.records = [order(one, updated=OLD) for one in range(1, 41)]
    world.records[9]["$revision"]["value"] = "8"


def test_another_app_behind_the_code_with_the_same_fields_is_read_whole_and_the_old_rows_go() -> None:
    pulling = loaded(60)
    replaced(pulling.world)
    pages = pulling.tick()
    assert upserted(pages) == list(range(1, 41)), "no top id and no update time of the old app narrows it"
    assert deleted(pages) == list(range(41, 61))
    assert pages[-1].total == 40
    assert pulling.held.rows_held == truth(pulling.world)
    assert pulling.last["app_id"] == "77"
    assert pulling.tick()[-1].rows.num_rows == 0 and pulling.calls == 4


def test_a_renumbered_app_loses_and_doubles_nothing() -> None:
    pulling = loaded(1_300)
    pulling.world.app["appId"] = "914"
    pages = pulling.tick()
    assert (deleted(pages), len(upserted(pages))) == ([], 1_300)


def test_another_app_with_other_fields_is_refused_until_a_person_writes_its_number() -> None:
    pulling = loaded(60)
    replaced(pulling.world)
    pulling.world.fields["備考"] = field_of("SINGLE_LINE_TEXT", "備考")
    with pytest.raises(AddressUnknown) as caught:
        pulling.tick()
    assert caught.value.code == "kintone.app_replaced"
    for part in ("77", "12", "受注", "ORDERS"):
        assert part in str(caught.value)
    assert len(pulling.held.rows_held) == 60
    pulling.source = {"app_code": "ORDERS", "app_id": 77}
    assert len(upserted(pulling.tick())) == 40


def test_a_cursor_of_another_app_is_not_resumed() -> None:
    pulling = loaded(3)
    (page,) = connector(pulling.world).pull(stream(), Window())
    replaced(pulling.world)
    with pytest.raises(FixConfiguration) as caught:
        list(connector(pulling.world).pull(stream(), Window(), page.cursor))
    assert caught.value.code == "kintone.cursor_foreign"


def test_an_app_that_moved_to_another_space_is_still_the_same() -> None:
    pulling = loaded(5)
    pulling.world.app["spaceId"] = "44"
    pulling.world.space = {"isPrivate": False, "isGuest": False, "members": []}
    pulling.world.records.append(order(6, updated=NEW))
    assert upserted(pulling.tick()) == [6]


def test_a_cursor_of_an_earlier_make_is_still_understood() -> None:
    world = World(records=[order(one, updated=OLD) for one in range(1, 31)])
    held = Held({one: "1" for one in range(1, 21)})
    told = stream(options={"last_cursor": {"window": "..", "leg": "full", "after": 20, "top": 20, "revision": "7", "start": 0}})
    pages = held.apply(connector(world).pull(told, TICK, None, held))
    assert upserted(pages) == list(range(21, 31))
    assert {number(record) for record in world.records} == set(held.rows_held)
    assert isinstance(Pulling(world).stream().options, dict)
