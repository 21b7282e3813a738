"""A version's packed chunks in memory, each compressed by itself: a question reads a few dozen of them, and they hold their readers' names over and over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Reads a chunk in a few microseconds, which matters more than how small it gets.
_CODEC = "lz4_raw"


@dataclass(frozen=True)
class Texts:
    """``shut`` the compressed texts, an Arrow array of bytes; ``sizes`` how many bytes each has when it is opened."""

    shut: Any
    sizes: NDArray[np.int64]

    def text(self, place: int) -> str:
        import pyarrow as pa

        return pa.decompress(self.shut[place].as_buffer(), int(self.sizes[place]), _CODEC, asbytes=True).decode()


class Read:
    """Texts taken in a slice at a time. ``bytes`` is what they take so far."""

    def __init__(self) -> None:
        self._slices: list[Any] = []
        self._sizes: list[int] = []
        self.bytes = 0

    def add(self, texts: Any) -> None:
        """Take in an Arrow array of texts."""
        import pyarrow as pa

        codec = pa.Codec(_CODEC)
        told = [text.encode() for text in texts.to_pylist()]
        self._slices.append(pa.array([codec.compress(text, asbytes=True) for text in told], pa.large_binary()))
        self._sizes += map(len, told)
        self.bytes += self._slices[-1].nbytes

    def done(self, order: Any) -> Texts:
        """All of it, in this order of those taken in."""
        import numpy as np
        import pyarrow as pa

        shut = pa.concat_arrays([pa.array([], pa.large_binary()), *self._slices])
        self._slices.clear()
        moved = (order[1:] < order[:-1]).any()
        return Texts(shut.take(pa.array(order)) if moved else shut, np.array(self._sizes, np.int64)[order])
