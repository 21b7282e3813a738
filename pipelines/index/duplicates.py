"""Which chunks say the same: near-copies are grouped under one of them. Grouping hides nothing; who answers picks among what the reader may see."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipelines.index.chunks import Chunk

#: Share of equal runs of five characters (Jaccard) from which two texts are copies.
ALIKE = 0.95
#: Candidates share all eight values of one of eight bands of a MinHash with one permutation (Li, Owen, Zhang 2012): at 0.95 hardly one is missed.
_GRAM, _BINS, _ROWS = 5, 64, 8
#: Figures, codes and dates: texts that differ in one of them tell two things (error E-101 is not E-102).
_CODE = re.compile(r"[a-z0-9]*[0-9](?:[a-z0-9./:%+-]*[a-z0-9%])?")
#: Words that turn a sentence round: what is needed in one edition and not in the next is no copy.
_TURN = re.compile(r"ない|なく|ません|ぬ|不|無|未|非|禁|可|否|要|以上|以下|超|未満|before|after|\b(?:not|no|never|without|un\w+|more|less)\b")
_COPY_MARK = re.compile(r"(?:[\s_-]*(?:\(\d+\)|のコピー|コピー|copy))+(?=\.\w+$|$)|\.\w{2,5}$", re.IGNORECASE)
_UNSAID = re.compile(r"[\s。、，．,.・:;!?\"'「」『』()\[\]|_-]+")


@dataclass(frozen=True)
class Print:
    """A chunk's words without spaces and punctuation, and a digest of what must be equal in a copy: figures, codes, turning words."""

    exact: str
    plain: str


def print_of(title: str, heading_path: Sequence[str], text: str) -> Print:
    """Fingerprint of one chunk: the same words always give the same. Of title and headings only codes count, and no mark of a copied file."""
    said = unicodedata.normalize("NFKC", text).lower()
    around = unicodedata.normalize("NFKC", " ".join((_COPY_MARK.sub("", unicodedata.normalize("NFKC", title)), *heading_path))).lower()
    exact = (_CODE.findall(said), sorted(Counter(_TURN.findall(said)).items()), sorted(set(_CODE.findall(around))))
    return Print(_digest(repr(exact)), _UNSAID.sub("", said))


def canonicals(prints: Mapping[str, Print]) -> dict[str, str]:
    """Chunk id → id of the chunk it repeats, its own where it repeats none. The order of ``prints`` does not matter.

    Texts are taken in the order of their digests; each joins the first earlier one that leads a group and is alike, else leads a group
    itself. So every member is alike to its leader, and no chain of small differences joins what is not.
    """
    families: dict[str, dict[str, list[str]]] = {}
    for id, found in prints.items():
        families.setdefault(found.exact, {}).setdefault(found.plain, []).append(id)
    return {id: canonical for texts in families.values() for id, canonical in _grouped(texts)}


def with_canonicals(chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    """The chunks with ``canonical`` set among themselves."""
    held = tuple(chunks)
    found = canonicals({chunk.id: print_of(chunk.title, chunk.heading_path, chunk.text) for chunk in held})
    return tuple(replace(chunk, canonical=found[chunk.id]) for chunk in held)


def _grouped(texts: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, str]]:
    """Ids with their canonical one, out of texts with the ids that have them."""
    names = {text: min(ids) for text, ids in texts.items()}
    leader = _leaders(sorted(texts, key=lambda text: (_digest(text), text))) if len(texts) > 1 else {text: text for text in texts}
    return [(id, names[leader[text]]) for text, ids in texts.items() for id in ids]


def _leaders(texts: Sequence[str]) -> dict[str, str]:
    leading: list[tuple[str, NDArray[np.uint64]]] = []
    buckets: dict[tuple[int, bytes], list[int]] = {}
    found: dict[str, str] = {}
    for text in texts:
        mine = grams(text)
        keys = _bands(mine)
        near = sorted({number for key in keys for number in buckets.get(key, ())})
        alike = next((number for number in near if jaccard(leading[number][1], mine) >= ALIKE), None)
        if alike is None:
            for key in keys:
                buckets.setdefault(key, []).append(len(leading))
            leading.append((text, mine))
        found[text] = text if alike is None else leading[alike][0]
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def grams(text: str) -> NDArray[np.uint64]:
    """The set of hashes of the text's runs of five characters, sorted."""
    import numpy as np

    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    points = np.pad(points, (0, max(0, _GRAM - len(points))))
    mixed = np.zeros(len(points) - _GRAM + 1, np.uint64)
    for at in range(_GRAM):
        # Wraps at 2^64, which a hash may.
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + points[at : at + len(mixed)]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.unique(mixed ^ (mixed >> np.uint64(31)))


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _bands(hashes: NDArray[np.uint64]) -> list[tuple[int, bytes]]:
    """The smallest hash of each of 64 bins, in bands; a band in which no bin has any says nothing."""
    import numpy as np

    starts = np.searchsorted(hashes, np.arange(_BINS, dtype=np.uint64) << np.uint64(58))
    ends = np.append(starts[1:], len(hashes))
    smallest = np.where(starts < ends, hashes[np.minimum(starts, len(hashes) - 1)], np.uint64(0))
    return [(band, held.tobytes()) for band in range(0, _BINS, _ROWS) if (held := smallest[band : band + _ROWS]).any()]
