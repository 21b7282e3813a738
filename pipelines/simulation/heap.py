"""The memory of a process that lives days: what one run freed is kept for the next, and not handed back to the system in between."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Generator
from contextlib import contextmanager

#: ``mallopt(3)`` of the GNU C library: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD.
_TRIM, _PAD, _MAP = -1, -2, -3
_KEPT = 256 * 1024 * 1024
#: Objects between two looks for garbage, and looks between two at older ones: most of what a day makes is gone without being looked for.
_BETWEEN, _OLDER = 20_000, (20, 20)


def keep_memory() -> None:
    """Let Arrow and the C library hold on to memory. A day is many short reads and writes, and each would have its pages cleared anew.

    Where the C library is another one, nothing of it is changed.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_TRIM, _KEPT), (_PAD, _KEPT // 4), (_MAP, _KEPT)):
            mallopt(parameter, value)


@contextmanager
def few_looks() -> Generator[None]:
    """Look for garbage seldom until the end of the block. What the libraries load stays, and as Python is set it looks among it two thousand
    times by the end of the first day, for two seconds."""
    before = gc.get_threshold()
    gc.set_threshold(_BETWEEN, *_OLDER)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def keep_objects() -> None:
    """What the first day loaded stays until the last one, and is no garbage to be looked for among it each few moments."""
    gc.collect()
    gc.freeze()
