"""Arrow types as contracts write them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import FixConfiguration
from expectations.types import SIMPLE, parse_type, write_type


@pytest.mark.parametrize("text", [*SIMPLE, "timestamp[us, UTC]", "timestamp[us]", "list<string>", "list<int64>"])
def test_a_type_written_and_read_is_the_same_type(text: str) -> None:
    assert write_type(parse_type(text)) == text


@given(st.integers(1, 38), st.integers(0, 38))
def test_decimals_keep_their_precision_and_scale(precision: int, scale: int) -> None:
    assert parse_type(f"decimal128({precision}, {scale})") == pa.decimal128(precision, scale)


def test_nested_types_take_their_shape_from_their_fields() -> None:
    inner = (("品番", pa.string()), ("数量", pa.decimal128(16, 4)))
    assert parse_type("list", inner) == pa.list_(pa.struct(list(inner)))
    assert parse_type("struct", inner) == pa.struct(list(inner))


@pytest.mark.parametrize("text", ["varchar", "list", "struct", "decimal128(16)", "timestamp[ns]", "", "list<>"])
def test_a_type_nobody_knows_is_refused_with_the_types_there_are(text: str) -> None:
    with pytest.raises(FixConfiguration, match="decimal128"):
        parse_type(text)
