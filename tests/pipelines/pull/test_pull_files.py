"""Files behind rows: one that cannot be had is listed with its reason and takes nothing with it; only a refusal of us ends the pull."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import STREAM, Row, Source, names, project_of, run

from connectors.access import Scope
from connectors.errors import (
    AccessRefused,
    AddressUnknown,
    BrokenReply,
    FileRefused,
    FixConfiguration,
    FortnightError,
    NoContent,
    SourceUnavailable,
)
from connectors.protocol import Blob, Stream, Window
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.files import fetch_files

BLOCKED = FileRefused("sharepoint.file_blocked", name="x.exe", host="https://books.example")
GONE = AddressUnknown("sharepoint.not_found", host="https://books.example", path="/2", status=404, error_code="itemNotFound")
BROKEN = BrokenReply("sharepoint.size_mismatch", name="x", promised=3, found=2)
REFUSED = AccessRefused("sharepoint.token_refused", host="https://books.example", path="/2", status=401, error_code="unauthenticated")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path / "project", content={"kind": "file", "ref": "id", "name": "名前", "media_type": "名前", "size": "id"})


def content(project: Project) -> dict[str, tuple[Any, Any]]:
    """Status and hash of every file that a row named, by its ref."""
    rows = Warehouse(project.root).read("content", STREAM)
    assert rows is not None
    return {row["ref"]: (row["status"], row["sha256"]) for row in rows.to_pylist()}


def fetch_files_of(project: Project, source: Source) -> list[dict[str, Any]]:
    """What ``fetch_files`` lists for every row of the source."""
    contract = project.contract(STREAM)
    stream = contract.told()
    (page,) = source.pull(stream, Window())
    folder = project.folder / "files"
    folder.mkdir(exist_ok=True)
    return fetch_files(source, stream, contract, page.rows.to_pylist(), Warehouse(project.root), lambda _: None, folder).to_pylist()


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(BLOCKED, "refused: sharepoint.file_blocked"), (GONE, "gone"), (BROKEN, "broken: sharepoint.size_mismatch")],
)
def test_a_file_that_cannot_be_had_is_listed_with_its_reason_and_the_others_come(
    project: Project, trouble: FortnightError, status: str
) -> None:
    source = Source({1: Row(), 2: Row(), 3: Row()}, files={"1": b"one", "2": trouble, "3": b"three"})
    result = run(project, source)
    assert result.error is None and set(names(project)) == {1, 2, 3}
    found = content(project)
    assert found["2"] == (status, None)
    assert [found[ref][0] for ref in ("1", "3")] == ["ok", "ok"] and found["1"][1] and found["3"][1]
    assert (result.counts["files"], result.counts["files_failed"]) == (3, 1)


def test_a_file_over_the_cap_is_listed_and_not_kept_whatever_size_it_was_said_to_have(tmp_path: Path) -> None:
    block = {"kind": "file", "ref": "id", "name": "名前", "media_type": "名前", "size": "id", "max_bytes": 5}
    project = project_of(tmp_path / "project", content=block)
    # Of row 9 the size is known beforehand, so that nobody asks for it; row 2 says two bytes and sends six.
    source = Source({2: Row(), 3: Row(), 9: Row()}, files={"2": b"longer", "3": b"three", "9": b"never"})
    result = run(project, source)
    assert result.error is None and result.counts["files_failed"] == 2
    found = content(project)
    assert (found["2"], found["9"], found["3"][0]) == (("too_large", None), ("too_large", None), "ok")
    assert sorted(source.fetched) == ["2", "3"]


def test_a_row_that_moved_to_another_scope_keeps_the_bytes_we_have(project: Project) -> None:
    source = Source({1: Row(), 2: Row()}, files={"1": b"one", "2": b"two"})
    run(project, source)
    before = content(project)
    source.later()
    source.rights = (*source.rights, Scope("few", "few", ("user:kintone:a",)))
    source.rows[2] = replace(source.rows[2], scope="few")
    source.fetched.clear()
    assert run(project, source).counts["changed"] == 1
    assert source.fetched == [] and content(project) == before


def test_a_row_that_changed_has_its_file_fetched_again(project: Project) -> None:
    source = Source({1: Row(), 2: Row()}, files={"1": b"one", "2": b"two"})
    run(project, source)
    source.later()
    source.put(2, name="別名")
    source.files["2"], source.fetched[:] = b"new", []
    before = content(project)
    run(project, source)
    assert source.fetched == ["2"] and content(project)["2"] != before["2"] and content(project)["1"] == before["1"]


def test_a_row_that_says_its_bytes_are_the_same_keeps_them_whatever_else_moved(tmp_path: Path) -> None:
    spec = {"kind": "file", "ref": "id", "name": "updated_at", "media_type": "名前", "size": "id", "version": "名前"}
    project = project_of(tmp_path / "project", content=spec)
    source = Source({1: Row(), 2: Row(), 3: Row()}, files={"1": b"one", "2": b"two", "3": GONE})
    run(project, source)
    before = content(project)
    source.later()
    source.put(1)
    source.put(2, name="別の中身")
    source.put(3)
    source.files["2"], source.files["3"], source.fetched[:] = b"new", b"back", []
    assert run(project, source).counts["changed"] == 3
    assert sorted(source.fetched) == ["2", "3"], "what was never had is asked for again"
    after = content(project)
    assert after["1"] == before["1"] and after["2"] != before["2"] and after["3"][0] == "ok"


def test_a_contract_that_takes_its_version_from_a_column_it_does_not_have_is_refused(tmp_path: Path) -> None:
    spec = {"kind": "file", "ref": "id", "name": "名前", "media_type": "名前", "size": "id", "version": ["id", "hash"]}
    with pytest.raises(FixConfiguration, match="hash"):
        project_of(tmp_path / "project", content=spec).contract(STREAM)


class Threaded(Source):
    """A source that may be asked for several files at once. Files 1 to ``together`` are under way before one of them is answered, and the
    first is answered last."""

    file_workers = 4

    def __init__(self, count: int, together: int, **more: Any) -> None:
        super().__init__({number: Row() for number in range(1, count + 1)}, page=count, **more)
        self.begun: list[str] = []
        self.threads: set[int] = set()
        self._gathered, self._others = threading.Barrier(together), threading.Semaphore(0)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        self.begun.append(blob.ref)
        self.threads.add(threading.get_ident())
        number, together = int(blob.ref), self._gathered.parties
        if number > together:
            yield from super().blob(stream, blob)
            return
        self._gathered.wait(30)
        if number == 1:
            for _ in range(together - 1):
                self._others.acquire(timeout=30)
        try:
            yield from super().blob(stream, blob)
        finally:
            self._others.release()


def test_files_are_fetched_by_as_many_workers_as_the_source_bears_and_listed_in_the_order_of_their_rows(project: Project) -> None:
    source = Threaded(20, together=4, files={str(number): f"file {number}".encode() for number in range(1, 21)})
    fetched = fetch_files_of(project, source)
    assert [row["ref"] for row in fetched] == [str(number) for number in range(1, 21)]
    assert {row["status"] for row in fetched} == {"ok"} and len({row["sha256"] for row in fetched}) == 20
    assert len(source.threads) == 4 and threading.get_ident() not in source.threads


def test_a_source_that_does_not_say_it_may_be_asked_at_once_is_asked_by_this_thread_alone(project: Project) -> None:
    class Single(Source):
        def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
            threads.add(threading.get_ident())
            yield from super().blob(stream, blob)

    threads: set[int] = set()
    source = Single({number: Row() for number in range(1, 6)})
    fetch_files_of(project, source)
    assert source.fetched == ["1", "2", "3", "4", "5"] and threads == {threading.get_ident()}


def test_a_file_that_one_worker_is_refused_is_listed_and_the_others_come(project: Project) -> None:
    source = Threaded(12, together=4, files={"3": BLOCKED})
    result = run(project, source)
    assert result.error is None and (result.counts["files"], result.counts["files_failed"]) == (12, 1)
    assert content(project)["3"] == ("refused: sharepoint.file_blocked", None)


def test_of_errors_that_end_the_pull_the_first_files_is_raised_whichever_came_first_and_nothing_shows(project: Project) -> None:
    down = SourceUnavailable("source.unavailable", host="books.example", reason="HTTP 503", attempts=5)
    source = Threaded(40, together=4, files={"1": REFUSED, "2": down, "4": down})
    result = run(project, source)
    assert result.error is REFUSED and names(project) == {}
    assert Warehouse(project.root).read("content", STREAM) is None
    assert len(source.begun) < 20, "no file is asked for once it is known that the pull has failed"


def test_a_pull_killed_while_workers_fetch_leaves_nothing_visible_and_is_simply_run_again(project: Project) -> None:
    class Killed(Threaded):
        def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
            if blob.ref == "7":
                raise KeyboardInterrupt
            yield from super().blob(stream, blob)

    with pytest.raises(KeyboardInterrupt):
        run(project, Killed(12, together=4))
    assert names(project) == {} and Warehouse(project.root).read("content", STREAM) is None
    assert run(project, Threaded(12, together=4)).counts["files"] == 12


def test_a_row_without_content_of_its_own_is_neither_gone_nor_a_failure(project: Project) -> None:
    notebook = NoContent("sharepoint.not_a_file", name="会議ノート", host="https://books.example")
    result = run(project, Source({1: Row(), 2: Row()}, files={"1": b"one", "2": notebook}))
    assert result.error is None and content(project)["2"] == ("no_content", None)
    assert (result.counts["files"], result.counts["files_failed"]) == (2, 0)


def test_credentials_that_are_refused_while_files_are_fetched_fail_the_pull_whole(project: Project) -> None:
    source = Source({1: Row(), 2: Row()}, files={"2": REFUSED})
    result = run(project, source)
    assert result.outcome == "failed" and result.error is REFUSED
    assert names(project) == {}
