"""The witness: reads ticks, runs and check records from Dagster's instance and hands them over as plain data. It judges nothing.

The only module that asks Dagster what happened. Check rows count only as SUCCEEDED or FAILED joined to their run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg
from dagster import AssetCheckEvaluation, AssetCheckSeverity, DagsterRunStatus
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord, AssetCheckExecutionRecordStatus

from pipelines.defs.assets import BACKFILL_TAGS, RETRY_TAG
from pipelines.defs.fresh import fresh_name
from pipelines.defs.jobs import by_system, system_job_name
from pipelines.defs.keys import ELIGIBLE, LEDGER, index_keys, stream_key
from pipelines.evidence.witness import CheckFact, CheckStatus, Run, Runless, RunStatus, Tick, Witnessed
from pipelines.project import Project
from pipelines.pull.outcome import CHECKS

_RUN_STATUS: dict[DagsterRunStatus, RunStatus] = {
    DagsterRunStatus.SUCCESS: "succeeded",
    DagsterRunStatus.FAILURE: "failed",
    DagsterRunStatus.CANCELED: "stopped",
    DagsterRunStatus.CANCELING: "started",
    DagsterRunStatus.STARTED: "started",
    DagsterRunStatus.STARTING: "started",
    DagsterRunStatus.MANAGED: "started",
}
_CHECK_STATUS: dict[AssetCheckExecutionRecordStatus, CheckStatus] = {
    AssetCheckExecutionRecordStatus.SUCCEEDED: "succeeded",
    AssetCheckExecutionRecordStatus.FAILED: "failed",
    AssetCheckExecutionRecordStatus.PLANNED: "planned",
}
#: How the daemon begins what it says of a retry that it launched.
_RETRYING = "Retrying the run"
#: Newest rows of runs read per check. Older ones are not seen: a day that would need them lacks its evidence and cannot be green.
_CHECK_LIMIT = 500
#: Rows of a check read at once: those of a day and the one before are mostly fewer, and each has an event to be unpacked.
_CHECK_PAGE = 4
#: The most read at once, where somebody posted a great many.
_LARGEST_PAGE = 1000


def witness(project: Project, instance: dg.DagsterInstance, since: datetime) -> Witnessed:
    """Everything since ``since`` (aware UTC) that may bear on the days to be sealed."""
    runs = {run.run_id: run for run in _runs(project, instance, since)}
    checks = tuple(_checks(project, instance, since))
    posted = [Runless("check", fact.stream, fact.name, fact.recorded_at) for fact in checks if not fact.run_id]
    return Witnessed(
        ticks=tuple(_ticks(project, instance, since)),
        runs=tuple(runs.values()),
        checks=tuple(fact for fact in checks if fact.run_id),
        runless=(*posted, *_posted(project, instance, since)),
    )


def _posted(project: Project, instance: dg.DagsterInstance, since: datetime) -> Iterable[Runless]:
    """What names no run: materializations of streams, and everything of indexes and the ledger. The webserver takes such posts from anybody."""
    for stream in project.contracts:
        yield from _materializations(instance, stream_key(stream), stream, since)
    for index in project.file.indexes:
        candidate = index_keys(index)[0]
        for key in index_keys(index):
            yield from _materializations(instance, key, key.to_user_string(), since)
        check = dg.AssetCheckKey(candidate, ELIGIBLE)
        for record in _history(instance, check, since):
            at = datetime.fromtimestamp(record.create_timestamp, UTC)
            if not record.run_id and at >= since:
                yield Runless("check", candidate.to_user_string(), ELIGIBLE, at)
    yield from _materializations(instance, LEDGER, LEDGER.to_user_string(), since)


def _materializations(instance: dg.DagsterInstance, key: dg.AssetKey, subject: str, since: datetime) -> Iterable[Runless]:
    wanted = dg.AssetRecordsFilter(asset_key=key, after_timestamp=since.timestamp())
    for record in instance.fetch_materializations(wanted, limit=_CHECK_LIMIT).records:
        if not record.run_id:
            yield Runless("materialization", subject, key.to_user_string(), datetime.fromtimestamp(record.timestamp, UTC))


def _runs(project: Project, instance: dg.DagsterInstance, since: datetime) -> Iterable[Run]:
    for record in instance.get_run_records(filters=dg.RunsFilter(created_after=since - timedelta(days=1))):
        run = record.dagster_run
        tags = run.tags
        yield Run(
            run_id=run.run_id,
            root_run_id=run.root_run_id or run.run_id,
            parent_run_id=run.parent_run_id,
            status=_RUN_STATUS.get(run.status, "queued"),
            started_at=_instant(record.start_time),
            finished_at=_instant(record.end_time),
            retry_number=_number(tags.get(RETRY_TAG, "")),
            will_retry=tags.get("dagster/will_retry") == "true",
            auto_retry_run_id=_retried_as(instance, run) if "dagster/auto_retry_run_id" in tags else None,
            backfill=any(tag in tags for tag in BACKFILL_TAGS),
            streams=_streams(project, run),
            failed_streams=_failed_streams(project, instance, run) if run.status == DagsterRunStatus.FAILURE else None,
        )


def _streams(project: Project, run: dg.DagsterRun) -> tuple[str, ...] | None:
    """The streams that a run pulls. Only one that does not execute its whole job says so."""
    if run.step_keys_to_execute is None and run.asset_selection is None:
        return None
    steps = None if run.step_keys_to_execute is None else set(run.step_keys_to_execute)
    return tuple(
        stream
        for stream in project.contracts
        if (steps is None or stream_key(stream).to_python_identifier() in steps)
        and (run.asset_selection is None or stream_key(stream) in run.asset_selection)
    )


def _number(tag: str) -> int | None:
    """A retry's number; None for what is none. Anybody may launch a run with any tag."""
    return int(tag) if tag.isdecimal() and tag.isascii() and len(tag) < 5 else None


def _retried_as(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The run that the daemon launched to try ``run`` again, as it said itself in that run's log. The tag alone is no proof: the daemon also puts it
    there for a person's own try that carries a retry's number."""
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        if event is not None and event.message and event.message.startswith(_RETRYING):
            named = event.engine_event_data.metadata.get("new run")
            return str(named.value) if named is not None else None
    return None


def _failed_streams(project: Project, instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, ...] | None:
    """The streams whose own step failed. None when no step says so: then the run failed as a whole, and for all of them."""
    streams = {stream_key(stream).to_python_identifier(): stream for stream in project.contracts}
    failed = [stats.step_key for stats in instance.get_run_step_stats(run.run_id) if stats.status == StepEventStatus.FAILURE]
    return tuple(streams[key] for key in failed if key in streams) or None


def _ticks(project: Project, instance: dg.DagsterInstance, since: datetime) -> Iterable[Tick]:
    streams_of = {system_job_name(system): tuple(streams) for system, streams in by_system(project).items()}
    # What keeps an index fresh pulls far more often than anything is due: its ticks launch runs honestly, and fill no slot of any stream.
    fresh = {fresh_name(index) for index in project.file.indexes}
    for state in instance.all_instigator_state():
        name = state.origin.instigator_name
        streams = next((found for job, found in streams_of.items() if name in (f"{job}_daily", f"{job.removeprefix('pull_')}_changes")), ())
        if not streams and name not in fresh:
            continue
        kind: Literal["schedule", "sensor"] = "schedule" if name.endswith("_daily") else "sensor"
        # Dagster's ``after`` leaves out its own instant, and a slot may stand on the very second at which the day opens.
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, after=(since - timedelta(seconds=1)).timestamp()):
            yield Tick(
                kind=kind,
                name=name,
                at=datetime.fromtimestamp(tick.timestamp, UTC),
                status=tick.status.value.lower(),
                run_ids=tuple(tick.run_ids),
                streams=streams,
            )


def _checks(project: Project, instance: dg.DagsterInstance, since: datetime) -> Iterable[CheckFact]:
    for stream in project.contracts:
        for name in CHECKS:
            key = dg.AssetCheckKey(stream_key(stream), name)
            for record in _history(instance, key, since):
                at = datetime.fromtimestamp(record.create_timestamp, UTC)
                if at < since - timedelta(days=1):
                    continue
                # A planned row that was never completed carries a plan, not an evaluation.
                evaluation = record.evaluation if isinstance(record.evaluation, AssetCheckEvaluation) else None
                yield CheckFact(
                    stream=stream,
                    name=name,
                    run_id=record.run_id,
                    status=_CHECK_STATUS[record.status],
                    passed=evaluation.passed if evaluation else None,
                    severity="warn" if evaluation and evaluation.severity == AssetCheckSeverity.WARN else "error",
                    recorded_at=at,
                )


def _history(instance: dg.DagsterInstance, check: dg.AssetCheckKey, since: datetime) -> Iterator[AssetCheckExecutionRecord]:
    """The rows of a check, newest first, back to a day before ``since``; a few beyond that may come.

    A run's row is as old as its event says, for the row's own time is the machine's whatever clock the run had. What names no run ends
    nothing and uses nothing up: anybody could post it, as often as they like.
    """
    oldest, cursor, left, wanted = (since - timedelta(days=1)).timestamp(), None, _CHECK_LIMIT, _CHECK_PAGE
    while left > 0:
        page = instance.event_log_storage.get_asset_check_execution_history(check, limit=wanted, cursor=cursor)
        of_runs = [record for record in page if record.run_id]
        yield from page
        if len(page) < wanted or (of_runs and _when(of_runs[-1]) < oldest):
            return
        cursor, left = page[-1].id, left - len(of_runs)
        # A page without any run's row is a flood: it is got over in large steps.
        wanted = _CHECK_PAGE if of_runs else min(2 * wanted, _LARGEST_PAGE)


def _when(record: AssetCheckExecutionRecord) -> float:
    return record.event.timestamp if record.event else record.create_timestamp


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
