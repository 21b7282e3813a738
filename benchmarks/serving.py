"""Service levels: how soon an edit is found, and how a day's questions at ten times their peak are answered. Each part is ``serving_<part>.py``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

from benchmarks.measure import Measure, could_not

PARTS = ("load", "freshness")


def measures(parts: Sequence[str] = PARTS) -> Iterator[Measure]:
    """One part after the other; one that could not run says so, and the others go on."""
    for part in parts:
        try:
            yield from importlib.import_module(f"benchmarks.serving_{part}").measures()
        except (RuntimeError, OSError) as error:
            yield could_not(f"serving.{part}", str(error))
