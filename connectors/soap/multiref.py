"""Replies of SOAP encoding whose values stand elsewhere: every ``href="#id"`` is replaced by what it names (SOAP 1.1 §5.2.1, §5.4.1)."""

from __future__ import annotations

import io
from typing import IO, Any

from connectors.soap.xmltree import MAX_DEPTH, BrokenXml, UnsafeXml

#: Axis writes references like this; without one the reply is left as it is.
_MARKS = (b'href="#', b"href='#", b':ref="', b":ref='")
_LONGEST_MARK = max(map(len, _MARKS))
_REF_12 = "{http://www.w3.org/2003/05/soap-encoding}ref"
_ID_12 = "{http://www.w3.org/2003/05/soap-encoding}id"
#: A reply with references has all its elements in memory at once.
MAX_BYTES = 64 * 1024 * 1024
#: Elements after all references are filled in: one named a thousand times by one named a thousand times is an attack, not a reply.
_MAX_ELEMENTS = 2_000_000


class Marks:
    """Whether a reply may hold references, found out piece by piece as it comes."""

    def __init__(self) -> None:
        self._tail = b""

    def in_next(self, data: bytes) -> bool:
        """Whether one ends in the next piece."""
        seen = self._tail + data
        self._tail = seen[-_LONGEST_MARK:]
        return any(mark in seen for mark in _MARKS)


def resolved(source: IO[bytes]) -> IO[bytes]:
    """The reply with every reference filled in and the referred-to elements gone from the Body's end. For replies of at most 64 MB.

    Raises BrokenXml for a reference to nothing or to itself, UnsafeXml for a reply that is too large or grows too large.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    content = source.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnsafeXml(f"a reply with references is larger than {MAX_BYTES} bytes")
    try:
        root: Any = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise BrokenXml(f"{error.msg}") from error
    if root.getroottree().docinfo.doctype:
        raise UnsafeXml("a DOCTYPE stands in the document")
    return io.BytesIO(_Resolver(root).whole())


class _Resolver:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._by_id: dict[str, Any] = {}
        self._left = _MAX_ELEMENTS
        for element in root.iter("*"):
            for name in ("id", _ID_12):
                if (id := element.get(name)) is not None:
                    if id in self._by_id:
                        raise BrokenXml(f"the id {id[:40]} stands twice")
                    self._by_id[id] = element

    def whole(self) -> bytes:
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

        body = next((one for one in self._root if etree.QName(one).localname == "Body"), None)
        if body is None or not len(body):
            return etree.tostring(self._root, encoding="utf-8", xml_declaration=True)
        answer, apart = body[0], list(body[1:])
        self._fill(answer, (), 0)
        for one in apart:
            if one.get("id") is not None or one.get(_ID_12) is not None:
                body.remove(one)
        return etree.tostring(self._root, encoding="utf-8", xml_declaration=True)

    def _fill(self, element: Any, trail: tuple[str, ...], depth: int) -> None:
        from copy import deepcopy

        self._left -= 1
        if self._left < 0:
            raise UnsafeXml(f"the reply holds more than {_MAX_ELEMENTS} elements with its references filled in")
        if depth > MAX_DEPTH:
            raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
        named = element.get("href") if (element.get("href") or "").startswith("#") else element.get(_REF_12)
        if named is not None:
            id = named.lstrip("#")
            target = self._by_id.get(id)
            if target is None:
                raise BrokenXml(f"the reference {id[:40]} leads nowhere")
            if id in trail:
                raise BrokenXml(f"the element {id[:40]} refers to itself")
            trail = (*trail, id)
            for name in ("href", _REF_12):
                element.attrib.pop(name, None)
            for name, value in target.attrib.items():
                if name not in ("id", _ID_12):
                    element.set(name, value)
            element.text = target.text
            # Copied under this parent, prefixes that its xsi:type values use come along with each child's own declarations.
            for child in target:
                self._left -= 1
                element.append(deepcopy(child))
        for child in element.iterchildren("*"):
            self._fill(child, trail, depth + 1)
