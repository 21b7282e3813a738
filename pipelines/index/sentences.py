"""Where a Japanese or English text may be cut: after sentences, else at commas and spaces, else anywhere."""

from __future__ import annotations

import re

from pipelines.index.tokens import TARGET, cut, most_tokens

_OPEN, _CLOSE = "「『（(【〈《［[｛", "」』）)】〉》］]｝"
_MARKS = re.compile(rf"[{re.escape(_OPEN)}{re.escape(_CLOSE)}。！？!?.\n]")
_END = "。！？!?"
#: Words whose full stop ends no sentence.
_ABBREVIATIONS = frozenset(
    {"fig", "figs", "no", "nos", "dr", "mr", "mrs", "ms", "prof", "st", "vs", "e.g", "i.e", "cf", "co", "ltd", "inc", "corp", "dept"}
    | {"approx", "p", "pp", "vol", "ed", "eq", "ref", "tel", "max", "min", "temp", "qty"}
)
_WORD_BEFORE = re.compile(r"([A-Za-z][A-Za-z.]*)$")


def sentences(text: str) -> list[str]:
    """Sentences of a Japanese or English text. No cut inside brackets or quotes, in ``3.5`` or after ``Fig.``; marks in a row stay together.

    >>> sentences("停止する。（令和六年。）次へ！ See Fig. 2. Then stop.")
    ['停止する。', '（令和六年。）次へ！', 'See Fig. 2.', 'Then stop.']
    """
    found: list[str] = []
    start = depth = 0
    for match in _MARKS.finditer(text):
        at, mark = match.start(), match[0]
        if mark in _OPEN:
            depth += 1
            continue
        if mark in _CLOSE:
            depth = max(0, depth - 1)
            continue
        after = text[at + 1 : at + 2]
        ends = (
            mark == "\n"
            or (mark in _END and after not in tuple(_END))
            or (mark == "." and after.isspace() and not _abbreviated(text[start:at]))
        )
        # A bracket nobody closes must not swallow the rest of the text.
        if ends and (depth == 0 or at - start > 2 * TARGET):
            found.append(text[start : at + 1].strip())
            start, depth = at + 1, 0
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _abbreviated(before: str) -> bool:
    word = _WORD_BEFORE.search(before[-20:])
    return word is not None and (word[1].lower() in _ABBREVIATIONS or len(word[1].rsplit(".", 1)[-1]) == 1)


def wrapped(text: str, size: float) -> list[str]:
    """A text without sentence ends in pieces of at most ``size`` tokens, cut at commas or spaces where there are any."""
    pieces: list[str] = []
    while most_tokens(text) > size:
        most = cut(text, size)
        at = max(text.rfind(mark, most // 2, most) for mark in "、,，;； \n")
        at = most if at < 0 else at + 1
        pieces.append(text[:at].strip())
        text = text[at:]
    return [piece for piece in [*pieces, text.strip()] if piece]


def pieces(text: str, size: float) -> list[str]:
    """Runs of whole sentences of at most ``size`` tokens each."""
    if most_tokens(text) <= size:
        return [whole] if (whole := text.strip()) else []
    found: list[str] = []
    held, used = "", 0.0
    for sentence in sentences(text):
        for part in wrapped(sentence, size):
            cost = most_tokens(part)
            gap = " " if held and held[-1].isascii() and part[0].isascii() else ""
            if held and used + len(gap) + cost > size:
                found.append(held)
                held, used = part, cost
            else:
                held, used = held + gap + part, used + len(gap) + cost
    return [*found, held] if held else found
