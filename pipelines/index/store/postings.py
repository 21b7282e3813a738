"""Names and the rows that hold them, in memory: for each name one list of places, built from Arrow lists slice by slice. What a name means, its caller knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A name that stands more often in a row than this counts as if it stood so often.
MOST = 255


@dataclass(frozen=True)
class Postings:
    """``names`` says where the list of each begins and ends; ``at`` the places of its rows, each once, ``often`` how many times it stands there.

    ``sizes`` is how many names each row holds, repeated ones among them. The empty name is none.
    """

    names: Mapping[str, tuple[int, int]]
    at: NDArray[np.int32]
    often: NDArray[np.uint8]
    sizes: NDArray[np.int64]


class Gathered:
    """Lists of names of rows, in their order, taken in a slice at a time: sorting a whole version at once would hold it many times over.

    ``bytes`` is what the lists take so far.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._slices: list[tuple[Any, Any, Any, Any]] = []
        self._sizes: list[Any] = []
        self._rows = 0
        self.bytes = 0

    def add(self, lists: Any) -> None:
        """Take in an Arrow array of lists of texts. Raises RuntimeError for anything else, and where a list or a name is missing."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if not (pa.types.is_list(lists.type) and pa.types.is_string(lists.type.value_type)):
            raise RuntimeError(f"names of rows are lists of texts, got {lists.type}")
        flat = lists.flatten()
        if lists.null_count or flat.null_count:
            raise RuntimeError("a list of names or a name in it is missing")
        rows = len(lists)
        coded = flat.dictionary_encode()
        names: list[str] = coded.dictionary.to_pylist()
        codes = coded.indices.to_numpy()
        owner = np.repeat(np.arange(rows), pc.list_value_length(lists).to_numpy())
        if "" in names:
            real = codes != names.index("")
            codes, owner = codes[real], owner[real]
        self._sizes.append(np.bincount(owner, minlength=rows))
        # One number for name and row, no wider than it must be: sorted, equal neighbours are one name in one row.
        width = np.uint32 if len(names) * rows < 2**32 else np.uint64
        pairs = codes.astype(width)
        pairs *= width(max(1, rows))
        pairs += owner.astype(width)
        pairs.sort()
        first = np.flatnonzero(np.concatenate((np.ones(min(1, len(pairs)), bool), pairs[1:] != pairs[:-1])))
        often = np.minimum(np.diff(first, append=len(pairs)), MOST).astype(np.uint8)
        code, place = np.divmod(pairs[first], width(max(1, rows)))
        at = (place.astype(np.int64) + self._rows).astype(np.int32)
        ids = np.array([self._ids.setdefault(name, len(self._ids)) for name in names], np.int64)
        held = np.bincount(code.astype(np.int64), minlength=len(names))
        self._slices.append((ids, held, at, often))
        self._rows += rows
        self.bytes += (at.itemsize + often.itemsize) * len(at)

    def done(self, to: Any = None) -> Postings:
        """All of it; ``to`` gives each row, in the order in which they came, the place that it has (else: that order)."""
        import numpy as np

        whole = np.zeros(len(self._ids), np.int64)
        for ids, held, _, _ in self._slices:
            whole[ids] += held
        ends = np.cumsum(whole)
        begins = ends - whole
        at, often = np.empty(int(whole.sum()), np.int32), np.empty(int(whole.sum()), np.uint8)
        filled = begins.copy()
        while self._slices:
            ids, held, places, times = self._slices.pop(0)
            # In a slice each name's rows stand together: they go, as they stand, to where that name's list is filled up to.
            into = np.repeat(filled[ids] - (np.cumsum(held) - held), held) + np.arange(len(places))
            at[into] = places if to is None else to[places]
            often[into] = times
            filled[ids] += held
        sizes = np.concatenate(self._sizes) if self._sizes else np.zeros(0, np.int64)
        if to is not None:
            moved = np.empty_like(sizes)
            moved[to] = sizes
            sizes = moved
        return Postings(dict(zip(self._ids, zip(begins.tolist(), ends.tolist(), strict=True), strict=True)), at, often, sizes)
