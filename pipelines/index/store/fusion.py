"""Two ordered lists become one: pure functions over ids and scores of rows that the asker may see, and of no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelines.index.store.protocol import Weights

#: Reciprocal rank fusion: 1 / (RRF_K + rank), weighted. Cormack, Clarke, Büttcher: SIGIR 2009, with the constant they used.
RRF_K = 60
#: Of a fused score so much is shown. More would tell, through how rare a word is in the whole table, of rows that the asker may not see.
DIGITS = 3

#: Up to this share of a question's terms is nothing, from this one on enough: chosen on the dev parts of ``python -m benchmarks retrieval`` and of
#: the sandbox company's questions.
_NOTHING, _ENOUGH = 0.12, 0.24

#: An id and its raw score in one list, best first.
Scored = tuple[str, float]


def fuse(
    words: Sequence[Scored], near: Sequence[Scored], weights: Weights, held: Mapping[str, float] | None = None, share: float = 1.0
) -> list[Scored]:
    """All ids of both lists, best first, each with its fused score (0 to 1, rounded); a list without a weight adds none. Of equal scores what
    holds more codes comes first, then the smaller id.

    An id that a list lacks gets nothing from it. ``share`` is how much of the question the best of the word search holds: the less, the less
    words count (``trust``). What they alone found stays, with nothing: it may hold the code, or be all that may be shown. Where the question
    names codes, ``held`` says which share of them each id holds, and counts for as much as both lists together: who names a part asks for that
    part, and forty records that differ in nothing else are all as near. Scores are rounded after the order is made.
    """
    scaled = _by_rank if weights.method == "rrf" else _by_score
    # Who weighs words alone has nothing else to go by.
    lexical = weights.lexical * (trust(share) if weights.vector else 1.0)
    whole = lexical + weights.vector
    fused: dict[str, float] = {}
    for given, weight, ranked in ((weights.lexical, lexical, words), (weights.vector, weights.vector, near)):
        if given:
            for name, value in scaled(ranked).items():
                fused[name] = fused.get(name, 0.0) + weight / whole * value
    named = held or {}
    if named:
        fused = {name: (score + named.get(name, 0.0)) / 2 for name, score in fused.items()}
    order = sorted(fused.items(), key=lambda item: (-item[1], -named.get(item[0], 0.0), item[0]))
    return [(name, round(score, DIGITS)) for name, score in order]


def trust(share: float) -> float:
    """How far words are believed, 0 to 1: not at all where the best of them holds next to nothing of what was asked, as when an English question
    meets Japanese text, and shares a year or a little word with some of it."""
    return min(1.0, max(0.0, (share - _NOTHING) / (_ENOUGH - _NOTHING)))


def _by_rank(ranked: Sequence[Scored]) -> Mapping[str, float]:
    """1.0 for the first, then less with the rank."""
    return {name: (RRF_K + 1) / (RRF_K + rank) for rank, (name, _) in enumerate(ranked, start=1)}


def _by_score(ranked: Sequence[Scored]) -> Mapping[str, float]:
    """The list's own best is 1.0 and its worst 0.0, so that raw scores show neither in size nor in kind."""
    if not ranked:
        return {}
    best, worst = max(score for _, score in ranked), min(score for _, score in ranked)
    return {name: (score - worst) / (best - worst) if best > worst else 1.0 for name, score in ranked}


def first_of_each(order: Iterable[Scored], group: Mapping[str, str]) -> list[Scored]:
    """The first id of each group, in order: near-copies of what stands higher are left out."""
    seen: set[str] = set()
    kept: list[Scored] = []
    for name, score in order:
        if group[name] not in seen:
            seen.add(group[name])
            kept.append((name, score))
    return kept


def spread(order: Sequence[Scored], row: Mapping[str, str]) -> list[Scored]:
    """The best piece of each row first, then the others, each part in its order: one long document does not fill an answer.

    None is lost: where few rows are found, their other pieces follow. Their scores are lowered to the last one before them, so that scores
    still fall from hit to hit.
    """
    first = first_of_each(order, row)
    shown = {name for name, _ in first}
    least = first[-1][1] if first else 0.0
    return [*first, *((name, min(score, least)) for name, score in order if name not in shown)]
