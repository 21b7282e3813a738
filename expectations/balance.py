"""The books: what the source had equals what landed, plus what was quarantined, plus what was excluded. By count each pull, by ids each day."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Balance:
    """Row counts after a pull. ``source`` is the source's own count of live rows, None where it has no way to tell; ``landed`` are the live
    rows of the current table."""

    source: int | None
    landed: int
    quarantined: int
    excluded: int = 0

    @property
    def verified(self) -> bool:
        return self.source is not None

    @property
    def difference(self) -> int | None:
        """Rows the source has and we cannot account for, negative when we hold rows it no longer has; None where nobody knows."""
        return None if self.source is None else self.source - self.landed - self.quarantined - self.excluded

    @property
    def balanced(self) -> bool:
        return self.difference == 0


@dataclass(frozen=True)
class Sketch:
    """A set of ids in three numbers, whatever their order: how many there are, and their hashes XORed and added up. Two sets with the same
    sketch are the same set, but for one chance in 2 to the power of 64."""

    count: int
    xor: int
    total: int


class Ids:
    """A set of ids by their hashes: eight bytes each, however long they are."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._hashes = array("Q", sorted({_hash(one) for one in ids}))

    def __contains__(self, one: str) -> bool:
        hashed = _hash(one)
        at = bisect_left(self._hashes, hashed)
        return at < len(self._hashes) and self._hashes[at] == hashed

    @property
    def sketch(self) -> Sketch:
        xor = 0
        for one in self._hashes:
            xor ^= one
        return Sketch(len(self._hashes), xor, sum(self._hashes) % 2**64)


@dataclass(frozen=True)
class Missing:
    """Ids that one side has and the other has not: the first of them by name, and how many there are."""

    ids: tuple[str, ...] = ()
    count: int = 0


def missing(having: Callable[[], Iterable[str]], other: Ids, most: int = 50) -> Missing:
    """The ids of ``having`` that are not among ``other``; of them ``most`` by name."""
    named: list[str] = []
    seen: set[int] = set()
    for one in having():
        hashed = _hash(one)
        if one not in other and hashed not in seen:
            seen.add(hashed)
            if len(named) < most:
                named.append(one)
    return Missing(tuple(sorted(named)), len(seen))


@dataclass(frozen=True)
class IdBooks:
    """The books of a day by ids: what the source has and we neither hold nor have held back (``lost``), and what we show and it has no more
    (``left``). ``source`` is None where the source can't list its rows: then nothing is verified.
    """

    source: Sketch | None
    ours: Sketch
    quarantined: int
    lost: Missing = Missing()
    left: Missing = Missing()

    @property
    def verified(self) -> bool:
        return self.source is not None

    @property
    def balanced(self) -> bool:
        return self.verified and not self.lost.count and not self.left.count


def balance_ids(source: Callable[[], Iterable[str]] | None, live: Callable[[], Iterable[str]], held: Sequence[str]) -> IdBooks:
    """Compare by sketch first; only where the sketches differ are both sides read again, to name what differs."""

    def ours() -> Iterable[str]:
        yield from live()
        yield from held

    mine = Ids(ours())
    if source is None:
        return IdBooks(None, mine.sketch, len(held))
    theirs = Ids(source())
    if theirs.sketch == mine.sketch:
        return IdBooks(theirs.sketch, mine.sketch, len(held))
    return IdBooks(theirs.sketch, mine.sketch, len(held), missing(source, mine), missing(ours, theirs))


def _hash(one: str) -> int:
    return int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "big")
