"""The seal asset: once a day, after midnight, joins claims with what the witness saw and freezes every closed day. Sole writer of the chain."""

from datetime import timedelta
from typing import Any

import dagster as dg

from pipelines.clock import Clock
from pipelines.defs.checks import table_schema
from pipelines.defs.keys import LEDGER
from pipelines.defs.resources import ProjectResource
from pipelines.defs.witness import witness
from pipelines.evidence.declared import changed, declared_facts
from pipelines.evidence.facts import fact_entry, latest_facts
from pipelines.evidence.history import history_of, policy_entry
from pipelines.evidence.plan import calendar_of, claims_of, gate_policy, ledger_of, own_rows, seal_policy
from pipelines.evidence.plan import environment_of as environment
from pipelines.evidence.sealer import seal_closed_days, unsealed_days
from pipelines.evidence.seals import Seal
from pipelines.evidence.timetable import record
from pipelines.project import Project


def declare(project: Project, clock: Clock) -> None:
    """Put into the ledger what it does not know yet: calendar, gate policies, and the facts the project file declares.

    Called by every build and every seal, so that an edited calendar is known before the day it is to hold for.
    """
    ledger, now = ledger_of(project), clock.now()
    record(ledger, calendar_of(project, now), environment(project), clock.kind, now)
    rows = own_rows(project, ledger.read(kinds=("decision", "fact")))
    for index in project.file.indexes:
        news = changed(declared_facts(project, index, now), latest_facts(rows, index))
        if news:
            ledger.push([fact_entry(fact, environment(project), clock.kind) for fact in news])
        policy = gate_policy(project, index).fingerprint()
        if history_of(rows, index).policy != policy:
            ledger.push([policy_entry(index, policy, environment(project), clock.kind, now)])


def seal_project(project: Project, instance: dg.DagsterInstance, clock: Clock) -> tuple[Seal, ...]:
    """Note what is declared, then seal every closed day that has no seal yet."""
    declare(project, clock)
    ledger, now = ledger_of(project), clock.now()
    calendar = calendar_of(project, now)
    days = unsealed_days(ledger, calendar, now)
    since = days[0].opens_at if days else now - timedelta(days=1)
    seen = witness(project, instance, since)
    return seal_closed_days(ledger, claims_of(project), seen, calendar, seal_policy(project), now, clock.kind)


def seal_asset(project: Project) -> dg.AssetsDefinition:
    """``evidence/ledger``: the hash-chained record of what ran green."""

    @dg.asset(
        key=LEDGER,
        group_name="evidence",
        kinds={"delta", "ledger"},
        description="Append-only, hash-chained ledger: evidence and one seal per stream and closed day. Written by the seal job alone.",
    )
    def ledger(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        seals = seal_project(project_files.project, context.instance, project_files.clock)
        table = ledger_of(project_files.project)
        checked = table.verify()
        if not checked.ok:
            raise dg.Failure(description=f"the ledger does not verify: row {checked.broken_at}: {checked.why}", allow_retries=False)
        rows = [
            dg.TableRecord(
                {"stream": s.stream, "day": s.day.isoformat(), "verdict": s.verdict, "reasons": ", ".join(r.code for r in s.reasons)}
            )
            for s in seals
        ]
        metadata: dict[str, dg.MetadataValue] = {
            "sealed": dg.MetadataValue.int(len(seals)),
            "green": dg.MetadataValue.int(sum(1 for s in seals if s.verdict == "green")),
            "head": dg.MetadataValue.text(table.head().hash),
        }
        if rows:
            metadata["table"] = dg.MetadataValue.table(rows, schema=table_schema(["stream", "day", "verdict", "reasons"]))
        return dg.MaterializeResult(metadata=metadata)

    return ledger
