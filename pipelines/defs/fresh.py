"""The sensor that keeps an index fresh all day: its streams are pulled every few minutes, and a candidate is built once one is behind them.

https://docs.dagster.io/guides/automate/sensors
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.clock import WallClock
from pipelines.defs.behind import under_way
from pipelines.defs.jobs import AssetJob, by_system, index_job_name, system_job_name
from pipelines.defs.keys import stream_key
from pipelines.defs.tags import launch_tags
from pipelines.project import Project, load

#: How often the streams of an index that is kept fresh are pulled, and how often it is looked whether its candidate is behind them. With both, an edit
#: is in the candidate well within a quarter of an hour: ``python -m benchmarks serving.freshness``.
PULL_EVERY = timedelta(minutes=5)
LOOK_EVERY = timedelta(minutes=1)


def fresh_name(index: str) -> str:
    """The sensor of an index."""
    return f"{index_job_name(index)}_fresh"


def fresh_sensor(project: Project, name: str, found: dict[str, AssetJob]) -> dg.SensorDefinition:
    """Pulls the streams of an index every few minutes, for a save moves nothing that could be glimpsed; builds a candidate once one is behind.

    Its cursor holds when it last asked for pulls, and the published numbers that a build was last asked for: a build that fails is not asked for again
    until something newer is published. What is under way is never asked for twice.
    """
    folder = project.folder
    streams = [stream for stream in project.file.indexes[name].streams if stream in project.contracts]
    of_system = {system: [one for one in own if one in streams] for system, own in by_system(project).items()}
    pulls = {system_job_name(system): own for system, own in of_system.items() if own}
    build = index_job_name(name)

    @dg.sensor(
        jobs=[*(found[job] for job in pulls), found[build]],
        name=fresh_name(name),
        minimum_interval_seconds=int(LOOK_EVERY.total_seconds()),
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def fresh(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        live, now = load(folder), WallClock().now()
        cursor = json.loads(context.cursor) if context.cursor else {}
        day = now.astimezone(ZoneInfo(live.file.timezone)).date().isoformat()
        asked: list[dg.RunRequest] = []
        last = datetime.fromisoformat(cursor["pulled"]) if "pulled" in cursor else None
        if last is None or now - last >= PULL_EVERY:
            for job, own in pulls.items():
                if not under_way(context.instance, {job}):
                    asked.append(
                        dg.RunRequest(
                            job_name=job,
                            partition_key=day,
                            asset_selection=[stream_key(one) for one in own],
                            tags=launch_tags("sensor", day),
                        )
                    )
            cursor["pulled"] = now.isoformat()
        behind = newer_than_candidate(live, name, streams)
        if behind and behind != cursor.get("built") and not under_way(context.instance, {build}):
            asked.append(dg.RunRequest(job_name=build, partition_key=day, tags=launch_tags("sensor", day)))
            cursor["built"] = behind
        if not asked:
            return dg.SkipReason(f"{name} is {'being built' if behind else 'as new as its streams'}; they are pulled every {PULL_EVERY}")
        return dg.SensorResult(run_requests=asked, cursor=json.dumps(cursor))

    return fresh


def newer_than_candidate(project: Project, index: str, streams: Sequence[str]) -> dict[str, int]:
    """The published numbers of an index's streams, where one is not what the newest candidate was built from; {} where none is, or one never was."""
    from pipelines.index.releases import newest_candidate
    from pipelines.landing.warehouse import Warehouse

    warehouse = Warehouse(project.root)
    records = {stream: warehouse.published(stream) for stream in streams}
    numbers = {stream: record.number for stream, record in records.items() if record is not None}
    made = newest_candidate(project.root, index)
    built = {stream: one.published for stream, one in made.inputs.items()} if made is not None else {}
    return numbers if len(numbers) == len(streams) and numbers != built else {}
