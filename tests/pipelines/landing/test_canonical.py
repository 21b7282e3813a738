"""The text that a row's hash is of, however it is made."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.landing.canonical import by_column, by_row, canonical

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(['a"b', "a\\b", "一行\n二行", "\t", "\x7f", "null", "𠮷野家"])
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
SCALARS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): TEXTS,
    pa.bool_(): st.booleans(),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats() | st.sampled_from([1e16, 1e-7, 5e-324]),
    pa.float32(): st.floats(width=32),
    pa.decimal128(38, 12): st.decimals(Decimal("-9e25"), Decimal("9e25"), places=12)
    | st.sampled_from([Decimal("0E-12"), Decimal("1E-12")]),
    pa.decimal128(16, 4): st.decimals(-(10**11), 10**11, places=4),
    pa.decimal128(9, 0): st.decimals(-999_999_999, 999_999_999, places=0),
    pa.timestamp("us", tz="UTC"): INSTANTS.map(lambda at: at.replace(tzinfo=UTC)) | st.just(datetime(2026, 11, 4, 20, tzinfo=UTC)),
    pa.timestamp("us", tz="Asia/Tokyo"): st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    pa.timestamp("us"): INSTANTS,
    pa.timestamp("s"): INSTANTS.map(lambda at: at.replace(microsecond=0)),
    pa.date32(): st.dates(date(1, 1, 1), date(9999, 12, 31)),
    pa.time64("us"): st.times(),
    pa.binary(): st.binary(max_size=8),
}


def _nested() -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    scalar = st.sampled_from([(kind, values | st.none()) for kind, values in SCALARS.items()])

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = inner.map(lambda one: (pa.list_(one[0]), st.lists(one[1], max_size=3) | st.none()))
        structs = st.lists(
            st.tuples(st.sampled_from(["b", "a", '品"名', "Ａ"]), inner), min_size=1, max_size=3, unique_by=lambda one: one[0]
        ).map(
            lambda found: (
                pa.struct([(name, kind) for name, (kind, _) in found]),
                st.fixed_dictionaries({name: values for name, (_, values) in found}) | st.none(),
            )
        )
        return lists | structs

    return st.recursive(scalar, deeper, max_leaves=4)


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    kinds = draw(st.lists(_nested(), min_size=1, max_size=4))
    names = draw(st.lists(TEXTS, min_size=len(kinds), max_size=len(kinds), unique=True))
    rows = draw(st.integers(0, 6))
    arrays = [pa.array([draw(values) for _ in range(rows)], kind) for kind, values in kinds]
    whole = pa.record_batch(arrays, names=names)
    return whole.slice(draw(st.integers(0, rows)))


@given(batches())
def test_column_by_column_a_row_reads_as_it_does_by_itself(batch: pa.RecordBatch) -> None:
    names = batch.schema.names
    assert by_column(batch, names) == by_row(batch, names)


def test_many_rows_read_as_few_do() -> None:
    batch = pa.record_batch(
        {"品名": pa.array([f"軸受 {at}" for at in range(1_000)]), "size": pa.array([Decimal(at) for at in range(1_000)])}
    )
    few = [row for at in range(0, 1_000, 100) for row in canonical(batch.slice(at, 100), batch.schema.names)]
    assert canonical(batch, batch.schema.names) == few
    assert few[7].decode() == '{"size":"7","品名":"軸受 7"}'
