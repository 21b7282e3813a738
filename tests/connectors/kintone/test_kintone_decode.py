"""Values become the types of the contract exactly, or their whole row is held back; an absent key is not an empty value."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kintone_world import World, cell, connector, field_of, order, stream

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration
from connectors.protocol import Column, Page, Window

PRICE = pa.decimal128(16, 4)
ENTITY = pa.struct([("code", pa.string()), ("name", pa.string())])


def pulled(world: World, *columns: Column) -> Page:
    pages = list(connector(world, login=False).pull(stream(*columns), Window()))
    assert len(pages) == 1
    return pages[0]


def one_column(kind: str, values: list[Any], arrow: pa.DataType, **settings: Any) -> Page:
    """A page of one record for each value, in a field 値 of this kind."""
    world = World(records=[order(number, 値=cell(kind, value)) for number, value in enumerate(values, 1)])
    world.fields["値"] = field_of(kind, "値", **settings)
    return pulled(world, Column("value", "値", arrow))


@pytest.mark.parametrize(
    ("kind", "settings", "arrow", "sent", "expected"),
    [
        ("SINGLE_LINE_TEXT", {}, pa.string(), ["０１２３", "", None], ["０１２３", None, None]),
        ("RICH_TEXT", {}, pa.string(), ["<b>注意</b>"], ["<b>注意</b>"]),
        ("NUMBER", {}, pa.decimal128(30, 10), ["12345678901234567890.1234567890", "0.1", "", "-0.0000000001"],
         [Decimal("12345678901234567890.1234567890"), Decimal("0.1"), None, Decimal("-0.0000000001")]),
        ("CALC", {"format": "NUMBER_DIGIT"}, PRICE, ["1234.5", ""], [Decimal("1234.5"), None]),
        ("CALC", {"format": "HOUR_MINUTE"}, pa.int64(), ["25:01", "", "-0:30"], [1501, None, -30]),
        ("CALC", {"format": "DAY_HOUR_MINUTE"}, pa.int64(), ["0:05"], [5]),
        ("CALC", {"format": "DATE"}, pa.date32(), ["2026-04-25"], [date(2026, 4, 25)]),
        ("CALC", {"format": "DATETIME"}, pa.timestamp("us", "UTC"), ["2026-04-25T01:02:00Z"], [datetime(2026, 4, 25, 1, 2, tzinfo=UTC)]),
        ("CALC", {"format": "TIME"}, pa.string(), ["23:59"], ["23:59"]),
        ("DATE", {}, pa.date32(), ["2024-02-29", None, ""], [date(2024, 2, 29), None, None]),
        ("TIME", {}, pa.string(), ["09:30", None], ["09:30", None]),
        ("DATETIME", {}, pa.timestamp("us", "UTC"), ["2026-04-25T01:02:00Z", ""], [datetime(2026, 4, 25, 1, 2, tzinfo=UTC), None]),
        ("CHECK_BOX", {}, pa.list_(pa.string()), [["乙", "甲"], [], None], [["乙", "甲"], [], []]),
        ("MULTI_SELECT", {}, pa.list_(pa.string()), [["b", "a"]], [["a", "b"]]),
        ("CREATOR", {}, ENTITY, [{"code": "sato", "name": "佐藤"}, None], [{"code": "sato", "name": "佐藤"}, None]),
        ("CREATOR", {}, pa.string(), [{"code": "sato", "name": "佐藤"}], ["sato"]),
        ("USER_SELECT", {}, pa.list_(ENTITY), [[{"code": "a", "name": "あ"}, {"code": "b", "name": "い"}], []],
         [[{"code": "a", "name": "あ"}, {"code": "b", "name": "い"}], []]),
        ("ORGANIZATION_SELECT", {}, pa.list_(pa.string()), [[{"code": "eigyo", "name": "営業部"}]], [["eigyo"]]),
        ("RECORD_NUMBER", {}, pa.string(), ["ORDERS-1"], ["ORDERS-1"]),
    ],
)  # fmt: skip
def test_each_field_type_arrives_as_its_arrow_type(
    kind: str, settings: dict[str, Any], arrow: pa.DataType, sent: list[Any], expected: list[Any]
) -> None:
    page = one_column(kind, sent, arrow, **settings)
    assert page.rejects == ()
    assert page.rows.schema.field("value").type == arrow
    assert page.rows.column("value").to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "settings", "arrow", "bad", "reason"),
    [
        ("NUMBER", {}, PRICE, "1e400", "number.overflow"),
        ("NUMBER", {}, PRICE, "99999999999999", "number.overflow"),
        ("NUMBER", {}, PRICE, "0.00001", "number.overflow"),
        ("NUMBER", {}, PRICE, "十二", "number.format"),
        ("TIME", {}, pa.string(), "25:01", "time.format"),
        ("TIME", {}, pa.string(), "0９:30", "time.format"),
        ("DATE", {}, pa.date32(), "令和8年1月1日", "date.format"),
        ("DATETIME", {}, pa.timestamp("us", "UTC"), "2026-04-25T01:02", "timestamp.format"),
        ("CALC", {"format": "HOUR_MINUTE"}, pa.int64(), "#ERROR!", "minutes.format"),
        ("RECORD_NUMBER", {}, pa.int64(), "ORDERS-3", "text.type"),
    ],
)
def test_a_value_that_does_not_fit_holds_its_whole_row_back_and_the_others_go_on(
    kind: str, settings: dict[str, Any], arrow: pa.DataType, bad: str, reason: str
) -> None:
    page = one_column(kind, ["", bad, ""], arrow, **settings)
    assert page.rows.column("record_id").to_pylist() == [1, 3]
    assert page.source_rows == 3
    (reject,) = page.rejects
    assert (reject.key, reject.column, reject.reason) == ("2", "value", reason)
    assert json.loads(reject.raw)["値"]["value"] == bad


def test_a_sub_table_keeps_row_ids_order_and_exact_numbers() -> None:
    rows = [{"id": "41", "value": {"品番": cell("SINGLE_LINE_TEXT", "A-1"), "数量": cell("NUMBER", "2")}},
            {"id": "9", "value": {"品番": cell("SINGLE_LINE_TEXT", ""), "数量": cell("NUMBER", "0.5")}}]  # fmt: skip
    world = World(records=[order(1, 明細=cell("SUBTABLE", rows)), order(2, 明細=cell("SUBTABLE", []))])
    world.fields["明細"] = field_of(
        "SUBTABLE", "明細", fields={"品番": field_of("SINGLE_LINE_TEXT", "品番"), "数量": field_of("NUMBER", "数量")}
    )
    inner = pa.struct([("id", pa.int64()), ("quantity", PRICE), ("item", pa.string())])
    children = (Column("id", "id", pa.int64()), Column("quantity", "数量", PRICE), Column("item", "品番", pa.string()))
    page = pulled(world, Column("lines", "明細", pa.list_(inner), children=children))
    assert page.rows.column("lines").to_pylist() == [
        [{"id": 41, "quantity": Decimal("2"), "item": "A-1"}, {"id": 9, "quantity": Decimal("0.5"), "item": None}],
        [],
    ]


def test_a_bad_number_in_one_table_row_holds_back_the_record_it_stands_in() -> None:
    def table(*amounts: str) -> dict[str, Any]:
        return cell("SUBTABLE", [{"id": str(at), "value": {"数量": cell("NUMBER", amount)}} for at, amount in enumerate(amounts)])

    world = World(records=[order(1, 明細=table("1", "2")), order(2, 明細=table()), order(3, 明細=table("3", "1e99"))])
    world.fields["明細"] = field_of("SUBTABLE", "明細", fields={"数量": field_of("NUMBER", "数量")})
    page = pulled(world, Column("lines", "明細", pa.list_(pa.struct([("id", pa.int64()), ("数量", PRICE)]))))
    assert page.rows.column("record_id").to_pylist() == [1, 2]
    assert [reject.key for reject in page.rejects] == ["3"]


def test_files_keep_key_name_media_type_and_size() -> None:
    sent = [{"fileKey": "k1", "name": "図面.pdf", "contentType": "application/pdf", "size": "1024"}]
    kind = pa.list_(pa.struct([("fileKey", pa.string()), ("name", pa.string()), ("contentType", pa.string()), ("size", pa.int64())]))
    page = one_column("FILE", [sent, []], kind)
    assert page.rows.column("value").to_pylist() == [[{**sent[0], "size": 1024}], []]


def test_a_key_absent_from_one_record_is_missing_access_and_no_null() -> None:
    world = World(records=[order(1, 備考=cell("SINGLE_LINE_TEXT", "")), order(2)])
    world.fields["備考"] = field_of("SINGLE_LINE_TEXT", "備考")
    page = pulled(world, Column("note", "備考", pa.string()))
    assert page.rows.column("record_id").to_pylist() == [1]
    assert [(reject.key, reject.reason) for reject in page.rejects] == [("2", "field.absent")]


def test_a_key_absent_from_every_record_stops_the_pull() -> None:
    world = World(records=[order(1), order(2)])
    world.fields["備考"] = field_of("SINGLE_LINE_TEXT", "備考")
    with pytest.raises(AccessRefused) as caught:
        pulled(world, Column("note", "備考", pa.string()))
    assert caught.value.code == "kintone.field_hidden"


def test_a_status_is_found_by_its_type_under_a_localised_key() -> None:
    world = World(records=[order(number, Status=cell("STATUS", "処理中")) for number in (1, 2)])
    world.fields["ステータス"] = field_of("STATUS", "ステータス", enabled=True)
    page = pulled(world, Column("status", "ステータス", pa.string()))
    assert page.rows.column("status").to_pylist() == ["処理中", "処理中"]


def test_a_column_without_its_field_in_the_form_stops_before_any_record_is_read() -> None:
    world = World(records=[order(1)])
    with pytest.raises(BrokenReply) as caught:
        pulled(world, Column("gone", "旧コード", pa.string()))
    assert caught.value.code == "kintone.field_gone"
    assert world.queries() == []


def test_a_type_that_cannot_hold_the_field_is_a_configuration_error() -> None:
    world = World(records=[order(1)])
    with pytest.raises(FixConfiguration) as caught:
        pulled(world, Column("subject", "件名", pa.list_(pa.string())))
    assert caught.value.code == "kintone.type_impossible"


def test_a_cell_of_another_shape_is_a_broken_reply() -> None:
    world = World(records=[order(1, 件名=cell("CHECK_BOX", ["a"]))])
    with pytest.raises(BrokenReply) as caught:
        pulled(world, Column("subject", "件名", pa.string()))
    assert caught.value.code == "kintone.reply_shape"


def test_a_record_number_is_text_and_ids_are_numbers() -> None:
    world = World(records=[order(2), order(10)])
    page = pulled(world, Column("revision", "$revision", pa.int64()))
    assert page.rows.column("record_id").to_pylist() == [2, 10]
    assert page.rows.column("revision").to_pylist() == [1, 1]
    assert page.rows.column("_source_version").to_pylist() == ["1", "1"]


@given(st.lists(st.decimals(min_value=-(10**11), max_value=10**11, places=4, allow_nan=False, allow_infinity=False), max_size=20))
def test_every_number_within_the_precision_arrives_exactly(numbers: list[Decimal]) -> None:
    page = one_column("NUMBER", [f"{number:f}" for number in numbers], PRICE)
    assert page.rows.column("value").to_pylist() == numbers


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",)), max_size=30), min_size=1, max_size=20))
def test_every_text_arrives_unchanged_and_only_the_empty_one_as_null(texts: list[str]) -> None:
    page = one_column("SINGLE_LINE_TEXT", texts, pa.string())
    assert page.rows.column("value").to_pylist() == [text or None for text in texts]
