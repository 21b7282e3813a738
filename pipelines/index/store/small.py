"""A small version of a table in memory: its vectors and packed chunks, read once. Which rows a reader may see is the store's to say, not known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Places = NDArray[np.uint64]


class Small:
    """Every row by its place. A version never changes, so neither does this; threads may share it."""

    def __init__(self, table: Any, rows: int) -> None:
        import numpy as np

        read: pa.Table = table.search().select(["chunk", "vector"]).with_row_id(True).limit(max(1, rows)).to_arrow().sort_by("_rowid")
        self._places: Places = read["_rowid"].to_numpy()
        self._packed: Any = read["chunk"]
        flat: Any = read["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        self._unit = _unit(flat.reshape(read.num_rows, -1).astype(np.float64)) if read.num_rows else flat.reshape(0, 1)

    def near(self, vector: Sequence[float], visible: Places, depth: int) -> list[tuple[int, float]]:
        """The ``depth`` rows of ``visible`` (places, in order) that lie nearest by cosine, with their likeness, best first."""
        import numpy as np

        asked = _unit(np.asarray([vector], np.float64))[0]
        # Not ``@``: for so little, the threads that it wakes cost many times what they do. Rounded, for two rows of one text are equally like
        # it, wherever they lie: a blend's zero hangs on the least of them.
        like = np.einsum("ij,j->i", self._unit, asked).round(7)[np.searchsorted(self._places, visible)]
        best = np.argsort(-like, kind="stable")[:depth]
        return list(zip(visible[best].tolist(), like[best].tolist(), strict=True))

    def packed(self, places: Sequence[int]) -> dict[int, str]:
        """The packed chunks at these places."""
        import numpy as np

        rows = np.searchsorted(self._places, np.asarray(places, np.uint64))
        return {place: self._packed[int(row)].as_py() for place, row in zip(places, rows, strict=True)}


def _unit(vectors: Any) -> Any:
    """Each vector at length one. One without a length has no direction, and is like nothing."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
