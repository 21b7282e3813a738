"""Files of rows: named by columns, fetched by the operation that the contract declares, whole and of the size they are said to have, or not."""

from __future__ import annotations

import base64
import gc
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import SCHEMA, SOURCE, WSDL, WSDL_URL, Fake, envelope, part, reply, stream
from soap_multipart import TYPE, XSD_URL, multipart, piece

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, ContractBroken, FixConfiguration, FortnightError
from connectors.protocol import Blob, Column, Stream, Window

SCHEMA_FILES = SCHEMA.replace(
    "</xs:schema>",
    """<xs:element name="ReadFile"><xs:complexType><xs:sequence><xs:element name="documentNo" type="xs:string"/>
<xs:element name="copy" type="xs:boolean" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
<xs:complexType name="File"><xs:sequence><xs:element name="Name" type="xs:string" minOccurs="0"/><xs:element name="Length" type="xs:int" minOccurs="0"/>
<xs:element name="Content" type="xs:base64Binary" minOccurs="0" nillable="true"/><xs:element name="Text" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:element name="ReadFile_Result"><xs:complexType><xs:sequence><xs:element name="ResultCode" type="xs:string"/>
<xs:element name="ResultMessage" type="xs:string" minOccurs="0"/><xs:element name="File" type="p:File" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>""",
)
WSDL_FILES = (
    WSDL.replace(
        "<w:portType",
        '<w:message name="FileIn"><w:part name="parameters" element="p:ReadFile"/></w:message>'
        '<w:message name="FileOut"><w:part name="parameters" element="p:ReadFile_Result"/></w:message><w:portType',
    )
    .replace(
        "</w:portType>",
        '<w:operation name="ReadFile"><w:input message="t:FileIn"/><w:output message="t:FileOut"/></w:operation></w:portType>',
    )
    .replace(
        "</w:binding>",
        '<w:operation name="ReadFile"><s:operation soapAction="urn:parts:ReadFile" style="document"/><w:input><s:body use="literal"/></w:input>'
        '<w:output><s:body use="literal"/></w:output></w:operation></w:binding>',
    )
)
DOCUMENTS = {WSDL_URL: WSDL_FILES, XSD_URL: SCHEMA_FILES}
FILES: dict[str, Any] = {
    "operation": "ReadFile",
    "argument": "documentNo",
    "content": "File/Content",
    "size": "File/Length",
    "ok": {"path": "ResultCode", "values": ["OK"], "empty": ["NOT_FOUND"], "refused": ["NO_RIGHT"]},
    "message": "ResultMessage",
}
DRAWING = Blob("DWG-1/図面", "図面.pdf", "application/pdf", None)


def answer(file: str, code: str = "OK") -> bytes:
    return envelope(f'<ReadFile_Result xmlns="urn:parts"><ResultCode>{code}</ResultCode>{file}</ReadFile_Result>')


def asked(content: bytes, /, *, content_type: str = "text/xml", blob: Blob = DRAWING, cap: int = 100, **files: Any) -> tuple[bytes, Fake]:
    fake = Fake(httpx.Response(200, content=content, headers={"Content-Type": content_type}), documents=DOCUMENTS)
    what = stream(files={**FILES, **files}, max_attachment=cap)
    return b"".join(fake.connector().blob(what, blob)), fake


def unprefixed(text: str) -> str:
    return re.sub(r"<(/?)\w+:", r"<\1", text)


def code_of(error: type[FortnightError], content: bytes, /, **how: Any) -> str:
    with pytest.raises(error) as caught:
        asked(content, **how)
    return caught.value.code


def inline(data: bytes, length: int | None = None, element: str = "Content") -> str:
    said = "" if length is None else f"<Length>{length}</Length>"
    return f"<File><Name>a</Name>{said}<{element}>{base64.b64encode(data).decode()}</{element}></File>"


INCLUDE = '<File><Length>{}</Length><Content><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:f"/></Content></File>'


@pytest.mark.parametrize("size", [0, 1, 1_000_001, 12_000_000])
def test_a_file_comes_exact_as_a_part_and_as_text(size: int) -> None:
    data = os.urandom(size)
    whole, fake = asked(answer(inline(data, size)))
    assert whole == data and "<documentNo>DWG-1/図面</documentNo>" in unprefixed(fake.asked[0])
    content = multipart(piece("root@erp", answer(INCLUDE.format(size))), piece("f", data))
    assert asked(content, content_type=TYPE)[0] == data


def test_a_server_that_puts_base64_into_a_text_is_read_where_the_contract_says_so() -> None:
    data = os.urandom(2_000_000)
    files = {"content": "File/Text", "encoding": "base64"}
    assert asked(answer(inline(data, len(data), "Text")), **files)[0] == data
    hexed = answer("<File><Length>3</Length><Text>00FF0a</Text></File>")
    assert asked(hexed, content="File/Text", encoding="hex")[0] == b"\x00\xff\x0a"
    assert code_of(FixConfiguration, answer(inline(data)), content="File/Text") == "soap.source_invalid"


def test_the_request_may_be_written_by_hand_and_have_constants() -> None:
    body = '<ReadFile xmlns="urn:parts"><documentNo>{ref}</documentNo><copy>{copy}</copy></ReadFile>'
    for files in ({"body": body, "argument": "", "arguments": {"copy": True}}, {"arguments": {"copy": True}}):
        _, fake = asked(answer(inline(b"x", 1)), **files)
        text = unprefixed(fake.asked[0])
        assert "<documentNo>DWG-1/図面</documentNo>" in text and "<copy>true</copy>" in text


@pytest.mark.parametrize(
    ("content", "error", "code"),
    [
        (answer("", "NOT_FOUND"), AddressUnknown, "soap.file_gone"),
        (answer("<File><Name>a</Name></File>"), AddressUnknown, "soap.file_gone"),
        (answer('<File><Content xsi:nil="true"/></File>'), AddressUnknown, "soap.file_gone"),
        (answer(inline(b"abc", 4)), BrokenReply, "soap.file_size_differs"),
        (answer(inline(b"abc")), BrokenReply, "soap.file_size_differs"),
        (answer("<File><Length>3</Length><Content>a%c</Content></File>"), BrokenReply, "soap.file_unreadable"),
        (answer("<File><Length>3</Length><Content>AAAA</Content><Content>AAAA</Content></File>"), BrokenReply, "soap.broken"),
        (answer(inline(b"abc", 3), "NO_RIGHT"), AccessRefused, "soap.refused_inside"),
        (answer(inline(b"abc", 3))[:-40], BrokenReply, "soap.incomplete"),
    ],
)
def test_a_file_that_is_not_there_or_not_whole_is_named_for_what_it_is(content: bytes, error: type[FortnightError], code: str) -> None:
    assert code_of(error, content) == code


def test_a_file_above_the_cap_is_refused_whichever_way_it_comes() -> None:
    data = b"z" * 1_000_001
    assert code_of(BrokenReply, answer(inline(data, len(data))), cap=1) == "soap.attachment_too_large"
    content = multipart(piece("root@erp", answer(INCLUDE.format(len(data)))), piece("f", data))
    assert code_of(BrokenReply, content, content_type=TYPE, cap=1) == "soap.attachment_too_large"


def test_a_stream_that_declares_no_files_says_so() -> None:
    fake = Fake(answer(""), documents=DOCUMENTS)
    with pytest.raises(FixConfiguration) as caught:
        list(fake.connector().blob(stream(), DRAWING))
    assert caught.value.code == "soap.no_files" and not fake.asked


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"operation": "ReadDrawing"}, AddressUnknown),
        ({"content": "File/Inhalt"}, ContractBroken),
        ({"size": "File/Bytes"}, ContractBroken),
        ({"argument": ""}, FixConfiguration),
        ({"content": "File/Name"}, FixConfiguration),
    ],
)
def test_files_that_cannot_be_fetched_are_found_before_the_first_pull(files: dict[str, Any], error: type[FortnightError]) -> None:
    with pytest.raises(error):
        Fake(answer(""), documents=DOCUMENTS).connector().describe(stream(files={**FILES, **files}))


def test_a_change_of_the_files_operation_changes_the_readers_fingerprint_and_nothing_else_does() -> None:
    def fingerprint(schema: str, **source: Any) -> str:
        documents = {**DOCUMENTS, XSD_URL: schema}
        return Fake(answer(""), documents=documents).connector().describe(stream(**source)).fingerprint

    changed = SCHEMA_FILES.replace('"documentNo" type="xs:string"', '"documentNo" type="xs:token"')
    assert fingerprint(SCHEMA_FILES, files=FILES) != fingerprint(changed, files=FILES)
    assert fingerprint(SCHEMA_FILES) == fingerprint(changed)


def test_a_file_given_up_half_way_leaves_no_open_file_behind() -> None:
    fake = Fake(answer(inline(b"z" * 3_000_000, 3_000_000)), documents=DOCUMENTS)
    connector = fake.connector()
    list(connector.blob(stream(files=FILES), DRAWING))
    # What other tests left to the collector is not this one's.
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    given = connector.blob(stream(files=FILES), DRAWING)
    assert len(next(given)) < 3_000_000
    del given
    gc.collect()
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


FILE = Column(
    "file",
    ".",
    pa.list_(pa.struct([("ref", pa.string()), ("name", pa.string()), ("size", pa.int32())])),
    children=(Column("ref", "名称", pa.string()), Column("name", "Place/City", pa.string()), Column("size", "Stock", pa.int32())),
)
PLACE = "<Place><City>図面.pdf</City><Shelf>1</Shelf></Place>"
NONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


@pytest.mark.parametrize("count", [1, 700])
def test_children_of_the_row_are_gathered_into_the_struct_that_names_a_file(count: int) -> None:
    rows = [part(f"A{n}", f"<名称>DWG-{n}</名称><Stock>{n}</Stock>{PLACE}") for n in range(count)]
    none = [part("X"), part("Y", "<名称/>" + PLACE), part("Z", '<名称 xsi:nil="true"/>')]
    (page,) = Fake(reply(*rows, *none)).connector().pull(stream(FILE, **NONE), Window())
    found = page.rows.column("file").to_pylist()
    assert found[:count] == [[{"ref": f"DWG-{n}", "name": "図面.pdf", "size": n}] for n in range(count)] and found[count:] == [[]] * 3


def test_one_struct_of_the_rows_own_children_is_null_where_nothing_is_named() -> None:
    alone = Column("file", ".", FILE.type.value_type, children=FILE.children)  # type: ignore[attr-defined]
    (page,) = Fake(reply(part("A", "<名称>D</名称>"), part("B"))).connector().pull(stream(alone, **NONE), Window())
    assert page.rows.column("file").to_pylist() == [{"ref": "D", "name": None, "size": None}, None]


def test_a_bad_value_among_them_holds_the_row_back_and_names_it() -> None:
    (page,) = Fake(reply(part("A", "<名称>D</名称><Stock>12,5</Stock>"), part("B"))).connector().pull(stream(FILE, **NONE), Window())
    (reject,) = page.rejects
    assert reject.column == "file" and "./Stock = '12,5'" in reject.reason and '"名称": "D"' in reject.raw
    assert page.rows.column("code").to_pylist() == ["B"]


def test_a_column_that_is_the_row_itself_has_to_say_what_of_it() -> None:
    with pytest.raises(FixConfiguration) as caught:
        list(Fake(reply()).connector().pull(stream(Column("file", ".", pa.int32()), **NONE), Window()))
    assert caught.value.code == "soap.column_itself"


CONTRACT: dict[str, Any] = {
    "stream": "erp/parts",
    "version": 1,
    "source": {**SOURCE, **NONE, "files": FILES},
    "key": ["code"],
    "fields": [
        {"name": "code", "source": "Code", "type": "string", "required": True},
        {
            "name": "drawings",
            "source": ".",
            "type": "list",
            "fields": [{"name": "ref", "source": "名称", "type": "string"}, {"name": "name", "source": "Place/City", "type": "string"}],
        },
    ],
    "exclude": [
        "Key",
        "名称",
        "Grade",
        "Stock",
        "Price",
        "Since",
        "Active",
        "Place",
        "Lines/Line",
        "Tag",
        "Opens",
        "Modified",
        "Price@currency",
    ],
    "content": {"kind": "list", "ref": "drawings"},
}


def test_a_contract_with_files_has_no_drift_until_one_of_their_columns_goes() -> None:
    from expectations.contract import Contract
    from expectations.drift import compare

    contract = Contract.model_validate(CONTRACT)
    what = Stream("erp", "parts", contract.source, contract.key, tuple(one.column() for one in contract.fields))
    live = Fake(answer(""), documents=DOCUMENTS).connector().describe(what)
    assert compare(contract, live).changes == ()
    renamed = {**DOCUMENTS, XSD_URL: SCHEMA_FILES.replace('name="名称"', 'name="品名"')}
    changes = compare(contract, Fake(answer(""), documents=renamed).connector().describe(what)).changes
    assert [(one.kind, one.path, one.blocks) for one in changes if one.blocks] == [("removed", "..名称", True)]


def test_a_pull_keeps_the_files_of_its_rows_without_knowing_where_they_come_from(tmp_path: Path) -> None:
    from expectations.contract import Contract
    from pipelines.landing.warehouse import Warehouse
    from pipelines.pull.files import fetch_files

    drawing = os.urandom(300_000)
    contract = Contract.model_validate(CONTRACT)

    def serve(request: httpx.Request) -> httpx.Response:
        text = request.content.decode()
        if "ReadParts" in text:
            rows = (part("A", f"<名称>DWG-A</名称>{PLACE}"), part("B"), part("C", f"<名称>GONE</名称>{PLACE}"))
            return httpx.Response(200, content=reply(*rows), headers={"Content-Type": "text/xml"})
        if "GONE" in text:
            return httpx.Response(200, content=answer("", "NOT_FOUND"), headers={"Content-Type": "text/xml"})
        content = multipart(piece("root@erp", answer(INCLUDE.format(len(drawing)))), piece("f", drawing))
        return httpx.Response(200, content=content, headers={"Content-Type": TYPE})

    connector = Fake(serve, documents=DOCUMENTS).connector()
    what = Stream("erp", "parts", contract.source, contract.key, tuple(one.column() for one in contract.fields))
    (page,) = connector.pull(what, Window())
    warehouse = Warehouse(str(tmp_path / "data"))
    kept = fetch_files(connector, what, contract, page.rows.to_pylist(), warehouse, lambda _: None, tmp_path).to_pylist()
    assert [(one["key"], one["ref"], one["name"], one["size"], one["status"]) for one in kept] == [
        ("A", "DWG-A", "図面.pdf", 300_000, "ok"),
        ("C", "GONE", "図面.pdf", None, "gone"),
    ]
    assert warehouse.blob(kept[0]["sha256"]) == drawing
