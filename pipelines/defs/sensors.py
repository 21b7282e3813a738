"""Sensors: notice a change at a source between slots. What a change is, the connector says; when one is forgotten, ``pipelines/pull/watch.py``.

https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import dagster as dg
import uuid_utils

from connectors.errors import FixConfiguration, SourceError
from pipelines.clock import WallClock
from pipelines.defs.fresh import fresh_sensor
from pipelines.defs.jobs import AssetJob, by_system, system_job_name
from pipelines.defs.keys import stream_key
from pipelines.defs.tags import launch_tags
from pipelines.project import Project, load
from pipelines.pull import notes
from pipelines.pull.watch import Fate, Watched, decide, look

if TYPE_CHECKING:
    from pipelines.landing.warehouse import Warehouse

#: The tag by which a later look finds the run that an earlier one asked for.
MARK_TAG = "fortnight/look"
#: How often, in seconds, a note is looked for. It costs one request to our own storage and none to the source.
NOTE_SECONDS = 30


def sensors(project: Project, found: dict[str, AssetJob]) -> list[dg.SensorDefinition]:
    """A change sensor for each system: settings revision and count of kintone apps, the delta link of SharePoint lists and libraries, the
    changed-since request of ERP queries. And for each index a sensor that keeps it fresh.

    Stopped until an operator turns them on: they spend API calls that belong to the customer (the first one or two per stream and look, the
    other an incremental pull of every stream each time).
    """
    changes = [_changes(project, system, found[system_job_name(system)]) for system in by_system(project)]
    return [*changes, *(fresh_sensor(project, name, found) for name in project.file.indexes)]


def _changes(project: Project, system: str, job: AssetJob) -> dg.SensorDefinition:
    folder, streams = project.folder, by_system(project)[system]
    watch = project.file.watch
    noted = system in watch.noted

    @dg.sensor(
        job=job,
        name=f"{system.replace('-', '_')}_changes",
        minimum_interval_seconds=min(NOTE_SECONDS, watch.seconds) if noted else watch.seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        tags={"fortnight/system": system},
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from pipelines.landing.warehouse import Warehouse

        memory, now = Watched.read(context.cursor), WallClock().now()
        note = notes.version(project.root, "notes", system) if noted else ""
        if noted and note == memory.note and memory.looked and now - memory.looked < timedelta(seconds=watch.seconds):
            return dg.SkipReason(f"no new note, and {system} was looked at less than {watch.seconds} s ago")
        live = load(folder)
        warehouse = Warehouse(live.root)
        try:
            connector = live.connect(system)
        except (SourceError, FixConfiguration) as error:
            return dg.SkipReason(error.say())
        try:
            looked = look(live, connector, streams, warehouse.published)
        finally:
            connector.close()

        def fate(stream: str, mark: str, at: datetime) -> Fate:
            return _fate(context.instance, mark, published=_since(warehouse, stream, at))

        mark = str(uuid_utils.uuid7())
        ask, after = decide(memory, looked, fate, mark, now)
        after = after.model_copy(update={"note": note})
        said = [str(one) for one in looked.failures]
        if said and not looked.texts:
            return dg.SkipReason("; ".join(said))
        if not ask:
            quiet = f"nothing changed in {len(looked.texts)} streams"
            beside = f"; {len(looked.silent)} can't be asked cheaply and wait for their slots" if looked.silent else ""
            reason = "; ".join([*said, *([quiet + beside] if looked.texts or looked.silent else [])])
            return dg.SensorResult(skip_reason=reason, cursor=after.write())
        day = now.astimezone(ZoneInfo(live.file.timezone)).date().isoformat()
        # No run key: Dagster would never again launch one it has seen, and a source may well come back to a state it was in before.
        request = dg.RunRequest(
            partition_key=day,
            asset_selection=[stream_key(one) for one in ask],
            tags={**launch_tags("sensor", day), MARK_TAG: mark},
        )
        for sentence in said:
            context.log.warning(sentence)
        return dg.SensorResult(run_requests=[request], cursor=after.write())

    return changes


def _fate(instance: dg.DagsterInstance, mark: str, *, published: bool) -> Fate:
    """What became of the runs with this mark, retries of them included: their tags are their parent's."""
    if published:
        return "done"
    runs = instance.get_runs(filters=dg.RunsFilter(tags={MARK_TAG: mark}), limit=5)
    if not runs:
        return "lost"
    if any(not run.is_finished for run in runs) or runs[0].tags.get("dagster/will_retry") == "true":
        return "running"
    return "done" if runs[0].is_success else "failed"


def _since(warehouse: Warehouse, stream: str, at: datetime) -> bool:
    """Whether a pull that began after the look published the stream, whoever started it. A pull's id holds the instant of its making."""
    record = warehouse.published(stream)
    return record is not None and (UUID(record.pull_id).int >> 80) > at.timestamp() * 1000
