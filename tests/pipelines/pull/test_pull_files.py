"""Files behind rows: one that cannot be had is listed with its reason and takes nothing with it; only a refusal of us ends the pull."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import STREAM, Row, Source, names, project_of, run

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FileRefused, FortnightError, NoContent
from connectors.protocol import Scope
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project

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
