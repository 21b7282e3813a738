"""A service put together: what it holds while it runs for months."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from index.world import Hashed

from pipelines.index.embedding import CachedEmbedder
from pipelines.serving.doors.opening import Queries


def test_a_service_that_is_asked_without_end_remembers_so_many_questions_and_reads_no_file_again(tmp_path: Path) -> None:
    path, inner = tmp_path / "v.parquet", Hashed()
    filled = CachedEmbedder(inner, path)
    kept = filled.embed_query(["いつもの問い"])
    filled.save()
    asked = CachedEmbedder(CachedEmbedder(inner, path), tmp_path / "none.parquet")
    queries = Queries(asked, fresh_after=3)
    first = queries.embed_query(["問い0"])
    path.unlink()
    for n in range(20):
        queries.embed_query([f"問い{n}"])
        assert asked.remembered <= 3
    assert np.array_equal(queries.embed_query(["問い0"]), first)
    inner.asked.clear()
    assert np.array_equal(queries.embed_query(["いつもの問い"]), kept) and inner.asked == []
