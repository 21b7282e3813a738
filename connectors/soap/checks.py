"""What has to hold in a row, or in a struct of it, beside its columns: each check looks at raw values and gives none of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.soap.raw import Block, RawRow
from connectors.soap.rules import Unfit


@dataclass(frozen=True)
class Check(ABC):
    """``source`` is where it looks, as a column's source would say it."""

    source: str

    @abstractmethod
    def broken(self, row: RawRow) -> Unfit | None:
        """Why the raw row may not stand, or None."""

    def all_broken(self, rows: Sequence[RawRow]) -> Iterator[tuple[int, Unfit]]:
        """Every row of a block that may not stand, by its index."""
        for index in self._suspects(rows) if isinstance(rows, Block) else range(len(rows)):
            error = self.broken(rows[index])
            if error is not None:
                yield index, error

    @abstractmethod
    def _suspects(self, block: Block) -> Sequence[int]:
        """The rows of a block by columns that have to be looked at."""


@dataclass(frozen=True)
class TypeSaid(Check):
    """An element's xsi:type, where it has one, is its declared type or one derived from that."""

    slot: int
    allowed: frozenset[str]

    def broken(self, row: RawRow) -> Unfit | None:
        said = row[self.slot]
        if not isinstance(said, str) or said in self.allowed:
            return None
        return Unfit("type.unexpected (xsi:type names no type that the contract allows here)", said)

    def _suspects(self, block: Block) -> Sequence[int]:
        texts = block.column(self.slot).texts
        if texts.null_count == len(texts):
            return ()
        return pc.indices_nonzero(pc.invert(pc.is_in(texts, value_set=pa.array([*sorted(self.allowed), None], pa.string())))).to_pylist()
