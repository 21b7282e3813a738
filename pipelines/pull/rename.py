"""Asks one page of the live source which new field holds the values of a missing one, against what was published. Writes nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceError
from connectors.protocol import Column, Connector, Window
from expectations.changes import Drift
from expectations.contract import Contract
from expectations.rename import Proposal, propose
from expectations.types import write_type
from pipelines.landing.rows import KEY, keys_of
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("fortnight.pull")
#: Rows that are compared: one page's, at most.
_ROWS = 500


def renames(project: Project, contract: Contract, connector: Connector, drift: Drift) -> tuple[Proposal, ...]:
    """Proposals for the fields that are gone while others came. None where nothing was published, or the source can't be read now."""
    gone = {change.path for change in drift.changes if change.kind == "removed" and "." not in change.path}
    came = {change.path for change in drift.changes if change.kind == "added" and "." not in change.path}
    missing = [field for field in contract.fields if field.source in gone]
    if not missing or not came:
        return ()
    warehouse, live = Warehouse(project.root), connector.describe(contract.told())
    spare = [field for field in live.fields if field.source in came and _comparable(write_type(field.type))]
    keys = [field for field in contract.fields if field.name in contract.key]
    held = warehouse.current(contract.stream) if spare and not {field.source for field in keys} & gone else None
    if held is None:
        return ()
    columns = (*(field.column() for field in keys), *(Column(f"new{at}", one.source, one.type, False) for at, one in enumerate(spare)))
    stream = replace(contract.told(), columns=columns, cursor=None)
    try:
        connector.describe(stream)
        page = next(iter(connector.pull(stream, Window())), None)
    except SourceError as error:
        # The differences themselves stand; only what a field may have become can't be told.
        _log.warning("%s", error)
        return ()
    if page is None:
        return ()
    rows = page.rows.slice(0, _ROWS)
    at = keys_of(rows, contract.key)
    now = {one.source: dict(zip(at, _plain(rows.column(f"new{number}")), strict=True)) for number, one in enumerate(spare)}
    known: list[str] = held[KEY].to_pylist()
    asked = set(at)
    before = {
        field.source: {key: value for key, value in zip(known, _plain(held[field.name]), strict=True) if key in asked}
        for field in missing
        if field.name in held.column_names
    }
    return propose(before, now)


def _comparable(kind: str) -> bool:
    return kind not in ("list", "struct", "binary")


def _plain(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Values as they compare across types: a number that was a text before is the same number."""
    import decimal

    def plain(value: Any) -> Any:
        if isinstance(value, bool) or value is None or isinstance(value, list):
            return value
        try:
            return str(decimal.Decimal(str(value)).normalize())
        except decimal.InvalidOperation:
            return str(value)

    return [plain(value) for value in column.to_pylist()]
