"""Pulls: whole and incremental, resumable from any page, discarded when the form moves underneath."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import NOW, World, answered, cell, connector, order, refused, stream

from connectors.errors import AddressUnknown, BrokenReply, FixConfiguration
from connectors.protocol import Blob, Column, Cursor, Page, Stream, Window

FULL = Window()
SUBJECT = Column("subject", "件名", pa.string())


def reads_records(request: httpx.Request) -> bool:
    """Whether it asks for a page of records, and not only for their number."""
    return request.url.path.endswith("/records.json") and "totalCount" not in request.url.params


def ids(pages: list[Page]) -> list[int]:
    return [one for page in pages for one in page.rows.column("record_id").to_pylist()]


def pulled(world: World, window: Window = FULL, cursor: Cursor | None = None, **more: Any) -> list[Page]:
    return list(connector(world, login=False).pull(stream(SUBJECT, **more), window, cursor))


def test_an_empty_app_gives_one_typed_page_without_rows() -> None:
    (page,) = pulled(World())
    assert page.rows.num_rows == 0
    assert page.rows.schema.names == ["record_id", "subject", "_op", "_source_version", "_scope"]
    assert page.rows.schema.field("record_id").type == pa.int64()
    assert page.source_rows == 0


@pytest.mark.parametrize(("rows", "calls"), [(499, 3), (500, 3), (501, 4), (1000, 4), (1234, 5)])
def test_a_full_load_reads_every_record_once_in_the_fewest_pages(rows: int, calls: int) -> None:
    world = World(records=[order(number) for number in range(rows * 3, 0, -3)])
    pages = pulled(world)
    assert ids(pages) == list(range(3, rows * 3 + 1, 3))
    assert sum(page.source_rows for page in pages) == rows
    assert len(world.queries()) == calls
    assert all("fields" not in request.url.query.decode() for request in world.asked if reads_records(request))


def test_a_contracts_condition_with_or_stands_in_parentheses_and_the_pull_ends() -> None:
    world = World(records=[order(number) for number in range(1, 1201)])
    source = {"app_code": "ORDERS", "app_id": 12, "condition": '件名 = "a" or 件名 = "b"'}
    assert len(ids(pulled(world, source=source))) == 1200
    assert world.queries() == [
        '(件名 = "a" or 件名 = "b") order by $id desc limit 1',
        *(f'((件名 = "a" or 件名 = "b")) and $id > {after} and $id <= 1200 order by $id asc limit 500' for after in (0, 500, 1000)),
        '(件名 = "a" or 件名 = "b") and $id <= 1200 limit 1',
    ]


@pytest.mark.parametrize("condition", ["更新日時 >= TODAY()", '件名 like "至急"', "担当者 in (LOGINUSER())"])
def test_a_condition_whose_answer_moves_is_refused(condition: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        pulled(World(), source={"app_code": "ORDERS", "app_id": 12, "condition": condition})
    assert caught.value.code == "kintone.condition_unsafe"


def test_a_pull_killed_after_any_page_goes_on_from_its_cursor_with_the_same_rows() -> None:
    world = World(records=[order(number) for number in range(1, 1701)])
    whole = pulled(world)
    for stop in range(len(whole)):
        rest = pulled(world, cursor=whole[stop].cursor)
        assert ids(whole[: stop + 1]) + ids(rest) == ids(whole)


def test_a_form_that_changes_during_the_pull_spoils_it() -> None:
    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        if request.url.path.endswith("records.json"):
            world.revision = 8
        return None

    with pytest.raises(BrokenReply) as caught:
        pulled(World(records=[order(1)], before=before))
    assert caught.value.code == "kintone.schema_moved"


def test_a_cursor_from_before_a_change_of_the_form_is_not_resumed() -> None:
    world = World(records=[order(1)])
    (page,) = pulled(world)
    world.revision = 8
    with pytest.raises(BrokenReply) as caught:
        pulled(world, cursor=page.cursor)
    assert caught.value.code == "kintone.schema_moved"


def test_a_window_starts_at_the_full_minute_and_includes_it() -> None:
    world = World(records=[order(1, updated="2026-11-01T00:04:00Z"), order(2, updated="2026-11-01T00:05:00Z")])
    since = datetime(2026, 11, 1, 0, 5, 59, tzinfo=UTC)
    assert ids(pulled(world, Window(since=since))) == [2]
    assert ids(pulled(world, Window(since=since.astimezone(UTC) + timedelta(seconds=1)))) == []


def test_a_record_saved_twice_in_one_minute_ends_as_its_last_revision() -> None:
    world = World(records=[order(1, revision=2, updated="2026-11-01T00:05:00Z")])
    first = pulled(world, Window(since=datetime(2026, 11, 1, 0, 0, tzinfo=UTC)))
    world.records = [order(1, revision=3, updated="2026-11-01T00:05:00Z")]
    second = pulled(world, Window(since=datetime(2026, 11, 1, 0, 5, 40, tzinfo=UTC)), first[-1].cursor)
    assert second[-1].rows.column("_source_version").to_pylist() == ["3"]


def test_a_record_posted_with_last_years_update_time_comes_with_the_next_window() -> None:
    world = World(records=[order(1), order(2)])
    done = pulled(world)[-1].cursor
    world.records += [order(3, updated="2025-01-01T00:00:00Z"), order(4, updated="2026-11-21T00:00:00Z")]
    world.records[0] = order(1, revision=2, updated="2026-11-21T00:00:00Z")
    window = Window(since=datetime(2026, 11, 20, tzinfo=UTC))
    assert sorted(ids(pulled(world, window, done))) == [1, 3, 4]
    assert sorted(ids(pulled(world, window, options={"max_id": 2}))) == [1, 3, 4]


def test_an_incremental_pull_of_two_legs_resumes_exactly_too() -> None:
    changed = "2026-11-20T10:00:00Z"
    world = World(records=[order(number, updated=changed if number % 2 else "2026-11-01T00:00:00Z") for number in range(1, 2801)])
    window = Window(since=datetime(2026, 11, 20, tzinfo=UTC))
    whole = pulled(world, window, options={"max_id": 2100})
    assert sorted(ids(whole)) == sorted({*range(2101, 2801), *range(1, 2101, 2)})
    for stop in range(len(whole)):
        rest = pulled(world, window, whole[stop].cursor)
        assert ids(whole[: stop + 1]) + ids(rest) == ids(whole)


def test_the_same_window_twice_gives_the_same_rows() -> None:
    world = World(records=[order(number) for number in range(1, 700)])
    window = Window(since=datetime(2026, 10, 1, tzinfo=UTC))
    assert [page.rows for page in pulled(world, window)] == [page.rows for page in pulled(world, window)]


def test_a_backfill_window_ends_before_its_bound() -> None:
    world = World(records=[order(number, updated=f"2026-11-0{number}T00:00:00Z") for number in range(1, 6)])
    assert ids(pulled(world, Window(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)))) == [2, 3]


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1]], ids=["descending", "repeated"])
def test_a_source_that_breaks_the_order_is_stopped(numbers: list[int]) -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return answered({"records": [order(number) for number in numbers]}) if reads_records(request) else None

    with pytest.raises(BrokenReply) as caught:
        pulled(World(records=[order(1), order(2)], before=before))
    assert caught.value.code == "kintone.seek_broken"


def test_a_source_that_repeats_its_first_page_for_ever_is_stopped() -> None:
    page = [order(number) for number in range(1, 501)]

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return answered({"records": page}) if reads_records(request) else None

    with pytest.raises(BrokenReply):
        pulled(World(records=[order(number) for number in range(1, 1201)], before=before))


def test_an_app_that_is_gone_is_an_error_and_never_an_empty_app() -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return refused("GAIA_AP01", 404) if request.url.path.endswith(("records.json", "fields.json", "app.json")) else None

    opened = connector(World(records=[order(1)], before=before), login=False)
    for verb in (lambda: list(opened.pull(stream(), FULL)), lambda: list(opened.keys(stream())), lambda: opened.count(stream())):
        with pytest.raises(AddressUnknown):
            verb()


def test_keys_list_every_live_id_and_only_key_fields_travel() -> None:
    world = World(records=[order(number) for number in range(1, 1101)])
    batches = list(connector(world, login=False).keys(stream(SUBJECT)))
    assert [one for batch in batches for one in batch.column("record_id").to_pylist()] == list(range(1, 1101))
    assert batches[0].schema.names == ["record_id", "_source_version"]
    assert batches[0].column("_source_version")[0].as_py() == "1"
    asked = [request for request in world.asked if request.url.path.endswith("records.json")]
    assert len(asked) == 3
    assert [asked[0].url.params[f"fields[{at}]"] for at in range(2)] == ["$id", "$revision"]


def test_a_key_of_another_field_travels_too() -> None:
    world = World(records=[order(1), order(2)])
    wanted: Stream = replace(stream(SUBJECT), key=("subject",))
    (batch,) = connector(world, login=False).keys(wanted)
    assert batch.to_pydict() == {"subject": ["件名1", "件名2"], "_source_version": ["1", "1"]}


def test_the_count_is_the_sources_own() -> None:
    world = World(records=[order(number) for number in range(1, 621)])
    assert connector(world, login=False).count(stream()) == 620
    assert len(world.queries()) == 1


def test_the_watermark_is_the_sources_clock_at_its_full_minute_as_update_times_are() -> None:
    assert NOW.endswith("00:00:30 GMT")
    assert connector(World()).watermark() == datetime(2026, 11, 21, 0, 0, tzinfo=UTC)


def test_a_guest_space_app_is_read_on_its_own_path() -> None:
    world = World(records=[order(1)])
    paths: list[str] = []

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        paths.append(request.url.path)
        request.url = request.url.copy_with(path=request.url.path.replace("/k/guest/7/v1/", "/k/v1/"))
        return None

    world.before = before
    assert ids(pulled(world, source={"app_code": "ORDERS", "app_id": 12, "guest_space": 7})) == [1]
    assert all(path.startswith("/k/guest/7/v1/") for path in paths)


def test_an_attachment_arrives_as_its_bytes_whatever_its_media_type() -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        if not request.url.path.endswith("file.json"):
            return None
        if request.url.params["fileKey"] != "k1":
            return refused("GAIA_BL01", 404)
        return httpx.Response(200, content="<h1>図面</h1>".encode(), headers={"Content-Type": "text/html"})

    opened = connector(World(before=before))
    for size in (15, None):
        assert b"".join(opened.blob(stream(), Blob("k1", "図面.html", "text/html", size))) == "<h1>図面</h1>".encode()
    with pytest.raises(AddressUnknown) as caught:
        b"".join(opened.blob(stream(), Blob("k2", "図面.html", "text/html", 15)))
    assert caught.value.code == "kintone.file_unknown"


def test_a_page_of_maintenance_in_the_place_of_an_attachment_is_not_kept_for_it() -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        page = httpx.Response(200, content="<html>ただいま混雑しています</html>".encode(), headers={"Content-Type": "text/html"})
        return page if request.url.path.endswith("file.json") else None

    with pytest.raises(BrokenReply) as caught:
        list(connector(World(before=before)).blob(stream(), Blob("k1", "図面.pdf", "application/pdf", 1_024)))
    assert caught.value.code == "kintone.file_size"
    for lang in ("ja", "en"):
        assert all(part in caught.value.say(lang) for part in ("図面.pdf", "1024", "sakura.cybozu.example", "ORDERS"))


def test_an_unknown_key_in_the_source_block_is_named_without_its_value() -> None:
    with pytest.raises(FixConfiguration) as caught:
        pulled(World(), source={"app_code": "ORDERS", "app_id": 12, "token": "token-secret-1"})
    assert "token" in str(caught.value)
    assert "token-secret-1" not in str(caught.value)


def test_rows_without_a_login_carry_the_unresolved_scope() -> None:
    world = World(records=[order(1, 備考=cell("SINGLE_LINE_TEXT", ""))])
    assert pulled(world)[0].rows.column("_scope").to_pylist() == ["unresolved"]
