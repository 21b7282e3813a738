"""How long the ledger keeps the details of evidence itself, and moving what is older to the archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.clock import Clock
from pipelines.evidence.lease import leased
from pipelines.evidence.plan import ledger_of
from pipelines.project import Project


@dataclass(frozen=True)
class Moved:
    """How many rows' details were moved, and the first day whose details the ledger keeps (None: no day is sealed)."""

    rows: int
    kept_from: date | None


def move_old(project: Project, holder: str, clock: Clock) -> Moved:
    """Move the details of evidence that is older than the project file's ``ledger.keep_details``, counted back from the last sealed day or the
    longest window of a gate, whichever reaches further. Days without a seal are never touched.

    One writer at a time, as for seals: raises LedgerBusy while another holds the lease, LedgerBroken where the chain does not hold.
    """
    ledger = ledger_of(project)
    last = ledger.last_seal()
    if last is None or last.entry.day is None:
        return Moved(0, None)
    window = max((index.gate.green_days for index in project.file.indexes.values()), default=0)
    kept_from = last.entry.day - max(project.file.ledger.keeps, timedelta(days=window))
    with leased(project.root, holder, clock):
        return Moved(ledger.move_details(kept_from), kept_from)
