"""The samples for open-source systems, each against a server that answers as the system does. Odoo has no SOAP, so it has none here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from soap_systems import Answer, Asked, answered, running, sample

from connectors.errors import AccessRefused, BrokenReply, SourceError, SourceUnavailable
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC))


def test_dolibarr_gives_its_list_at_once_to_a_call_that_has_the_credentials_inside(tmp_path: Path) -> None:
    with running("dolibarr.wsdl", lambda _: "dolibarr-list.xml") as system:
        with sample("dolibarr", "dolibarr/third-parties", system, tmp_path) as parties:
            assert parties.rows() == [
                {"id": "1", "name": "株式会社さくら", "address": "神田1-2", "postal_code": None},
                {"id": "2", "name": "A & B", "address": None, "postal_code": "101-0001"},
            ]
        (asked,) = system.asked
        at = "getListOfThirdParties"
        assert [leaf for leaf in asked.body if "@" not in leaf[0]] == [
            (f"{at}/authentication/dolibarrkey", "its-DOLIBARR_KEY"),
            (f"{at}/authentication/sourceapplication", "its-DOLIBARR_APPLICATION"),
            (f"{at}/authentication/login", "its-DOLIBARR_USER"),
            (f"{at}/authentication/password", "its-DOLIBARR_PASSWORD"),
            (f"{at}/authentication/entity", ""),
            (f"{at}/filterthirdparty/client", ""),
            (f"{at}/filterthirdparty/supplier", ""),
        ]
        assert (f"{at}/authentication@type", "t1:authentication") in asked.body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("dolibarr-refused.xml", AccessRefused),
        ("dolibarr-busy.xml", SourceUnavailable),
        ("dolibarr-error.xml", SourceError),
        ("dolibarr-short.xml", BrokenReply),
    ],
)
def test_dolibarr_says_what_is_wrong_inside_of_http_200(answer: str, error: type[Exception], tmp_path: Path) -> None:
    with running("dolibarr.wsdl", lambda _: answer) as system:
        with sample("dolibarr", "dolibarr/third-parties", system, tmp_path) as parties, pytest.raises(error) as caught:
            parties.pages()
        assert type(caught.value) is error and len(system.asked) == 1


def test_what_dolibarr_does_not_find_is_no_row(tmp_path: Path) -> None:
    with answered("dolibarr.wsdl", "dolibarr-none.xml", "dolibarr", "dolibarr/third-parties", tmp_path) as parties:
        assert parties.rows() == []


def adempiere(total: int, rows: Sequence[str]) -> bytes:
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        '<ns1:queryDataResponse xmlns:ns1="http://idempiere.org/ADInterface/1_0">'
        f'<WindowTabData NumRows="{len(rows)}" TotalRows="{total}" StartRow="0" xmlns="http://idempiere.org/ADInterface/1_0">'
        f"<DataSet>{''.join(rows)}</DataSet><RowCount>{len(rows)}</RowCount><Success>true</Success></WindowTabData>"
        "</ns1:queryDataResponse></soap:Body></soap:Envelope>"
    ).encode()


def order(number: int, *more: str) -> str:
    known = {"DocumentNo": f"{80000 + number}", "DocStatus": "CO", "GrandTotal": "1200.50", "IsSOTrx": "Y"}
    fields = [f'<field column="{name}"><val>{value}</val></field>' for name, value in known.items()]
    # The order of columns is the administrator's.
    return f"<DataRow>{''.join(reversed(fields)) if number % 2 else ''.join(fields)}{''.join(more)}</DataRow>"


def idempiere(asked: Asked) -> Answer:
    orders = [order(number) for number in range(1100)]
    skip, take = int(asked.text("Offset") or 0), int(asked.text("Limit") or 0)
    return adempiere(len(orders), orders[skip : skip + take])


def test_idempiere_s_fields_become_columns_by_their_names(tmp_path: Path) -> None:
    with running("idempiere.wsdl", idempiere) as system, sample("idempiere", "idempiere/orders", system, tmp_path) as orders:
        rows = orders.rows()
        assert [row["order"] for row in rows] == [f"{80000 + number}" for number in range(1100)]
        assert {tuple(row.values())[1:] for row in rows} == {("CO", Decimal("1200.50"), True)}
        assert [(one.text("Offset"), one.text("Limit")) for one in system.asked] == [("0", "500"), ("500", "500"), ("1000", "500")]
        crud, login = "queryData/ModelCRUDRequest/ModelCRUD", "queryData/ModelCRUDRequest/ADLoginRequest"
        assert system.asked[0].body == [
            (f"{crud}/serviceType", "po-query"),
            (f"{crud}/TableName", "C_Order"),
            (f"{crud}/Limit", "500"),
            (f"{crud}/Offset", "0"),
            (f"{crud}/Action", "Read"),
            (f"{login}/user", "its-IDEMPIERE_USER"),
            (f"{login}/pass", "its-IDEMPIERE_PASSWORD"),
            (f"{login}/lang", "ja_JP"),
            (f"{login}/ClientID", "11"),
            (f"{login}/RoleID", "102"),
            (f"{login}/OrgID", "0"),
            (f"{login}/WarehouseID", "0"),
            (f"{login}/stage", "9"),
        ]


def test_idempiere_since_an_instant_is_a_condition_of_its_database(tmp_path: Path) -> None:
    with running("idempiere.wsdl", lambda _: adempiere(0, [])) as system:
        with sample("idempiere", "idempiere/orders", system, tmp_path) as orders:
            assert orders.rows(SINCE) == []
        assert system.asked[0].text("Filter") == "Updated >= '2026-11-03 10:00:00'"


def test_an_idempiere_field_that_comes_twice_holds_its_row_and_a_wrong_login_is_told(tmp_path: Path) -> None:
    twice = adempiere(1, [order(0, '<field column="GrandTotal"><val>1.00</val></field>')])
    with answered("idempiere.wsdl", twice, "idempiere", "idempiere/orders", tmp_path / "a") as orders:
        (page,) = orders.pages()
        assert page.rows.num_rows == 0 and [one.column for one in page.rejects] == ["total"]
    failed = adempiere(0, []).replace(b"<Success>true", "<Error>ログインに失敗しました</Error><Success>false".encode())
    with answered("idempiere.wsdl", failed, "idempiere", "idempiere/orders", tmp_path / "b") as orders:
        with pytest.raises(SourceError, match="ログインに失敗") as caught:
            orders.pages()
        assert caught.value.code == "soap.not_ok"


def entry(key: str, value: str) -> str:
    return f'<map-Entry><map-Key><std-String value="{key}"/></map-Key><map-Value>{value}</map-Value></map-Entry>'


def ofbiz_reply(*entries: str) -> bytes:
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        f'<performFindListResponse xmlns="http://ofbiz.apache.org/service/"><map-Map>{"".join(entries)}</map-Map>'
        "</performFindListResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()


def header(number: int) -> str:
    stamp = '<sql-Timestamp value="2026-11-03T10:00:00.5"/>'
    nothing = '<null xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    total = nothing if number == 3 else '<std-BigDecimal value="1200.5000000000"/>'
    inner = [entry("orderId", f'<std-String value="WS{number:05}"/>'), entry("grandTotal", total), entry("lastUpdatedStamp", stamp)]
    return f"<map-Map>{''.join(inner)}{entry('orderName', nothing)}</map-Map>"


def asked_for(asked: Asked) -> dict[str, str]:
    """The entries of the request's map, and of a map inside of it."""
    values = [text for path, text in asked.body if path.endswith("@value")]
    return dict(zip(values[0::2], values[1::2], strict=False))


def ofbiz(asked: Asked) -> Answer:
    values = asked_for(asked)
    index, size = int(values["viewIndex"]), int(values["viewSize"])
    page = [header(number) for number in range(450)][index * size : (index + 1) * size]
    return ofbiz_reply(
        entry("listSize", '<std-Integer value="450"/>'),
        entry("list", f"<col-LinkedList>{''.join(page)}</col-LinkedList>"),
        entry("responseMessage", '<std-String value="success"/>'),
    )


def test_ofbiz_s_maps_become_rows_and_its_list_s_size_the_end(tmp_path: Path) -> None:
    with running("ofbiz.wsdl", ofbiz) as system, sample("ofbiz", "ofbiz/orders", system, tmp_path) as orders:
        rows = orders.rows()
        assert [row["order"] for row in rows] == [f"WS{number:05}" for number in range(450)]
        assert [row["total"] for row in rows[2:5]] == [Decimal("1200.50"), None, Decimal("1200.50")]
        assert rows[0]["changed_at"] == datetime(2026, 11, 3, 1, 0, 0, 500000, UTC)
        sent = [asked_for(one) for one in system.asked]
        assert [one["viewIndex"] for one in sent] == ["0", "1", "2"]
        assert sent[0] == {
            "login.username": "its-OFBIZ_USER",
            "login.password": "its-OFBIZ_PASSWORD",
            "entityName": "OrderHeader",
            "orderBy": "orderId",
            "noConditionFind": "Y",
            "viewIndex": "0",
            "viewSize": "200",
        }


def test_ofbiz_since_an_instant_is_asked_by_two_fields_of_a_map(tmp_path: Path) -> None:
    with running("ofbiz.wsdl", ofbiz) as system, sample("ofbiz", "ofbiz/orders", system, tmp_path) as orders:
        orders.rows(SINCE)
        texts = [text for path, text in system.asked[0].body if path.endswith("@value")][-5:]
        greater = ["lastUpdatedStamp_fld0_op", "greaterThanEqualTo"]
        assert texts == ["inputFields", *greater, "lastUpdatedStamp_fld0_value", "2026-11-03 10:00:00"]


def test_ofbiz_says_error_in_a_map_of_http_200(tmp_path: Path) -> None:
    failed = ofbiz_reply(
        entry("errorMessage", '<std-String value="User authorization is required for this service"/>'),
        entry("responseMessage", '<std-String value="error"/>'),
    )
    with running("ofbiz.wsdl", lambda _: failed) as system, sample("ofbiz", "ofbiz/orders", system, tmp_path) as orders:
        with pytest.raises(SourceError, match="User authorization is required") as caught:
            orders.pages()
        assert caught.value.code == "soap.not_ok"
