"""A version's words in memory: which rows hold each term, and how often, so that a question adds up a few dozen lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.index.store.postings import Gathered, Postings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: BM25 as the engine has it (Robertson, Zaragoza: Foundations and Trends in Information Retrieval 3, 2009; with 1 inside the logarithm, which no
#: score below zero leaves): how soon a repeated term says nothing more, and how much a row's length counts.
K1, B = 1.2, 0.75


@dataclass(frozen=True)
class Words:
    """Each term's rows, and by row what its length makes of a repeated term. What a term adds to a row is worked out when it is asked for: held
    beside each place, that would take as much room again as all places.
    """

    held: Postings
    length: NDArray[np.float32]

    def scores(self, asked: Iterable[str]) -> NDArray[np.float64]:
        """The BM25 score of every row for these terms, each counted once; 0.0 where none stands."""
        import numpy as np

        count = len(self.length)
        lists = [self.held.names[term] for term in dict.fromkeys(asked) if term in self.held.names]
        if not lists:
            return np.zeros(count, np.float64)
        rows = np.array([last - first for first, last in lists])
        rare = ((K1 + 1) * np.log(1 + (count - rows + 0.5) / (rows + 0.5))).astype(np.float32)
        at = np.concatenate([self.held.at[first:last] for first, last in lists]).astype(np.intp)
        adds = np.concatenate([self.held.often[first:last] for first, last in lists]).astype(np.float32)
        adds /= adds + self.length[at]
        adds *= np.repeat(rare, rows)
        return np.bincount(at, adds, count).astype(np.float64, copy=False)


class Read:
    """Texts taken in a slice at a time."""

    def __init__(self) -> None:
        self._gathered = Gathered()

    def add(self, texts: Any) -> None:
        """Take in an Arrow array of texts, each a row's terms with one blank between two (``terms.terms``). A text without a term is split into
        one empty one, which is none."""
        import pyarrow.compute as pc

        self._gathered.add(pc.split_pattern(texts, " "))

    @property
    def bytes(self) -> int:
        return self._gathered.bytes

    def done(self, to: Any = None) -> Words:
        """All of it; ``to`` as in ``Gathered.done``."""
        import numpy as np

        held = self._gathered.done(to)
        long = held.sizes / held.sizes.mean() if held.sizes.any() else held.sizes
        return Words(held, (K1 * (1 - B + B * long)).astype(np.float32))


def words_of(texts: Any) -> Words:
    """From an Arrow array of texts, or several; places are theirs in it."""
    import pyarrow as pa

    read = Read()
    for part in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        read.add(part)
    return read.done()
