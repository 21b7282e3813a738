"""The cheap look at an ERP and at SharePoint: nothing while nothing moved, something when something did, nothing again after the pull."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull
from pipelines.pull.watch import Looked, look
from tests.conftest import project_at

ORDERS, RULES, ACTIONS, PAGES = (
    "erp/purchase-orders",
    "sharepoint/quality-rules",
    "sharepoint/corrective-actions",
    "sharepoint/quality-pages",
)


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Project]]:
    home = tmp_path_factory.mktemp("watched")
    process.up(home, base_port=0, only=("erp", "sharepoint"))
    yield home, load(project_at(tmp_path_factory.mktemp("at") / "project", home))
    process.down(home)


def looked(project: Project, *streams: str) -> Looked:
    connector = project.connect(streams[0].split("/")[0])
    try:
        return look(project, connector, streams, Warehouse(project.root).published)
    finally:
        connector.close()


def test_a_look_sees_what_moved_since_the_pull_and_nothing_else(living: tuple[Path, Project]) -> None:
    home, project = living
    assert looked(project, ORDERS).silent == (ORDERS,), "what was never pulled has nothing to be compared with"
    for stream in (ORDERS, RULES, ACTIONS):
        assert pull(project, Request(stream), WallClock()).error is None
    assert looked(project, ORDERS).texts == {ORDERS: ""}
    quiet = looked(project, RULES, ACTIONS, PAGES)
    assert (quiet.texts, quiet.silent) == ({RULES: "", ACTIONS: ""}, (PAGES,)), "pages have no feed: their slots see them"

    process.control(home, "create", {"path": "品質規程/新しい規程.html", "site": "quality", "text": "規程"}, server="sharepoint")
    process.advance(home, 2)
    moved = looked(project, RULES, ACTIONS).texts
    assert moved[RULES]
    assert looked(project, RULES).texts[RULES] == moved[RULES], "a look consumes nothing"
    assert looked(project, ORDERS).texts[ORDERS]

    assert pull(project, Request(RULES), WallClock()).error is None
    assert looked(project, RULES).texts == {RULES: ""}
