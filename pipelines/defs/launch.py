"""How a command runs a Dagster job in its own process: the project's instance, its definitions, one partition or a range of them."""

from __future__ import annotations

import logging
import os
from importlib import resources
from pathlib import Path

import dagster as dg

from pipelines.clock import Clock
from pipelines.defs.assets import stream_key
from pipelines.defs.resources import ProjectResource
from pipelines.project import PROJECT_VARIABLE, Project
from pipelines.pull.outcome import Report

RANGE_TAGS: tuple[str, str] = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def dagster_home(project: Project) -> Path:
    """The instance folder of a project, made with its dagster.yaml when it is not there. An operator's own changes to it stay."""
    home = project.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(resources.files("pipelines.defs").joinpath("instance.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return home


def instance_of(project: Project) -> dg.DagsterInstance:
    """The project's Dagster instance; it is also what DAGSTER_HOME names for anything started from here."""
    os.environ["DAGSTER_HOME"] = str(dagster_home(project))
    os.environ[PROJECT_VARIABLE] = str(project.folder)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    return dg.DagsterInstance.get()


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
    opened = instance or instance_of(project)
    from pipelines.definitions import build

    definitions = build(project, ProjectResource(folder=str(project.folder)).watched(clock, report))
    tags: dict[str, str] = dict(zip(RANGE_TAGS, span, strict=True)) if span else {}
    return definitions.get_job_def(name).execute_in_process(
        instance=opened,
        partition_key=partition,
        raise_on_error=False,
        tags=tags,
        asset_selection=[stream_key(stream) for stream in streams] if streams else None,
    )
