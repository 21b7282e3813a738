"""A reply while it arrives: its bytes as a file to read from, decoded as they come, and what makes it no reply, by name.

Two forms may need what has not come yet. A reply of SOAP encoding may hold references to elements behind its answer, and the root of a
multipart reply may name parts that follow it. Both are decoded as they come all the same, and kept beside; where a reference is met they are
read to their end and decoded once more, into a fresh receiver.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import IO, cast

from connectors.errors import BrokenReply
from connectors.soap.aside import MEGABYTE, Aside, BrokenAttachment, LargeAttachment, MisplacedAttachment
from connectors.soap.attachments import Multipart, NotYet
from connectors.soap.decode import IncompleteXml, NotSoap, Reply, Sink, decode
from connectors.soap.multiref import MAX_BYTES, Referred, resolved
from connectors.soap.plan import Plan
from connectors.soap.xmltree import BrokenXml, UnsafeXml

_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 256 * 1024


class TooLarge(ValueError):
    """More bytes arrived than the ``limit`` of a reply."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} bytes")


class Arriving:
    """The bytes of a reply while they arrive, as a file to read from. Raises TooLarge past ``limit`` bytes."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = self._left = limit
        self._held = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, or all there are; they stay to be read."""
        self._hold(size)
        return self._held[:size]

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        self._hold(size)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _hold(self, size: int) -> None:
        have = len(self._held)
        parts = [self._held]
        while have < size and (chunk := next(self._chunks, None)) is not None:
            have += len(chunk)
            parts.append(self._counted(chunk))
        self._held = b"".join(parts)

    def _counted(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise TooLarge(self._limit)
        return chunk


def received(
    source: Arriving, plan: Plan, sink: Callable[[], Sink], aside: Aside, *, content_type: str, charset: str | None, encoded: bool
) -> Reply:
    """The whole reply, decoded. ``sink`` makes a fresh receiver of raw rows; only the last one that was made holds the reply's rows.

    Raises what ``decode`` raises, BrokenAttachment and TooLarge.
    """
    stream = cast("IO[bytes]", source)
    if content_type.partition(";")[0].strip().lower() == "multipart/related":
        return _of_parts(stream, plan, sink, aside, content_type, charset)
    if encoded:
        return _with_references(stream, plan, sink, aside, charset)
    return decode(stream, plan, sink(), charset=charset, aside=aside)


def _of_parts(source: IO[bytes], plan: Plan, sink: Callable[[], Sink], aside: Aside, content_type: str, charset: str | None) -> Reply:
    with closing(Multipart(source, content_type, aside)) as whole:
        charset = whole.charset or charset
        refers = False
        while True:
            try:
                root = resolved(whole.root, charset) if refers else whole.root
                reply = decode(root, plan, sink(), charset=charset, aside=aside, parts=whole.part)
                whole.pass_over()
                return reply
            except NotYet:
                whole.gather()
            except Referred:
                if refers:
                    raise
                refers = True
                whole.gather()


class _Kept:
    """A reply that is read while it is kept, for as long as references in it could still be resolved."""

    def __init__(self, source: IO[bytes], kept: IO[bytes]) -> None:
        self._source, self._kept = source, kept
        self._size = 0

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        if self._size <= MAX_BYTES:
            self._kept.write(data)
        self._size += len(data)
        return data

    def whole(self) -> IO[bytes]:
        """All of it from its start, or what is too much already."""
        while self._size <= MAX_BYTES and self.read(_CHUNK):
            """It is kept."""
        self._kept.seek(0)
        return self._kept


def _with_references(source: IO[bytes], plan: Plan, sink: Callable[[], Sink], aside: Aside, charset: str | None) -> Reply:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        reply = _Kept(source, cast("IO[bytes]", kept))
        try:
            return decode(cast("IO[bytes]", reply), plan, sink(), charset=charset, aside=aside)
        except Referred:
            aside.clear()
            return decode(resolved(reply.whole(), charset), plan, sink(), charset=charset, aside=aside)


@contextmanager
def named(operation: str, host: str, status: int) -> Generator[None]:
    """What is wrong with a reply, as an error that says whose it is. One that only broke off stays IncompleteXml: it is worth asking again."""
    try:
        yield
    except IncompleteXml:
        raise
    except BrokenAttachment as error:
        raise BrokenReply("soap.mtom", operation=operation, host=host, why=str(error)) from error
    except MisplacedAttachment as error:
        raise BrokenReply("soap.attachment_misplaced", operation=operation, host=host, element=error.element) from error
    except LargeAttachment as error:
        limit = error.limit // MEGABYTE
        raise BrokenReply("soap.attachment_too_large", operation=operation, element=error.element, limit=limit) from error
    except TooLarge as error:
        raise BrokenReply("soap.reply_too_large", operation=operation, host=host, limit=error.limit) from error
    except (BrokenXml, UnsafeXml, NotSoap) as error:
        raise BrokenReply("soap.broken", operation=operation, host=host, status=status, why=str(error)) from error
