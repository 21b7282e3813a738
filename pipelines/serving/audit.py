"""The append-only record of every retrieval, written before a word of the answer leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from connectors.errors import FortnightError
from pipelines.serving.reasons import AnswerWithheld, Reason

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class AuditHit:
    """Which chunk was to leave, at which place, from which revision of which row. Never its text."""

    rank: int
    chunk: str
    document: str
    version: str
    row_hash: str


@dataclass(frozen=True)
class AuditRow:
    """One question and what was decided. ``asked_at`` and the two ages' instants are aware UTC; ``refused`` counts chunks today's access took out."""

    asked_at: datetime
    trace_id: str
    person: str
    client: str
    action: str
    query: str
    query_hash: str
    k: int
    principals: int
    principals_hash: str
    membership_read_at: datetime
    overlay_read_at: datetime
    index: str
    release: int
    content_hash: str
    mode: str
    visible: int
    refused: int
    decision: str
    hits: tuple[AuditHit, ...]


class Audit(Protocol):
    """Where audit rows go. Raises FortnightError or OSError when a row could not be kept."""

    def record(self, row: AuditRow) -> None: ...


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def principals_hash(principals: Iterable[str]) -> str:
    """One hash for a set of principals, whatever its order."""
    return text_hash("\n".join(sorted(principals)))


def audit_schema() -> pa.Schema:
    import pyarrow as pa

    instant, text, number = pa.timestamp("us", tz="UTC"), pa.string(), pa.int64()
    hit = pa.struct([("rank", number), ("chunk", text), ("document", text), ("version", text), ("row_hash", text)])
    return pa.schema(
        [
            ("asked_at", instant),
            ("trace_id", text),
            ("person", text),
            ("client", text),
            ("action", text),
            ("query", text),
            ("query_hash", text),
            ("k", number),
            ("principals", number),
            ("principals_hash", text),
            ("membership_read_at", instant),
            ("overlay_read_at", instant),
            ("index", text),
            ("release", number),
            ("content_hash", text),
            ("mode", text),
            ("visible", number),
            ("refused", number),
            ("decision", text),
            ("hits", pa.list_(hit)),
        ]
    )


class AuditLog:
    """The audit as a Delta table with ``delta.appendOnly`` at ``uri``. ``keep_query=False`` keeps the hash of a question, not its words."""

    def __init__(self, uri: str, *, keep_query: bool = True) -> None:
        self.uri = uri
        self._keep_query = keep_query

    def record(self, row: AuditRow) -> None:
        """Append one row. Raises AnswerWithheld (``audit_unavailable``) when it could not be written."""
        import pyarrow as pa
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        values = asdict(row)
        if not self._keep_query:
            values["query"] = ""
        try:
            write_deltalake(
                self.uri, pa.Table.from_pylist([values], schema=audit_schema()), mode="append", configuration={"delta.appendOnly": "true"}
            )
        except (DeltaError, OSError) as error:
            raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what=type(error).__name__) from error

    def rows(self) -> list[dict[str, Any]]:
        """All rows, oldest first."""
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.uri):
            return []
        return DeltaTable(self.uri).to_pyarrow_table().sort_by("asked_at").to_pylist()

    def find(self, trace_id: str) -> list[dict[str, Any]]:
        """What was answered under a trace."""
        return [row for row in self.rows() if row["trace_id"] == trace_id]


def keep(audit: Audit, row: AuditRow) -> None:
    """Write the row or withhold the answer. The one place where an answer passes from decided to allowed."""
    try:
        audit.record(row)
    except AnswerWithheld:
        raise
    except (FortnightError, OSError) as error:
        raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=type(audit).__name__, what=type(error).__name__) from error
