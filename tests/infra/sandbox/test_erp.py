"""The sandbox ERP's data and rules without a socket: rows obey the XSD, days are lived the same way, filters, roles and evolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from infra.sandbox.clock import JST, SandboxClock
from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.erp.contract import Element, Row, SimpleType, writer
from infra.sandbox.erp.evolution import step
from infra.sandbox.erp.kikan import roles
from infra.sandbox.erp.kikan.criteria import BadCriteriaError, compile_criteria
from infra.sandbox.erp.kikan.pages import ENTITIES, ITEMS
from infra.sandbox.erp.kikan.store import PAGE_CAP, Store, UnknownBookmarkError
from infra.sandbox.erp.kikan.wsdl import schemas
from infra.sandbox.erp.mishaps import Mishaps
from infra.sandbox.erp.mishaps import asked as mishap

ORIGIN = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
SEED = 7
XSI = "http://www.w3.org/2001/XMLSchema-instance"


@pytest.fixture(scope="module")
def fresh() -> Store:
    """A store at its origin that no test changes."""
    return Store(SEED, SandboxClock(ORIGIN))


def _schema_for(store: Store, key: str, folder: Path) -> etree.XMLSchema:
    entities = {name: table.entity for name, table in store.tables.items()}
    for name, text in schemas(entities).items():
        (folder / name).write_text(text.replace("?xsd=", ""), "utf-8")
    return etree.XMLSchema(etree.parse(str(folder / entities[key].file)))


def _document(store: Store, key: str, rows: list[bytes]) -> etree._Element:
    entity = store.tables[key].entity
    name = f"ReadMultiple{entity.plural}_Result"
    head = f'<{name} xmlns="{entity.namespace}" xmlns:xsi="{XSI}"><ResultCode>OK</ResultCode><RowCount>{len(rows)}</RowCount><ReadMultiple_Result>'
    return etree.fromstring(head.encode() + b"".join(rows) + f"</ReadMultiple_Result></{name}>".encode())


def _after(days: int, origin: datetime = ORIGIN) -> Store:
    clock = SandboxClock(origin)
    store = Store(SEED, clock)
    clock.advance(timedelta(days=days))
    store.catch_up()
    return store


@pytest.mark.parametrize("key", [entity.key for entity in ENTITIES])
def test_every_row_obeys_the_schema_the_server_publishes(fresh: Store, key: str, tmp_path: Path) -> None:
    schema = _schema_for(fresh, key, tmp_path)
    table, bookmark, seen = fresh.tables[key], None, 0
    while rows := table.page([], bookmark, PAGE_CAP):
        schema.assertValid(_document(fresh, key, rows))
        seen += len(rows)
        bookmark = table.rows[seen - 1]["Key"]
    assert seen == len(table.rows)


def test_rows_after_a_month_of_business_still_obey_the_schema(tmp_path: Path) -> None:
    store = _after(30)
    for key in ("items", "purchase_orders"):
        _schema_for(store, key, tmp_path).assertValid(_document(store, key, store.tables[key].page([], None, 0)))
    schema = _schema_for(store, "stock_movements", tmp_path)
    schema.assertValid(_document(store, "stock_movements", store.tables["stock_movements"].page([], None, -4_000)))


def test_the_base_data_have_the_sizes_the_company_has(fresh: Store) -> None:
    assert {key: len(table.rows) for key, table in fresh.tables.items()} == {
        "items": 300,
        "suppliers": 40,
        "purchase_orders": 1_500,
        "stock_movements": 30_000,
    }


def test_nothing_in_the_base_data_was_modified_after_the_origin(fresh: Store) -> None:
    for table in fresh.tables.values():
        assert max(row["Last_Modified"] for row in table.rows) <= ORIGIN


def test_texts_stay_the_same_when_the_origin_moves(fresh: Store) -> None:
    def texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: texts(one) for key, one in value.items()}
        if isinstance(value, list):
            return [texts(one) for one in value]
        return value if not isinstance(value, date) else None

    other = Store(SEED, SandboxClock(ORIGIN + timedelta(days=100)))
    for key in ("items", "suppliers", "purchase_orders"):
        assert texts(other.tables[key].rows) == texts(fresh.tables[key].rows)


def test_the_hard_characters_of_japanese_business_texts_are_there(fresh: Store) -> None:
    sent = b"".join(b"".join(table.page([], None, 0)) for table in fresh.tables.values()).decode()
    for wanted in ("髙", "﨑", "①", "㈱", "～", "２", "&lt;", "&amp;", 'xsi:nil="true"'):
        assert wanted in sent


def test_absent_nil_and_empty_all_occur_in_the_items(fresh: Store) -> None:
    rows = fresh.tables["items"].rows
    assert any("規格" not in row for row in rows) and any(row.get("規格") == "" for row in rows)
    vendors = [row.get("Vendor_No", "absent") for row in rows]
    assert None in vendors and "absent" in vendors and any(str(vendor).startswith("S0") for vendor in vendors)


def test_orders_come_with_many_lines_with_an_empty_list_and_with_no_list(fresh: Store) -> None:
    rows = fresh.tables["purchase_orders"].rows
    sizes = {len(row["Purch_Lines"]["Purch_Line"]) if "Purch_Lines" in row else -1 for row in rows}
    assert {-1, 0, 1, 8} <= sizes
    for row in rows:
        if "Purch_Lines" in row:
            assert row["Amount"] == sum((line["Line_Amount"] for line in row["Purch_Lines"]["Purch_Line"]), Decimal(0))


def test_each_day_adds_sixty_to_a_hundred_and_twenty_movements_dated_that_day() -> None:
    clock = SandboxClock(ORIGIN)
    store = Store(SEED, clock)
    for number in range(1, 6):
        before = len(store.tables["stock_movements"].rows)
        clock.advance(timedelta(days=1))
        assert store.catch_up() == 1
        added = store.tables["stock_movements"].rows[before:]
        assert 60 <= len(added) <= 120
        assert {row["Posting_Date"] for row in added} == {ORIGIN.astimezone(JST).date() + timedelta(days=number - 1)}
        assert all(row["Last_Modified"] <= clock.now() for row in added)


def test_days_lived_one_by_one_and_all_at_once_end_the_same() -> None:
    clock = SandboxClock(ORIGIN)
    store = Store(SEED, clock)
    for _ in range(5):
        clock.advance(timedelta(days=1))
        store.catch_up()
    at_once = _after(5)
    for key, table in store.tables.items():
        assert table.rows == at_once.tables[key].rows
        assert table.page([], None, -PAGE_CAP) == at_once.tables[key].page([], None, -PAGE_CAP)


def test_whatever_a_day_changes_carries_a_newer_last_modified(fresh: Store) -> None:
    later = _after(3)
    for key, table in later.tables.items():
        old = {row["Key"]: row for row in fresh.tables[key].rows}
        changed = [row for row in table.rows if old.get(row["Key"]) != row]
        assert all(row["Last_Modified"] > ORIGIN for row in changed)
        assert table.count([("Last_Modified", f">{ORIGIN.isoformat()}")]) == len(changed)
    prices = {row["No"]: row["Unit_Price"] for row in fresh.tables["items"].rows}
    assert any(row["Unit_Price"] != prices[row["No"]] for row in later.tables["items"].rows)
    assert len(later.tables["purchase_orders"].rows) > 1_500


def test_a_second_catch_up_at_the_same_time_adds_nothing() -> None:
    store = _after(2)
    assert store.catch_up() == 0


def test_another_seed_is_another_company_history(fresh: Store) -> None:
    assert Store(SEED + 1, SandboxClock(ORIGIN)).tables["items"].rows != fresh.tables["items"].rows


def test_negative_set_size_reads_backwards_and_goes_on_backwards(fresh: Store) -> None:
    table = fresh.tables["suppliers"]
    forward = table.page([], None, 0)
    assert table.page([], None, -3) == forward[:-4:-1]
    assert table.page([], table.rows[-3]["Key"], -2) == forward[-4:-6:-1]
    assert table.page([], table.rows[0]["Key"], -5) == []


def test_no_page_is_longer_than_the_cap_whatever_is_asked(fresh: Store) -> None:
    for asked in (0, PAGE_CAP + 1, 2**31 - 1, -(2**31)):
        assert len(fresh.tables["stock_movements"].page([], None, asked)) == PAGE_CAP


def test_a_bookmark_of_another_page_is_unknown(fresh: Store) -> None:
    with pytest.raises(UnknownBookmarkError):
        fresh.tables["items"].page([], fresh.tables["suppliers"].rows[0]["Key"], 5)


STRING, INT, INSTANT = SimpleType("string"), SimpleType("int"), SimpleType("dateTime")


@pytest.mark.parametrize(
    ("criteria", "kind", "yes", "no"),
    [
        ("2026-11-01T00:00:00Z..", INSTANT, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)),
        (">=2026-11-01T09:00:00+09:00", INSTANT, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 10, 31, 23, 59, tzinfo=UTC)),
        ("..2026-11-01T00:00:00Z", INSTANT, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-01..2026-11-03", SimpleType("date"), date(2026, 11, 3), date(2026, 11, 4)),
        ("10..20|>90&<>95", INT, 96, 95),
        ("10..20|>90&<>95", INT, 10, 21),
        ("SP-1*", STRING, "SP-1000", "BS-1001"),
        ("@sp-10?0", STRING, "SP-1040", "SP-1041"),
        ("'A|B'", STRING, "A|B", "A"),
        ("''", STRING, "", "x"),
        ("''", STRING, None, "x"),
        ("<>''", STRING, "x", None),
        ("1.5..", SimpleType("decimal"), Decimal("1.50"), Decimal("1.4999")),
        ("Yes", SimpleType("boolean"), True, False),
        ("髙*", STRING, "髙嶺精密", "高嶺精密"),
        ("<10", INT, 9, None),
    ],
)
def test_criteria_accept_one_value_and_refuse_another(criteria: str, kind: SimpleType, yes: Any, no: Any) -> None:
    test = compile_criteria(criteria, kind)
    assert test(yes)
    assert not test(no)


@pytest.mark.parametrize(
    ("criteria", "kind"),
    [
        ("2026-11-01T00:00:00..", INSTANT),
        ("2026-11-01..", INSTANT),
        ("昨日..", INSTANT),
        ("..", INT),
        ("１２", INT),
        ("12,5", INT),
        ("'open", STRING),
        ("maybe", SimpleType("boolean")),
        ("2026/11/01", SimpleType("date")),
    ],
)
def test_criteria_that_do_not_parse_are_refused_and_never_read_as_everything(criteria: str, kind: SimpleType) -> None:
    with pytest.raises(BadCriteriaError):
        compile_criteria(criteria, kind)


def test_a_filter_on_a_column_the_page_does_not_have_is_refused(fresh: Store) -> None:
    for name in ("Nummer", "Key", "Dimensions", "Drawing_Digest"):
        with pytest.raises(BadCriteriaError):
            fresh.tables["items"].page([(name, "x")], None, 1)


def test_a_row_is_written_in_the_order_of_the_contract_with_absence_nil_and_escapes() -> None:
    write = writer(
        "R", (Element("A", STRING), Element("B", INT, nillable=True), Element("C", STRING, min_occurs=0), Element("D", INT, many=True))
    )
    assert write({"D": [1, 2], "B": None, "A": "<&>"}) == '<R><A>&lt;&amp;&gt;</A><B xsi:nil="true"/><D>1</D><D>2</D></R>'


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({"kind": "add_element"}, lambda row: row["Eco_Rank"] == "Ｂ級"),
        ({"kind": "add_element", "name": "Carton_Qty", "type": "int"}, lambda row: row["Carton_Qty"] == 1),
        ({"kind": "rename_element"}, lambda row: "Sales_Price" in row and "Unit_Price" not in row),
        ({"kind": "remove_element", "name": "Inventory"}, lambda row: "Inventory" not in row),
        ({"kind": "narrow_type"}, lambda row: -32_768 <= row["Inventory"] < 32_768),
        ({"kind": "narrow_type", "name": "Unit_Price"}, lambda row: True),
        ({"kind": "narrow_type", "name": "Description"}, lambda row: True),
        ({"kind": "require_element"}, lambda row: isinstance(row["規格"], str)),
        ({"kind": "require_element", "name": "Net_Weight"}, lambda row: row["Net_Weight"] is not None),
        ({"kind": "add_value"}, lambda row: not row["Blocked"] or row["Item_Category"] == "ZZ"),
    ],
)
def test_an_evolved_page_changes_its_schema_and_its_rows_still_obey_it(
    change: dict[str, Any], holds: Callable[[Row], bool], tmp_path: Path
) -> None:
    store = _after(1)
    table = store.tables["items"]
    before = schemas({"items": table.entity})["items.xsd"]
    table.evolve(change)
    assert schemas({"items": table.entity})["items.xsd"] != before
    assert all(holds(row) for row in table.rows)
    _schema_for(store, "items", tmp_path).assertValid(_document(store, "items", table.page([], None, 0)))


def test_days_go_on_under_an_evolved_contract_and_restore_gives_the_old_one_back(tmp_path: Path) -> None:
    clock = SandboxClock(ORIGIN)
    store = Store(SEED, clock)
    table = store.tables["items"]
    table.evolve({"kind": "rename_element", "name": "Unit_Price", "to": "Sales_Price"})
    table.evolve({"kind": "remove_element", "name": "Net_Weight"})
    clock.advance(timedelta(days=10))
    store.catch_up()
    assert all("Sales_Price" in row and "Unit_Price" not in row for row in table.rows)
    _schema_for(store, "items", tmp_path).assertValid(_document(store, "items", table.page([], None, 0)))
    table.evolve({"kind": "restore"})
    assert table.entity == ITEMS
    assert table.rows == _after(10).tables["items"].rows


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "explode"},
        {"kind": "rename_element", "name": "Nope"},
        {"kind": "remove_element", "name": "Last_Modified"},
        {"kind": "add_element", "name": "Inventory"},
        {"kind": "add_element", "type": "anyType"},
        {"kind": "narrow_type", "name": "Blocked"},
        {"kind": "rename_element", "to": "Inventory"},
        {"kind": "require_element", "name": "Dimensions"},
        {"kind": "add_value", "name": "Inventory"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_with_nothing_changed(fresh: Store, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fresh.tables["items"].evolve(change)
    assert fresh.tables["items"].entity == ITEMS


def test_narrowing_below_the_values_held_is_refused() -> None:
    small = replace(ITEMS, elements=(Element("Inventory", SimpleType("int")),))
    with pytest.raises(ValueError, match="do not fit short"):
        step(small, [{"Inventory": 40_000}], {"kind": "narrow_type"})


def test_roles_let_staff_read_items_and_keep_orders_to_purchasing_and_managers() -> None:
    held = {(row["Entity"], row["Login"]) for row in roles.entries()}
    guest, buyer, chief, designer, clerk = (
        person(key).login for key in ("taro.gaibu", "hiroto.hayashi", "kenta.suzuki", "mio.matsumoto", "sota.yamamoto")
    )
    assert {login for entity, login in held if entity == "items"} == {p.login for p in PEOPLE if not p.guest}
    assert not any(login == guest for _, login in held)
    assert {("purchase_orders", buyer), ("purchase_orders", chief), ("stock_movements", designer), ("stock_movements", buyer)} <= held
    assert not {("purchase_orders", designer), ("stock_movements", clerk), ("purchase_orders", clerk)} & held


def test_a_fault_hits_after_the_requests_let_through_and_as_often_as_asked() -> None:
    mishaps = Mishaps()
    mishaps.add(mishap({"kind": "503", "count": 2, "after": 1}, "SakuraErp"))
    assert mishaps.take("hanbai", "service") is None, "it befalls one service"
    assert [getattr(mishaps.take("SakuraErp", "service"), "kind", None) for _ in range(4)] == [None, "503", "503", None]
    mishaps.add(mishap({"kind": "drop", "on": "wsdl"}, "SakuraErp"))
    assert mishaps.take("SakuraErp", "service") is None
    assert mishaps.heal() == 1
    assert mishaps.take("SakuraErp", "wsdl") is None
    for wrong in ({"kind": "flood"}, {"kind": "503", "count": 0}, {"kind": "503", "on": "moon"}):
        with pytest.raises(ValueError, match="a fault is"):
            mishaps.add(mishap(wrong, "SakuraErp"))
