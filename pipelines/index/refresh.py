"""What changed since the last candidate, row by row: told by fingerprints alone, before anything is parsed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.access import UNRESOLVED, column_scope
from connectors.protocol import SCOPE, SOURCE_VERSION
from pipelines.index.chunks import principals_of
from pipelines.index.documents import Skipped, key_of, row_id, top_column
from pipelines.index.releases import open_objects

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.build import StreamInput

Principals = Mapping[str, tuple[str, ...]]

#: Reasons for leaving a file out that lie in the machine's moment and not in the file: the next build reads its row again.
PASSING = frozenset({"blob_damaged", "worker_died"})


class Known(NamedTuple):
    """What a build knew of one row and made of it. A tuple: every build makes one of every row there is, twice.

    ``source`` is a fingerprint of all its text depends on, ``access`` of who may read it and by which scope; ``digest`` is over its chunks, ""
    where it has none. ``resolved`` of its ``chunks`` have principals; ``scopes`` are those its documents stand under.
    """

    row: str
    stream: str
    source: str
    access: str
    digest: str = ""
    documents: int = 0
    chunks: int = 0
    resolved: int = 0
    scopes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Changes:
    """What changed, by row id: rows to be read ``anew`` and rows of which only the ``readers`` changed, each with its place in its stream's table.

    ``told`` are all rows of today, in the streams' order: what changed by its fingerprints alone, all else as it was known. ``known`` is what the
    last candidate knew.
    """

    anew: Mapping[str, int]
    readers: Mapping[str, int]
    told: Mapping[str, Known]
    known: Mapping[str, Known]


def compare(streams: Sequence[StreamInput], known: Mapping[str, Known]) -> Changes:
    """Today's rows against what the last candidate was made of. A row without a hash of its own is always read anew, and so is
    one of which something was left out for a reason that may have passed.
    """
    anew: dict[str, int] = {}
    readers: dict[str, int] = {}
    told: dict[str, Known] = {}
    for stream in streams:
        for at, (row, source, access) in enumerate(fingerprints(stream)):
            before = known.get(row)
            if before is None or before.source != source or not source or (before.skipped and _passing(before)):
                anew[row] = at
            elif before.access != access:
                readers[row] = at
            else:
                told[row] = before
                continue
            told[row] = Known(row, stream.stream, source, access)
    return Changes(anew, readers, told, known)


def _passing(before: Known) -> bool:
    return any(item.code in PASSING for item in before.skipped)


def fingerprints(stream: StreamInput) -> Iterator[tuple[str, str, str]]:
    """Of each row, in the table's order: its id, the fingerprint of its source and that of its readers.

    The row's hash covers its columns, and a file's SHA-256 its bytes. Where columns are restricted, the row's scope shapes the cut itself.
    """
    of_files = _files(stream)
    common = _digest([repr(stream.shape), sorted(stream.restricted.items())])
    principals = principals_of(stream.scopes.to_pylist())
    readers: dict[str, str] = {}
    wanted = dict.fromkeys(("_key", *stream.shape.key, "_row_hash", SOURCE_VERSION, SCOPE))
    names = [name for name in wanted if name in stream.rows.schema.names]
    for batch in stream.rows.select(names).to_batches(max_chunksize=10_000):
        columns = {name: batch[name].to_pylist() for name in names}
        nothing = [None] * batch.num_rows
        keys = columns.get("_key", nothing)
        hashes, versions, scopes = (columns.get(name, nothing) for name in ("_row_hash", SOURCE_VERSION, SCOPE))
        for at, (key, row_hash, version, scope) in enumerate(zip(keys, hashes, versions, scopes, strict=True)):
            key = str(key) if key else key_of({name: columns[name][at] for name in stream.shape.key}, stream.shape.key)
            scope = scope or UNRESOLVED
            if scope not in readers:
                readers[scope] = _digest([scope, principals.get(scope), _narrow(stream.restricted, scope, principals)])
            told = (common, row_hash, version, scope if stream.restricted else "", of_files.get(key))
            source = hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()[:32] if row_hash else ""
            yield row_id(stream.stream, key), source, readers[scope]


def _narrow(restricted: Mapping[str, str], scope: str, principals: Principals) -> list[Any]:
    names = sorted({column_scope(narrow or UNRESOLVED, scope) for narrow in restricted.values()})
    return [[top_column(name) for name in sorted(restricted)], [[name, principals.get(name)] for name in names]]


def _files(stream: StreamInput) -> Mapping[str, list[Any]]:
    """By row key, what its files' documents depend on."""
    found: dict[str, list[Any]] = {}
    if stream.shape.files and stream.content is not None:
        names = ["key", "ref", "name", "media_type", "sha256", "status"]
        for file in stream.content.select(names).to_pylist():
            found.setdefault(str(file["key"]), []).append([str(file[name]) for name in names[1:]])
    return {key: sorted(files) for key, files in found.items()}


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def state_path(index: str, content_hash: str) -> str:
    return f"indexes/{index}/states/{content_hash.removeprefix('sha256:')[:32]}.parquet"


def put_state(root: str, index: str, content_hash: str, rows: Sequence[Known]) -> None:
    """Write down what a build knew, beside the candidate that it belongs to. Without it the next build reads every row anew, and no more."""
    import io

    import obstore
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(schema.names)
    columns[-1] = [[vars(item) for item in row.skipped] for row in rows]
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    obstore.put(open_objects(root), state_path(index, content_hash), sink.getvalue())


def read_state(root: str, index: str, content_hash: str) -> dict[str, Known]:
    """What the build of that content knew, by row; empty where it was not written down."""
    import io

    import obstore
    import pyarrow.parquet as pq

    try:
        data = bytes(obstore.get(open_objects(root), state_path(index, content_hash)).bytes())
    except FileNotFoundError:
        return {}
    # By columns: this is read at every build, for every row there is.
    table = pq.read_table(io.BytesIO(data), schema=_schema()).combine_chunks()
    plain = [table[name].to_pylist() for name in table.schema.names[:-2]]
    scopes = [tuple(found) for found in _lists(table["scopes"])]
    skipped = [tuple(Skipped(**item) for item in found) for found in _lists(table["skipped"])]
    return {known.row: known for known in map(Known, *plain, scopes, skipped)}


def _lists(column: Any) -> Iterator[list[Any]]:
    """The lists of a column: most hold nothing or one thing, and Arrow's own way makes an array of each."""
    for chunk in column.chunks:
        values, ends = chunk.values.to_pylist(), chunk.offsets.to_pylist()
        yield from (values[first:last] for first, last in itertools.pairwise(ends))


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    skipped = pa.struct([(name, text) for name in ("document", "stream", "name", "code", "detail")])
    return pa.schema(
        [
            *((name, text) for name in ("row", "stream", "source", "access", "digest")),
            *((name, pa.int64()) for name in ("documents", "chunks", "resolved")),
            ("scopes", pa.list_(text)),
            ("skipped", pa.list_(skipped)),
        ]
    )
