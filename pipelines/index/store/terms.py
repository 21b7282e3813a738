"""What the word search reads: Latin words, numbers and codes whole, Japanese as pairs of characters and single kanji. No dictionary decides where a word ends."""

from __future__ import annotations

import re
from functools import lru_cache

from pipelines.index.chunks import search_form

#: An underscore joins names of files, not words: it ends a run.
_RUN = re.compile(r"[^\W_]+")
#: ``SP-1140``, ``QD_00010``: letters, one joining mark in any of its forms, figures.
_CODE = re.compile(r"(?<![a-z0-9])([a-z]{1,4})[-_\u2010-\u2015\u2212ー]([0-9]{2,6})(?![a-z0-9])")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆ー]+")
_KANJI = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆]")

#: Passages whose terms are remembered: the same ones are found again and again.
_READ = 4096


def terms(text: str) -> list[str]:
    """The terms of a text, in its order, after NFKC and lower case. Any two neighbouring Japanese characters are one, and so is any kanji alone.

    A segmenter cuts a compound one way in the text and another in the question, and a pure pair index finds no single kanji; both were measured
    (``python -m benchmarks retrieval``). Kana alone are terms only where nothing Japanese stands beside them. At the end comes each code as one
    term: as rare as the thing it names, and found however its parts are joined.

    >>> terms("主軸交換ＳＸ－２００")
    ['主', '軸', '交', '換', '主軸', '軸交', '交換', 'sx', '200', 'sx200']
    """
    found: list[str] = []
    plain = search_form(text)
    for run in _RUN.findall(plain):
        at = 0
        for match in _JAPANESE.finditer(run):
            found += [run[at : match.start()]] if match.start() > at else []
            found += _pairs(match.group())
            at = match.end()
        found += [run[at:]] if at < len(run) else []
    return found + _codes(plain)


@lru_cache(_READ)
def term_set(text: str) -> frozenset[str]:
    """``terms``, each once: of a passage that many questions find."""
    return frozenset(terms(text))


@lru_cache(_READ)
def codes(text: str) -> frozenset[str]:
    """The codes that a text names, however their parts are joined.

    >>> sorted(codes("ＳＸ－２００ and qd_00010"))
    ['qd00010', 'sx200']
    """
    return frozenset(_codes(search_form(text)))


def _codes(plain: str) -> list[str]:
    return [letters + figures for letters, figures in _CODE.findall(plain)]


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [mark for mark in run if _KANJI.match(mark)] + [run[at : at + 2] for at in range(len(run) - 1)]
