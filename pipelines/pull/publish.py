"""The seventh step: the one record that makes the pull visible, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.protocol import Schema
from expectations.contract import Contract
from expectations.facts import Facts
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.rights import Rights


def publish(
    warehouse: Warehouse,
    contract: Contract,
    live: Schema,
    before: Published | None,
    *,
    pull_id: str,
    at: datetime,
    counts: Mapping[str, int],
    watermark: datetime | None,
    cursor: Mapping[str, Any] | None,
    rights: Rights,
    reconciled_at: str | None,
    facts: Facts,
    nulls: Mapping[str, float],
    read_under: Published | None = None,
) -> Published:
    """Put the record that comes after ``before``, which this pull began from, with the versions all tables stand at.

    ``read_under`` is given by a pull that read only chosen rows: the record whose contract, schema and facts the other rows were read under.
    """
    record = Published(
        number=(before.number if before else 0) + 1,
        stream=contract.stream,
        pull_id=pull_id,
        published_at=at.isoformat(),
        contract_version=read_under.contract_version if read_under else contract.version,
        contract_fingerprint=read_under.contract_fingerprint if read_under else contract.fingerprint(),
        schema_fingerprint=read_under.schema_fingerprint if read_under else live.fingerprint,
        revision=read_under.revision if read_under else live.revision,
        tables=warehouse.versions(contract.stream),
        counts=dict(counts),
        restricted=dict(rights.access.restricted),
        watermark=watermark.isoformat() if watermark else None,
        cursor=cursor,
        access_at=rights.read_at.isoformat(),
        view=rights.access.view,
        unproven=rights.access.unproven,
        reconciled_at=reconciled_at,
        facts=read_under.facts if read_under else facts.stored(),
        nulls=dict(nulls),
    )
    warehouse.publish(record)
    return record
