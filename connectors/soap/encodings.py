"""Which encoding the bytes of a document are in, and the same document in UTF-8: what every parser here is given."""

from __future__ import annotations

import codecs
import re

from connectors.soap.reply import IncompleteXml
from connectors.soap.xmltree import BrokenXml

#: What servers call the one Japanese encoding they mean. libxml2 and the W3C tables differ from what these servers send; Microsoft's fits.
_CP932 = frozenset({"shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji", "csshiftjis", "cswindows31j"})
#: Which of Python's codecs are encodings of text that a document may be in. Others unpack archives, or decode what is no character.
_ENCODINGS = re.compile(
    r"utf-(8|16|16-le|16-be|32|32-le|32-be)|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-roman|euc_(jp|jis_2004|jisx0213|kr)|iso2022_jp(_\w+)?|iso2022_kr"
    r"|shift_jis(_2004|x0213)|johab|gb2312|gbk|gb18030|hz|big5(hkscs)?|tis-620|ptcp154|kz1048"
)
_DECLARED = re.compile(rb"^\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_WIDE = re.compile("[^\x00-\u07ff]")


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
        codec = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise BrokenXml(f"the encoding {name[:40]} is unknown") from error
    if not _ENCODINGS.fullmatch(codec):
        raise BrokenXml(f"the encoding {name[:40]} is unknown")
    return codec


class Transcoder:
    """A document's bytes as UTF-8, piece by piece. UTF-8 goes on as it is, and is for the parser to judge; anything else is transcoded, for
    parsers know few encodings, and Shift_JIS not as servers write it.
    """

    def __init__(self, head: bytes, charset: str | None) -> None:
        """``head`` is the document's beginning. Raises BrokenXml for an encoding that is unknown."""
        self._encoding = encoding_of(head, charset)
        self._decoder = None if self._encoding == "utf-8" else codecs.getincrementaldecoder(self._encoding)("strict")
        self._doubt = _Doubt() if self._encoding == "cp932" else None

    def take(self, data: bytes) -> bytes:
        """The next piece. Raises BrokenXml for bytes that are not of the encoding."""
        if self._doubt is not None:
            self._doubt.take(data)
        try:
            return self._decoder.decode(data).encode() if self._decoder else data
        except UnicodeError as error:
            raise BrokenXml(f"bytes that are not {self._encoding}, which the reply declares") from error

    def end(self) -> bytes:
        """What is left behind the last piece. Raises IncompleteXml where that ended inside of a character."""
        try:
            return self._decoder.decode(b"", True).encode() if self._decoder else b""
        except UnicodeError as error:
            raise IncompleteXml("the reply ends inside a character") from error

    def settle(self) -> None:
        """After a whole document that could be parsed. Raises BrokenXml for UTF-8 that was declared Shift_JIS."""
        if self._doubt is not None and self._doubt.is_utf8:
            raise BrokenXml("the bytes are UTF-8, though the reply declares Shift_JIS")


class _Doubt:
    """Whether bytes that are declared Shift_JIS are really UTF-8: many pairs of its bytes are kanji, and no codec would complain.

    Real Shift_JIS is no UTF-8 for long, but for half-width kana, whose pairs may be characters of two bytes there. So what is UTF-8 and
    has characters of three bytes was declared wrongly.
    """

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")("strict")
        self._wide = False

    def take(self, data: bytes) -> None:
        if self._decoder is None:
            return
        try:
            text = self._decoder.decode(data)
            self._wide = self._wide or _WIDE.search(text) is not None
        except UnicodeDecodeError:
            self._decoder = None

    @property
    def is_utf8(self) -> bool:
        """After the last byte."""
        return self._decoder is not None and self._wide and not self._decoder.getstate()[0]
