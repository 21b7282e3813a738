"""A source that stumbles in the middle of a pull: a short trouble is outlived, a long one or a lie fails the pull whole. Real sockets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN, project_for, rows_by_key, with_contract

from connectors.errors import SourceError
from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

#: About 1,300 of the 20,000 orders: three pages, so that there is a middle.
REPAIRS = {"app_code": "ORDERS", "condition": '受注区分 in ("修理")'}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stumbling")
    process.up(folder, origin=ORIGIN, base_port=0, only=("kintone", "erp"))
    yield folder
    process.down(folder)


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Both streams published once, undisturbed."""
    project = project_for(tmp_path_factory.mktemp("loaded") / "project", home)
    project = with_contract(project, "kintone/orders", source=REPAIRS)
    project = with_contract(project, "erp/purchase-orders")
    contract = project.contract("erp/purchase-orders")
    smaller = contract.source | {"paging": contract.source["paging"] | {"page": 400}}
    project = with_contract(project, "erp/purchase-orders", source=smaller)
    for stream in ("kintone/orders", "erp/purchase-orders"):
        assert again(project, stream).error is None
    return project


@pytest.fixture(autouse=True)
def healed(home: Path) -> Iterator[None]:
    yield
    process.control(home, "heal", {})


def again(project: Project, stream: str) -> Result:
    return pull(project, Request(stream, full=True), WallClock())


def strike(home: Path, server: str, **fault: Any) -> None:
    process.control(home, "fault", fault, server=server)


@pytest.mark.parametrize("kind", ["503", "429", "drop", "slow"])
@pytest.mark.parametrize("skip", [0, 2])
def test_kintone_stumbling_once_is_asked_again_and_nothing_is_missing(loaded: Project, home: Path, kind: str, skip: int) -> None:
    rows = rows_by_key(loaded, "kintone/orders")
    strike(home, "kintone", kind=kind, count=1, skip=skip, path="/records.json")
    result = again(loaded, "kintone/orders")
    assert result.error is None and rows_by_key(loaded, "kintone/orders") == rows


@pytest.mark.parametrize("kind", ["503", "drop", "truncate", "empty200"])
@pytest.mark.parametrize("after", [1, 3])
def test_the_erp_stumbling_once_is_asked_again_and_nothing_is_missing(loaded: Project, home: Path, kind: str, after: int) -> None:
    rows = rows_by_key(loaded, "erp/purchase-orders")
    strike(home, "erp", kind=kind, count=1, after=after)
    result = again(loaded, "erp/purchase-orders")
    assert result.error is None and rows_by_key(loaded, "erp/purchase-orders") == rows


def refused_whole(project: Project, stream: str) -> SourceError:
    """A pull that fails as the source's fault, after which everything published is as it was and the next pull succeeds."""
    before, rows = Warehouse(project.root).published(stream), rows_by_key(project, stream)
    result = again(project, stream)
    assert isinstance(result.error, SourceError) and result.error.exit_code == 3
    assert result.outcome == "failed" and result.published is None
    assert Warehouse(project.root).published(stream) == before and rows_by_key(project, stream) == rows
    assert "Traceback" not in result.error.say("ja") and result.error.say("ja") != result.error.say("en")
    return result.error


@pytest.mark.parametrize("fault", [{"kind": "html200", "count": 1}, {"kind": "503"}])
def test_kintone_answering_with_a_web_page_or_not_at_all_fails_the_pull_whole(loaded: Project, home: Path, fault: dict[str, Any]) -> None:
    strike(home, "kintone", **fault, skip=2, path="/records.json")
    refused_whole(loaded, "kintone/orders")
    process.control(home, "heal", {})
    assert again(loaded, "kintone/orders").error is None


@pytest.mark.parametrize("fault", ["html200", "fault500", "fault200", "wrong_count", "app_error"])
@pytest.mark.parametrize("after", [2, 3])
def test_an_erp_reply_that_is_not_what_it_should_be_fails_the_pull_whole(loaded: Project, home: Path, fault: str, after: int) -> None:
    strike(home, "erp", kind=fault, count=1, after=after)
    refused_whole(loaded, "erp/purchase-orders")


def test_an_erp_that_cuts_every_reply_fails_the_pull_whole(loaded: Project, home: Path) -> None:
    strike(home, "erp", kind="truncate", count=50, after=1)
    refused_whole(loaded, "erp/purchase-orders")


def test_a_wsdl_that_turns_into_a_login_page_fails_the_pull_before_it_reads(loaded: Project, home: Path) -> None:
    strike(home, "erp", kind="html200", on="wsdl", count=99)
    refused_whole(loaded, "erp/purchase-orders")
    process.control(home, "heal", {})


def test_a_source_that_goes_away_in_the_middle_fails_the_pull_and_no_secret_is_said(
    loaded: Project, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strike(home, "kintone", kind="drop", skip=1, path="/records.json")
    caplog.set_level(logging.INFO)
    error = refused_whole(loaded, "kintone/orders")
    secrets = [value for name, value in loaded.variables.items() if "TOKEN" in name or "PASSWORD" in name]
    assert len(secrets) >= 6
    for secret in secrets:
        assert secret not in caplog.text and secret not in str(error)
