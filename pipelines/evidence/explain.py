"""Why a day is what it is: the seal's reasons and every pull that was joined to it, out of the ledger's rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from pipelines.evidence.chain import Entry
from pipelines.evidence.claims import Environment
from pipelines.evidence.gate import GateState
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reasons import Reason
from pipelines.evidence.sealer import seal_of
from pipelines.evidence.seals import Verdict


@dataclass(frozen=True)
class DayTold:
    """One sealed day of one stream: the seal's row and reasons, and the evidence entries of that day, oldest first."""

    stream: str
    day: date
    verdict: Verdict
    row: int
    reasons: tuple[Reason, ...]
    tries: tuple[Entry, ...]


def explained(
    ledger: Ledger, environment: Environment, state: GateState, stream: str | None = None, day: date | None = None
) -> tuple[DayTold, ...]:
    """The days of the gate's window that are not green, or ``day`` whatever it is; of one stream or of all."""
    wanted = {each.stream for each in state.streams if stream in (None, each.stream)}
    first = min((on for each in state.streams for on, _ in each.days), default=None)
    rows = ledger.read(kinds=("seal", "evidence"), subjects=wanted, since=None if day else first, day=day)
    own = [row for row in rows if row.entry.environment == environment]
    tries: dict[tuple[str, date], list[Entry]] = defaultdict(list)
    for row in own:
        if row.entry.kind == "evidence" and row.entry.day is not None:
            tries[row.entry.subject, row.entry.day].append(row.entry)
    found: list[DayTold] = []
    for row in own:
        if row.entry.kind != "seal":
            continue
        seal = seal_of(row)
        if day is not None or seal.verdict != "green":
            found.append(DayTold(seal.stream, seal.day, seal.verdict, row.seq, seal.reasons, tuple(tries[seal.stream, seal.day])))
    return tuple(sorted(found, key=lambda told: (told.stream, told.day)))
