"""Replies with attachments (MTOM): the root part to read while it arrives, every other part written aside once somebody names it.

Sources: XOP (W3C 2005) and MTOM; RFC 2387 multipart/related; RFC 2392 for cid URLs. A part is never whole in memory.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from email.message import Message
from typing import IO, cast
from urllib.parse import unquote

from connectors.soap.aside import Aside, Attachment, BrokenAttachment, Form, Writer
from connectors.soap.reply import IncompleteXml

_CHUNK = 192 * 1024
_MAX_PARTS = 10_000
_MAX_HEADERS = 16 * 1024
_IN_MEMORY = 8 * 1024 * 1024
_PLAIN = ("binary", "8bit", "7bit")


class NotYet(Exception):
    """A part is named that has not come yet, or is not kept: gather all parts and read the root once more."""


class Multipart:
    """A multipart/related reply: its root part to read from, and the other parts by the URLs that name them.

    A root that comes first is read while it arrives. All others are known only after ``gather``, which is done at once where the root comes
    later. Raises IncompleteXml for a reply that is cut, BrokenAttachment for one without a boundary or root, or with two parts of one name.
    """

    def __init__(self, source: IO[bytes], content_type: str, aside: Aside) -> None:
        header = Message()
        header["Content-Type"] = content_type
        boundary, start = header.get_param("boundary"), header.get_param("start")
        if not isinstance(boundary, str) or not boundary:
            raise BrokenAttachment("the multipart reply names no boundary")
        self._wanted = _bare(start) or None if isinstance(start, str) else None
        self._pieces = _Pieces(source, boundary.encode())
        self._aside = aside
        self._root_id: str | None = None
        self.charset: str | None = None
        self._parts: dict[str, Attachment] = {}
        self._gathered = False
        self._kept: IO[bytes] | None = None
        self._next = self._pieces.part()
        if self._next is not None and self._is_root(self._next) and _form(self._next.headers) == "plain":
            self._take_root(self._next)
            self._kept = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - closed by close()
            self.root = cast("IO[bytes]", _Arriving(self._pieces, self._kept))
        else:
            self._gather()

    def part(self, href: str) -> Attachment:
        """The part that an Include names. Raises NotYet before all parts are gathered, BrokenAttachment."""
        if not href.startswith("cid:"):
            raise BrokenAttachment("an Include names no part of the reply")
        if not self._gathered:
            raise NotYet
        id = unquote(href[4:])
        # Some servers escape the id on both sides, so that it stands in both as it is.
        found = self._parts.get(id) or self._parts.get(href[4:])
        if found is None:
            raise BrokenAttachment(f"the part {id[:80]} is named and did not come")
        _sound(found, id)
        return found

    def gather(self) -> None:
        """Read the reply to its end; then every part is known, and the root is read from its start, once more if need be."""
        if self._gathered:
            self.root.seek(0)
            return
        self._aside.clear()
        assert self._kept is not None
        while data := self._pieces.piece():
            self._kept.write(data)
        self._kept.seek(0)
        self.root = self._kept
        self._next = self._pieces.part()
        self._gather()

    def pass_over(self) -> None:
        """Read the reply to its end when nobody named a part: it has to be whole, and sound, all the same."""
        if self._gathered:
            return
        seen: set[str] = set()
        while (part := self._pieces.part()) is not None:
            _form(part.headers)
            if part.id in seen or (part.id and part.id == self._root_id):
                raise _twice(part.id)
            seen |= {part.id} - {""}
            while self._pieces.piece():
                pass

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def _is_root(self, part: _Part) -> bool:
        return self._wanted in (part.id, None)

    def _take_root(self, part: _Part) -> None:
        self._root_id = part.id
        charset = part.headers.get_param("charset")
        self.charset = charset if isinstance(charset, str) else None

    def _gather(self) -> None:
        while self._next is not None:
            part = self._next
            writer = Writer(self._aside, _form(part.headers))
            while data := self._pieces.piece():
                writer.write(data)
            content = writer.done()
            if self._root_id is None and self._is_root(part):
                self._take_root(part)
                _sound(content, part.id)
                self.root = cast("IO[bytes]", _Reader(content))
            elif part.id in self._parts or (part.id and part.id == self._root_id):
                raise _twice(part.id)
            elif part.id:
                self._parts[part.id] = content
            self._next = self._pieces.part()
        if self._root_id is None:
            raise BrokenAttachment("the multipart reply holds no root part")
        self._gathered = True


@dataclass
class _Part:
    """What a part is called, without brackets, and its headers."""

    headers: Message
    id: str


class _Arriving:
    """The root part while it arrives, kept beside as it is read."""

    def __init__(self, pieces: _Pieces, kept: IO[bytes]) -> None:
        self._pieces, self._kept = pieces, kept
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size and (data := self._pieces.piece()):
            self._kept.write(data)
            self._held = self._held + data if self._held else data
        data, self._held = self._held[:size], self._held[size:]
        return data


class _Reader:
    """An attachment as a file to read from, from its start to its end."""

    def __init__(self, content: Attachment) -> None:
        self._content = content
        self._at = 0

    def seek(self, at: int) -> None:
        self._at = at

    def read(self, size: int) -> bytes:
        file, content = self._content.file, self._content
        file.seek(content.start + self._at)
        data = file.read(min(size, content.size - self._at))
        self._at += len(data)
        return data


def _sound(part: Attachment, id: str) -> None:
    if part.unfit:
        raise BrokenAttachment(f"the part {id[:80]} is not the base64 it says it is")


def _bare(id: str) -> str:
    return id.strip().strip("<>")


def _twice(id: str) -> BrokenAttachment:
    return BrokenAttachment(f"two parts have the Content-ID {id[:80]}")


class _Pieces:
    """The body of a multipart reply, cut at its boundaries: ``part`` goes on to the next part, ``piece`` gives some of its bytes."""

    def __init__(self, source: IO[bytes], boundary: bytes) -> None:
        self._source = source
        self._mark = b"\r\n--" + boundary
        # The first boundary may open the reply without a line break before it.
        self._held = b"\r\n" + source.read(_CHUNK)
        self._count = 0
        self._inside = True
        while self.piece():
            """What stands before the first boundary is nobody's."""

    def part(self) -> _Part | None:
        """The next part, None behind the last one. The one before must have been read to its end."""
        while len(self._held) < 4 and (more := self._source.read(_CHUNK)):
            self._held += more
        if self._held.startswith(b"--"):
            return None
        headers = self._head()
        self._count += 1
        if self._count > _MAX_PARTS:
            raise BrokenAttachment(f"the multipart reply has more than {_MAX_PARTS} parts")
        self._inside = True
        return _Part(headers, _bare(headers.get("Content-ID", "")))

    def piece(self) -> bytes:
        """The part's next bytes, none at its end."""
        while self._inside:
            if (at := self._held.find(self._mark)) >= 0:
                data, self._held = self._held[:at], self._held[at + len(self._mark) :]
                self._inside = False
                return data
            keep = len(self._mark) - 1
            if len(self._held) > keep:
                data, self._held = self._held[:-keep], self._held[-keep:]
                return data
            more = self._source.read(_CHUNK)
            if not more:
                raise IncompleteXml("the multipart reply ends inside a part")
            self._held += more
        return b""

    def _head(self) -> Message:
        # What follows the boundary's line break; a part without headers begins with a second one at once.
        while b"\r\n\r\n" not in self._held:
            more = self._source.read(_CHUNK)
            if not more or len(self._held) > _MAX_HEADERS:
                raise IncompleteXml("the multipart reply ends inside a part's headers")
            self._held += more
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        while len(self._held) < len(self._mark) and (more := self._source.read(_CHUNK)):
            self._held += more
        if self._mark in head or self._held.startswith(self._mark[2:]):
            # RFC 2046 §5.1.1 allows a part that ends with its headers; here it would be an empty value that nobody meant.
            raise BrokenAttachment("a part ends before its headers do")
        headers = Message()
        for line in head.decode("latin-1").replace("\r\n\t", " ").replace("\r\n ", " ").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
        return headers


def _form(headers: Message) -> Form:
    encoding = headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding in _PLAIN:
        return "plain"
    if encoding != "base64":
        raise BrokenAttachment(f"a part of the reply is encoded as {encoding[:20]}, which is not read")
    return "base64"
