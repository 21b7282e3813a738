"""A reply, from bytes to raw rows: streamed through expat by a compiled plan. It hands rows on in blocks; the caller keeps them back until
the whole Envelope has been read and judged.

No DTD, no entities, bounded depth and text. Absent, nil and empty stay three different things.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Any
from xml.parsers import expat

from connectors.soap.plan import Kind, Plan, Step
from connectors.soap.xmltree import BrokenXml, UnsafeXml, refuse_doctype

BLOCK = 8192
MAX_DEPTH = 100
MAX_TEXT = 10 * 1024 * 1024
_CHUNK = 256 * 1024
_NIL = "http://www.w3.org/2001/XMLSchema-instance}nil"
#: What servers call the one Japanese encoding they mean. libxml2 and the W3C tables differ from what these servers send; Microsoft's fits.
_CP932 = frozenset({"shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji", "csshiftjis", "cswindows31j"})
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


class Presence(Enum):
    """Why a value is not there. TWICE: an element that may come once came again."""

    ABSENT = "absent"
    NIL = "nil"
    TWICE = "twice"


#: A raw value: text, why there is none, a nested raw row, or a list of either.
Raw = Any
RawRow = list[Raw]


class IncompleteXml(BrokenXml):
    """The document ended before its root did: a cut connection, not a bad server. Worth asking again."""


class NotSoap(ValueError):
    """Well-formed, but not the answer the contract promises. The message names elements, never values."""


@dataclass
class Reply:
    """What stands around the rows. ``scalars`` by path; ``fault`` by ``code``, ``subcode`` and ``text`` when the Body holds a Fault.

    ``missing`` names elements on the way to the rows that the contract requires and that did not come.
    """

    rows: int = 0
    answers: int = 0
    missing: tuple[str, ...] = ()
    scalars: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    fault: dict[str, str] | None = None


def encoding_of(head: bytes, charset: str | None) -> str:
    """The Python codec for a document: byte order mark, else its own declaration, else HTTP's charset, else UTF-8 (RFC 7303 §3)."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(head)
    name = (declared.group(1).decode() if declared else charset or "utf-8").strip("\"' ").lower()
    if name in _CP932:
        return "cp932"
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise BrokenXml(f"the encoding {name[:40]} is unknown") from error


def decode(source: IO[bytes], plan: Plan, sink: Callable[[list[RawRow]], None], *, charset: str | None = None) -> Reply:
    """Read one reply. Raw rows go to ``sink`` in blocks of at most BLOCK.

    Raises IncompleteXml, BrokenXml, UnsafeXml or NotSoap; then what the sink was given is worth nothing.
    """
    machine = _Machine(plan, sink)
    head = source.read(_CHUNK)
    if not head.strip():
        raise IncompleteXml("the reply is empty")
    encoding = encoding_of(head, charset)
    # UTF-8 goes to expat as it is; anything else is transcoded first, for expat knows few encodings and Shift_JIS not at all.
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("strict")
    parser = machine.parser()
    chunk = head
    try:
        while chunk:
            parser.Parse(decoder.decode(chunk).encode() if decoder else chunk, False)
            chunk = source.read(_CHUNK)
        parser.Parse(decoder.decode(b"", True).encode() if decoder else b"", True)
    except UnicodeDecodeError as error:
        if not chunk:
            raise IncompleteXml("the reply ends inside a character") from error
        raise BrokenXml(f"bytes that are not {encoding}, which the reply declares") from error
    except expat.ExpatError as error:
        why = f"{expat.ErrorString(error.code)} at line {error.lineno}, column {error.offset}"
        if error.code in _CUT:
            raise IncompleteXml(f"the reply ends before its Envelope does ({why})") from error
        raise BrokenXml(why) from error
    return machine.finish()


#: What expat says at the end of the input when the document is not finished: 3 no element, 4 not well-formed in the last token, 5 unclosed
#: token, 6 partial character, 20 unclosed CDATA.
_CUT = frozenset({3, 5, 6, 20})


class _Machine:
    """The handlers of one parse. Closures over locals rather than attributes: this is the connector's innermost loop."""

    def __init__(self, plan: Plan, sink: Callable[[list[RawRow]], None]) -> None:
        self.reply = Reply()
        self._plan = plan
        self._sink = sink
        self._block: list[RawRow] = []
        self._came: set[str] = set()
        self._ended = False

    def finish(self) -> Reply:
        """The reply, once the parser has seen the end. Raises IncompleteXml or NotSoap."""
        if not self._ended:
            raise IncompleteXml("the reply ends before its Envelope does")
        if self.reply.answers != 1:
            raise NotSoap("the Envelope holds no answer" if not self.reply.answers else "the Body holds more than one answer")
        self.reply.missing = tuple(name for name in self._plan.required if name not in self._came)
        self._hand_over()
        return self.reply

    def _hand_over(self) -> None:
        if self._block:
            self._sink(self._block[:])
            self._block.clear()

    def parser(self) -> expat.XMLParserType:
        reply, block, hand_over, came = self.reply, self._block, self._hand_over, self._came
        root = self._plan.root
        absent, nil_value, twice = Presence.ABSENT, Presence.NIL, Presence.TWICE
        row_kind, leaf, leaves, group, groups = Kind.ROW, Kind.LEAF, Kind.LEAVES, Kind.GROUP, Kind.GROUPS
        scalar, fault_text, answer = Kind.SCALAR, Kind.FAULT_TEXT, Kind.ANSWER
        texts = (leaf, leaves, scalar, fault_text)
        current: Step = root
        stack: list[Step] = []
        rows: list[RawRow] = []
        text: list[str] = []
        skip = 0
        nil = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal current, skip, nil
            if skip:
                skip += 1
                if skip > MAX_DEPTH:
                    raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
                return
            step = current.children.get(name) or current.children.get("*")
            if step is None:
                if current is root:
                    raise NotSoap(f"the document is <{name.rpartition('}')[2]}>, not a SOAP Envelope")
                if current.kind is Kind.BODY:
                    raise NotSoap(f"the Body holds <{name.rpartition('}')[2]}>, which is not this operation's answer")
                skip = 1
                return
            stack.append(current)
            current = step
            kind = step.kind
            nil = bool(attributes) and attributes.get(_NIL) in ("true", "1")
            if kind is leaf or kind is leaves:
                text.clear()
                if step.attributes:
                    _take(step, attributes, rows[-1])
                return
            if kind is row_kind or kind is group or kind is groups:
                raw: RawRow = [absent] * step.width
                if kind is group:
                    rows[-1][step.slot] = (nil_value if nil else raw) if rows[-1][step.slot] is absent else twice
                elif kind is groups:
                    _append(rows[-1], step.slot, nil_value if nil else raw)
                elif nil:
                    raise NotSoap("a row is xsi:nil")
                _take(step, attributes, raw)
                rows.append(raw)
                return
            if kind is answer:
                reply.answers += 1
                if step.name == "Fault":
                    reply.fault = {}
            elif kind is scalar or kind is fault_text:
                text.clear()
            elif rows:
                if step.slot >= 0:
                    rows[-1][step.slot] = nil_value if nil else []
                _take(step, attributes, rows[-1])
            elif step.name:
                came.add(step.name)
            for key, path in step.scalars.items():
                # An attribute such as SOAP-ENC:arrayType is named by its local name.
                reply.scalars[path] = next((value for name, value in attributes.items() if name.rpartition("}")[2] == key), None)

        def end(_: str) -> None:
            nonlocal current, skip
            if skip:
                skip -= 1
                return
            step = current
            kind = step.kind
            current = stack.pop()
            if kind is leaf:
                row = rows[-1]
                row[step.slot] = (nil_value if nil else "".join(text)) if row[step.slot] is absent else twice
                text.clear()
            elif kind is row_kind:
                block.append(rows.pop())
                reply.rows += 1
                if len(block) >= BLOCK:
                    hand_over()
            elif kind is leaves:
                _append(rows[-1], step.slot, nil_value if nil else "".join(text))
                text.clear()
            elif kind is group or kind is groups:
                rows.pop()
            elif kind is scalar:
                if step.name in reply.scalars:
                    raise NotSoap(f"<{step.name}> comes twice")
                reply.scalars[step.name] = None if nil else "".join(text).strip()
            elif kind is fault_text:
                if reply.fault is not None:
                    reply.fault.setdefault(step.name, "".join(text).strip())
            elif current is root:
                self._ended = True

        def characters(data: str) -> None:
            if not skip and current.kind in texts:
                text.append(data)
                if len(text) > 1 and sum(map(len, text)) > MAX_TEXT:
                    raise UnsafeXml(f"a text is longer than {MAX_TEXT} characters")

        parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        refuse_doctype(parser)
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters
        return parser


def _take(step: Step, attributes: dict[str, str], row: RawRow) -> None:
    for key, slot in step.attributes.items():
        row[slot] = attributes.get(key, Presence.ABSENT)


def _append(row: RawRow, slot: int, value: Raw) -> None:
    if not isinstance(row[slot], list):
        row[slot] = []
    row[slot].append(value)
