"""What is counted for one rule while rows arrive: how many it speaks of, how many miss it, and a slice of those that do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expectations.kernels import kernel_of
from expectations.page import Page
from expectations.rules import IGNORE, Rule, columns_of
from expectations.sketch import hashes_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that miss a rule, kept to be shown to Great Expectations and to a person.
SLICE = 200


@dataclass
class Count:
    """Of one rule. ``kind`` is the type of its (first) column; ``looked`` rows it speaks of, ``missed`` of them that miss it, ``slices`` the first of those, in the rule's columns.

    Subclasses count what needs more than one row to be seen; ``settle`` is called once, after the last page.
    """

    rule: Rule
    columns: tuple[str, ...]
    kind: Any = None
    kernel: Any = None
    looked: int = 0
    missed: int = 0
    slices: list[pa.RecordBatch] = field(default_factory=list[Any])

    def take(self, page: Page) -> None:
        """Count a page."""
        if self.kernel is None:
            return
        found = self.kernel(page)
        self.looked += found.looked
        missed = 0 if found.bad is None else found.bad.true_count
        self.missed += missed
        if missed and self._kept < SLICE:
            self._keep(page.rows.select(list(self.columns)).filter(found.bad))

    def merge(self, other: Count) -> None:
        """Take in what was counted of other rows."""
        self.looked += other.looked
        self.missed += other.missed
        for one in other.slices:
            self._keep(one)

    def settle(self) -> None:
        """Nothing more is to come."""

    @property
    def _kept(self) -> int:
        return sum(one.num_rows for one in self.slices)

    def _keep(self, rows: pa.RecordBatch) -> None:
        room = SLICE - self._kept
        if room > 0 and rows.num_rows:
            self.slices.append(_copied(rows.slice(0, room)))


def _copied(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows in memory of their own: a few columns or rows of a page would hold the whole page."""
    import numpy as np

    return rows.take(np.arange(rows.num_rows))


@dataclass
class Repeats(Count):
    """Values, or combinations of values, that stand more than once: their columns are kept until all have come."""

    way: str = ""
    pages: list[pa.RecordBatch] = field(default_factory=list[Any])

    def take(self, page: Page) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = pa.RecordBatch.from_arrays([page.column(name) for name in self.columns], list(self.columns))
        if self.way != "never" and any(column.null_count for column in rows.columns):
            nulls = [pc.is_null(column) for column in rows.columns]
            out = nulls[0]
            for one in nulls[1:]:
                out = pc.or_(out, one) if self.way == "any_value_is_missing" else pc.and_(out, one)
            rows = rows.filter(pc.invert(out))
        self.looked += rows.num_rows
        if rows.num_rows:
            self.pages.append(_copied(rows))

    def merge(self, other: Count) -> None:
        assert isinstance(other, Repeats)
        self.looked += other.looked
        self.pages.extend(other.pages)

    def settle(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.missed, self.slices = 0, []
        if not self.pages:
            return
        table = pa.Table.from_batches(self.pages)
        names = list(self.columns)
        if len(names) == 1 and _all_different(table[names[0]]):
            return
        grouped = table.group_by(names).aggregate([([], "count_all")])
        again = grouped.filter(pc.greater(grouped["count_all"], 1))
        self.missed = int(pc.sum(again["count_all"]).as_py() or 0)
        if not self.missed:
            return
        # Whole groups only: a row without the one it repeats would be unique in the slice.
        shown, rows = 0, 0
        for size in again["count_all"].to_pylist():
            if shown and rows + size > SLICE:
                break
            shown, rows = shown + 1, rows + size
        of = again.slice(0, shown).select(names)
        few = table.filter(_stand_in(table, of, names)).combine_chunks().to_batches()
        self.slices = [pa.Table.from_batches(few).slice(0, SLICE).combine_chunks().to_batches()[0]] if few else []


def _all_different(column: pa.ChunkedArray) -> bool:
    """True where different hashes prove it, which is much cheaper than to compare the values; False where they do not."""
    import numpy as np

    if column.null_count:
        return False
    hashes = np.sort(np.concatenate([hashes_of(chunk) for chunk in column.chunks]))  # pyright: ignore[reportCallIssue,reportArgumentType]  (never nested)
    return bool((hashes[1:] != hashes[:-1]).all())


def _stand_in(table: pa.Table, of: pa.Table, names: list[str]) -> pa.Array:
    """Which rows have one of these combinations."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(names) == 1:
        return pc.is_in(table[names[0]], value_set=of[names[0]].combine_chunks())
    marked: Any = pa.repeat(pa.scalar(False), table.num_rows)
    for row in of.to_pylist():
        same: Any = None
        for name in names:
            one = (
                pc.is_null(table[name])
                if row[name] is None
                else pc.fill_null(pc.equal(table[name], pa.scalar(row[name], table[name].type)), False)
            )
            same = one if same is None else pc.and_(same, one)
        marked = pc.or_(marked, same)
    return marked


@dataclass
class Different(Count):
    """The different values of a column, kept exactly. ``looked`` are rows with a value, ``rows`` all."""

    rows: int = 0
    values: Any = None
    waiting: list[Any] = field(default_factory=list[Any])

    def take(self, page: Page) -> None:
        column = page.column(self.columns[0]).drop_null()
        self.rows += page.size
        self.looked += len(column)
        if len(column):
            self._more(column.unique())

    def merge(self, other: Count) -> None:
        assert isinstance(other, Different)
        self.rows += other.rows
        self.looked += other.looked
        for one in ([] if other.values is None else [other.values]) + other.waiting:
            self._more(one)

    def _more(self, values: Any) -> None:
        self.waiting.append(values)
        # Joined only when they have doubled, so that all joining together costs as much as reading them twice.
        if sum(map(len, self.waiting)) > max(len(self.values) if self.values is not None else 0, 65_536):
            self.settle()

    def settle(self) -> None:
        import pyarrow as pa

        parts = ([] if self.values is None else [self.values]) + self.waiting
        if parts:
            self.values, self.waiting = pa.chunked_array(parts).unique(), []

    @property
    def count(self) -> int:
        self.settle()
        return 0 if self.values is None else len(self.values)


@dataclass
class Total(Count):
    """The sum of a column, and over how many values. Decimals and whole numbers are added exactly."""

    sum: Any = 0

    def take(self, page: Page) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        column: Any = page.column(self.columns[0])
        self.looked += len(column) - column.null_count
        if column.null_count == len(column):
            return
        wide = column.cast(pa.decimal128(38, 0)) if pa.types.is_integer(column.type) else column
        self.sum += pc.sum(wide).as_py()

    def merge(self, other: Count) -> None:
        assert isinstance(other, Total)
        self.looked += other.looked
        self.sum += other.sum


def count_of(rule: Rule, column: str | None, given: Mapping[str, Any], types: Mapping[str, pa.DataType], place: str) -> Count:
    """An empty count of the kind that a rule needs."""
    names = columns_of(rule, column, given)
    kind = types[names[0]] if names else None
    if rule.name == "expect_column_values_to_be_unique":
        return Repeats(rule, names, kind, way="any_value_is_missing")
    if rule.about == "rows":
        return Repeats(rule, names, kind, way=given.get("ignore_row_if") or IGNORE["rows"][0])
    if rule.name in ("expect_column_mean_to_be_between", "expect_column_sum_to_be_between"):
        return Total(rule, names, kind)
    if rule.about == "column" and ("unique" in rule.name or "distinct" in rule.name):
        return Different(rule, names, kind)
    return Count(rule, names, kind, kernel_of(rule, column, given, types, place))
