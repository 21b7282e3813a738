"""How many different values a column holds: exact up to a bound, then an estimate with a known error, in memory that does not grow.

The k smallest hashes of a set say how large it is (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002; the unbiased
form is Beyer et al., "On synopses for distinct-value estimation under multiset operations", 2007). Two of them merge into that of the union.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Hashes = npt.NDArray[np.uint64]

#: Hashes kept of a column (32 kB). Up to so many different values the count is exact.
BOUND = 4096
#: Beyond the bound: two standard errors, as a share of the estimate.
ERROR = 2 / math.sqrt(BOUND - 2)
_LONG = 256
_FEW = 1024


def _none() -> Hashes:
    import numpy as np

    return np.empty(0, np.uint64)


@dataclass
class Distinct:
    """The smallest hashes of the values seen so far, sorted; ``exact`` until one had to go. Some wait until it is worth sorting them in."""

    _kept: Hashes = field(default_factory=_none)
    _exact: bool = True
    _waiting: list[Hashes] = field(default_factory=list[Any])

    def take_values(self, column: pa.Array) -> None:
        """Add the values of a column without lists in it; nulls are none."""
        if self._exact and 0 < len(self._kept) < _FEW:
            # So few so far: most likely those again, and Arrow finds that out faster than their hashes do.
            column = column.unique()
        hashes = hashes_of(column)
        assert hashes is not None
        self.take(hashes)

    def take(self, hashes: Hashes) -> None:
        """Add values by their hashes, in any order and with repetitions."""
        if not self._exact:
            hashes = hashes[hashes < self._kept[-1]]
        if len(hashes):
            self._waiting.append(hashes)
        if self._exact or sum(map(len, self._waiting)) > BOUND:
            self._settle()

    def merge(self, other: Distinct) -> None:
        """Take in what another one saw."""
        other._settle()
        self._settle()
        exact = self._exact and other._exact
        if not exact:
            # The one that let values go knows nothing above the last it kept, and so together they know nothing there.
            last = min(int(one._kept[-1]) for one in (self, other) if not one._exact)
            self._kept = self._kept[self._kept <= last]
            self._waiting.append(other._kept[other._kept <= last])
        else:
            self._waiting.append(other._kept)
        self._settle()
        self._exact = self._exact and exact

    def _settle(self) -> None:
        import numpy as np

        if self._waiting:
            every = np.unique(np.concatenate([self._kept, *self._waiting]))
            self._exact = self._exact and len(every) <= BOUND
            self._kept, self._waiting = every[:BOUND], []

    @property
    def kept(self) -> Hashes:
        self._settle()
        return self._kept

    @property
    def exact(self) -> bool:
        """Whether ``count`` is no estimate."""
        self._settle()
        return self._exact

    @property
    def count(self) -> int:
        """How many different values; beyond the bound an estimate, whose error stays within ``ERROR`` in 95 of 100 columns."""
        if self.exact:
            return len(self._kept)
        return round((BOUND - 1) / (float(self._kept[-1]) / 2.0**64))


def hashes_of(column: pa.Array) -> Hashes | None:
    """64-bit hashes of a column's values, nulls left out; None for nested types. Equal values have equal hashes in every process."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind: Any = column.type
    if pa.types.is_nested(kind):
        return None
    values: Any = column.drop_null() if column.null_count else column
    if not len(values):
        return _none()
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _of_bytes(values)
    if pa.types.is_decimal(kind):
        words = np.frombuffer(values.buffers()[1], np.uint64)[2 * values.offset : 2 * (values.offset + len(values))]
        return _mixed(_mixed(words[0::2]) ^ words[1::2])
    if pa.types.is_floating(kind):
        # One hash for 0.0 and -0.0, and one for every NaN.
        numbers = pc.cast(values, pa.float64()).to_numpy() + 0.0
        return _mixed(np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64))
    if pa.types.is_boolean(kind):
        return _mixed(pc.cast(values, pa.uint8()).to_numpy().astype(np.uint64))
    storage = {32: pa.int32(), 64: pa.int64()}.get(kind.bit_width) if pa.types.is_temporal(kind) else None
    plain = values.view(storage) if storage is not None else values
    return _mixed(plain.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64))


def _mixed(words: Hashes) -> Hashes:
    """Every bit of the result depends on every bit given (the finishing step of SplitMix64)."""
    import numpy as np

    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _of_bytes(values: Any) -> Hashes:
    """Eight bytes of every value at a time; long values one by one, with a hash that reads them whole."""
    import numpy as np

    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    data = values.buffers()[2]
    first, last = int(offsets[0]), int(offsets[-1])
    lengths = np.diff(offsets)
    found = _mixed(lengths.astype(np.uint64))
    if first == last:
        return found
    # Room behind the last byte, so that a word may be read there.
    room = np.zeros(last - first + 8, np.uint8)
    room[: last - first] = np.frombuffer(data, np.uint8)[first:last]
    words: Any = np.ndarray((last - first + 1,), np.dtype("<u8"), room.data, strides=(1,))
    starts = offsets[:-1] - first
    long = np.flatnonzero(lengths > _LONG)
    for row in long:
        start = int(starts[row])
        digest = hashlib.blake2b(room[start : start + int(lengths[row])].tobytes(), digest_size=8).digest()
        found[row] = int.from_bytes(digest, "little")
    rows = np.flatnonzero((lengths > 0) & (lengths <= _LONG))
    at, left = starts[rows], lengths[rows]
    while len(rows):
        word = words[at]
        short = left < 8
        if short.any():
            word[short] &= (np.uint64(1) << (left[short].astype(np.uint64) << np.uint64(3))) - np.uint64(1)
        found[rows] = _mixed(found[rows] ^ word)
        more = left > 8
        rows, at, left = rows[more], at[more] + 8, left[more] - 8
    return found
