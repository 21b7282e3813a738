"""How many tokens a text can be at most for the embedders we know, told without their vocabulary: so that no passage is silently cut short."""

from __future__ import annotations

import unicodedata
from string import ascii_lowercase

#: What multilingual-e5 reads of a text (512), without its two marks, the ``passage: `` prefix and room for joining lines.
LIMIT = 500
#: Of that, what title and headings may take. The rest is for the text.
CONTEXT = 100
#: Size of a chunk's text.
TARGET = LIMIT - CONTEXT

_SMALL = ascii_lowercase.encode()
#: A SentencePiece vocabulary of 250,000 pieces has every pair of small letters in some piece; no text of them was found that takes more.
_OF_A_SMALL_LETTER = 0.8


def most_tokens(text: str) -> float:
    """Never fewer than the tokens XLM-R's vocabulary makes of ``text``: a character of its NFKC form is one token at most, a small Latin
    letter less. Japanese takes about two thirds of this in truth, English prose a third. Adding texts adds their figures.
    """
    if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    # In UTF-8 no byte of another character is a small letter's.
    told = text.encode("utf-8", "surrogatepass")
    return len(text) - (1 - _OF_A_SMALL_LETTER) * (len(told) - len(told.translate(None, _SMALL)))


def cut(text: str, size: float) -> int:
    """How many of the first characters of ``text`` take ``size`` tokens at most; at least 1."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if most_tokens(text[:middle]) <= size else (low, middle - 1)
    return low
