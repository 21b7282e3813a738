"""Work that several threads do at once and one reads in order: bounded, and with the same outcome whoever was faster."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(tasks: Iterable[T], work: Callable[[T], R], workers: int, stop: threading.Event) -> Generator[tuple[T, R]]:
    """Each task with its result, in the order of the tasks. Twice as many as there are workers are under way or wait to be taken, no more.

    Of several errors the one of the first task is raised. ``stop`` is set once no more results are wanted: long work looks at it. With one
    worker nothing leaves this thread.
    """
    if workers == 1:
        for task in tasks:
            yield task, work(task)
        return
    waiting: deque[tuple[T, Future[R]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for task in tasks:
            if len(waiting) == 2 * workers:
                first, result = waiting.popleft()
                yield first, result.result()
            waiting.append((task, pool.submit(work, task)))
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
