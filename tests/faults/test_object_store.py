"""Storage on S3 and on Azure Blob Storage: pulls, records and upkeep as on a disk, two pulls at once without a lock, and a store that refuses."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure_store
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from object_store import LOCAL, Proxy, s3_server

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "pull"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "landing"))
from conformance.live import write_yaml
from scripted import STREAM, Row, Source, names, project_of, run
from stored import START, batch, pulled, record, told
from stored import STREAM as ORDERS

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.landing import published
from pipelines.landing.upkeep import compact, restore, vacuum
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

_ROOTS = itertools.count(1)


@dataclass(frozen=True)
class Store:
    """A running store: where it listens, how a deployment's environment names it when a port leads to it, and where its roots begin."""

    port: int
    variables: Callable[[int], dict[str, str]]
    address: str


@pytest.fixture(scope="module", params=["s3", "azure"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "s3":
        with s3_server() as port:
            yield Store(port, lambda at: LOCAL | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{at}"}, "s3://lake")
    else:
        with azure_store.azure_server() as (port, account):
            yield Store(port, lambda at: azure_store.by_key(at, account), f"az://{azure_store.CONTAINER}")


@pytest.fixture
def proxy(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to the store, by the environment, as deployments name it."""
    before = Proxy(store.port)
    for name, value in store.variables(before.port).items():
        monkeypatch.setenv(name, value)
    yield before
    before.close()


@pytest.fixture
def root(store: Store, proxy: Proxy) -> str:
    return f"{store.address}/root{next(_ROOTS)}"


def project(folder: Path, root: str) -> Project:
    project_of(folder)
    told: dict[str, Any] = {"name": "books", "environment": "staging", "storage": {"root": root}}
    write_yaml(folder / "project.yaml", told | {"systems": {"books": {"kind": "kintone", "base_url": "https://books.example"}}})
    return load(folder)


def test_pulls_land_change_and_delete_as_on_a_disk(tmp_path: Path, root: str) -> None:
    made, source = project(tmp_path, root), Source({number: Row(f"部品{number}") for number in range(1, 30)})
    assert run(made, source).error is None
    versions = Warehouse(root).versions(STREAM)
    source.later()
    assert run(made, source).succeeded
    assert {**versions} == Warehouse(root).versions(STREAM), "a quiet pull commits nothing there either"
    source.put(3, name="改")
    del source.rows[5]
    assert run(made, source, full=True).succeeded
    assert names(made) == {number: row.name for number, row in source.rows.items()}
    scheme = root.partition("//")[0]
    assert not (Path.cwd() / scheme).exists() and not (tmp_path / scheme).exists()


def test_a_commit_by_hand_is_named_and_stays_until_a_person_puts_it_back(root: str) -> None:
    pulled(root, 1, batch({1: "始"}))
    write_deltalake(f"{root}/current/{ORDERS}", pa.Table.from_batches([batch({666: "手書き"}, 9)]), mode="append")
    with pytest.raises(AnswerIsNo) as refused:
        pulled(root, 2, batch({2: "次"}, 2))
    said = refused.value.say()
    assert refused.value.code == "landing.foreign_commit" and f"{root}/current/{ORDERS}" in said and "version 1" in said, said
    restore(Warehouse(root), ORDERS, START, to=None, why="")
    assert told(pulled(root, 2, batch({2: "次"}, 2))) == {1: "始", 2: "次"}


def test_upkeep_and_going_back_work_there_too(root: str) -> None:
    for pull in range(1, 4):
        pulled(root, pull, batch({pull: f"取{pull}", 9: f"取{pull}"}, pull))
    compact(Warehouse(root), ORDERS, START)
    vacuum(Warehouse(root), ORDERS, START, 1, {})
    restore(Warehouse(root), ORDERS, START, to=1, why="probe")
    assert told(Warehouse(root)) == {1: "取1", 9: "取1"}
    assert told(pulled(root, 8, batch({8: "後"}, 8))) == {1: "取1", 9: "取1", 8: "後"}


def test_of_many_writers_of_one_record_exactly_one_wins(root: str) -> None:
    first = pulled(root, 1, batch({1: "始"}))
    wanted = record(first)
    start, ended = threading.Barrier(6), list[str]()

    def put(number: int) -> None:
        warehouse = Warehouse(root)
        start.wait()
        try:
            warehouse.publish(replace_id(wanted, f"w{number}"))
            ended.append(f"w{number}")
        except AnswerIsNo as error:
            assert error.code == "landing.published_meanwhile"

    writers = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    newest = Warehouse(root).published(ORDERS)
    assert newest is not None and ended == [newest.pull_id] and newest.number == 2


def replace_id(record: Any, pull_id: str) -> Any:
    return record.model_copy(update={"pull_id": pull_id})


def test_two_pulls_of_one_stream_at_once_show_one_of_them_whole_and_the_next_one_goes_on(root: str) -> None:
    """No lock holds there: one begins and ends while the other one is between two of its steps."""
    pulled(root, 1, batch({1: "始"}))
    slow = Warehouse(root)
    slow.by = "slow"
    slow.discard_unpublished(ORDERS)
    mine = record(slow)
    slow.merge("current", ORDERS, [batch({1: "遅", 2: "遅"}, 2)], batch({1: "x"}).schema)
    with pytest.raises(AnswerIsNo):
        # It puts back what the slow one wrote, which is not published; and what it publishes then is its own.
        pulled(root, 3, batch({1: "速", 3: "速"}, 3))
        slow.publish(mine.model_copy(update={"tables": slow.versions(ORDERS)}))
    assert told(Warehouse(root)) == {1: "速", 3: "速"}
    assert told(pulled(root, 4, batch({4: "後"}, 4))) == {1: "速", 3: "速", 4: "後"}


_REFUSED = [("s3", "a record"), ("s3", "a log entry"), ("s3", "everything"), ("azure", "a record")]


@pytest.mark.parametrize(("store", "when"), _REFUSED, indirect=["store"])
def test_a_store_that_answers_503_ends_the_pull_by_name_and_shows_nothing_of_it(
    tmp_path: Path, root: str, proxy: Proxy, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"a record": "/published/", "a log entry": "_delta_log", "everything": ""}[when]
    made, source = project(tmp_path, root), Source({number: Row(f"部品{number}") for number in range(1, 6)})
    assert run(made, source).succeeded
    before = names(made)
    source.later()
    source.put(2, name="改")
    proxy.refuse("*" if when == "everything" else "PUT", part)
    quick_to_give_up(monkeypatch)
    try:
        result = run(made, source)
        error = result.error
    except FixConfiguration as refused:
        error = refused  # the claim could not be written either
    assert proxy.relent() > 0 and error is not None and error.code == "landing.disk" and "503" in error.say(), error
    assert names(made) == before
    assert run(made, source).succeeded and names(made)[2] == "改"


def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries try again, for a minute at most; here once is enough."""
    monkeypatch.setattr(published, "RETRIES", 1)
