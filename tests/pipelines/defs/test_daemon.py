"""Dagster's real daemon, in its own process: three ticks of a one-minute schedule are three counted claims, and the closed day seals green."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from small_project import CUSTOMERS, write_project

from pipelines.cli.dev import dagster_environment
from pipelines.cli.launch import run_job
from pipelines.clock import FixedClock, WallClock
from pipelines.defs.instance import instance_of
from pipelines.defs.seal import seal_project
from pipelines.evidence import sealer
from pipelines.evidence.plan import claims_of, ledger_of
from pipelines.project import Project, load
from pipelines.pull.outcome import silent

ROOT = Path(__file__).resolve().parents[3]
#: The project's own assets and jobs, with its schedule turned every minute instead of once a day.
EVERY_MINUTE = """
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.definitions import build
from pipelines.project import find, load


def every_minute(project, base):
    (job,) = [one for one in base.jobs if one.name == "pull_kintone"]

    @dg.schedule(job=job, name="pull_kintone_daily", cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    def slot(context):
        day = context.scheduled_execution_time.astimezone(ZoneInfo(project.file.timezone)).date()
        return dg.RunRequest(partition_key=day.isoformat())

    return dg.Definitions(assets=base.assets, jobs=[job], schedules=[slot], resources=base.resources, executor=base.executor)


defs = every_minute(load(find()), build(load(find())))
"""
#: Patience, not a promise: on a busy machine a run takes a minute itself.
MOST_SECONDS = 900


@contextmanager
def daemon(project: Project, module: Path) -> Iterator[None]:
    environment = dagster_environment(project) | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(module.parent)))}
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", module.stem]
    with (module.parent / "daemon.log").open("w") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        running.terminate()
        running.wait(timeout=60)


def ticks_with_runs(instance: dg.DagsterInstance) -> list[datetime]:
    states = [state for state in instance.all_instigator_state() if state.origin.instigator_name == "pull_kintone_daily"]
    ticks = [tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)]
    finished = {run.run_id for run in instance.get_runs() if run.is_finished}
    return sorted(datetime.fromtimestamp(tick.timestamp, UTC) for tick in ticks if set(tick.run_ids) and set(tick.run_ids) <= finished)


@pytest.mark.soak
def test_three_ticks_of_the_real_daemon_are_three_counted_claims_and_the_closed_day_seals_green(
    tmp_path: Path, kintone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One minute is no cadence of the product's calendar; the slots of the minutes are handed to the sealer in its place."""
    zone = "Asia/Tokyo" if datetime.now(ZoneInfo("Asia/Tokyo")).hour < 23 else "Europe/London"
    project = load(write_project(tmp_path / "project", CUSTOMERS, home=kintone, timezone=zone))
    module = tmp_path / "every_minute.py"
    module.write_text(EVERY_MINUTE, encoding="utf-8")
    today = datetime.now(ZoneInfo(zone)).date()
    with instance_of(project) as instance:
        began = time.monotonic()
        with daemon(project, module):
            while len(slots := ticks_with_runs(instance)) < 3:
                log = (tmp_path / "daemon.log").read_text()
                assert "Error loading" not in log and time.monotonic() - began < MOST_SECONDS, log[-3000:]
                time.sleep(2)
        # Whatever was in flight when the daemon ended is no part of this day.
        slots = slots[:3]
        assert run_job(project, "pull_kintone", WallClock(), silent, partition=today.isoformat(), instance=instance).success
        monkeypatch.setattr(sealer, "due_of", lambda *_: tuple(slots))
        monkeypatch.setattr(sealer, "changed_after", lambda *_: None)
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), tzinfo=ZoneInfo(zone))
        (seal,) = seal_project(project, instance, FixedClock(midnight + timedelta(hours=1, minutes=10), kind="wall"))
    kept = [row.entry for row in ledger_of(project).read(kinds=("evidence",))]
    counted = [row for row in kept if row.verdict == "counted"]
    assert [row.slot for row in sorted(counted, key=lambda row: str(row.slot))] == slots
    assert {row.trigger for row in counted} == {"schedule"}
    by_hand = [claim.pull_id for claim in claims_of(project).read() if claim.trigger == "manual"]
    assert [(row.pull_id, row.verdict) for row in kept if row.trigger == "manual"] == [(by_hand[0], "not_counted")]
    assert (seal.verdict, seal.reasons) == ("green", ())
