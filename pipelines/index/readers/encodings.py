"""Bytes of Japanese text and HTML to Unicode: BOM, declared charset, then strict trials. Nothing is ever replaced by a question mark."""

from __future__ import annotations

import codecs
import re

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9_\-]+)""", re.IGNORECASE)
#: What the web calls these names is wider than what Python calls them: ①㈱髙 exist in cp932 only.
_WIDER = {
    "shift_jis": ("cp932",),
    "shift-jis": ("cp932",),
    "sjis": ("cp932",),
    "x-sjis": ("cp932",),
    "windows-31j": ("cp932",),
    "ms932": ("cp932",),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "x-euc-jp": ("euc_jp", "euc_jis_2004"),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004"),
}
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_COMMON = re.compile("[\u3041-\u3096\u30a1-\u30fc。、]")


class Undecodable(ValueError):
    """No known Japanese encoding fits these bytes."""


def _strict(data: bytes, encodings: tuple[str, ...]) -> str | None:
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\ufffd" not in text:
            return text
    return None


def decode(data: bytes, *, html: bool = False) -> str:
    """The text of ``data``. Raises Undecodable.

    ISO-2022-JP is plain ASCII to a UTF-8 decoder, so its escape sequences are looked for first. EUC-JP bytes often pass as cp932 half-width
    katakana, so where both fit, the reading with fewer half-width characters and more kana wins.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = _strict(data, (encoding,))
            if text is not None:
                return text
    declared = _META.search(data[:4096]) if html else None
    if declared:
        name = declared[1].decode("ascii").lower()
        text = _strict(data, _WIDER.get(name, (name,)))
        if text is not None:
            return text
    if b"\x1b$" in data or b"\x1b(" in data:
        text = _strict(data, _WIDER["iso-2022-jp"])
        if text is not None:
            return text
    text = _strict(data, ("utf-8",))
    if text is not None:
        return text
    readings = [reading for names in (("cp932",), _WIDER["euc-jp"]) if (reading := _strict(data, names)) is not None]
    if not readings:
        raise Undecodable("no Japanese encoding fits")
    return min(readings, key=lambda reading: (len(_HALF_WIDTH.findall(reading)), -len(_COMMON.findall(reading))))
