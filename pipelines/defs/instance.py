"""The project's Dagster instance: where it lives and how it is opened. What it holds is Dagster's; evidence does not depend on it."""

from __future__ import annotations

import logging
import os
from importlib import resources
from pathlib import Path

import dagster as dg

from pipelines.project import PROJECT_VARIABLE, Project


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
