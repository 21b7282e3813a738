"""The tags and texts of a run of rows, found by their brackets, as arrays over its bytes; and whether they are well-formed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.soap.tags import CLOSE, EMPTY, OPEN, plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: More spellings than this in one run (numbers in attributes, say) and looking tags up is no longer cheap.
SPELLINGS = 4096
#: The longest reference that ``tags.plain`` resolves has ten bytes.
_REFERENCE = 10


@dataclass(frozen=True)
class Index:
    """The tags and texts of a run. ``parts`` is tag, text, tag, text …; the last text is empty. ``codes`` number the tags' spellings.

    ``marked`` are the parts that hold references; None when none does.
    """

    parts: pa.StringArray
    codes: NDArray[np.int32]
    words: list[str]
    marked: NDArray[np.bool_] | None

    @classmethod
    def of(cls, run: bytes) -> Index | None:
        import numpy as np
        import pyarrow as pa

        bytes_ = np.frombuffer(run, np.uint8)
        opens, closes = np.flatnonzero(bytes_ == 60), np.flatnonzero(bytes_ == 62)
        count = len(opens)
        if not count or count != len(closes) or closes[-1] != len(run) - 1 or run[: opens[0]].strip(b" \t\n"):
            return None
        if not bool((closes > opens).all()) or not bool((opens[1:] > closes[:-1]).all()):
            return None
        offsets = np.empty(2 * count + 1, np.int32)
        offsets[0:-1:2], offsets[1::2], offsets[-1] = opens, closes + 1, len(run)
        parts = pa.StringArray.from_buffers(2 * count, pa.py_buffer(offsets), pa.py_buffer(run))
        try:
            # All bytes as one text: they are UTF-8, or it is no text. Cut at brackets, so are the parts.
            pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, len(run)], np.int32)), pa.py_buffer(run)).validate(full=True)
        except pa.ArrowInvalid:
            return None
        spelt: Any = parts.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)))
        spelt = spelt.dictionary_encode()
        if len(spelt.dictionary) > SPELLINGS:
            return None
        marked = None
        if b"&" in run:
            marked = np.zeros(2 * count, np.bool_)
            marked[np.searchsorted(offsets, np.flatnonzero(bytes_ == 38), side="right") - 1] = True
        return cls(parts, spelt.indices.to_numpy(), spelt.dictionary.to_pylist(), marked)


def legal(run: bytes) -> bool:
    """Whether every character is one of XML 1.0's and every reference one that needs no declaration. UTF-8 itself is checked elsewhere."""
    import numpy as np

    bytes_ = np.frombuffer(run, np.uint8)
    low = bytes_[bytes_ < 32]
    if len(low) and not bool(((low == 9) | (low == 10)).all()):
        return False
    # U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    high = np.flatnonzero(bytes_[:-2] == 0xEF)
    if len(high) and bool(((bytes_[high + 1] == 0xBF) & (bytes_[high + 2] >= 0xBE)).any()):
        return False
    if b"&" not in run:
        return True
    spelt = {run[at : at + _REFERENCE].partition(b";") for at in np.flatnonzero(bytes_ == 38)}
    return all(end and name.isascii() and plain((name + end).decode("ascii")) is not None for name, end, _ in spelt)


def paired(kinds: NDArray[np.int8], names: NDArray[np.int16], level: NDArray[np.int8], leaf: NDArray[np.bool_]) -> bool:
    """Whether each end tag has the name of its start tag. ``leaf`` marks start tags that an end tag follows at once."""
    import numpy as np

    at = np.flatnonzero(leaf)
    if not bool((names[at] == names[at + 1]).all()):
        return False
    rest = ~leaf & (kinds != EMPTY)
    rest[at + 1] = False
    left = np.flatnonzero(rest)
    # At one level, starts and ends take turns; so sorted by level, in document order, each start stands before its own end.
    order = left[np.argsort(level[left], kind="stable")]
    first, second = order[0::2], order[1::2]
    return (
        len(first) == len(second)
        and bool((kinds[first] == OPEN).all())
        and bool((kinds[second] == CLOSE).all())
        and bool((names[first] == names[second]).all())
    )
