"""One pass over arriving rows with Arrow kernels: what each column holds, and how many values miss each rule. Bounded by the page, mergeable.

Only rules that compare rows with each other (unique, so many different values) keep their own columns' values while they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expectations.contract import Contract, Expectation
from expectations.counts import Count, count_of
from expectations.page import Page
from expectations.rules import check_rule, rule_named
from expectations.sketch import Distinct

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of a page that are looked at together: what a pull's pages hold is theirs to say, what we allocate for one is not.
STRIDE = 65_536


@dataclass
class ColumnProfile:
    """Of one column over all rows so far. ``low`` and ``high`` are None for types without an order and for no values; ``shortest`` and
    ``longest`` are lengths in characters, ``empties`` texts without one. ``distinct`` is None for nested types.
    """

    rows: int = 0
    nulls: int = 0
    empties: int = 0
    low: Any = None
    high: Any = None
    shortest: int | None = None
    longest: int | None = None
    distinct: Distinct | None = None

    def take(self, page: Page, name: str) -> None:
        """Add a page's values of the column of this name."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = page.column(name)
        self.rows += len(column)
        self.nulls += column.null_count
        if column.null_count == len(column):
            return
        if _ordered(column.type):
            self._widen(*page.bounds(name))
        if pa.types.is_string(column.type):
            shortest, longest = page.bounds(name, lengths=True)
            self._lengthen(shortest, longest)
            if shortest == 0:
                self.empties += int(pc.sum(pc.equal(page.lengths(name), 0)).as_py() or 0)
        if not pa.types.is_nested(column.type):
            self.distinct = self.distinct or Distinct()
            self.distinct.take_values(column)

    def merge(self, other: ColumnProfile) -> None:
        """Take in what another pass over other rows found."""
        self.rows += other.rows
        self.nulls += other.nulls
        self.empties += other.empties
        if other.low is not None:
            self._widen(other.low, other.high)
        if other.shortest is not None:
            self._lengthen(other.shortest, other.longest)
        if other.distinct is not None:
            self.distinct = self.distinct or Distinct()
            self.distinct.merge(other.distinct)

    def _widen(self, low: Any, high: Any) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _lengthen(self, shortest: int, longest: int | None) -> None:
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        self.longest = max(self.longest or 0, longest or 0)


@dataclass
class Profile:
    """Of one pull: rows seen, per column what it holds, and per rule of the contract, in its order, what was counted for it."""

    rows: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict[str, ColumnProfile])
    counts: list[Count] = field(default_factory=list[Count])

    def merge(self, other: Profile) -> None:
        """Take in the profile of other rows under the same contract: the profile of pages merged is that of the whole."""
        self.rows += other.rows
        for name, column in other.columns.items():
            self.columns.setdefault(name, ColumnProfile()).merge(column)
        if not self.counts:
            self.counts = other.counts
            return
        for mine, theirs in zip(self.counts, other.counts, strict=bool(other.counts)):
            mine.merge(theirs)


def begun(contract: Contract) -> Profile:
    """A profile of no rows yet. Raises FixConfiguration where the contract names a rule that can't be judged."""
    types = types_of(contract)
    counts = [_counted(rule, types, contract) for rule in contract.expectations]
    return Profile(columns={spec.name: ColumnProfile() for spec in contract.fields}, counts=counts)


def types_of(contract: Contract) -> Mapping[str, pa.DataType]:
    """The contract's columns with their Arrow types."""
    return {spec.name: spec.column().type for spec in contract.fields}


def _counted(rule: Expectation, types: Mapping[str, pa.DataType], contract: Contract) -> Count:
    given = rule.arguments()
    check_rule(rule.expect, rule.column, given, types, contract.stream)
    return count_of(rule_named(rule.expect, contract.stream), rule.column, given, types, contract.stream)


def add(profile: Profile, contract: Contract, batch: pa.RecordBatch) -> None:
    """Take one page's upserted rows into the profile."""
    if not profile.columns:
        fresh = begun(contract)
        profile.columns, profile.counts = fresh.columns, fresh.counts
    for start in range(0, batch.num_rows, STRIDE):
        page = Page(batch.slice(start, STRIDE))
        profile.rows += page.size
        for spec in contract.fields:
            profile.columns[spec.name].take(page, spec.name)
        for count in profile.counts:
            count.take(page)


def _ordered(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date, pa.types.is_timestamp)
    return any(test(kind) for test in tests)
