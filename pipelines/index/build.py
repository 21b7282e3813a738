"""One candidate from published rows: what changed is read, cut, embedded and put into the last candidate's table, and shows only when whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from connectors.access import UNRESOLVED
from connectors.errors import AnswerIsNo
from connectors.protocol import SCOPE
from pipelines.evidence.chain import GENESIS
from pipelines.evidence.plan import ledger_at
from pipelines.index.chunks import CHUNKER, Chunk, chunks, principals_of
from pipelines.index.documents import Document, DocumentShape, Skipped, documents, row_id
from pipelines.index.embedding import spent_of
from pipelines.index.parse import Parser
from pipelines.index.refresh import Changes, Known, compare, put_state, read_state
from pipelines.index.releases import (
    Anchor,
    Coverage,
    Input,
    Manifest,
    Omission,
    generation_uri,
    is_kept,
    newest_candidate,
    record_candidate,
)
from pipelines.index.store.generation import Generation
from pipelines.index.store.lance import EXACT_LIMIT
from pipelines.index.store.rows import SCHEMA, digest, table_of, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Embedder, Vectors
    from pipelines.index.store.protocol import Weights

#: Called with the step, what is done of it and how much there is.
Report = Callable[[Literal["documents", "embedding", "writing"], int, int], None]
#: Above this share of changed chunks the table is written anew: that costs little more, and compacts it.
_ANEW = 0.5
#: By chunk id, a chunk of the last candidate and its vector.
Before = Mapping[str, tuple[Chunk, Any]]


@dataclass(frozen=True)
class StreamInput:
    """A stream as published: its live rows, scopes, files and field restrictions, and which published record they are of.

    ``torn`` are keys of live rows that give no document, for something of theirs is held in quarantine.
    """

    stream: str
    shape: DocumentShape
    rows: pa.Table
    scopes: pa.Table
    published: Input
    content: pa.Table | None = None
    read_blob: Callable[[str], bytes] | None = None
    restricted: Mapping[str, str] = field(default_factory=dict[str, str])
    torn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """All chunks of an index, what was left out, documents a stream, and scopes without principals with the reason."""

    chunks: tuple[Chunk, ...]
    skipped: tuple[Skipped, ...]
    documents: Mapping[str, int]
    unresolved: Mapping[str, str]


def cut(streams: Sequence[StreamInput], parser: Parser, report: Report | None = None) -> Cut:
    """Documents and chunks of all streams, in the streams' order. The same rows always give the same chunks."""
    found: list[Chunk] = []
    skipped: list[Skipped] = []
    counted: Counter[str] = Counter()
    unresolved: dict[str, str] = {}
    total, before = sum(stream.rows.num_rows for stream in streams), 0
    for stream in streams:
        counted[stream.stream] = 0
        skipped += _torn(stream)
        rows = stream.scopes.to_pylist()
        principals = principals_of(rows)
        reasons = {str(row["scope"]): str(row["reason"] or "") for row in rows}

        def progress(done: int, _: int, base: int = before) -> None:
            if report:
                report("documents", base + done, total)

        for item in documents(
            stream.stream,
            stream.shape,
            stream.rows,
            parser,
            content=stream.content,
            read_blob=stream.read_blob,
            restricted=stream.restricted,
            progress=progress,
        ):
            if isinstance(item, Skipped):
                skipped.append(item)
                continue
            counted[stream.stream] += 1
            found.extend(chunks(item, principals))
            for scope in _scopes(item):
                if not principals.get(scope):
                    unresolved[f"{stream.stream} {scope}"] = reasons.get(scope) or "not in the scopes table"
        before += stream.rows.num_rows
    return Cut(tuple(found), tuple(skipped), dict(counted), unresolved)


def _scopes(document: Document) -> list[str]:
    return [document.scope, *([document.narrow] if document.narrow else [])]


@dataclass(frozen=True)
class _Base:
    """The last candidate as what this build goes on from: its table, what it knew of each row, and the row and digest of each chunk of it."""

    manifest: Manifest
    generation: Generation
    known: Mapping[str, Known]
    held: Mapping[str, tuple[str, str]]


def build_candidate(
    root: str,
    index: str,
    streams: Sequence[StreamInput],
    embedder: Embedder,
    *,
    now: datetime,
    parser: Parser,
    report: Report | None = None,
    weights: Weights | None = None,
    exact_limit: int = EXACT_LIMIT,
) -> Manifest:
    """Build the next candidate of ``index`` under ``root``, or hand back the newest one with ``reused`` where its content is the same.

    Only rows that changed since the last candidate are read and embedded; the result is what a build from nothing would be. ``weights`` are those
    that the release pins. A build that dies leaves versions without a record: nobody sees them, and the next one goes on from the last candidate.
    Raises AnswerIsNo when another build was faster.
    """
    last, key, spent = newest_candidate(root, index), generation_key(embedder), spent_of(embedder)
    base = _base(root, last, key, exact_limit)
    changes = compare(streams, base.known if base else {})
    before = _before(base, changes)
    fresh, rows = _make(streams, changes, before, parser, report)
    left_out = [*(item for row in rows for item in row.skipped), *(item for stream in streams for item in _torn(stream))]
    access = _coverage(streams, rows)
    content = _content_hash(key, rows, left_out, access.scopes_unresolved)
    # A candidate whose table was removed is not handed back: nobody could ask it.
    if last is not None and (last.content_hash, last.weights) == (content, weights) and is_kept(root, last):
        if changes.anew:
            put_state(root, index, content, rows)
        return last.model_copy(update={"reused": True})
    vectors = _embed(fresh, before, embedder, report)
    if report:
        report("writing", 0, len(fresh))
    number = last.number + 1 if last else 1
    # A name of its own: under that of an earlier candidate with the same content lie versions that releases were made of. Two builds racing for
    # one number write two tables, and the record names the winner's.
    new = Generation(generation_uri(root, index), f"chunks_{key}_{number}_{content.removeprefix('sha256:')[:16]}", exact_limit)
    generation, version = _write(new, base, changes, table_of(fresh, vectors, embedder.dim))
    # The version is whole from here on, and kept by its tag: a record may name it.
    generation.tag(number, version)
    put_state(root, index, content, rows)
    counted = Counter({stream.stream: 0 for stream in streams})
    for row in rows:
        counted[row.stream] += row.documents
    manifest = Manifest(
        index=index,
        number=number,
        created_at=now,
        inputs={stream.stream: stream.published for stream in streams},
        model_id=embedder.model_id,
        revision=embedder.revision,
        dim=embedder.dim,
        chunker=CHUNKER,
        table=generation.name,
        generation=key,
        version=version,
        weights=weights,
        embedded=spent_of(embedder).since(spent),
        ledger_head=_anchor(root),
        documents=dict(counted),
        chunks=access.chunks,
        access=access,
        omitted=tuple(Omission(document=item.document, name=item.name, code=item.code, detail=item.detail) for item in left_out),
        content_hash=content,
    )
    record_candidate(root, manifest)
    if report:
        report("writing", len(fresh), len(fresh))
    return manifest


def _anchor(root: str) -> Anchor | None:
    """The ledger's head of this moment. Raises LedgerBroken where two rows stand under the last number."""
    head = ledger_at(root).head()
    return None if head == GENESIS else Anchor(seq=head.seq, hash=head.hash)


def generation_key(embedder: Embedder) -> str:
    """What may share one table: the form of a row, the model with revision and dimension, and the chunker."""
    told = [SCHEMA, embedder.model_id, embedder.revision, embedder.dim, CHUNKER]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _base(root: str, last: Manifest | None, key: str, exact_limit: int) -> _Base | None:
    """None where there is nothing to go on from: no candidate, another generation, or one whose table or state is gone."""
    if last is None or last.generation != key:
        return None
    generation = Generation(generation_uri(root, last.index), last.table, exact_limit)
    known = read_state(root, last.index, last.content_hash)
    try:
        return _Base(last, generation, known, generation.held(last.version)) if known else None
    except AnswerIsNo as error:
        if error.code != "index.version_gone":
            raise
        return None


def _before(base: _Base | None, changes: Changes) -> Before:
    """What the last candidate holds of the rows that changed."""
    changed = {*changes.anew, *changes.readers}
    if base is None or not any(row in changed for row, _ in base.held.values()):
        return {}
    found = base.generation.read(base.manifest.version, changed, base.held)
    vectors: Any = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(found.num_rows, -1)
    held = [unpacked(text) for text in found["chunk"].to_pylist()]
    return {chunk.id: (chunk, vectors[at]) for at, chunk in enumerate(held)}


def _make(
    streams: Sequence[StreamInput], changes: Changes, before: Before, parser: Parser, report: Report | None
) -> tuple[list[Chunk], list[Known]]:
    """The chunks of what changed, and what is known of every row now."""
    parsed = cut([_taken(stream, changes) for stream in streams], parser, report)
    fresh = [*parsed.chunks, *_with_readers(streams, changes, before)]
    by_row: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in fresh:
        by_row[chunk.row].append(chunk)
    skipped: dict[str, list[Skipped]] = defaultdict(list)
    for item in parsed.skipped:
        # A file's document carries a mark behind its row's id.
        skipped[item.document if item.document in changes.anew else item.document.rpartition("#")[0]].append(item)
    rows: list[Known] = []
    for row, told in changes.told.items():
        if row not in changes.anew and row not in changes.readers:
            rows.append(told)
            continue
        known = changes.known.get(row)
        own = by_row[row]
        digests = sorted((chunk.id, digest(chunk)) for chunk in own)
        rows.append(
            told._replace(
                digest=hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:32] if own else "",
                documents=len({chunk.document for chunk in own}),
                chunks=len(own),
                resolved=sum(1 for chunk in own if chunk.acl),
                scopes=tuple(sorted({scope for chunk in own for scope in (chunk.scope, chunk.narrow) if scope})),
                skipped=tuple(skipped[row]) if known is None or row in changes.anew else known.skipped,
            )
        )
    return fresh, rows


def _taken(stream: StreamInput, changes: Changes) -> StreamInput:
    """The stream with those rows alone that are read anew."""
    import pyarrow as pa

    rows = sorted(at for row, at in changes.anew.items() if changes.told[row].stream == stream.stream)
    return replace(stream, rows=stream.rows.take(pa.array(rows, pa.int64())), torn=())


def _with_readers(streams: Sequence[StreamInput], changes: Changes, before: Before) -> Iterator[Chunk]:
    """Chunks of rows of which only the readers changed, under today's: text and vector stay what they are."""
    if not changes.readers:
        return
    of = {stream.stream: (principals_of(stream.scopes.to_pylist()), stream.rows[SCOPE]) for stream in streams}
    for chunk, _ in before.values():
        if chunk.row in changes.readers:
            principals, scopes = of[chunk.stream]
            scope = scopes[changes.readers[chunk.row]].as_py() or UNRESOLVED
            acl = principals.get(scope, ())
            field_acl = principals.get(chunk.narrow, ()) if chunk.narrow else acl
            nobody = not acl or not field_acl
            yield replace(chunk, scope=scope, acl=() if nobody else acl, field_acl=() if nobody else field_acl)


def _torn(stream: StreamInput) -> list[Skipped]:
    return [Skipped(row_id(stream.stream, key), stream.stream, "", "torn", "") for key in stream.torn]


def _coverage(streams: Sequence[StreamInput], rows: Sequence[Known]) -> Coverage:
    """How many chunks somebody may read, and which scopes resolve to nobody."""
    unresolved: dict[str, str] = {}
    for stream in streams:
        scopes = stream.scopes.to_pylist()
        principals = principals_of(scopes)
        reasons = {str(row["scope"]): str(row["reason"] or "") for row in scopes}
        for scope in sorted({scope for row in rows if row.stream == stream.stream for scope in row.scopes}):
            if not principals.get(scope):
                unresolved[f"{stream.stream} {scope}"] = reasons.get(scope) or "not in the scopes table"
    return Coverage(chunks=sum(row.chunks for row in rows), resolved=sum(row.resolved for row in rows), scopes_unresolved=unresolved)


def _content_hash(key: str, rows: Sequence[Known], skipped: Sequence[Skipped], unresolved: Mapping[str, str]) -> str:
    """SHA-256 over all a reader could tell apart: chunks with principals, what is missing, model and chunker. Pull ids are left out."""
    told = [
        key,
        sorted((row.row, row.digest) for row in rows if row.digest),
        sorted((item.document, item.name, item.code) for item in skipped),
        sorted(unresolved.items()),
    ]
    return "sha256:" + hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def _embed(made: Sequence[Chunk], before: Before, embedder: Embedder, report: Report | None) -> Vectors:
    """Vectors in the order of the chunks. One whose passage stayed the same keeps its own."""
    import numpy as np

    found = np.zeros((len(made), embedder.dim), np.float32)
    todo: list[int] = []
    for at, chunk in enumerate(made):
        held = before.get(chunk.id)
        if held is not None and held[0].passage == chunk.passage:
            found[at] = held[1]
        else:
            todo.append(at)
    step = 64
    for start in range(0, len(todo), step):
        places = todo[start : start + step]
        found[places] = embedder.embed_passage([made[at].passage for at in places])
        if report:
            report("embedding", min(start + step, len(todo)), len(todo))
    return found


def _write(new: Generation, base: _Base | None, changes: Changes, fresh: pa.Table) -> tuple[Generation, int]:
    """Bring the last candidate's table forward, or begin the ``new`` one, and prove that it holds today's chunks and no others."""
    import pyarrow as pa

    kept: dict[str, str] = {}
    stale: list[str] = []
    for name, (row, of) in (base.held if base else {}).items():
        if row in changes.told and row not in changes.anew and row not in changes.readers:
            kept[name] = of
        else:
            stale.append(name)
    made = dict(zip(fresh["id"].to_pylist(), fresh["digest"].to_pylist(), strict=True))
    if base is not None and len(made) + len(stale) <= _ANEW * max(1, len(base.held)):
        generation = base.generation
        version = generation.advance(base.manifest.version, fresh, [name for name in stale if name not in made])
    else:
        generation = new
        held = base.generation.read(base.manifest.version, {base.held[name][0] for name in kept}, base.held) if base and kept else None
        version = generation.begin(pa.concat_tables([held, fresh]) if held is not None else fresh)
    generation.prove(version, kept | made)
    return generation, version
