"""Stream assets: one per contract, grouped by system. Index assets are in ``index_assets.py``; what a pull does is in ``pipelines/pull``.

https://docs.dagster.io/guides/build/assets
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from connectors.errors import FixConfiguration, FortnightError, SourceUnavailable
from expectations.contract import Contract, FieldSpec
from pipelines.defs import checks
from pipelines.defs.keys import stream_key
from pipelines.defs.partitions import daily, window_of
from pipelines.defs.resources import FILES, SOURCES, ProjectResource
from pipelines.project import Project
from pipelines.pull.outcome import Origin, Request, Result, Trigger
from pipelines.pull.sharing import Sharing

RETRY_TAG, SLOT_TAG = "dagster/retry_number", ".dagster/scheduled_execution_time"
BACKFILL_TAGS = ("dagster/backfill", "dagster/asset_partition_range_start")
#: Seconds before a source that was down at its slot is asked again, in the same run: after five minutes, then after a quarter of an hour.
WAITS = (300, 900)
#: Runs that nobody watches wait like that; who starts one by hand is told at once.
UNWATCHED: tuple[Trigger, ...] = ("schedule", "sensor", "retry")


def stream_assets(project: Project) -> list[dg.AssetsDefinition]:
    """An asset for every contract; a broken contract becomes an asset that fails with what is wrong, and takes no other down."""
    days = daily(project)
    return [_stream_asset(project, contract, days) for contract in project.contracts.values()] + [
        _broken_asset(stream, error) for stream, error in project.broken.items()
    ]


def _stream_asset(project: Project, contract: Contract, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    key = stream_key(contract.stream)
    kind = str(project.file.systems[contract.system].get("kind"))
    owners = [owner for owner in (contract.owners.business, contract.owners.technical) if "@" in owner]

    @dg.asset(
        key=key,
        group_name=contract.system.replace("-", "_"),
        description="\n\n".join(part for part in (contract.title, contract.description) if part) or contract.stream,
        kinds={kind, "delta"},
        owners=owners,
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=checks.specs(key, days),
        code_version=f"contract-{contract.version}",
        metadata={"dagster/column_schema": _column_schema(contract), "contract": dg.MetadataValue.int(contract.version)},
        tags={"fortnight/stream": contract.stream.replace("/", ".")},
        pool=f"source_{contract.system.replace('-', '_')}",
        required_resource_keys=FILES | SOURCES,
    )
    def stream_asset(context: dg.AssetExecutionContext) -> Iterator[Any]:
        project_files: ProjectResource = context.resources.project_files
        sharing: Sharing = context.resources.sources
        request = _request(context, project_files, contract.stream)
        try:
            with project_files.outside():
                result = sharing.pull(project_files.project, request, project_files.clock, project_files.report)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        # Only a source that was down, or a person's pull in the way, is worth another try; wrong credentials or drift would only be hammered.
        passing = isinstance(result.error, SourceUnavailable) or (result.error is not None and result.error.code == "landing.busy")
        if result.error is not None and passing and request.origin.trigger in UNWATCHED and context.retry_number < len(WAITS):
            again = dg.RetryRequested(max_retries=len(WAITS), seconds_to_wait=WAITS[context.retry_number])
            raise again from dg.Failure(description=result.error.say())
        for check in result.checks:
            yield checks.result(key, check)
        if result.error is not None:
            raise dg.Failure(description=result.error.say(), allow_retries=False)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(result))

    return stream_asset


def _broken_asset(stream: str, error: FixConfiguration) -> dg.AssetsDefinition:
    @dg.asset(
        key=stream_key(stream),
        group_name=stream.split("/")[0].replace("-", "_"),
        description=f"This contract cannot be read: {error}",
        kinds={"broken"},
    )
    def broken_contract() -> None:
        raise dg.Failure(description=error.say(), allow_retries=False)

    return broken_contract


def _request(context: dg.AssetExecutionContext, files: ProjectResource, stream: str) -> Request:
    """What this run asks of the pull. A backfill, or a day that is not today, reads that day's window; today goes on from the watermark."""
    keys = list(context.partition_keys)
    origin = origin_of(dict(context.run.tags), context.run.run_id, context.run.root_run_id, keys)
    zone = ZoneInfo(files.project.file.timezone)
    today = files.clock.now().astimezone(zone).date().isoformat()
    if origin.trigger == "backfill" or (origin.trigger == "manual" and keys != [today]):
        return Request(stream, window=window_of(files.project, keys), origin=origin)
    return Request(stream, origin=origin)


def origin_of(tags: dict[str, str], run_id: str, root_run_id: str | None, keys: list[str]) -> Origin:
    """Who launched a run, by its tags. Tags can be forged; the sealer believes only what stands in Dagster's ticks."""
    trigger: Trigger = "manual"
    if any(tag in tags for tag in BACKFILL_TAGS):
        trigger = "backfill"
    elif RETRY_TAG in tags:
        trigger = "retry"
    elif "dagster/schedule_name" in tags:
        trigger = "schedule"
    elif "dagster/sensor_name" in tags:
        trigger = "sensor"
    slot = datetime.fromisoformat(tags[SLOT_TAG]) if SLOT_TAG in tags else None
    return Origin(trigger, run_id, root_run_id or run_id, slot, keys[-1] if len(keys) == 1 else "")


def _metadata(result: Result) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(count) for name, count in result.counts.items()}
    found["pull_id"] = dg.MetadataValue.text(result.pull_id)
    found["published"] = dg.MetadataValue.int(result.published or 0)
    found["dagster/row_count"] = dg.MetadataValue.int(result.counts.get("live", 0))
    found["endpoint"] = dg.MetadataValue.text(result.endpoint + (" (sandbox)" if result.sandbox else ""))
    return found


def _column_schema(contract: Contract) -> dg.TableSchema:
    def shown(field: FieldSpec) -> dg.TableColumn:
        label = field.label or field.source
        text = " · ".join(part for part in (label if label != field.name else "", field.description, field.unit) if part)
        return dg.TableColumn(field.name, field.type, text or None, constraints=dg.TableColumnConstraints(nullable=not field.required))

    return dg.TableSchema([shown(field) for field in contract.fields])
