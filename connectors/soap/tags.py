"""One tag, read to the letter. Whatever is unusual is None: then the block it stands in goes to expat, which knows all of XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.soap.steps import XSI, XSI_TYPE

XSI_NIL = f"{XSI}}}nil"
_XML, _XMLNS = "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"
OPEN, CLOSE, EMPTY = 0, 1, 2

# Letters that every edition of XML 1.0 allows in names: ASCII, kana and the common kanji. Others are expat's to judge.
_START = "A-Za-z_\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5"
_NAME = rf"[{_START}][{_START}0-9.\-\u3005\u30fc]*"
_QNAME = rf"{_NAME}(?::{_NAME})?"
_SPACE = r"[ \t\n]"
_VALUE = r"\"[^\"<]*\"|'[^'<]*'"
_TAG = re.compile(rf"<({_QNAME})((?:{_SPACE}+{_QNAME}{_SPACE}*={_SPACE}*(?:{_VALUE}))*){_SPACE}*(/?)>")
_END = re.compile(rf"</({_QNAME}){_SPACE}*>")
_ATTRIBUTE = re.compile(rf"({_QNAME}){_SPACE}*={_SPACE}*({_VALUE})")
_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#(?:([0-9]{1,7})|x([0-9A-Fa-f]{1,6})));|&")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass(frozen=True)
class Tag:
    """``raw`` is the name as written, for pairing; ``name`` and ``attributes`` are expanded as expat does (``namespace}local``).

    ``scoped``: the tag binds anew what is bound around it, so names below it may mean something else. A prefix that is bound nowhere else
    needs no such mark: a tag that uses it without binding it is not read here.
    """

    kind: int
    raw: str
    name: str = ""
    attributes: Mapping[str, str] | None = None
    scoped: bool = False

    @property
    def nil(self) -> bool:
        return bool(self.attributes) and bool(says_nil(self.attributes.get(XSI_NIL, "false")))


def read_tag(text: str, scope: Mapping[str, str]) -> Tag | None:
    """The tag, ``<`` and ``>`` included, with the prefixes of ``scope`` bound ("" is the default namespace); None when it is unusual."""
    if text.startswith("</"):
        end = _END.fullmatch(text)
        return Tag(CLOSE, end.group(1)) if end else None
    found = _TAG.fullmatch(text)
    if found is None:
        return None
    raw, inside, slash = found.groups()
    kind = EMPTY if slash else OPEN
    pairs: list[tuple[str, str]] = []
    own: dict[str, str] = {}
    for key, quoted in _ATTRIBUTE.findall(inside):
        value = plain(re.sub(r"[\t\n]", " ", quoted[1:-1]))
        if value is None:
            return None
        prefix, _, local = key.rpartition(":")
        if key == "xmlns" or prefix == "xmlns":
            bound = local if prefix else ""
            if bound in own or bound in ("xml", "xmlns") or value in (_XML, _XMLNS) or (bound and not value):
                return None
            own[bound] = value
        else:
            pairs.append((key, value))
    inner = {**scope, **own} if own else scope
    name = _expanded(raw, inner, inner.get("", ""))
    attributes: dict[str, str] = {}
    for key, value in pairs:
        expanded = _expanded(key, inner, "")
        if expanded is None or expanded in attributes:
            return None
        if expanded == XSI_TYPE:
            if value.strip().rpartition(":")[0] not in ("", *inner):
                return None
            value = typed_name(value, inner)
        if expanded == XSI_NIL and says_nil(value) is None:
            return None
        attributes[expanded] = value
    if name is None:
        return None
    scoped = any((not prefix or prefix in scope) and scope.get(prefix, "") != uri for prefix, uri in own.items())
    return Tag(kind, raw, name, attributes, scoped)


def says_nil(value: str) -> bool | None:
    """An xsi:nil as the boolean it is (XSD part 2 §3.2.2, white space around it allowed); None when it is none."""
    return {"true": True, "1": True, "false": False, "0": False}.get(value.strip(" \t\n\r"))


def typed_name(value: str, scope: Mapping[str, str]) -> str:
    """What xsi:type says, ``p:Name``, as ``{namespace}Name``; as it is when the prefix means nothing here."""
    prefix, colon, local = value.strip().rpartition(":")
    uri = scope.get(prefix)
    return value if colon and uri is None else f"{{{uri}}}{local}" if uri else local


def qualified_name(text: str, scope: Mapping[str, str]) -> str:
    """An xsd:QName as ``{namespace}local``; as it is written when its prefix means nothing here, or nothing is written. Without a prefix the
    default holds.
    """
    prefix, colon, local = text.strip(" \t\n\r").rpartition(":")
    if not colon and not local:
        return text
    uri = scope.get(prefix) if prefix or not colon else None
    return f"{{{uri}}}{local}" if uri else text if colon else local


def _expanded(name: str, scope: Mapping[str, str], default: str) -> str | None:
    prefix, _, local = name.rpartition(":")
    uri = default if not prefix else _XML if prefix == "xml" else scope.get(prefix)
    if uri is None:
        return None
    return f"{uri}}}{local}" if uri else local


def plain(text: str) -> str | None:
    """Text with its references resolved: the five that XML has, and numbers of legal characters. None when one is anything else."""
    if "&" not in text:
        return text
    bad = False

    def one(found: re.Match[str]) -> str:
        nonlocal bad
        entity, decimal, hexadecimal = found.groups()
        if entity:
            return _ENTITIES[entity]
        code = int(decimal) if decimal else int(hexadecimal, 16) if hexadecimal else 0
        if code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF:
            return chr(code)
        bad = True
        return ""

    made = _REFERENCE.sub(one, text)
    return None if bad else made
