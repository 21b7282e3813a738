"""A reply, from bytes to raw rows: streamed, by a compiled plan. It hands rows on in blocks; the caller keeps them back until the whole
Envelope has been read and judged.

Expat reads everything around the rows and is the judge of what is XML. Runs of whole rows between two of its events may be read by whole
arrays instead (``runs``), when nothing in them is unusual. No DTD, no entities, bounded depth and text. Absent, nil and empty stay three
different things.
"""

from __future__ import annotations

from typing import IO
from xml.parsers import expat

from connectors.soap.aside import Aside
from connectors.soap.encodings import Transcoder
from connectors.soap.events import BLOCK, Machine, Parts, Sink
from connectors.soap.raw import Presence, Raw, RawRow
from connectors.soap.reply import IncompleteXml, NotSoap, Reply
from connectors.soap.runs import RunReader
from connectors.soap.steps import Plan
from connectors.soap.xmltree import CUT, BrokenXml, UnsafeXml

__all__ = ["BLOCK", "IncompleteXml", "NotSoap", "Presence", "Raw", "RawRow", "Reply", "Sink", "decode"]

#: The first read only has to reach the first row; then a read is as many rows as arrays pay for, and as few as memory allows.
_HEAD, _CHUNK = 16 * 1024, 1024 * 1024
#: A row longer than this is fed to expat in pieces.
_LONGEST_RUN = 4 * 1024 * 1024
#: Nothing may keep more than this waiting: one row with all its lines, or one tag or comment.
_LONGEST = 32 * 1024 * 1024
#: So many runs in a row that arrays could not read, and the rest of the reply is expat's.
_PATIENCE = 4


def decode(
    source: IO[bytes],
    plan: Plan,
    sink: Sink,
    *,
    charset: str | None = None,
    aside: Aside | None = None,
    parts: Parts | None = None,
    arrays: bool = True,
    head: int = _HEAD,
    chunk: int = _CHUNK,
) -> Reply:
    """Read one reply as it comes. Raw rows go to ``sink`` in blocks, in the order of the document.

    Values that are wanted as bytes and too long for memory are put ``aside``; ``parts`` are those of a multipart reply. ``arrays`` allows
    runs of rows to be read by whole arrays; the result is the same without. ``head`` and ``chunk`` are the bytes asked for first and then.
    Raises IncompleteXml, BrokenXml, UnsafeXml, NotSoap or LargeAttachment; then what the sink was given is worth nothing.
    """
    machine = Machine(plan, sink, aside, parts)
    first = source.read(head)
    while first and len(first) < 64 and (more := source.read(head)):
        first += more
    if not first.strip():
        raise IncompleteXml("the reply is empty")
    utf8 = Transcoder(first, charset)
    splitter = _Splitter(machine, arrays)
    part = first
    try:
        while part:
            splitter.take(utf8.take(part))
            part = source.read(chunk)
        splitter.end(utf8.end())
    except expat.ExpatError as error:
        why = f"{expat.ErrorString(error.code)} at line {error.lineno + splitter.lines}, byte {splitter.position}"
        if error.code in CUT:
            raise IncompleteXml(f"the reply ends before its Envelope does ({why})") from error
        raise BrokenXml(why) from error
    utf8.settle()
    return machine.finish()


class _Splitter:
    """Gives the document to expat, except for runs of whole rows that arrays can read: those expat never sees.

    Rows are siblings, so the document is as well-formed without them as with them, if each run is. A run begins only where expat's last
    event was a row's end tag that ended with the last byte it was given.
    """

    def __init__(self, machine: Machine, arrays: bool) -> None:
        self._machine = machine
        self._parser = machine.parser()
        self._arrays = arrays and machine.suited
        self._pending = b""
        self._end_tag = b""
        self._fed = 0
        self._skipped = 0
        self._patience = _PATIENCE
        self._runs: RunReader | None = None
        self.lines = 0

    @property
    def position(self) -> int:
        """The byte of the document at which expat stands."""
        return self._parser.ErrorByteIndex + self._skipped

    def take(self, data: bytes) -> None:
        """The document's next bytes, in UTF-8."""
        self._pending = self._pending + data if self._pending else data
        if self._arrays and self._runs is None and self._end_tag:
            # To the next place where a row ends. A row may hold elements of its own name, so that may not be where this row ends.
            end = self._pending.find(self._end_tag) + len(self._end_tag)
            if end >= len(self._end_tag):
                self._feed(end)
        if self._runs is None:
            self._feed(len(self._pending))
        else:
            self._read_run()

    def end(self, data: bytes) -> None:
        """The document's last bytes."""
        self._pending += data
        self._feed(len(self._pending))
        self._parser.Parse(b"", True)

    def _read_run(self) -> None:
        assert self._runs is not None
        end = self._pending.rfind(self._end_tag) + len(self._end_tag)
        if end < len(self._end_tag):
            if len(self._pending) > _LONGEST_RUN:
                self._feed(len(self._pending))
            return
        run = self._pending[:end]
        block = self._runs.read(run)
        if block is None:
            self._patience -= 1
            self._arrays = self._patience > 0
            self._feed(end)
            return
        self._patience = _PATIENCE
        self._machine.take(block)
        self._skipped += end
        self.lines += run.count(b"\n")
        self._pending = self._pending[end:]

    def _feed(self, size: int) -> None:
        """Give expat so many of the pending bytes, and see whether it now stands between two rows."""
        data, self._pending = self._pending[:size], self._pending[size:]
        machine, before = self._machine, self._fed
        self._fed += len(data)
        self._parser.Parse(data, False)
        self._runs = None
        if machine.in_row() and self._fed - max(machine.row_end, 0) - machine.set_aside > _LONGEST:
            raise UnsafeXml(f"a row is longer than {_LONGEST} bytes")
        if self._fed - self._parser.CurrentByteIndex > _LONGEST:
            raise UnsafeXml(f"a tag or comment is longer than {_LONGEST} bytes")
        if not self._arrays:
            return
        at = machine.row_end - before
        if at >= 0 and data.startswith(b"</", at):
            self._end_tag = data[at : data.find(b">", at) + 1]
        if self._end_tag and machine.between_rows() and machine.row_end + len(self._end_tag) == self._fed:
            self._runs = machine.runs()
