"""How often the values of a column were absent, nil and empty in one reply: three things of which a typed column keeps one (null)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectors.soap.raw import ABSENT, NIL, Presence, Raw, Texts

if TYPE_CHECKING:
    from connectors.soap.notes import Notes


class Presences:
    """Counts by column, over all blocks of a reply, of rows that are held too."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def take(self, column: str, raw: Sequence[Raw] | Texts) -> None:
        """The values of one block: a list without items is empty, as a text without characters is."""
        counts = self._counts.setdefault(column, [0, 0, 0])
        for at, count in enumerate(_of_texts(raw) if isinstance(raw, Texts) else _of_any(raw)):
            counts[at] += count

    def tell(self, notes: Notes) -> None:
        """Notes for the columns in which there was more than one of the three: of the others the column itself tells."""
        for column, counts in self._counts.items():
            if sum(count > 0 for count in counts) > 1:
                for what, count in zip(("value.absent", "value.nil", "value.empty"), counts, strict=True):
                    if count:
                        notes.add(column, what, count, fact=True)


def _of_texts(column: Texts) -> tuple[int, int, int]:
    import pyarrow.compute as pc

    empty = pc.sum(pc.equal(pc.binary_length(column.texts), 0)).as_py() or 0
    if column.gaps is None:
        return 0, 0, empty
    return int((column.gaps == ABSENT).sum()), int((column.gaps == NIL).sum()), empty


def _of_any(raw: Sequence[Raw]) -> tuple[int, int, int]:
    return sum(one is Presence.ABSENT for one in raw), sum(one is Presence.NIL for one in raw), sum(one in ("", []) for one in raw)
