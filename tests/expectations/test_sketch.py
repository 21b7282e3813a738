"""Counting different values in memory that does not grow."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.sketch import BOUND, ERROR, Distinct, hashes_of

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["x" * 300, "x" * 300 + "y", "部品" * 200])), max_size=40)


def counted(*pages: pa.Array) -> Distinct:
    distinct = Distinct()
    for page in pages:
        hashes = hashes_of(page)
        assert hashes is not None
        distinct.take(hashes)
    return distinct


@given(values=TEXTS, cut=st.integers(0, 40))
def test_up_to_the_bound_texts_are_counted_exactly_however_they_are_paged(values: list[str | None], cut: int) -> None:
    expected = len({value for value in values if value is not None})
    whole = pa.array(values, pa.string())
    assert counted(whole).count == expected
    assert counted(whole.slice(0, cut), whole.slice(cut)).count == expected
    merged = counted(whole.slice(0, cut))
    merged.merge(counted(whole.slice(cut)))
    assert merged.count == expected and merged.exact


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [0, -1, 2**62, -(2**62), 0]),
        (pa.int8(), [0, -1, 127, 0]),
        (pa.float64(), [0.0, -0.0, 1.5, float("nan"), float("nan")]),
        (pa.float32(), [0.0, 1.5, 2.5]),
        (pa.decimal128(38, 4), [Decimal("1.5"), Decimal("-1.5"), Decimal("12345678901234567890.1234"), Decimal("1.5")]),
        (pa.bool_(), [True, False, True]),
        (pa.date32(), [0, 1, 1]),
        (pa.timestamp("us", "UTC"), [0, 1, 1]),
        (pa.binary(), [b"", b"\0", b"\0\0", b"a"]),
    ],
)
def test_every_type_of_single_values_is_counted_by_value(kind: pa.DataType, values: list[object]) -> None:
    expected = len({"nan" if value != value else value for value in values})
    assert counted(pa.array([None, *values], kind)).count == expected
    assert counted(pa.array([*values, None], kind).slice(1)).count == len({"nan" if value != value else value for value in values[1:]})


def test_nested_columns_are_not_counted() -> None:
    assert hashes_of(pa.array([[1], [2]])) is None


@settings(max_examples=10, deadline=None)
@given(size=st.integers(BOUND + 1, 60_000), seed=st.integers(0, 2**32), pages=st.integers(1, 7))
def test_beyond_the_bound_the_estimate_is_the_same_for_pages_and_whole_and_near_the_truth(size: int, seed: int, pages: int) -> None:
    values = np.random.default_rng(seed).permutation(np.repeat(np.arange(size), 2))
    whole = counted(pa.array(values))
    parts = [counted(pa.array(part)) for part in np.array_split(values, pages)]
    merged = Distinct()
    for part in parts:
        merged.merge(part)
    assert not whole.exact and not merged.exact
    assert merged.count == whole.count
    # ``ERROR`` is two standard errors; six leave no room for chance.
    assert abs(whole.count - size) <= 3 * ERROR * size


def test_memory_does_not_grow_with_the_values() -> None:
    assert len(counted(pa.array(range(50_000))).kept) == BOUND
