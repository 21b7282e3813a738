"""zeep as it is published, strict, on the two services that are hard to read; where it is known to read them wrongly, the test says so."""

from __future__ import annotations

import hashlib
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xmlschema
import zeep
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from lxml import etree
from requests import Session
from zeep.cache import InMemoryCache
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from infra.sandbox import process

ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
ZUMEN = "{urn:sakura-seiki.example:zumen}"
NO_FILTER = {"customer_id": "", "status_paid": "", "date_start": "", "date_end": ""}


class AtHome(Session):
    """Fetches from the sandbox only; what leads elsewhere is an error with the address."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(home / "ca" / "ca.pem")

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Any:
        if not str(url).startswith("https://localhost:"):
            raise ConnectionError(f"nobody may fetch {url!r}")
        return super().request(method, url, *args, **kwargs)


def transport(home: Path) -> Transport:
    """With the SOAP encoding schema at hand, as xmlschema ships it."""
    cache = InMemoryCache()
    shipped = Path(xmlschema.__file__).parent / "schemas" / "WSDL" / "soap-encoding.xsd"
    cache.add(ENCODING, shipped.read_bytes())
    return Transport(session=AtHome(home), cache=cache)


def told(home: Path, service: str) -> dict[str, str]:
    return process.describe(home)["erp"][service]


def truth(home: Path, service: str, entity: str, **more: Any) -> dict[str, Any]:
    return process.control(home, "truth", {"service": service, "entity": entity, **more}, server="erp")


# --- hanbai -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hanbai(sandbox: Path) -> zeep.Client:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zeep.Client(told(sandbox, "hanbai")["wsdl"], transport=transport(sandbox), settings=zeep.Settings(strict=True))


def authentication(home: Path, **changed: str) -> dict[str, str]:
    known = told(home, "hanbai")
    return {
        "hanbaikey": known["key"],
        "sourceapplication": "t",
        "login": known["user"],
        "password": known["password"],
        "entity": "",
    } | changed


def test_without_the_encoding_schema_at_hand_the_contract_leads_to_another_host(sandbox: Path) -> None:
    with pytest.raises(ConnectionError, match=r"schemas\.xmlsoap\.org/soap/encoding"):
        zeep.Client(told(sandbox, "hanbai")["wsdl"], transport=Transport(session=AtHome(sandbox)))


def test_an_operation_with_an_unknown_type_is_dropped_with_a_warning(sandbox: Path) -> None:
    with pytest.warns(UserWarning, match="getListOfPayments"):
        client = zeep.Client(told(sandbox, "hanbai")["wsdl"], transport=transport(sandbox))
    assert {"getInvoice", "getListOfInvoices"} <= set(dir(client.service)) and "getListOfPayments" not in dir(client.service)


def test_one_invoice_is_read_as_it_is(hanbai: zeep.Client, sandbox: Path) -> None:
    for row in truth(sandbox, "hanbai", "invoice")["rows"][::97]:
        answer = hanbai.service.getInvoice(authentication(sandbox), id=row["id"], ref="", ref_ext="")
        assert answer.result.result_code == "OK"
        read = answer.invoice
        assert (read.ref, read.customer_id, read.date.isoformat(), read.status) == (
            row["ref"],
            row["customer_id"],
            row["date"],
            row["status"],
        )
        assert Decimal(str(read.total)) == Decimal(row["total"]) and read.note_public == (row["note_public"] or None)
        assert [(line.product_ref, line.desc, Decimal(str(line.total_net))) for line in read.lines or []] == [
            (line["product_ref"], line["desc"], Decimal(line["total_net"])) for line in row["lines"]
        ]


@pytest.mark.parametrize(
    ("operation", "filters", "item"), [("getListOfInvoices", NO_FILTER, "invoice"), ("getListOfCustomers", {"name": ""}, "customer")]
)
def test_zeep_takes_a_full_list_of_nusoap_for_an_empty_one(
    hanbai: zeep.Client, sandbox: Path, operation: str, filters: dict[str, str], item: str
) -> None:
    """The lie that our own decoder exists for: hundreds of rows on the wire, none in the object, and no error."""
    answer = getattr(hanbai.service, operation)(authentication(sandbox), filters)
    assert answer.result.result_code == "OK" and answer[f"{item}s"] == []
    with hanbai.settings(raw_response=True):
        raw = getattr(hanbai.service, operation)(authentication(sandbox), filters)
    assert len(etree.fromstring(raw.content).findall(f".//{item}")) == truth(sandbox, "hanbai", f"{item}s", count_only=True)["count"] > 100


def test_zeep_makes_an_object_of_nones_out_of_what_is_not_found(hanbai: zeep.Client, sandbox: Path) -> None:
    answer = hanbai.service.getCustomer(authentication(sandbox), id="999", ref="", ref_ext="")
    assert answer.result.result_code == "NOT_FOUND" and answer.customer is not None and answer.customer.ref is None


def test_wrong_credentials_are_no_error_to_zeep(hanbai: zeep.Client, sandbox: Path) -> None:
    answer = hanbai.service.getListOfCustomers(authentication(sandbox, password="wrong"), {"name": ""})
    assert answer.result.result_code == "BAD_CREDENTIALS"


# --- zumen --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def zumen(sandbox: Path) -> zeep.Client:
    known = told(sandbox, "zumen")
    token = UsernameToken(known["user"], known["password"], use_digest=True)
    return zeep.Client(known["wsdl"], transport=transport(sandbox), wsse=token, settings=zeep.Settings(strict=True))


def test_zeep_reads_every_drawing_with_its_subtype_page_by_page(zumen: zeep.Client, sandbox: Path) -> None:
    read: list[Any] = []
    pages, index = 1, 0
    while index < pages:
        index += 1
        answer = zumen.service.ListDrawings(PageIndex=index, PageSize=100)
        assert (answer.ResultCode, answer.PageIndex, answer.RowCount) == ("OK", index, len(answer.Drawings.Drawing))
        pages = answer.TotalPages
        read += answer.Drawings.Drawing
    rows = truth(sandbox, "zumen", "drawings")["rows"]
    assert len(read) == len(rows) == answer.TotalRows
    for one, row in zip(read, rows, strict=True):
        assert (one.Drawing_No, one.Title, one.Modified_At.isoformat()) == (row["Drawing_No"], row["Title"], row["Modified_At"])
        assert one.Modified_At.tzinfo is None and one.Mass_kg == (None if row["Mass_kg"] is None else Decimal(row["Mass_kg"]))
        assert type(one.Document).__name__ == row["Document"]["xsi:type"]
        assert (one.Related.Drawing_No if one.Related else []) == row.get("Related", {}).get("Drawing_No", [])


def test_zeep_gets_a_drawings_file_but_for_the_line_ends_it_strips(zumen: zeep.Client, sandbox: Path) -> None:
    number = truth(sandbox, "zumen", "drawings")["rows"][5]["Drawing_No"]
    known = truth(sandbox, "zumen", "file", number=number)
    answer = zumen.service.GetDrawing(number)
    assert answer.ResultCode == "OK" and answer.File.Length == known["length"]
    # zeep 4.3.3 strips \r and \n off both ends of every binary part, so that a PDF that ends with a line end is not what was sent.
    assert len(answer.File.Content) == known["length"] - 1
    assert hashlib.sha256(answer.File.Content + b"\n").hexdigest() == known["sha256"] == answer.File.Sha256.lower()


def test_a_wrong_password_is_a_fault_with_the_codes_of_ws_security(zumen: zeep.Client, sandbox: Path) -> None:
    zumen.wsse = UsernameToken(told(sandbox, "zumen")["user"], "wrong", use_digest=True)
    with pytest.raises(zeep.exceptions.Fault) as caught:
        zumen.service.ListDrawings(PageIndex=1, PageSize=1)
    assert [one.localname for one in caught.value.subcodes] == ["FailedAuthentication"]


def test_approvals_are_refused_without_a_signature(zumen: zeep.Client) -> None:
    with pytest.raises(zeep.exceptions.Fault, match="署名"):
        zumen.service.ListApprovals(PageIndex=1, PageSize=1)


@pytest.mark.parametrize("binary", [False, True], ids=["certificate in KeyInfo", "BinarySecurityToken"])
@pytest.mark.parametrize("strong", [False, True], ids=["SHA-1", "SHA-256"])
def test_what_zeep_signs_with_xmlsec_is_verified(zumen: zeep.Client, sandbox: Path, tmp_path: Path, binary: bool, strong: bool) -> None:
    xmlsec = pytest.importorskip("xmlsec", reason="zeep signs with xmlsec, which is not installed here")
    from zeep.wsse.signature import BinarySignature, Signature

    known = told(sandbox, "zumen")
    key, _, _ = pkcs12.load_key_and_certificates(Path(known["pfx"]).read_bytes(), known["pfx_password"].encode())
    assert key is not None
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    methods = {"signature_method": xmlsec.Transform.RSA_SHA256, "digest_method": xmlsec.Transform.SHA256} if strong else {}
    signature = (BinarySignature if binary else Signature)(str(tmp_path / "key.pem"), known["certificate"], **methods)
    zumen.wsse = [UsernameToken(known["user"], known["password"], use_digest=True), signature]  # type: ignore[assignment]
    # Raw, because zeep would demand that the reply be signed too.
    with zumen.settings(raw_response=True):
        reply = zumen.service.ListApprovals(PageIndex=1, PageSize=100)
    assert reply.status_code == 200, reply.text
    read = [one.findtext(f"{ZUMEN}Approval_No") for one in etree.fromstring(reply.content).iterfind(f".//{ZUMEN}Approval")]
    assert read == [str(row["Approval_No"]) for row in truth(sandbox, "zumen", "approvals")["rows"][:100]]
