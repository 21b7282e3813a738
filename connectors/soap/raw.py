"""Raw values as a reply holds them, before any type: text, or why there is none. A block of rows lies by columns or by rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Presence(Enum):
    """Why a value is not there. TWICE: an element that may come once came again. MIXED: an element stands in the value, a value in what
    says that it is nil, or nil says neither yes nor no. COUNT: an encoded array says another number of items than it holds. PARTIAL: it
    says that it leaves items out.
    """

    ABSENT = "absent"
    NIL = "nil"
    TWICE = "twice"
    MIXED = "mixed"
    COUNT = "count"
    PARTIAL = "partial"


#: A raw value: text, bytes that wait on disk (``aside.Attachment``), why there is none, a nested raw row, or a list of either.
Raw = Any
RawRow = list[Raw]
#: What ``Texts.gaps`` holds: 0 is text, the others stand for a presence in this order.
GAPS = (Presence.ABSENT, Presence.NIL, Presence.TWICE, Presence.MIXED, Presence.COUNT, Presence.PARTIAL)
ABSENT, NIL, TWICE, MIXED = 1, 2, 3, 4


class Unfit(ValueError):
    """A value does not fit its column. ``path`` is below the column where it is nested."""

    def __init__(self, why: str, raw: object, path: str = "") -> None:
        self.why, self.raw, self.path = why, raw, path
        super().__init__(why)


@dataclass(frozen=True)
class Texts:
    """One raw column. ``texts`` is null wherever there is no text, and ``gaps`` (int8) then says why; None when every row has text."""

    texts: pa.StringArray
    gaps: NDArray[np.int8] | None = None

    def __getitem__(self, index: int) -> Raw:
        gap = 0 if self.gaps is None else int(self.gaps[index])
        return GAPS[gap - 1] if gap else self.texts[index].as_py()


class Block(Sequence[RawRow]):
    """Raw rows that lie by columns. Asked for a row it makes that one; ``column`` costs nothing."""

    def __init__(self, count: int, columns: Sequence[Texts]) -> None:
        self._count = count
        self._columns = columns

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> RawRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[RawRow]: ...
    def __getitem__(self, index: int | slice) -> RawRow | list[RawRow]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return [column[index % self._count] for column in self._columns]

    def __iter__(self) -> Iterator[RawRow]:
        return (self[index] for index in range(self._count))

    def column(self, slot: int) -> Texts:
        return self._columns[slot]


def append(row: RawRow, slot: int, value: Raw) -> None:
    """One more item of the list at a slot, which it may begin; none where the list came twice."""
    if row[slot] is Presence.TWICE:
        return
    if not isinstance(row[slot], list):
        row[slot] = []
    row[slot].append(value)


def not_nil(row: RawRow, slot: int, *, in_list: bool) -> None:
    """What was last put at a slot, or into the list there, holds something: where it was said to be nil, it is neither."""
    held, at = (row[slot], -1) if in_list and isinstance(row[slot], list) else (row, slot)
    if held[at] is Presence.NIL:
        held[at] = Presence.MIXED


def texts_of(rows: Sequence[RawRow], slot: int) -> list[str]:
    """The texts of one slot, empty where there is none: for versions and bookmarks."""
    if isinstance(rows, Block):
        import pyarrow.compute as pc

        return pc.fill_null(rows.column(slot).texts, "").to_pylist()
    return [text if isinstance(text := row[slot], str) else "" for row in rows]
