"""One stream as one published record left it: every table read through the same record, whatever is published meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Snapshot:
    """A stream pinned to ``record``. Scopes of one pull beside rows of the next would be rights that never held together."""

    warehouse: Warehouse
    record: Published

    @property
    def stream(self) -> str:
        return self.record.stream

    @property
    def access_at(self) -> datetime:
        """When the rights in it were read at the source (aware UTC): a pull that carried them over does not make them younger."""
        return datetime.fromisoformat(self.record.access_at or self.record.published_at)

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        """The table at the record's version; None where that pull wrote none. Raises AnswerIsNo when it is named and gone."""
        return self.warehouse.read_as(self.record, table, columns)

    def live(self) -> pa.Table | None:
        """The rows of ``current`` that are not deleted."""
        import pyarrow.compute as pc

        rows = self.read("current")
        return None if rows is None else rows.filter(pc.equal(rows["_op"], "upsert"))


def snapshot(warehouse: Warehouse, stream: str) -> Snapshot | None:
    """The stream as last published, pinned now; None when it never was."""
    record = warehouse.published(stream)
    return None if record is None else Snapshot(warehouse, record)
