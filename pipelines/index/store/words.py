"""A small version's words in memory: which rows hold each term, and for how much that counts, so that a question adds up a few dozen short lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: BM25 as the engine has it (Robertson, Zaragoza: Foundations and Trends in Information Retrieval 3, 2009; with 1 inside the logarithm, which no
#: score below zero leaves): how soon a repeated term says nothing more, and how much a row's length counts.
K1, B = 1.2, 0.75


@dataclass(frozen=True)
class Words:
    """``terms`` by name where its list begins and ends; ``at`` the places of the rows that hold it, ``weight`` what it adds to each."""

    count: int
    terms: Mapping[str, tuple[int, int]]
    at: NDArray[np.int32]
    weight: NDArray[np.float32]

    def scores(self, asked: Iterable[str]) -> NDArray[np.float64]:
        """The BM25 score of every row for these terms, each counted once; 0.0 where none stands."""
        import numpy as np

        found = np.zeros(self.count, np.float64)
        for term in dict.fromkeys(asked):
            first, last = self.terms.get(term, (0, 0))
            # A row stands once in a term's list.
            found[self.at[first:last]] += self.weight[first:last]
        return found


def words_of(texts: Any) -> Words:
    """From an Arrow array of texts, each a row's terms with one blank between two (``terms.terms``); places are theirs in it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    count, split = len(texts), pc.split_pattern(texts, " ")
    owner, said = pc.list_parent_indices(split).to_numpy(), pc.list_flatten(split)
    # A text without a term is split into one empty one.
    real = pc.not_equal(said, "")
    owner, coded = owner[real.to_numpy(zero_copy_only=False)], said.filter(real).dictionary_encode()
    lengths = np.bincount(owner, minlength=count)
    pairs, often = np.unique(coded.indices.to_numpy().astype(np.int64) * max(1, count) + owner, return_counts=True)
    term, at = np.divmod(pairs, max(1, count))
    names: list[str] = coded.dictionary.to_pylist()
    held = np.bincount(term, minlength=len(names))
    ends = np.cumsum(held)
    rare = np.log(1 + (count - held + 0.5) / (held + 0.5))
    long = lengths / lengths.mean() if lengths.any() else lengths
    weight = rare[term] * often * (K1 + 1) / (often + K1 * (1 - B + B * long[at]))
    slices = zip((ends - held).tolist(), ends.tolist(), strict=True)
    return Words(count, dict(zip(names, slices, strict=True)), at.astype(np.int32), weight.astype(np.float32))
