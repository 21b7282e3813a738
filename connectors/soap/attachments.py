"""Replies with attachments (MTOM): parts are spooled one by one, and each reference in the root part is replaced by its bytes in base64.

Sources: XOP (W3C 2005) and MTOM; RFC 2387 multipart/related; RFC 2392 for cid URLs. Nothing is held in memory but small parts.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, cast
from urllib.parse import unquote
from xml.parsers import expat

from connectors.soap.decode import IncompleteXml
from connectors.soap.xmltree import BrokenXml, refuse_doctype

_XOP_INCLUDE = "http://www.w3.org/2004/08/xop/include}Include"
_IN_MEMORY = 1024 * 1024
#: A multiple of three: base64 of each piece is base64 of the whole.
_CHUNK = 3 * 64 * 1024
_MAX_PARTS = 10_000
_MAX_HEADERS = 16 * 1024


class BrokenAttachment(BrokenXml):
    """The multipart reply has no shape, or a reference in it leads nowhere. One that is cut is IncompleteXml: worth asking again."""


@dataclass
class _Part:
    """One part: its id without brackets, its headers, its bytes in a spool."""

    headers: Message
    content: IO[bytes]
    id: str = ""


@dataclass
class _Reference:
    """Where an Include stands in the root part, in bytes, and what it names."""

    start: int
    end: int
    id: str


@dataclass
class _Found:
    references: list[_Reference] = field(default_factory=list[_Reference])
    open: list[_Reference] = field(default_factory=list[_Reference])


@contextmanager
def unpacked(source: IO[bytes], content_type: str) -> Generator[tuple[IO[bytes], str | None]]:
    """The root part of a multipart/related reply with all its references filled in, and the charset it states.

    Raises IncompleteXml for a reply that is cut, BrokenAttachment for one that lacks a part or has no boundary.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BrokenAttachment("the multipart reply names no boundary")
    with ExitStack() as stack:
        parts = list(_parts(source, boundary.encode(), stack))
        start = header.get_param("start")
        wanted = _bare(start) if isinstance(start, str) else ""
        root = next((part for part in parts if wanted and part.id == wanted), None) if wanted else (parts[0] if parts else None)
        if root is None:
            raise BrokenAttachment("the multipart reply holds no root part")
        made = _spool(stack)
        _fill(root.content, {part.id: part.content for part in parts if part is not root and part.id}, made)
        made.seek(0)
        charset = root.headers.get_param("charset")
        yield made, charset if isinstance(charset, str) else None


def _spool(stack: ExitStack) -> IO[bytes]:
    return cast(IO[bytes], stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)))  # the stack closes it


def _bare(id: str) -> str:
    return id.strip().strip("<>")


def _parts(source: IO[bytes], boundary: bytes, stack: ExitStack) -> Iterator[_Part]:
    mark = b"\r\n--" + boundary
    # The first boundary may open the reply without a line break before it.
    held = b"\r\n" + source.read(_CHUNK)
    opening = True
    count = 0
    while True:
        part = None if opening else _Part(Message(), _spool(stack))
        if part is not None:
            held = _head(source, held, part)
            count += 1
            if count > _MAX_PARTS:
                raise BrokenAttachment(f"the multipart reply has more than {_MAX_PARTS} parts")
        while (at := held.find(mark)) < 0:
            keep = len(mark) - 1
            if part is not None:
                part.content.write(held[:-keep])
            more = source.read(_CHUNK)
            if not more:
                raise IncompleteXml("the multipart reply ends inside a part")
            held = held[-keep:] + more
        if part is not None:
            part.content.write(held[:at])
            _decoded(part, stack)
            yield part
        held = held[at + len(mark) :]
        while len(held) < 4 and (more := source.read(_CHUNK)):
            held += more
        if held.startswith(b"--"):
            return
        opening = False


def _head(source: IO[bytes], held: bytes, part: _Part) -> bytes:
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
            part.headers[name.strip()] = value.strip()
    part.id = _bare(part.headers.get("Content-ID", ""))
    return rest


def _decoded(part: _Part, stack: ExitStack) -> None:
    part.content.seek(0)
    encoding = part.headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding in ("binary", "8bit", "7bit"):
        return
    if encoding != "base64":
        raise BrokenAttachment(f"a part of the reply is encoded as {encoding[:20]}, which is not read")
    made = _spool(stack)
    try:
        base64.decode(part.content, made)
    except ValueError as error:
        raise BrokenAttachment("a part of the reply is not the base64 it says it is") from error
    made.seek(0)
    part.content = made


def _fill(root: IO[bytes], parts: dict[str, IO[bytes]], into: IO[bytes]) -> None:
    at = 0
    for reference in _references(root):
        content = parts.get(reference.id)
        if content is None:
            raise BrokenAttachment(f"the part {reference.id[:80]} is named and did not come")
        _copy(root, at, reference.start, into)
        content.seek(0)
        while chunk := content.read(_CHUNK):
            into.write(base64.b64encode(chunk))
        at = reference.end
    _copy(root, at, None, into)


def _references(root: IO[bytes]) -> list[_Reference]:
    """Every Include of the root part, in order. Offsets are bytes: the part is read as it came."""
    found = _Found()
    parser = expat.ParserCreate(None, "}")
    refuse_doctype(parser)

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == _XOP_INCLUDE:
            href = attributes.get("href", "")
            if not href.startswith("cid:"):
                raise BrokenAttachment("an Include names no part of the reply")
            found.open.append(_Reference(parser.CurrentByteIndex, -1, unquote(href[4:])))

    def end(name: str) -> None:
        if name == _XOP_INCLUDE:
            reference = found.open.pop()
            reference.end = parser.CurrentByteIndex
            found.references.append(reference)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        root.seek(0)
        while chunk := root.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BrokenAttachment(f"the root part: {expat.ErrorString(error.code)} at line {error.lineno}") from error
    for reference in found.references:
        # Where an empty tag's end event stands is expat's own affair: the tag itself says whether it is one.
        opened = _tag_end(root, reference.start)
        root.seek(opened - 2)
        reference.end = opened if root.read(2) == b"/>" else _tag_end(root, reference.end)
    return found.references


def _tag_end(root: IO[bytes], at: int) -> int:
    """The byte after the tag that begins at ``at``; a ``>`` inside of an attribute's quotes ends nothing."""
    root.seek(at)
    head = root.read(_MAX_HEADERS)
    quote = 0
    for index, byte in enumerate(head):
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == ord(">"):
            return at + index + 1
    raise BrokenAttachment("a tag of the root part has no end")


def _copy(source: IO[bytes], start: int, end: int | None, into: IO[bytes]) -> None:
    source.seek(start)
    left = end - start if end is not None else -1
    while left and (chunk := source.read(_CHUNK if left < 0 else min(_CHUNK, left))):
        into.write(chunk)
        left = left - len(chunk) if left > 0 else left
