"""Dagster under a travelled clock: its own scheduler, retry and backfill code, looked at slot by slot in this process, at instants we name.

The only file of the product with private Dagster names. They are those of the pinned version: ``tests/pipelines/defs/test_travel.py``
says which one moved when a new version moves one. What is lived like this is stored as in real operation: ticks, runs, check records and
partitions of the same code location, so the witness and the sealer read it with the same code.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import dagster as dg

# The daemon package must come before the scheduler: they import each other.
import dagster._daemon.daemon  # isort: skip  # pyright: ignore[reportUnusedImport]
from dagster._core.definitions.asset_checks.asset_check_result import AssetCheckResult
from dagster._core.events import DagsterEventType
from dagster._core.execution import context_creation_job
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.execution.plan import active
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin, ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.remote_representation.code_location import InProcessCodeLocation
from dagster._core.storage.event_log import sql_event_log
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._utils import interrupts

from pipelines.clock import SimulatedClock
from pipelines.defs.instance import dagster_home
from pipelines.defs.jobs import system_job_name
from pipelines.defs.keys import stream_key
from pipelines.defs.resources import ProjectResource
from pipelines.project import PROJECT_VARIABLE, Project
from pipelines.pull.outcome import Report, silent

if TYPE_CHECKING:
    from time_machine import Traveller

#: The version whose private names stand above.
PINNED = "1.13.27"
MODULE, LOCATION = "pipelines.definitions", "fortnight"
#: Runs happen at once, in this process, so that the instant they happen at is the one that was travelled to.
HERE = {
    "run_launcher": {"module": "pipelines.defs.travel", "class": "Launcher"},
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
}
#: Where Dagster opens SQLite, anew for every event it stores.
_SQLITE = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
#: Files of runs that are kept open at once: one is written at a time, and the next run's is another.
_OPEN = 8
_log = logging.getLogger("fortnight.travel")
#: Rounds of the daemon within which a backfill of a few days has ended.
_ROUNDS = 20
_LAUNCH = """mutation($params: ExecutionParams!) { answer: launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_BACKFILL = """mutation($params: LaunchBackfillParams!) { answer: launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


class Launcher(SyncInMemoryRunLauncher):
    """Launches a run here and now, unless its worker is to die: then the run has failed before any of its steps."""

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        self.dying: set[str] = set()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Raises nothing for a worker that dies: what Dagster's run monitoring would find is reported in its place."""
        run = context.dagster_run
        if run.job_name not in self.dying:
            return super().launch_run(context)
        self.dying.discard(run.job_name)
        self._instance.report_run_failed(run, "The worker of this run died.")


class _Location(InProcessCodeLocation):
    """The definitions in this process under the origin they have in real operation: what is stored shows in the web UI as its own."""

    @property
    def origin(self) -> Any:
        return ManagedGrpcPythonEnvCodeLocationOrigin(_target(), location_name=LOCATION)


class _Origin(InProcessCodeLocationOrigin):
    def create_location(self, instance: dg.DagsterInstance) -> InProcessCodeLocation:
        return _Location(self, instance)


def _target(folder: Path | None = None) -> LoadableTargetOrigin:
    # As workspace.yaml is read: the module, and the folder that the file lies in.
    here = Path(__file__).resolve().parents[2]
    return LoadableTargetOrigin(module_name=MODULE, working_directory=str(folder or here))


class Travelled:
    """A project's Dagster at the instant of ``clock``. ``passing`` is told each instant that time is about to be put forward to."""

    def __init__(
        self, context: WorkspaceProcessContext, resource: ProjectResource, traveller: Traveller, passing: Callable[[datetime], None]
    ) -> None:
        self._context, self._resource, self._traveller, self._passing = context, resource, traveller, passing
        assert isinstance(resource.clock, SimulatedClock)
        self.clock = resource.clock

    @property
    def project(self) -> Project:
        """The project as the runs see it: a contract that is renewed here is the one that they pull under."""
        return self._resource.project

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._context.instance

    def move_to(self, at: datetime) -> None:
        """Put the process's time forward to ``at`` (aware). What is due in between happens on the way."""
        self._passing(at)
        self._traveller.move_to(self.clock.move_to(at).timestamp())

    def nap(self, seconds: float) -> None:
        """What sleeping is here: a run that waits before it tries again lets time pass."""
        self.move_to(self.clock.now() + timedelta(seconds=seconds))

    def slots(self, since: datetime, until: datetime) -> list[datetime]:
        """The instants (UTC) in ``since < t <= until`` at which a schedule that is switched on is due, each once, in order."""
        stored = {state.selector_id: state for state in self.instance.all_instigator_state()}
        found: set[datetime] = set()
        for schedule in self._repository().get_schedules():
            if not schedule.get_current_instigator_state(stored.get(schedule.selector_id)).is_running:
                continue
            for at in schedule.execution_time_iterator(since.timestamp()):
                if at > until:
                    break
                if at > since:
                    found.add(at.astimezone(UTC))
        return sorted(found)

    def look(self) -> None:
        """One round of Dagster's daemon now: schedules that are due, backfills that were asked for, runs that are to be tried again."""
        at = self.clock.now()
        _through(launch_scheduled_runs(self._context, _log, at, iteration_times={}))
        _through(execute_backfill_iteration(self._context, _log))
        _through(EventLogConsumerDaemon().run_iteration(self._context))

    def switch(self, names: Iterable[str] | None, *, on: bool) -> list[str]:
        """Switch schedules on or off, as somebody does in the web UI; all of them without names. Returns those that were switched."""
        wanted = None if names is None else set(names)
        switched: list[str] = []
        for schedule in self._repository().get_schedules():
            if wanted is not None and schedule.name not in wanted:
                continue
            if on:
                self.instance.start_schedule(schedule)
            else:
                self.instance.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)
            switched.append(schedule.name)
        return sorted(switched)

    def schedules(self) -> list[str]:
        """The names of all schedules, in order."""
        return sorted(schedule.name for schedule in self._repository().get_schedules())

    def forge(self, stream: str, check: str, day: str) -> None:
        """Report a check as passed that no run made: what one unauthenticated request to the web UI does."""
        forged = dg.AssetCheckEvaluation(asset_key=stream_key(stream), check_name=check, passed=True, metadata={}, partition=day)
        self.instance.report_runless_asset_event(forged)

    def launch(self, system: str, day: str) -> str:
        """Launch the pulls of a system for a day by hand, with the request that the web UI sends. Returns the run's id."""
        selector = {"repositoryLocationName": LOCATION, "repositoryName": self._repository().name, "jobName": system_job_name(system)}
        tags = [{"key": "dagster/partition", "value": day}]
        params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
        return str(self._ask(_LAUNCH, {"params": params})["run"]["runId"])

    def crash(self, system: str) -> None:
        """Let the worker of the next run of a system's pulls die as it starts. The daemon sees the failed run, and tries it again."""
        launcher = self.instance.run_launcher
        assert isinstance(launcher, Launcher)
        launcher.dying.add(system_job_name(system))

    def backfill(self, stream: str, days: list[str]) -> str:
        """Backfill a stream over days, with the request that the web UI sends, and let the daemon work until it has ended. Returns its id."""
        params = {"assetSelection": [{"path": list(stream_key(stream).path)}], "partitionNames": days, "title": f"{stream} {days[0]}"}
        made = str(self._ask(_BACKFILL, {"params": params})["backfillId"])
        for _ in range(_ROUNDS):
            _through(execute_backfill_iteration(self._context, _log))
            found = self.instance.get_backfill(made)
            if found is not None and found.status in BULK_ACTION_TERMINAL_STATUSES:
                return made
        raise RuntimeError(f"the backfill {made} did not end in {_ROUNDS} rounds of the daemon")

    def _ask(self, mutation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """One request to Dagster's GraphQL, in this process. An answer that is no success is a RuntimeError with it."""
        from dagster_graphql.schema import create_schema

        request = create_schema().execute_async(mutation, context_value=self._context.create_request_context(), variable_values=variables)
        result = asyncio.run(request)
        if result.errors or result.data is None:
            raise RuntimeError(f"Dagster answered: {result.errors}")
        answer = dict(result.data["answer"])
        if not answer["__typename"].endswith("Success"):
            raise RuntimeError(f"Dagster refused: {answer}")
        return answer

    def _repository(self) -> Any:
        (location,) = self._context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        return repository


class _Naps:
    """Stands in for ``time`` in the module in which Dagster sleeps between two tries of a step."""

    def __init__(self, travelled: Travelled) -> None:
        self.sleep = travelled.nap

    def time(self) -> float:
        import time

        return time.time()  # noqa: TID251  # Dagster's own, which travels


@contextmanager
def travel(
    project: Project,
    clock: SimulatedClock,
    definitions: Any,
    *,
    report: Report = silent,
    passing: Callable[[datetime], None] = lambda at: None,
) -> Generator[Travelled]:
    """Open the project's Dagster in this process at the instant of ``clock``, until the end of the block.

    ``definitions`` is the module ``pipelines.definitions``, which lies above this one: what it builds for ``project`` is what Dagster loads
    here, once. Not for a process that does anything else meanwhile: all of it travels.
    """
    import time_machine

    os.environ[PROJECT_VARIABLE] = str(project.folder)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    home = dagster_home(project)
    os.environ["DAGSTER_HOME"] = str(home)
    resource = ProjectResource(str(project.folder), clock, report, outside)
    definitions.defs = definitions.build(project, resource)
    # Dagster keeps what it loaded by module and working folder: the project's folder, so that each has its own.
    origin = _Origin(_target(project.folder), location_name=LOCATION)
    with (
        _kept_open(),
        _told_once(),
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=HERE)) as instance,
        time_machine.travel(clock.now().timestamp(), tick=True) as traveller,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as context,
    ):
        travelled = Travelled(context, resource, traveller, passing)
        # What runs would print is stored with them, and whoever looks on is told day by day.
        silenced = mock.patch.object(context_creation_job, "default_system_loggers", lambda _: [])
        # Whoever lives the days says what Ctrl-C does. Dagster would take it for its own, and let a run fail that was not to.
        heard = mock.patch.object(interrupts, "_replace_interrupt_signal", lambda _: None)
        with silenced, heard, mock.patch.object(active, "time", _Naps(travelled)):
            yield travelled


@contextmanager
def _kept_open() -> Generator[None]:
    """Dagster's SQLite files opened once instead of once an event, and written without waiting for the disk; its migration scripts read once
    instead of once a run, each of which has a file of its own; and that file begun as a copy of the first one as it was without events.

    A machine that loses its power in the middle of a simulation loses the simulation.
    """
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, event

    engines: dict[str, Any] = {}
    read = ScriptDirectory.from_config
    scripts: dict[str | None, ScriptDirectory] = {}
    begin: Callable[..., None] = sqlite_event_log.SqliteEventLogStorage._initdb  # pyright: ignore[reportPrivateUsage]
    blank: list[bytes] = []

    def known(config: Any) -> ScriptDirectory:
        where = config.get_main_option("script_location")
        if where not in scripts:
            scripts[where] = read(config)
        return scripts[where]

    def kept(address: str, **_: Any) -> Any:
        if address not in engines:
            while len(engines) >= _OPEN + len(_SQLITE):
                oldest = next(one for one in engines if "/history/runs/" in one and not one.endswith("/index.db"))
                type(engines[oldest]).dispose(engines.pop(oldest))
            engine: Any = create_engine(address, connect_args={"timeout": sqlite_event_log.SQLITE_BUSY_TIMEOUT_SECONDS})
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
            # Dagster disposes of what it opened for one statement.
            engine.dispose = lambda: None
            engines[address] = engine
        return engines[address]

    def begun(storage: Any, engine: Any, for_index_shard: bool = False) -> None:
        file = Path(str(engine.url.database))
        new = not (for_index_shard or file.exists())
        if new and blank:
            file.write_bytes(blank[0])
        # Dagster looks whether anything is missing.
        begin(storage, engine, for_index_shard)
        if new and not blank:
            with closing(sqlite3.connect(file)) as first:
                blank.append(first.serialize())

    with ExitStack() as patched:
        patched.enter_context(mock.patch.object(ScriptDirectory, "from_config", known))
        patched.enter_context(mock.patch.object(sqlite_event_log.SqliteEventLogStorage, "_initdb", begun))
        for module in _SQLITE:
            patched.enter_context(mock.patch.object(module, "create_engine", kept))
        try:
            yield
        finally:
            for engine in engines.values():
                type(engine).dispose(engine)


@contextmanager
def _told_once() -> Generator[None]:
    """Which materialization a check is of, asked once until one is stored: Dagster asks anew for each check of a step. And an event written
    as text once: Dagster does so for each table that it is stored in."""
    ask: Callable[..., Any] = AssetCheckResult._get_partitioned_target_materialization_data  # pyright: ignore[reportPrivateUsage]
    store = sqlite_event_log.SqliteEventLogStorage.store_event
    told: dict[tuple[dg.AssetKey, str], Any] = {}
    write: Callable[..., str] = sql_event_log.serialize_value
    last: tuple[Any, str] = (None, "")

    def written(value: Any) -> str:
        nonlocal last
        # No event changes once it was made.
        if value is None or value is not last[0]:
            last = (value, write(value))
        return last[1]

    def target(result: AssetCheckResult, step: Any, asset_key: dg.AssetKey, partition_key: str) -> Any:
        at = (asset_key, partition_key)
        if at not in told:
            told[at] = ask(result, step, asset_key, partition_key)
        return told[at]

    def stored(storage: Any, event: Any) -> None:
        store(storage, event)
        if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION:
            told.clear()

    with (
        mock.patch.object(AssetCheckResult, "_get_partitioned_target_materialization_data", target),
        mock.patch.object(sqlite_event_log.SqliteEventLogStorage, "store_event", stored),
        mock.patch.object(sql_event_log, "serialize_value", written),
    ):
        yield


@contextmanager
def outside() -> Generator[None]:
    """The machine's own time for as long as the block lasts."""
    import time_machine

    now = time_machine.escape_hatch.datetime.datetime.now(UTC)
    with time_machine.travel(now.timestamp(), tick=True):
        yield


def _through(found: Iterable[Any]) -> None:
    """Exhaust a daemon's iterator. What it calls an error ends the simulation: a slot that could not be looked at was not lived."""
    errors = [one for one in found if one is not None and hasattr(one, "message")]
    if errors:
        raise RuntimeError("\n".join(str(one) for one in errors))
