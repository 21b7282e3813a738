"""Jobs: one per system (its streams in one run, in one process), two for its books and tables, three for its access where it keeps a roster,
one for its subscriptions where it tells a receiver of changes, one for each index, one for the seal, one for the ledger's archive, one for the
audit of answers. No logic.

https://docs.dagster.io/guides/build/jobs
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipelines.defs.access_assets import roster_systems
from pipelines.defs.keys import ARCHIVE, AUDIT, LEDGER, access_keys, books_key, index_keys, stream_key, subscriptions_key, tables_key
from pipelines.defs.tags import job_tags
from pipelines.project import Project
from pipelines.pull.subscribing import subscribing

#: What ``dg.define_asset_job`` returns has no public name in Dagster.
AssetJob = Any
#: Re-importing the code location for each step costs more than a small pull; isolation comes from one run per system.
IN_PROCESS = dg.in_process_executor


def system_job_name(system: str) -> str:
    return f"pull_{system.replace('-', '_')}"


def index_job_name(index: str) -> str:
    return f"index_{index.replace('-', '_')}"


def roster_job_name(system: str) -> str:
    return f"roster_{system.replace('-', '_')}"


def agreement_job_name(system: str) -> str:
    return f"agreement_{system.replace('-', '_')}"


def versions_job_name(system: str) -> str:
    return f"versions_{system.replace('-', '_')}"


def books_job_name(system: str) -> str:
    return f"books_{system.replace('-', '_')}"


def tables_job_name(system: str) -> str:
    return f"tables_{system.replace('-', '_')}"


def subscriptions_job_name(system: str) -> str:
    return f"subscriptions_{system.replace('-', '_')}"


def jobs(project: Project) -> list[AssetJob]:
    """All jobs of a project, by name."""
    found = [
        dg.define_asset_job(
            system_job_name(system),
            selection=dg.AssetSelection.assets(*[stream_key(s) for s in streams]),
            executor_def=IN_PROCESS,
            tags=job_tags("pull", system=system),
            description=f"Pull every stream of {system}.",
        )
        for system, streams in by_system(project).items()
    ]
    found += [
        dg.define_asset_job(
            index_job_name(name),
            selection=dg.AssetSelection.assets(*index_keys(name)),
            executor_def=IN_PROCESS,
            tags=job_tags("index", index=name),
            description=f"Build a candidate of {name}, let the gate decide, move the pointer only when it is eligible.",
        )
        for name in project.file.indexes
    ]
    for system, streams in by_system(project).items():
        for kind, name, keys, what in (
            (
                "books",
                books_job_name(system),
                [books_key(stream) for stream in streams],
                f"Compare the ids of {system} with ours, stream by stream.",
            ),
            ("tables", tables_job_name(system), [tables_key(system)], f"Compact and vacuum the tables of {system}."),
        ):
            selection = dg.AssetSelection.assets(*keys)
            tags = job_tags(kind, system=system)
            found.append(dg.define_asset_job(name, selection=selection, executor_def=IN_PROCESS, tags=tags, description=what))
    for system in roster_systems(project):
        roster, agreement, versions = access_keys(system)
        for kind, name, key, what in (
            ("roster", roster_job_name(system), roster, f"Read who is in what in {system}."),
            ("agreement", agreement_job_name(system), agreement, f"Ask {system} whether it agrees with our tables."),
            ("versions", versions_job_name(system), versions, f"Weigh the versions of the largest files of {system}."),
        ):
            selection, tags = dg.AssetSelection.assets(key), job_tags(kind, system=system)
            found.append(dg.define_asset_job(name, selection=selection, executor_def=IN_PROCESS, tags=tags, description=what))
    for system in subscribing(project):
        selection, tags = dg.AssetSelection.assets(subscriptions_key(system)), job_tags("watch", system=system)
        what = f"See to it that {system} tells us of its changes."
        found.append(
            dg.define_asset_job(subscriptions_job_name(system), selection=selection, executor_def=IN_PROCESS, tags=tags, description=what)
        )
    found.append(
        dg.define_asset_job(
            "seal",
            selection=dg.AssetSelection.assets(LEDGER),
            executor_def=IN_PROCESS,
            tags=job_tags("seal"),
            description="Seal every closed day: the only writer of the chain.",
        )
    )
    found.append(
        dg.define_asset_job(
            "archive",
            selection=dg.AssetSelection.assets(ARCHIVE),
            executor_def=IN_PROCESS,
            tags=job_tags("archive"),
            description="Move the details of old evidence out of the ledger, into the archive beside it.",
        )
    )
    if project.file.indexes:
        found.append(
            dg.define_asset_job(
                "audit",
                selection=dg.AssetSelection.assets(AUDIT),
                executor_def=IN_PROCESS,
                tags=job_tags("audit"),
                description="Let the audit of answers forget what is past its time.",
            )
        )
    return found


def by_system(project: Project) -> dict[str, list[str]]:
    """System → its streams with a readable contract, both in order."""
    found: dict[str, list[str]] = {}
    for stream in sorted(project.contracts):
        found.setdefault(stream.split("/")[0], []).append(stream)
    return found
