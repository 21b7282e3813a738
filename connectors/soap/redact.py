"""Envelopes made fit for a log: the values at given paths, and all that proves who asks, are masked before a byte is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.redaction import MASK
from connectors.soap.wsse import DS, WSSE

#: Elements of the security headers whose text is a credential or made from one.
_ALWAYS = frozenset(
    {
        f"{{{WSSE}}}Password",
        f"{{{WSSE}}}Nonce",
        f"{{{WSSE}}}BinarySecurityToken",
        f"{{{DS}}}SignatureValue",
    }
)
_HEADERS = frozenset({"tokenPassport", "passport", "SessionHeader", "Security"})


def masked(content: bytes, paths: Iterable[str]) -> bytes:
    """The envelope without its secrets. ``paths`` are local names joined by ``/`` that end at the value, wherever they begin.

    What is no XML is given back as nothing: nobody can tell what stands in it.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    try:
        root: Any = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError:
        return b""
    wanted = [tuple(path.split("/")) for path in paths]
    _walk(root, (), wanted, False)
    return etree.tostring(root, encoding="utf-8")


def _walk(element: Any, trail: tuple[str, ...], wanted: list[tuple[str, ...]], inside: bool) -> None:
    if not isinstance(element.tag, str):
        return
    name = element.tag.rpartition("}")[2]
    here = (*trail, name)
    secret = inside or name in _HEADERS or element.tag in _ALWAYS or any(here[-len(path) :] == path for path in wanted)
    if secret and element.text and element.text.strip():
        element.text = MASK
    for child in element:
        _walk(child, here, wanted, secret)
