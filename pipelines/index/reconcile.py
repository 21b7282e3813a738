"""The nightly set reconcile: rows in the newest candidate against the rows of today's tables. What is gone at the source must be gone there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.messages import told
from pipelines.index.documents import row_id
from pipelines.index.inputs import stream_inputs
from pipelines.index.releases import Manifest, newest_candidate, open_release
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Check

if TYPE_CHECKING:
    import pyarrow as pa

#: So many ids are named; all are counted.
_NAMED = 50


@dataclass(frozen=True)
class Reconciled:
    """``rows`` of the candidate; ``stale`` of them are deleted, held back or changed in today's tables; ``absent`` are rows of today that the
    candidate neither holds nor says it left out."""

    index: str
    candidate: int
    rows: int
    stale: tuple[str, ...]
    absent: tuple[str, ...]


def reconcile(project: Project, index: str, warehouse: Warehouse) -> Reconciled | None:
    """Compare by id and row hash with the rows as a build would read them now; None where nothing was built.

    Raises AnswerIsNo where a stream was never published or nothing vouches for its rows.
    """
    manifest = newest_candidate(project.root, index)
    if manifest is None:
        return None
    held = open_release(project.root, manifest).row_hashes()
    today: dict[str, str] = {}
    for stream in stream_inputs(project, index, warehouse):
        today |= _hashes(stream.stream, stream.rows)
    stale = sorted(row for row, found in held.items() if today.get(row) != found)
    return Reconciled(index, manifest.number, len(held), tuple(stale), tuple(sorted(_absent(manifest, held, today))))


def _hashes(stream: str, rows: pa.Table) -> dict[str, str]:
    keys, hashes = rows["_key"].to_pylist(), rows["_row_hash"].to_pylist()
    return {row_id(stream, key): str(found or "") for key, found in zip(keys, hashes, strict=True)}


def _absent(manifest: Manifest, held: Mapping[str, str], today: Mapping[str, str]) -> set[str]:
    left_out = {item.document for item in manifest.omitted}
    left_out |= {name.rpartition("#")[0] for name in left_out}
    return today.keys() - held.keys() - left_out


def reconcile_check(found: Reconciled) -> Check:
    """Fails where one row of the candidate is stale. Absent rows are shown: a row of files alone may have none today."""
    rows = [
        {"where": f"{found.index}/{found.candidate}", "id": one, "what": what, "verdict": verdict}
        for ids, what, verdict in ((found.stale, "not so in today's tables", "FAIL"), (found.absent, "not in the candidate", "INFO"))
        for one in ids[:_NAMED]
    ]
    numbers = {"rows": float(found.rows), "stale": float(len(found.stale)), "absent": float(len(found.absent))}
    facts = {"index": found.index, "candidate": found.candidate, "rows": found.rows, "stale": len(found.stale), "absent": len(found.absent)}
    return Check("reconciled", not found.stale, "critical", told("check.reconciled", **facts), tuple(rows), numbers)
