"""The last step: the claim, what this pull says it did. Written whether it went well or not."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Literal, cast
from zoneinfo import ZoneInfo

from pipelines.clock import Clock
from pipelines.evidence.claims import Balance, CheckVerdict, Claim, ContractRef, Endpoint
from pipelines.evidence.plan import claims_of
from pipelines.project import Project
from pipelines.pull.outcome import Origin, Result


def claim(project: Project, origin: Origin, result: Result, clock: Clock, code_version: str) -> Claim:
    """Append the claim of one pull. ``day`` is the civil day of the slot where there is one, else of the pull's start."""
    zone = ZoneInfo(project.file.timezone)
    day = date.fromisoformat(origin.day) if origin.day else (origin.slot or result.started_at).astimezone(zone).date()
    books = result.balance
    made = Claim(
        stream=result.stream,
        environment=cast("Literal['production', 'staging', 'sandbox']", project.environment),
        clock=clock.kind,
        slot=origin.slot,
        day=day,
        trigger=origin.trigger,
        pull_id=result.pull_id,
        run_id=origin.run_id,
        root_run_id=origin.root_run_id or origin.run_id,
        started_at=result.started_at,
        finished_at=result.finished_at,
        outcome=result.outcome,
        checks=tuple(
            CheckVerdict(check.name, "error" if check.severity == "critical" else "warn", check.passed) for check in result.checks
        ),
        balance=Balance(
            source=books.source if books else None,
            landed=books.landed if books else 0,
            quarantined=books.quarantined if books else 0,
            excluded=books.excluded if books else 0,
            verified=books.verified if books else False,
        ),
        contract=ContractRef(result.contract_version, result.contract_fingerprint),
        endpoint=Endpoint("sha256:" + hashlib.sha256(result.endpoint.encode()).hexdigest(), result.sandbox),
        code_version=code_version,
        drift_waiting=len(result.drift.blocking) if result.drift else 0,
        error=result.error.code if result.error else None,
    )
    claims_of(project).append(made)
    return made
