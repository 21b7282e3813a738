"""The best of many scores, in an order that is the same each time."""

from __future__ import annotations

from typing import Any

#: Places, best first, and their scores.
Best = tuple[list[int], list[float]]


def best(places: Any, scores: Any, depth: int) -> Best:
    """The ``depth`` highest scores and where they are; of equal ones the earlier."""
    import numpy as np

    if 4 * depth < len(scores):
        # Everything that is as good as the last one that counts is left to be put in order: which of equal ones come first is not left to chance.
        least = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        kept = np.flatnonzero(scores >= least)
        places, scores = places[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")[:depth]
    return places[order].tolist(), scores[order].tolist()
