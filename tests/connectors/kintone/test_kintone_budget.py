"""Calls are counted per app and Japanese day, across processes, and stop before Cybozu's own limit; what a person is told of it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kintone_world import World, answered, connector, order, refused, stream

from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.kintone.budget import Budget, BudgetPolicy
from connectors.protocol import Window
from connectors.transport import TransportOptions

#: A Saturday morning in Japan, then the Monday: 08:59, 10:00 and 19:00 there.
SATURDAY = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
EARLY = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
EVENING = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def budget(folder: Path | None = None, **policy: Any) -> Budget:
    return Budget(BudgetPolicy.model_validate(policy), "sakura.cybozu.example", folder)


def spend(one: Budget, calls: int, now: datetime, app: str = "12") -> None:
    for _ in range(calls):
        one.count(app, now)


def test_the_hard_limit_refuses_by_name_and_number_and_says_when_it_ends() -> None:
    one = budget(daily=10, hard=0.5)
    spend(one, 4, SATURDAY)
    one.admit("12", SATURDAY)
    spend(one, 1, SATURDAY)
    with pytest.raises(SourceUnavailable) as caught:
        one.admit("12", SATURDAY)
    assert caught.value.code == "kintone.budget_spent"
    assert caught.value.retry_after == 86_400
    for lang in ("ja", "en"):
        said = caught.value.say(lang)
        assert "12" in said and "5" in said and "2026-11-22 09:00" in said and "{" not in said
    one.admit("13", SATURDAY)


def test_the_day_begins_at_nine_in_japan() -> None:
    one = budget(daily=10, hard=0.5)
    spend(one, 5, EARLY)
    with pytest.raises(SourceUnavailable) as caught:
        one.admit("12", EARLY)
    assert caught.value.retry_after == 60
    one.admit("12", MONDAY)
    assert one.spent("12", MONDAY).used == 0


def test_office_hours_have_a_share_of_their_own() -> None:
    one = budget(daily=100, office_hours={"from": "09:00", "to": "18:00", "share": 0.1})
    spend(one, 10, MONDAY)
    with pytest.raises(SourceUnavailable) as caught:
        one.admit("12", MONDAY)
    assert caught.value.code == "kintone.budget_office"
    assert caught.value.retry_after == 8 * 3600
    one.admit("12", EVENING)
    weekend = budget(daily=100, office_hours={"share": 0.1})
    spend(weekend, 50, SATURDAY)
    weekend.admit("12", SATURDAY)


def test_passing_the_plan_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    one = budget(daily=10, planned=0.3)
    spend(one, 8, SATURDAY)
    assert [record.getMessage() for record in caplog.records if "planned" in record.getMessage()] == [
        "App 12 at sakura.cybozu.example has taken 4 API calls today, more than the 3 planned; at 9 we stop."
    ]


def test_before_the_first_reply_nothing_is_known_of_the_day_and_nothing_is_refused() -> None:
    one = budget(daily=1, hard=1)
    one.admit("12", None)
    one.count("12", None)
    one.admit("12", SATURDAY)


def test_processes_share_one_count(tmp_path: Path) -> None:
    spend(budget(tmp_path), 3, SATURDAY)
    other = budget(tmp_path)
    spend(other, 2, SATURDAY)
    assert budget(tmp_path).spent("12", SATURDAY).used == 5
    assert other.spent("13", SATURDAY).used == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".lock"}


def test_no_call_is_lost_where_many_count_at_once(tmp_path: Path) -> None:
    several = [budget(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=spend, args=(one, 25, SATURDAY)) for one in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget(tmp_path).spent("12", SATURDAY).used == 100


def test_a_damaged_count_stops_rather_than_begin_at_nothing(tmp_path: Path) -> None:
    one = budget(tmp_path)
    spend(one, 1, SATURDAY)
    next(tmp_path.glob("*.json")).write_text("{", encoding="utf-8")
    with pytest.raises(FixConfiguration) as caught:
        one.admit("12", SATURDAY)
    assert caught.value.code == "kintone.budget_folder"
    next(tmp_path.glob("*.json")).write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(FixConfiguration):
        one.admit("12", SATURDAY)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("", encoding="utf-8")
    with pytest.raises(FixConfiguration):
        budget(tmp_path / "calls")


def test_a_pull_counts_what_kintone_counts_and_stops_at_the_limit(tmp_path: Path) -> None:
    world = World(records=[order(one) for one in range(1, 1_201)])
    options = TransportOptions(state=tmp_path / "calls")
    opened = connector(world, options=options, login=False, concurrency=1)
    opened.check()
    list(opened.pull(stream(), Window()))
    now = datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
    counted = [request for request in world.asked if request.url.path.rsplit("/", 1)[1] not in ("apps.json",)]
    assert opened._client.budget.spent("12", now).used == len(counted)  # pyright: ignore[reportPrivateUsage]
    short = connector(world, options=options, login=False, budget={"daily": len(counted) + 3, "hard": 1.0})
    asked = len(world.asked)
    with pytest.raises(SourceUnavailable) as caught:
        list(short.pull(stream(), Window()))
    assert caught.value.code == "kintone.budget_spent"
    assert len(world.asked) == asked + 3


def test_a_call_that_is_tried_again_is_counted_each_time() -> None:
    left = [refused("GAIA_TO04", 429), refused("GAIA_DA02", 400)]

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return left.pop() if left and request.url.path.endswith("/records.json") else None

    opened = connector(World(records=[order(1)], before=before))
    opened.count(stream())
    used = opened._client.budget.spent("12", datetime(2026, 11, 21, tzinfo=UTC)).used  # pyright: ignore[reportPrivateUsage]
    assert used == 5, "the form, the settings, and the count three times"


def test_files_and_lists_of_apps_are_free() -> None:
    from connectors.protocol import Blob

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return httpx.Response(200, content=b"x") if request.url.path.endswith("/file.json") else None

    opened = connector(World(before=before))
    opened.watermark()
    assert b"".join(opened.blob(stream(), Blob("k", "n", "text/plain", 1))) == b"x"
    assert sum(1 for _ in opened._client.apps()) == 1  # pyright: ignore[reportPrivateUsage]
    assert opened._client.budget.spent("12", datetime(2026, 11, 21, tzinfo=UTC)).used == 0  # pyright: ignore[reportPrivateUsage]


def test_the_check_says_of_each_configured_app_where_it_is_and_what_it_costs() -> None:
    world = World(records=[order(one) for one in range(1, 1_201)])
    health = connector(world, apps=[12]).check()
    assert health.ok
    (said,) = [found for name, _, found in health.probes if name == "app 12"]
    for part in (
        "受注",
        "id 12",
        "ORDERS",
        "space none",
        "path normal",
        "revision 7",
        "1200 records",
        "a quiet pull 4",
        "limit 9000",
        "2026-11-22",
    ):
        assert part in said, said
    assert "records, settings and access rules can be read" in said


def test_the_check_names_a_missing_code_a_guest_path_and_closed_settings() -> None:
    world = World(records=[order(1)])
    world.app |= {"code": "", "spaceId": "7"}

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        request.url = request.url.copy_with(path=request.url.path.replace("/k/guest/7/v1/", "/k/v1/"))
        return refused("GAIA_NO01", 403) if request.url.path.endswith("settings.json") else None

    world.before = before
    health = connector(world, login=False, apps=[12], guest_space=7).check()
    (said,) = [found for name, _, found in health.probes if name == "app 12"]
    assert "no app code" in said and "/k/guest/7/v1/" in said and "space 7" in said
    assert "only records can be read; numbers are taken at the widest precision" in said


def test_an_app_that_is_gone_fails_the_check_by_its_code() -> None:
    world = World()
    world.before = lambda request, _: refused("GAIA_AP01", 404) if request.url.path.endswith("app.json") else None
    health = connector(world, apps=[99]).check()
    assert not health.ok
    (found,) = [found for name, ok, found in health.probes if not ok]
    assert "GAIA_AP01" in found and "ORDERS" not in found


def test_what_a_full_load_takes_is_never_more_than_was_said() -> None:
    world = World(records=[order(one) for one in range(1, 12_001)])
    (offer,) = connector(world).discover()
    said = int(offer.notes[0].split()[4].replace(",", ""))
    world.asked.clear()
    list(connector(world).pull(stream(), Window()))
    counted = [request for request in world.asked if request.url.path.rsplit("/", 1)[1] != "apps.json"]
    assert len(counted) <= said <= len(counted) + 12


def test_the_reply_of_a_domain_without_a_date_is_counted_nowhere_and_breaks_nothing() -> None:
    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        world.before = None
        reply = world.handle(request)
        world.before = before
        return httpx.Response(reply.status_code, content=reply.content, headers={"Content-Type": "application/json"})

    assert connector(World(records=[order(1)], before=before)).count(stream()) == 1
    assert answered({}).headers["Date"]
