"""How much of a soak is done: all of it, or the share that ROUNDS asks for (25 rounds are all)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

ALL = 25


def rounds(full: int) -> int:
    """``full`` in a whole soak, fewer in a short one, at least one."""
    return max(1, full * int(os.environ.get("ROUNDS", str(ALL))) // ALL)


def share(cases: Sequence[T]) -> list[T]:
    """All of the cases in a whole soak; in a short one as large a share, spread over them."""
    return [case for number, case in enumerate(cases) if number % ALL < rounds(ALL)]
