"""How long a whole reply may take: a server that sends a byte now and then passes every read timeout, and would be read for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import httpx


class TooSlow(Exception):
    """A reply was not whole within the ``seconds`` it had."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the reply was not whole within {seconds:g} seconds")


class Timed(httpx.SyncByteStream):
    """A reply's raw bytes. The clock is looked at for every piece that the socket gives: whoever reads larger ones waits below this."""

    def __init__(self, stream: httpx.SyncByteStream, seconds: float, clock: Callable[[], float]) -> None:
        self._stream, self._seconds, self._clock = stream, seconds, clock
        self._end = clock() + seconds

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if self._clock() > self._end:
                raise TooSlow(self._seconds)
            yield piece

    def close(self) -> None:
        self._stream.close()


def timed(seconds: float, clock: Callable[[], float]) -> Callable[[httpx.Response], None]:
    """An httpx hook that gives every reply ``seconds`` from the arrival of its headers on, those that an authentication reads included."""

    def hook(response: httpx.Response) -> None:
        response.stream = Timed(cast("httpx.SyncByteStream", response.stream), seconds, clock)

    return hook
