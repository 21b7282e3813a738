"""Index assets: ``index/<name>`` builds a candidate, ``gate/<name>`` decides, ``production/<name>`` moves the pointer when eligible. No circle.

https://docs.dagster.io/guides/build/assets
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from connectors.errors import FortnightError
from pipelines.clock import Clock
from pipelines.defs import checks
from pipelines.defs.behind import wait_for
from pipelines.defs.evaluation_assets import evaluation_check, evaluation_specs
from pipelines.defs.gate_page import calendar_metadata, state_metadata
from pipelines.defs.jobs import system_job_name
from pipelines.defs.keys import ELIGIBLE, LEDGER, index_keys, stream_key
from pipelines.defs.partitions import daily
from pipelines.defs.resources import ProjectResource
from pipelines.defs.seal import declare
from pipelines.defs.tags import WAITS
from pipelines.evidence.declare import record_standing
from pipelines.evidence.declared import access_fact, changed
from pipelines.evidence.facts import fact_entry, latest_facts
from pipelines.evidence.gate import GateState
from pipelines.evidence.plan import environment_of, ledger_of, own_rows, standing
from pipelines.project import Project

CHECK = ELIGIBLE
RECONCILED = "reconciled"


def index_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Three assets for each index of the project."""
    return [asset for name in project.file.indexes for asset in _three(project, name)]


def gate_state(project: Project, index: str, clock: Clock) -> GateState:
    """The gate's answer today, read from the ledger."""
    return standing(project, index, clock.now())


def _three(project: Project, name: str) -> list[dg.AssetsDefinition]:
    spec, partitions = project.file.indexes[name], daily(project)
    candidate_key, gate_key, production_key = index_keys(name)
    owners = [owner for owner in (spec.owners.business, spec.owners.technical, spec.owners.operator) if "@" in owner]
    single_run = dg.BackfillPolicy.single_run()

    @dg.asset(
        key=candidate_key,
        deps=[stream_key(stream) for stream in spec.streams],
        kinds={"lancedb", "index"},
        description=f"Today's candidate of {name}: documents, chunks, principals, vectors. Immutable and numbered; nobody is served from it yet.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=candidate_key,
                partitions_def=partitions,
                description="Whether this index may serve production: every stream green for the required days in a row, and every readiness fact.",
            ),
            dg.AssetCheckSpec(
                RECONCILED,
                asset=candidate_key,
                partitions_def=partitions,
                description="Whether every row in the candidate is so in today's tables: nothing deleted, held back or changed is still found.",
            ),
            *evaluation_specs(project, name, candidate_key, partitions),
        ],
        partitions_def=partitions,
        group_name="index",
        owners=owners,
        backfill_policy=single_run,
    )
    def candidate(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> Iterator[Any]:
        from pipelines.index.build import build_candidate
        from pipelines.index.evaluation.tuning import read_tuned
        from pipelines.index.inputs import stream_inputs
        from pipelines.index.models import embedder_of
        from pipelines.index.parse import Parser
        from pipelines.index.reconcile import reconcile, reconcile_check
        from pipelines.landing.warehouse import Warehouse
        from pipelines.pull.outcome import Progress

        files = project_files.project

        def report(step: str, done: int, total: int) -> None:
            project_files.report(Progress(f"index/{name}", step, done, total))

        if WAITS in context.run.tags:
            wait_for(context.instance, {system_job_name(stream.split("/")[0]) for stream in spec.streams}, context.log.info)
        warehouse = Warehouse(files.root)
        try:
            embedder = embedder_of(files, index=name)
            tuned = read_tuned(files, name)
            with Parser() as parser:
                made = build_candidate(
                    files.root,
                    name,
                    stream_inputs(files, name, warehouse),
                    embedder,
                    now=project_files.clock.now(),
                    parser=parser,
                    report=report,
                    weights=tuned.weights if tuned else None,
                )
            if embedder.computed:
                embedder.save()
            reconciled = reconcile(files, name, warehouse)
            assert reconciled is not None  # it was built just now
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        declare(files, project_files.clock)
        measured = access_fact(name, made.access.share, made.release, project_files.clock.now())
        ledger = ledger_of(files)
        if changed([measured], latest_facts(own_rows(files, ledger.read(kinds=("fact",))), name)):
            ledger.push([fact_entry(measured, environment_of(files), project_files.clock.kind)])
        yield dg.MaterializeResult(
            asset_key=candidate_key,
            metadata={
                "release": dg.MetadataValue.text(made.release),
                "reused": dg.MetadataValue.bool(made.reused),
                "chunks": dg.MetadataValue.int(made.chunks),
                "documents": dg.MetadataValue.int(sum(made.documents.values())),
                "omitted": dg.MetadataValue.int(len(made.omitted)),
                "access_coverage": dg.MetadataValue.float(made.access.share),
                "model": dg.MetadataValue.text(f"{made.model_id}@{made.revision}"),
                "content_hash": dg.MetadataValue.text(made.content_hash),
                # Where it stood when this was built: the day's examination, which comes next, moves facts and no day.
                **calendar_metadata(gate_state(files, name, project_files.clock)),
            },
        )
        yield checks.result(candidate_key, reconcile_check(reconciled))
        # Before the gate is read: what the examination finds is one of the facts it reads.
        if files.index(name).evaluation is not None:
            yield evaluation_check(project_files, name, made, candidate_key, embedder, warehouse)
        yield eligibility_check(files, candidate_key, gate_state(files, name, project_files.clock))

    @dg.asset(
        key=gate_key,
        deps=[candidate_key, LEDGER],
        kinds={"gate"},
        partitions_def=partitions,
        group_name="index",
        owners=owners,
        backfill_policy=single_run,
        description=f"Reads ledger and readiness facts and decides about {name}. Asks nobody, builds nothing.",
    )
    def gate(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        clock = project_files.clock
        state = record_standing(project_files.project, name, clock.now(), clock.kind)
        eligible = str(state.eligibility == "eligible").lower()
        return dg.MaterializeResult(metadata=state_metadata(project_files.project, state), tags={"gate/eligible": eligible})

    @dg.asset(
        key=production_key,
        deps=[gate_key],
        kinds={"pointer"},
        output_required=False,
        partitions_def=partitions,
        group_name="index",
        owners=owners,
        backfill_policy=single_run,
        description=f"The production pointer of {name}. It moves when the gate says eligible and two persons signed for this very release; until then this step is skipped.",
    )
    def production(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> Iterator[Any]:
        from pipelines.index.promotion import promote_decided

        try:
            moved = promote_decided(project_files.project, name, project_files.clock.now())
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        if moved.record is None:
            context.log.info(moved.why.say())
            return
        yield dg.MaterializeResult(
            asset_key=production_key,
            metadata={
                "release": dg.MetadataValue.text(f"{name}/{moved.record.release}"),
                "content_hash": dg.MetadataValue.text(moved.record.content_hash),
                "signed_by": dg.MetadataValue.text(moved.record.actor),
                "reason": dg.MetadataValue.text(moved.record.reason),
            },
        )

    return [candidate, gate, production]


def eligibility_check(project: Project, key: dg.AssetKey, state: GateState) -> dg.AssetCheckResult:
    """``production_eligible``: numbers that plot themselves, the day-by-day table, the reasons as sentences. A warning while days are few."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=state.eligibility == "eligible",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{state.index}: {state.eligibility}, {state.green_days} of {state.required_days} green days",
        metadata=state_metadata(project, state),
    )
