"""Walking by ``$id``: one range or several at once, fetched ahead, resumable, and polite to a busy domain."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from kintone_world import World, answered, cell, connector, order, refused, stream

from connectors.errors import AccessRefused, BrokenReply
from connectors.kintone.gone import Held, differences
from connectors.kintone.pace import Pace, Places
from connectors.kintone.seek import Range, ahead, ranges_of
from connectors.protocol import Blob, Cursor, Page, Window
from connectors.transport import TransportOptions


def ids(pages: list[Page]) -> list[int]:
    return [one for page in pages for one in page.rows.column("record_id").to_pylist()]


def read(world: World, workers: int, cursor: Cursor | None = None) -> list[Page]:
    return list(connector(world, login=False, concurrency=workers).pull(stream(), Window(), cursor))


def page_requests(world: World) -> int:
    return sum("order by $id asc" in query for query in world.queries())


@pytest.mark.parametrize(("after", "upto", "rows", "workers"), [(0, 1, 1, 4), (0, 10_000, 10_000, 4), (7, 99_999, 60_000, 3), (5, 5, 0, 4)])
def test_ranges_cover_every_id_once(after: int, upto: int, rows: int, workers: int) -> None:
    ranges = ranges_of(after, upto, rows, workers)
    edges = [one.after for one in ranges] + [ranges[-1].upto] if ranges else [after]
    assert edges[0] == after and edges[-1] == upto
    assert [one.upto for one in ranges[:-1]] == [one.after for one in ranges[1:]]
    assert all(one.upto is not None and one.upto > one.after for one in ranges)


def test_one_worker_or_few_records_make_one_range() -> None:
    assert len(ranges_of(0, 1_000_000, 1_000_000, 1)) == 1
    assert len(ranges_of(0, 5_000, 5_000, 4)) == 1
    assert len(ranges_of(0, 1_000_000, 1_000_000, 4)) == 16


def test_several_ranges_at_once_bring_every_record_once_and_no_page_more() -> None:
    world = World(records=[order(one) for one in range(1, 12_001)])
    assert sorted(ids(read(world, 4))) == list(range(1, 12_001))
    assert page_requests(world) == 24
    holes = World(records=[order(one) for one in random.Random(3).sample(range(1, 90_000), 12_000)])
    assert sorted(ids(read(holes, 4))) == sorted(int(record["$id"]["value"]) for record in holes.records)


def test_a_read_of_several_ranges_killed_after_any_page_goes_on_with_any_number_of_workers() -> None:
    world = World(records=[order(one * 3) for one in range(1, 9_001)])
    whole = read(world, 4)
    assert len(whole) >= 18
    for stop in range(0, len(whole), 3):
        rest = read(world, 1 + stop % 4, Cursor(json.loads(json.dumps(dict(whole[stop].cursor.state)))))
        both = ids(whole[: stop + 1]) + ids(rest)
        assert len(both) == len(set(both)) and sorted(both) == sorted(ids(whole))


def test_never_more_requests_are_under_way_than_configured() -> None:
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Event()

    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 3:
                together.set()
        if "order by $id asc" in request.url.params.get("query", ""):
            together.wait(2)
        with lock:
            now -= 1
        return None

    assert len(ids(read(World(records=[order(one) for one in range(1, 13_001)], before=before), 3))) == 13_000
    assert together.is_set(), "three were asked at once"
    assert most == 3


def test_all_processes_of_a_machine_together_have_no_more_under_way_than_configured(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0
    reading, second = threading.Event(), threading.Event()

    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 2:
                second.set()
        if request.url.path.endswith("/records.json"):
            reading.set()
            second.wait(10)
        with lock:
            now -= 1
        return None

    def waiting(_: float) -> None:
        second.set()
        threading.Event().wait(0.001)

    world = World(records=[order(one) for one in range(1, 2_001)], before=before)
    # A lock belongs to an open file and not to a process: two connectors hinder each other like two processes.
    one, other = (connector(world, login=False, concurrency=1, options=TransportOptions(attempts=4, state=tmp_path)) for _ in range(2))
    other._client._sleep = waiting  # pyright: ignore[reportPrivateUsage]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: ids(list(one.pull(stream(), Window()))))
        assert reading.wait(10)
        assert len(ids(list(other.pull(stream(), Window())))) == len(found.result()) == 2_000
    assert most == 1


def test_a_request_waits_for_a_place_that_another_process_has_and_takes_it_when_that_gives_it_back(tmp_path: Path) -> None:
    with ExitStack() as theirs:
        theirs.enter_context(Places(tmp_path, "sakura.cybozu.example", 1, lambda _: None).taken())
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                theirs.close()

        with Places(tmp_path, "sakura.cybozu.example", 1, wait).taken():
            assert len(waited) == 3
    with Places(tmp_path, "other.cybozu.example", 1, lambda _: pytest.fail("another domain has places of its own")).taken():
        pass


def test_a_file_under_way_takes_a_place_too(tmp_path: Path) -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return httpx.Response(200, content=b"x" * 10) if request.url.path.endswith("file.json") else None

    opened = connector(World(before=before), options=TransportOptions(state=tmp_path), concurrency=1)
    chunks = opened.blob(stream(), Blob("k1", "a.bin", "application/octet-stream", 10))
    assert next(chunks) == b"x" * 10
    other = Places(tmp_path, "sakura.cybozu.example", 1, lambda _: None)
    assert other._free() is None  # pyright: ignore[reportPrivateUsage]
    assert list(chunks) == []
    with other.taken():
        pass


def test_a_range_that_fails_ends_the_read_with_its_error() -> None:
    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        return refused("GAIA_NO01", 403) if "$id > 6000" in request.url.params.get("query", "") else None

    with pytest.raises(AccessRefused) as caught:
        read(World(records=[order(one) for one in range(1, 12_001)], before=before), 4)
    assert caught.value.code == "kintone.token_lacks_right"


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    opened = connector(World(records=[order(one) for one in range(1, 12_001)]), login=False, concurrency=4)
    pages = opened.pull(stream(), Window())
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kintone")]


def test_a_value_that_looks_like_a_records_number_fools_nobody() -> None:
    liar = '"$id":{"type":"__ID__","value":"999999"}'
    world = World(records=[order(one, 件名=cell("SINGLE_LINE_TEXT", liar)) for one in range(1, 1_202)])
    assert ids(read(world, 1)) == list(range(1, 1_202))


@pytest.mark.parametrize("style", ["spaced", "value first"])
def test_the_last_number_is_found_however_the_json_is_written(style: str) -> None:
    world = World(records=[order(one) for one in range(1, 1_202)])

    def before(request: httpx.Request, world: World) -> httpx.Response | None:
        if "asc" not in request.url.params.get("query", ""):
            return None
        body = json.loads(World(records=world.records).handle(request).content)
        if style == "value first":
            for record in body["records"]:
                record["$id"] = dict(reversed(record["$id"].items()))
        text = json.dumps(body, indent=1) if style == "spaced" else json.dumps(body, separators=(",", ":"))
        return httpx.Response(200, text=text, headers={"Content-Type": "application/json"})

    world.before = before
    assert ids(read(world, 1)) == list(range(1, 1_202))


def test_a_page_that_says_one_thing_ahead_and_another_decoded_is_refused() -> None:
    def fetch(one: Range) -> bytes:
        return b'{"records":[{"$id":{"value":"7"}}]}'

    (page,) = ahead(fetch, [Range(0, 9)], 1, host="h", app="a")
    assert (page.rows, page.last, page.more) == (1, 7, False)
    with pytest.raises(BrokenReply):
        list(ahead(lambda _: b'{"records":[{"$id":{"value":"x"}}]}', [Range(0)], 1, host="h", app="a"))


def test_a_busy_domain_halves_our_share_and_calm_gives_it_back_slowly() -> None:
    waited: list[float] = []
    pace = Pace(8, 50, waited.append)
    pace.heard("80")
    assert (pace.width, waited) == (4, [3.0])
    pace.heard("51")
    pace.heard("100")
    pace.heard("100")
    assert pace.width == 1 and waited[-1] == 5.0
    for _ in range(10):
        pace.heard("3")
    assert pace.width == 2
    for _ in range(100):
        pace.heard("50")
    assert pace.width == 8
    pace.heard("")
    pace.heard("soon")
    assert pace.width == 8 and len(waited) == 4


def test_a_refusal_for_too_many_requests_halves_our_share_too() -> None:
    left = [refused("GAIA_TO04", 429), refused("GAIA_TO04", 429)]

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return left.pop() if left and request.url.path.endswith("/records.json") else None

    opened = connector(World(records=[order(1)], before=before), login=False, concurrency=8)
    assert opened.count(stream()) == 1
    assert opened._client.pace.width == 2  # pyright: ignore[reportPrivateUsage]


def test_under_pressure_requests_go_one_by_one() -> None:
    pace = Pace(4, 50, lambda _: None)
    pace.heard("99")
    pace.heard("99")
    order_of: list[str] = []
    inside, release = threading.Event(), threading.Event()

    def first() -> None:
        with pace.slot():
            inside.set()
            release.wait(5)
            order_of.append("first")

    def second() -> None:
        inside.wait(5)
        with pace.slot():
            order_of.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    inside.wait(5)
    release.set()
    for thread in threads:
        thread.join(5)
    assert order_of == ["first", "second"]


@pytest.mark.parametrize("seed", range(40))
def test_any_difference_between_ours_and_theirs_is_found_to_the_id(seed: int) -> None:
    rng = random.Random(seed)
    theirs = set(rng.sample(range(1, 40_000), rng.choice([0, 1, 400, 9_000])))
    ours = {one for one in theirs if rng.random() > rng.choice([0.0, 0.0003, 0.4])}
    late = rng.sample(sorted(theirs), min(len(theirs), rng.choice([0, 0, 3])))
    ours -= set(late)
    extra = {one for one in rng.sample(range(1, 40_000), rng.choice([0, 1, 50])) if one not in theirs} if not theirs - ours else set[int]()
    ours |= extra
    calls = 0

    def within(span: Range) -> list[int]:
        return sorted(one for one in theirs if one > span.after and (span.upto is None or one <= span.upto))

    def count(span: Range) -> int:
        nonlocal calls
        calls += 1
        return len(within(span))

    def listing(span: Range) -> Any:
        nonlocal calls
        found = within(span)
        for at in range(0, len(found) + 1, 500):
            calls += 1
            page = found[at : at + 500]
            yield page, ["1"] * len(page)

    import pyarrow as pa

    held = Held(pa.array(list(ours), pa.int64()), pa.array(["1"] * len(ours), pa.string()))
    found = list(differences(held, Range(0, 40_000), len(theirs), count, listing))
    assert sorted(one for part in found for one in part.gone) == sorted(ours - theirs)
    assert sorted(one for part in found for one in part.missing) == sorted(theirs - ours)
    assert calls <= 2 * (len(theirs) // 500 + 1) + 2


def test_a_changed_revision_shows_where_a_range_is_listed() -> None:
    import pyarrow as pa

    held = Held(pa.array([3, 1, 2], pa.int64()), pa.array(["5", "1", None], pa.string()))
    rows = ([1, 3], ["2", "5"])
    (found,) = differences(held, Range(0, 3), 2, lambda _: 0, lambda _: iter([rows]))
    assert (found.gone, found.missing, found.stale) == ([2], [], [1])


def test_the_connector_waits_while_others_need_the_domain() -> None:
    waited: list[float] = []

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        if request.url.path.endswith("records.json"):
            return answered({"records": [], "totalCount": "0"}, **{"X-ConcurrencyLimit-Running": "80"})
        return None

    opened = connector(World(before=before), login=False)
    opened._client._sleep = waited.append  # pyright: ignore[reportPrivateUsage]
    assert opened.count(stream()) == 0
    assert waited == [3.0]
