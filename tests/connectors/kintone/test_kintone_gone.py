"""Incremental pulls that know what is held: quiet ones cost four calls, and what went, came late or was missed is found."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import World, answered, connector, order, refused, stream

from connectors.errors import AccessRefused, AddressUnknown, SourceError
from connectors.protocol import Column, Page, Stream, Window

OLD, NEW = "2026-11-01T00:00:00Z", "2026-11-20T23:59:00Z"
TICK = Window(since=datetime(2026, 11, 20, 23, 50, tzinfo=UTC))
SUBJECT = Column("subject", "件名", pa.string())


@dataclass
class Held:
    """What a pipeline holds: id → revision (None: in quarantine), as it applies pages."""

    rows_held: dict[int, str | None] = field(default_factory=dict[int, "str | None"])
    asked: int = 0

    @property
    def count(self) -> int:
        return len(self.rows_held)

    def rows(self) -> pa.Table:
        self.asked += 1
        keys = list(self.rows_held)
        random.Random(7).shuffle(keys)
        return pa.table(
            {
                "record_id": pa.array(keys, pa.int64()),
                "_source_version": pa.array([self.rows_held[key] for key in keys], pa.string()),
            }
        )

    def apply(self, pages: Iterable[Page]) -> list[Page]:
        done = list(pages)
        for page in done:
            for row in page.rows.to_pylist():
                if row["_op"] == "delete":
                    self.rows_held.pop(row["record_id"], None)
                else:
                    self.rows_held[row["record_id"]] = row["_source_version"]
            for reject in page.rejects:
                self.rows_held[int(reject.key)] = None
        return done


def number(record: dict[str, Any]) -> int:
    return int(record["$id"]["value"])


def truth(world: World) -> dict[int, str]:
    return {number(record): record["$revision"]["value"] for record in world.records}


def without(world: World, *gone: int) -> None:
    world.records = [record for record in world.records if number(record) not in gone]


def deleted(pages: list[Page]) -> list[int]:
    return sorted(row["record_id"] for page in pages for row in page.rows.to_pylist() if row["_op"] == "delete")


def upserted(pages: list[Page]) -> list[int]:
    return sorted(row["record_id"] for page in pages for row in page.rows.to_pylist() if row["_op"] == "upsert")


@dataclass
class Pulling:
    """A connector and what its pulls led to, as the pipeline drives it: describe, watermark, pull."""

    world: World
    held: Held = field(default_factory=Held)
    last: dict[str, Any] = field(default_factory=dict[str, Any])
    source: dict[str, Any] = field(default_factory=lambda: {"app_code": "ORDERS", "app_id": 12})
    login: bool = True

    def stream(self) -> Stream:
        return stream(SUBJECT, source=self.source, options={"last_cursor": self.last} if self.last else {})

    def pull(self, window: Window) -> list[Page]:
        opened = connector(self.world, login=self.login, concurrency=1)
        told = self.stream()
        opened.describe(told)
        opened.watermark()
        pages = self.held.apply(opened.pull(told, window, None, None if window.full else self.held))
        self.last = dict(pages[-1].cursor.state)
        return pages

    def tick(self) -> list[Page]:
        self.world.asked.clear()
        return self.pull(TICK)

    @property
    def calls(self) -> int:
        return len(self.world.asked)


def loaded(rows: int, *, every: int = 1, **more: Any) -> Pulling:
    world = World(records=[order(one * every, updated=OLD) for one in range(1, rows + 1)])
    pulling = Pulling(world, **more)
    pulling.pull(Window())
    assert pulling.held.rows_held == truth(world)
    return pulling


@pytest.mark.parametrize("login", [True, False], ids=["by login", "by token alone"])
def test_a_quiet_tick_takes_four_calls_and_asks_for_no_row_that_is_held(login: bool) -> None:
    pulling = loaded(1200, login=login)
    pages = pulling.tick()
    assert [page.rows.num_rows for page in pages] == [0]
    assert pages[-1].total == 1200
    assert pulling.calls == 4
    assert [request.url.path.rsplit("/", 1)[1] for request in pulling.world.asked] == [
        "apps.json" if login else "app.json",
        "fields.json",
        "records.json",
        "records.json",
    ]
    assert pulling.held.asked == 0
    before = pulling.last
    pulling.tick()
    assert pulling.last == before


def test_an_empty_app_is_read_its_watermark_kept_and_the_second_run_changes_nothing() -> None:
    pulling = loaded(0)
    (page,) = pulling.tick()
    assert (page.rows.num_rows, page.total) == (0, 0)
    assert page.rows.schema.field("record_id").type == pa.int64()
    pulling.world.records.append(order(1, updated="2020-01-01T00:00:00Z"))
    assert upserted(pulling.tick()) == [1], "the first record of an app that was empty, posted with an old update time"


def test_three_of_ten_thousand_that_went_are_found_with_few_calls() -> None:
    pulling = loaded(10_000)
    without(pulling.world, 17, 4_711, 9_999)
    pages = pulling.tick()
    assert deleted(pages) == [17, 4_711, 9_999]
    assert upserted(pages) == []
    assert pages[-1].total == 9_997
    assert pulling.calls - 4 <= 60
    assert pulling.tick()[-1].rows.num_rows == 0 and pulling.calls == 4


def test_as_many_new_records_as_deleted_ones_hide_no_deletion() -> None:
    pulling = loaded(10_000)
    without(pulling.world, 1, 2, 5_000)
    pulling.world.records += [order(one, updated=NEW) for one in (10_001, 10_002, 10_003)]
    pages = pulling.tick()
    assert deleted(pages) == [1, 2, 5_000]
    assert upserted(pages) == [10_001, 10_002, 10_003]
    assert pulling.held.rows_held == truth(pulling.world)
    assert pulling.calls - 4 <= 60


def test_the_newest_records_going_is_seen_too() -> None:
    pulling = loaded(1_300)
    without(pulling.world, 1_299, 1_300)
    assert deleted(pulling.tick()) == [1_299, 1_300]


def test_a_record_that_became_visible_late_is_fetched_although_its_update_time_is_old() -> None:
    pulling = loaded(2_000, every=2)
    pulling.world.records.append(order(1_001, revision=3, updated=OLD))
    pages = pulling.tick()
    assert upserted(pages) == [1_001] and deleted(pages) == []
    assert pulling.held.rows_held == truth(pulling.world)


def test_a_late_record_in_the_window_does_not_hide_a_deletion() -> None:
    pulling = loaded(2_000, every=2)
    pulling.world.records.append(order(1_001, updated=NEW))
    without(pulling.world, 3_000)
    pages = pulling.tick()
    assert (upserted(pages), deleted(pages)) == ([1_001], [3_000])


def test_so_much_gone_that_halving_would_cost_more_is_listed_and_missed_changes_are_repaired() -> None:
    pulling = loaded(5_000)
    without(pulling.world, *range(1, 5_001, 3))
    changed = pulling.world.records[7]
    changed["$revision"]["value"] = "9"
    pages = pulling.tick()
    assert deleted(pages) == list(range(1, 5_001, 3))
    assert upserted(pages) == [number(changed)]
    assert pulling.held.rows_held == truth(pulling.world)
    assert pulling.calls - 4 <= 12


def test_an_app_emptied_to_the_last_record_gives_its_keys_as_gone_without_another_listing() -> None:
    pulling = loaded(3_000)
    pulling.world.records.clear()
    pages = pulling.tick()
    assert deleted(pages) == list(range(1, 3_001))
    assert pulling.calls <= 6


def test_a_record_held_in_quarantine_counts_as_held_and_goes_when_its_source_goes() -> None:
    pulling = loaded(700)
    pulling.held.rows_held[300] = None
    assert pulling.tick()[-1].rows.num_rows == 0
    assert pulling.calls == 4
    without(pulling.world, 300)
    assert deleted(pulling.tick()) == [300]


def test_under_a_condition_of_the_contract_a_row_that_leaves_it_is_gone_and_one_that_enters_comes() -> None:
    world = World(records=[order(one, updated=OLD) for one in range(1, 1_001)])
    inside = {*range(1, 1_001)} - {77}
    world.conditions['区分 in ("特注")'] = lambda record: number(record) in inside
    pulling = Pulling(world, source={"app_code": "ORDERS", "app_id": 12, "condition": '区分 in ("特注")'})
    pulling.pull(Window())
    inside ^= {77, 500}
    for record in world.records:
        if number(record) in (77, 500):
            record["更新日時"]["value"] = NEW
    pages = pulling.tick()
    assert (upserted(pages), deleted(pages)) == ([77], [500])
    assert pages[-1].total == 999


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refused("GAIA_AP01", 404), AddressUnknown, "GAIA_AP01"),
        (refused("CB_NO02", 403), AccessRefused, "CB_NO02"),
        (refused("GAIA_IA02", 520), AccessRefused, "GAIA_IA02"),
        (refused("GAIA_NO01", 403), AccessRefused, "GAIA_NO01"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_an_app_that_answers_with_an_error_loses_no_row_of_ours(
    answer: httpx.Response, kind: type[SourceError], code: str, after: int
) -> None:
    pulling = loaded(1_200)
    without(pulling.world, 5, 900)
    calls = iter(range(100))

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return answer if request.url.path.endswith("/records.json") and next(calls) >= after else None

    pulling.world.before = before
    opened = connector(pulling.world, concurrency=1)
    pages: list[Page] = []
    with pytest.raises(kind) as caught:
        pages.extend(opened.pull(pulling.stream(), TICK, None, pulling.held))
    assert caught.value.params["error_code"] == code
    assert caught.value.params["error_id"] == "x-err-1"
    assert deleted(pages) == []


def test_a_full_read_finds_what_went_and_came_behind_its_back() -> None:
    world = World(records=[order(one * 2) for one in range(1, 2_001)])
    seen = 0

    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        nonlocal seen
        seen += request.url.path.endswith("/records.json") and "fields[0]" not in request.url.params
        if seen == 3 and len(world.records) == 2_000:
            without(world, 2, 4, 6)
            world.records.append(order(11))
        return None

    world.before = before
    pulling = Pulling(world)
    pages = pulling.pull(Window())
    assert deleted(pages) == [2, 4, 6]
    assert upserted(pages).count(11) == 1
    assert pulling.held.rows_held == truth(world)
    assert pages[-1].total == 1_998


def test_a_key_that_is_not_the_records_number_is_compared_by_listing_the_keys() -> None:
    world = World(records=[order(one, updated=OLD) for one in range(1, 1_101)])
    told = replace(stream(SUBJECT), key=("subject",))
    opened = connector(world, concurrency=1)
    pages = list(opened.pull(told, Window()))
    rows = {row["subject"]: row["_source_version"] for page in pages for row in page.rows.to_pylist()}

    class BySubject:
        @property
        def count(self) -> int:
            return len(rows)

        def rows(self) -> pa.Table:
            return pa.table({"subject": list(rows), "_source_version": pa.array(list(rows.values()), pa.string())})

    told = replace(told, options={"last_cursor": dict(pages[-1].cursor.state)})
    assert [page.rows.num_rows for page in opened.pull(told, TICK, None, BySubject())] == [0]
    without(world, 3, 1_050)
    world.records.append(order(1_101, updated=NEW))
    found = list(opened.pull(told, TICK, None, BySubject()))
    gone = [row["subject"] for page in found for row in page.rows.to_pylist() if row["_op"] == "delete"]
    assert sorted(gone) == ["件名1050", "件名3"]
    assert upserted(found) == [1_101]
    assert found[-1].total == 1_099


def test_the_same_tick_twice_says_the_same_and_leaves_the_same() -> None:
    pulling = loaded(900)
    without(pulling.world, 4)
    pulling.world.records[0]["更新日時"]["value"] = NEW
    pulling.world.records.append(order(901, updated=NEW))
    last, held = dict(pulling.last), dict(pulling.held.rows_held)
    first = [page.rows for page in pulling.tick()]
    after = dict(pulling.held.rows_held)
    pulling.last, pulling.held.rows_held = last, held
    assert [page.rows for page in pulling.tick()] == first
    assert pulling.held.rows_held == after == truth(pulling.world)
    pulling.last = last
    replayed = pulling.tick()
    assert deleted(replayed) == []
    assert pulling.held.rows_held == after


def test_a_tick_killed_after_any_page_and_resumed_ends_as_the_source_is() -> None:
    pulling = loaded(2_500)
    without(pulling.world, 10, 2_000)
    for record in pulling.world.records[::2]:
        record["更新日時"]["value"] = NEW
        record["$revision"]["value"] = "2"
    pulling.world.records += [order(one, updated=NEW) for one in range(2_501, 3_701)]
    last, before = dict(pulling.last), dict(pulling.held.rows_held)
    whole = pulling.tick()
    assert pulling.held.rows_held == truth(pulling.world)
    for stop in range(len(whole)):
        known = Held(dict(before))
        ours = Held(dict(before))
        ours.apply(whole[: stop + 1])
        told = stream(SUBJECT, options={"last_cursor": last})
        ours.apply(connector(pulling.world, concurrency=1).pull(told, TICK, whole[stop].cursor, known))
        assert ours.rows_held == truth(pulling.world), stop


def test_another_settings_revision_is_asked_for_its_precision_again() -> None:
    pulling = loaded(3)
    pulling.world.revision += 1
    pulling.tick()
    assert sum(request.url.path.endswith("/settings.json") for request in pulling.world.asked) == 1


def test_the_watermark_is_the_clock_of_the_run_and_costs_nothing_once() -> None:
    world = World(records=[order(1)])
    opened = connector(world)
    opened.describe(stream())
    calls = len(world.asked)
    assert opened.watermark() == datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    assert len(world.asked) == calls
    opened.watermark()
    assert len(world.asked) == calls + 1


def test_a_total_that_kintone_does_not_give_fails_the_pull() -> None:
    pulling = loaded(5)

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return answered({"records": [], "totalCount": None}) if "totalCount" in request.url.params else None

    pulling.world.before = before
    with pytest.raises(SourceError) as caught:
        pulling.tick()
    assert caught.value.code == "kintone.no_total"
