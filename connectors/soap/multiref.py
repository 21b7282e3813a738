"""Replies of SOAP encoding whose values stand elsewhere: every ``href="#id"`` is replaced by what it names (SOAP 1.1 §5.2.1, §5.4.1)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any
from xml.parsers import expat

from connectors.soap.encodings import Transcoder
from connectors.soap.reply import IncompleteXml
from connectors.soap.steps import XSI
from connectors.soap.xmltree import CUT, MAX_DEPTH, BrokenXml, UnsafeXml, local

_ENC_12 = "http://www.w3.org/2003/05/soap-encoding"
_REF_12, _ID_12 = f"{{{_ENC_12}}}ref", f"{{{_ENC_12}}}id"
_XSI_TYPE = f"{{{XSI}}}type"
_QNAME = "{http://www.w3.org/2001/XMLSchema}QName"
#: A reply with references has all its elements in memory at once.
MAX_BYTES = 64 * 1024 * 1024
#: Elements after all references are filled in: one named a thousand times by one named a thousand times is an attack, not a reply.
_MAX_ELEMENTS = 2_000_000
_SHOWN = 40


class Referred(BrokenXml):
    """An element that is read says that its value stands elsewhere, or one stands in the Body to be referred to."""


def reference(attributes: Mapping[str, str]) -> str | None:
    """What the attributes of an element, by names as expat gives them, refer to; None where they don't."""
    return attributes.get("href", attributes.get(_REF_12[1:]))


def is_apart(attributes: Mapping[str, str]) -> bool:
    """Whether an element is there to be referred to."""
    return "id" in attributes or _ID_12[1:] in attributes


def resolved(source: IO[bytes], charset: str | None = None) -> IO[bytes]:
    """The reply in UTF-8 with every reference filled in and the referred-to elements gone from the Body. For replies of at most 64 MB.

    ``charset`` is HTTP's. Raises BrokenXml for a reference to nothing or to itself, UnsafeXml for a reply that is too large or grows too
    large, IncompleteXml for one that is cut.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    content = source.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnsafeXml(f"a reply with references is larger than {MAX_BYTES} bytes")
    # libxml2 has a table of its own for Shift_JIS, and knows nothing of HTTP: it is given UTF-8, whatever the document says of itself.
    utf8 = Transcoder(content, charset)
    content = utf8.take(content) + utf8.end()
    try:
        root: Any = etree.fromstring(
            content, etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
        )
    except etree.XMLSyntaxError as error:
        _refuse_cut(content)
        raise BrokenXml(f"{error.msg}") from error
    utf8.settle()
    if root.getroottree().docinfo.doctype:
        raise UnsafeXml("a DOCTYPE stands in the document")
    return io.BytesIO(_Resolver(root).whole())


def _refuse_cut(content: bytes) -> None:
    """Raises IncompleteXml for a document that is well-formed as far as it goes, and does not go to its end."""
    try:
        expat.ParserCreate("utf-8").Parse(content, True)
    except expat.ExpatError as error:
        if error.code in CUT:
            raise IncompleteXml(f"the reply ends before its Envelope does ({expat.ErrorString(error.code)})") from error


class _Resolver:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._by_id: dict[str, Any] = {}
        self._left = _MAX_ELEMENTS
        #: Our prefix for each namespace of a qualified name that moves, and the elements whose names were written so.
        self._prefixes: dict[str, str] = {}
        self._freed: set[str] = set()
        for element in root.iter("*"):
            for name in ("id", _ID_12):
                if (id := element.get(name)) is not None:
                    if id in self._by_id:
                        raise BrokenXml(f"the id {id[:_SHOWN]} stands twice")
                    self._by_id[id] = element

    def whole(self) -> bytes:
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

        body = next((one for one in self._root.iterchildren("*") if local(one.tag) == "Body"), None)
        entries: list[Any] = [] if body is None else list(body.iterchildren("*"))
        if body is not None and entries:
            # SOAP 1.1 §5.6: what is referred to may stand before the answer as well.
            apart = [one.get("id") is not None or one.get(_ID_12) is not None for one in entries]
            answer = entries[apart.index(False)] if False in apart else entries[0]
            self._fill(answer, (), 0)
            for one, goes in zip(entries, apart, strict=True):
                if goes and one is not answer:
                    body.remove(one)
        root = self._root
        if self._prefixes:
            root = etree.Element(root.tag, root.attrib, nsmap={**root.nsmap, **{prefix: uri for uri, prefix in self._prefixes.items()}})
            root.extend(list(self._root))
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)

    def _fill(self, element: Any, trail: tuple[str, ...], depth: int) -> None:
        from copy import deepcopy

        self._left -= 1
        if self._left < 0:
            raise UnsafeXml(f"the reply holds more than {_MAX_ELEMENTS} elements with its references filled in")
        if depth > MAX_DEPTH:
            raise UnsafeXml(f"elements are nested more than {MAX_DEPTH} deep")
        # What is named may only name another one.
        while (id := self._named(element)) is not None:
            target = self._by_id.get(id)
            if target is None:
                raise BrokenXml(f"the reference {id[:_SHOWN]} leads nowhere")
            if id in trail:
                raise BrokenXml(f"the element {id[:_SHOWN]} refers to itself")
            if len(element) or (element.text or "").strip():
                raise BrokenXml(f"<{local(element.tag)}> refers to {id[:_SHOWN]} and holds a value of its own")
            trail = (*trail, id)
            self._free(id, target)
            for name in ("href", _REF_12):
                element.attrib.pop(name, None)
            for name, value in target.attrib.items():
                if name not in ("id", _ID_12):
                    element.set(name, value)
            element.text = target.text
            for child in target:
                self._left -= 1
                element.append(deepcopy(child))
        for child in element.iterchildren("*"):
            self._fill(child, trail, depth + 1)

    @staticmethod
    def _named(element: Any) -> str | None:
        href = element.get("href")
        return href[1:] if href is not None and href.startswith("#") else element.get(_REF_12)

    def _free(self, id: str, target: Any) -> None:
        """Write the qualified names below an element so that they mean the same wherever it is copied to: prefixes that stand in texts and in
        xsi:type don't come along by themselves, and may mean something else there.
        """
        if id in self._freed:
            return
        self._freed.add(id)
        for one in target.iter("*"):
            if (kind := one.get(_XSI_TYPE)) is None:
                continue
            expanded = self._expanded(kind, one)
            if expanded == _QNAME and not len(one) and one.text:
                one.text = self._written(self._expanded(one.text, one), one.text)
            one.set(_XSI_TYPE, self._written(expanded, kind))

    @staticmethod
    def _expanded(name: str, at: Any) -> str | None:
        prefix, _, last = name.strip().rpartition(":")
        uri = at.nsmap.get(prefix or None)
        return f"{{{uri}}}{last}" if uri else None

    def _written(self, expanded: str | None, otherwise: str) -> str:
        if expanded is None:
            return otherwise
        uri, _, last = expanded[1:].rpartition("}")
        return f"{self._prefixes.setdefault(uri, f'_ref{len(self._prefixes)}')}:{last}"
