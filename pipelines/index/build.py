"""One candidate from published rows: documents, chunks, vectors, table, manifest – in that order, and visible only when whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pipelines.index.chunks import CHUNKER, Chunk, chunks, principals_of
from pipelines.index.documents import Document, DocumentShape, Skipped, documents, row_id
from pipelines.index.parse import Parser
from pipelines.index.releases import Coverage, Input, Manifest, Omission, newest_candidate, open_release, record_candidate

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Embedder, Vectors

#: Called with the step, what is done of it and how much there is.
Report = Callable[[Literal["documents", "embedding", "writing"], int, int], None]


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
        skipped += [Skipped(row_id(stream.stream, key), stream.stream, "", "torn", "") for key in stream.torn]
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


def content_hash(made: Cut, embedder: Embedder) -> str:
    """SHA-256 over all a reader could tell apart: chunks with principals, what is missing, model and chunker. Pull ids are left out."""
    digest = hashlib.sha256(json.dumps([embedder.model_id, embedder.revision, embedder.dim, CHUNKER]).encode())
    names = [item.name for item in fields(Chunk) if item.name != "pull_id"]
    for chunk in sorted(made.chunks, key=lambda chunk: chunk.id):
        digest.update(json.dumps([getattr(chunk, name) for name in names], ensure_ascii=False).encode())
    for item in sorted(made.skipped, key=lambda item: (item.document, item.name)):
        digest.update(json.dumps([item.document, item.name, item.code]).encode())
    digest.update(json.dumps(sorted(made.unresolved.items())).encode())
    return "sha256:" + digest.hexdigest()


def build_candidate(
    root: str,
    index: str,
    streams: Sequence[StreamInput],
    embedder: Embedder,
    *,
    now: datetime,
    parser: Parser,
    report: Report | None = None,
) -> Manifest:
    """Build the next candidate of ``index`` under ``root``, or hand back the newest one with ``reused`` where its content is the same.

    A build that dies leaves a table without a record: nobody sees it, and the next build writes over it. Raises AnswerIsNo when
    another build was faster.
    """
    made = cut(streams, parser, report)
    digest = content_hash(made, embedder)
    last = newest_candidate(root, index)
    if last is not None and last.content_hash == digest:
        return last.model_copy(update={"reused": True})
    manifest = Manifest(
        index=index,
        number=last.number + 1 if last else 1,
        created_at=now,
        inputs={stream.stream: stream.published for stream in streams},
        model_id=embedder.model_id,
        revision=embedder.revision,
        dim=embedder.dim,
        chunker=CHUNKER,
        # Two builds racing for one number write two tables; the record names the winner's.
        table=f"chunks_{digest.removeprefix('sha256:')[:16]}",
        documents=made.documents,
        chunks=len(made.chunks),
        access=Coverage(chunks=len(made.chunks), resolved=sum(1 for chunk in made.chunks if chunk.acl), scopes_unresolved=made.unresolved),
        omitted=tuple(Omission(document=item.document, name=item.name, code=item.code, detail=item.detail) for item in made.skipped),
        content_hash=digest,
    )
    vectors = _embed(made.chunks, embedder, report)
    if report:
        report("writing", 0, len(made.chunks))
    open_release(root, manifest).write(made.chunks, vectors)
    record_candidate(root, manifest)
    if report:
        report("writing", len(made.chunks), len(made.chunks))
    return manifest


def _embed(made: Sequence[Chunk], embedder: Embedder, report: Report | None) -> Vectors:
    import numpy as np

    step = 16
    parts = [np.zeros((0, embedder.dim), np.float32)]
    for start in range(0, len(made), step):
        parts.append(embedder.embed_passage([chunk.passage for chunk in made[start : start + step]]))
        if report:
            report("embedding", min(start + step, len(made)), len(made))
    return np.concatenate(parts)
