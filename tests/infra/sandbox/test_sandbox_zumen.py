"""The sandbox's drawing office on a real socket: pages by number, an abstract type, Tokyo's time without a zone, files as MTOM parts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from erp_talk import SOAP11, WSU, XSI, ZUMEN, Talk, fault_of, parts_of, serving, text_of
from lxml import etree

from infra.sandbox.company.trade import DEFAULT_SEED, items

NS = {"z": ZUMEN}
XSD = "http://www.w3.org/2001/XMLSchema"


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A server at its origin that no test moves or breaks."""
    with serving(tmp_path_factory.mktemp("zumen")) as settings:
        yield Talk(settings)


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Talk]:
    with serving(tmp_path) as settings:
        yield Talk(settings)


def asked(index: int, size: int, since: str = "") -> str:
    return f"<z:PageIndex>{index}</z:PageIndex><z:PageSize>{size}</z:PageSize>" + (
        f"<z:ModifiedSince>{since}</z:ModifiedSince>" if since else ""
    )


def listed(talk: Talk, index: int, size: int, since: str = "") -> etree._Element:
    reply = talk.zumen("ListDrawings", asked(index, size, since))
    assert reply.status_code == 200, reply.text
    return etree.fromstring(reply.content)


def numbers(root: etree._Element) -> list[str]:
    return [one.findtext("z:Drawing_No", "", NS) for one in root.iterfind(".//z:Drawings/z:Drawing", NS)]


def drawings(talk: Talk) -> list[dict[str, Any]]:
    return talk.control("truth", service="zumen", entity="drawings")["rows"]


# --- pages --------------------------------------------------------------------------------------------------------------------


def test_pages_by_number_hold_every_drawing_once_and_say_how_many_there_are(still: Talk) -> None:
    truth = [row["Drawing_No"] for row in drawings(still)]
    seen: list[str] = []
    for index in range(1, 7):
        root = listed(still, index, 100)
        found = numbers(root)
        seen += found
        told = [int(text_of(root, name) or -1) for name in ("PageIndex", "PageSize", "RowCount", "TotalRows", "TotalPages")]
        assert told == [index, 100, len(found), len(truth), -(-len(truth) // 100)]
    assert seen == truth and len(truth) > 500


def test_past_the_last_page_there_are_no_rows_and_the_totals_stay(still: Talk) -> None:
    root = listed(still, 999, 100)
    assert numbers(root) == [] and text_of(root, "ResultCode") == "OK" and int(text_of(root, "TotalPages") or 0) == 6


@pytest.mark.parametrize(("index", "size"), [(0, 10), (-1, 10), (1, 0), (1, 101)])
def test_a_page_that_cannot_be_is_an_error_inside_a_200(still: Talk, index: int, size: int) -> None:
    root = listed(still, index, size)
    assert text_of(root, "ResultCode") == "BAD_PAGE" and text_of(root, "Message") and root.find(".//z:Drawings", NS) is None


@pytest.mark.parametrize(
    "arguments", ["", "<z:PageIndex>1</z:PageIndex>", asked(1, 1) + "<z:Extra/>", asked(1, 1, "昨日"), "<z:PageIndex>１</z:PageIndex>"]
)
def test_arguments_that_do_not_fit_are_a_fault(still: Talk, arguments: str) -> None:
    reply = still.zumen("ListDrawings", arguments)
    assert reply.status_code == 500 and fault_of(reply)[0] == "soap:Sender"


def test_modified_since_takes_tokyos_time_with_and_without_a_zone(still: Talk) -> None:
    rows = drawings(still)
    since = sorted(row["Modified_At"] for row in rows)[-20]
    wanted = [row["Drawing_No"] for row in rows if row["Modified_At"] >= since]
    assert numbers(listed(still, 1, 100, since)) == wanted
    utc = datetime.fromisoformat(since + "+09:00").astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert numbers(listed(still, 1, 100, utc)) == wanted and 20 <= len(wanted) < 100


# --- rows ---------------------------------------------------------------------------------------------------------------------


def schema_of(talk: Talk) -> etree.XMLSchema:
    found = talk.wsdl("zumen").find(f".//{{{XSD}}}schema")
    assert found is not None
    return etree.XMLSchema(etree.fromstring(etree.tostring(found)))


def test_every_page_obeys_the_schema_in_the_wsdl(still: Talk) -> None:
    schema = schema_of(still)
    for index in range(1, 7):
        body = listed(still, index, 100).find(".//z:ListDrawingsResponse", NS)
        schema.assertValid(etree.fromstring(etree.tostring(body)))


def test_a_document_says_which_subtype_it_is_by_a_prefix_bound_on_its_row(still: Talk) -> None:
    declared = still.wsdl("zumen").find(f".//{{{XSD}}}complexType[@name='Drawing_Document']")
    assert declared is not None and declared.get("abstract") == "true"
    kinds: set[str] = set()
    for row in listed(still, 1, 100).iterfind(".//z:Drawings/z:Drawing", NS):
        document = row.find("z:Document", NS)
        assert document is not None and row.nsmap["d"] == ZUMEN and "d" not in (row.getparent().nsmap)  # type: ignore[union-attr]
        prefix, _, kind = document.get(f"{{{XSI}}}type", "").partition(":")
        kinds.add(kind)
        inner = {etree.QName(one).localname for one in document}
        assert prefix == "d" and ({"Sheet_Size", "Cabinet"} if kind == "Paper_Sheet" else {"Cad_System", "Format"}) <= inner
    assert kinds == {"Paper_Sheet", "Cad_Model"}


def test_times_have_no_zone_and_absent_nil_and_empty_all_occur(still: Talk) -> None:
    rows = drawings(still)
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["Modified_At"])
    assert any(row["Released_At"] is None for row in rows) and any(row["Material"] is None for row in rows)
    assert any("Remarks" not in row for row in rows) and any(row.get("Remarks") == "" for row in rows)
    assert {len(row["Related"]["Drawing_No"]) if "Related" in row else -1 for row in rows} >= {-1, 0, 1, 3}


def test_drawings_are_of_items_that_the_company_makes_and_name_one_another(still: Talk) -> None:
    made = {item.code: item.name for item in items(DEFAULT_SEED) if not item.purchased}
    rows = {row["Drawing_No"]: row for row in drawings(still)}
    assert {row["Item_No"] for row in rows.values()} == set(made)
    for row in rows.values():
        assert row["Title"].startswith(made[row["Item_No"]])
        for other in row.get("Related", {}).get("Drawing_No", ()):
            assert rows[other]["Item_No"] == row["Item_No"] and other != row["Drawing_No"]


def test_approvals_need_a_signature_and_are_numbered_in_the_order_of_time(still: Talk) -> None:
    reply = still.zumen("ListApprovals", asked(1, 100), sign=True)
    root = etree.fromstring(reply.content)
    assert reply.status_code == 200, reply.text
    found = [(one.findtext("z:Approval_No", "", NS), one.findtext("z:Approved_At", "", NS)) for one in root.iterfind(".//z:Approval", NS)]
    truth = still.control("truth", service="zumen", entity="approvals")["rows"]
    assert found == [(str(row["Approval_No"]), row["Approved_At"]) for row in truth[:100]]
    assert [at for _, at in found] == sorted(at for _, at in found)
    schema_of(still).assertValid(etree.fromstring(etree.tostring(root.find(".//z:ListApprovalsResponse", NS))))


# --- files --------------------------------------------------------------------------------------------------------------------


def fetched(talk: Talk, number: str) -> httpx.Response:
    return talk.zumen("GetDrawing", f"<z:Drawing_No>{number}</z:Drawing_No>")


def test_a_drawing_comes_with_its_file_as_a_part_the_root_refers_to(still: Talk) -> None:
    number = drawings(still)[7]["Drawing_No"]
    reply = fetched(still, number)
    assert reply.status_code == 200 and int(reply.headers["content-length"]) == len(reply.content)
    media_type = reply.headers["content-type"]
    assert media_type.startswith("multipart/related;") and 'type="application/xop+xml"' in media_type
    assert 'start-info="application/soap+xml"' in media_type
    (root_head, root_body), (file_head, file) = parts_of(reply)
    assert root_head["content-type"].startswith("application/xop+xml") and f'start="{root_head["content-id"]}"' in media_type
    root = etree.fromstring(root_body)
    include = root.find(".//{http://www.w3.org/2004/08/xop/include}Include")
    assert include is not None and "%40" in include.get("href", "")
    assert f"<{unquote(include.get('href', '').removeprefix('cid:'))}>" == file_head["content-id"]
    truth = still.control("truth", service="zumen", entity="file", number=number)
    assert (len(file), hashlib.sha256(file).hexdigest()) == (truth["length"], truth["sha256"])
    assert (int(text_of(root, "Length") or 0), (text_of(root, "Sha256") or "").lower()) == (truth["length"], truth["sha256"])
    assert numbers(root) == [] and root.findtext(".//z:Drawing/z:Drawing_No", "", NS) == number


def test_the_file_is_a_pdf_with_the_title_in_japanese_and_the_same_each_time(still: Talk) -> None:
    row = drawings(still)[3]
    file = parts_of(fetched(still, row["Drawing_No"]))[1][1]
    assert file.startswith(b"%PDF-") and file.rstrip().endswith(b"%%EOF") and b"HeiseiKakuGo-W5" in file
    assert parts_of(fetched(still, row["Drawing_No"]))[1][1] == file


def test_a_drawing_there_is_not_is_a_result_code_in_plain_soap(still: Talk) -> None:
    reply = fetched(still, "A-NONE")
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/soap+xml; charset=utf-8"
    root = etree.fromstring(reply.content)
    assert text_of(root, "ResultCode") == "NOT_FOUND" and root.find(".//z:File", NS) is None


def test_a_file_gets_as_big_as_asked_stays_a_pdf_and_shrinks_again(moving: Talk) -> None:
    number = drawings(moving)[0]["Drawing_No"]
    small = parts_of(fetched(moving, number))[1][1]
    told = moving.control("enlarge", number=number, megabytes=3)
    big = parts_of(fetched(moving, number))[1][1]
    assert len(big) == told["length"] > 3_000_000 and hashlib.sha256(big).hexdigest() == told["sha256"]
    assert big.startswith(small.rstrip())
    at = int(re.findall(rb"startxref\s+(\d+)", big)[-1])
    assert big[at : at + 4] == b"xref", "the newest cross-reference table is where the file says"
    entry = int(re.search(rb"\n(\d{10}) 00000 n", big[at:]).group(1))  # type: ignore[union-attr]
    assert re.match(rb"\d+ 0 obj", big[entry : entry + 20])
    moving.control("enlarge", number=number, megabytes=0)
    assert parts_of(fetched(moving, number))[1][1] == small
    assert "there is no drawing" in moving.refusal("enlarge", number="A-NONE", megabytes=1)
    assert "0 to 2000" in moving.refusal("enlarge", number=number, megabytes=5_000)


def test_another_reader_of_pdf_finds_the_japanese_text_also_in_an_enlarged_file(moving: Talk) -> None:
    from kreuzberg import extract_bytes_sync

    row = drawings(moving)[0]
    for megabytes in (0, 1):
        moving.control("enlarge", number=row["Drawing_No"], megabytes=megabytes)
        text = extract_bytes_sync(parts_of(fetched(moving, row["Drawing_No"]))[1][1], "application/pdf").content
        assert row["Drawing_No"] in text and row["Title"].split()[0] in text


# --- addressing and the envelope ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["Action", "MessageID", "To"])
def test_each_addressing_header_is_demanded(still: Talk, missing: str) -> None:
    header = still.addressing("ListDrawings", **{missing: ""}) + still.security()
    reply = still.zumen("ListDrawings", asked(1, 1), header)
    assert reply.status_code == 500 and fault_of(reply) == ("soap:Sender", ["wsa:MessageAddressingHeaderRequired"])


def test_an_addressing_header_twice_or_for_another_is_refused(still: Talk) -> None:
    def said(header: str) -> list[str]:
        return fault_of(still.zumen("ListDrawings", asked(1, 1), header + still.security()))[1]

    assert said(still.addressing("ListDrawings") * 2) == ["wsa:InvalidAddressingHeader", "wsa:InvalidCardinality"]
    assert said(still.addressing("GetDrawing")) == ["wsa:ActionNotSupported"]
    assert said(still.addressing("ListDrawings", To="http://localhost/elsewhere")) == ["wsa:DestinationUnreachable"]


def test_the_action_of_the_media_type_must_be_that_of_the_header(still: Talk) -> None:
    body = still.request("ListDrawings", asked(1, 1))
    reply = still.post("zumen", body, f'application/soap+xml; charset=utf-8; action="{ZUMEN}:GetDrawing"')
    assert fault_of(reply) == ("soap:Sender", ["wsa:InvalidAddressingHeader", "wsa:ActionMismatch"])
    assert still.post("zumen", still.request("ListDrawings", asked(1, 1)), "application/soap+xml").status_code == 200


def test_a_reply_and_a_fault_relate_to_the_message_they_answer(still: Talk) -> None:
    for arguments, action in ((asked(1, 1), f"{ZUMEN}:ListDrawingsResponse"), ("", "http://www.w3.org/2005/08/addressing/fault")):
        header = still.addressing("ListDrawings", MessageID="urn:uuid:one") + still.security()
        root = etree.fromstring(still.zumen("ListDrawings", arguments, header).content)
        assert (text_of(root, "RelatesTo"), text_of(root, "Action")) == ("urn:uuid:one", action)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<a><b></a>", "soap:Sender"),
        ('<!DOCTYPE s [<!ENTITY a "x">]><s/>', "soap:Sender"),
        (f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><x/></s:Body></s:Envelope>', "soap:VersionMismatch"),
        ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>', "soap:Sender"),
        ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Drop/></s:Body></s:Envelope>', "soap:Sender"),
        (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header><x s:mustUnderstand="true"/></s:Header>'
            "<s:Body><x/></s:Body></s:Envelope>",
            "soap:MustUnderstand",
        ),
    ],
)
def test_what_is_no_soap_1_2_request_is_a_fault(still: Talk, body: str, code: str) -> None:
    reply = still.post("zumen", body, "application/soap+xml; charset=utf-8")
    assert reply.status_code == 500 and fault_of(reply)[0] == code


def test_the_wsdl_demands_addressing_token_signature_and_offers_attachments(still: Talk) -> None:
    root = still.wsdl("zumen")
    using = root.find(".//{http://www.w3.org/2006/05/addressing/wsdl}UsingAddressing")
    assert using is not None and using.get("{http://schemas.xmlsoap.org/wsdl/}required") == "true"
    policies = {one.get(f"{{{WSU}}}Id") for one in root}
    assert {"Caller", "SignedBody", "Attached"} <= policies
    named = {
        one.get("URI"): one.getparent().get("name")  # type: ignore[union-attr]
        for one in root.iterfind(".//{*}binding//{*}PolicyReference")
    }
    assert named["#Caller"] == "ZumenSoap12" and named["#SignedBody"] == "ListApprovals"
    assert httpx.get(f"{still.url('zumen')}?wsdl", trust_env=False).status_code == 200, "it is open to all"


# --- life ---------------------------------------------------------------------------------------------------------------------


def test_days_revise_drawings_and_approve_them_the_same_for_one_jump_and_for_many(moving: Talk, tmp_path: Path) -> None:
    before = {row["Drawing_No"]: row for row in drawings(moving)}
    approved = moving.control("truth", service="zumen", entity="approvals")["count"]
    for _ in range(4):
        moving.control("advance", days=1)
    after = drawings(moving)
    changed = [row for row in after if before.get(row["Drawing_No"], row) != row]
    assert changed and all(row["Modified_At"] > before[row["Drawing_No"]]["Modified_At"] for row in changed)
    assert len(after) > len(before) and [row["Drawing_No"] for row in after] == sorted(row["Drawing_No"] for row in after)
    assert moving.control("truth", service="zumen", entity="approvals")["count"] >= approved + len(changed)
    with serving(tmp_path / "other") as settings:
        other = Talk(settings)
        other.control("advance", days=4)
        assert drawings(other) == after
    schema = schema_of(moving)
    for index in range(1, 7):
        schema.assertValid(etree.fromstring(etree.tostring(listed(moving, index, 100).find(".//z:ListDrawingsResponse", NS))))
