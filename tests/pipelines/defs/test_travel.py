"""The private Dagster names that simulated days stand on: when a new version moves one, this says which."""

from __future__ import annotations

import importlib
import inspect
import sqlite3
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.clock import SimulatedClock

#: Module → the names that travel.py takes from it.
NAMES = {
    "dagster._core.definitions.asset_checks.asset_check_result": ("AssetCheckResult",),
    "dagster._core.events": ("DagsterEventType",),
    "dagster._core.execution.backfill": ("BULK_ACTION_TERMINAL_STATUSES",),
    "dagster._core.execution.context_creation_job": ("default_system_loggers",),
    "dagster._core.execution.plan.active": ("time",),
    "dagster._core.instance.ref": ("InstanceRef",),
    "dagster._core.launcher": ("LaunchRunContext",),
    "dagster._core.launcher.sync_in_memory_run_launcher": ("SyncInMemoryRunLauncher",),
    "dagster._core.remote_origin": ("InProcessCodeLocationOrigin", "ManagedGrpcPythonEnvCodeLocationOrigin"),
    "dagster._core.remote_representation.code_location": ("InProcessCodeLocation",),
    "dagster._core.run_coordinator": ("DefaultRunCoordinator",),
    "dagster._core.storage.event_log.sql_event_log": ("serialize_value",),
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": (
        "create_engine",
        "SQLITE_BUSY_TIMEOUT_SECONDS",
        "SqliteEventLogStorage",
    ),
    "dagster._core.storage.noop_compute_log_manager": ("NoOpComputeLogManager",),
    "dagster._core.storage.runs.sqlite.sqlite_run_storage": ("create_engine",),
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage": ("create_engine",),
    "dagster._core.types.loadable_target_origin": ("LoadableTargetOrigin",),
    "dagster._core.workspace.context": ("WorkspaceProcessContext",),
    "dagster._core.workspace.load_target": ("InProcessWorkspaceLoadTarget",),
    "dagster._daemon.auto_run_reexecution.event_log_consumer": ("EventLogConsumerDaemon",),
    "dagster._daemon.backfill": ("execute_backfill_iteration",),
    "dagster._scheduler.scheduler": ("launch_scheduled_runs",),
    "dagster._utils.interrupts": ("_replace_interrupt_signal",),
}


def test_the_version_is_the_one_whose_names_were_looked_at() -> None:
    from pipelines.defs.travel import PINNED

    assert metadata.version("dagster") == PINNED


@pytest.mark.parametrize("module", NAMES)
def test_every_private_name_is_where_it_was(module: str) -> None:
    # The daemon package must come before the scheduler: they import each other.
    importlib.import_module("dagster._daemon.daemon")
    found = importlib.import_module(module)
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


def test_dagster_still_sleeps_between_two_tries_where_the_simulation_lets_time_pass() -> None:
    from dagster._core.execution.plan.active import ActiveExecution

    assert "time.sleep(" in inspect.getsource(ActiveExecution.sleep_til_ready)
    assert "time.time()" in inspect.getsource(ActiveExecution.sleep_interval)


def test_dagster_still_takes_ctrl_c_for_its_own_where_the_simulation_keeps_it() -> None:
    from dagster._utils import interrupts

    for block in (interrupts.capture_interrupts, interrupts.raise_interrupts_as):
        assert "_replace_interrupt_signal(_new_signal_handler)" in inspect.getsource(block)


def test_no_other_file_of_the_product_gains_a_private_name_of_the_daemon_or_the_scheduler() -> None:
    import pipelines

    root = Path(pipelines.__file__).parent
    users = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "dagster._daemon." in path.read_text("utf-8") or "dagster._scheduler" in path.read_text("utf-8")
    }
    assert users == {"defs/travel.py"}


def test_a_simulated_clock_says_so_runs_on_and_is_only_ever_put_forward() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    clock = SimulatedClock(start)
    assert clock.kind == "simulated"
    assert clock.now() >= start
    later = start + timedelta(days=3)
    assert clock.move_to(later) >= later
    assert clock.move_to(start) >= later, "an earlier instant moves nothing"


def test_the_file_of_a_later_run_holds_what_dagster_makes_of_the_first_ones(tmp_path: Path) -> None:
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    from pipelines.defs.travel import _kept_open  # pyright: ignore[reportPrivateUsage]

    with _kept_open():
        storage = SqliteEventLogStorage(f"{tmp_path}/history/runs/")
        for run in ("first", "second", "third"):
            with storage.run_connection(run):
                """Opened, and so begun."""
    first, *later = (_made(tmp_path / "history" / "runs" / f"{run}.db") for run in ("first", "second", "third"))
    assert later == [first, first]
    assert first["revision"] and first["integrity"] == [("ok",)]


def _made(file: Path) -> dict[str, list[Any]]:
    asked = {
        "revision": "SELECT * FROM alembic_version",
        "tables": "SELECT type, name, sql FROM sqlite_master ORDER BY name",
        "journal": "PRAGMA journal_mode",
        "integrity": "PRAGMA integrity_check",
        "events": "SELECT count(*) FROM event_logs",
    }
    with closing(sqlite3.connect(file)) as connection:
        return {name: connection.execute(question).fetchall() for name, question in asked.items()}


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(["a", "b"]),
    check_specs=[dg.AssetCheckSpec(name, asset="thing") for name in ("one", "two", "after")],
)
def thing() -> Any:
    yield dg.AssetCheckResult(check_name="one", passed=True)
    yield dg.AssetCheckResult(check_name="two", passed=True)
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="after", passed=True)


def test_a_check_names_the_materialization_that_dagster_would_have_it_name(tmp_path: Path) -> None:
    from pipelines.defs.travel import _told_once  # pyright: ignore[reportPrivateUsage]

    named: list[list[tuple[str, str | None]]] = []
    for folder in ("as it is", "told once"):
        (tmp_path / folder).mkdir()
        with dg.DagsterInstance.local_temp(str(tmp_path / folder)) as instance, nullcontext() if folder == "as it is" else _told_once():
            runs = {part: dg.materialize([thing], instance=instance, partition_key=part[0]) for part in ("a", "b", "a again")}
        whose: dict[str | None, str] = {run.run_id: part for part, run in runs.items()}
        named.append(
            [
                (f"{part} {found.check_name}", found.target_materialization_data and whose[found.target_materialization_data.run_id])
                for part, run in runs.items()
                for found in run.get_asset_check_evaluations()
            ]
        )
    assert named[1] == named[0]
    assert {"a one": None, "a after": "a", "a again one": "a", "a again after": "a again"}.items() <= dict(named[1]).items()
