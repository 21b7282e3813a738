"""A version's vectors in memory, and the nearest of those that may be looked at: each compared, or of very many a shortlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.index.store.best import Best, best

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.intp]
    Vectors = NDArray[np.float32]

#: Directions that a vector's short form keeps. Random ones did as well on vectors drawn at random, and lost more than one in fifty of the ten nearest
#: on a real model's, which lie in few directions.
_AXES = 64
#: Vectors that the directions are worked out from, spread over all.
_SAMPLE = 20_000
#: Rows whose short forms are made at once.
_BLOCK = 16_384


@dataclass(frozen=True)
class Near:
    """``vectors`` of unit length; of a version that is too large to compare them all, their short forms and the ``axes`` that these were made by.

    It knows no access: which places may be looked at, its caller says.
    """

    vectors: Vectors
    short: Vectors | None
    axes: Vectors | None
    shortlist: int

    def compares(self, visible: int, depth: int) -> bool:
        """Whether so many visible rows are all compared, when the ``depth`` nearest are asked for."""
        return self.short is None or visible <= max(self.shortlist, 4 * depth)

    def nearest(self, vector: Sequence[float], places: Places, depth: int) -> Best:
        """The ``depth`` nearest of the vectors at ``places``, with their cosines; of equal ones the earlier place.

        Not ``@``: the threads that it wakes cost more than they do, and with their number its last digits change.
        """
        import numpy as np

        asked = unit(np.asarray([vector], np.float32))[0]
        if not self.compares(len(places), depth):
            assert self.short is not None and self.axes is not None
            short = np.vecdot(self.axes, asked)
            # Few rows are copied together: the others are not looked at.
            few = 8 * len(places) < len(self.short)
            rough = np.vecdot(self.short[places], short) if few else np.vecdot(self.short, short)[places]
            listed = max(self.shortlist, 4 * depth)
            # All that are as good as the last one listed: which copies of one text are compared is not left to chance.
            places = places[rough >= np.partition(rough, len(rough) - listed)[len(rough) - listed]]
        # Many rows are not copied to be compared.
        few = 4 * len(places) < len(self.vectors)
        scores = np.einsum("ij,j->i", self.vectors[places] if few else self.vectors, asked)
        scores = scores if few else scores[places]
        # The same vector at two places is as near at both: the last digits of a product depend on where a row lies.
        return best(places, np.round(scores.astype(np.float64), 6), depth)


def near_of(vectors: Any, exact_limit: int, shortlist: int) -> Near:
    """From a float32 array of vectors, which is brought to unit length in place; of up to ``exact_limit`` every visible one is always compared."""
    import numpy as np

    for at in range(0, len(vectors), _BLOCK):
        vectors[at : at + _BLOCK] = unit(vectors[at : at + _BLOCK])
    if len(vectors) <= exact_limit:
        return Near(vectors, None, None, shortlist)
    # The directions in which they differ most; in double precision, so that they are the same each time.
    some = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float64)
    axes = np.ascontiguousarray(np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :_AXES].T.astype(np.float32))
    short = np.empty((len(vectors), len(axes)), np.float32)
    for at in range(0, len(vectors), _BLOCK):
        np.matmul(vectors[at : at + _BLOCK], axes.T, out=short[at : at + _BLOCK])
    return Near(vectors, short, axes, shortlist)


def unit(vectors: Vectors) -> Vectors:
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
