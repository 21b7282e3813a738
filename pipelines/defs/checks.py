"""Asset checks: how a judged check becomes a Dagster check with a table a person can read. The judging is in ``expectations`` and ``pipelines/pull``.

https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from pipelines.pull.outcome import CHECKS, Check

DESCRIPTIONS = {
    "drift": "The live source against the contract, before a row is written: every difference by name, and what the contract says to do.",
    "schema": "Great Expectations on the live types: every contract column is there, with its type.",
    "access": "Every row points at a scope, and every scope resolves to principals. What does not is served to nobody.",
    "values": "Great Expectations on the profile of what came: each rule with what was expected and observed.",
    "bands": "Great Expectations on the numbers of this pull: each within what the stream's own green days showed, or what the contract fixes.",
    "balance": "source = landed + quarantined + excluded.",
}


def specs(key: dg.AssetKey, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """The checks of a stream. Blocking: a failed one of severity ERROR ends the run before anything downstream starts."""
    return [dg.AssetCheckSpec(name, asset=key, description=DESCRIPTIONS[name], blocking=True, partitions_def=partitions) for name in CHECKS]


def result(key: dg.AssetKey, check: Check) -> dg.AssetCheckResult:
    """Severity ERROR for critical checks, WARN otherwise; the rows as an inline table, numbers as metadata that plots itself."""
    metadata: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.float(float(value)) for name, value in check.numbers.items()}
    if check.rows:
        metadata["table"] = dg.MetadataValue.table(
            [dg.TableRecord(dict(row)) for row in check.rows], schema=table_schema(list(check.rows[0]))
        )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.severity == "critical" else dg.AssetCheckSeverity.WARN,
        description=str(check.summary),
        metadata=metadata,
    )


def table_schema(names: Sequence[str]) -> dg.TableSchema:
    """A table of text columns."""
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])
