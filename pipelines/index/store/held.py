"""A whole version in memory: who may see what, words and vectors, read once. To ask the engine costs more than to look here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.index.store import readers, texts, words
from pipelines.index.store.best import best
from pipelines.index.store.engine import second
from pipelines.index.store.filters import Filters, narrowed
from pipelines.index.store.near import Near, near_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipelines.index.store.near import Places

#: Rows read at once.
_SLICE = 8_192
#: Lists of readers and words, and packed chunks, take so many bytes at most: who reads what stands on every chunk, and may be thousands of names.
_ROOM = 1_500_000_000
#: Of so many sets of principals it is remembered what they see, and of so many filters what passes.
_KNOWN = 128
#: From so many rows on, words are looked for beside the vectors: below, to hand it over costs more.
_MANY = 20_000
#: Where a row lies in the table, and its score in one list.
Hit = tuple[int, float]
#: For how many rows of each list: those that words found, those that are near, and whether each visible vector was compared.
Look = Callable[[int], tuple[list[Hit], list[Hit], bool]]


@dataclass(frozen=True)
class Version:
    """All rows of one version: ``rows`` the ids that the table has for them, in order; the others by place."""

    rows: NDArray[np.int64]
    readers: readers.Readers
    near: Near
    words: words.Words
    chunks: texts.Texts


class Held:
    """A version that is asked here. Only ``fetch``, what stands around a chunk, and filters that name no reader are left to the engine."""

    def __init__(self, table: Any, version: Version) -> None:
        self._table = table
        self._version = version
        self._seen = lru_cache(maxsize=_KNOWN)(version.readers.mask)
        self._passing = lru_cache(maxsize=_KNOWN)(self._pass)

    def places(self, principals: frozenset[str], filters: Filters | None) -> Places:
        """The rows that these principals may read, within ``filters``."""
        import numpy as np

        # Principals that no row names change nothing, and without them many readers see the same.
        seen = self._seen(principals & self._version.readers.principals)
        where = narrowed(filters)
        return np.flatnonzero(seen & self._passing(where) if where else seen)

    def look(
        self, said: Sequence[str], vector: Sequence[float], principals: frozenset[str], filters: Filters | None, _: int
    ) -> tuple[int, Look]:
        """How many rows may be seen, and what finds so many of them."""
        import numpy as np

        places = self.places(principals, filters)
        # NumPy works outside of Python's lock where there is much to do. What words say of each row is the same however many are asked for.
        begun = second().submit(self._version.words.scores, said) if len(self._version.rows) >= _MANY and len(places) else None

        def lists(depth: int) -> tuple[list[Hit], list[Hit], bool]:
            near = self._version.near.nearest(vector, places, depth)
            scores = begun.result() if begun is not None else self._version.words.scores(said)
            # Rows without any of the words are no hits.
            some = places[np.flatnonzero(scores[places])]
            return self._hits(*best(some, scores[some], depth)), self._hits(*near), self._version.near.compares(len(places), depth)

        return len(places), lists

    def packed(self, rows: Sequence[int]) -> dict[int, str]:
        """The packed chunks of these rows."""
        held = self._version
        return {row: held.chunks.text(int(at)) for row, at in zip(rows, _at(held.rows, rows), strict=True)}

    def _hits(self, places: list[int], scores: list[float]) -> list[Hit]:
        return list(zip(self._version.rows[places].tolist(), scores, strict=True))

    def _pass(self, where: str) -> readers.Mask:
        import numpy as np

        rows = self._version.rows
        passing = np.zeros(len(rows), np.bool_)
        query = self._table.search().where(where).select(["position"]).with_row_id(True).limit(max(1, len(rows)))
        passing[_at(rows, query.to_arrow()["_rowid"].to_numpy())] = True
        return passing


def held_of(table: Any, exact_limit: int, shortlist: int) -> Held | None:
    """Read a whole LanceDB table, or the version of it that is checked out; None where it turns out to take more room than a version may.

    Of more than ``exact_limit`` rows, not every vector is compared for who sees more than ``shortlist`` of them.
    """
    import numpy as np
    import pyarrow as pa

    count = int(table.count_rows())
    who, said, chunks = readers.Read(), words.Read(), texts.Read()
    rows, vectors, at = np.empty(count, np.int64), None, 0
    names = ["acl", "field_acl", "vector", "search_text", "chunk"]
    for batch in table.search().select(names).with_row_id(True).limit(max(1, count)).to_batches(_SLICE):
        end = at + batch.num_rows
        rows[at:end] = batch["_rowid"].to_numpy()
        flat = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
        vectors = np.empty((count, flat.shape[1]), np.float32) if vectors is None else vectors
        vectors[at:end] = flat
        who.add(batch["acl"], batch["field_acl"])
        said.add(batch["search_text"])
        chunks.add(batch["chunk"])
        at = end
        if who.bytes + said.bytes + chunks.bytes > _ROOM:
            return None
    if at != count:
        raise RuntimeError(f"of {count} rows {at} were read")
    vectors = np.empty((0, 0), np.float32) if vectors is None else vectors
    # A table that was written in parts may be read in another order than that of its row ids.
    order, to = np.argsort(rows, kind="stable"), None
    if (order[1:] < order[:-1]).any():
        to = np.empty(count, np.int64)
        to[order] = np.arange(count)
        rows, vectors = rows[order], vectors[order]
    version = Version(rows, who.done(to), near_of(vectors, exact_limit, shortlist), said.done(to), chunks.done(order))
    # What only passed through is not needed again.
    pa.default_memory_pool().release_unused()
    return Held(table, version)


def _at(rows: NDArray[np.int64], found: Any) -> Any:
    """Where these row ids stand. Raises RuntimeError for one that is no row of the version."""
    import numpy as np

    at = np.searchsorted(rows, found)
    if not np.array_equal(rows[np.minimum(at, len(rows) - 1)], found):
        raise RuntimeError("the engine named a row that the version does not hold")
    return at
