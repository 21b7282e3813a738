"""Access in Dagster: memberships every quarter of an hour, the sample after the pulls, both on a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from conformance.live import tenant, with_offers
from small_project import definitions_of

from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.defs.keys import access_keys
from pipelines.project import Project
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull

RULES = "sharepoint/quality-rules"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture(scope="module")
def project(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return with_offers(tmp_path_factory.mktemp("access") / "project", home, {("/sites/quality", "品質規程"): RULES})


def tick(project: Project, name: str) -> dg.RunRequest | dg.SkipReason | object:
    schedule = definitions_of(project.folder).get_schedule_def(name)
    at = datetime(2026, 11, 27, 9, 15, tzinfo=ZoneInfo("Asia/Tokyo"))
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        return schedule(context)


def test_memberships_wait_for_the_first_pull_and_are_then_read_and_held_against_the_source(project: Project) -> None:
    names = ("roster_sharepoint_often", "agreement_sharepoint_daily", "versions_sharepoint_weekly")
    for skipped in (tick(project, name) for name in names):
        assert isinstance(skipped, dg.SkipReason) and "published" in str(skipped.skip_message)
    assert pull(project, Request(RULES), WallClock()).error is None
    assert all(isinstance(tick(project, name), dg.RunRequest) for name in names)
    roster, agreement, versions = access_keys("sharepoint")
    definitions = definitions_of(project.folder)
    with dg.instance_for_test() as instance:
        for job, key in (("roster_sharepoint", roster), ("versions_sharepoint", versions), ("agreement_sharepoint", agreement)):
            run = definitions.resolve_job_def(job).execute_in_process(instance=instance)
            assert run.success and [event.asset_key for event in run.get_asset_materialization_events()] == [key]
            found = {check.check_name: check for check in run.get_asset_check_evaluations()}
            assert all(check.passed for check in found.values()) and len(found) == (job != "versions_sharepoint")
    check = found["agreement"]
    assert check.check_name == "agreement" and check.passed and check.metadata["rate"].value == 1.0


def test_a_site_that_is_closed_while_memberships_are_read_leaves_no_green_asset_behind(project: Project, home: Path) -> None:
    assert pull(project, Request(RULES), WallClock()).error is None
    process.control(home, "break", {"name": "refuse-site", "site": "quality"})
    try:
        with dg.instance_for_test() as instance:
            run = definitions_of(project.folder).resolve_job_def("roster_sharepoint").execute_in_process(instance=instance)
        (check,) = run.get_asset_check_evaluations()
    finally:
        process.control(home, "heal", {})
    assert (check.check_name, check.passed, check.severity) == ("memberships", False, dg.AssetCheckSeverity.WARN)
    table = check.metadata["table"]
    assert isinstance(table, dg.TableMetadataValue)
    groups = [str(record.data["group"]) for record in table.records]
    assert groups and all("(spgroup:" in group for group in groups), "each by the name people know it by"
