"""What stands inside of an element as XML text, for a column that wants an element whole: xs:any, mixed content, types that hold themselves.

The text is much like exclusive canonical XML (W3C, 2002): attributes in order, no comments, no empty-element tags, only the namespaces that
are used. Unlike there the prefixes are ours: a server that calls its namespaces otherwise one day changes no value. Only in texts that are
qualified names themselves a prefix means nothing then, but for xsi:type, which is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.soap.aside import MisplacedAttachment
from connectors.soap.known import INCLUDE
from connectors.soap.steps import XSI, XSI_TYPE, XmlInside
from connectors.soap.tags import typed_name
from connectors.soap.xmltree import MAX_DEPTH, MAX_TEXT, UnsafeXml

XML = "http://www.w3.org/XML/1998/namespace"
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_VALUE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"})
#: The prefixes that are bound where the parser stands.
Scope = Callable[[], Mapping[str, str]]


@dataclass
class InnerXml:
    """The inside of one element called ``name``, as it comes; ``above`` is how deep in its document that element stands."""

    name: str
    inside: XmlInside
    above: int
    scope: Scope
    depth: int = 0
    _pieces: list[str] = field(default_factory=list[str])
    _texts: list[str] = field(default_factory=list[str])
    _size: int = 0
    _elements: bool = False
    #: For each open element the default namespace there, and the prefixes that are ours.
    _spaces: list[tuple[str, dict[str, str]]] = field(default_factory=lambda: [("", {})])

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == INCLUDE:
            raise MisplacedAttachment(self.name)
        self.depth += 1
        if self.above + self.depth > MAX_DEPTH:
            raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
        self._elements = True
        around, prefixes = self._spaces[-1]
        uri, _, local = name.rpartition("}")
        said = {key: typed_name(value, self.scope()) if key == XSI_TYPE else value for key, value in attributes.items()}
        used = {key.rpartition("}")[0] for key in said} | {self._named(said.get(XSI_TYPE, ""))}
        new: dict[str, str] = {}
        for one in sorted(used - prefixes.keys() - {"", XML}):
            new[one] = "xsi" if one == XSI else f"n{len(prefixes) + len(new) + 1}"
        prefixes = {**prefixes, **new} if new else prefixes
        self._spaces.append((uri, prefixes))
        bound = ([("", uri)] if uri != around else []) + sorted((prefix, one) for one, prefix in new.items())
        tag = [f"<{local}"]
        tag += [f' xmlns{prefix and ":"}{prefix}="{one.translate(_VALUE)}"' for prefix, one in bound]
        for key in sorted(said, key=lambda one: one.rpartition("}")[::2]):
            value = said[key]
            if key == XSI_TYPE and (space := self._named(value)):
                value = f"{prefixes[space]}:{value.rpartition('}')[2]}"
            tag.append(f' {self._written(key, prefixes)}="{value.translate(_VALUE)}"')
        self._add("".join(tag) + ">")

    def end(self, name: str) -> None:
        self.depth -= 1
        self._spaces.pop()
        self._add(f"</{name.rpartition('}')[2]}>")

    def characters(self, data: str) -> None:
        if self.inside == "elements" and not self._elements:
            self._texts.append(data)
        self._add(data.translate(_TEXT))

    def whole(self) -> str:
        """The text of the column, when the element has ended."""
        return "".join(self._texts if self.inside == "elements" and not self._elements else self._pieces)

    def _add(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > MAX_TEXT:
            raise UnsafeXml(f"the inside of <{self.name}> is longer than {MAX_TEXT} characters")
        self._pieces.append(piece)

    @staticmethod
    def _named(kind: str) -> str:
        """The namespace of a type as ``tags.typed_name`` gives it."""
        return kind[1:].rpartition("}")[0] if kind.startswith("{") else ""

    @staticmethod
    def _written(name: str, prefixes: Mapping[str, str]) -> str:
        uri, _, local = name.rpartition("}")
        return f"xml:{local}" if uri == XML else f"{prefixes[uri]}:{local}" if uri else local
