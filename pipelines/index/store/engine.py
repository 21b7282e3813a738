"""The engine behind the store: where LanceDB is loaded, and with how many threads questions are worked on."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any


def connect(uri: str) -> Any:
    """The database at a folder or an object store URI."""
    return load().connect(uri)


def load() -> Any:
    """LanceDB itself, which takes a while the first time.

    It keeps two cores for reading and computes with the others: on a machine of two, with one thread, however many questions there are. It is told
    to compute with all, unless ``LANCE_CPU_THREADS`` says otherwise.
    """
    os.environ.setdefault("LANCE_CPU_THREADS", str(os.cpu_count() or 1))
    import lancedb

    return lancedb


@cache
def second() -> ThreadPoolExecutor:
    """Where the word search runs beside the vector search, of all stores of this process. What runs there waits for nothing that runs there."""
    return ThreadPoolExecutor(32, "words")
