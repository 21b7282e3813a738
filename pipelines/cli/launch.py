"""How a command runs a Dagster job in its own process: the project's instance, its definitions, one partition or a range of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipelines.clock import Clock
from pipelines.project import PROJECT_VARIABLE, Project
from pipelines.pull.outcome import Report

if TYPE_CHECKING:
    import dagster as dg

RANGE_TAGS: tuple[str, str] = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def run_job(
    project: Project,
    name: str,
    clock: Clock,
    report: Report,
    *,
    partition: str | None = None,
    span: tuple[str, str] | None = None,
    streams: tuple[str, ...] | None = None,
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job here and now, recorded in the project's instance like any other run. Failures stand in the result, not in an exception."""
    os.environ[PROJECT_VARIABLE] = str(project.folder)
    from pipelines.definitions import build
    from pipelines.defs.instance import instance_of
    from pipelines.defs.keys import stream_key
    from pipelines.defs.resources import ProjectResource

    opened = instance or instance_of(project)

    definitions = build(project, ProjectResource(folder=str(project.folder)).watched(clock, report))
    tags: dict[str, str] = dict(zip(RANGE_TAGS, span, strict=True)) if span else {}
    return definitions.resolve_job_def(name).execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=opened,
        partition_key=partition,
        raise_on_error=False,
        tags=tags,
        asset_selection=[stream_key(stream) for stream in streams] if streams else None,
    )
