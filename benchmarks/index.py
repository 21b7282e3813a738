"""The index: what a build costs, and a refresh of it; a large one under access filters. Each part is a module of its own, ``index_<part>.py``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

from benchmarks.measure import Measure, could_not

PARTS = ("refresh", "scale", "chunking", "releases")


def measures(parts: Sequence[str] = ()) -> Iterator[Measure]:
    """One part after the other; one that could not run says so, and the others go on."""
    for part in parts or PARTS:
        try:
            yield from importlib.import_module(f"benchmarks.index_{part}").measures()
        except (RuntimeError, OSError) as error:
            yield could_not(f"index.{part}", str(error))
