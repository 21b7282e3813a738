"""How much of a soak is done: all of it, or the share that ROUNDS asks for (25 rounds are all)."""

from __future__ import annotations

import os

ALL = 25


def rounds(full: int) -> int:
    """``full`` in a whole soak, fewer in a short one, at least one."""
    return max(1, full * int(os.environ.get("ROUNDS", str(ALL))) // ALL)
