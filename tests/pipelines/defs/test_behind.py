"""An index is built behind the pulls that are under way, and does not wait for ever."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from pipelines.defs.behind import under_way, wait_for

PULLS = {"pull_kintone", "pull_erp"}


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def launched(instance: dg.DagsterInstance, job: str, status: Status) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name=job, status=status))


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING])
def test_a_pull_that_is_queued_or_under_way_is_waited_for(instance: dg.DagsterInstance, status: Status) -> None:
    run = launched(instance, "pull_kintone", status)
    said: list[str] = []

    def sleep(_: float) -> None:
        instance.delete_run(run.run_id)
        launched(instance, "pull_kintone", Status.SUCCESS)

    assert wait_for(instance, PULLS, said.append, sleep)
    assert said == [f"waits for pull_kintone {run.run_id}"]


def test_nothing_is_waited_for_where_no_pull_of_the_index_runs(instance: dg.DagsterInstance) -> None:
    for job, status in (("pull_sharepoint", Status.STARTED), ("index_support", Status.STARTED), ("pull_kintone", Status.FAILURE)):
        launched(instance, job, status)
    assert under_way(instance, PULLS) == []
    assert wait_for(instance, PULLS, pytest.fail, pytest.fail)


def test_a_pull_that_hangs_holds_an_index_up_for_so_long_and_no_longer(instance: dg.DagsterInstance) -> None:
    run = launched(instance, "pull_erp", Status.STARTED)
    said: list[str] = []
    slept: list[float] = []
    assert not wait_for(instance, PULLS, said.append, slept.append, patience=60)
    assert sum(slept) == 60
    assert said == [f"waits for pull_erp {run.run_id}", f"not waited for any longer: pull_erp {run.run_id}"]
