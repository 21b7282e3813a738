"""What expat's events become: raw rows, and the scalars and the fault around them. It judges what is this operation's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from xml.parsers import expat

from connectors.soap.arrays import POSITION, ArraySaid
from connectors.soap.aside import Aside, Attachment, Parts
from connectors.soap.captures import Captures
from connectors.soap.known import INCLUDE, Passing
from connectors.soap.large import LargeValue
from connectors.soap.multiref import Referred, is_apart, reference
from connectors.soap.pairs import deal
from connectors.soap.raw import Presence, Raw, RawRow, append, not_nil
from connectors.soap.reply import IncompleteXml, NotSoap, Reply
from connectors.soap.runs import RunReader, suits
from connectors.soap.steps import XSI_TYPE, Kind, Plan, Step
from connectors.soap.tags import XSI_NIL, qualified_name, says_nil, typed_name
from connectors.soap.xmltree import MAX_DEPTH, MAX_TEXT, UnsafeXml, refuse_doctype

BLOCK = 8192
#: A block of rows is handed over early when so many bytes of the document lie in it.
_BLOCK_BYTES = 8 * 1024 * 1024
#: A longer text goes aside, where bytes are wanted.
_LONG_TEXT = 1024 * 1024
#: Where raw rows go: at most BLOCK at a time from expat, a run at a time from arrays (``raw.Block``).
Sink = Callable[[Sequence[RawRow]], None]


class Machine:
    """The handlers of one parse. Closures over locals rather than attributes: this is the connector's innermost loop.

    ``aside`` takes texts that are too long, where bytes are wanted; ``parts`` answers Includes. Without them both are refused.
    """

    between_rows: Callable[[], bool]
    in_row: Callable[[], bool]

    def __init__(self, plan: Plan, sink: Sink, aside: Aside | None = None, parts: Parts | None = None) -> None:
        self.reply = Reply()
        self._passing = Passing(self.reply.notes)
        self._aside = aside
        self._parts = parts
        self._plan = plan
        self._sink = sink
        self._block: list[RawRow] = []
        self._came: set[str] = set()
        self._ended = False
        self._row: tuple[Step, str] | None = None
        self._scope: dict[str, list[str]] = {}
        self._reader: RunReader | None = None
        #: Where expat saw the last row's end begin, in bytes that it was given.
        self.row_end = -1
        #: Bytes of the row under way that went aside: they are not held, and count for nothing.
        self.set_aside = 0
        self._above = _above_rows(plan.root)
        self.suited = self._above is not None and all(
            suits(one) and one.within is None for one in self._above.children.values() if one.kind is Kind.ROW
        )

    def finish(self) -> Reply:
        """The reply, once the parser has seen the end. Raises IncompleteXml or NotSoap."""
        if not self._ended:
            raise IncompleteXml("the reply ends before its Envelope does")
        if self.reply.answers != 1:
            raise NotSoap("the Envelope holds no answer" if not self.reply.answers else "the Body holds more than one answer")
        self.reply.missing = tuple(name for name in self._plan.required if name not in self._came)
        self.reply.beside_rows = tuple(self._passing.beside)
        self._hand_over()
        return self.reply

    def take(self, block: Sequence[RawRow]) -> None:
        """Rows that did not come through the handlers, after all that did."""
        self._hand_over()
        self.reply.rows += len(block)
        if block:
            self._sink(block)

    def runs(self) -> RunReader:
        """A reader for rows where the parser stands now, between two of them."""
        assert self._row is not None
        step, name = self._row
        scope = {prefix: uris[-1] for prefix, uris in self._scope.items() if uris}
        if self._reader is None or dict(self._reader.scope) != scope or self._reader.row is not step or self._reader.name != name:
            self._reader = RunReader(step, name, scope, MAX_DEPTH // 2, self.reply.notes, self._plan.encoded)
        return self._reader

    def _hand_over(self) -> None:
        if self._block:
            self._sink(self._block[:])
            self._block.clear()

    def parser(self) -> expat.XMLParserType:
        reply, block, hand_over, came = self.reply, self._block, self._hand_over, self._came
        encoded = self._plan.encoded
        root, row_above, passing, deeper = self._plan.root, self._above, self._passing, self._passing.deeper
        absent, nil_value, twice, mixed = Presence.ABSENT, Presence.NIL, Presence.TWICE, Presence.MIXED
        row_kind, leaf, leaves, group, groups = Kind.ROW, Kind.LEAF, Kind.LEAVES, Kind.GROUP, Kind.GROUPS
        scalar, fault_text, fault_detail, answer = Kind.SCALAR, Kind.FAULT_TEXT, Kind.FAULT_DETAIL, Kind.ANSWER
        repeated = self._plan.repeated
        current: Step = root
        stack: list[Step] = []
        rows: list[RawRow] = []
        text: list[str] = []
        skip = 0
        nil = False
        # Whether what is being read can be no value, whatever its text: an element stands in it, or its xsi:nil is no boolean.
        odd = False
        # For each open raw row, the wrappers and the bearers of attributes that came in it: these come once.
        once: list[set[int]] = []
        # Whether text is wanted here; and whether it was, where an element inside it is being passed over.
        collect = False
        suspended: list[bool] = []
        row_parent: Step | None = None
        large = LargeValue(self._aside, self._parts)
        arrays: list[ArraySaid] = []
        block_from = 0

        def take(step: Step, attributes: dict[str, str], row: RawRow) -> None:
            for key, slot in step.attributes.items():
                value = attributes.get(key, step.defaults.get(key, absent))
                if key == XSI_TYPE and isinstance(value, str):
                    value = typed_name(value, scope())
                elif key in step.qualified and isinstance(value, str):
                    value = qualified_name(value, scope())
                row[slot] = value if row[slot] is absent else twice

        def again(step: Step) -> bool:
            """Whether the step's element came before in this row; then nothing below it can be told apart."""
            came_before = id(step) in once[-1]
            if came_before:
                for slot in step.below():
                    rows[-1][slot] = twice
            once[-1].add(id(step))
            return came_before

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal current, skip, nil, odd, collect, row_parent
            if skip:
                skip += 1
                if skip > MAX_DEPTH:
                    raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
                deeper(name, skip)
                return
            step = current.children.get(name) or current.children.get("*")
            if step is None:
                included = name == INCLUDE and current.kind in (leaf, leaves, scalar, fault_text)
                if included:
                    large.include(current, attributes)
                if current is root:
                    raise NotSoap(f"the document is <{name.rpartition('}')[2]}>, not a SOAP Envelope")
                if current.kind is Kind.BODY:
                    if encoded and is_apart(attributes):
                        raise Referred(f"the Body holds <{name.rpartition('}')[2]}>, which nothing refers to")
                    raise NotSoap(f"the Body holds <{name.rpartition('}')[2]}>, which is not this operation's answer")
                passing.enter(current.known, current.path, name, beside=current is row_above)
                skip = 1
                suspended.append(collect)
                odd = odd or (collect and not included)
                collect = False
                return
            stack.append(current)
            current = step
            kind = step.kind
            nil = odd = False
            if attributes:
                if (stated := attributes.get(XSI_NIL)) is not None:
                    said = says_nil(stated)
                    nil, odd = said is True, said is None
                if POSITION in attributes and stack[-1].array:
                    arrays[-1].partial = True
                if encoded and (to := reference(attributes)) is not None and "href" not in step.attributes:
                    raise Referred(f"<{name.rpartition('}')[2]}> refers to {to[:40]}, which does not stand in the Envelope")
            if kind is leaf or kind is leaves:
                collect = True
                if step.attributes and not again(step):
                    take(step, attributes, rows[-1])
                if step.inside is not None:
                    captures.begin(step, attributes, len(stack), text.append)
                return
            if kind is row_kind or kind is group or kind is groups:
                if kind is row_kind and nil:
                    # Whether it may be so, the result code decides: an object that was not found is often a nil one.
                    reply.nil_rows += 1
                    passing.enter(None, "", name)
                    current, skip, nil = stack.pop(), 1, False
                    suspended.append(collect)
                    return
                if kind is row_kind and step.within is not None and not step.within.holds_rows(reply.repeated):
                    reply.passed += 1
                    passing.enter(None, "", name)
                    current, skip = stack.pop(), 1
                    suspended.append(collect)
                    return
                if kind is row_kind:
                    row_parent, self._row = stack[-1], (step, name)
                raw: RawRow = [absent] * step.width
                if kind is group:
                    rows[-1][step.slot] = (mixed if odd else nil_value if nil else raw) if rows[-1][step.slot] is absent else twice
                elif kind is groups:
                    append(rows[-1], step.slot, mixed if odd else nil_value if nil else raw)
                elif odd:
                    raise NotSoap("the xsi:nil of a row is no boolean")
                take(step, attributes, raw)
                if step.array:
                    arrays.append(ArraySaid.of({} if nil else attributes))
                rows.append(raw)
                if step.inside is not None:
                    captures.begin(step, attributes, len(stack), partial(raw.__setitem__, step.slot), alone=False)
                once.append(set())
                collect = step.text >= 0
                return
            if kind is answer:
                reply.answers += 1
                if step.name == "Fault":
                    reply.fault = {}
            elif kind is scalar or kind is fault_text or kind is fault_detail:
                collect = True
                text.clear()
                if kind is fault_detail:
                    reply.take_fault("detail", name.rpartition("}")[2])
            elif rows:
                if step.mark >= 0:
                    rows[-1][step.mark] = nil_value if nil else ""
                if not again(step):
                    if step.slot >= 0:
                        rows[-1][step.slot] = nil_value if nil else []
                    take(step, attributes, rows[-1])
            elif step.name:
                came.add(step.name)
            if step.array:
                arrays.append(ArraySaid.of({} if nil else attributes, reply.rows))
            for key, path in step.scalars.items():
                # An attribute such as SOAP-ENC:arrayType is named by its local name.
                found = next((value for name, value in attributes.items() if name.rpartition("}")[2] == key), None)
                reply.take_attribute(path, found, repeats=path in repeated)

        def whole(step: Step) -> Attachment:
            found, moved = large.whole(step, text)
            self.set_aside += moved
            return found

        def counted(step: Step) -> None:
            said, items = arrays.pop(), step.children["*"]
            if items.kind is row_kind:
                reply.counted(said)
            else:
                said.hold(rows[-1], items.slot)

        def value(step: Step) -> Raw:
            if large.held is not None:
                found = whole(step)
                return mixed if odd or nil else found
            said = text[0] if len(text) == 1 else "".join(text)
            if odd or (nil and said.strip(" \t\n\r")):
                return mixed
            if nil:
                return nil_value
            return qualified_name(said, scope()) if "" in step.qualified else said

        def scope() -> dict[str, str]:
            return {prefix: uris[-1] for prefix, uris in self._scope.items() if uris}

        def end(name: str) -> None:
            nonlocal current, skip, collect, block_from
            if skip:
                skip -= 1
                if not skip:
                    collect = suspended.pop()
                return
            step = current
            kind = step.kind
            current = stack.pop()
            collect = False
            if kind is leaf:
                row, slot = rows[-1], step.slot
                if row[slot] is not absent:
                    if large.held is not None:
                        whole(step)
                        row[slot] = twice
                    elif not step.repeats or value(step) != row[slot]:
                        row[slot] = twice
                elif nil or odd or step.qualified or large.held is not None:
                    row[slot] = value(step)
                else:
                    row[slot] = text[0] if len(text) == 1 else "".join(text)
                text.clear()
            elif kind is row_kind:
                if step.array:
                    counted(step)
                if step.gathered:
                    deal(rows[-1], step.gathered)
                block.append(rows.pop())
                once.pop()
                reply.rows += 1
                self.row_end = parser.CurrentByteIndex
                self.set_aside = 0
                if len(block) >= BLOCK or self.row_end - block_from > _BLOCK_BYTES:
                    hand_over()
                    block_from = self.row_end
            elif kind is leaves:
                append(rows[-1], step.slot, value(step))
                text.clear()
            elif kind is group or kind is groups:
                if step.array:
                    counted(step)
                inner, owner = rows.pop(), rows[-1]
                once.pop()
                if step.gathered:
                    deal(inner, step.gathered)
                if step.text >= 0:
                    said = value(step)
                    inner[step.text] = absent if said is nil_value else said
                    text.clear()
                # What is said to be nil may have attributes (XSD part 1 §3.3.1), and nothing else.
                if any(one is not absent for at, one in enumerate(inner) if at not in step.attributes.values()):
                    not_nil(owner, step.slot, in_list=kind is groups)
            elif kind is scalar and step.form is not None:
                if reply.content is not None:
                    raise NotSoap(f"<{step.name}> comes twice")
                reply.content = None if nil else whole(step)
            elif kind is scalar or kind is fault_text or kind is fault_detail:
                reply.end(step, name.rpartition("}")[2], "".join(text).strip(), nil=nil, odd=odd, repeats=step.name in repeated)
                text.clear()
            elif step.around is not None:
                step.around.close(reply)
            elif step.array:
                counted(step)
            elif current is root:
                self._ended = True

        def start_together(name: str, attributes: dict[str, str]) -> None:
            """As ``start``, where an element may be one of several that repeat together: each is a raw row of its own."""
            if not skip and (step := current.children.get(name)) is not None and step.together is not None:
                rows.append([absent] * step.together.width)
                once.append(set())
            start(name, attributes)

        def end_together(name: str) -> None:
            together = None if skip else current.together
            end(name)
            if together is not None:
                item = rows.pop()
                once.pop()
                append(rows[-1], together.slot, item)

        def characters(data: str) -> None:
            if collect:
                text.append(data)
                if len(text) > 1 and (size := sum(map(len, text))) > _LONG_TEXT:
                    if large.takes(current):
                        self.set_aside += large.move(current, text)
                    elif size > MAX_TEXT:
                        raise UnsafeXml(f"a text is longer than {MAX_TEXT} characters")

        def bound(prefix: str | None, uri: str | None) -> None:
            self._scope.setdefault(prefix or "", []).append(uri or "")

        def unbound(prefix: str | None) -> None:
            self._scope[prefix or ""].pop()

        self.in_row = lambda: bool(rows)
        self.between_rows = lambda: not skip and not rows and current is row_parent

        parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        refuse_doctype(parser)
        parser.StartNamespaceDeclHandler = bound
        parser.EndNamespaceDeclHandler = unbound
        handlers = (start_together, end_together, characters) if self._plan.together else (start, end, characters)
        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers
        captures = Captures(parser, scope, handlers, reply.notes, encoded=encoded)
        return parser


def _above_rows(step: Step) -> Step | None:
    """The step whose children are the rows: there is one, below either SOAP version's Envelope. None in a plan without rows."""
    if any(child.kind is Kind.ROW for child in step.children.values()):
        return step
    return next((found for child in step.children.values() if (found := _above_rows(child)) is not None), None)
