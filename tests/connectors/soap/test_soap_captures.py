"""Replies captured from a live PHP ERP (rpc/encoded, no paging, errors in HTTP 200), read through a contract written for them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import Fake

from connectors.errors import AccessRefused, BrokenReply, SourceError
from connectors.protocol import Column, Page, Stream, Window

CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "data" / "soap-captures"
pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the captured replies are not beside this repository (shared/data/soap-captures)"
)

URL = "https://php.example/webservices/server.php?wsdl"
ENC = "http://schemas.xmlsoap.org/soap/encoding/"


def bound_operation(name: str, part: str, kind: str) -> tuple[str, str, str]:
    message = (
        f'<message name="{name}Request"><part name="authentication" type="t:authentication"/></message>'
        f'<message name="{name}Response"><part name="result" type="t:result"/><part name="{part}" type="t:{kind}"/></message>'
    )
    port = f'<operation name="{name}"><input message="t:{name}Request"/><output message="t:{name}Response"/></operation>'
    body = f'<s:body use="encoded" namespace="http://www.dolibarr.org/ns/" encodingStyle="{ENC}"/>'
    bound = (
        f'<operation name="{name}"><s:operation soapAction="{name}" style="rpc"/><input>{body}</input><output>{body}</output></operation>'
    )
    return message, port, bound


_OPERATIONS = [
    bound_operation("getListOfThirdParties", "thirdparties", "parties"),
    bound_operation("getInvoicesForThirdParty", "invoices", "invoices"),
    bound_operation("getVersions", "dolibarr", "parties"),
    bound_operation("getThirdParty", "thirdparty", "party"),
    bound_operation("getInvoice", "invoice", "whole"),
]
WSDL = f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:e="{ENC}" xmlns:t="http://www.dolibarr.org/ns/" targetNamespace="http://www.dolibarr.org/ns/">
<types><x:schema targetNamespace="http://www.dolibarr.org/ns/"><x:import namespace="{ENC}"/>
<x:complexType name="authentication"><x:all><x:element name="dolibarrkey" type="x:string"/><x:element name="login" type="x:string"/></x:all></x:complexType>
<x:complexType name="result"><x:all><x:element name="result_code" type="x:string"/><x:element name="result_label" type="x:string"/></x:all></x:complexType>
<x:complexType name="party"><x:all><x:element name="id" type="x:string"/><x:element name="ref" type="x:string"/><x:element name="town" type="x:string"/>
<x:element name="phone" type="x:string"/></x:all></x:complexType>
<x:complexType name="invoice"><x:all><x:element name="id" type="x:string"/></x:all></x:complexType>
<x:complexType name="line"><x:all><x:element name="id" type="x:string"/><x:element name="qty" type="x:double"/><x:element name="date_start" type="x:date"/>
<x:element name="product_id" type="x:int"/></x:all></x:complexType>
<x:complexType name="lines"><x:complexContent><x:restriction base="e:Array">
<x:attribute ref="e:arrayType" wsdl:arrayType="t:line[]"/></x:restriction></x:complexContent></x:complexType>
<x:complexType name="whole"><x:all><x:element name="id" type="x:string"/><x:element name="date" type="x:date"/><x:element name="total" type="x:double"/>
<x:element name="project_id" type="x:string"/><x:element name="lines" type="t:lines"/></x:all></x:complexType>
<x:complexType name="parties"><x:complexContent><x:restriction base="e:Array">
<x:attribute ref="e:arrayType" wsdl:arrayType="t:party[]"/></x:restriction></x:complexContent></x:complexType>
<x:complexType name="invoices"><x:complexContent><x:restriction base="e:Array">
<x:attribute ref="e:arrayType" wsdl:arrayType="t:invoice[]"/></x:restriction></x:complexContent></x:complexType>
</x:schema></types>{"".join(one[0] for one in _OPERATIONS)}<portType name="P">{"".join(one[1] for one in _OPERATIONS)}</portType>
<binding name="B" type="t:P"><s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>{"".join(one[2] for one in _OPERATIONS)}</binding>
<service name="S"><port name="P" binding="t:B"><s:address location="https://php.example/webservices/server.php"/></port></service></definitions>"""


def pull(capture: str, operation: str, part: str, *columns: Column, **said: Any) -> list[dict[str, Any]]:
    return page_of(capture, operation, part, *columns, **said).rows.to_pylist()


def page_of(capture: str, operation: str, part: str, *columns: Column, change: tuple[str, str] = ("", ""), **said: Any) -> Page:
    body = (CAPTURES / capture).read_bytes()
    fake = Fake(body.replace(change[0].encode(), change[1].encode()), documents={URL: WSDL})
    source = {
        "operation": operation,
        "rows": f"{part}/*",
        "message": "result/result_label",
        "row_count": f"{part}@arrayType",
        "ok": {"path": "result/result_code", "values": ["OK"], "empty": ["NOT_FOUND"], "refused": ["BAD_VALUE_FOR_SECURITY_KEY"]},
        **said,
    }
    connector = fake.connector(wsdl=URL)
    (page,) = connector.pull(Stream("erp", part, source, ("id",), (Column("id", "id", pa.string(), required=True), *columns)), Window())
    return page


def test_a_list_that_zeep_reads_as_empty_gives_its_four_rows() -> None:
    columns = (Column("ref", "ref", pa.string()), Column("phone", "phone", pa.string()))
    # `ref` is xsi:nil-able in the replies though the contract does not say so; the columns are not required, so only nil itself is judged.
    rows = pull("tp_list.res.xml", "getListOfThirdParties", "thirdparties", columns[0])
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["ref"] for row in rows] == ["株式会社テスト & Söhne", "ACME <Ltd>", "Émile Zola SARL", "髙橋﨑商店 ①㈱"]


def test_the_same_list_with_another_count_is_refused() -> None:
    with pytest.raises(BrokenReply, match="says 5 rows and sent 4"):
        pull("tp_list.res.xml", "getListOfThirdParties", "thirdparties", change=(":[4]", ":[5]"))


def test_a_database_error_in_http_200_is_an_error_with_code_and_label() -> None:
    with pytest.raises(SourceError, match=r"DB_ERROR_NOSUCHFIELD: Unknown column 'total'") as caught:
        pull("inv_list.res.xml", "getInvoicesForThirdParty", "invoices")
    assert caught.value.code == "soap.not_ok"


def test_a_bad_key_in_http_200_is_a_refusal() -> None:
    with pytest.raises(AccessRefused, match="BAD_VALUE_FOR_SECURITY_KEY"):
        pull("badkey.res.xml", "getVersions", "dolibarr")


def test_a_nil_object_that_was_not_found_is_zero_rows() -> None:
    single = {"rows": "thirdparty", "row_count": None}
    assert pull("tp_get_missing.res.xml", "getThirdParty", "thirdparty", **single) == []


def test_a_nil_object_without_a_result_code_that_explains_it_is_no_answer() -> None:
    single = {"rows": "thirdparty", "row_count": None}
    with pytest.raises(BrokenReply, match="a row is xsi:nil"):
        pull("tp_get_missing.res.xml", "getThirdParty", "thirdparty", change=("NOT_FOUND", "OK"), **single)


LINE = (Column("id", "id", pa.string()),)
LINES = Column("lines", "lines/*", pa.list_(pa.struct([pa.field("id", pa.string())])), children=LINE)


def invoice(old: str, new: str) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    page = page_of("inv_get.res.xml", "getInvoice", "invoice", LINES, change=(old, new), rows="invoice", row_count=None)
    return page.rows.to_pylist(), [(one.key, one.column, one.reason.partition(" ")[0]) for one in page.rejects]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("tns:line[2]", "tns:line[3]", "value.count:"),
        ("tns:line[2]", "tns:line[1]", "value.count:"),
        ('"tns:line[2]"', '"tns:line[2]" SOAP-ENC:offset="[1]"', "value.partial"),
        ('<item xsi:type="tns:line">', '<item xsi:type="tns:line" SOAP-ENC:position="[4]">', "value.partial"),
    ],
)
def test_a_row_whose_array_holds_other_items_than_it_says_is_held(old: str, new: str, why: str) -> None:
    assert old in (CAPTURES / "inv_get.res.xml").read_text("utf-8")
    rows, held = invoice(old, new)
    assert not rows and [(key, column) for key, column, _ in held] == [("6", "lines")]
    assert held[0][2].startswith(why.rstrip(":"))


def test_an_array_that_states_no_length_or_begins_at_its_first_item_is_read() -> None:
    for new in ("tns:line[]", "tns:line[1,2]", "tns:line[][2]", 'tns:line[2]" SOAP-ENC:offset="[0]'):
        rows, held = invoice("tns:line[2]", new)
        assert [len(row["lines"]) for row in rows] == [2] and not held


def test_the_rows_own_array_is_counted_without_a_declared_row_count() -> None:
    assert len(pull("tp_list.res.xml", "getListOfThirdParties", "thirdparties", row_count=None)) == 4
    with pytest.raises(BrokenReply, match="says 5 rows and sent 4"):
        pull("tp_list.res.xml", "getListOfThirdParties", "thirdparties", change=(":[4]", ":[5]"), row_count=None)
    with pytest.raises(BrokenReply, match="leaves items out"):
        pull(
            "tp_list.res.xml",
            "getListOfThirdParties",
            "thirdparties",
            change=('xsi:type="xsd:"', 'xsi:type="xsd:" SOAP-ENC:position="[0]"'),
            row_count=None,
        )


def test_a_live_invoice_is_read_with_its_lines_and_its_empty_dates_are_nothing() -> None:
    line = (Column("id", "id", pa.string()), Column("qty", "qty", pa.decimal128(9, 4)), Column("start", "date_start", pa.date32()))
    kind = pa.list_(pa.struct([pa.field(one.name, one.type) for one in line]))
    (row,) = pull(
        "inv_get.res.xml",
        "getInvoice",
        "invoice",
        Column("date", "date", pa.date32()),
        Column("total", "total", pa.decimal128(12, 2)),
        Column("lines", "lines/*", kind, children=line),
        rows="invoice",
        row_count=None,
        empty_as_null=True,
    )
    assert (row["id"], row["date"], row["total"]) == ("6", date(2026, 11, 20), Decimal("3287.06"))
    assert row["lines"] == [
        {"id": "7", "qty": Decimal("2.5000"), "start": None},
        {"id": "8", "qty": Decimal("1.0000"), "start": None},
    ]
