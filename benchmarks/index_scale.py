"""A large index under access filters: recall by how much a reader may see, against every visible row compared in NumPy, and what a hybrid question costs."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Measure, quick
from benchmarks.retrieval_data import paragraphs

if TYPE_CHECKING:
    from pipelines.index.chunks import Chunk
    from pipelines.index.store import LanceStore

ROWS = 20_000 if quick() else 200_000
DIM, CLUSTERS, PRINCIPALS, EACH = 384, 2_000, 5_000, 20
#: Share of the chunks that a reader of each band may see.
BANDS = {"narrow": 0.003, "mid": 0.055, "wide": 0.34, "huge": 0.61}
READERS = 10 if quick() else 40
K = 10


@dataclass(frozen=True)
class World:
    """The same chunks as rows of the store and as arrays: ``vectors`` (rows × DIM, unit length), ``postings`` the rows of each principal."""

    chunks: list[Chunk]
    vectors: Any
    postings: list[Any]


def measures() -> Iterator[Measure]:
    """Written once; then every band's readers ask, each once, ours and the peer in turn."""
    with tempfile.TemporaryDirectory() as folder:
        made = world(ROWS)
        # What the measure itself holds is no garbage of the store's to be looked through.
        gc.collect()
        gc.freeze()
        store, seconds = written(made, folder)
        yield Measure(
            "index.scale.write",
            round(ROWS / seconds, 1),
            None,
            "chunks/s",
            None,
            None,
            1,
            "none: shown",
            None,
            f"{ROWS:,} chunks of {DIM} dimensions written with all indexes in {seconds:.0f} s",
        )
        for band in BANDS:
            yield from asked(made, store, band)


def world(rows: int) -> World:
    import numpy as np

    from pipelines.index.chunks import Chunk

    rng = np.random.default_rng(20261127)
    centres = rng.standard_normal((CLUSTERS, DIM)).astype(np.float32)
    vectors = centres[rng.integers(0, CLUSTERS, rows)] + 0.6 * rng.standard_normal((rows, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # A few principals stand on many chunks, most on few.
    popular = rng.pareto(3.0, PRINCIPALS) + 1.0
    drawn = rng.choice(PRINCIPALS, (rows, EACH), p=popular / popular.sum())
    texts = _texts(rows, rng)
    chunks: list[Chunk] = []
    for at in range(rows):
        acl = tuple(_name(who) for who in sorted(set(drawn[at].tolist())))
        name = f"{at:07}"
        chunks.append(
            Chunk(
                id=name,
                document=name,
                row=name,
                stream="bench/pages",
                title="",
                heading_path=(),
                ordinal=0,
                text=texts[at],
                url="",
                kind="record",
                scope="all",
                narrow="",
                columns=("text",),
                version="1",
                row_hash="",
                pull_id="",
                acl=acl,
                field_acl=acl,
                lang="ja",
                media="record",
                canonical=name,
            )
        )
    flat, owner = drawn.reshape(-1), np.repeat(np.arange(rows), EACH)
    order = np.argsort(flat, kind="stable")
    postings = np.split(owner[order], np.cumsum(np.bincount(flat, minlength=PRINCIPALS))[:-1])
    return World(chunks, vectors, [np.unique(found) for found in postings])


def _name(principal: int) -> str:
    return f"group:entra:tenant/{principal:05}"


def _texts(rows: int, rng: Any) -> list[str]:
    """About 240 characters each: sentences of public paragraphs, mixed anew."""
    sentences = [part + "。" for _, text in paragraphs() for part in text.split("。") if len(part) > 8]
    picks = rng.integers(0, len(sentences), (rows, 8))
    return ["".join(sentences[pick] for pick in row)[:240] for row in picks]


def written(made: World, folder: str) -> tuple[LanceStore, float]:
    from pipelines.index.store import EXACT_LIMIT, LanceStore

    # Below the limit nothing approximate is asked: in the short form the wide bands must still lie above.
    store = LanceStore(folder, "scale", DIM, 5_000 if quick() else EXACT_LIMIT)
    began = time.perf_counter()
    store.write(made.chunks, made.vectors)
    return store, time.perf_counter() - began


def reader(made: World, share: float, rng: Any) -> list[int]:
    """Principals drawn until they see the share."""
    import numpy as np

    seen, held = np.zeros(len(made.chunks), bool), list[int]()
    for who in rng.permutation(PRINCIPALS):
        rows = made.postings[int(who)]
        if not held or abs((seen.sum() + (~seen[rows]).sum()) / len(seen) - share) < abs(seen.mean() - share):
            held.append(int(who))
            seen[rows] = True
        if seen.mean() >= 0.97 * share or len(held) >= 1_000:
            break
    return held


def oracle(made: World, principals: Sequence[int], vector: Any, k: int) -> list[str]:
    """The nearest of all visible rows, every one compared."""
    import numpy as np

    rows = np.unique(np.concatenate([made.postings[who] for who in principals]))
    scores = made.vectors[rows] @ vector
    best = np.argpartition(-scores, min(k, len(rows) - 1))[:k]
    return [made.chunks[rows[at]].id for at in best[np.argsort(-scores[best])]]


def asked(made: World, store: LanceStore, band: str) -> Iterator[Measure]:
    import numpy as np

    from pipelines.index.store import Weights

    rng = np.random.default_rng([2026, list(BANDS).index(band)])
    only_vectors = Weights(0.0, 1.0)
    ours: list[float] = []
    peer: list[float] = []
    burnt: list[tuple[float, float]] = []
    found = short = total = visible = 0
    for number in range(READERS + 2):
        held = reader(made, BANDS[band], rng)
        names = frozenset(_name(who) for who in held)
        source = int(rng.integers(0, len(made.chunks)))
        vector = made.vectors[source] + 0.4 * rng.standard_normal(DIM).astype(np.float32) / np.sqrt(DIM)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        start = int(rng.integers(0, 200))
        text, plain = made.chunks[source].text[start : start + 29], [float(value) for value in vector]
        took, mine, answer = _timed(lambda text=text, plain=plain, names=names: store.search(text, plain, names, K, _any))
        waited, theirs, truth = _timed(lambda held=held, vector=vector: oracle(made, held, vector, K))
        if number < 2:
            # What is read for the first time is not what a running service does.
            continue
        ours.append(took)
        peer.append(waited)
        burnt.append((mine, theirs))
        near = {item.chunk.id for item in store.search("", plain, names, K, _any, only_vectors).ranked}
        found, total, visible = found + len(near & set(truth)), total + len(truth), visible + answer.visible
        short += min(len(near), len(answer.ranked)) < min(K, answer.visible)
    told = f"{len(ours)} readers who may see {visible / len(ours) / len(made.chunks):.1%} of {len(made.chunks):,} chunks"
    yield Measure(
        f"index.scale.recall_at_10.{band}",
        round(found / total, 4),
        1.0,
        "share",
        round(found / total, 4),
        None,
        len(ours),
        ">= 0.98 and no short list",
        found / total >= 0.98 and not short,
        f"{told}; the peer is every visible row compared in NumPy; lists shorter than they could be: {short}",
    )
    mine_ms, theirs_ms = (statistics.median(pair[side] for pair in burnt) * 1e3 for side in (0, 1))
    ours_ms, peer_ms = statistics.median(ours) * 1e3, statistics.median(peer) * 1e3
    bounded = band in ("wide", "huge") and not quick()
    yield Measure(
        f"index.scale.hybrid_p50.{band}",
        round(ours_ms, 2),
        round(peer_ms, 2),
        "ms",
        round(ours_ms / peer_ms, 3),
        None,
        len(ours),
        "<= 0.4" if band in ("wide", "huge") else "none: shown",
        ours_ms / peer_ms <= 0.4 if bounded else None,
        f"{told}: filter, words, vectors and fusion; the peer only compares the vectors of the rows they may see; "
        f"of CPU over all threads {mine_ms:.1f} ms against {theirs_ms:.1f} ms",
    )
    late = float(np.percentile(ours, 95)) * 1e3
    yield Measure(
        f"index.scale.hybrid_p95.{band}",
        round(late, 2),
        round(ours_ms, 2),
        "ms",
        round(late / ours_ms, 3),
        None,
        len(ours),
        "<= 4 times the p50",
        None if quick() else late / ours_ms <= 4.0,
        f"{told}; the peer is our own p50",
    )


def _any(_: Chunk) -> bool:
    return True


def _timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock and of CPU, and what was found. After a pause: the threads of a matrix product spin on for a while after it, and would
    do so on the cores that the other side is measured on."""
    time.sleep(0.1)
    began, burnt = time.perf_counter(), time.process_time()
    found = run()
    return time.perf_counter() - began, time.process_time() - burnt, found
