"""What stands inside of an element as JSON text, for a column of type string at an element that holds elements and nothing else.

Its children's names are keys, in the order in which they first come; texts are as they came, so that no digit is lost. What is a list, an
object or a text is the contract's word (``layout``), and so is what stays XML. A text that can't be told so is no value: its row is held.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.soap.arrays import ENCODINGS, POSITION, ArraySaid
from connectors.soap.aside import MisplacedAttachment
from connectors.soap.inner_xml import XML, InnerXml, Scope
from connectors.soap.known import INCLUDE, unknown
from connectors.soap.layout import Layout
from connectors.soap.notes import Notes
from connectors.soap.raw import Presence, Raw
from connectors.soap.steps import XSI, XSI_TYPE
from connectors.soap.tags import XSI_NIL, qualified_name, says_nil, typed_name
from connectors.soap.xmltree import MAX_DEPTH, MAX_TEXT, UnsafeXml

#: Attributes in these namespaces say how something is sent.
_ASIDE = frozenset({XSI, *ENCODINGS, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"})
_BLANK = " \t\n\r"
#: Signs around a key and a text.
_AROUND = 6


@dataclass
class _Open:
    """An element that has begun: where it goes in its parent, and what came of it. ``layout`` is None where the contract knows no such one."""

    key: str
    many: bool
    group: str
    layout: Layout | None
    path: str
    nil: bool
    made: dict[str, Any]
    items: list[Any] = field(default_factory=list[Any])
    texts: list[str] = field(default_factory=list[str])
    said: ArraySaid | None = None


class InnerJson:
    """The inside of one element called ``name``, as it comes, with its ``attributes``; ``above`` is how deep in its document it stands.

    ``notes`` take the elements that the contract does not know, where nobody else does; ``path`` is where the element is.
    """

    def __init__(
        self, name: str, layout: Layout, above: int, scope: Scope, attributes: Mapping[str, str], notes: Notes | None, path: str
    ) -> None:
        self.name, self.depth = name, 0
        self._above, self._scope, self._notes = above, scope, notes
        self._size = 0
        self._broken: Presence | None = None
        self._xml: InnerXml | None = None
        self._open: list[_Open] = []
        self._begin("", False, "", layout, path, attributes)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self._xml is not None:
            self._xml.start(name, attributes)
            return
        if name == INCLUDE:
            raise MisplacedAttachment(self.name)
        if self._above + self.depth > MAX_DEPTH:
            raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
        parent = self._open[-1]
        assert parent.layout is not None
        child = parent.layout.children.get(name) or parent.layout.children.get("*")
        at = f"{parent.path}/{name.rpartition('}')[2]}"
        if parent.layout.valued:
            self._break(Presence.MIXED)
        if parent.said is not None and POSITION in attributes:
            parent.said.partial = True
        if child is not None:
            self._begin(child.key, child.many, child.group, child.layout, at, attributes)
            return
        if self._notes is not None and parent.layout.known.at(name) is None:
            unknown(self._notes, parent.layout.known, parent.path, name)
        self._begin(parent.layout.unknown_key(name), True, "", None, at, attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        if self._xml is not None and self._xml.depth:
            self._xml.end(name)
            return
        one = self._open.pop()
        value, parent = self._value(one), self._open[-1]
        if parent.layout is not None and parent.layout.way == "items":
            parent.items.append(value)
        elif one.group:
            parent.made.setdefault(one.group, []).append({one.key: value})
        elif one.many:
            parent.made.setdefault(one.key, []).append(value)
        elif one.key in parent.made:
            self._break(Presence.TWICE)
        else:
            parent.made[one.key] = value

    def characters(self, data: str) -> None:
        if self._xml is not None:
            self._xml.characters(data)
            return
        self._count(data)
        self._open[-1].texts.append(data)

    def whole(self) -> Raw:
        """The text of the column, when the element has ended, or why it has none. What is nil and holds nothing is an empty text."""
        (root,) = self._open
        value = self._value(root)
        if root.nil:
            # Whoever reads the element knows that it is nil, and that a nil one holds no text.
            return "" if value is None else "{}"
        return self._broken or json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def _begin(self, key: str, many: bool, group: str, layout: Layout | None, path: str, attributes: Mapping[str, str]) -> None:
        nil = says_nil(attributes.get(XSI_NIL, "false"))
        if nil is None:
            self._break(Presence.MIXED)
        self._count(key)
        one = _Open(key, many, group, layout, path, bool(nil), self._attributes(layout, attributes))
        if layout is not None and layout.way == "items":
            one.said = ArraySaid.of({} if nil else attributes)
        elif layout is None or layout.way in ("xml", "open"):
            inside = "always" if layout is not None and layout.way == "xml" else "elements"
            self._xml = InnerXml(self.name, inside, self._above + self.depth, self._scope)
        self._open.append(one)

    def _attributes(self, layout: Layout | None, attributes: Mapping[str, str]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if layout is None or layout.way in ("text", "items") or (layout.way != "object" and not layout.attributes):
            return made
        for name, value in attributes.items():
            uri, _, last = name.rpartition("}")
            if name == XSI_TYPE:
                made["@xsi:type"] = typed_name(value, self._scope())
            elif uri not in _ASIDE:
                said = qualified_name(value, self._scope()) if layout.attributes.get(name) else value
                made[f"@xml:{last}" if uri == XML else f"@{{{uri}}}{last}" if uri else f"@{last}"] = said
        for key, value in made.items():
            self._count(key)
            self._count(value)
        # Attributes stand in no order.
        return dict(sorted(made.items()))

    def _value(self, one: _Open) -> Any:
        way = one.layout.way if one.layout is not None else "open"
        text = "".join(one.texts)
        if way in ("xml", "open"):
            assert self._xml is not None
            text, self._xml = self._xml.whole(), None
            self._count(text)
        if one.nil:
            if text.strip(_BLANK) or one.items or any(not key.startswith("@") for key in one.made):
                self._break(Presence.MIXED)
                return one.made
            return None
        if one.said is not None:
            if one.said.partial or one.said.count not in (None, len(one.items)):
                self._break(Presence.PARTIAL if one.said.partial else Presence.COUNT)
            return one.items
        if one.layout is None or way == "text" or (way != "object" and not one.layout.attributes):
            return qualified_name(text, self._scope()) if one.layout is not None and one.layout.qualified else text
        if way != "object" or one.layout.valued:
            one.made["#text"] = qualified_name(text, self._scope()) if one.layout.qualified else text
        elif text.strip(_BLANK):
            # The contract has no place for it, and nothing that came is left out.
            one.made["#text"] = text
        return one.made

    def _break(self, why: Presence) -> None:
        self._broken = self._broken or why

    def _count(self, piece: str) -> None:
        self._size += len(piece) + _AROUND
        if self._size > MAX_TEXT:
            raise UnsafeXml(f"the inside of <{self.name}> is longer than {MAX_TEXT} characters")
