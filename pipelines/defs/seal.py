"""The seal asset: once a day, after midnight, joins claims with what the witness saw and freezes every closed day. Sole writer of the chain."""

import os
import socket
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import dagster as dg

from connectors.errors import FortnightError
from connectors.messages import sentence
from pipelines.clock import Clock
from pipelines.defs.checks import table_schema
from pipelines.defs.keys import LEDGER
from pipelines.defs.resources import ProjectResource
from pipelines.defs.witness import witness
from pipelines.evidence.declare import declare_all, windows_known
from pipelines.evidence.lease import leased
from pipelines.evidence.plan import book_of, calendar_of, claims_of, environment_of, ledger_of, memory_of, seal_policy
from pipelines.evidence.sealer import asked_for, seal_closed_days, unsealed_days
from pipelines.evidence.seals import Seal
from pipelines.project import Project


@dataclass(frozen=True)
class Sealing:
    """What one sealing wrote: the new seals, and the indexes whose count begins again because a change of their gate policy went on record."""

    seals: tuple[Seal, ...]
    recounted: tuple[str, ...]


def declare(project: Project, clock: Clock) -> tuple[str, ...]:
    """Put into the ledger what it does not know yet (``pipelines.evidence.declare``)."""
    return declare_all(project, clock.now(), clock.kind)


def seal_project(project: Project, instance: dg.DagsterInstance, clock: Clock) -> tuple[Seal, ...]:
    """The seals of ``sealing``."""
    return sealing(project, instance, clock).seals


def sealing(project: Project, instance: dg.DagsterInstance, clock: Clock, through: date | None = None) -> Sealing:
    """Note what is declared, then seal every closed day that has no seal yet. One sealer at a time: another is refused with LedgerBusy.

    ``through`` is the last of the days where a person names it (``asked_for``). Raises LedgerBroken where the ledger does not hold. Whatever is
    raised, nothing was written.
    """
    ledger, now = ledger_of(project), clock.now()
    # No day is sealed behind rows that were lost or changed: the whole count would rest on them.
    book_of(project)
    # Before anything is written: a clock that went back must not even take the lease.
    calendar = calendar_of(project, now)
    days = unsealed_days(ledger, calendar, now, environment_of(project))
    asked_for(days, through)
    with leased(project.root, f"{socket.gethostname()}:{os.getpid()}", clock):
        recounted = declare_all(project, now, clock.kind, calendar)
        since = days[0].opens_at if days else now - timedelta(days=1)
        seen = witness(project, instance, since)
        policy = replace(seal_policy(project), windows=windows_known(project, calendar))
        seals = seal_closed_days(ledger, claims_of(project), seen, calendar, policy, now, clock.kind, memory_of(project))
        if seals:
            # Every pull leaves a small file, and every gate reads all of them: once a day is often enough to put them together.
            ledger.keep_up()
            claims_of(project).keep_up()
        return Sealing(seals, recounted)


def seal_asset(project: Project) -> dg.AssetsDefinition:
    """``evidence/ledger``: the hash-chained record of what ran green."""

    @dg.asset(
        key=LEDGER,
        group_name="evidence",
        kinds={"delta", "ledger"},
        description="Append-only, hash-chained ledger: evidence and one seal per stream and closed day. Written by the seal job alone.",
    )
    def ledger(context: dg.AssetExecutionContext, project_files: dg.ResourceParam[ProjectResource]) -> dg.MaterializeResult[Any]:
        try:
            done = sealing(project_files.project, context.instance, project_files.clock)
            head = book_of(project_files.project).head
        except FortnightError as error:
            raise dg.Failure(description=error.say(), allow_retries=False) from error
        seals = done.seals
        rows = [
            dg.TableRecord(
                {"stream": s.stream, "day": s.day.isoformat(), "verdict": s.verdict, "reasons": ", ".join(r.code for r in s.reasons)}
            )
            for s in seals
        ]
        metadata: dict[str, dg.MetadataValue] = {
            "sealed": dg.MetadataValue.int(len(seals)),
            "green": dg.MetadataValue.int(sum(1 for s in seals if s.verdict == "green")),
            "head": dg.MetadataValue.text(head.hash),
        }
        if done.recounted:
            metadata["recounted"] = dg.MetadataValue.text(" ".join(sentence("gate.recounted", {"index": name}) for name in done.recounted))
        if rows:
            metadata["table"] = dg.MetadataValue.table(rows, schema=table_schema(["stream", "day", "verdict", "reasons"]))
        return dg.MaterializeResult(metadata=metadata)

    return ledger
