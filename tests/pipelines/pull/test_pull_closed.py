"""A stream whose source lets nobody read it now is hidden from everybody, keeps its rows, and comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripted import STREAM, Row, Source, names, project_of, run

from connectors.errors import AccessRefused, FortnightError, Locked, SourceUnavailable, Withdrawn
from connectors.protocol import Cursor, Known, Page, Schema, Stream, Window
from pipelines.index.overlay import NewestAccess, overlay_of
from pipelines.landing.snapshot import Snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project

SITE = {"host": "https://graph.example", "path": "/v1.0/sites/contoso.example:/sites/old"}
LOCKED = Locked("sharepoint.locked", status=423, error_code="resourceLocked", **SITE)
REFUSED = Locked("sharepoint.forbidden", status=403, error_code="accessDenied", **SITE)
GONE = Withdrawn("sharepoint.site_unknown", site="/sites/old", tried="contoso.example:/sites/old", host="https://graph.example")


@dataclass
class Closing(Source):
    """A source that answers with an error: before a row is read (``shut``), or in the middle (``broken``)."""

    shut: FortnightError | None = None
    broken: FortnightError | None = None

    def describe(self, stream: Stream) -> Schema:
        if self.shut:
            raise self.shut
        return super().describe(stream)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        for page in super().pull(stream, window, cursor):
            yield page
            if self.broken:
                raise self.broken


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path / "project")


def rows(count: int) -> dict[int, Row]:
    return {number: Row(f"部品{number}") for number in range(1, count + 1)}


def scopes(project: Project) -> list[dict[str, Any]]:
    found = Warehouse(project.root).read("scopes", STREAM)
    assert found is not None
    return found.to_pylist()


def readable(project: Project) -> set[str]:
    """Rows that somebody may still read by the newest published access; every live row has to be known to it."""
    warehouse = Warehouse(project.root)
    record = warehouse.published(STREAM)
    assert record is not None
    pin = Snapshot(warehouse, record)
    live, who = pin.live(), pin.read("scopes")
    assert live is not None and who is not None
    overlay = overlay_of([NewestAccess(STREAM, ("id",), live, who)], pin.access_at)
    assert len(overlay.live) == live.num_rows
    return {row for row, scope in overlay.live.items() if overlay.scopes[STREAM].get(scope)}


@pytest.mark.parametrize("answer", [LOCKED, REFUSED, GONE])
@pytest.mark.parametrize("when", ["shut", "broken"])
def test_a_closed_stream_is_hidden_not_deleted_and_says_why(project: Project, answer: FortnightError, when: str) -> None:
    source = Closing(rows(12))
    run(project, source)
    assert len(readable(project)) == 12
    source.later()
    source.put(3, name="読まれない変更")
    setattr(source, when, answer)
    result = run(project, source)
    assert result.outcome == "failed" and result.error is answer
    assert names(project) == {number: f"部品{number}" for number in range(1, 13)}
    assert readable(project) == set()
    for scope in scopes(project):
        assert (scope["principals"], scope["resolved"], scope["reason"]) == ([], False, answer.say())


def test_each_answer_that_it_is_still_closed_makes_the_rights_young_and_writes_no_table(project: Project) -> None:
    """The index is as old as its oldest stream's rights: a closed stream must not keep the others from being served."""
    source = Closing(rows(3))
    run(project, source)
    source.shut = LOCKED
    run(project, source)
    hidden = Warehouse(project.root).published(STREAM)
    run(project, source)
    again = Warehouse(project.root).published(STREAM)
    assert hidden is not None and again is not None and hidden.access_at is not None and again.access_at is not None
    assert again.access_at > hidden.access_at and again.tables == hidden.tables and again.cursor == hidden.cursor
    assert again.watermark == hidden.watermark and again.reconciled_at == hidden.reconciled_at


def test_a_stream_that_is_open_again_is_shown_again_with_all_that_happened(project: Project) -> None:
    source = Closing(rows(3))
    run(project, source)
    source.later()
    source.put(2, name="閉じている間の変更")
    source.shut = LOCKED
    run(project, source)
    source.shut = None
    source.later()
    assert run(project, source).succeeded
    assert names(project)[2] == "閉じている間の変更" and len(readable(project)) == 3


@pytest.mark.parametrize(
    "answer",
    [
        AccessRefused("sharepoint.token_refused", status=401, error_code="unauthenticated", **SITE),
        SourceUnavailable("sharepoint.busy", status=503, error_code="", **SITE),
    ],
)
def test_trouble_that_says_nothing_about_the_stream_leaves_it_as_it_was(project: Project, answer: FortnightError) -> None:
    source = Closing(rows(3))
    run(project, source)
    before = Warehouse(project.root).published(STREAM)
    source.shut = answer
    assert run(project, source).error is answer
    assert Warehouse(project.root).published(STREAM) == before and len(readable(project)) == 3


def test_a_stream_that_was_closed_before_its_first_pull_has_nothing_to_hide(project: Project) -> None:
    assert run(project, Closing(rows(3), shut=LOCKED)).error is LOCKED
    assert Warehouse(project.root).published(STREAM) is None
