"""LanceDB behind the IndexStore protocol: one version of one table, in a folder or on an object store, read by filter, words and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.index.chunks import Chunk, search_form
from pipelines.index.store.filters import Filters, condition, quoted
from pipelines.index.store.fusion import first_of_each, fuse
from pipelines.index.store.protocol import Allow, Found, Ranked, Weights
from pipelines.index.store.rows import FIELDS, chunk_of

if TYPE_CHECKING:
    from pipelines.index.embedding import Vectors

#: Up to this many visible rows every one is compared; above it the approximate index is asked, all its partitions.
EXACT_LIMIT = 20_000
#: More partitions than any table of ours has: with default probes a narrow reader silently loses most of what they may see.
_ALL_PARTITIONS = 65_536
_REFINE = 5
#: Deeper than this, comparing every visible row costs less than asking the graph for so many.
_DEEP = 2_000

Row = tuple[Chunk, float]


class LanceStore:
    """Chunks in the LanceDB table ``table`` at ``uri`` (a folder or an object store URI), as of ``version``, or its newest where that is None."""

    def __init__(self, uri: str, table: str, dim: int, exact_limit: int = EXACT_LIMIT, version: int | None = None) -> None:
        self._uri = uri
        self._name = table
        self._dim = dim
        self._exact_limit = exact_limit
        self._version = version
        self._open: Any = None
        # A version never changes: a reader's count of visible rows is told once.
        self._counted = lru_cache(maxsize=4096)(self._count)

    def _table(self) -> Any:
        if self._open is None:
            from pipelines.index.store.generation import open_at

            self._open = open_at(self._uri, self._name, self._version)
        return self._open

    def write(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Write the whole table and its indexes; a table of that name is written anew."""
        from pipelines.index.store.generation import Generation
        from pipelines.index.store.rows import table_of

        Generation(self._uri, self._name, self._exact_limit).begin(table_of(chunks, vectors, self._dim))
        self._open = self._version = None
        self._counted.cache_clear()

    def count(self) -> int:
        return self._counted("true")

    def rows(self, stream: str) -> set[str]:
        """The ids of all rows of a stream that some chunk comes from."""
        query = self._table().search().where(f"stream = {quoted(stream)}").select(["row"]).limit(max(1, self.count()))
        return set(query.to_arrow()["row"].to_pylist())

    def visible(self, principals: frozenset[str], filters: Filters | None = None) -> int:
        return self._counted(condition(principals, filters))

    def _count(self, where: str) -> int:
        return int(self._table().count_rows(where))

    def plan(self, principals: frozenset[str], filters: Filters | None = None) -> str:
        """How LanceDB would apply the filter; holds ``ScalarIndexQuery`` when the list indexes are used."""
        return str(self._table().search().where(condition(principals, filters)).limit(10).explain_plan())

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
        """The ``k`` best chunks that these principals may read and ``allow`` lets pass, words and vectors fused, one of each group of copies.

        Ranks and scores are given after refused rows are gone, so that neither tells that there was something. Where refusals or copies leave
        fewer than ``k``, more is looked at, up to everything visible. Raises ValueError for a ``k`` below 1 or a vector of another length.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if len(vector) != self._dim:
            raise ValueError(f"the question's vector has {len(vector)} dimensions, the index {self._dim}")
        where = condition(principals, filters)
        visible = self._counted(where)
        if not visible:
            return Found((), 0, 0, "none")
        exact = visible <= self._exact_limit
        depth, allowed = max(3 * k, 30), dict[str, bool]()
        while True:
            words, near = self._words(text, where, depth), self._vectors(vector, where, depth, visible, exact or depth > _DEEP)
            looked = {chunk.id: chunk for chunk, _ in (*words, *near)}
            for name in looked.keys() - allowed.keys():
                allowed[name] = allow(looked[name])
            passed = {name: chunk for name, chunk in looked.items() if allowed[name]}
            # An old table may hold no group: then each chunk is its own.
            group = {name: chunk.canonical or name for name, chunk in passed.items()}
            if len(set(group.values())) >= k or depth >= visible:
                break
            depth = min(depth * 4, visible)
        lists = [[(chunk.id, score) for chunk, score in found if chunk.id in passed] for found in (words, near)]
        best = first_of_each(fuse(lists[0], lists[1], weights or Weights()), group)[:k]
        return Found(
            tuple(Ranked(passed[name], rank, score) for rank, (name, score) in enumerate(best, start=1)),
            visible,
            len(looked) - len(passed),
            "exact" if exact else "ann",
            round(lists[1][0][1], 3) if lists[1] else 0.0,
        )

    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None:
        """One chunk by id, if these principals may read it: an id is not a permission."""
        rows = self._read(f"id = {quoted(chunk)} AND {condition(principals)}", list(FIELDS), 1)
        return chunk_of(rows[0]) if rows else None

    def neighbours(self, chunk: str, principals: frozenset[str], reach: int = 1) -> tuple[Chunk, ...]:
        """The chunks around one, filtered like any other: the document's next paragraph may stand under a narrower scope."""
        if reach < 1 or "position" not in self._table().schema.names:
            return ()
        access = condition(principals)
        here = self._read(f"id = {quoted(chunk)} AND {access}", ["document", "position"], 1)
        if not here:
            return ()
        at = int(here[0]["position"])
        where = f"document = {quoted(here[0]['document'])} AND position >= {at - reach} AND position <= {at + reach} AND {access}"
        rows = self._read(where, [*FIELDS, "position"], 2 * reach + 1)
        return tuple(chunk_of(row) for row in sorted(rows, key=lambda row: row["position"]) if row["position"] != at)

    def _read(self, where: str, columns: list[str], limit: int) -> list[dict[str, Any]]:
        return self._table().search().where(where).select(columns).limit(limit).to_arrow().to_pylist()

    def _words(self, text: str, where: str, depth: int) -> list[Row]:
        form = search_form(text).strip()
        if not form:
            return []
        query = self._table().search(form, query_type="fts", fts_columns="search_text").where(where, prefilter=True)
        rows = query.select([*FIELDS, "_score"]).limit(depth).to_arrow().to_pylist()
        return _best_first([(chunk_of(row), float(row["_score"])) for row in rows])

    def _vectors(self, vector: Sequence[float], where: str, depth: int, visible: int, exact: bool) -> list[Row]:
        query = self._table().search(list(vector), query_type="vector", vector_column_name="vector").distance_type("cosine")
        query = query.where(where, prefilter=True)
        query = query.bypass_vector_index() if exact else query.nprobes(_ALL_PARTITIONS).refine_factor(_REFINE)
        rows = query.select([*FIELDS, "_distance"]).limit(depth).to_arrow().to_pylist()
        if not exact and len(rows) < min(depth, visible):
            # The graph gave fewer than there are: a short list is a wrong one.
            return self._vectors(vector, where, depth, visible, True)
        return _best_first([(chunk_of(row), 1.0 - float(row["_distance"])) for row in rows])


def _best_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row[1], row[0].id))
