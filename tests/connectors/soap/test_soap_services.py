"""Several WSDLs as one system: each stream from its own, one budget, one name in the evidence; and a service that is down stops no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pytest
from conformance.systems import Systems
from soap_fake import EMPTY, NS, SCHEMA, WSDL, WSDL_URL, Fake, part, reply, stream

from connectors.errors import FixConfiguration, SourceError
from connectors.protocol import Blob, Connector, Stream, Window
from connectors.soap.config import Config
from connectors.transport import TransportOptions
from infra.sandbox import process

OTHER_URL = "https://parts.example/ws/More?wsdl"
OTHER = WSDL.replace("https://erp.example/ws/Parts", "https://parts.example/ws/More")


def two(*answers: Any, **config: Any) -> tuple[Fake, Connector]:
    documents = {
        OTHER_URL: OTHER,
        "https://parts.example/ws/Parts?xsd=parts.xsd": Fake(EMPTY).documents["https://erp.example/ws/Parts?xsd=parts.xsd"],
    }
    fake = Fake(*answers, documents=documents)
    return fake, fake.connector(services={"more": {"wsdl": OTHER_URL, **config}})


def test_a_stream_is_read_from_the_service_its_contract_names() -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.headers.get("Authorization", "")))
        return httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"})

    _, connector = two(answer, auth={"bearer": "token-of-the-day"})
    list(connector.pull(stream(), Window()))
    list(connector.pull(stream(service="more"), Window()))
    assert [host for host, _ in asked] == ["erp.example", "parts.example"]
    assert asked[0][1].startswith("Basic ") and asked[1][1] == "Bearer token-of-the-day"


def test_a_service_without_credentials_of_its_own_uses_those_of_the_system() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"})

    list(two(answer)[1].pull(stream(service="more"), Window()))
    assert seen[0].startswith("Basic ")


def test_a_service_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(FixConfiguration, match="more") as caught:
        list(two(EMPTY)[1].pull(stream(service="mroe"), Window()))
    assert caught.value.code == "soap.service_unknown"


def test_the_evidence_stands_for_every_address_of_the_system() -> None:
    _, connector = two(EMPTY)
    assert connector.endpoint == "https://erp.example https://parts.example"
    assert Fake(EMPTY).connector().endpoint == "https://erp.example"


def test_rows_of_two_services_never_share_a_scope() -> None:
    _, connector = two(reply(part("A")), EMPTY, reply(part("A")), EMPTY)
    scopes = [
        pa.concat_batches([page.rows for page in connector.pull(one, Window())]).column("_scope").to_pylist()
        for one in (stream(), stream(service="more"))
    ]
    assert scopes == [["soap:erp:parts"], ["soap:erp:more/parts"]]


def test_a_service_that_is_down_stops_no_stream_of_another() -> None:
    fake, connector = two(reply(part("A")), EMPTY)
    del fake.documents[OTHER_URL]
    connector.describe(stream())
    assert connector.watermark() is not None
    health = connector.check()
    assert not health.ok and any("more" in name and not passed for name, passed, _ in health.probes)
    with pytest.raises(SourceError):
        connector.describe(stream(service="more"))


def test_all_services_of_a_system_pass_one_budget() -> None:
    config = Config.model_validate({"wsdl": WSDL_URL, "budget": {"calls": 5, "seconds": 60}, "services": {"more": {"wsdl": OTHER_URL}}})
    from connectors.soap.services import Services

    services = Services(config, TransportOptions())
    assert services.client("", stream="-")._pace is services.client("more", stream="-")._pace


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ({"wsdl": "ftp://x"}, "http or https"),
        ({"wsdl": OTHER_URL, "colour": "red"}, "extra"),
        ({"wsdl": "https://u:p@h/ws"}, "credentials"),
    ],
)
def test_a_service_is_checked_like_a_system(service: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"(?i){why}"):
        Config.model_validate({"wsdl": WSDL_URL, "services": {"more": service}})
    with pytest.raises(ValueError, match="no name of a service"):
        Config.model_validate({"wsdl": WSDL_URL, "services": {"More Parts": {"wsdl": OTHER_URL}}})


def test_what_the_contract_requires_inside_a_partly_given_struct_is_sent_empty() -> None:
    login = "".join(f'<xs:element name="{name}" type="xs:string"/>' for name in ("Key", "User", "Entity"))
    schema = SCHEMA.replace('<xs:element name="setSize"', '<xs:element name="login" type="p:Login"/><xs:element name="setSize"').replace(
        '<xs:complexType name="Parts">',
        f'<xs:complexType name="Login"><xs:sequence>{login}</xs:sequence></xs:complexType><xs:complexType name="Parts">',
    )
    fake = Fake(EMPTY, documents={"https://erp.example/ws/Parts?xsd=parts.xsd": schema})
    auth = {"body": {"login/Key": "k-1"}}
    list(fake.connector(auth=auth).pull(stream(), Window()))
    sent = {
        one.tag.rpartition("}")[2]: one.text or ""
        for given in ElementTree.fromstring(fake.asked[0]).iter(f"{{{NS}}}login")
        for one in given
    }
    assert sent == {"Key": "k-1", "User": "", "Entity": ""}


@pytest.fixture
def company(sandbox: Path, tmp_path: Path) -> Iterator[tuple[Systems, Connector]]:
    systems = Systems(tmp_path / "project", sandbox, "erp")
    connector = systems.open()
    yield systems, connector
    connector.close()


def test_the_three_services_of_the_sandbox_company_are_one_system(company: tuple[Systems, Connector]) -> None:
    _, connector = company
    offers = {offer.name: offer for offer in connector.discover()}
    assert {"items", "hanbai-invoices", "hanbai-customers", "zumen-drawings", "zumen-approvals"} <= set(offers)
    sales = offers["hanbai-invoices"]
    assert sales.source["ok"]["path"] == "result/result_code" and sales.source["row_count"] == "invoices@arrayType"
    assert not any("result code" in note for note in sales.notes)
    health = connector.check()
    assert health.ok, health.probes
    assert any("getListOfPayments" in name and "in pieces" in text for name, _, text in health.probes), "one that the WSDL leaves in pieces"


def truth(home: Path, service: str, entity: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = process.control(home, "truth", {"service": service, "entity": entity}, server="erp")["rows"]
    return rows


def pulled(connector: Connector, told: Stream) -> list[dict[str, Any]]:
    pages = list(connector.pull(told, Window()))
    assert not [reject for page in pages for reject in page.rejects]
    return [row for page in pages for row in page.rows.to_pylist()]


def test_what_the_old_sales_system_spells_oddly_is_read_as_its_contract_declares(company: tuple[Systems, Connector], sandbox: Path) -> None:
    systems, connector = company
    customers = pulled(connector, systems.stream("hanbai-customers"))
    assert [(one["customer_id"], one["address"], one["fax"]) for one in customers] == [
        (one["id"], one["address"], one["fax"]) for one in truth(sandbox, "hanbai", "customers")
    ]
    invoices = {one["invoice_id"]: one for one in pulled(connector, systems.stream("hanbai-invoices"))}
    real = truth(sandbox, "hanbai", "invoices")
    assert len(invoices) == len(real) > 500
    for one in real:
        ours = invoices[one["id"]]
        assert (ours["total"], ours["net"], ours["payment_mode"]) == (Decimal(one["total"]), Decimal(one["total_net"]), one["payment_mode"])
        assert ours["modified_at"] == datetime.fromtimestamp(one["tms"], UTC)
    lines = pulled(connector, systems.stream("hanbai-invoice-lines"))
    assert [(one["invoice_id"], one["line_id"], one["place"], one["total"]) for one in lines] == [
        (one["id"], line["id"], place, Decimal(line["total"])) for one in real for place, line in enumerate(one["lines"], 1)
    ]


def test_drawings_are_read_page_by_page_with_tokyos_time_and_their_sheets_byte_for_byte(
    company: tuple[Systems, Connector], sandbox: Path
) -> None:
    systems, connector = company
    told = systems.stream("zumen-drawings")
    drawings = pulled(connector, told)
    real = truth(sandbox, "zumen", "drawings")
    assert [one["drawing_no"] for one in drawings] == [one["Drawing_No"] for one in real]
    tokyo = ZoneInfo("Asia/Tokyo")
    assert [one["modified_at"] for one in drawings] == [datetime.fromisoformat(one["Modified_At"]).replace(tzinfo=tokyo) for one in real]
    assert [one["related"] for one in drawings] == [(one.get("Related") or {}).get("Drawing_No") for one in real]
    number = drawings[7]["drawing_no"]
    sheet = b"".join(connector.blob(told, Blob(number, f"{number}.pdf", "application/pdf", None)))
    known = process.control(sandbox, "truth", {"service": "zumen", "entity": "file", "number": number}, server="erp")
    assert sheet.startswith(b"%PDF-") and hashlib.sha256(sheet).hexdigest() in repr(known)


def test_what_wants_a_signed_request_gets_one(company: tuple[Systems, Connector], sandbox: Path) -> None:
    systems, connector = company
    assert len(pulled(connector, systems.stream("zumen-approvals"))) == len(truth(sandbox, "zumen", "approvals"))
