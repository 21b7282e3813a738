"""One page of rows while it is looked at: what several rules ask of the same column is worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Page:
    """Columns by name, with what was found of them so far. Texts have lengths in characters."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.rows = rows
        self._columns: dict[str, Any] = {}
        self._bounds: dict[tuple[str, bool], tuple[Any, Any]] = {}

    @property
    def size(self) -> int:
        return self.rows.num_rows

    def column(self, name: str) -> pa.Array:
        """The column as rules see it (``present``)."""
        if name not in self._columns:
            self._columns[name] = present(self.rows.column(name))
        return self._columns[name]

    def filled(self, name: str) -> int:
        """How many rows have a value."""
        column = self.column(name)
        return len(column) - column.null_count

    def lengths(self, name: str) -> pa.Array:
        import pyarrow.compute as pc

        key = f"{name}\x1flength"
        if key not in self._columns:
            self._columns[key] = pc.utf8_length(self.column(name))
        return self._columns[key]

    def bounds(self, name: str, *, lengths: bool = False) -> tuple[Any, Any]:
        """The lowest and the highest value, or length; None twice where there is no value."""
        import pyarrow.compute as pc

        key = name, lengths
        if key not in self._bounds:
            found: Any = pc.min_max(self.lengths(name) if lengths else self.column(name))
            self._bounds[key] = found["min"].as_py(), found["max"].as_py()
        return self._bounds[key]


def present(column: pa.Array) -> pa.Array:
    """The column with every NaN as null, and one zero: in Arrow -0.0 is another value than 0.0, in a contract it is not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return column
    column = pc.add(column, pa.scalar(0.0, column.type))
    nan = pc.is_nan(column)
    return pc.if_else(nan, pa.scalar(None, column.type), column) if pc.any(nan).as_py() else column
