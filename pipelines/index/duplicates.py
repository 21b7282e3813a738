"""Which chunks say the same, told from each chunk's own words alone: the name of the group that it and its near-copies are in."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Two texts that share a part J of their runs of five characters (Jaccard) get the same sketch with a chance of about J to the tenth.
_GRAM, _BINS = 5, 10
#: Figures, codes and dates: texts that differ in one of them tell two things (error E-101 is not E-102). Begun at a word's begin and without
#: steps back: it is read from every chunk.
_CODE = re.compile(r"(?<![a-z0-9])[a-z]*+[0-9](?:[a-z0-9./:%+-]*[a-z0-9%])?")
#: Words that turn a sentence round: what is needed in one edition and not in the next is no copy.
_TURN = re.compile(r"[不無未非禁可否要超]|な[いく]|ません|ずに|以[上下]|\b(?:not?|never|without|un\w+|more|less|before|after)\b")
_COPY_MARK = re.compile(r"(?:[\s_-]*(?:\(\d+\)|のコピー|コピー|copy))+(?=\.\w+$|$)|\.\w{2,5}$", re.IGNORECASE)
_UNSAID = re.compile(r"[\s。、，．,.・:;!?\"'「」『』()\[\]|_-]+")


def group_of(title: str, heading_path: Sequence[str], text: str, *, record: bool = False) -> str:
    """The name of the group of near-copies that these words belong to, 32 hex digits.

    It depends on nothing else in the index: not on order, nor on what is deleted, nor on texts a reader may not see, of which it therefore
    tells nothing. Equal are texts that differ in spaces, widths and punctuation; small edits mostly keep the group (a sketch of ten minima,
    Broder 1997). Texts whose figures, codes or turning words differ are never in one group, nor those under titles with other codes
    (``SX-200``, ``SX-300``); the mark of a copied file (``(1)``, ``コピー``) is no code. Of a ``record`` the whole title counts: two defects
    with one cause are two defects.
    """
    said = unicodedata.normalize("NFKC", text).lower()
    around = unicodedata.normalize("NFKC", " ".join((_COPY_MARK.sub("", unicodedata.normalize("NFKC", title)), *heading_path))).lower()
    exact = (codes(said), sorted(Counter(_TURN.findall(said)).items()), sorted(set(codes(around))), title if record else "")
    digest = hashlib.sha256(repr(exact).encode("utf-8", "surrogatepass"))
    digest.update(_sketch(_UNSAID.sub("", said)))
    return digest.hexdigest()[:32]


def codes(said: str) -> list[str]:
    """Figures, codes and dates of a text in its order (``sx-200``, ``12.5%``), which must be in lower case."""
    return _CODE.findall(said)


def _sketch(plain: str) -> bytes:
    """The smallest hash in each of ten bins of hashes (one permutation, Li, Owen and Zhang 2012). A short text is its own sketch: in it every
    edit is a large one.
    """
    import numpy as np

    hashes = _grams(plain)
    if len(hashes) < 8 * _BINS:
        return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
    bins = (hashes % np.uint64(_BINS)).astype(np.intp)
    smallest = np.full(_BINS, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, bins, hashes)
    return smallest.tobytes()


def _grams(text: str) -> NDArray[np.uint64]:
    """Hashes of the text's runs of five characters."""
    import numpy as np

    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    mixed = points[: max(0, len(points) - _GRAM + 1)].copy()
    for at in range(1, _GRAM if len(mixed) else 0):
        # Wraps at 2^64, which a hash may.
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed += points[at : at + len(mixed)]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
