"""The archive: where the details of old evidence rows lie once the ledger keeps only their place, what they are about, and their hash.

A row leaves nothing open: its hash covers its details, so the archive can't say anything else than what was said then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from pipelines.evidence.chain import Head, Verification
from pipelines.evidence.damage import UNREADABLE, broken_by, damaged
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.reasons import reason

#: What stands in the column ``schema`` of a row whose details were moved.
MOVED = "fortnight.chain.moved/1"
#: What such a row still says. Everything else is empty.
KEPT = ("seq", "prev", "hash", "kind", "environment", "clock", "subject", "day", "verdict")


class Archive:
    """The archive's table at ``location``, with the columns of the ledger. Rows are added and never changed."""

    def __init__(self, location: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.location = location
        self._options = dict(storage_options) if storage_options else None

    def add(self, rows: pa.Table) -> None:
        """Keep whole rows of the ledger, those that are not here yet: a second try adds nothing."""
        found = self._open()
        if found is not None:
            here = found.to_pyarrow_dataset().to_table(columns=["seq"])["seq"]
            rows = rows.filter(pc.invert(pc.is_in(rows["seq"], value_set=here.combine_chunks())))
        if rows.num_rows:
            write_deltalake(self.location, rows, mode="append", configuration={"delta.appendOnly": "true"}, storage_options=self._options)

    def filled(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """``rows`` with the details of those that were moved, as far as they are here and say what the row itself still does; the others as they are.

        The gate reads the row, and the hash is of the details: where the two differ, the row is left without any, and is found.
        """
        details = self._details([cast(int, row["seq"]) for row in rows if row.get("schema") == MOVED])
        return [held if (held := details.get(cast(int, row["seq"]))) is not None and _moved(row, held) else row for row in rows]

    def damaged(self) -> LedgerBroken | None:
        """The error for the first file of the archive that cannot be read to its end."""
        try:
            table = self._open()
        except UNREADABLE as problem:
            return broken_by(problem, self.location)
        return None if table is None else damaged(table)

    def _details(self, seqs: Collection[int]) -> dict[int, dict[str, Any]]:
        table = self._open() if seqs else None
        if table is None:
            return {}
        wanted = (pc.field("seq") >= min(seqs)) & (pc.field("seq") <= max(seqs)) & pc.field("seq").isin(sorted(seqs))
        found = cast("list[dict[str, Any]]", table.to_pyarrow_dataset().to_table(filter=wanted).to_pylist())
        return {cast(int, row["seq"]): row for row in found}

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.location, storage_options=self._options)
        except TableNotFoundError:
            return None


def _moved(row: Mapping[str, Any], details: Mapping[str, Any]) -> bool:
    """Whether ``row`` is what ``bare`` makes of ``details``: evidence, with nothing else in it."""
    if row.get("schema") != MOVED or details["kind"] != "evidence":
        return False
    return all(value == details[name] if name in KEPT else value is None for name, value in row.items() if name != "schema")


def bare(rows: pa.Table) -> pa.Table:
    """Rows of the ledger without their details."""
    columns: list[Any] = []
    for field in rows.schema:
        if field.name == "schema":
            columns.append(pa.array([MOVED] * rows.num_rows, field.type))
        elif field.name in KEPT:
            columns.append(rows[field.name])
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.table(columns, schema=rows.schema)


def old_evidence(before: date) -> pc.Expression:
    """The evidence rows of days before ``before``."""
    return (pc.field("kind") == "evidence") & (pc.field("day") < pa.scalar(before))


def predicate(before: date) -> str:
    """``old_evidence`` in SQL."""
    return f"kind = 'evidence' AND day < DATE '{before.isoformat()}'"


def stands(columns: Mapping[str, Any], before: Head) -> Verification:
    """Whether a row whose details are elsewhere stands behind ``before``. Only evidence may be such a row."""
    seq = before.seq + 1
    if columns["seq"] != seq:
        return Verification(False, seq, reason("ledger.seq_gap", expected=seq, found=columns["seq"]))
    if columns["prev"] != before.hash:
        return Verification(False, seq, reason("ledger.prev_wrong"))
    if columns["kind"] != "evidence":
        return Verification(False, seq, reason("ledger.details_missing"))
    return Verification(True)
