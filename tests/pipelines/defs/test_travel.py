"""The private Dagster names that simulated days stand on: when a new version moves one, this says which."""

from __future__ import annotations

import importlib
import inspect
from datetime import UTC, datetime, timedelta
from importlib import metadata

import pytest

from pipelines.clock import SimulatedClock

#: Module → the names that travel.py takes from it.
NAMES = {
    "dagster._core.execution.backfill": ("BULK_ACTION_TERMINAL_STATUSES",),
    "dagster._core.execution.context_creation_job": ("default_system_loggers",),
    "dagster._core.execution.plan.active": ("time",),
    "dagster._core.instance.ref": ("InstanceRef",),
    "dagster._core.launcher": ("LaunchRunContext",),
    "dagster._core.launcher.sync_in_memory_run_launcher": ("SyncInMemoryRunLauncher",),
    "dagster._core.remote_origin": ("InProcessCodeLocationOrigin", "ManagedGrpcPythonEnvCodeLocationOrigin"),
    "dagster._core.remote_representation.code_location": ("InProcessCodeLocation",),
    "dagster._core.run_coordinator": ("DefaultRunCoordinator",),
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": ("create_engine", "SQLITE_BUSY_TIMEOUT_SECONDS"),
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
    from pathlib import Path

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
