"""Reading the sandbox's bulk app over sockets: whole in several ranges, quiet ticks, deletions, re-creation, faults; rows equal its truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soaking import rounds
from test_kintone_gone import Held, deleted, upserted

from benchmarks.measure import in_child
from connectors.errors import AccessRefused, BrokenReply, SourceError
from connectors.kintone.config import Config
from connectors.kintone.connector import KintoneConnector
from connectors.protocol import Column, Page, Stream, Window
from connectors.transport import TransportOptions
from infra.sandbox import process

ROWS = 12_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kintone-bulk")
    process.up(folder, base_port=0, only=("kintone",))
    yield folder
    process.down(folder)


@dataclass
class Bulk:
    """One bulk app with what is held of it, pulled as the pipeline does."""

    home: Path
    made: dict[str, Any]
    held: Held
    last: dict[str, Any]

    @property
    def url(self) -> str:
        return str(process.describe(self.home)["kintone"]["http_url"])

    def open(self, **config: Any) -> KintoneConnector:
        settings = Config.model_validate({"base_url": self.url, "auth": {"api_tokens": [self.made["api_token"]]}, **config})
        return KintoneConnector("kintone", settings, TransportOptions(attempts=4, max_wait=0.2))

    def stream(self) -> Stream:
        columns = (Column("record_id", "$id", pa.int64()), Column("revision", "$revision", pa.int64()))
        source = {"app_code": self.made["code"], "app_id": int(self.made["app"])}
        return Stream("kintone", "bulk", source, ("record_id",), columns, options={"last_cursor": self.last} if self.last else {})

    def pull(self, connector: KintoneConnector, *, full: bool = False) -> tuple[list[Page], int]:
        """The pages of one run, applied, and the calls it took."""
        before = connector._client.transport.calls  # pyright: ignore[reportPrivateUsage]
        stream = self.stream()
        connector.describe(stream)
        since = connector.watermark()
        window = Window() if full else Window(since=since)
        pages = self.held.apply(connector.pull(stream, window, None, None if full else self.held))
        self.last = dict(pages[-1].cursor.state)
        return pages, connector._client.transport.calls - before  # pyright: ignore[reportPrivateUsage]

    def truth(self) -> dict[int, str]:
        with closing(self.open()) as opened:
            batches = list(opened.keys(replace(self.stream(), options={})))
        return {key: version for batch in batches for key, version in zip(*(column.to_pylist() for column in batch.columns), strict=True)}

    def write(self, method: str, body: dict[str, Any]) -> None:
        headers = {"X-Cybozu-API-Token": self.made["api_token"]}
        reply = httpx.request(method, f"{self.url}/k/v1/records.json", json={"app": self.made["app"], **body}, headers=headers)
        assert reply.status_code == 200, reply.text


@pytest.fixture(scope="module")
def bulk(home: Path) -> Bulk:
    made = process.control(home, "bulk", {"code": "BULKPULL", "records": ROWS}, server="kintone")
    return Bulk(home, made, Held(), {})


def test_several_connections_read_every_record_once_and_a_quiet_tick_takes_four_calls(bulk: Bulk) -> None:
    with closing(bulk.open(concurrency=4)) as opened:
        pages, calls = bulk.pull(opened, full=True)
        assert sorted(upserted(pages)) == list(range(1, ROWS + 1))
        assert calls <= ROWS // 500 + 8
        assert pages[-1].total == ROWS
        pages, calls = bulk.pull(opened)
        assert (calls, [page.rows.num_rows for page in pages], pages[-1].total) == (4, [0], ROWS)


def test_rows_deleted_changed_and_added_come_with_the_next_tick(bulk: Bulk) -> None:
    assert bulk.held.count == ROWS
    bulk.write("DELETE", {"ids": [5, 6_000, 11_999]})
    bulk.write("PUT", {"records": [{"id": "77", "record": {}}]})
    bulk.write("POST", {"records": [{}, {}]})
    with closing(bulk.open()) as opened:
        pages, calls = bulk.pull(opened)
    assert deleted(pages) == [5, 6_000, 11_999]
    assert upserted(pages) == [77, ROWS + 1, ROWS + 2]
    assert calls <= 60
    assert bulk.held.rows_held == bulk.truth()


def test_a_throttle_and_a_maintenance_page_are_outlived_with_every_row(bulk: Bulk) -> None:
    for kind in ("429", "503", "drop"):
        process.control(bulk.home, "fault", {"kind": kind, "count": 2, "path": "records.json"}, server="kintone")
        with closing(bulk.open()) as opened:
            pages = list(opened.pull(replace(bulk.stream(), options={}), Window()))
        assert len(set(upserted(pages))) == bulk.held.count
    process.control(bulk.home, "heal", {}, server="kintone")


def test_a_page_of_another_kind_in_the_middle_ends_the_pull_with_nothing_gone(bulk: Bulk) -> None:
    process.control(bulk.home, "fault", {"kind": "html200", "count": 1, "path": "records.json"}, server="kintone")
    with closing(bulk.open()) as opened, pytest.raises(BrokenReply) as caught:
        bulk.pull(opened)
    process.control(bulk.home, "heal", {}, server="kintone")
    assert caught.value.code == "kintone.not_json"


def test_a_token_that_was_cut_ends_the_pull_with_its_code_and_nothing_gone(bulk: Bulk) -> None:
    before = dict(bulk.held.rows_held)
    made, bulk.made = bulk.made, {**bulk.made, "api_token": "0123456789abcdef"}
    with closing(bulk.open()) as opened, pytest.raises(AccessRefused) as caught:
        bulk.pull(opened)
    bulk.made = made
    assert caught.value.params["error_code"] == "GAIA_IA02"
    assert caught.value.params["error_id"]
    assert bulk.held.rows_held == before


def test_a_list_of_ids_is_a_question_the_source_understands(bulk: Bulk) -> None:
    with closing(bulk.open()) as opened:
        some = [one for one in range(1, 11_000, 25)]
        bulk.held.rows_held = {one: version for one, version in bulk.held.rows_held.items() if one not in some}
        pages, calls = bulk.pull(opened)
    stored = bulk.truth()
    assert set(some) & set(stored) <= set(upserted(pages)) and len(upserted(pages)) < 1_000
    assert bulk.held.rows_held == stored
    assert calls <= 40


def test_the_check_knows_the_bulk_app(bulk: Bulk) -> None:
    with closing(bulk.open(apps=[int(bulk.made["app"])])) as opened:
        health = opened.check()
    (said,) = [found for name, _, found in health.probes if name == f"app {bulk.made['app']}"]
    assert "BULKPULL" in said and "normal" in said


def test_an_unknown_app_is_an_error_of_the_source(bulk: Bulk) -> None:
    with closing(bulk.open()) as opened, pytest.raises(SourceError):
        opened.describe(replace(bulk.stream(), source={"app_id": 999_999}))


def test_a_quiet_tick_on_a_million_records_takes_four_calls_and_loads_nothing(home: Path) -> None:
    made = process.control(home, "bulk", {"code": "BULKMILLION", "records": 1_000_000}, server="kintone")

    class Million(Held):
        @property
        def count(self) -> int:
            return 1_000_000

        def rows(self) -> pa.Table:
            raise AssertionError("a quiet tick asks for no row that is held")

    million = Bulk(home, made, Million(), {})
    with closing(million.open()) as opened:
        described = opened.describe(million.stream())
        # As a full pull would have left it.
        million.last = {"app_id": made["app"], "top": 1_000_000, "revision": described.revision, "precision": [16, 4]}
        pages, calls = million.pull(opened)
    assert (calls, [page.rows.num_rows for page in pages], pages[-1].total) == (4, [0], 1_000_000)


@pytest.mark.soak
def test_a_million_records_over_a_slow_line_come_whole_within_a_fixed_memory_and_our_share_of_the_domain(home: Path) -> None:
    rows = rounds(1_000_000)
    made = process.control(home, "bulk", {"code": "SLOWMILLION", "records": rows}, server="kintone")
    named = process.environment(home)
    login = {"login": named["KINTONE_LOGIN"], "password": named["KINTONE_PASSWORD"]}
    process.control(home, "fault", {"kind": "slow", "milliseconds": 150, "path": "records.json"}, server="kintone")
    process.control(home, "traffic", {"reset": True}, server="kintone")
    auth = {"api_tokens": [made["api_token"]], "password": login}
    system = {"base_url": str(process.describe(home)["kintone"]["http_url"]), "auth": auth, "concurrency": 4}
    try:
        # The child fails unless exactly so many records came; its peak is over what imports took.
        sample = in_child(f"from benchmarks.kintone_child import pull; pull({system!r}, {made['code']!r}, {rows})")
    finally:
        process.control(home, "heal", {}, server="kintone")
    assert process.control(home, "traffic", {}, server="kintone")["highest_running"] <= 4
    assert sample.peak_mb < 300
