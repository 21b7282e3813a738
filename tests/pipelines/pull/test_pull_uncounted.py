"""A service that gives rows without a word of how many there are, over sockets: the old sales system counts nothing and pages nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN, project_for, write_yaml
from conformance.systems import CONTRACTS
from ruamel.yaml import YAML

from connectors.errors import CannotSay
from connectors.soap.config import SourceSpec
from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.index.books import books, books_check
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull

STREAM = "erp/hanbai-customers"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A contract that says of the operation what its vendor does: that it gives rows, and not that these are all."""
    home = tmp_path / "home"
    process.up(home, origin=ORIGIN, base_port=0, only=("erp",))
    try:
        made = project_for(tmp_path / "project", home)
        contract: dict[str, Any] = YAML(typ="safe").load(CONTRACTS / "erp" / "hanbai-customers.yaml")
        contract["source"]["complete"] = False
        write_yaml(made.folder / "contracts" / "erp" / "hanbai-customers.yaml", contract)
        yield load(made.folder)
    finally:
        process.down(home)


def test_books_nobody_can_verify_are_unverified_and_not_green(project: Project) -> None:
    result = pull(project, Request(STREAM), WallClock())
    assert result.error is None, result.error
    assert result.balance is not None and not result.balance.verified
    assert [(one.name, one.severity) for one in result.checks if not one.passed] == [("balance", "warning")]
    found = books(project, STREAM, WallClock())
    check = books_check(found)
    assert found.ids.ours.count == result.counts["live"] == Warehouse(project.root).live_count(STREAM) > 0
    assert not found.balanced and not check.passed and check.severity == "warning"
    assert "UNVERIFIED" in check.summary
    connector = project.connect("erp")
    try:
        with pytest.raises(CannotSay) as caught:
            list(connector.keys(project.contract(STREAM).told()))
    finally:
        connector.close()
    assert caught.value.code == "soap.not_complete" and "source.count" in caught.value.say("en")


def test_a_service_that_counts_is_not_said_to_be_incomplete() -> None:
    spec = {"operation": "Read", "rows": "Row", "count": {"operation": "Count", "path": "Count"}, "complete": False}
    with pytest.raises(ValueError, match="leave `complete` out"):
        SourceSpec.model_validate(spec)
