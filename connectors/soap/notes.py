"""What was odd in the rows of one reply and holds none of them back, counted; at most so many kinds as people can read."""

from __future__ import annotations

from collections.abc import Container, Sequence

from connectors.protocol import Column, Note
from connectors.soap.presence import Presences
from connectors.soap.rules import ADDED, Oddity

#: So many kinds are told apart. A reply whose every element is unknown must not fill memory.
_KINDS = 200
#: So many values that the contract's list lacks are named for one column, and the others only counted.
_NAMED = 20


class Notes:
    """Counts by column (or path) and code. What comes after ``_KINDS`` kinds is counted together.

    ``named`` are the values that are named already, by column: those of all replies of a pull, where they share it.
    """

    def __init__(self, named: dict[str, set[str]] | None = None) -> None:
        self._counts: dict[tuple[str, str, bool], int] = {}
        self._named: dict[str, set[str]] = {} if named is None else named

    def add(self, column: str, what: str, count: int = 1, *, fact: bool = False) -> None:
        """``what`` is a code with names from the contract or the document, never a value: but for one that the contract's list of values
        lacks (``rules.ADDED``). That is a word of the source's vocabulary, and to name it is the point; of a masked column none is.
        """
        code, _, value = what.partition(" ")
        if code == ADDED and value:
            named = self._named.setdefault(column, set())
            if value not in named and len(named) >= _NAMED:
                what = ADDED
            else:
                named.add(value)
        kind = (column, what, fact)
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = ("", "more", fact)
        self._counts[kind] = self._counts.get(kind, 0) + count

    def take(self, more: Notes) -> None:
        """The counts of other notes too."""
        for note in more.all():
            self.add(note.column, note.what, note.count, fact=note.fact)

    def all(self) -> tuple[Note, ...]:
        """In the order in which they were first met."""
        return tuple(Note(column, what, count, fact) for (column, what, fact), count in self._counts.items() if count)


class OfRows:
    """What was odd in the values of one block of rows, until it is known which of its rows are given. ``presences`` are the reply's."""

    def __init__(self, presences: Presences | None = None) -> None:
        self._rows: dict[Oddity, list[int]] = {}
        self.presences = presences or Presences()

    def take(self, column: Column, row: int, met: list[Oddity]) -> None:
        """Empties ``met``. What lies below a column is told by its path at the source."""
        for path, what, fact in met:
            self.add(column.source + path if path else column.name, what, (row,), fact=fact)
        met.clear()

    def add(self, column: str, what: str, rows: Sequence[int], *, fact: bool) -> None:
        if rows:
            self._rows.setdefault((column, what, fact), []).extend(rows)

    def tell(self, notes: Notes, held: Container[int]) -> None:
        for (column, what, fact), rows in self._rows.items():
            if count := sum(row not in held for row in rows):
                notes.add(column, what, count, fact=fact)
