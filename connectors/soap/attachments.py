"""Replies with attachments (MTOM): every part is written aside as it arrives, and the root part's references are answered from there.

Sources: XOP (W3C 2005) and MTOM; RFC 2387 multipart/related; RFC 2392 for cid URLs. A part is never whole in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import unquote

from connectors.soap.aside import Aside, Attachment, BrokenAttachment, Form, Writer
from connectors.soap.reply import IncompleteXml

_CHUNK = 192 * 1024
_MAX_PARTS = 10_000
_MAX_HEADERS = 16 * 1024
_PLAIN = ("binary", "8bit", "7bit")


class Multipart:
    """A multipart/related reply: its root part to read from, and the other parts by the URLs that name them.

    Raises IncompleteXml for a reply that is cut, BrokenAttachment for one without a boundary or root, or with two parts of one name.
    """

    def __init__(self, source: IO[bytes], content_type: str, aside: Aside) -> None:
        header = Message()
        header["Content-Type"] = content_type
        boundary, start = header.get_param("boundary"), header.get_param("start")
        if not isinstance(boundary, str) or not boundary:
            raise BrokenAttachment("the multipart reply names no boundary")
        wanted = _bare(start) or None if isinstance(start, str) else None
        root: _Part | None = None
        self._parts: dict[str, Attachment] = {}
        for part in _parts(source, boundary.encode(), aside):
            if root is None and wanted in (part.id, None):
                root = part
            elif part.id in self._parts or (root is not None and part.id and part.id == root.id):
                raise BrokenAttachment(f"two parts have the Content-ID {part.id[:80]}")
            elif part.id:
                self._parts[part.id] = part.content
        if root is None:
            raise BrokenAttachment("the multipart reply holds no root part")
        _sound(root.content, root.id)
        charset = root.headers.get_param("charset")
        self.charset = charset if isinstance(charset, str) else None
        self.root: IO[bytes] = _Reader(root.content)  # type: ignore[assignment]  # all that is read of it

    def part(self, href: str) -> Attachment:
        """The part that an Include names. Raises BrokenAttachment."""
        if not href.startswith("cid:"):
            raise BrokenAttachment("an Include names no part of the reply")
        id = unquote(href[4:])
        # Some servers escape the id on both sides, so that it stands in both as it is.
        found = self._parts.get(id) or self._parts.get(href[4:])
        if found is None:
            raise BrokenAttachment(f"the part {id[:80]} is named and did not come")
        _sound(found, id)
        return found


@dataclass
class _Part:
    """One part: its id without brackets, its headers, its bytes."""

    headers: Message
    id: str
    content: Attachment


class _Reader:
    """An attachment as a file to read from, from its start to its end."""

    def __init__(self, content: Attachment) -> None:
        self._content = content
        self._at = 0

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


def _parts(source: IO[bytes], boundary: bytes, aside: Aside) -> Iterator[_Part]:
    mark = b"\r\n--" + boundary
    # The first boundary may open the reply without a line break before it.
    held = b"\r\n" + source.read(_CHUNK)
    opening = True
    count = 0
    while True:
        headers, writer = Message(), None
        if not opening:
            held = _head(source, held, headers)
            writer = Writer(aside, _form(headers))
            count += 1
            if count > _MAX_PARTS:
                raise BrokenAttachment(f"the multipart reply has more than {_MAX_PARTS} parts")
        while (at := held.find(mark)) < 0:
            keep = len(mark) - 1
            if writer is not None:
                writer.write(held[:-keep])
            more = source.read(_CHUNK)
            if not more:
                raise IncompleteXml("the multipart reply ends inside a part")
            held = held[-keep:] + more
        if writer is not None:
            writer.write(held[:at])
            yield _Part(headers, _bare(headers.get("Content-ID", "")), writer.done())
        held = held[at + len(mark) :]
        while len(held) < 4 and (more := source.read(_CHUNK)):
            held += more
        if held.startswith(b"--"):
            return
        opening = False


def _head(source: IO[bytes], held: bytes, headers: Message) -> bytes:
    # What follows the boundary's line break; a part without headers begins with a second one at once.
    while b"\r\n\r\n" not in held:
        more = source.read(_CHUNK)
        if not more or len(held) > _MAX_HEADERS:
            raise IncompleteXml("the multipart reply ends inside a part's headers")
        held += more
    head, _, rest = held.partition(b"\r\n\r\n")
    for line in head.decode("latin-1").replace("\r\n\t", " ").replace("\r\n ", " ").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return rest


def _form(headers: Message) -> Form:
    encoding = headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding in _PLAIN:
        return "plain"
    if encoding != "base64":
        raise BrokenAttachment(f"a part of the reply is encoded as {encoding[:20]}, which is not read")
    return "base64"
