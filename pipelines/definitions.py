"""The whole platform on one screen: what exists, when it runs, what guards it. Read this first."""

from __future__ import annotations

import dagster as dg

from pipelines.defs.access_assets import access_assets
from pipelines.defs.alerts import alert_sensors
from pipelines.defs.assets import stream_assets
from pipelines.defs.buttons import button_jobs
from pipelines.defs.index_assets import index_assets
from pipelines.defs.jobs import IN_PROCESS, jobs
from pipelines.defs.resources import ProjectResource, sources
from pipelines.defs.schedules import schedules
from pipelines.defs.seal import seal_asset
from pipelines.defs.sensors import sensors
from pipelines.defs.upkeep_assets import upkeep_assets
from pipelines.project import Project, find, load


def build(project: Project, resource: ProjectResource | None = None) -> dg.Definitions:
    """The definitions of one project. Reads its files and nothing else: no source, no table, no clock.

    Raises FixConfiguration where an index names a stream that no contract has: half an index is no index.
    """
    project.name_streams_well()
    by_name = {str(job.name): job for job in jobs(project)}
    return dg.Definitions(
        # system/stream: a pull, with its six checks.       index/… gate/… production/…: candidate, decision, pointer.
        # access/… agreement/…: who is in what, and whether the source agrees.      books/… tables/…: ids compared, files tidied.
        assets=[*stream_assets(project), *access_assets(project), *upkeep_assets(project), *index_assets(project), seal_asset(project)],
        # One for each schedule, and the buttons: seal, drill, rollback, suspend, replay.
        jobs=[*by_name.values(), *button_jobs(project)],
        schedules=schedules(project, by_name),
        # Changes at sources between slots; what people must be told.
        sensors=[*sensors(project, by_name), *alert_sensors(project)],
        resources={"project_files": resource or ProjectResource(folder=str(project.folder)), "sources": sources},
        # What is materialized or backfilled from the web UI belongs to no job of ours, and would start a process for every step.
        executor=IN_PROCESS,
    )


defs = build(load(find()))
