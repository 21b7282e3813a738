"""A chunk as a row of the table, and back. ``SCHEMA`` names this form: another form begins another generation."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pipelines.index.chunks import Chunk
from pipelines.index.store.filters import SAME
from pipelines.index.store.terms import terms

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Vectors

SCHEMA = "rows/4"
#: The fields that conditions name, as columns of their own. The whole chunk lies packed beside them: a hit is read from one column, not from twenty.
COLUMNS = ("id", "document", "row", "row_hash", "stream", "media", "lang", "changed_at")
LISTS = ("acl", "field_acl")
#: A chunk's fields, in order, as they are packed.
FIELDS = tuple(field.name for field in fields(Chunk))


def chunk_schema(dim: int) -> pa.Schema:
    """One row a chunk: what conditions name, what the word search reads, its place in its document, its digest, itself, its vector. Nothing is null.

    Principals are strings: as int32 the list index would silently not be used.
    """
    import pyarrow as pa

    return pa.schema(
        [
            *(pa.field(name, pa.string(), False) for name in COLUMNS),
            *(pa.field(name, pa.list_(pa.string()), False) for name in LISTS),
            pa.field("search_text", pa.string(), False),
            pa.field("position", pa.int64(), False),
            pa.field("digest", pa.string(), False),
            pa.field("chunk", pa.string(), False),
            pa.field("vector", pa.list_(pa.float32(), dim), False),
        ]
    )


def digest(chunk: Chunk) -> str:
    """SHA-256 (32 hex digits) over all a reader could tell apart. The pull id is left out: the same row pulled again is the same chunk."""
    told = [getattr(chunk, name) for name in FIELDS if name != "pull_id"]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def table_of(chunks: Sequence[Chunk], vectors: Vectors, dim: int) -> pa.Table:
    """Rows of these chunks. All chunks of a document are handed over together and in its order: that is their ``position``."""
    import pyarrow as pa

    schema = chunk_schema(dim)
    columns: dict[str, Any] = {name: pa.array([getattr(chunk, name) for chunk in chunks], schema.field(name).type) for name in COLUMNS}
    columns |= {name: pa.array(lists, schema.field(name).type) for name, lists in zip(LISTS, _readers(chunks), strict=True)}
    columns["search_text"] = pa.array([" ".join(terms(chunk.passage)) for chunk in chunks], pa.string())
    places: Counter[str] = Counter()
    positions: list[int] = []
    for chunk in chunks:
        positions.append(places[chunk.document])
        places[chunk.document] += 1
    columns["position"] = pa.array(positions, pa.int64())
    columns["digest"] = pa.array([digest(chunk) for chunk in chunks], pa.string())
    columns["chunk"] = pa.array([packed(chunk) for chunk in chunks], pa.string())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), dim)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _readers(chunks: Sequence[Chunk]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """``acl`` and ``field_acl`` as they are stored: where both are one list, the second only says so, and an engine looks a reader up once.

    Raises ValueError for a principal that is that mark.
    """
    for chunk in chunks:
        if SAME in chunk.acl or SAME in chunk.field_acl:
            raise ValueError(f"no principal is named {SAME!r}, and {chunk.id} lets one in")
    narrow = [(SAME,) if chunk.acl and chunk.field_acl == chunk.acl else chunk.field_acl for chunk in chunks]
    return [chunk.acl for chunk in chunks], narrow


def packed(chunk: Chunk) -> str:
    """A chunk as one text; a lone surrogate, which no store takes, becomes a question mark."""
    told = json.dumps([getattr(chunk, name) for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return told.encode("utf-8", "replace").decode()


def unpacked(text: str) -> Chunk:
    """The chunk that was packed."""
    values: list[Any] = json.loads(text)
    told: list[Any] = [tuple(value) if type(value) is list else value for value in values]
    return Chunk(*told)
