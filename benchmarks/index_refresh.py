"""What a refresh costs when one document in a hundred changed, against the full build, in one run, with an embedder that costs nearly nothing: a
model's own cost would hide the rest, and falls on changed passages alone."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Measure, quick
from benchmarks.retrieval_data import paragraphs

if TYPE_CHECKING:
    from pipelines.index.build import StreamInput

ROWS = 2_000 if quick() else 40_000
STREAM = "bench/pages"


class Cheap:
    """Vectors from a hash of the text: the same text, the same vector, at the price of a hash."""

    model_id, revision, dim = "bench/hash", "1", 384

    def embed_query(self, texts: Sequence[str]) -> Any:
        return self.embed_passage(texts)

    def embed_passage(self, texts: Sequence[str]) -> Any:
        import numpy as np

        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        found = np.stack([np.random.default_rng(seed).standard_normal(self.dim, np.float32) for seed in seeds])
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def measures() -> Iterator[Measure]:
    """The texts are public paragraphs, numbered; a document is one record of one paragraph."""
    texts = [f"{text}\n{number}" for number, (_, text) in zip(range(ROWS), _again(), strict=False)]
    how = f"{ROWS:,} records, vectors from a hash of the text"
    yield _refreshed("index.refresh.one_percent", texts, Cheap(), how)
    yield _refreshed("index.refresh.readers", texts, Cheap(), f"{how}; of one record in a hundred only the scope changed", readers=True)


def _again() -> Iterator[tuple[str, str]]:
    while True:
        yield from paragraphs()


def _refreshed(name: str, texts: Sequence[str], embedder: Any, how: str, *, readers: bool = False) -> Measure:
    """One full build, then three refreshes of another hundredth each; the median of those against the build."""
    from pipelines.index.build import build_candidate
    from pipelines.index.parse import Parser

    now = datetime(2026, 11, 27, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder, Parser() as parser:

        def build(day: int) -> float:
            stream = _stream(texts, day, readers)
            began = time.perf_counter()
            made = build_candidate(folder, "bench", [stream], embedder, now=now, parser=parser)
            took = time.perf_counter() - began
            if made.number != day + 1 or made.chunks < len(texts):
                raise RuntimeError(f"build {day + 1} made candidate {made.number} of {made.chunks} chunks")
            return took

        whole = build(0)
        days = sorted(build(day) for day in (1, 2, 3))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
    ratio = days[1] / whole
    return Measure(
        name,
        round(days[1], 3),
        round(whole, 3),
        "s",
        round(ratio, 4),
        (round(days[0] / whole, 4), round(days[-1] / whole, 4)),
        len(days),
        "< 0.03 of the full build",
        None if quick() or readers else ratio < 0.03,
        f"{how}; the peer is the full build; on disk after four builds: {size:.0f} MB",
        wall_s=round(whole + sum(days), 1),
    )


def _stream(texts: Sequence[str], day: int, readers: bool) -> StreamInput:
    """The table as published on a day: of every hundred rows one has changed each day."""
    import pyarrow as pa

    from pipelines.index.build import StreamInput
    from pipelines.index.documents import BodyColumn, DocumentShape
    from pipelines.index.releases import Input

    rows = range(len(texts))
    changed = [next((back for back in range(day, 0, -1) if row % 100 == back), 0) for row in rows]
    said = [text if readers or not on else f"{text} 改訂{on}" for text, on in zip(texts, changed, strict=True)]
    keys = [str(row) for row in rows]
    table = pa.table(
        {
            "title": [f"頁{row}" for row in rows],
            "text": said,
            "_key": keys,
            "_scope": ["few" if readers and on else "all" for on in changed],
            "_pull_id": ["p"] * len(rows),
            "_source_version": ["1"] * len(rows),
            "_row_hash": [hashlib.sha256(text.encode()).hexdigest() for text in said],
        }
    )
    scopes = pa.table(
        {
            "scope": ["all", "few"],
            "principals": pa.array([["everyone:bench"], ["group:bench:few"]], pa.list_(pa.string())),
            "resolved": [True, True],
            "reason": ["", ""],
        }
    )
    shape = DocumentShape(key=("_key",), title="title", body=(BodyColumn("text", "本文"),))
    return StreamInput(STREAM, shape, table, scopes, Input(published=day + 1, tables={}, contract_version=1))
