"""The sandbox ERP on a real socket, read with zeep and with plain HTTP: contract, paging, errors, TLS, control verbs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import zeep
from erp_talk import ADMIN, ORIGIN, serving
from lxml import etree

from infra.sandbox.company.trade import DEFAULT_SEED, items, suppliers
from infra.sandbox.erp.app import describe
from infra.sandbox.settings import Settings

NS = "urn:sakura-seiki.example:erp:"
SOAP11, SOAP12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A server at its origin that no test moves, evolves or leaves faulty."""
    with serving(tmp_path_factory.mktemp("erp")) as settings:
        yield settings


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Settings]:
    """A server of this test alone."""
    with serving(tmp_path) as settings:
        yield settings


def _url(settings: Settings) -> str:
    return f"{settings.http_url}/erp/ws/SakuraErp"


def _auth(settings: Settings) -> tuple[str, str]:
    told = describe(settings)
    return told["user"], told["password"]


class _OneHost(requests.Session):
    """Refuses to fetch from anywhere but the sandbox, so that a schema import cannot lead out."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.trust_env = False
        self.auth = _auth(settings)
        self._netloc = urlsplit(_url(settings)).netloc
        self.fetched: list[str] = []

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        assert urlsplit(str(url)).netloc == self._netloc
        self.fetched.append(str(url))
        return super().request(method, url, *args, **kwargs)


def _zeep(settings: Settings, port: str = "SakuraErpSoap") -> zeep.Client:
    transport = zeep.Transport(session=_OneHost(settings), operation_timeout=20)
    # forbid_external would refuse the service's own ?xsd= imports too; _OneHost is what keeps them at home.
    return zeep.Client(f"{_url(settings)}?wsdl", transport=transport, port_name=port, settings=zeep.Settings(strict=True, forbid_dtd=True))


def _control(settings: Settings, verb: str, **body: Any) -> dict[str, Any]:
    reply = httpx.post(f"{settings.http_url}/_sandbox/{verb}", json=body, headers={"X-Sandbox-Admin": ADMIN}, trust_env=False, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _post(settings: Settings, body: str | bytes, **headers: str) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    sent = {"content-type": "text/xml; charset=utf-8", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(_url(settings), content=content, headers=sent, auth=_auth(settings), trust_env=False, timeout=20)


def _envelope(inner: str, soap: str = SOAP11) -> str:
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{inner}</s:Body></s:Envelope>'


def _read(entity: str, size: int, bookmark: str = "", filters: str = "", page: str = "") -> str:
    page = (
        page
        or {"Items": "items", "Suppliers": "suppliers", "PurchaseOrders": "purchase-orders", "StockMovements": "stock-movements"}[entity]
    )
    return _envelope(
        f'<ReadMultiple{entity} xmlns="{NS}{page}">{filters}<bookmarkKey>{bookmark}</bookmarkKey><setSize>{size}</setSize></ReadMultiple{entity}>'
    )


def _text(root: etree._Element, name: str) -> str | None:
    return root.findtext(f".//{{*}}{name}")


def _pages(settings: Settings, entity: str, row: str, identity: str, size: int) -> list[list[str]]:
    pages: list[list[str]] = []
    bookmark = ""
    while True:
        root = etree.fromstring(_post(settings, _read(entity, size, bookmark)).content, etree.XMLParser(huge_tree=True))
        rows = root.findall(f".//{{*}}{row}")
        assert _text(root, "ResultCode") == "OK" and int(_text(root, "RowCount") or -1) == len(rows)
        pages.append([one.findtext(f"{{*}}{identity}") or "" for one in rows])
        if not rows:
            return pages
        bookmark = rows[-1].findtext("{*}Key") or ""


@pytest.mark.parametrize("port", ["SakuraErpSoap", "SakuraErpSoap12"])
def test_strict_zeep_loads_the_wsdl_and_reads_items_and_orders(still: Settings, port: str) -> None:
    client = _zeep(still, port)
    page = client.service.ReadMultipleItems(filter=[], bookmarkKey=None, setSize=0)
    assert (page.ResultCode, page.RowCount, len(page.ReadMultiple_Result.Item)) == ("OK", 300, 300)
    by_no = {row.No: row for row in page.ReadMultiple_Result.Item}
    for item in items(DEFAULT_SEED):
        row = by_no[item.code]
        assert (row.Description, row.Unit_Price, row.Item_Category, row.Purchased) == (item.name, item.price, item.category, item.purchased)
    orders = client.service.ReadMultiplePurchaseOrders(filter=[], bookmarkKey=None, setSize=200).ReadMultiple_Result.Purchase_Order
    assert len(orders) == 200
    for order in orders:
        lines = order.Purch_Lines.Purch_Line if order.Purch_Lines else []
        assert order.Amount == sum((line.Line_Amount for line in lines), Decimal(0))
        assert isinstance(order.Order_Date, date) and order.Last_Modified.utcoffset() is not None


def test_zeep_filters_counts_and_reads_roles(still: Settings) -> None:
    client = _zeep(still)
    chosen = [{"Field": "No", "Criteria": "S0001..S0003|S0040"}]
    page = client.service.ReadMultipleSuppliers(filter=chosen, setSize=0)
    assert [row.Name for row in page.ReadMultiple_Result.Supplier] == [suppliers(DEFAULT_SEED)[n].name for n in (0, 1, 2, 39)]
    assert client.service.CountSuppliers(filter=chosen).Count == 4
    assert client.service.CountStockMovements().Count == 30_000
    roles = client.service.ReadRoles()
    assert roles.RowCount == len(roles.Roles.Role_Entry) == _control(still, "truth", entity="roles")["count"]
    assert {"ALL_STAFF", "PURCHASING", "SALES", "ENGINEERING", "PLANT"} == {row.Role for row in roles.Roles.Role_Entry}


def test_filters_on_two_columns_both_hold(still: Settings) -> None:
    client = _zeep(still)
    recent = {"Field": "Last_Modified", "Criteria": "2026-01-01T00:00:00Z.."}
    both = client.service.ReadMultipleItems(filter=[recent, {"Field": "No", "Criteria": "SP-*"}], setSize=0).ReadMultiple_Result.Item
    rows = _control(still, "truth", entity="items")["rows"]
    assert [row.No for row in both] == [r["No"] for r in rows if r["No"].startswith("SP-") and r["Last_Modified"] >= "2026-01-01T00:00:00Z"]
    assert both


def test_every_document_comes_from_the_host_that_was_asked(still: Settings) -> None:
    transport = zeep.Transport(session=(session := _OneHost(still)))
    zeep.Client(f"{_url(still)}?wsdl", transport=transport)
    assert {urlsplit(url).query for url in session.fetched} >= {
        "wsdl",
        "xsd=types.xsd",
        "xsd=items.xsd",
        "xsd=suppliers.xsd",
        "xsd=purchase-orders.xsd",
        "xsd=purchase-lines.xsd",
        "xsd=stock-movements.xsd",
        "xsd=roles.xsd",
    }
    by_address = httpx.get(f"http://127.0.0.1:{still.http_port}/erp/ws/SakuraErp?WSDL", auth=_auth(still), trust_env=False).text
    assert (
        f'schemaLocation="http://127.0.0.1:{still.http_port}/erp/ws/SakuraErp?xsd=items.xsd"' in by_address
        and "localhost" not in by_address
    )


def test_the_xsd_states_facets_nil_and_absence(still: Settings) -> None:
    fetched = {
        name: etree.fromstring(httpx.get(f"{_url(still)}?xsd={name}.xsd", auth=_auth(still), trust_env=False).content)
        for name in ("types", "items", "purchase-lines")
    }
    xsd = {"x": "http://www.w3.org/2001/XMLSchema"}
    price = fetched["types"].find("x:simpleType[@name='UnitPrice']/x:restriction", xsd)
    assert price is not None
    assert {etree.QName(facet).localname: facet.get("value") for facet in price} == {"totalDigits": "15", "fractionDigits": "4"}
    item = "x:complexType[@name='Item']/x:sequence/x:element[@name='{}']"
    assert fetched["items"].find(item.format("規格"), xsd).get("minOccurs") == "0"
    assert fetched["items"].find(item.format("Net_Weight"), xsd).get("nillable") == "true"
    assert len(fetched["items"].findall("x:simpleType[@name='Item_Category']/x:restriction/x:enumeration", xsd)) == 10
    line = fetched["purchase-lines"].find("x:complexType[@name='Purch_Line_List']/x:sequence/x:element", xsd)
    assert line is not None and line.get("maxOccurs") == "unbounded"


def test_paging_walks_every_stock_movement_exactly_once_and_ends_on_an_empty_page(still: Settings) -> None:
    pages = _pages(still, "StockMovements", "Stock_Movement", "Entry_No", 4_000)
    assert [len(page) for page in pages] == [4_000] * 7 + [2_000, 0]
    assert [int(no) for page in pages for no in page] == list(range(1, 30_001))


def test_a_last_page_exactly_full_is_followed_by_an_empty_one(still: Settings) -> None:
    pages = _pages(still, "Items", "Item", "No", 100)
    assert [len(page) for page in pages] == [100, 100, 100, 0]
    assert [no for page in pages for no in page] == [item.code for item in items(DEFAULT_SEED)]


def test_asking_for_all_is_still_capped_and_the_walk_still_complete(still: Settings) -> None:
    assert [len(page) for page in _pages(still, "StockMovements", "Stock_Movement", "Entry_No", 0)] == [5_000] * 6 + [0]


def test_a_negative_size_reads_from_the_end(still: Settings) -> None:
    root = etree.fromstring(_post(still, _read("StockMovements", -3)).content)
    assert [one.text for one in root.findall(".//{*}Entry_No")] == ["30000", "29999", "29998"]


@pytest.mark.parametrize(
    ("filters", "bookmark", "code"),
    [
        ("<filter><Field>Nummer</Field><Criteria>1</Criteria></filter>", "", "FILTER_ERROR"),
        ("<filter><Field>Last_Modified</Field><Criteria>昨日..</Criteria></filter>", "", "FILTER_ERROR"),
        ("", "9;bm9wZQ==;27", "BOOKMARK_ERROR"),
    ],
)
def test_application_errors_come_inside_http_200_with_no_rows(still: Settings, filters: str, bookmark: str, code: str) -> None:
    reply = _post(still, _read("Items", 10, bookmark, filters))
    root = etree.fromstring(reply.content)
    assert (reply.status_code, _text(root, "ResultCode"), _text(root, "RowCount")) == (200, code, "0")
    assert _text(root, "ResultMessage") and root.find(".//{*}Item") is None


def test_a_wrong_filter_in_a_count_is_an_application_error_without_a_count(still: Settings) -> None:
    body = _envelope(f'<CountItems xmlns="{NS}items"><filter><Field>X</Field><Criteria/></filter></CountItems>')
    root = etree.fromstring(_post(still, body).content)
    assert _text(root, "ResultCode") == "FILTER_ERROR" and _text(root, "Count") is None


_BOMB = '<!DOCTYPE s [<!ENTITY a "x">]>' + _read("Items", 1)
_MUST = _read("Items", 1).replace("<s:Body>", '<s:Header><x:Sign xmlns:x="urn:x" s:mustUnderstand="1"/></s:Header><s:Body>')


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<a><b></a>", "MALFORMED"),
        ("", "MALFORMED"),
        (_read("Items", 1)[:-20], "MALFORMED"),
        (_BOMB, "DOCTYPE_REFUSED"),
        ("<html/>", "VERSION_MISMATCH"),
        (_envelope(""), "MALFORMED"),
        (_envelope(f'<DeleteItems xmlns="{NS}items"/>'), "UNKNOWN_OPERATION"),
        (_read("Items", 1, page="suppliers"), "BAD_NAMESPACE"),
        (_envelope("<ReadMultipleItems><setSize>1</setSize></ReadMultipleItems>"), "BAD_NAMESPACE"),
        (_envelope(f'<i:ReadMultipleItems xmlns:i="{NS}items"><setSize>1</setSize></i:ReadMultipleItems>'), "BAD_NAMESPACE"),
        (_envelope(f'<ReadMultipleItems xmlns="{NS}items"><setSize>many</setSize></ReadMultipleItems>'), "BAD_ARGUMENT"),
        (_envelope(f'<ReadMultipleItems xmlns="{NS}items"/>'), "BAD_ARGUMENT"),
        (_envelope(f'<ReadMultipleItems xmlns="{NS}items"><setSize>1</setSize><page>2</page></ReadMultipleItems>'), "BAD_ARGUMENT"),
        (_MUST, "MUST_UNDERSTAND"),
    ],
)
def test_a_request_that_cannot_be_served_is_a_fault_with_http_500(still: Settings, body: str, code: str) -> None:
    reply = _post(still, body)
    root = etree.fromstring(reply.content)
    assert (reply.status_code, _text(root, "Code")) == (500, code)
    assert root.find(f"{{{SOAP11}}}Body/{{{SOAP11}}}Fault/faultcode") is not None


def test_a_soap_1_2_request_gets_a_1_2_fault_and_a_wrong_action_is_one(still: Settings) -> None:
    body = _read("Items", 1).replace(SOAP11, SOAP12)
    good = _post(still, body, content_type=f'application/soap+xml; charset=utf-8; action="{NS}items:ReadMultipleItems"')
    assert good.status_code == 200 and good.headers["content-type"].startswith("application/soap+xml")
    bad = _post(still, body, content_type=f'application/soap+xml; charset=utf-8; action="{NS}items:CountItems"')
    root = etree.fromstring(bad.content)
    assert bad.status_code == 500 and bad.headers["content-type"].startswith("application/soap+xml")
    assert _text(root, "Value") == "soap:Sender" and root.find(".//{*}Detail/{*}ErpFault/{*}Code").text == "ACTION_MISMATCH"


def test_wrong_or_missing_credentials_are_refused_for_documents_and_service(still: Settings) -> None:
    user, password = _auth(still)
    for auth in (None, (user, password + "x"), ("someone", password)):
        for reply in (
            httpx.get(f"{_url(still)}?wsdl", auth=auth, trust_env=False),
            httpx.get(f"{_url(still)}?xsd=items.xsd", auth=auth, trust_env=False),
            httpx.post(_url(still), content=_read("Items", 1), auth=auth, trust_env=False),
        ):
            assert reply.status_code == 401 and reply.headers["www-authenticate"].startswith("Basic") and "Item" not in reply.text


def test_a_document_there_is_not_is_404(still: Settings) -> None:
    for query in ("?xsd=secret.xsd", "?xsd=../types.xsd", ""):
        assert httpx.get(_url(still) + query, auth=_auth(still), trust_env=False).status_code == 404


def test_every_answer_is_marked_as_coming_from_the_sandbox(still: Settings) -> None:
    assert httpx.get(f"{_url(still)}?wsdl", trust_env=False).headers["x-fortnight-sandbox"] == "1"


def test_over_tls_the_wsdl_points_to_https(tmp_path: Path) -> None:
    with serving(tmp_path, tls=True) as settings:
        trust = ssl.create_default_context(cafile=str(settings.ca_file))
        told = describe(settings)
        reply = httpx.get(told["wsdl"], auth=(told["user"], told["password"]), verify=trust, trust_env=False)
        assert reply.status_code == 200 and f'location="https://localhost:{settings.https_port}/erp/ws/SakuraErp"' in reply.text


def test_the_truth_is_what_the_service_sends(still: Settings) -> None:
    for entity, plural, row in (("items", "Items", "Item"), ("purchase_orders", "PurchaseOrders", "Purchase_Order")):
        rows = _control(still, "truth", entity=entity)["rows"]
        root = etree.fromstring(_post(still, _read(plural, 0)).content)
        for truth, sent in zip(rows, root.findall(f".//{{*}}{row}"), strict=True):
            assert {etree.QName(one).localname for one in sent} == set(truth)
            flat = {etree.QName(one).localname: one.text or "" for one in sent if not len(one) and not one.attrib}
            assert {name: value for name, value in flat.items() if isinstance(truth[name], str)} == {
                name: value for name, value in truth.items() if isinstance(value, str)
            }
    assert "rows" not in _control(still, "truth", entity="stock_movements", count_only=True)


def test_advancing_the_clock_adds_movements_and_changes_prices(moving: Settings) -> None:
    client = _zeep(moving)
    new = [{"Field": "Last_Modified", "Criteria": f">{ORIGIN.strftime('%Y-%m-%dT%H:%M:%SZ')}"}]
    assert client.service.CountStockMovements(filter=new).Count == client.service.CountItems(filter=new).Count == 0
    _control(moving, "advance", days=2)
    added = client.service.CountStockMovements(filter=new).Count
    assert 120 <= added <= 240
    assert (
        client.service.CountStockMovements().Count
        == 30_000 + added
        == _control(moving, "truth", entity="stock_movements", count_only=True)["count"]
    )
    assert client.service.CountItems(filter=new).Count > 0 and client.service.CountPurchaseOrders(filter=new).Count > 0


def test_evolving_changes_the_documents_and_the_replies_and_an_old_client_notices(moving: Settings) -> None:
    old = _zeep(moving)
    assert "Sales_Price" in _control(moving, "evolve", kind="rename_element")["elements"]
    with pytest.raises(zeep.exceptions.XMLParseError):
        old.service.ReadMultipleItems(setSize=1)
    row = _zeep(moving).service.ReadMultipleItems(setSize=1).ReadMultiple_Result.Item[0]
    assert row.Sales_Price == items(DEFAULT_SEED)[0].price and not hasattr(row, "Unit_Price")
    assert "Unit_Price" in _control(moving, "evolve", kind="restore")["elements"]
    assert old.service.ReadMultipleItems(setSize=1).ReadMultiple_Result.Item[0].Unit_Price == items(DEFAULT_SEED)[0].price


def test_control_refuses_a_wrong_token_and_explains_a_wrong_request(still: Settings) -> None:
    url = f"{still.http_url}/_sandbox/truth"
    assert httpx.post(url, json={"entity": "items"}, headers={"X-Sandbox-Admin": "guess"}, trust_env=False).status_code == 403
    wrong = httpx.post(url, json={"entity": "ghosts"}, headers={"X-Sandbox-Admin": ADMIN}, trust_env=False)
    assert wrong.status_code == 400 and "purchase_orders" in wrong.json()["error"]


@pytest.fixture
def faulty(still: Settings) -> Iterator[Settings]:
    yield still
    _control(still, "heal")


def test_a_fault_503_says_when_to_come_back_and_lasts_as_long_as_asked(faulty: Settings) -> None:
    _control(faulty, "fault", kind="503", count=2)
    replies = [_post(faulty, _read("Items", 1)) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert replies[0].headers["retry-after"] == "1"


def test_a_truncated_reply_is_complete_http_and_incomplete_xml(faulty: Settings) -> None:
    _control(faulty, "fault", kind="truncate", at=0.99)
    reply = _post(faulty, _read("Items", 50))
    assert reply.status_code == 200 and int(reply.headers["content-length"]) == len(reply.content)
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(reply.content)


def test_a_dropped_connection_ends_before_the_promised_length(faulty: Settings) -> None:
    _control(faulty, "fault", kind="drop")
    with pytest.raises(httpx.RemoteProtocolError):
        _post(faulty, _read("Items", 50))


def test_zeep_raises_the_fault_the_server_sent(faulty: Settings) -> None:
    _control(faulty, "fault", kind="fault500")
    with pytest.raises(zeep.exceptions.Fault, match="内部エラー") as caught:
        _zeep(faulty).service.ReadMultipleItems(setSize=1)
    assert caught.value.code == "soap:Server"


def test_html_with_200_is_no_soap_and_faults_come_with_500_and_with_200(faulty: Settings) -> None:
    for kind in ("html200", "fault500", "fault200", "empty200"):
        _control(faulty, "fault", kind=kind)
    html, with_500, with_200, empty = (_post(faulty, _read("Items", 1)) for _ in range(4))
    assert html.status_code == 200 and html.headers["content-type"].startswith("text/html")
    assert (with_500.status_code, with_200.status_code) == (500, 200)
    assert _text(etree.fromstring(with_500.content), "faultcode") == _text(etree.fromstring(with_200.content), "faultcode") == "soap:Server"
    assert (empty.status_code, empty.content) == (200, b"")


def test_a_slow_answer_comes_whole_after_a_wait_a_client_may_not_have(faulty: Settings) -> None:
    _control(faulty, "fault", kind="slow", count=2, seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(_url(faulty), content=_read("Items", 1), auth=_auth(faulty), trust_env=False, timeout=0.1)
    assert _text(etree.fromstring(_post(faulty, _read("Items", 1)).content), "RowCount") == "1"


def test_a_wrong_count_and_a_database_error_come_inside_http_200(faulty: Settings) -> None:
    _control(faulty, "fault", kind="wrong_count")
    _control(faulty, "fault", kind="app_error")
    first, second = (etree.fromstring(_post(faulty, _read("Items", 10)).content) for _ in range(2))
    assert _text(first, "RowCount") == "11" and len(first.findall(".//{*}Item")) == 10
    assert _text(second, "ResultCode") == "DB_ERROR" and second.find(".//{*}Item") is None


def test_faults_can_wait_for_a_later_page_or_hit_the_wsdl_and_heal_ends_them(faulty: Settings) -> None:
    _control(faulty, "fault", kind="503", after=1, count=5)
    _control(faulty, "fault", kind="html200", on="wsdl")
    assert [_post(faulty, _read("Items", 1)).status_code for _ in range(2)] == [200, 503]
    assert httpx.get(f"{_url(faulty)}?wsdl", auth=_auth(faulty), trust_env=False).headers["content-type"].startswith("text/html")
    assert _control(faulty, "heal")["unmet"] == 1
    assert _post(faulty, _read("Items", 1)).status_code == 200
