"""What every ``--json`` prints, by noun: the models behind ``fortnight.<noun>/1``. Their JSON Schemas are in docs/schemas (``make docs``).

A change that an old reader would not survive is a new number, not an edit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pipelines.cli.payloads import (
    access,
    decisions,
    evaluation,
    indexes,
    local,
    omitted,
    quarantine,
    releases,
    serving,
    simulation,
    source_map,
    streams,
    tables,
)
from pipelines.cli.payloads.parts import Error, Payload

__all__ = ["PAYLOADS", "as_promised", "json_schema"]


def _noun(model: type[Payload]) -> str:
    (schema,) = get_args(model.model_fields["schema_"].annotation)
    return str(schema).removeprefix("fortnight.").removesuffix("/1")


#: Noun → its model.
PAYLOADS: Mapping[str, type[Payload]] = {
    _noun(model): model
    for model in (
        Error,
        streams.Doctor,
        streams.ContractShown,
        streams.ContractDiff,
        streams.ContractAccept,
        streams.ContractSchema,
        streams.Pull,
        streams.Backfill,
        streams.BackfillPlan,
        quarantine.QuarantineList,
        quarantine.QuarantineShow,
        quarantine.QuarantineReplay,
        source_map.SourceMap,
        indexes.Gate,
        indexes.Seals,
        decisions.Explained,
        decisions.WhatIf,
        decisions.Decision,
        decisions.Stopped,
        decisions.Certified,
        decisions.CertificateVerified,
        decisions.LedgerVerified,
        decisions.LedgerArchived,
        decisions.HeadSigned,
        decisions.CalendarShown,
        indexes.IndexBuild,
        indexes.IndexEmbed,
        indexes.Releases,
        omitted.Omissions,
        indexes.Search,
        releases.IndexRollback,
        releases.IndexHistory,
        releases.IndexDrill,
        releases.IndexReplay,
        evaluation.IndexEvaluate,
        evaluation.IndexCompare,
        evaluation.IndexTune,
        evaluation.EvalAdd,
        access.AccessReport,
        access.AccessExplained,
        access.AccessRefresh,
        access.AccessAgree,
        access.AccessVersions,
        serving.Serve,
        serving.Token,
        serving.AuditShow,
        serving.AuditReplay,
        serving.AuditVerify,
        serving.AuditErase,
        serving.AuditRetain,
        serving.AuditFlagged,
        serving.AuditCost,
        tables.TablesBooks,
        tables.TablesCompact,
        tables.TablesVacuum,
        tables.TablesRestore,
        local.Demo,
        local.Dev,
        local.Sandbox,
        local.SandboxAddresses,
        local.SandboxBreak,
        local.SandboxBreaks,
        local.SandboxClock,
        local.SandboxDown,
        local.SandboxHeal,
        simulation.Simulation,
        simulation.SimulationSchema,
        simulation.DemoDays,
    )
}


def as_promised(noun: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload with its schema's name, as plain JSON values. Raises pydantic's ValidationError when it is not what the schema promises."""
    text = json.dumps({"schema": f"fortnight.{noun}/1", **payload}, ensure_ascii=False)
    return PAYLOADS[noun].model_validate_json(text).model_dump(mode="json", by_alias=True, exclude_unset=True)


def json_schema(noun: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a noun."""
    found = PAYLOADS[noun].model_json_schema(by_alias=True)
    return {**found, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"fortnight.{noun}/1"}
