"""Where chunks are kept and searched: the IndexStore protocol and LanceDB behind it. Access is a filter that always exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipelines.index.chunks import Chunk, search_form

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Vectors

#: Up to this many visible rows every one is compared; above it the approximate index is asked, all its partitions.
EXACT_LIMIT = 20_000
#: Reciprocal rank fusion: 1 / (RRF_K + rank), weighted.
RRF_K = 60
FilterMode = Literal["none", "exact", "ann"]
#: Said by the caller of each row found: may it be shown today?
Allow = Callable[["Chunk"], bool]


@dataclass(frozen=True)
class Weights:
    """How much the word search and the vector search say in the fused order."""

    lexical: float = 1.0
    vector: float = 1.0


@dataclass(frozen=True)
class Ranked:
    """A chunk at its place (1 = first). ``score`` is the fused score; raw scores never leave the store, for they tell of hidden rows."""

    chunk: Chunk
    rank: int
    score: float


@dataclass(frozen=True)
class Found:
    """``visible`` rows passed the access filter before any search; ``refused`` of the rows looked at were not allowed by the caller."""

    ranked: tuple[Ranked, ...]
    visible: int
    refused: int
    mode: FilterMode


class IndexStore(Protocol):
    """One immutable table of chunks with vectors."""

    def write(self, chunks: Sequence[Chunk], vectors: Vectors) -> None: ...
    def count(self) -> int: ...
    def visible(self, principals: frozenset[str]) -> int: ...
    def search(
        self, text: str, vector: Sequence[float], principals: frozenset[str], k: int, allow: Allow, weights: Weights | None = None
    ) -> Found: ...
    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None: ...


def access_filter(principals: Iterable[str]) -> str:
    """The SQL condition under which a row may be read: one of ``principals`` stands in ``acl`` and one in ``field_acl``.

    It is never None or empty: LanceDB takes ``where(None)`` for "no filter" and gives every row. Nobody's filter matches nobody.
    Denials are allow lists by now: NOT over a list column is wrong where there are nulls.
    """
    quoted = sorted("'" + name.replace("'", "''") + "'" for name in set(principals) if name)
    if not quoted:
        return "false"
    names = ", ".join(quoted)
    return f"array_has_any(acl, [{names}]) AND array_has_any(field_acl, [{names}])"


def chunk_schema(dim: int) -> pa.Schema:
    """One row a chunk. Principals are strings: as int32 the list index would silently not be used."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    return pa.schema(
        [
            *(pa.field(name, text, False) for name in _TEXTS),
            pa.field("ordinal", pa.int64(), False),
            *(pa.field(name, texts, False) for name in _LISTS),
            pa.field("search_text", text, False),
            pa.field("vector", pa.list_(pa.float32(), dim), False),
        ]
    )


_TEXTS = (
    "id",
    "document",
    "row",
    "stream",
    "title",
    "text",
    "url",
    "kind",
    "scope",
    "narrow",
    "version",
    "row_hash",
    "pull_id",
    "lang",
    "media",
    "changed_at",
    "canonical",
)
_LISTS = ("heading_path", "columns", "acl", "field_acl")
_READ = [*_TEXTS, "ordinal", *_LISTS]


class LanceStore:
    """Chunks in one LanceDB table at ``uri`` (a folder or an object store URI)."""

    def __init__(self, uri: str, table: str, dim: int, exact_limit: int = EXACT_LIMIT) -> None:
        self._uri = uri
        self._name = table
        self._dim = dim
        self._exact_limit = exact_limit
        self._open: Any = None

    def _table(self) -> Any:
        if self._open is None:
            import lancedb

            self._open = lancedb.connect(self._uri).open_table(self._name)
        return self._open

    def write(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Write the whole table and its indexes; a table that a killed build left is written anew."""
        import lancedb
        import pyarrow as pa
        from lancedb.index import FTS, HnswSq, LabelList

        schema = chunk_schema(self._dim)
        columns: dict[str, Any] = {name: pa.array([getattr(chunk, name) for chunk in chunks], schema.field(name).type) for name in _READ}
        columns["search_text"] = pa.array([chunk.search_text for chunk in chunks], pa.string())
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), self._dim)
        rows = pa.table([columns[name] for name in schema.names], schema=schema)
        database = lancedb.connect(self._uri)
        database.drop_table(self._name, ignore_missing=True)  # pyright: ignore[reportCallIssue]  (its base class is behind)
        table = database.create_table(self._name, schema=schema)
        if rows.num_rows:
            table.add(rows)
            # icu needs no dictionary and finds single kanji; stemming and stop words are English's.
            table.create_index("search_text", config=FTS(base_tokenizer="icu", stem=False, remove_stop_words=False))
            table.create_index("acl", config=LabelList())
            table.create_index("field_acl", config=LabelList())
            if rows.num_rows > self._exact_limit:
                table.create_index("vector", config=HnswSq(distance_type="cosine", num_partitions=_partitions(rows.num_rows)))
        self._open = table

    def count(self) -> int:
        return int(self._table().count_rows())

    def rows(self, stream: str) -> set[str]:
        """The ids of all rows of a stream that some chunk comes from."""
        query = self._table().search().where(f"stream = '{stream}'").select(["row"]).limit(max(1, self.count()))
        return set(query.to_arrow()["row"].to_pylist())

    def visible(self, principals: frozenset[str]) -> int:
        """How many chunks these principals may read."""
        return int(self._table().count_rows(access_filter(principals)))

    def plan(self, principals: frozenset[str]) -> str:
        """How LanceDB would apply the filter; holds ``ScalarIndexQuery`` when the list indexes are used."""
        return str(self._table().search().where(access_filter(principals)).limit(10).explain_plan())

    def search(
        self, text: str, vector: Sequence[float], principals: frozenset[str], k: int, allow: Allow, weights: Weights | None = None
    ) -> Found:
        """The ``k`` best chunks that these principals may read and ``allow`` lets pass, words and vectors fused.

        Ranks are given after refused rows are gone, so that neither rank nor score tells that there was something. Where refusals leave
        fewer than ``k``, more is looked at, up to everything visible.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        visible = self.visible(principals)
        if not visible:
            return Found((), 0, 0, "none")
        exact = visible <= self._exact_limit
        depth = max(3 * k, 30)
        while True:
            by_words = self._words(text, principals, depth)
            by_vector = self._vectors(vector, principals, depth, exact)
            looked = {chunk.id: chunk for chunk in (*by_words, *by_vector)}
            passed = {name for name, chunk in looked.items() if allow(chunk)}
            refused = len(looked) - len(passed)
            # Only a refusal can leave too few: an unrefused list is as long as asked for, or everything there is.
            if len(passed) >= k or not refused or depth >= visible:
                break
            depth = min(depth * 4, visible)
        fused: dict[str, float] = {}
        said = weights or Weights()
        for weight, ranked in ((said.lexical, by_words), (said.vector, by_vector)):
            for rank, chunk in enumerate((chunk for chunk in ranked if chunk.id in passed), start=1):
                fused[chunk.id] = fused.get(chunk.id, 0.0) + weight / (RRF_K + rank)
        best = sorted(fused.items(), key=lambda item: (-item[1], item[0]))[:k]
        return Found(
            tuple(Ranked(looked[name], rank, round(score, 6)) for rank, (name, score) in enumerate(best, start=1)),
            visible,
            refused,
            "exact" if exact else "ann",
        )

    def fetch(self, chunk: str, principals: frozenset[str]) -> Chunk | None:
        """One chunk by id, if these principals may read it: an id is not a permission."""
        condition = f"id = '{chunk.replace(chr(39), chr(39) * 2)}' AND {access_filter(principals)}"
        rows = self._table().search().where(condition).select(_READ).limit(1).to_arrow().to_pylist()
        return _chunk(rows[0]) if rows else None

    def _words(self, text: str, principals: frozenset[str], depth: int) -> list[Chunk]:
        form = search_form(text).strip()
        if not form:
            return []
        query = self._table().search(form, query_type="fts", fts_columns="search_text")
        query = query.where(access_filter(principals), prefilter=True)
        rows = query.select([*_READ, "_score"]).limit(depth).to_arrow().to_pylist()
        return [_chunk(row) for row in sorted(rows, key=lambda row: (-row["_score"], row["id"]))]

    def _vectors(self, vector: Sequence[float], principals: frozenset[str], depth: int, exact: bool) -> list[Chunk]:
        table = self._table()
        query = table.search(list(vector), query_type="vector", vector_column_name="vector").distance_type("cosine")
        query = query.where(access_filter(principals), prefilter=True)
        # With default probes a narrow reader silently loses most of what they may see.
        query = query.bypass_vector_index() if exact else query.nprobes(_partitions(self.count())).refine_factor(5)
        rows = query.select([*_READ, "_distance"]).limit(depth).to_arrow().to_pylist()
        return [_chunk(row) for row in sorted(rows, key=lambda row: (row["_distance"], row["id"]))]


def _partitions(rows: int) -> int:
    return max(1, rows // 12_500)


def _chunk(row: Mapping[str, Any]) -> Chunk:
    read: dict[str, Any] = {name: tuple(row[name]) if name in _LISTS else row[name] for name in _READ}
    return Chunk(**read)
