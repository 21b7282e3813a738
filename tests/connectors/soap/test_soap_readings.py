"""Columns that a contract declares to be read otherwise than their XSD type says: as declared, by name where they do not fit, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soap_fake import EMPTY, SCHEMA, Fake, part, reply, stream

from connectors.errors import FixConfiguration
from connectors.protocol import Column, Page, Stream, Window
from expectations.contract import Contract
from expectations.drift import compare

TEXT, STOCK, TAG = "名称", "Stock", "Tag"
XSI = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"
MONEY = Column("total", TEXT, pa.decimal128(16, 2))
INNER = Column(
    "items",
    TEXT,
    pa.list_(pa.struct([("no", pa.int32()), ("price", pa.decimal128(10, 2)), ("note", pa.string())])),
    children=(
        Column("no", "No", pa.int32(), required=True),
        Column("price", "Price@amount", pa.decimal128(10, 2)),
        Column("note", "Note", pa.string()),
    ),
)


def pulled(inner: str, column: Column, reading: Mapping[str, Any], **source: Any) -> Page:
    told = stream(column, read={column.source: dict(reading)}, **source)
    return next(iter(Fake(reply(part("A", inner)), EMPTY).connector().pull(told, Window())))


def value(text: str, column: Column, reading: Mapping[str, Any], **source: Any) -> Any:
    page = pulled(f"<{column.source}>{text}</{column.source}>", column, reading, **source)
    assert not page.rejects, page.rejects
    return page.rows.column(column.name)[0].as_py()


def reason(text: str, column: Column, reading: Mapping[str, Any], **source: Any) -> str:
    page = pulled(f"<{column.source}>{text}</{column.source}>", column, reading, **source)
    assert page.rows.num_rows == 0 and page.source_rows == 1
    return page.rejects[0].reason


def test_money_in_a_string_is_an_exact_decimal() -> None:
    assert value("1234.57000000", MONEY, {"from": "string"}) == Decimal("1234.57")
    assert "value.inexact" in reason("1234.57100000", MONEY, {"from": "string"})
    assert "value.lexical" in reason("1,234", MONEY, {"from": "string"})


@given(
    st.lists(st.sampled_from(["1.5", "-0", "0.10", "", "x", "1e3", " 7 ", "9" * 14, "9" * 15, "12.345", "１２"]), min_size=1, max_size=6)
)
def test_whole_columns_of_declared_decimals_read_like_single_values(texts: list[str]) -> None:
    parts = [part(f"R{at}", f"<{TEXT}>{text}</{TEXT}>") for at, text in enumerate(texts)]
    told = stream(MONEY, read={TEXT: {"from": "string"}}, paging={"kind": "none"}, arguments={"setSize": 9})
    slow = stream(MONEY, read={TEXT: {"from": "string", "null_values": ["never"]}}, paging={"kind": "none"}, arguments={"setSize": 9})

    def result(one: Stream) -> tuple[list[Any], list[tuple[str, str]]]:
        (page,) = Fake(reply(*parts)).connector().pull(one, Window())
        return page.rows.to_pylist(), [(reject.key, reject.reason) for reject in page.rejects]

    assert result(told) == result(slow)


def test_a_map_of_values_turns_words_into_booleans_and_leaves_other_words_to_the_rule() -> None:
    flag = Column("flag", TEXT, pa.bool_())
    reading = {"from": "string", "values": {"Yes": "true", "No": "false", "有": "true"}}
    assert [value(text, flag, reading) for text in ("Yes", " No ", "有", "1")] == [True, False, True, True]
    assert "value.lexical" in reason("Y", flag, reading)


def test_a_columns_own_nulls_and_empties_hold_for_it_alone() -> None:
    stock = Column("stock", STOCK, pa.int32())
    assert value("-1", stock, {"null_values": ["-1"]}) is None
    assert value("", stock, {"empty": "null"}) is None
    assert "value.empty" in reason("", stock, {"empty": "error"}, empty_as_null=True)
    assert value("", Column("name", TEXT, pa.string()), {"empty": "null"}) is None
    required = Column("name", TEXT, pa.string(), required=True)
    assert "value.empty (a value is required)" in reason("N/A", required, {"null_values": ["N/A"]})


def test_seconds_and_milliseconds_since_1970_are_instants() -> None:
    at = Column("at", STOCK, pa.timestamp("us", "UTC"))
    assert value("1778469900", at, {"from": "int", "epoch": "seconds"}) == datetime(2026, 5, 11, 3, 25, tzinfo=UTC)
    assert value("-1", at, {"from": "int", "epoch": "seconds"}) == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    text = Column("at", TEXT, pa.timestamp("us", "UTC"))
    assert value("1778469900123", text, {"from": "string", "epoch": "milliseconds"}).microsecond == 123000
    assert "value.range" in reason("999999999999999999", text, {"from": "string", "epoch": "seconds"})
    assert "value.lexical" in reason("2026-05-11", text, {"from": "string", "epoch": "seconds"})


def test_a_columns_own_time_zone_reads_what_has_none() -> None:
    at = Column("at", "Modified", pa.timestamp("us", "UTC"))
    assert value("2026-11-01T09:00:00", at, {"timezone": "Asia/Tokyo"}) == datetime(2026, 11, 1, tzinfo=UTC)
    assert "value.zone" in reason("2026-11-01T09:00:00", at, {})


def test_of_a_masked_column_nothing_is_kept_but_that_it_was_there() -> None:
    secret = Column("secret", TEXT, pa.string())
    assert value("$2y$10$hash", secret, {"mask": True}) == "***" and value("", secret, {"mask": True}) == ""
    page = next(
        iter(
            Fake(reply(part("A", f"<{TEXT}>$2y$10$hash</{TEXT}><{STOCK}>many</{STOCK}>")), EMPTY)
            .connector()
            .pull(stream(secret, Column("stock", STOCK, pa.int32()), read={TEXT: {"mask": True}}), Window())
        )
    )
    assert page.rejects and "hash" not in repr(page.rejects)


def test_a_table_in_xml_inside_a_text_is_a_list() -> None:
    reading = {"from": "string", "inner": {"format": "xml", "rows": "Rows/Row"}}
    document = (
        '<?xml version="1.0" encoding="Shift_JIS"?><d:Data xmlns:d="urn:d"><d:Rows><d:Row><d:No>1</d:No><d:Price amount="12.50"/>'
        "<d:Note>軸受① &lt;特価&gt;</d:Note></d:Row><d:Row><d:No>2</d:No></d:Row></d:Rows></d:Data>"
    )
    escaped = document.replace("&", "&amp;").replace("<", "&lt;")
    wanted = [{"no": 1, "price": Decimal("12.50"), "note": "軸受① <特価>"}, {"no": 2, "price": None, "note": None}]
    assert value(escaped, INNER, reading) == wanted
    assert value(f"<![CDATA[{document}]]>", INNER, reading) == wanted


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("<D><Rows><Row><No>x</No></Row></Rows></D>", "value.lexical"),
        ("<D><Rows><Row><Note>a</Note></Row></Rows></D>", "row 1 of the inner table, No"),
        ("<D><Rows><Row><No>1</No><No>2</No></Row></Rows></D>", "came twice"),
        ("<D><Rows><Row><No>1</No></Rows></D>", "mismatched tag"),
        ("<D/>", "no element Rows"),
        ("<D><Rows><Zeile><No>1</No></Zeile></Rows></D>", "no element Row, but Zeile"),
        ("<D><Rows><Row><No>1</No><Note>12<b>3</b></Note></Row></Rows></D>", "Note holds more than a value"),
        ("<D><Rows><Row><No>1</No><Note><b>3</b></Note></Row></Rows></D>", "Note holds more than a value"),
        (f"<D {XSI}><Rows><Row><No>1</No><Note xsi:nil='1'>a</Note></Row></Rows></D>", "Note holds more than a value"),
        (f"<D {XSI}><Rows><Row><No>1</No><Note xsi:nil='yes'/></Row></Rows></D>", "the xsi:nil of Note is no boolean"),
        (f"<D {XSI}><Rows><Row><No>1</No><Note xsi:nil='1'/><Note>a</Note></Row></Rows></D>", "came twice"),
        (f"<D {XSI}><Rows><Row><No xsi:nil='true'/></Row></Rows></D>", "a value is required"),
        ('<!DOCTYPE D [<!ENTITY a "b">]><D><Rows/></D>', "DOCTYPE"),
        ("", "no element found"),
    ],
)
def test_an_inner_document_that_is_not_what_it_is_declared_to_be_holds_its_row(document: str, why: str) -> None:
    assert why in reason(
        document.replace("&", "&amp;").replace("<", "&lt;"), INNER, {"from": "string", "inner": {"format": "xml", "rows": "Rows/Row"}}
    )


def test_what_is_nil_in_an_inner_document_is_null_and_a_schema_beside_no_rows_is_none() -> None:
    reading = {"from": "string", "inner": {"format": "xml", "rows": "Row"}}
    nil = f"<D {XSI}><Row><No>1</No><Note xsi:nil='true'/></Row></D>"
    assert value(f"<![CDATA[{nil}]]>", INNER, reading) == [{"no": 1, "price": None, "note": None}]
    empty = '<NewDataSet><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/></NewDataSet>'
    assert value(f"<![CDATA[{empty}]]>", INNER, reading) == []


def test_an_empty_line_of_a_table_with_one_column_is_not_left_out() -> None:
    one = Column("items", TEXT, pa.list_(pa.struct([("no", pa.string())])), children=(Column("no", "番号", pa.string()),))
    reading = {"from": "string", "inner": {"format": "csv"}}
    assert value("番号\na\nb\n", one, reading) == [{"no": "a"}, {"no": "b"}]
    assert "line 2 is empty" in reason("番号\na\n\nb\n", one, reading)


def test_a_table_in_csv_inside_a_text_is_a_list() -> None:
    items = Column(
        "items",
        TEXT,
        pa.list_(pa.struct([("no", pa.int32()), ("note", pa.string())])),
        children=(Column("no", "番号", pa.int32()), Column("note", "備考", pa.string())),
    )
    reading = {"from": "string", "inner": {"format": "csv", "delimiter": ";"}}
    assert value('番号;備考;他\n1;"a;b\nc";x\n;二;y\n', items, reading) == [{"no": 1, "note": "a;b\nc"}, {"no": None, "note": "二"}]
    assert "line 1 has 2 fields" in reason("番号;備考;他\n1;2", items, reading)
    assert "no column 備考" in reason("番号;他\n1;2", items, reading)


def test_an_element_that_the_server_spells_otherwise_than_its_contract_is_read() -> None:
    name = Column("name", TEXT, pa.string())
    page = pulled("<名稱>軸受</名稱>", name, {"sent_as": "名稱"})
    assert page.rows.column("name").to_pylist() == ["軸受"]
    assert pulled(f"<{TEXT}>軸受</{TEXT}>", name, {"sent_as": "名稱"}).rows.column("name").to_pylist() == ["軸受"]
    assert "value.twice" in pulled(f"<{TEXT}>a</{TEXT}><名稱>b</名稱>", name, {"sent_as": "名稱"}).rejects[0].reason


@pytest.mark.parametrize("also", [(), (Column("opens", "Opens", pa.string()),)])
def test_an_element_is_not_read_by_a_name_that_its_contract_gives_to_another(also: tuple[Column, ...]) -> None:
    name = Column("name", TEXT, pa.string())
    for columns in ((*also, name), (name, *also)):
        with pytest.raises(FixConfiguration, match="Opens"):
            list(Fake(reply(part("A"))).connector().pull(stream(*columns, read={TEXT: {"sent_as": "Opens"}}), Window()))


PLACE = Column("place", "Place", pa.struct([("city", pa.string())]), children=(Column("city", "City", pa.string()),))


@pytest.mark.parametrize(
    ("column", "path", "reading", "why"),
    [
        (Column("x", TEXT, pa.string()), TEXT, {"from": "string", "epoch": "seconds"}, "instants"),
        (Column("x", TEXT, pa.string()), TEXT, {"from": "string", "inner": {"format": "csv"}}, "list of structs"),
        (Column("x", STOCK, pa.int32()), STOCK, {"mask": True}, "mask"),
        (PLACE, "Place", {"mask": True}, "part by part"),
        (PLACE, "Place", {"null_values": ["-"]}, "part by part"),
    ],
)
def test_a_declaration_that_a_columns_type_has_no_place_for_is_refused_before_anything_is_sent(
    column: Column, path: str, reading: dict[str, Any], why: str
) -> None:
    fake = Fake(reply(part("A")))
    with pytest.raises(FixConfiguration, match=why):
        list(fake.connector().pull(stream(column, read={path: reading}), Window()))
    assert not fake.asked


def test_what_is_masked_does_not_show_in_a_column_of_the_whole_row() -> None:
    columns = Column("secret", TEXT, pa.string()), Column("all", ".", pa.string())
    with pytest.raises(FixConfiguration, match="what is masked"):
        list(Fake(reply(part("A"))).connector().pull(stream(*columns, read={TEXT: {"mask": True}}), Window()))


def test_columns_inside_a_list_are_declared_by_their_whole_path() -> None:
    lines = Column(
        "lines",
        "Lines/Line",
        pa.list_(pa.struct([("no", pa.string()), ("net", pa.decimal128(9, 2))])),
        children=(Column("no", "No", pa.string()), Column("net", "Text", pa.decimal128(9, 2))),
    )
    told = stream(lines, read={"Lines/Line/Text": {"from": "string", "null_values": ["-"]}})
    content = reply(part("A", "<Lines><Line><No>1</No><Text>7.10</Text></Line><Line><No>2</No><Text>-</Text></Line></Lines>"))
    page = next(iter(Fake(content, EMPTY).connector().pull(told, Window())))
    assert page.rows.column("lines")[0].as_py() == [{"no": "1", "net": Decimal("7.10")}, {"no": "2", "net": None}]


def changes(schema: str, **reading: Any) -> list[tuple[str, str]]:
    told = stream(MONEY, read={TEXT: reading} if reading else {})
    fake = Fake(EMPTY, documents={"https://erp.example/ws/Parts?xsd=parts.xsd": schema})
    live = fake.connector().describe(told)
    fields = [
        {"name": "code", "source": "Code", "type": "string", "required": True},
        {"name": "total", "source": TEXT, "type": "decimal128(16, 2)"},
    ]
    known = [field.source for field in live.fields if field.source not in ("Code", TEXT)]
    contract = Contract.model_validate(
        {"stream": "erp/parts", "version": 1, "source": dict(told.source), "key": ["code"], "fields": fields, "exclude": known}
    )
    return [(change.kind, change.path) for change in compare(contract, live, None).changes]


def test_a_declared_type_is_no_drift_while_the_contract_of_the_source_stands() -> None:
    assert changes(SCHEMA) == [("retyped", TEXT)], "undeclared it stops the pull"
    assert changes(SCHEMA, **{"from": "string"}) == []
    other = SCHEMA.replace('name="名称" type="xs:string"', 'name="名称" type="xs:double"')
    assert changes(other, **{"from": "string"}) == [("retyped", TEXT)]


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ({"epoch": "seconds"}, "need `from`"),
        ({"inner": {"format": "xml"}, "from": "string"}, "rows"),
        ({"inner": {"format": "csv", "rows": "a"}, "from": "string"}, "rows"),
        ({"mask": True, "epoch": "seconds", "from": "int"}, "masked"),
        ({"timezone": "Tokyo"}, "IANA"),
        ({"colour": "red"}, "(?i)no such key"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_by_name(reading: dict[str, Any], why: str) -> None:
    with pytest.raises(FixConfiguration, match=why) as caught:
        list(Fake(EMPTY).connector().pull(stream(read={STOCK: reading}), Window()))
    assert caught.value.code == "soap.source_invalid"


def test_a_declaration_for_a_column_that_the_contract_has_not_is_refused() -> None:
    with pytest.raises(FixConfiguration, match="Stok"):
        list(Fake(EMPTY).connector().pull(stream(Column("stock", STOCK, pa.int32()), read={"Stok": {"empty": "null"}}), Window()))


def test_a_masked_value_that_its_contract_does_not_allow_is_named_without_being_shown() -> None:
    grade = Column("grade", "Grade", pa.string())
    page = pulled("<Grade>Secret-Grade</Grade>", grade, {"mask": True})
    assert page.rows.num_rows == 0 and "value.enumeration" in page.rejects[0].reason
    assert "Secret-Grade" not in repr(page.rejects)


@pytest.mark.parametrize("also", [{"key": ("secret",)}, {"cursor": "secret"}], ids=["key", "cursor"])
def test_what_rows_are_known_or_ordered_by_is_not_masked(also: dict[str, Any]) -> None:
    told = stream(Column("secret", TEXT, pa.string()), read={TEXT: {"mask": True}}, **also)
    with pytest.raises(FixConfiguration, match="key and cursor"):
        list(Fake(reply(part("A", f"<{TEXT}>Secret</{TEXT}>")), EMPTY).connector().pull(told, Window()))
