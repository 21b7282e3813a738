"""LanceDB behind the IndexStore protocol: one version of one table, in a folder or on an object store. Up to a size it is read once and asked in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.index.chunks import Chunk, language
from pipelines.index.store.engine import second
from pipelines.index.store.filters import Filters, condition, quoted
from pipelines.index.store.fusion import first_of_each, fuse, spread
from pipelines.index.store.protocol import Allow, Found, Ranked, Weights
from pipelines.index.store.rows import unpacked
from pipelines.index.store.terms import codes, term_set, terms

if TYPE_CHECKING:
    from pipelines.index.embedding import Vectors
    from pipelines.index.store.held import Held, Hit, Look

#: A table of up to so many rows needs no approximate index: every visible row is compared.
EXACT_LIMIT = 20_000
#: A table of up to so many rows is held in memory and asked there, ...
HELD_LIMIT = 250_000
#: ... where its vectors are so many numbers at most (four bytes each). What else is held of a row does not grow with its vector.
_NUMBERS = 100_000_000
#: Of a version in memory that is too large to compare every row, so many are compared in full: recall by band is held by
#: ``python -m benchmarks index.scale``. As many visible rows or fewer are compared without asking which.
SHORTLIST = 6_000
#: Of a table that is not held, up to so many visible rows are read and compared; above it the approximate index is asked, all its partitions. Measured with
#: ``python -m benchmarks index.scale``: from about a thousand rows on, to read their vectors costs more than to ask the graph, and finds the same.
_FEW = 2_000
#: More partitions than any table of ours has: with default probes a narrow reader silently loses most of what they may see.
_ALL_PARTITIONS = 65_536
#: Vectors compared in full, of each that is asked for: recall by band is held by ``python -m benchmarks index.scale``. Each is read from the table,
#: which costs more than to find it.
_REFINE = 1
#: Rows the graph's walk keeps in view, of each that is asked for: with the engine's own one and a half a reader of most of a table missed a few.
_REACH = 3
#: Rows looked at in each list: the least of them is a blend's zero, so that fewer would make other scores.
_DEPTH = 50
#: Deeper than this, comparing every visible row costs less than asking the graph for so many.
_DEEP = 2_000

#: Chunks kept unpacked. A version never changes, and every row of it that is read came through a filter first.
_KEPT = 8_192

#: Read whole before the first question: else each reader pays for the lists of principals that nobody asked as before, and each question to the
#: engine for its words and for its part of the graph.
_WARM = ("acl_idx", "field_acl_idx")
_WARM_LARGE = (*_WARM, "search_text_idx", "vector_idx")

#: So many of the best by words are looked at for how much of the question they hold.
_LEADERS = 3


class LanceStore:
    """Chunks in the LanceDB table ``table`` at ``uri`` (a folder or an object store URI), as of ``version``, or its newest where that is None."""

    def __init__(
        self,
        uri: str,
        table: str,
        dim: int,
        exact_limit: int = EXACT_LIMIT,
        version: int | None = None,
        *,
        held_limit: int = HELD_LIMIT,
        shortlist: int = SHORTLIST,
    ) -> None:
        self._uri = uri
        self._name = table
        self._dim = dim
        self._exact_limit = exact_limit
        self._version = version
        self._held_limit = held_limit
        self._shortlist = shortlist
        self._open: Any = None
        self._kept: dict[int, Chunk] = {}
        self._held: Held | None = None
        self._ready = False
        self._reading = threading.Lock()
        # A version never changes: a reader's count of visible rows is told once.
        self._counted = lru_cache(maxsize=4096)(self._count)

    def _table(self) -> Any:
        if self._open is None:
            from pipelines.index.store.generation import open_at

            self._open = open_at(self._uri, self._name, self._version)
        return self._open

    def ready(self) -> None:
        """Read what questions need, once; who comes meanwhile waits. A large version takes seconds. ``search`` does it where nobody did."""
        if self._ready:
            return
        with self._reading:
            if self._ready:
                return
            rows = self.count()
            if rows <= self._held_limit and rows * self._dim <= _NUMBERS:
                from pipelines.index.store.held import held_of

                self._held = held_of(self._table(), self._exact_limit, self._shortlist)
            # An empty table has no index.
            made = {str(index.name) for index in self._table().list_indices()}
            for name in _WARM if self._held is not None else _WARM_LARGE:
                if name in made:
                    self._table().prewarm_index(name)
            self._ready = True

    def write(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Write the whole table and its indexes; a table of that name is written anew."""
        from pipelines.index.store.generation import Generation
        from pipelines.index.store.rows import table_of

        Generation(self._uri, self._name, self._exact_limit).begin(table_of(chunks, vectors, self._dim))
        self._open = self._version = self._held = None
        self._ready = False
        self._counted.cache_clear()
        self._kept = {}

    def count(self) -> int:
        return self._counted("true")

    def rows(self, stream: str) -> set[str]:
        """The ids of all rows of a stream that some chunk comes from."""
        query = self._table().search().where(f"stream = {quoted(stream)}").select(["row"]).limit(max(1, self.count()))
        return set(query.to_arrow()["row"].to_pylist())

    def row_hashes(self) -> dict[str, str]:
        """By row id, the hash of the row as it was when its chunks were made."""
        found = self._table().search().select(["row", "row_hash"]).limit(max(1, self.count())).to_arrow()
        return dict(zip(found["row"].to_pylist(), found["row_hash"].to_pylist(), strict=True))

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
        """The ``k`` best chunks that these principals may read and ``allow`` lets pass, words and vectors fused, one of each group of copies
        and the best of each row before others of it (``neighbours`` gives what stands around it).

        Where the question names codes (``SP-1140``), what holds them comes first. Ranks and scores are given after refused rows are gone, so that
        neither tells that there was something. Where refusals or copies leave fewer than ``k``, more is looked at, up to everything visible.
        Raises ValueError for a ``k`` below 1 or a vector of another length.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if len(vector) != self._dim:
            raise ValueError(f"the question's vector has {len(vector)} dimensions, the index {self._dim}")
        self.ready()
        depth, allowed = max(5 * k, _DEPTH), dict[str, bool]()
        said = list(dict.fromkeys(terms(text)))
        look = self._held.look if self._held is not None else self._look
        visible, lists = look(said, vector, principals, filters, depth)
        if not visible:
            return Found((), 0, 0, "none")
        while True:
            words, near, exact = lists(depth)
            chunks = self._chunks([place for place, _ in (*words, *near)])
            looked = {chunk.id: chunk for chunk in chunks.values()}
            for name in looked.keys() - allowed.keys():
                allowed[name] = allow(looked[name])
            passed = {name: chunk for name, chunk in looked.items() if allowed[name]}
            # One without a group is its own.
            group = {name: chunk.canonical or name for name, chunk in passed.items()}
            if len(set(group.values())) >= k or depth >= visible:
                break
            depth = min(depth * 4, visible)
        ranked = [
            sorted(((chunks[at].id, score) for at, score in found if chunks[at].id in passed), key=lambda one: (-one[1], one[0]))
            for found in (words, near)
        ]
        named = codes(text)
        named_by = {name: len(named & codes(chunk.passage)) / len(named) for name, chunk in passed.items()} if named else None
        share = _share(text, said, [passed[name] for name, _ in ranked[0][:_LEADERS]])
        order = first_of_each(fuse(ranked[0], ranked[1], weights or Weights(), named_by, share), group)
        best = spread(order, {name: chunk.row for name, chunk in passed.items()})[:k]
        return Found(
            tuple(Ranked(passed[name], rank, score) for rank, (name, score) in enumerate(best, start=1)),
            visible,
            len(looked) - len(passed),
            "exact" if exact else "ann",
            round(ranked[1][0][1], 3) if ranked[1] else 0.0,
        )

    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None:
        """One chunk by id, if these principals may read it: an id is not a permission."""
        rows = self._read(f"id = {quoted(chunk)} AND {condition(principals)}", ["chunk"], 1)
        return unpacked(rows[0]["chunk"]) if rows else None

    def neighbours(self, chunk: str, principals: frozenset[str], reach: int = 1) -> tuple[Chunk, ...]:
        """The chunks around one, filtered like any other: the document's next paragraph may stand under a narrower scope."""
        if reach < 1:
            return ()
        access = condition(principals)
        here = self._read(f"id = {quoted(chunk)} AND {access}", ["document", "position"], 1)
        if not here:
            return ()
        at = int(here[0]["position"])
        where = f"document = {quoted(here[0]['document'])} AND position >= {at - reach} AND position <= {at + reach} AND {access}"
        rows = self._read(where, ["chunk", "position"], 2 * reach + 1)
        return tuple(unpacked(row["chunk"]) for row in sorted(rows, key=lambda row: row["position"]) if row["position"] != at)

    def _read(self, where: str, columns: list[str], limit: int) -> list[dict[str, Any]]:
        return self._table().search().where(where).select(columns).limit(limit).to_arrow().to_pylist()

    def _look(
        self, said: Sequence[str], vector: Sequence[float], principals: frozenset[str], filters: Filters | None, depth: int
    ) -> tuple[int, Look]:
        """How many rows may be seen, and what finds so many of them by the engine's own indexes; ``depth`` is what is asked for first."""
        where = condition(principals, filters)
        # LanceDB works outside of Python's lock: searching words, and counting and comparing vectors, take the time of the slower of the two.
        begun = {depth: second().submit(self._words, said, where, depth)}
        visible = self._counted(where)
        exact = self.count() <= self._exact_limit or visible <= min(_FEW, self._exact_limit)

        def lists(depth: int) -> tuple[list[Hit], list[Hit], bool]:
            asked = begun.pop(depth, None) or second().submit(self._words, said, where, depth)
            near = self._vectors(vector, where, depth, visible, exact or depth > _DEEP)
            return asked.result(), near, exact

        return visible, lists

    def _words(self, said: Sequence[str], where: str, depth: int) -> list[Hit]:
        if not said:
            return []
        query = self._table().search(" ".join(said), query_type="fts", fts_columns="search_text").where(where, prefilter=True)
        found = query.select(["chunk", "_score"]).with_row_id(True).limit(depth).to_arrow()
        return list(zip(self._brought(found), found["_score"].to_pylist(), strict=True))

    def _vectors(self, vector: Sequence[float], where: str, depth: int, visible: int, exact: bool) -> list[Hit]:
        query = self._table().search(list(vector), query_type="vector", vector_column_name="vector").distance_type("cosine")
        query = query.where(where, prefilter=True)
        query = query.bypass_vector_index() if exact else query.nprobes(_ALL_PARTITIONS).refine_factor(_REFINE).ef(_REACH * depth)
        found = query.select(["chunk", "_distance"]).with_row_id(True).limit(depth).to_arrow()
        if not exact and found.num_rows < min(depth, visible):
            # The graph gave fewer than there are: a short list is a wrong one.
            return self._vectors(vector, where, depth, visible, True)
        # As in memory (``near``): the last digits depend on where a row lies, and would put in order what is as near.
        return [(at, round(1.0 - far, 6)) for at, far in zip(self._brought(found), found["_distance"].to_pylist(), strict=True)]

    def _brought(self, found: Any) -> list[int]:
        """Where the rows of a reply lie. Their chunks came along, so that nothing is asked twice, and while the other search is still looking."""
        places: list[int] = found["_rowid"].to_pylist()
        self._keep({place: unpacked(found["chunk"][at].as_py()) for at, place in enumerate(places) if place not in self._kept})
        return places

    def _chunks(self, places: list[int]) -> dict[int, Chunk]:
        """The chunks at these places, each read once."""
        kept = self._kept
        found = {at: kept[at] for at in places if at in kept}
        missing = sorted(set(places) - found.keys())
        if missing:
            if self._held is not None:
                packed = self._held.packed(missing)
            else:
                told = self._table().take_row_ids(missing).select(["chunk"]).with_row_id().to_arrow()
                packed = dict(zip(told["_rowid"].to_pylist(), told["chunk"].to_pylist(), strict=True))
            read = {at: unpacked(text) for at, text in packed.items()}
            self._keep(read)
            found |= read
        return found

    def _keep(self, read: dict[int, Chunk]) -> None:
        if len(self._kept) + len(read) > _KEPT:
            # A new one: another thread may be reading the old.
            self._kept = {}
        self._kept.update(read)


def _share(text: str, said: Sequence[str], best: Sequence[Chunk]) -> float:
    """Of a question's terms, the largest share that one of these holds; half of it in another language, where what is shared is a year or a name.
    It depends on texts alone that the asker may read.
    """
    asked, tongue = set(said), language(text)
    return max((len(asked & term_set(one.passage)) / len(asked) / (1 if one.lang == tongue else 2) for one in best), default=0.0)
