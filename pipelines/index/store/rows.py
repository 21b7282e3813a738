"""A chunk as a row of the table, and back. ``SCHEMA`` names this form: another form begins another generation."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pipelines.index.chunks import Chunk

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Vectors

SCHEMA = "rows/2"
LISTS = ("heading_path", "columns", "acl", "field_acl")
#: A chunk's fields, in order.
FIELDS = tuple(field.name for field in fields(Chunk))
_NUMBERS = ("ordinal",)


def chunk_schema(dim: int) -> pa.Schema:
    """One row a chunk: its fields, what the word search reads, its place in its document, its digest, its vector. Nothing is null.

    Principals are strings: as int32 the list index would silently not be used.
    """
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        return pa.list_(pa.string()) if name in LISTS else pa.int64() if name in _NUMBERS else pa.string()

    return pa.schema(
        [
            *(pa.field(name, kind(name), False) for name in FIELDS),
            pa.field("search_text", pa.string(), False),
            pa.field("position", pa.int64(), False),
            pa.field("digest", pa.string(), False),
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
    columns: dict[str, Any] = {name: pa.array([getattr(chunk, name) for chunk in chunks], schema.field(name).type) for name in FIELDS}
    columns["search_text"] = pa.array([chunk.search_text for chunk in chunks], pa.string())
    places: Counter[str] = Counter()
    positions: list[int] = []
    for chunk in chunks:
        positions.append(places[chunk.document])
        places[chunk.document] += 1
    columns["position"] = pa.array(positions, pa.int64())
    columns["digest"] = pa.array([digest(chunk) for chunk in chunks], pa.string())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), dim)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    """The chunk that a row holds."""
    read: dict[str, Any] = {name: tuple(row[name]) if name in LISTS else row[name] for name in FIELDS}
    return Chunk(**read)
