"""Sensors: notice a change at a source between slots. What a change is, the connector says; a pull decides what to do with it.

https://docs.dagster.io/guides/automate/sensors
"""

import json
from zoneinfo import ZoneInfo

import dagster as dg

from connectors.capabilities import Glimpses
from connectors.errors import SourceError
from pipelines.clock import WallClock
from pipelines.defs.jobs import AssetJob, by_system, system_job_name
from pipelines.defs.keys import stream_key
from pipelines.project import Project, load


def sensors(project: Project, found: dict[str, AssetJob]) -> list[dg.SensorDefinition]:
    """A change sensor for each kintone system: its cursor holds, per stream, the settings revision and the record count last seen.

    Stopped until an operator turns it on: it spends API calls (two per stream and tick) that belong to the customer.
    """
    return [
        _changes(project, system, found[system_job_name(system)])
        for system in by_system(project)
        if project.file.systems[system].get("kind") == "kintone"
    ]


def _changes(project: Project, system: str, job: AssetJob) -> dg.SensorDefinition:
    folder, streams = project.folder, by_system(project)[system]

    @dg.sensor(
        job=job, name=f"{system.replace('-', '_')}_changes", minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        live = load(folder)
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        now: dict[str, str] = {}
        connector = live.connect(system)
        assert isinstance(connector, Glimpses)
        try:
            for stream in streams:
                now[stream] = connector.glimpse(live.contract(stream).told())
        except SourceError as error:
            return dg.SkipReason(error.say())
        finally:
            connector.close()
        changed = [stream for stream in streams if now[stream] != seen.get(stream)]
        if not changed:
            return dg.SkipReason(f"nothing changed in {len(streams)} streams")
        day = WallClock().now().astimezone(ZoneInfo(live.file.timezone)).date().isoformat()
        # No run key: Dagster would never again launch one it has seen, and a source may well come back to a state it was in before.
        request = dg.RunRequest(partition_key=day, asset_selection=[stream_key(s) for s in changed])
        return dg.SensorResult(run_requests=[request], cursor=json.dumps(now))

    return changes
