"""What the word search reads: Latin words and numbers whole, Japanese as pairs of characters and single kanji. No dictionary decides where a word ends."""

from __future__ import annotations

import re

from pipelines.index.chunks import search_form

_RUN = re.compile(r"[\w々〆ー]+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆ー]+")
_KANJI = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆]")


def terms(text: str) -> list[str]:
    """The terms of a text, in its order, after NFKC and lower case. Any two neighbouring Japanese characters are one, and so is any kanji alone.

    A segmenter cuts a compound one way in the text and another in the question, and a pure pair index finds no single kanji; both were measured
    (``python -m benchmarks retrieval``). Kana alone are terms only where nothing Japanese stands beside them.

    >>> terms("主軸交換ＳＸ－２００")
    ['主', '軸', '交', '換', '主軸', '軸交', '交換', 'sx', '200']
    """
    found: list[str] = []
    for run in _RUN.findall(search_form(text)):
        at = 0
        for match in _JAPANESE.finditer(run):
            found += [run[at : match.start()]] if match.start() > at else []
            found += _pairs(match.group())
            at = match.end()
        found += [run[at:]] if at < len(run) else []
    return found


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [mark for mark in run if _KANJI.match(mark)] + [run[at : at + 2] for at in range(len(run) - 1)]
