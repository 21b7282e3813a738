"""Access assets of systems that keep a roster: who is in what, on its own clock, the sample that compares us with the source, and what the
largest files take with their versions.

https://docs.dagster.io/guides/build/assets
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from connectors.errors import FortnightError
from pipelines.defs import checks
from pipelines.defs.keys import access_keys
from pipelines.defs.resources import ProjectResource
from pipelines.project import Project
from pipelines.pull.roster import KINDS

CHECK, MEMBERSHIPS = "agreement", "memberships"


def roster_systems(project: Project) -> list[str]:
    """The systems with a readable contract whose memberships can be read apart from their streams, in order."""
    systems = {stream.partition("/")[0] for stream in project.contracts}
    return sorted(system for system in systems if project.file.systems[system].get("kind") in KINDS)


def access_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Three assets for each such system."""
    return [asset for system in roster_systems(project) for asset in (_roster(system), _agreement(system), _versions(system))]


def _roster(system: str) -> dg.AssetsDefinition:
    roster_key, *_ = access_keys(system)

    @dg.asset(
        key=roster_key,
        group_name="access",
        kinds={"delta"},
        description=f"Accounts and group memberships of {system}, read apart from its streams. A change of members rewrites no document.",
        check_specs=[
            dg.AssetCheckSpec(
                MEMBERSHIPS,
                asset=roster_key,
                description="Whether every group that opens something could be read. By a group that could not be, nobody reads.",
            )
        ],
        pool=f"source_{system.replace('-', '_')}",
    )
    def roster(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> Iterator[Any]:
        from pipelines.pull.roster import refresh, roster_check

        try:
            with project_files.outside():
                found = refresh(project_files.project, system, project_files.clock)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        numbers = {name: getattr(found, name) for name in ("accounts", "members", "came", "left", "groups", "asked")}
        metadata: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(value) for name, value in numbers.items()}
        metadata["unread"] = dg.MetadataValue.int(len(found.unread))
        yield dg.MaterializeResult(asset_key=roster_key, metadata=metadata)
        yield checks.result(roster_key, roster_check(found))

    return roster


def _agreement(system: str) -> dg.AssetsDefinition:
    roster_key, agreement_key, _ = access_keys(system)

    @dg.asset(
        key=agreement_key,
        deps=[roster_key],
        group_name="access",
        kinds={"delta"},
        description=f"Sampled pairs of a person and a row of {system}, asked of the source and of our tables.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=agreement_key,
                description="Whether the source lets in whom we let in. The rate and each kind of difference plot.",
            )
        ],
        pool=f"source_{system.replace('-', '_')}",
    )
    def agreement(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> Iterator[Any]:
        from pipelines.serving.examination.agreement import agree, agreement_check

        try:
            with project_files.outside():
                found = agree(project_files.project, system, project_files.clock, context.run.run_id)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        check = agreement_check(found)
        yield dg.MaterializeResult(
            asset_key=agreement_key,
            metadata={
                **{name: dg.MetadataValue.float(value) for name, value in check.numbers.items()},
                "sample": dg.MetadataValue.text(found.sample),
            },
        )
        yield checks.result(agreement_key, check)

    return agreement


def _versions(system: str) -> dg.AssetsDefinition:
    *_, versions_key = access_keys(system)

    @dg.asset(
        key=versions_key,
        group_name="access",
        kinds={"delta"},
        description=f"What the largest files of {system} take with all their versions, for the access report.",
        pool=f"source_{system.replace('-', '_')}",
    )
    def versions(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        from pipelines.pull.versions import weigh

        try:
            with project_files.outside():
                found = weigh(project_files.project, system, project_files.clock)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        names = ("asked", "files", "versions", "bytes", "current_bytes")
        return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(getattr(found, name)) for name in names})

    return versions
