"""What makes a row the same as the one that is held."""

from __future__ import annotations

import math

import pyarrow as pa

from pipelines.landing.rows import row_hashes


def test_a_number_that_is_none_is_another_value_than_nothing() -> None:
    values = [None, math.nan, math.inf, -math.inf, 0.0]
    for kind in (pa.float64(), pa.float32()):
        batch = pa.record_batch({"id": pa.array([1] * 5), "x": pa.array(values, kind)})
        assert len(set(row_hashes(batch, ["id", "x"]))) == 5


def test_ordinary_rows_hash_as_they_always_did() -> None:
    batch = pa.record_batch({"x": pa.array([1.5, None])})
    assert [one[:12] for one in row_hashes(batch, ["x"])] == ["461b06088af6", "c6b8df5aba33"]
