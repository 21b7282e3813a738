"""A small version in memory: to ask the engine for the best of a few thousand rows costs more than to look at them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.index.chunks import Chunk
from pipelines.index.store.rows import unpacked
from pipelines.index.store.words import Words, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Near:
    """All rows of one version: ``rows`` where each lies, in order, ``vectors`` of unit length, ``words`` and packed ``chunks`` beside them,
    ``principals`` all that any of them names. It knows no access: which places may be looked at, its caller says.
    """

    rows: Numbers
    vectors: Vectors
    words: Words
    chunks: Any
    principals: frozenset[str]

    def places(self, rows: Sequence[int]) -> Numbers:
        """Which of the vectors are those of these rows."""
        import numpy as np

        return np.searchsorted(self.rows, np.asarray(sorted(rows), np.int64))

    def nearest(self, vector: Sequence[float], places: Numbers, depth: int) -> list[tuple[int, float]]:
        """The ``depth`` nearest of the vectors at ``places``, each as its row and its cosine; of equal ones the earlier row."""
        import numpy as np

        asked = _unit(np.asarray([vector], np.float32))[0]
        # Not ``@``: for so few rows, the threads that it wakes cost more than they do. Many rows are not copied to be compared.
        few = 4 * len(places) < len(self.rows)
        scores = np.einsum("ij,j->i", self.vectors[places] if few else self.vectors, asked)
        scores = scores if few else scores[places]
        # The same vector at two places is as near at both: the last digits of a product depend on where a row lies.
        scores = np.round(scores.astype(np.float64), 6)
        return self._best(places, scores, depth)

    def worded(self, terms: Iterable[str], places: Numbers, depth: int) -> list[tuple[int, float]]:
        """Of the rows at ``places``, the ``depth`` in which these terms say most, each as its row and its score; rows without any are left out."""
        import numpy as np

        scores = self.words.scores(terms)[places]
        held = np.flatnonzero(scores)
        return self._best(places[held], scores[held], depth)

    def chunk(self, row: int) -> Chunk:
        """The chunk of one row of this version."""
        return unpacked(self.chunks[int(self.places([row])[0])].as_py())

    def _best(self, places: Numbers, scores: Any, depth: int) -> list[tuple[int, float]]:
        import numpy as np

        order = np.argsort(-scores, kind="stable")[:depth]
        return list(zip(self.rows[places[order]].tolist(), scores[order].tolist(), strict=True))


def near_of(table: Any) -> Near:
    """Read a whole LanceDB table, or the version of it that is checked out."""
    import numpy as np
    import pyarrow.compute as pc

    count = max(1, int(table.count_rows()))
    found = (
        table.search()
        .select(["acl", "field_acl", "vector", "search_text", "chunk"])
        .with_row_id(True)
        .limit(count)
        .to_arrow()
        .sort_by("_rowid")
    )
    flat = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    named = frozenset[str]().union(*(pc.list_flatten(found[name]).unique().to_pylist() for name in ("acl", "field_acl")))
    vectors = _unit(flat.reshape(found.num_rows, -1).astype(np.float32, copy=False)) if found.num_rows else flat.reshape(0, 0)
    rows, chunks = found["_rowid"].to_numpy().astype(np.int64), found["chunk"].combine_chunks()
    return Near(rows, vectors, words_of(found["search_text"]), chunks, named)


def _unit(vectors: Vectors) -> Vectors:
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
