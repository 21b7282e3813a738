"""XML read safely into a small tree: no DTD, no entities, bounded depth and size. For contracts and short answers, not for pages of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_DEPTH = 100
MAX_TEXT = 10 * 1024 * 1024
#: What expat says at the end of the input when the document is not finished: 3 no element, 5 unclosed token, 6 partial character, 20 unclosed
#: CDATA.
CUT = frozenset({3, 5, 6, 20})


class UnsafeXml(ValueError):
    """The document has what this reader refuses: a DOCTYPE, too deep a nesting, too long a text."""


class BrokenXml(ValueError):
    """The document is not well-formed, or ends before its root does."""


class UnboundPrefix(BrokenXml):
    """A qualified name, ``name`` as it is written, whose prefix is bound to no namespace where it stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the prefix of {name} is bound to no namespace")


@dataclass
class Node:
    """An element: ``tag`` is ``{namespace}local``; attributes likewise; ``namespaces`` are the prefixes in scope here."""

    tag: str
    attributes: dict[str, str]
    namespaces: Mapping[str, str]
    children: list[Node] = field(default_factory=list["Node"])
    text: str = ""

    def all(self, tag: str) -> list[Node]:
        """Children with this tag, in document order."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Node | None:
        return next((child for child in self.children if child.tag == tag), None)

    def qname(self, text: str) -> str:
        """The expanded name of a prefixed name that stands in an attribute or text here. Raises UnboundPrefix."""
        prefix, _, name = text.strip().rpartition(":")
        if prefix and prefix not in self.namespaces:
            raise UnboundPrefix(text.strip())
        space = self.namespaces.get(prefix, "")
        return f"{{{space}}}{name}" if space else name


def local(tag: str) -> str:
    """``{namespace}local`` → ``local``."""
    return tag.rpartition("}")[2]


def space(tag: str) -> str:
    """``{namespace}local`` → ``namespace``, empty when there is none."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def refuse_doctype(parser: expat.XMLParserType) -> None:
    """Make ``parser`` raise UnsafeXml at a DOCTYPE, before any entity could be declared."""

    def doctype(*_: object) -> None:
        raise UnsafeXml("a DOCTYPE stands in the document")

    parser.StartDoctypeDeclHandler = doctype


def brace(name: str) -> str:
    """Expat's ``namespace}local`` (we separate by ``}``) as ``{namespace}local``."""
    return "{" + name if "}" in name else name


def parse(content: bytes, *, encoding: str | None = None) -> Node:
    """The root of a document. Raises UnsafeXml or BrokenXml; the message never quotes the document's text."""
    parser = expat.ParserCreate(encoding, "}")
    parser.buffer_text = True
    refuse_doctype(parser)
    root: list[Node] = []
    open_nodes: list[Node] = []
    pending: dict[str, str] = {}
    size = 0

    def namespace(prefix: str | None, uri: str | None) -> None:
        pending[prefix or ""] = uri or ""

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_nodes) >= MAX_DEPTH:
            raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
        outer: Mapping[str, str] = open_nodes[-1].namespaces if open_nodes else {"xml": "http://www.w3.org/XML/1998/namespace"}
        scope = {**outer, **pending} if pending else outer
        pending.clear()
        node = Node(brace(name), {brace(key): value for key, value in attributes.items()}, scope)
        (open_nodes[-1].children if open_nodes else root).append(node)
        open_nodes.append(node)

    def end(_: str) -> None:
        open_nodes.pop()

    def text(data: str) -> None:
        nonlocal size
        size += len(data)
        if size > MAX_TEXT:
            raise UnsafeXml(f"the document holds more than {MAX_TEXT} characters of text")
        if open_nodes:
            open_nodes[-1].text += data

    parser.StartNamespaceDeclHandler = namespace
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BrokenXml(f"{expat.ErrorString(error.code)} at line {error.lineno}") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, UnsafeXml | BrokenXml):
            raise
        raise BrokenXml("the encoding is unknown or does not fit the bytes") from error
    return root[0]
