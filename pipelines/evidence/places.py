"""Where a row stands in the chain: what was sealed before it. A row's own date can be set back; its place can't."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipelines.evidence.chain import ChainRow


@dataclass(frozen=True)
class Places:
    """The rows that sealed something, by number, each with the last civil day that was sealed with it; and hashes of rows by number."""

    seqs: Sequence[int] = ()
    days: Sequence[date] = ()
    hashes: Mapping[int, str] = field(default_factory=dict[int, str])

    def sealed_before(self, seq: int) -> date | None:
        """The last civil day sealed before row ``seq``; None before the first seal."""
        at = bisect_left(self.seqs, seq)
        return self.days[at - 1] if at else None

    def sealed_since(self, seq: int) -> int:
        """How many civil days were sealed by row ``seq`` and those behind it."""
        return len(self.seqs) - bisect_left(self.seqs, seq)

    def sealed_between(self, first: int, second: int) -> int:
        """How many civil days were sealed by the rows ``first <= seq < second``."""
        return bisect_left(self.seqs, second) - bisect_left(self.seqs, first)


def places_of(rows: Iterable[ChainRow]) -> Places:
    """The places that seal rows among ``rows`` (chain order) make, and the hashes of all of them."""
    seqs: list[int] = []
    days: list[date] = []
    hashes: dict[int, str] = {}
    for row in rows:
        hashes[row.seq] = row.hash
        day = row.entry.day if row.entry.kind == "seal" else None
        if day is not None and (not days or day > days[-1]):
            seqs.append(row.seq)
            days.append(day)
    return Places(seqs, days, hashes)
