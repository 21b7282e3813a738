"""The samples for systems that begin a session or want a token, each against a server that answers as the system does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from soap_systems import Answer, Asked, Said, System, answered, running, sample

from connectors.errors import AccessRefused, BrokenReply, SourceUnavailable
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC))
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def soap(body: str) -> bytes:
    return (
        f'<e:Envelope xmlns:e="{SOAP}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
        f"<e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


def fault(code: str, text: str, namespace: str = "urn:fault") -> Answer:
    return 500, soap(f'<e:Fault><faultcode xmlns:f="{namespace}">{code}</faultcode><faultstring>{text}</faultstring></e:Fault>')


def central(asked: Asked) -> Answer:
    if asked.content.startswith(b"grant_type="):
        return Said(
            b'{"access_token": "token-of-an-hour", "token_type": "Bearer", "expires_in": 3599}',
            headers={"Content-Type": "application/json"},
        )
    return "nav-page-3.xml" if asked.text("bookmarkKey") else "nav-page-2.xml"


def test_business_central_online_is_asked_with_a_token_of_client_credentials(tmp_path: Path) -> None:
    with running("nav.wsdl", central) as system, sample("business-central-online", "bc/items", system, tmp_path) as items:
        assert items.rows() == [{"number": "1002", "changed_on": date(2026, 11, 4)}]
        form, *pages = system.asked
        assert parse_qs(form.content.decode()) == {
            "grant_type": ["client_credentials"],
            "client_id": ["its-BC_CLIENT_ID"],
            "client_secret": ["its-BC_CLIENT_SECRET"],
            "scope": ["https://api.businesscentral.dynamics.com/.default"],
        }
        assert [one.headers["Authorization"] for one in pages] == ["Bearer token-of-an-hour"] * 2


class Salesforce:
    """Three accounts, two to a page; the session ends once, after its first page."""

    def __init__(self, ends: bool = False) -> None:
        self.system: System | None = None
        self.sessions = 0
        self.ends = ends

    def __call__(self, asked: Asked) -> Answer:
        assert self.system is not None
        if asked.called == "login":
            self.sessions += 1
            url = f"{self.system.url}/services/Soap/u/59.0/00D5"
            inner = f"<passwordExpired>false</passwordExpired><serverUrl>{url}</serverUrl><sessionId>session-{self.sessions}</sessionId>"
            return soap(f'<loginResponse xmlns="urn:partner.soap.sforce.com"><result>{inner}</result></loginResponse>')
        if asked.called == "queryMore" and self.ends:
            self.ends = False
            return fault("f:INVALID_SESSION_ID", "INVALID_SESSION_ID: Session expired or invalid", "urn:fault.partner.soap.sforce.com")
        return self.records(asked.called, (1, 2), "01g-2000") if asked.called == "query" else self.records(asked.called, (3,), "")

    def records(self, called: str, numbers: Sequence[int], locator: str) -> bytes:
        made = "".join(
            f'<records xsi:type="sf:sObject" xmlns:sf="urn:sobject.partner.soap.sforce.com"><sf:type>Account</sf:type><sf:Id>001{n}</sf:Id>'
            f"<sf:Id>001{n}</sf:Id><sf:Name>取引先{n}</sf:Name><sf:SystemModstamp>2026-11-03T04:00:0{n}.000Z</sf:SystemModstamp></records>"
            for n in numbers
        )
        end = f"<queryLocator>{locator}</queryLocator>" if locator else '<queryLocator xsi:nil="true"/>'
        inner = f"<done>{'false' if locator else 'true'}</done>{end}{made}<size>3</size>"
        return soap(
            f'<{called}Response xmlns="urn:partner.soap.sforce.com"><result xsi:type="QueryResult">{inner}</result></{called}Response>'
        )


@pytest.mark.parametrize("ends", [False, True])
def test_salesforce_is_queried_in_a_session_that_is_begun_anew_when_it_ends(ends: bool, tmp_path: Path) -> None:
    force = Salesforce(ends)
    with running("salesforce.wsdl", force) as system, sample("salesforce", "salesforce/accounts", system, tmp_path) as accounts:
        force.system = system
        assert [tuple(row.values()) for row in accounts.rows()] == [
            (f"001{n}", f"取引先{n}", datetime(2026, 11, 3, 4, 0, n, tzinfo=UTC)) for n in (1, 2, 3)
        ]
        again = ["queryMore", "login"] if ends else []
        assert system.calls == ["login", "query", *again, "queryMore"]
        login, query, *_, more = system.asked
        assert login.body == [("login/username", "its-SALESFORCE_USER"), ("login/password", "its-SALESFORCE_PASSWORD_AND_TOKEN")]
        assert query.body == [("query/queryString", "SELECT Id, Name, SystemModstamp FROM Account ORDER BY Id")]
        assert more.body == [("queryMore/queryLocator", "01g-2000")] and more.path == "/services/Soap/u/59.0/00D5"
        assert dict(query.header) == {"QueryOptions/batchSize": "2000", "SessionHeader/sessionId": "session-1"}
        assert dict(more.header)["SessionHeader/sessionId"] == ("session-2" if ends else "session-1")


def test_salesforce_since_an_instant_is_a_condition_of_the_query(tmp_path: Path) -> None:
    force = Salesforce()
    with running("salesforce.wsdl", force) as system, sample("salesforce", "salesforce/accounts", system, tmp_path) as accounts:
        force.system = system
        accounts.rows(SINCE)
        assert " WHERE SystemModstamp >= 2026-11-03T01:00:00Z ORDER BY Id" in (system.asked[1].text("queryString") or "")


def test_salesforce_s_faults_are_told_apart(tmp_path: Path) -> None:
    login = fault("f:INVALID_LOGIN", "INVALID_LOGIN: Invalid username, password, security token; or user locked out.")
    with answered("salesforce.wsdl", login, "salesforce", "salesforce/accounts", tmp_path / "a") as accounts, pytest.raises(AccessRefused):
        accounts.pages()
    force = Salesforce()

    def busy(asked: Asked) -> Answer:
        return force(asked) if asked.called == "login" else fault("f:REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    with running("salesforce.wsdl", busy) as system, sample("salesforce", "salesforce/accounts", system, tmp_path / "b") as accounts:
        force.system = system
        with pytest.raises(SourceUnavailable, match="TotalRequests"):
            accounts.pages()


def economic(asked: Asked) -> Answer:
    if asked.called == "ConnectWithToken":
        cookie = {"Set-Cookie": "ASP.NET_SessionId=sqkxyz; path=/; HttpOnly"}
        return Said(
            soap(
                '<ConnectWithTokenResponse xmlns="http://e-conomic.com"><ConnectWithTokenResult>1</ConnectWithTokenResult></ConnectWithTokenResponse>'
            ),
            headers=cookie,
        )
    if asked.called == "Debtor_GetDataArray":
        numbers = re.findall(rb"Number>(\d+)<", asked.content)
        data = "".join(
            f"<DebtorData><Handle><Number>{n.decode()}</Number></Handle><Number>{n.decode()}</Number><Name>Kunde {n.decode()}</Name><Balance>12.50</Balance></DebtorData>"
            for n in numbers
        )
        return soap(
            f'<Debtor_GetDataArrayResponse xmlns="http://e-conomic.com"><Debtor_GetDataArrayResult>{data}</Debtor_GetDataArrayResult></Debtor_GetDataArrayResponse>'
        )
    numbers = ["7"] if asked.called == "Debtor_GetAllUpdated" else [str(n) for n in range(1001, 2101)]
    handles = "".join(f"<DebtorHandle><Number>{n}</Number></DebtorHandle>" for n in numbers)
    return soap(
        f'<{asked.called}Response xmlns="http://e-conomic.com"><{asked.called}Result>{handles}</{asked.called}Result></{asked.called}Response>'
    )


def test_e_conomic_s_records_are_asked_for_in_slices_of_a_list_of_handles(tmp_path: Path) -> None:
    with running("e-conomic.wsdl", economic) as system, sample("e-conomic", "economic/debtors", system, tmp_path) as debtors:
        rows = debtors.rows()
        assert [row["number"] for row in rows] == [str(n) for n in range(1001, 2101)]
        assert rows[0] == {"number": "1001", "name": "Kunde 1001", "balance": Decimal("12.50")}
        assert system.calls == ["ConnectWithToken", "Debtor_GetAll", "Debtor_GetDataArray", "Debtor_GetDataArray"]
        connect, listing, first, second = system.asked
        assert connect.body == [("ConnectWithToken/token", "its-ECONOMIC_TOKEN"), ("ConnectWithToken/appToken", "its-ECONOMIC_APP_TOKEN")]
        at = "Debtor_GetDataArray/entityHandles/DebtorHandle/Number"
        assert first.body == [(at, str(n)) for n in range(1001, 2001)] and second.body == [(at, str(n)) for n in range(2001, 2101)]
        assert {one.headers.get("Cookie") for one in (listing, first, second)} == {"ASP.NET_SessionId=sqkxyz"}


def test_e_conomic_since_an_instant_lists_the_handles_of_what_changed(tmp_path: Path) -> None:
    with running("e-conomic.wsdl", economic) as system, sample("e-conomic", "economic/debtors", system, tmp_path) as debtors:
        assert [row["number"] for row in debtors.rows(SINCE)] == ["7"]
        assert system.asked[1].body == [
            ("Debtor_GetAllUpdated/fromDate", "2026-11-03T02:00:00"),
            ("Debtor_GetAllUpdated/includeCalculatedProperties", "false"),
        ]


class Magento:
    """Two orders; ``over`` answers say that the session is over before."""

    def __init__(self, over: int = 0) -> None:
        self.over, self.sessions = over, 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.called == "login":
            self.sessions += 1
            return soap(
                f'<n:loginResponse xmlns:n="urn:Magento"><loginReturn xsi:type="xsd:string">{self.sessions:032}</loginReturn></n:loginResponse>'
            )
        if self.over:
            self.over -= 1
            return fault("5", "Session expired. Try to relogin.")
        items = "".join(
            f'<item xsi:type="n:salesOrderListEntity"><increment_id xsi:type="xsd:string">1000000{n}</increment_id>'
            f'<updated_at xsi:type="xsd:string">2026-11-03 10:00:00</updated_at><grand_total xsi:type="xsd:string">1200.5000</grand_total></item>'
            for n in (1, 2)
        )
        return soap(
            '<n:salesOrderListResponse xmlns:n="urn:Magento"><result xmlns:c="http://schemas.xmlsoap.org/soap/encoding/" '
            f'c:arrayType="n:salesOrderListEntity[2]" xsi:type="n:salesOrderListEntityArray">{items}</result></n:salesOrderListResponse>'
        )


@pytest.mark.parametrize("over", [0, 1])
def test_magento_takes_its_session_first_and_a_new_one_where_that_is_over(over: int, tmp_path: Path) -> None:
    with running("magento.wsdl", Magento(over)) as system, sample("magento", "magento/orders", system, tmp_path) as orders:
        assert [(row["order"], row["total"]) for row in orders.rows()] == [(f"1000000{n}", Decimal("1200.5000")) for n in (1, 2)]
        assert system.calls == ["login", "salesOrderList"] * (over + 1)
        texts = [leaf for leaf in system.asked[-1].body if "@" not in leaf[0]]
        assert texts == [("salesOrderList/sessionId", f"{over + 1:032}")]
        login = [leaf for leaf in system.asked[0].body if "@" not in leaf[0]]
        assert login == [("login/username", "its-MAGENTO_USER"), ("login/apiKey", "its-MAGENTO_API_KEY")]


def test_magento_since_an_instant_is_a_filter_of_a_key_and_a_condition(tmp_path: Path) -> None:
    with running("magento.wsdl", Magento()) as system, sample("magento", "magento/orders", system, tmp_path) as orders:
        orders.rows(SINCE)
        at = "salesOrderList/filters/complex_filter/item"
        assert [leaf for leaf in system.asked[1].body if "@" not in leaf[0]][1:] == [
            (f"{at}/key", "updated_at"),
            (f"{at}/value/key", "gteq"),
            (f"{at}/value/value", "2026-11-03 01:00:00"),
        ]


@pytest.mark.parametrize(("code", "error"), [("2", AccessRefused), ("1", SourceUnavailable), ("101", BrokenReply)])
def test_magento_s_faults_are_numbers(code: str, error: type[Exception], tmp_path: Path) -> None:
    magento = Magento()

    def failing(asked: Asked) -> Answer:
        return magento(asked) if asked.called == "login" else fault(code, "Access denied.")

    with running("magento.wsdl", failing) as system, sample("magento", "magento/orders", system, tmp_path) as orders:
        with pytest.raises(error) as caught:
            orders.pages()
        assert type(caught.value) is error
