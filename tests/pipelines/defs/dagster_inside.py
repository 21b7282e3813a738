"""The private Dagster modules that these tests stand on, and nothing else. When a Dagster release moves one of them, this is the file to mend.

With them the daemon's own scheduler and sensor code runs in this process, at an instant the test names: no daemon, no waiting for a minute.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import dagster as dg

# The daemon package must come before the scheduler: they import each other.
import dagster._daemon.daemon  # isort: skip
import dagster._daemon.sensor as sensor_daemon
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from pipelines.defs.instance import dagster_home
from pipelines.project import PROJECT_VARIABLE, load

_HERE = {
    "run_launcher": {"module": "dagster._core.launcher.sync_in_memory_run_launcher", "class": "SyncInMemoryRunLauncher"},
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
}


@contextmanager
def daemon_of(folder: Path) -> Iterator[WorkspaceProcessContext]:
    """The project's own instance and definitions as a daemon sees them; runs happen at once, in this process."""
    os.environ[PROJECT_VARIABLE] = str(folder)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    # The module builds the definitions of one project when it is imported: another project needs it anew. Dagster caches what it
    # loaded by module and working directory, so each project names its own folder as the latter.
    sys.modules.pop("pipelines.definitions", None)
    home = dagster_home(load(folder))
    os.environ["DAGSTER_HOME"] = str(home)
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(module_name="pipelines.definitions", working_directory=str(folder)), location_name="fortnight"
    )
    with (
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=_HERE)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as context,
    ):
        yield context


def tick_schedules(context: WorkspaceProcessContext, *instants: datetime) -> None:
    """Let Dagster's scheduler look at the clock at each instant, in order. The first look only arms the schedules."""
    for at in instants:
        errors = [
            found
            for found in launch_scheduled_runs(context, logging.getLogger("scheduler of the test"), at.astimezone(UTC), iteration_times={})
            if found is not None
        ]
        assert not errors, errors


def tick_sensors(context: WorkspaceProcessContext, name: str, times: int) -> None:
    """Turn a sensor on, as an operator does, and let Dagster's sensor daemon evaluate it so many times without waiting in between."""
    (location,) = context.create_request_context().code_locations
    (repository,) = location.get_repositories().values()
    context.instance.start_sensor(repository.get_sensor(name))
    with mock.patch.object(sensor_daemon, "is_under_min_interval", return_value=False):
        for _ in range(times):
            found = [
                error
                for error in sensor_daemon.execute_sensor_iteration(context, logging.getLogger("sensors of the test"), None, None)
                if error
            ]
            assert not found, found
