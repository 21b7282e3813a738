"""The ledger's archive in Dagster: old evidence leaves the ledger once a week, where an operator has decided so."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable
from small_project import FAQ, definitions_of, write_project

from pipelines.clock import WallClock
from pipelines.defs.keys import ARCHIVE
from pipelines.evidence.archive import MOVED
from pipelines.evidence.chain import Entry
from pipelines.evidence.lease import leased
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.plan import ledger_of
from pipelines.project import Project, load

LAST = date(2026, 11, 20)
OLD = LAST - timedelta(days=61)


def sealed(tmp_path: Path) -> Project:
    """A project whose ledger has evidence of two days, and keeps the details of sixty."""
    project = load(write_project(tmp_path, FAQ, ledger={"keep_details": "P60D"}))
    rows = [(kind, day) for day in (OLD, LAST) for kind in ("evidence", "seal")]
    ledger_of(project).append([Entry(kind, "sandbox", "wall", "kintone/faq", day, actor="who saw it") for kind, day in rows])
    return project


def moved(ledger: Ledger) -> list[int]:
    """The numbers of the rows whose details are not in the ledger itself any more."""
    rows = DeltaTable(ledger.location).to_pyarrow_table(columns=["seq", "schema"]).to_pylist()
    return [row["seq"] for row in rows if row["schema"] == MOVED]


def test_the_job_moves_what_is_older_than_the_project_keeps_and_the_chain_holds(tmp_path: Path) -> None:
    project = sealed(tmp_path)
    before = ledger_of(project).read()
    with dg.instance_for_test() as instance:
        run = definitions_of(project.folder).resolve_job_def("archive").execute_in_process(instance=instance)
    (made,) = run.get_asset_materialization_events()
    told = made.step_materialization_data.materialization.metadata
    assert made.asset_key == ARCHIVE
    assert (told["rows"].value, told["kept_from"].value) == (1, (LAST - timedelta(days=60)).isoformat())
    ledger = ledger_of(project)
    assert moved(ledger) == [before[0].seq]
    assert ledger.read() == before and ledger.verify().ok


def test_while_the_sealer_is_at_work_the_job_fails_with_its_name_and_moves_nothing(tmp_path: Path) -> None:
    project = sealed(tmp_path)
    with dg.instance_for_test() as instance, leased(project.root, "host:1", WallClock()):
        run = definitions_of(project.folder).resolve_job_def("archive").execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    assert not run.success and "host:1" in str(failed.step_failure_data.user_failure_data.description)
    assert moved(ledger_of(project)) == []


@pytest.mark.parametrize(("seals", "cron"), [(1, "40 2 * * 0"), (23, "40 0 * * 0")])
def test_its_schedule_is_off_until_somebody_turns_it_on_and_comes_an_hour_behind_the_seal(seals: int, cron: str, tmp_path: Path) -> None:
    definitions = definitions_of(write_project(tmp_path, FAQ, schedule={"hour": 5, "seal_hour": seals}))
    schedule = definitions.get_schedule_def("archive_weekly")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "Asia/Tokyo")
    assert definitions.get_schedule_def("seal_daily").cron_schedule == f"10 {seals} * * *"
    assert definitions.resolve_job_def("archive").tags["fortnight/kind"] == "archive"
