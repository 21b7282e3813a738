"""The samples for SAP's systems, each against a server that answers as the system does. S/4HANA's public SOAP services give nothing to read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from soap_systems import Answer, Asked, running, sample

from connectors.errors import BrokenReply, SourceError
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC))


def bydesign(asked: Asked) -> Answer:
    return "bydesign-2.xml" if asked.text("LastReturnedObjectID") == "00163E0A1" else "bydesign-1.xml"


def test_bydesign_goes_on_from_the_last_object_until_no_more_hits_are_there(tmp_path: Path) -> None:
    with running("bydesign.wsdl", bydesign) as system, sample("sap-bydesign", "bydesign/materials", system, tmp_path) as materials:
        descriptions = [{"text": "歯車", "language": "JA"}, {"text": "Gear", "language": "EN"}]
        changed = datetime(2026, 11, 3, 4, 5, 6, 123456, UTC)
        assert [tuple(row.values()) for row in materials.rows()] == [
            ("M-100", changed, descriptions, Decimal(1250), "JPY"),
            ("M-101", None, None, None, None),
            ("M-102", None, None, Decimal("12.5"), "EUR"),
        ]
        at = "MaterialByElementsQuery_sync/ProcessingConditions"
        sizes = [(f"{at}/QueryHitsMaximumNumberValue", "1000"), (f"{at}/QueryHitsUnlimitedIndicator", "false")]
        assert [one.body for one in system.asked] == [sizes, [*sizes, (f"{at}/LastReturnedObjectID", "00163E0A1")]]
        assert all(one.headers["Authorization"].startswith("Basic ") for one in system.asked)


def test_bydesign_since_an_instant_names_the_lower_boundary(tmp_path: Path) -> None:
    with running("bydesign.wsdl", lambda _: "bydesign-2.xml") as system:
        with sample("sap-bydesign", "bydesign/materials", system, tmp_path) as materials:
            materials.rows(SINCE)
        at = "MaterialByElementsQuery_sync/MaterialSelectionByElements/SelectionByLastChangeDateTime"
        assert system.asked[0].body[:3] == [
            (f"{at}/InclusionExclusionCode", "I"),
            (f"{at}/IntervalBoundaryTypeCode", "9"),
            (f"{at}/LowerBoundaryLastChangeDateTime", "2026-11-03T01:00:00Z"),
        ]


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        ("bydesign-log.xml", "soap.not_ok", "Selection by LastChangeDateTime is not possible"),
        ((500, "bydesign-fault.xml"), "soap.fault", "StandardFaultMessage.*Authorization role missing"),
    ],
)
def test_bydesign_s_log_of_severity_3_and_its_fault_are_errors_with_their_text(
    answer: Answer, code: str, text: str, tmp_path: Path
) -> None:
    with running("bydesign.wsdl", lambda _: answer) as system, sample("sap-bydesign", "bydesign/materials", system, tmp_path) as materials:
        with pytest.raises((SourceError, BrokenReply), match=text) as caught:
            materials.pages()
        assert caught.value.code == code


def test_a_bapi_gives_all_at_once_to_a_request_that_names_its_tables(tmp_path: Path) -> None:
    with (
        running("sap-rfc.wsdl", lambda _: "sap-rfc-materials.xml") as system,
        sample("sap-rfc", "ecc/materials", system, tmp_path) as materials,
    ):
        assert materials.rows() == [
            {"material": "000000000000000100", "description": "歯車"},
            {"material": "M-200", "description": ""},
        ]
        at = "BAPI_MATERIAL_GETLIST"
        (asked,) = system.asked
        assert asked.body == [
            (f"{at}/MATNRLIST", ""),
            (f"{at}/MATNRSELECTION/item/SIGN", "I"),
            (f"{at}/MATNRSELECTION/item/OPTION", "CP"),
            (f"{at}/MATNRSELECTION/item/MATNR_LOW", "*"),
            (f"{at}/MAXROWS", "0"),
            (f"{at}/RETURN", ""),
        ]
        assert asked.path == "/service" and asked.headers["SOAPAction"].endswith(':BAPI_MATERIAL_GETLISTRequest"')


def test_a_return_table_is_judged_line_by_line_and_its_code_may_mean_that_there_is_nothing(tmp_path: Path) -> None:
    with (
        running("sap-rfc.wsdl", lambda _: "sap-rfc-error.xml") as system,
        sample("sap-rfc", "ecc/materials", system, tmp_path) as materials,
    ):
        with pytest.raises(SourceError, match="権限がありません") as caught:
            materials.pages()
        assert caught.value.code == "soap.not_ok" and "356" in str(caught.value)
    with (
        running("sap-rfc.wsdl", lambda _: "sap-rfc-none.xml") as system,
        sample("sap-rfc", "ecc/materials", system, tmp_path / "b") as materials,
    ):
        assert materials.rows() == []


def order(number: int, flag: str = "", day: str = "2026-11-03", amount: str = "1200.00", currency: str = "JPY") -> str:
    return (
        f"<item><EBELN>45{number:08}</EBELN><LIFNR>0000100200</LIFNR><LOEKZ>{flag}</LOEKZ><AEDAT>{day}</AEDAT>"
        f"<NETWR>{amount}</NETWR><WAERS>{currency}</WAERS></item>"
    )


class Orders:
    """A function that skips and takes, over so many orders."""

    def __init__(self, count: int) -> None:
        self.orders = [order(number) for number in range(count)]

    def __call__(self, asked: Asked) -> Answer:
        skip, take = int(asked.text("IV_SKIP") or 0), int(asked.text("IV_TAKE") or 0)
        items = "".join(self.orders[skip : skip + take])
        return (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            '<n0:Z_MM_PO_LIST.Response xmlns:n0="urn:sap-com:document:sap:rfc:functions">'
            f"<ET_PO>{items}</ET_PO><RETURN/></n0:Z_MM_PO_LIST.Response></e:Body></e:Envelope>"
        ).encode()


def test_a_function_that_skips_and_takes_is_over_with_a_short_page(tmp_path: Path) -> None:
    with running("sap-rfc.wsdl", Orders(2500)) as system, sample("sap-rfc", "ecc/purchase-orders", system, tmp_path) as orders:
        assert [row["order"] for row in orders.rows()] == [f"45{number:08}" for number in range(2500)]
        assert [(one.text("IV_SKIP"), one.text("IV_TAKE")) for one in system.asked] == [("0", "1000"), ("1000", "1000"), ("2000", "1000")]
        assert all(one.text("S_AEDAT") is None and one.text("ET_PO") == "" for one in system.asked)


def test_sap_s_own_ways_with_values_are_read_as_declared(tmp_path: Path) -> None:
    source = Orders(0)
    source.orders = [order(1, "X", "0000-00-00", "12.50", "EUR"), order(2, " "), order(3, "L")]
    with running("sap-rfc.wsdl", source) as system, sample("sap-rfc", "ecc/purchase-orders", system, tmp_path) as orders:
        first: dict[str, Any]
        first, *others = orders.rows()
        assert first == {
            "order": "4500000001",
            "supplier": "0000100200",
            "deleted": True,
            "changed_on": None,
            "amount": Decimal("12.50"),
            "currency": "EUR",
        }
        assert [(row["deleted"], row["changed_on"]) for row in others] == [(False, date(2026, 11, 3)), (True, date(2026, 11, 3))]


def test_a_range_of_days_is_asked_for_in_the_eight_digits_of_dats(tmp_path: Path) -> None:
    with running("sap-rfc.wsdl", Orders(1)) as system, sample("sap-rfc", "ecc/purchase-orders", system, tmp_path) as orders:
        orders.rows(SINCE)
        at = "Z_MM_PO_LIST/S_AEDAT/item"
        assert system.asked[0].body[-3:] == [(f"{at}/SIGN", "I"), (f"{at}/OPTION", "GE"), (f"{at}/LOW", "20261102")]
