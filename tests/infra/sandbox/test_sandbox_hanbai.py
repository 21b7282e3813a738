"""The sandbox's old sales system on a real socket: what NuSOAP would have answered, down to its mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from erp_talk import ENCODING, HANBAI, ORIGIN, SOAP11, SOAP12, XSI, Talk, serving, text_of
from lxml import etree

from infra.sandbox.company.trade import DEFAULT_SEED, customers, items

CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "data" / "soap-captures"
TYPE, NIL, ARRAY = f"{{{XSI}}}type", f"{{{XSI}}}nil", f"{{{ENCODING}}}arrayType"


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A server at its origin that no test moves or breaks."""
    with serving(tmp_path_factory.mktemp("hanbai")) as settings:
        yield Talk(settings)


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Talk]:
    with serving(tmp_path) as settings:
        yield Talk(settings)


def rows_of(root: etree._Element, name: str) -> list[etree._Element]:
    found = root.find(f".//{name}")
    assert found is not None
    return list(found)


def counted(root: etree._Element, name: str) -> int:
    found = root.find(f".//{name}")
    assert found is not None
    return int(found.get(ARRAY, "").partition("[")[2].rstrip("]"))


# --- likeness -----------------------------------------------------------------------------------------------------------------

#: What the captured ERP calls things, and what ours calls them.
_WORDS = {
    "getListOfThirdPartiesResponse": "getListOfCustomersResponse",
    "thirdparties": "customers",
    "thirdparty": "customer",
    "thirdparty_id": "customer_id",
    "getThirdPartyResponse": "getCustomerResponse",
    "getInvoicesForThirdPartyResponse": "getListOfInvoicesResponse",
    "tns:thirdparty": "tns:customer",
    "tns:invoice[0]": "tns:invoice_short[0]",
}


def skeleton(element: etree._Element) -> Any:
    """Names, types and nils of an element and all below it, without values; array lengths and repeated items count once."""
    name = etree.QName(element).localname
    attributes = {etree.QName(key).localname: _WORDS.get(value, value) for key, value in element.attrib.items()}
    if "arrayType" in attributes and not attributes["arrayType"].endswith("[0]"):
        attributes["arrayType"] = re.sub(r"\[\d+\]", "[n]", attributes["arrayType"])
    inner: list[Any] = []
    for child in element:
        one = skeleton(child)
        if one not in inner:
            inner.append(one)
    return (_WORDS.get(name, name), tuple(sorted(attributes.items())), tuple(inner))


def captured(name: str) -> etree._Element:
    if not CAPTURES.is_dir():
        pytest.skip("the captures of a real NuSOAP server lie beside a checkout, in ../shared/data")
    return etree.parse(str(CAPTURES / f"{name}.res.xml")).getroot()


def empty_or_nil(element: etree._Element, names: set[str]) -> None:
    """Make elements alike that hold a value here and none there."""
    for one in element.iter():
        if etree.QName(one).localname in names:
            one.attrib.clear()
            one.text = None


def test_the_list_of_customers_has_the_skeleton_of_the_captured_list(still: Talk) -> None:
    theirs, ours = captured("tp_list"), etree.fromstring(still.hanbai("getListOfCustomers", "<filtercustomer/>").content)
    # Which of these are nil is a matter of the data.
    for root in (theirs, ours):
        empty_or_nil(root, {"ref_ext", "adress", "zip", "phone", "fax", "url"})
    assert skeleton(ours) == skeleton(theirs)
    assert [etree.QName(one).localname for one in rows_of(ours, "customers")[0]][3] == "adress"


def test_one_invoice_has_the_skeleton_of_the_captured_invoice(still: Talk) -> None:
    theirs = captured("inv_get")
    ours = etree.fromstring(still.hanbai("getInvoice", "<id>1</id><ref/><ref_ext/>").content)
    values = {"ref_ext", "fk_user_valid", "close_code", "note_public", "product_id", "product_ref", "product_label", "date_validation"}
    for root in (theirs, ours):
        empty_or_nil(root, values)
    assert skeleton(ours) == skeleton(theirs)


def test_what_is_not_found_and_what_the_database_refuses_look_like_the_captured_answers(still: Talk) -> None:
    missing = etree.fromstring(still.hanbai("getCustomer", "<id>999</id><ref/><ref_ext/>").content)
    assert skeleton(missing) == skeleton(captured("tp_get_missing"))
    assert text_of(missing, "result_label") == text_of(captured("tp_get_missing"), "result_label")
    refused = etree.fromstring(still.hanbai("getListOfInvoices", "<filterinvoice><date_start>昨日</date_start></filterinvoice>").content)
    assert skeleton(refused) == skeleton(captured("inv_list"))
    assert (text_of(refused, "result_code") or "").startswith("DB_ERROR_")


def test_a_wrong_key_is_answered_like_the_captured_one(still: Talk) -> None:
    theirs, ours = captured("badkey"), etree.fromstring(still.hanbai("getVersions", "", still.authentication(hanbaikey="guess")).content)
    theirs.find(".//{*}dolibarr").tag = "hanbai"  # type: ignore[union-attr]
    assert skeleton(ours) == skeleton(theirs)


# --- the contract -------------------------------------------------------------------------------------------------------------


def test_the_wsdl_says_latin_1_is_open_to_all_and_imports_from_a_url_nobody_serves(still: Talk) -> None:
    reply = httpx.get(f"{still.url('hanbai')}?wsdl", trust_env=False)
    assert reply.status_code == 200 and reply.content.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    root = etree.fromstring(reply.content)
    imported = root.find(".//{*}import")
    assert imported is not None and imported.get("schemaLocation") == ENCODING
    assert {one.get("style") for one in root.iterfind(".//{*}binding/{*}binding")} == {"rpc"}
    assert {one.get("use") for one in root.iterfind(".//{http://schemas.xmlsoap.org/wsdl/soap/}body")} == {"encoded"}
    assert root.find(".//{*}address").get("location") == still.url("hanbai")  # type: ignore[union-attr]


def test_one_operation_names_a_type_that_is_declared_nowhere(still: Talk) -> None:
    root = still.wsdl("hanbai")
    declared = {one.get("name") for one in root.iterfind(".//{*}complexType")}
    used = {(one.get("type") or "").partition(":")[2] for one in root.iterfind(".//{*}part") if (one.get("type") or "").startswith("tns:")}
    assert used - declared == {"PaymentsArray"}


def test_every_member_of_a_struct_is_demanded_and_the_server_demands_none(still: Talk) -> None:
    root = still.wsdl("hanbai")
    assert not [one for one in root.iterfind(".//{*}all/{*}element") if one.get("minOccurs") is not None]
    assert (
        len(rows_of(still.invoices(), "invoices")) == still.control("truth", service="hanbai", entity="invoices", count_only=True)["count"]
    )


# --- replies ------------------------------------------------------------------------------------------------------------------


def test_the_list_comes_whole_in_one_reply_with_a_count_in_brackets(still: Talk) -> None:
    root = still.invoices()
    rows = rows_of(root, "invoices")
    assert root.find(".//invoices").get(ARRAY) == f":[{len(rows)}]" and len(rows) == 600  # type: ignore[union-attr]
    assert {one.get(TYPE) for one in rows} == {"xsd:"} and {one.tag for one in rows} == {"invoice"}


def test_a_list_spells_an_element_otherwise_than_the_wsdl(still: Talk) -> None:
    declared = {one.get("name") for one in still.wsdl("hanbai").iterfind(".//{*}complexType[@name='invoice_short']//{*}element")}
    sent = {etree.QName(one).localname for row in rows_of(still.invoices(), "invoices") for one in row}
    assert (sent - declared, declared - sent) == ({"payement_mode"}, {"payment_mode"})


def test_values_in_a_list_are_text_whatever_the_wsdl_declares_and_times_are_seconds_since_1970(still: Talk) -> None:
    for row in rows_of(still.invoices(), "invoices"):
        kinds = {one.tag: one.get(TYPE) for one in row if one.get(NIL) is None and one.tag != "lines"}
        assert kinds.pop("tms") == "xsd:int" and set(kinds.values()) == {"xsd:string"}
        assert re.fullmatch(r"-?\d+\.\d{8}", row.findtext("total_net") or "")
        assert datetime.fromtimestamp(int(row.findtext("tms") or 0), UTC) <= ORIGIN


def test_lines_in_a_list_are_an_array_of_nusoaps_unnamed_structs(still: Talk) -> None:
    sizes: set[int] = set()
    for row in rows_of(still.invoices(), "invoices"):
        lines = row.find("lines")
        assert lines is not None
        sizes.add(len(lines))
        assert lines.get(ARRAY) == (f"unnamed_struct_use_soapval[{len(lines)}]" if len(lines) else "xsd:anyType[0]")
        assert all(item.tag == "item" and not item.attrib for item in lines)
    assert {0, 1, 4} <= sizes


def test_one_invoice_is_typed_with_empty_dates_and_utc_times(still: Talk) -> None:
    root = etree.fromstring(still.hanbai("getInvoice", "<id>600</id>").content)
    invoice = root.find(".//invoice")
    assert invoice is not None and invoice.get(TYPE) == "tns:invoice"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", invoice.findtext("date_creation") or "")
    assert invoice.find("total_net").get(TYPE) == "xsd:double"  # type: ignore[union-attr]
    dates = [one for one in invoice.iter("date_start")]
    assert dates and all(one.get(TYPE) == "xsd:date" and one.text is None and one.get(NIL) is None for one in dates)


def test_an_unvalidated_invoice_has_an_empty_time_that_is_not_nil(still: Talk) -> None:
    drafts = [row["id"] for row in still.control("truth", service="hanbai", entity="invoice")["rows"] if row["status"] == 0]
    root = etree.fromstring(still.hanbai("getInvoice", f"<id>{drafts[0]}</id>").content)
    empty = root.find(".//date_validation")
    assert empty is not None and (empty.text, empty.get(TYPE), empty.get(NIL)) == (None, "xsd:dateTime", None)


def test_money_is_yen_adds_up_and_belongs_to_the_companys_own_items_and_customers(still: Talk) -> None:
    prices = {item.code: item.price for item in items(DEFAULT_SEED)}
    codes = [one.code for one in customers(DEFAULT_SEED)]
    for row in still.control("truth", service="hanbai", entity="invoices")["rows"]:
        assert row["customer_code"] == codes[row["customer_id"] - 1]
        assert Decimal(row["total_net"]) == sum((Decimal(line["total_net"]) for line in row["lines"]), Decimal(0))
        assert Decimal(row["total"]) == Decimal(row["total_net"]) + Decimal(row["total_vat"])
        for line in row["lines"]:
            assert Decimal(line["total_net"]) % 1 == 0
            assert line["product_ref"] is None or Decimal(line["unitprice"]) == prices[line["product_ref"]]


def test_customers_are_those_of_the_company(still: Talk) -> None:
    rows = still.control("truth", service="hanbai", entity="customer")["rows"]
    assert [(row["customer_code"], row["ref"], row["zip"]) for row in rows] == [
        (one.code, one.name, one.postal_code) for one in customers(DEFAULT_SEED)
    ]


def test_the_truth_is_what_the_list_sends(still: Talk) -> None:
    truth = still.control("truth", service="hanbai", entity="invoices")["rows"]
    for row, sent in zip(truth, rows_of(still.invoices(), "invoices"), strict=True):
        told = {one.tag.replace("payement", "payment"): one.text for one in sent if one.tag != "lines"}
        assert told == {name: None if value in (None, "") else str(value) for name, value in row.items() if name != "lines"}
        lines = [{one.tag: one.text for one in item} for item in sent.find("lines")]  # type: ignore[union-attr]
        assert lines == [{name: None if value in (None, "") else str(value) for name, value in line.items()} for line in row["lines"]]


# --- filters ------------------------------------------------------------------------------------------------------------------


def test_a_filter_under_the_wsdls_name_is_ignored_and_works_under_another(still: Talk) -> None:
    every = len(rows_of(still.invoices(), "invoices"))
    assert len(rows_of(still.invoices(status_paid="1"), "invoices")) == every
    paid, unpaid = rows_of(still.invoices(paid="1"), "invoices"), rows_of(still.invoices(paid="0"), "invoices")
    assert {one.findtext("status") for one in paid} == {"2"} and "2" not in {one.findtext("status") for one in unpaid}
    assert len(paid) + len(unpaid) == every and unpaid


def test_customer_and_dates_filter_and_an_empty_filter_is_none(still: Talk) -> None:
    rows = rows_of(still.invoices(), "invoices")
    first, customer = rows[300].findtext("date") or "", rows[300].findtext("customer_id") or ""
    since = rows_of(still.invoices(customer_id="", date_start=first, date_end=first), "invoices")
    assert [one.findtext("id") for one in since] == [one.findtext("id") for one in rows if one.findtext("date") == first]
    of_one = rows_of(still.invoices(customer_id=customer), "invoices")
    assert of_one and {one.findtext("customer_id") for one in of_one} == {customer}


def test_customers_are_filtered_by_a_part_of_their_name(still: Talk) -> None:
    root = etree.fromstring(still.hanbai("getListOfCustomers", "<filtercustomer><name>髙嶺</name></filtercustomer>").content)
    names = [one.findtext("ref") for one in rows_of(root, "customers")]
    assert names == [one.name for one in customers(DEFAULT_SEED) if "髙嶺" in one.name] and names


# --- refusals -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"hanbaikey": "wrong"}, "BAD_VALUE_FOR_SECURITY_KEY"),
        ({"hanbaikey": ""}, "BAD_VALUE_FOR_SECURITY_KEY"),
        ({"login": "someone"}, "BAD_CREDENTIALS"),
        ({"password": "wrong"}, "BAD_CREDENTIALS"),
    ],
)
def test_wrong_credentials_are_a_result_code_inside_a_200_and_give_no_row(still: Talk, changed: dict[str, str], code: str) -> None:
    reply = still.hanbai("getListOfCustomers", "<filtercustomer/>", still.authentication(**changed))
    root = etree.fromstring(reply.content)
    assert (reply.status_code, text_of(root, "result_code")) == (200, code)
    nothing = root.find(".//customers")
    assert nothing is not None and nothing.get(NIL) == "true" and not len(nothing)


def test_a_call_without_credentials_or_without_a_key_to_look_for_is_refused_in_a_200(still: Talk) -> None:
    assert text_of(etree.fromstring(still.hanbai("getVersions", "", "").content), "result_code") == "BAD_VALUE_FOR_SECURITY_KEY"
    assert text_of(etree.fromstring(still.hanbai("getInvoice", "<id/><ref/>").content), "result_code") == "BAD_PARAMETERS"


def _call(inner: str, soap: str = SOAP11) -> str:
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{inner}</s:Body></s:Envelope>'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<a><b></a>", "XML error parsing SOAP payload"),
        ("", "XML error parsing SOAP payload"),
        ('<!DOCTYPE s [<!ENTITY a "x">]>' + _call(f'<n:getVersions xmlns:n="{HANBAI}"/>'), "XML error parsing SOAP payload"),
        (_call(f'<n:dropAll xmlns:n="{HANBAI}"/>'), "Operation 'dropAll' is not defined in the WSDL for this service"),
        (_call(f'<n:getVersions xmlns:n="{HANBAI}"/>', SOAP12), "no SOAP 1.1 body"),
    ],
)
def test_what_nusoap_cannot_read_is_a_fault_with_500(still: Talk, body: str, says: str) -> None:
    reply = still.post("hanbai", body)
    root = etree.fromstring(reply.content)
    assert reply.status_code == 500 and root.findtext(f".//{{{SOAP11}}}Fault/faultcode") == "SOAP-ENV:Client"
    assert says in (root.findtext(f".//{{{SOAP11}}}Fault/faultstring") or "")


def test_replies_are_utf_8_whatever_the_wsdl_says(still: Talk) -> None:
    reply = still.hanbai("getCustomer", "<id>10</id>")
    assert reply.headers["content-type"] == "text/xml; charset=UTF-8" and b'encoding="UTF-8"' in reply.content[:60]
    assert customers(DEFAULT_SEED)[9].name in reply.content.decode("utf-8")


# --- life ---------------------------------------------------------------------------------------------------------------------


def test_days_bring_invoices_and_move_old_ones_on_the_same_for_one_jump_and_for_many(moving: Talk, tmp_path: Path) -> None:
    before = {row["id"]: row for row in moving.control("truth", service="hanbai", entity="invoices")["rows"]}
    for _ in range(3):
        moving.control("advance", days=1)
    after = moving.control("truth", service="hanbai", entity="invoices")["rows"]
    new, changed = [row for row in after if row["id"] not in before], [row for row in after if before.get(row["id"], row) != row]
    assert 6 <= len(new) <= 18 and changed and all(row["tms"] > before[row["id"]]["tms"] for row in changed)
    assert all(row["status"] > before[row["id"]]["status"] for row in changed)
    assert [row["ref"] for row in rows(moving)] == [row["ref"] for row in after]
    with serving(tmp_path / "other") as settings:
        other = Talk(settings)
        other.control("advance", days=3)
        assert other.control("truth", service="hanbai", entity="invoices")["rows"] == after


def rows(talk: Talk) -> list[dict[str, str | None]]:
    return [{one.tag: one.text for one in row} for row in rows_of(talk.invoices(), "invoices")]


def test_the_list_grows_as_asked_and_stays_one_reply(moving: Talk) -> None:
    assert moving.control("grow", rows=2_000) == {"entity": "invoices", "count": 2_600}
    root = moving.invoices()
    assert len(rows_of(root, "invoices")) == counted(root, "invoices") == 2_600
    moving.control("advance", days=1)
    ids = [row["id"] for row in moving.control("truth", service="hanbai", entity="invoices")["rows"]]
    assert ids == [str(number) for number in range(1, len(ids) + 1)] and len(ids) > 2_600
    assert "at least 1" in moving.refusal("grow", rows=0)


def test_the_truth_names_what_there_is(still: Talk) -> None:
    assert "invoices, customers, invoice, customer" in still.refusal("truth", service="hanbai", entity="ghosts")
    assert "no such service" in still.refusal("truth", service="kaikei", entity="invoices")
