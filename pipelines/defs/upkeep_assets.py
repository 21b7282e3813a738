"""Upkeep assets: the daily books of each stream by ids, the weekly compaction and vacuum of each system's tables, the audit's daily forgetting, the
ledger's archive, and the subscriptions by which a source tells of its changes.

https://docs.dagster.io/guides/build/assets
"""

import os
import socket
from collections.abc import Iterator
from typing import Any

import dagster as dg

from connectors.errors import FortnightError
from pipelines.defs import checks
from pipelines.defs.keys import ARCHIVE, AUDIT, LEDGER, books_key, stream_key, subscriptions_key, tables_key
from pipelines.defs.resources import FILES, ProjectResource
from pipelines.project import Project
from pipelines.pull.subscribing import subscribing

CHECK = "books"
#: Days within which every published record, and every candidate, can still be read as it was.
KEPT_DAYS = 30


def upkeep_assets(project: Project) -> list[dg.AssetsDefinition]:
    """One for the books of each stream, one for the tables of each system, one for the archive, one for the audit where there is an index to answer
    from, one for the subscriptions of each system that has a receiver for its notices."""
    systems = sorted({stream.partition("/")[0] for stream in project.contracts})
    audit = [_audit()] if project.file.indexes else []
    told = [_subscriptions(system) for system in subscribing(project)]
    return [*(_books(stream) for stream in project.contracts), *(_tables(system) for system in systems), _archive(), *audit, *told]


def _books(stream: str) -> dg.AssetsDefinition:
    key, system = books_key(stream), stream.partition("/")[0]

    @dg.asset(
        key=key,
        deps=[stream_key(stream)],
        group_name="upkeep",
        kinds={"delta"},
        description=f"The rows of {stream} by their ids: at the source, with us, and in what was built of them.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                description="Every id of the source is with us or held back, none of ours is gone there, and nothing is stored that no pull wrote.",
            )
        ],
        pool=f"source_{system.replace('-', '_')}",
        required_resource_keys=FILES,
    )
    def books(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from pipelines.index.books import books as compare
        from pipelines.index.books import books_check
        from pipelines.pull.outcome import Request
        from pipelines.pull.run import pull

        project_files: ProjectResource = context.resources.project_files
        project, clock = project_files.project, project_files.clock
        try:
            with project_files.outside():
                found = compare(project, stream, clock, settle=lambda: pull(project, Request(stream), clock))
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        check = books_check(found)
        yield dg.MaterializeResult(asset_key=key, metadata={name: dg.MetadataValue.float(value) for name, value in check.numbers.items()})
        yield checks.result(key, check)

    return books


def _tables(system: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=tables_key(system),
        group_name="upkeep",
        kinds={"delta"},
        description=f"The tables of {system} written anew where their files are many, and rid of what nothing names any more.",
    )
    def tables(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        from pipelines.index.upkeep import keep_up
        from pipelines.landing.storing import storing

        project, clock = project_files.project, project_files.clock
        try:
            with storing(project.root):
                counted = keep_up(project, system, clock.now(), KEPT_DAYS)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(value) for name, value in counted.items()})

    return tables


def _archive() -> dg.AssetsDefinition:
    @dg.asset(
        key=ARCHIVE,
        deps=[LEDGER],
        group_name="evidence",
        kinds={"delta"},
        description="Details of evidence older than `ledger.keep_details`, moved out of the ledger, which keeps each row's place and hash.",
    )
    def archive(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        from pipelines.evidence.keeping import move_old

        try:
            moved = move_old(project_files.project, f"{socket.gethostname()}:{os.getpid()}", project_files.clock)
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        kept_from = moved.kept_from.isoformat() if moved.kept_from else "-"
        return dg.MaterializeResult(metadata={"rows": dg.MetadataValue.int(moved.rows), "kept_from": dg.MetadataValue.text(kept_from)})

    return archive


def _audit() -> dg.AssetsDefinition:
    @dg.asset(
        key=AUDIT,
        group_name="upkeep",
        kinds={"delta"},
        description="The audit of answers after its retention: words and whole days past their time are gone, each with a proof; small files are put together.",
    )
    def audit(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        from pipelines.serving.audit.forgetting import retain_all

        try:
            done = retain_all(project_files.project, project_files.clock.now())
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        counted = {"words": done.words, "rows": done.rows, "days": len(done.days)}
        return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(value) for name, value in counted.items()})

    return audit


def _subscriptions(system: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=subscriptions_key(system),
        group_name="upkeep",
        description=f"What {system} was asked to tell us of: one subscription for each library and list, renewed before it ends.",
        pool=f"source_{system.replace('-', '_')}",
    )
    def subscriptions(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        from connectors.capabilities import Subscribes
        from pipelines.landing.storing import storing
        from pipelines.pull.subscribing import keep_subscribed

        project = project_files.project
        try:
            with project_files.outside(), storing(project.root):
                connector = project.connect(system)
                try:
                    assert isinstance(connector, Subscribes)  # as ``subscribing`` found by its kind
                    done = keep_subscribed(project, system, connector, project_files.clock)
                finally:
                    connector.close()
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        counted = {"made": done.made, "renewed": done.renewed, "ended": done.ended}
        ends = {} if done.until is None else {"first_end": dg.MetadataValue.timestamp(done.until)}
        return dg.MaterializeResult(metadata={**{name: dg.MetadataValue.int(value) for name, value in counted.items()}, **ends})

    return subscriptions
