"""Access in Dagster: memberships every quarter of an hour, the sample after the pulls, both on a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from conformance.live import ORIGIN, contract_of, project_for, write_contract
from small_project import definitions_of

from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.defs.keys import access_keys
from pipelines.project import Project, load
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull

RULES = "sharepoint/quality-rules"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    home = tmp_path_factory.mktemp("tenant")
    process.up(home, origin=ORIGIN, base_port=0, only=("sharepoint",))
    made = project_for(tmp_path_factory.mktemp("access") / "project", home)
    connector = made.connect("sharepoint")
    try:
        offer = next(offer for offer in connector.discover() if offer.source.get("name") == "品質規程")
    finally:
        connector.close()
    write_contract(made, contract_of(offer, RULES))
    try:
        yield load(made.folder)
    finally:
        process.down(home)


def tick(project: Project, name: str) -> dg.RunRequest | dg.SkipReason | object:
    schedule = definitions_of(project.folder).get_schedule_def(name)
    at = datetime(2026, 11, 27, 9, 15, tzinfo=ZoneInfo("Asia/Tokyo"))
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        return schedule(context)


def test_memberships_wait_for_the_first_pull_and_are_then_read_and_held_against_the_source(project: Project) -> None:
    skipped = tick(project, "roster_sharepoint_often")
    assert isinstance(skipped, dg.SkipReason) and "published" in str(skipped.skip_message)
    assert pull(project, Request(RULES), WallClock()).error is None
    assert isinstance(tick(project, "roster_sharepoint_often"), dg.RunRequest)
    roster, agreement, versions = access_keys("sharepoint")
    definitions = definitions_of(project.folder)
    with dg.instance_for_test() as instance:
        for job, key in (("roster_sharepoint", roster), ("versions_sharepoint", versions), ("agreement_sharepoint", agreement)):
            run = definitions.resolve_job_def(job).execute_in_process(instance=instance)
            assert run.success and [event.asset_key for event in run.get_asset_materialization_events()] == [key]
        (check,) = run.get_asset_check_evaluations()
    assert check.check_name == "agreement" and check.passed and check.metadata["rate"].value == 1.0
