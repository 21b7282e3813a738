"""What an index store is asked and what it answers, whatever is behind it: the IndexStore protocol and its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pipelines.index.chunks import Chunk
from pipelines.index.store.filters import Filters

#: How rows were searched: nothing visible, every visible row compared, or the approximate index.
FilterMode = Literal["none", "exact", "ann"]
#: ``rrf`` adds 1 / (60 + rank) of both lists; ``blend`` adds their scores, each list's own brought to 0..1.
Method = Literal["rrf", "blend"]
#: Said by the caller of each row found: may it be shown today?
Allow = Callable[[Chunk], bool]


@dataclass(frozen=True)
class Weights:
    """How much the word search and the vector search say in the fused order, and how their lists become one.

    The default was chosen by ``python -m benchmarks retrieval``; a project's own stand in the release's manifest. Raises ValueError for a negative
    weight and where both are zero: that order would be chance.
    """

    lexical: float = 0.6
    vector: float = 0.4
    method: Method = "blend"

    def __post_init__(self) -> None:
        if min(self.lexical, self.vector) < 0 or self.lexical + self.vector <= 0:
            raise ValueError(f"weights are not negative and not both zero, got {self.lexical} and {self.vector}")


@dataclass(frozen=True)
class Ranked:
    """A chunk at its place (1 = first). ``score`` is the fused score; raw scores never leave the store, for they tell of hidden rows."""

    chunk: Chunk
    rank: int
    score: float


@dataclass(frozen=True)
class Found:
    """What a search found.

    ``visible`` rows passed access and filters before any search; ``refused`` of the rows looked at were not allowed by the caller.
    ``nearest`` is the cosine of the question and the nearest row that was allowed (0.0 where none was): it depends on those two texts alone, and
    so tells nothing of hidden rows. Low means that nobody wrote about it, or not for this reader.
    """

    ranked: tuple[Ranked, ...]
    visible: int
    refused: int
    mode: FilterMode
    nearest: float = 0.0


class IndexStore(Protocol):
    """Chunks with vectors as of one build. Whatever asks hands over principals; there is no way to ask without."""

    def ready(self) -> None:
        """Read what questions need, where nobody did: of a large build that takes seconds, and the first question would wait for it."""
        ...

    def count(self) -> int:
        """All chunks."""
        ...

    def visible(self, principals: frozenset[str], filters: Filters | None = None) -> int:
        """How many chunks these principals may read, within ``filters``."""
        ...

    def search(
        self,
        text: str,
        vector: Sequence[float],
        principals: frozenset[str],
        k: int,
        allow: Allow,
        weights: Weights | None = None,
        filters: Filters | None = None,
    ) -> Found:
        """The ``k`` best chunks that these principals may read and ``allow`` lets pass, one of each group of near-copies, the best of each
        row before others of it."""
        ...

    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None:
        """One chunk by id, if these principals may read it. Absent and forbidden look the same."""
        ...

    def neighbours(self, chunk: str, principals: frozenset[str], reach: int = 1) -> tuple[Chunk, ...]:
        """Up to ``reach`` chunks before and after in the same document, in its order, of those that these principals may read; none where they may
        not read the chunk itself."""
        ...
