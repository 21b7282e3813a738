"""Values too large for memory: the bytes of attachments and of long encoded texts, written one after the other to one file on disk.

A raw row holds an ``Attachment`` in their place: where the bytes lie. They are read when the value is made Arrow, a few rows at a time.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Literal, Self

from connectors.soap.xmltree import BrokenXml

#: What XML calls white space, and no other character.
SPACES = dict.fromkeys(map(ord, " \t\r\n"))
MEGABYTE = 1_000_000
_CHUNK = 256 * 1024
#: How bytes are written: as they are, or as XSD's base64Binary and hexBinary.
Form = Literal["plain", "base64", "hex"]


class BrokenAttachment(BrokenXml):
    """The multipart reply has no shape, or a reference in it leads nowhere. One that is cut is IncompleteXml: worth asking again."""


class MisplacedAttachment(BrokenXml):
    """An attachment stands for an element that no column reads as bytes. XOP allows base64Binary only."""

    def __init__(self, element: str) -> None:
        self.element = element
        super().__init__(f"<{element}> comes as an attachment")


class LargeAttachment(ValueError):
    """One value has more than ``limit`` bytes."""

    def __init__(self, element: str, limit: int) -> None:
        self.element, self.limit = element, limit
        super().__init__(f"<{element}> has more than {limit} bytes")


@dataclass(frozen=True)
class Attachment:
    """Bytes that wait on disk, for as long as their ``Aside`` is open. ``unfit`` says that what came was not of its form."""

    size: int
    file: IO[bytes] = field(repr=False, compare=False)
    start: int = field(repr=False, compare=False)
    unfit: bool = False

    def pieces(self) -> Iterator[bytes]:
        """The bytes in order, some at a time."""
        at, end = self.start, self.start + self.size
        while at < end:
            self.file.seek(at)
            piece = self.file.read(min(_CHUNK, end - at))
            at += len(piece)
            yield piece


class Aside:
    """The file. ``limit`` is the most bytes one value may have, ``total`` the most that all values of one reply may give together."""

    def __init__(self, limit: int, total: int = 2 * 1024**3) -> None:
        self.limit = limit
        self._total = total
        self._given = 0
        self._end = 0
        self._file: IO[bytes] | None = None

    def clear(self) -> None:
        """Forget everything, for another try."""
        self._given = self._end = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    close = clear

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def give(self, found: Attachment, element: str) -> Attachment:
        """``found`` as the value of an element. The same part may be the value of several; together they must stay below ``total``."""
        self._given += found.size
        if found.size > self.limit:
            raise LargeAttachment(element, self.limit)
        if self._given > self._total:
            raise BrokenAttachment(f"the attachments of the reply come to more than {self._total} bytes")
        return found

    def append(self, data: bytes) -> tuple[IO[bytes], int]:
        """Write at the end; gives the file and where in it these bytes begin."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by clear()
        at = self._end
        self._file.seek(at)
        self._file.write(data)
        self._end += len(data)
        return self._file, at


_SPACES = b" \t\r\n"
_HEX_DIGITS = b"0123456789abcdefABCDEF"


#: The part of a multipart reply that an Include's URL names. Raises BrokenAttachment.
Parts = Callable[[str], Attachment]


class Writer:
    """One value on its way to the file. Values are written one at a time, so each lies in one piece.

    ``element`` names it in a LargeAttachment; without it nothing is too large, and it is not yet anybody's value.
    """

    def __init__(self, aside: Aside, form: Form, element: str | None = None) -> None:
        self._aside, self._form, self._element = aside, form, element
        self._file, self._start = aside.append(b"")
        self._size = 0
        self._left = b""
        self._ended = False
        self._unfit = False
        self._over = False

    def write(self, data: bytes) -> None:
        """More of the value as it was written. Raises LargeAttachment."""
        plain = data if self._form == "plain" else self._decoded(data)
        self._size += len(plain)
        if self._element is not None and self._size > self._aside.limit:
            raise LargeAttachment(self._element, self._aside.limit)
        if plain:
            self._aside.append(plain)

    def done(self) -> Attachment:
        """The whole value."""
        return Attachment(self._size, self._file, self._start, self._unfit or bool(self._left))

    def _decoded(self, data: bytes) -> bytes:
        if self._unfit:
            return b""
        if self._form == "hex":
            # White space may stand around xsd:hexBinary and not inside of it (XSD part 2 §3.2.15).
            data = data.lstrip(_SPACES) if not self._size and not self._left else data
            inside = data.rstrip(_SPACES)
            self._unfit = (self._over and bool(inside)) or bool(inside.strip(_HEX_DIGITS))
            self._over = self._over or len(inside) < len(data)
            data = inside
        data = self._left + data.translate(None, _SPACES)
        group = 4 if self._form == "base64" else 2
        whole = len(data) - len(data) % group
        data, self._left = data[:whole], data[whole:]
        try:
            # Nothing comes after padding.
            if self._ended and data:
                raise ValueError
            if self._form == "hex":
                return binascii.unhexlify(data)
            plain = base64.b64decode(data, validate=True)
            self._ended = data.endswith(b"=")
            # The bits that padding leaves over are zero (XSD part 2 §3.2.16): "00==" is no value.
            if self._ended and base64.b64encode(plain[-(len(plain) % 3) :]) != data[-4:]:
                raise ValueError
            return plain
        except ValueError:
            self._unfit = True
            return b""
