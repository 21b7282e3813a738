"""Raw text to Arrow: lexical rules, exactness, and what becomes of values that do not fit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocol import Column
from connectors.soap.components import SimpleType
from connectors.soap.lexical import Rules, Unfit, scalar
from connectors.soap.raw import Presence
from connectors.soap.steps import Cell
from connectors.soap.values import Where, batch

UTC_MICRO = pa.timestamp("us", "UTC")


def made(text: str, kind: pa.DataType, builtin: str, rules: Rules | None = None) -> Any:
    return scalar(text, kind, SimpleType("x", builtin), rules or Rules())


def column(
    kind: pa.DataType, builtin: str, raw: list[Any], rules: Rules | None = None, required: bool = False
) -> tuple[list[Any], list[str]]:
    cell = Cell(Column("c", "C", kind, required), 0, SimpleType("x", builtin))
    rows, rejects = batch(
        [cell], [[one] for one in raw], rules or Rules(), Where("Op", "List/Row", 1), key=(), versions=[""] * len(raw), scope="s"
    )
    return rows.column("c").to_pylist(), [reject.reason for reject in rejects]


@pytest.mark.parametrize(
    ("text", "kind", "builtin", "value"),
    [
        (" 007 ", pa.int32(), "int", 7),
        ("+5", pa.int8(), "byte", 5),
        ("1", pa.bool_(), "boolean", True),
        ("-0.50", pa.decimal128(3, 1), "decimal", Decimal("-0.5")),
        ("1234567890123456789012345678901234.5678", pa.decimal128(38, 4), "decimal", Decimal("1234567890123456789012345678901234.5678")),
        ("-INF", pa.float64(), "double", float("-inf")),
        ("2026-11-01", pa.date32(), "date", date(2026, 11, 1)),
        ("2026-11-01T09:00:00+09:00", UTC_MICRO, "dateTime", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T24:00:00Z", UTC_MICRO, "dateTime", datetime(2026, 11, 2, tzinfo=UTC)),
        ("2026-11-01T00:00:00.1234560Z", UTC_MICRO, "dateTime", datetime(2026, 11, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("14:30:00", pa.string(), "time", "14:30:00"),
        ("YQ==", pa.binary(), "base64Binary", b"a"),
        ("e697a5", pa.binary(), "hexBinary", "日".encode()),
        ("", pa.string(), "string", ""),
        ("  a  b ", pa.string(), "token", "a b"),
    ],
)
def test_a_good_value_is_read_exactly(text: str, kind: pa.DataType, builtin: str, value: object) -> None:
    assert made(text, kind, builtin) == value


BAD = [
    ("12,5", pa.int32(), "int"),
    ("2147483648", pa.int32(), "int"),
    ("１２", pa.int32(), "int"),
    ("", pa.int32(), "int"),
    ("2026/11/01", pa.date32(), "date"),
    ("0000-00-00", pa.date32(), "date"),
    ("2026-02-30", pa.date32(), "date"),
    ("2026-11-01Z", pa.date32(), "date"),
    ("Yes", pa.bool_(), "boolean"),
    ("TRUE", pa.bool_(), "boolean"),
    ("1.005", pa.decimal128(10, 2), "decimal"),
    ("123456789.1", pa.decimal128(10, 2), "decimal"),
    ("1e3", pa.decimal128(10, 2), "decimal"),
    ("NaN", pa.decimal128(10, 2), "decimal"),
    ("0x1", pa.float64(), "double"),
    ("nan", pa.float64(), "double"),
    ("1_0", pa.float64(), "double"),
    ("2026-11-01T00:00:00", UTC_MICRO, "dateTime"),
    ("2026-11-01 00:00:00Z", UTC_MICRO, "dateTime"),
    ("2026-11-01T24:00:01Z", UTC_MICRO, "dateTime"),
    ("2026-11-01T00:00:00.1234567Z", UTC_MICRO, "dateTime"),
    ("0000-01-01T00:00:00Z", UTC_MICRO, "dateTime"),
    ("25:00:00", pa.string(), "time"),
    ("a-b!", pa.binary(), "base64Binary"),
    ("abc", pa.binary(), "hexBinary"),
]


@pytest.mark.parametrize(("text", "kind", "builtin"), BAD)
def test_a_bad_value_is_never_read_as_something_else(text: str, kind: pa.DataType, builtin: str) -> None:
    with pytest.raises(Unfit):
        made(text, kind, builtin)


@pytest.mark.parametrize(("text", "kind", "builtin"), BAD)
def test_a_bad_value_in_a_column_rejects_its_row_and_names_the_place(text: str, kind: pa.DataType, builtin: str) -> None:
    good = {"int32": "1", "date32[day]": "2026-11-01", "bool": "true", "double": "1", "string": "10:00:00", "binary": "00ff"}.get(str(kind))
    good = good or ("1.00" if builtin == "decimal" else "2026-11-01T00:00:00Z")
    values, reasons = column(kind, builtin, [good, text])
    assert len(values) == 1
    assert len(reasons) == 1 and f"Op List/Row[2]/C = {text!r}" in reasons[0]


@pytest.mark.parametrize(("text", "kind", "builtin"), BAD)
def test_the_kernels_refuse_what_the_careful_reader_refuses(text: str, kind: pa.DataType, builtin: str) -> None:
    assert column(kind, builtin, [text])[0] == []


@given(st.lists(st.from_regex(r"\A[+-]?[0-9]{0,12}(\.[0-9]{0,5})?\Z"), max_size=5))
def test_whole_columns_and_single_values_agree_on_decimals(texts: list[str]) -> None:
    kind = pa.decimal128(10, 2)
    expected: list[Decimal] = []
    for text in texts:
        try:
            expected.append(made(text, kind, "decimal"))
        except Unfit:
            continue
    assert column(kind, "decimal", list(texts))[0] == expected


@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), max_size=4), st.sampled_from(["Z", "+09:00", "-11:30"]))
def test_whole_columns_and_single_values_agree_on_instants(moments: list[datetime], zone: str) -> None:
    texts = [moment.isoformat() + zone for moment in moments]
    assert column(UTC_MICRO, "dateTime", list(texts))[0] == [made(text, UTC_MICRO, "dateTime") for text in texts]


def test_declared_nulls_and_empties_are_null_and_nothing_else_is() -> None:
    rules = Rules(null_values=frozenset({"0001-01-01"}), empty_as_null=True)
    assert column(pa.date32(), "date", ["0001-01-01", "", "2026-11-01"], rules) == ([None, None, date(2026, 11, 1)], [])


def test_a_declared_null_does_not_satisfy_a_required_column() -> None:
    values, reasons = column(pa.date32(), "date", ["0001-01-01"], Rules(null_values=frozenset({"0001-01-01"})), required=True)
    assert values == [] and "required" in reasons[0]


def test_a_time_without_a_zone_needs_a_declared_zone() -> None:
    raw = ["2026-11-01T09:00:00", "2026-11-01T09:00:00+09:00"]
    same = datetime(2026, 11, 1, tzinfo=UTC)
    assert column(UTC_MICRO, "dateTime", list(raw), Rules(timezone="Asia/Tokyo")) == ([same, same], [])
    assert len(column(UTC_MICRO, "dateTime", list(raw))[1]) == 1


def test_a_money_column_overridden_to_decimal_keeps_the_digits_of_a_double() -> None:
    assert column(pa.decimal128(18, 4), "double", ["2986.42000000"]) == ([Decimal("2986.4200")], [])


def test_an_element_that_came_twice_rejects_its_row() -> None:
    assert "twice" in column(pa.string(), "string", [Presence.TWICE])[1][0]
