"""The samples for Oracle's systems, each against a server that answers as the system does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from soap_systems import Answer, Asked, answered, running, sample

from connectors.errors import AccessRefused, BrokenReply, SourceError, SourceUnavailable
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC), until=datetime(2026, 11, 4, 1, 0, tzinfo=UTC))


def test_an_ebs_package_is_called_as_a_responsibility_by_a_login_of_ws_security(tmp_path: Path) -> None:
    with running("oracle-ebs.wsdl", lambda _: "oracle-ebs-suppliers.xml") as system:
        with sample("oracle-ebs", "ebs/suppliers", system, tmp_path) as suppliers:
            assert [tuple(row.values()) for row in suppliers.rows()] == [
                (Decimal(1001), "さくら精機", datetime(2026, 11, 3, 1, 0, tzinfo=UTC)),
                (Decimal(1002), None, datetime(2026, 11, 3, 10, 0, tzinfo=UTC)),
            ]
        (asked,) = system.asked
        assert asked.body == [("InputParameters/P_API_VERSION", "1.0"), ("InputParameters/P_INIT_MSG_LIST", "T")]
        header = asked.header
        assert header[:5] == [
            ("SOAHeader/Responsibility", "PURCHASING_SUPER_USER"),
            ("SOAHeader/RespApplication", "PO"),
            ("SOAHeader/SecurityGroup", "STANDARD"),
            ("SOAHeader/NLSLanguage", "JAPANESE"),
            ("SOAHeader/Org_Id", "204"),
        ]
        token = {path.removeprefix("Security/UsernameToken/"): text for path, text in header if "UsernameToken/" in path}
        assert token["Username"] == "its-EBS_USER" and token["Password"] == "its-EBS_PASSWORD"


def test_an_ebs_package_takes_the_last_update_in_a_parameter_of_its_own(tmp_path: Path) -> None:
    with running("oracle-ebs.wsdl", lambda _: "oracle-ebs-suppliers.xml") as system:
        with sample("oracle-ebs", "ebs/suppliers", system, tmp_path) as suppliers:
            assert [row["supplier"] for row in suppliers.rows(SINCE)] == [1001, 1002]
        assert system.asked[0].body[-1] == ("InputParameters/P_LAST_UPDATE_DATE", "2026-11-03T10:00:00")


def test_an_ebs_status_of_u_and_a_policy_that_refuses_are_two_errors(tmp_path: Path) -> None:
    with answered("oracle-ebs.wsdl", "oracle-ebs-error.xml", "oracle-ebs", "ebs/suppliers", tmp_path / "a") as suppliers:
        with pytest.raises(SourceError, match="ORA-01403") as caught:
            suppliers.pages()
        assert caught.value.code == "soap.not_ok"
    with running("oracle-ebs.wsdl", lambda _: (500, "oracle-ebs-fault.xml")) as system:
        with sample("oracle-ebs", "ebs/suppliers", system, tmp_path / "b") as suppliers, pytest.raises(AccessRefused, match="integrity"):
            suppliers.pages()
        assert len(system.asked) == 1


def jde(asked: Asked) -> Answer:
    """Three orders; keys of two parts, and objects for those that are asked for."""
    keys = [
        (number, kind) for number, kind in re.findall(rb"<documentNumber>(\d+)</documentNumber><documentTypeCode>(\w+)<", asked.content)
    ]
    name = f"{asked.called}Response"
    if asked.called == "listSalesOrderKeys":
        keys = [(b"101", b"SO"), (b"100", b"SO"), (b"100", b"CO")]
    elif asked.called == "listChangedSalesOrderKeys":
        keys = [(b"100", b"CO")]
    inner = b"".join(
        b"<salesOrderKey><documentNumber>%s</documentNumber><documentTypeCode>%s</documentTypeCode></salesOrderKey>" % key for key in keys
    )
    if asked.called == "getSalesOrders":
        inner = inner.replace(b"<salesOrderKey>", b"<salesOrder><salesOrderKey>").replace(
            b"</salesOrderKey>", b"</salesOrderKey><amount>12.50</amount><dateUpdated>2026-11-03T12:00:00+09:00</dateUpdated></salesOrder>"
        )
    envelope = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><b:%s xmlns:b="http://oracle.e1.bssv.JP550001/">%s</b:%s></e:Body></e:Envelope>'
    return envelope % (name.encode(), inner, name.encode())


def test_jde_s_objects_are_asked_for_by_keys_of_two_parts(tmp_path: Path) -> None:
    with running("jde-bssv.wsdl", jde) as system, sample("jde-bssv", "jde/sales-orders", system, tmp_path) as orders:
        assert [(row["number"], row["type"], row["amount"]) for row in orders.rows()] == [
            (100, "CO", Decimal("12.50")),
            (100, "SO", Decimal("12.50")),
            (101, "SO", Decimal("12.50")),
        ]
        assert system.calls == ["listSalesOrderKeys", "getSalesOrders"]
        at = "getSalesOrders/salesOrderKey"
        assert system.asked[1].body[:4] == [
            (f"{at}/documentNumber", "100"),
            (f"{at}/documentTypeCode", "CO"),
            (f"{at}/documentNumber", "100"),
            (f"{at}/documentTypeCode", "SO"),
        ]
        assert any(path == "Security/UsernameToken/Username" and text == "its-JDE_USER" for path, text in system.asked[1].header)


def test_jde_s_changed_keys_come_from_an_operation_of_their_own(tmp_path: Path) -> None:
    with running("jde-bssv.wsdl", jde) as system, sample("jde-bssv", "jde/sales-orders", system, tmp_path) as orders:
        assert [(row["number"], row["type"]) for row in orders.rows(SINCE)] == [(100, "CO")]
        assert system.calls == ["listChangedSalesOrderKeys", "getSalesOrders"]
        bounds = [
            ("listChangedSalesOrderKeys/updatedFrom", "2026-11-03T10:00:00"),
            ("listChangedSalesOrderKeys/updatedTo", "2026-11-04T10:00:00"),
        ]
        assert system.asked[0].body == bounds


def test_jde_s_business_exceptions_are_told_apart_by_the_code_inside(tmp_path: Path) -> None:
    def pulled(answer: str) -> list[object]:
        with answered("jde-bssv.wsdl", (500, answer), "jde-bssv", "jde/sales-orders", tmp_path / answer) as orders:
            return [row["number"] for row in orders.rows()]

    assert pulled("jde-none.xml") == []
    with pytest.raises(SourceUnavailable, match="Enterprise server is down"):
        pulled("jde-down.xml")
    with pytest.raises((BrokenReply, SourceUnavailable), match="住所録番号が無効です"):
        pulled("jde-fault.xml")
